"""Lengths and figures of a real Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis

from responder.clients import redis as door
from responder.clients.doors import Doors
from responder.model.pack import Signal, Target
from responder.model.reading import AnyReading, NoReading, Reading
from responder.model.sources import RedisSource
from responder.signals.read import read
from tests.systems.plugin import System

NOW = datetime(2026, 11, 20, 3, 14, tzinfo=UTC)
SCAN = frozenset({"scan"})
Ask = Callable[..., Awaitable[AnyReading]]

pytestmark = pytest.mark.system


@pytest.fixture
async def admin(redis_server: System) -> AsyncIterator[Any]:
    client = Redis(port=redis_server.port)
    yield client
    await client.flushall()
    await client.aclose()


@pytest.fixture
def ask(redis_server: System, doors: Doors) -> Ask:
    async def asked(*length: str, allow: frozenset[str] = frozenset(), labels: Any = None, **more: Any) -> AnyReading:
        source = RedisSource(target="cache", length=length, **more)
        target = Target(name="cache", kind="redis", address=redis_server.address, allow=allow)
        signal = Signal(name="it", unit="count", source=source)
        return (await read({signal: 0.0}, [labels or {}], {"cache": target}, doors, NOW, within_seconds=5))["it"][0]

    return asked


def value(reading: AnyReading) -> float:
    assert isinstance(reading, Reading), reading
    return reading.value


def why(reading: AnyReading) -> str:
    assert isinstance(reading, NoReading), reading
    return reading.why


async def fill(admin: Any) -> None:
    await admin.rpush("bull:mail:wait", *range(3))
    await admin.rpush("bull:sms:wait", *range(4))
    await admin.zadd("bull:mail:delayed", {"a": 1, "b": 2})
    await admin.xadd("events", {"a": "b"})
    await admin.hset("session", mapping={"patient": "Ann"})


async def test_lists_streams_and_sorted_sets_have_a_length(ask: Ask, admin: Any) -> None:
    await fill(admin)

    assert value(await ask("bull:mail:wait")) == 3
    assert value(await ask("bull:mail:delayed")) == 2
    assert value(await ask("events")) == 1
    assert value(await ask("bull:nothing:wait")) == 0
    assert value(await ask("bull:mail:wait", "bull:sms:wait", "events")) == 4
    assert value(await ask("bull:mail:wait", "bull:sms:wait", "events", of="sum")) == 8


async def test_another_type_is_unknown(ask: Ask, admin: Any) -> None:
    await fill(admin)

    assert why(await ask("session")).endswith("session is a hash; expected a list, a stream or a sorted set")


async def test_a_pattern_stands_for_every_key_that_fits(ask: Ask, admin: Any) -> None:
    await fill(admin)

    assert value(await ask("bull:*:wait", allow=SCAN)) == 4
    assert value(await ask("bull:*:wait", allow=SCAN, of="sum")) == 7
    assert value(await ask("bull:*:wait", "bull:mail:wait", allow=SCAN, of="sum")) == 7
    assert value(await ask("bull:*:failed", allow=SCAN)) == 0


async def test_a_pattern_is_not_searched_for_without_leave(ask: Ask, admin: Any) -> None:
    await fill(admin)
    before = (await admin.info("commandstats")).get("cmdstat_scan", {}).get("calls", 0)

    assert why(await ask("bull:*:wait")).endswith("a pattern needs `allow: [scan]` on its target")
    assert (await admin.info("commandstats")).get("cmdstat_scan", {}).get("calls", 0) == before


async def test_more_than_may_be_searched_is_unknown_and_never_a_part(
    ask: Ask, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(admin)
    await admin.mset({f"k{it}": 1 for it in range(300)})

    assert why(await ask("k*", allow=SCAN)).endswith("more than 200 keys fit k*")
    monkeypatch.setattr(door, "MOST_SCANNED", 100)
    assert "305 keys in this database, at most 100" in why(await ask("bull:*:wait", allow=SCAN))


async def test_a_label_is_no_pattern(ask: Ask, admin: Any) -> None:
    await fill(admin)
    await admin.rpush("bull:*:wait", *range(9))
    await admin.rpush("bull:*:paused", 1)

    assert value(await ask("bull:{{ labels.queue }}:wait", labels={"queue": "*"})) == 9
    both = await ask("bull:{{ labels.queue }}:[pw]a*", labels={"queue": "*"}, allow=SCAN, of="sum")
    assert value(both) == 10


async def test_a_field_of_info_is_a_number(ask: Ask) -> None:
    assert value(await ask(info="connected_clients")) >= 1
    assert why(await ask(info="role")).endswith("the field role of INFO is not a number")
    assert why(await ask(info="connected_cleints")).endswith("INFO has no field connected_cleints")


async def test_many_keys_cost_one_turn_each_way(ask: Ask, admin: Any, doors: Doors, redis_server: System) -> None:
    for it in range(150):
        await admin.rpush(f"q{it}", 1)
    target = Target(name="cache", kind="redis", address=redis_server.address, allow=SCAN)

    assert value(await ask("q*", allow=SCAN, of="sum")) == 150
    assert doors.tally(target).asked == 3  # the search, the types, the lengths


async def test_after_a_refused_answer_the_next_one_is_its_own(ask: Ask, admin: Any, doors: Doors) -> None:
    await fill(admin)
    target = Target(
        name="cache", kind="redis", address=f"redis://127.0.0.1:{admin.connection_pool.connection_kwargs['port']}/0"
    )
    cache = doors.redis(target)

    with pytest.raises(door.Refused):
        await cache.ask_all([("LLEN", "session"), ("LLEN", "bull:mail:wait")])

    assert await cache.ask_all([("LLEN", "bull:sms:wait"), ("LLEN", "bull:mail:wait")]) == [4, 3]
