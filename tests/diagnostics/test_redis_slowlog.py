import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from responder.clients.doors import Doors
from responder.clients.redis import SlowCommand
from responder.diagnostics.redis_slowlog import DIAGNOSTIC, Asked, _headline
from responder.errors import Refused
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import System

Made = Callable[..., Target]
NOW = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)


@pytest.fixture
async def admin(redis_server: System) -> AsyncIterator[Any]:
    async with Redis(port=redis_server.port) as client:
        await client.config_set("slowlog-log-slower-than", 0)
        await client.slowlog_reset()
        await client.set("patient", "s3cret")
        await client.get("s3cret")
        await client.get("s3cret")
        await client.config_set("slowlog-log-slower-than", 10_000)
        yield client
        await client.slowlog_reset()
        await client.flushall()


@pytest.mark.system
async def test_commands_are_named_and_counted_and_their_arguments_stay(
    redis_server: System, admin: Any, doors: Doors, target: Made
) -> None:
    given = target("redis", redis_server.address, allow=frozenset({"slowlog"}))

    finding = await DIAGNOSTIC.examine(given, Asked(), doors)

    assert (finding.outcome, finding.gravity) == (Outcome.UNHEALTHY, 45)
    assert re.fullmatch(r"\d slow commands in the last 15m, slowest [A-Z]+ [\d.e-]+ ms, \ds ago", finding.headline)
    assert isinstance(finding.table, Table)
    assert {(row[0], row[1]) for row in finding.table.rows} >= {("SET", "1"), ("GET", "2")}
    assert "s3cret" not in repr(finding)
    assert "patient" not in repr(finding)


@pytest.mark.system
async def test_without_leave_it_is_not_read(redis_server: System, doors: Doors, target: Made) -> None:
    with pytest.raises(Refused, match=r"the slow log needs `allow: \[slowlog\]` on its target"):
        await DIAGNOSTIC.examine(target("redis", redis_server.address), Asked(), doors)


def test_what_was_slow_long_ago_is_no_news() -> None:
    old = SlowCommand(at=NOW - timedelta(hours=3), took_seconds=1.2, command="KEYS")

    assert _headline([old], [], NOW) == "no slow command in the last 15m, the newest 3h ago"
    assert _headline([old], [old], NOW) == "1 slow command in the last 15m, slowest KEYS 1.2 s, 3h ago"
    assert _headline([], [], NOW) == "no slow command was recorded"
