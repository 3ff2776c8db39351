from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from responder.clients import redis as redis_client
from responder.clients.doors import Doors
from responder.diagnostics.redis_keys import DIAGNOSTIC, Asked, shapes_of
from responder.errors import Refused
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import System

Made = Callable[..., Target]


@pytest.fixture
async def admin(redis_server: System) -> AsyncIterator[Any]:
    async with Redis(port=redis_server.port) as client:
        await client.mset({f"session:{name}:cart": "x" for name in ("ann-s3cret", "bob", "7f3a", "eve@example.org")})
        await client.mset({f"lock:{number}": "x" for number in range(6)})
        yield client
        await client.flushall()


@pytest.fixture
def given(redis_server: System, target: Made) -> Target:
    return target("redis", redis_server.address, allow=frozenset({"scan"}))


@pytest.mark.system
async def test_keys_are_counted_by_shape_without_anybodys_name(given: Target, admin: Any, doors: Doors) -> None:
    finding = await DIAGNOSTIC.examine(given, Asked(), doors)

    assert (finding.outcome, finding.headline) == (Outcome.HEALTHY, "10 of 10 keys fit *, most lock:* (60 %)")
    assert isinstance(finding.table, Table)
    assert finding.table.rows == (("lock:*", "6"), ("session:*:cart", "4"))
    assert "s3cret" not in repr(finding)


@pytest.mark.system
async def test_a_pattern_narrows_it(given: Target, admin: Any, doors: Doors) -> None:
    assert (await DIAGNOSTIC.examine(given, Asked(pattern="session:ann-*"), doors)).headline == (
        "1 of 10 keys fit session:ann-*"
    )
    assert (await DIAGNOSTIC.examine(given, Asked(pattern="nothing:*"), doors)).headline == (
        "0 of 10 keys fit nothing:*"
    )


@pytest.mark.system
async def test_a_large_database_is_looked_at_in_part_and_says_so(
    given: Target, admin: Any, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "MOST_SCANNED", 200)
    monkeypatch.setattr(redis_client, "SCANNED_AT_ONCE", 100)
    await admin.mset({f"bulk:{number}": "x" for number in range(2000)})

    finding = await DIAGNOSTIC.examine(given, Asked(pattern="bulk:*"), doors)

    assert finding.headline.startswith("about ")
    assert "of 2010 keys fit bulk:* (cut at 200 looked at)" in finding.headline


@pytest.mark.system
async def test_without_leave_nothing_is_scanned(redis_server: System, doors: Doors, target: Made) -> None:
    with pytest.raises(Refused, match=r"looking for keys needs `allow: \[scan\]` on its target"):
        await DIAGNOSTIC.examine(target("redis", redis_server.address), Asked(), doors)


def test_one_key_alone_has_the_shape_of_the_pattern() -> None:
    assert shapes_of(["patient:jane-doe"], "patient:*") == ["patient:*"]
