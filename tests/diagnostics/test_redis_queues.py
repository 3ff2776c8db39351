from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import ValidationError
from redis.asyncio import Redis

from responder.clients.doors import Doors
from responder.diagnostics.redis_queues import DIAGNOSTIC, Asked, _literal
from responder.errors import Refused
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import System

Made = Callable[..., Target]


@pytest.fixture
async def admin(redis_server: System) -> AsyncIterator[Any]:
    async with Redis(port=redis_server.port) as client:
        await client.rpush("bull:mail:wait", *(f"s3cret{it}" for it in range(12)))
        await client.rpush("bull:sms:wait", "s3cret")
        await client.zadd("bull:mail:delayed", {"s3cret": 1})
        await client.xadd("events", {"patient": "s3cret"})
        await client.set("text", "s3cret")
        yield client
        await client.flushall()


@pytest.mark.system
async def test_a_queue_over_the_bound_is_a_backlog(
    redis_server: System, admin: Any, doors: Doors, target: Made
) -> None:
    asked = Asked(keys=["bull:mail:wait", "bull:mail:delayed", "events", "nothing"], over="10")

    finding = await DIAGNOSTIC.examine(target("redis", redis_server.address), asked, doors)

    assert (finding.outcome, finding.marks, finding.found) == (
        Outcome.UNHEALTHY,
        ("backlog",),
        {"queue": "bull:mail:wait"},
    )
    assert finding.headline == "bull:mail:wait 12 waiting (over 10)"
    assert isinstance(finding.table, Table)
    assert finding.table.rows == (
        ("bull:mail:wait", "12"),
        ("bull:mail:delayed", "1"),
        ("events", "1"),
        ("nothing", "0"),
    )
    assert "s3cret" not in repr(finding)


@pytest.mark.system
async def test_without_a_bound_lengths_are_shown(redis_server: System, admin: Any, doors: Doors, target: Made) -> None:
    finding = await DIAGNOSTIC.examine(target("redis", redis_server.address), Asked(keys="bull:mail:wait"), doors)

    assert (finding.outcome, finding.headline, finding.table) == (Outcome.HEALTHY, "bull:mail:wait 12 waiting", None)


@pytest.mark.system
async def test_a_pattern_takes_all_that_fit_where_scanning_is_allowed(
    redis_server: System, admin: Any, doors: Doors, target: Made
) -> None:
    asked = Asked(keys="bull:*:wait", over=100)

    finding = await DIAGNOSTIC.examine(target("redis", redis_server.address, allow=frozenset({"scan"})), asked, doors)

    assert finding.headline == "bull:mail:wait 12 waiting, the longest of 2 queues"
    with pytest.raises(Refused, match=r"needs `allow: \[scan\]`"):
        await DIAGNOSTIC.examine(target("redis", redis_server.address), asked, doors)


@pytest.mark.system
async def test_a_labels_value_stands_for_itself(redis_server: System, admin: Any, doors: Doors, target: Made) -> None:
    await admin.rpush("odd[*]\\key", "one")

    finding = await DIAGNOSTIC.examine(
        target("redis", redis_server.address), Asked(keys=_literal("odd[*]\\key")), doors
    )

    assert finding.headline == "odd[*]\\key 1 waiting"


@pytest.mark.system
async def test_what_is_no_queue_is_told(redis_server: System, admin: Any, doors: Doors, target: Made) -> None:
    with pytest.raises(Refused, match="text is a string; expected a list, a stream or a set"):
        await DIAGNOSTIC.examine(target("redis", redis_server.address), Asked(keys="text"), doors)


@pytest.mark.parametrize("asked", [{}, {"keys": []}, {"keys": "a", "over": "many"}, {"keys": [""]}])
def test_what_cannot_be_meant_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Asked(**asked)
