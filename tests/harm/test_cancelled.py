"""Whoever leaves in the middle of an answer takes nothing from those who stay: no wrong answer, nothing left behind.

`make test-harm` does this 10,000 times a client, other runs 200 times.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from aiohttp import web
from redis.asyncio import Redis

from responder.clients.clickhouse_statements import Statement
from responder.clients.doors import Doors
from responder.clients.postgres_queries import NamedQuery
from responder.model.pack import Target
from tests.systems.kafka import OwnBroker
from tests.systems.plugin import Postgres, System
from tests.systems.servers import Handler

pytestmark = [pytest.mark.system, pytest.mark.timeout(3600)]

TIMES = 10_000 if os.environ.get("RESPONDER_TEST_HARM") == "full" else 200
AT_ONCE = 4
KINDS = 40  # of answers
PATIENT = 0.2  # of those who ask: they wait for the answer, however busy the machine is
GONE_WITHIN_SECONDS = 10.0  # sooner than a server ends by itself what was left behind
SEED = 20261121
NUMBERS = NamedQuery(name="numbers", sql="select it from generate_series(1, $1::int) as it")
OURS = """select count(*) + count(xact_start) from pg_stat_activity where application_name = 'responder'"""
PARTITION = ("orders", 0)


@dataclass(kw_only=True)
class Client:
    """`ask(number)` answers that number; `left()` how many of our connections, and transactions that were not
    ended, the server holds, of which `kept` may stay."""

    ask: Callable[[int], Awaitable[int]]
    left: Callable[[], Awaitable[int]]
    kept: int


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    doors = Doors({}, clock=lambda: 0.0)  # however slow the machine is, no target is left alone
    yield doors
    await doors.close()


def at(kind: str, address: str) -> Target:
    return Target(name="it", kind=kind, address=address, per_minute=1_000_000, concurrency=AT_ONCE)


@pytest.fixture
async def postgres(postgres_server: Postgres, doors: Doors) -> AsyncIterator[Client]:
    door = doors.postgres(at("postgres", postgres_server.readonly_dsn))
    admin = await asyncpg.connect(postgres_server.dsn)

    async def ask(number: int) -> int:
        return len((await door.fetch(NUMBERS, number)).rows)

    async def left() -> int:
        return int(await admin.fetchval(OURS))

    yield Client(ask=ask, left=left, kept=1)
    await admin.close()


@pytest.fixture
async def redis(start_redis: Callable[..., System], doors: Doors) -> AsyncIterator[Client]:
    server = start_redis()
    door = doors.redis(at("redis", server.address))
    admin = Redis(port=server.port)
    for number in range(1, KINDS + 1):
        await admin.rpush(f"queue{number}", *range(number))

    async def ask(number: int) -> int:
        return int(await door.ask("LLEN", f"queue{number}"))

    async def left() -> int:
        return len(await admin.client_list()) - 1

    yield Client(ask=ask, left=left, kept=1)
    await admin.aclose()
    server.stop()


@pytest.fixture
async def http(serve: Callable[[Handler], Awaitable[str]], doors: Doors) -> Client:
    held: set[object] = set()

    async def answer(request: web.Request) -> web.StreamResponse:
        held.add(request.transport)
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # it has hung up
            for letter in request.path[1:]:
                await response.write(letter.encode())
                await asyncio.sleep(0.001)
        return response

    door = doors.http(at("http", await serve(answer)))

    async def ask(number: int) -> int:
        return int((await door.get(f"/{number}{number}")).text) // (100 if number > 9 else 10)

    async def left() -> int:
        held.difference_update({it for it in held if it is None or it.is_closing()})  # type: ignore[attr-defined]
        return len(held)

    return Client(ask=ask, left=left, kept=0)


@pytest.fixture
async def clickhouse(clickhouse_server: System, doors: Doors) -> AsyncIterator[Client]:
    door = doors.clickhouse(at("clickhouse", clickhouse_server.address))
    other = Doors({})
    watching = other.clickhouse(at("clickhouse", clickhouse_server.address))
    running = Statement(name="queries", sql="select count() as running from system.processes")

    async def ask(number: int) -> int:
        sql = f"select number from system.numbers limit {number}"
        return len((await door.fetch(Statement(name="numbers", sql=sql))).rows)

    async def left() -> int:
        return int((await watching.fetch(running)).rows[0]["running"]) - 1

    yield Client(ask=ask, left=left, kept=0)
    await other.close()


@pytest.fixture
async def kafka(own_broker: Callable[..., Awaitable[OwnBroker]], doors: Doors) -> Client:
    groups = {f"g{it}": {PARTITION: 100 - it} for it in range(1, KINDS + 1)}
    broker = await own_broker(groups=groups, ends={PARTITION: 100})
    door = doors.kafka(at("kafka", f"127.0.0.1:{broker.port}"))

    async def ask(number: int) -> int:
        return (await door.lags(f"g{number}")).partitions[0].behind

    async def left() -> int:
        return broker.connections

    return Client(ask=ask, left=left, kept=0)


@pytest.fixture(params=["postgres", "redis", "http", "clickhouse", "kafka"])
def client(request: pytest.FixtureRequest) -> Client:
    """Of each kind."""
    found: Client = request.getfixturevalue(request.param)
    return found


async def test_whoever_leaves_takes_nothing_from_those_who_stay(client: Client) -> None:
    typical = statistics.median([await took(client, number) for number in range(1, 21)])
    before = descriptors()
    wrong: list[tuple[int, int]] = []
    answered = given_up = 0

    async def worker(number: int) -> None:
        nonlocal answered, given_up
        chance = random.Random(SEED + number)
        while given_up < TIMES:
            wanted = chance.randint(1, KINDS)
            within = typical * 10 ** chance.uniform(-1, 1.5)
            try:
                async with asyncio.timeout(None if chance.random() < PATIENT else within):
                    got = await client.ask(wanted)
            except TimeoutError:
                given_up += 1
                continue
            answered += 1
            if got != wanted:
                wrong.append((wanted, got))

    async with asyncio.TaskGroup() as group:
        for number in range(AT_ONCE):
            group.create_task(worker(number))

    async with asyncio.timeout(GONE_WITHIN_SECONDS):
        while await client.left() > client.kept or descriptors() > before + client.kept:
            await asyncio.sleep(0.02)
    assert wrong == []
    assert answered > TIMES / 10
    assert await client.ask(7) == 7
    print(f"{answered} answered, {given_up} given up, {typical * 1000:.1f} ms each, {len(wrong)} wrong")


async def took(client: Client, number: int) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await client.ask(number) == number
    return loop.time() - began


def descriptors() -> int:
    """Files and sockets of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))
