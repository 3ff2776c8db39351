"""However much there is, a look takes some of it and says so: at most 64 MiB more memory."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from redis.asyncio import Redis

from responder.clients.kafka import MOST_PARTITIONS
from tests.systems.kafka import OwnBroker
from tests.systems.plugin import Postgres, System
from tests.systems.servers import Handler

pytestmark = pytest.mark.system

MOST_MIB = 64
REPOSITORY = Path(__file__).parents[2]
GIB = 1024**3
PIECE = b"x" * (1024 * 1024)
KEYS = 100_000


async def weighed(kind: str, address: str) -> str:
    """What such a look found; that it needed no more memory than it may is seen here."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.harm.weigh", kind, address), cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    mib, _, said = told.decode().strip().partition(" ")
    print(f"{kind}: {float(mib):.1f} MiB more: {said}")
    assert float(mib) <= MOST_MIB
    return said


async def test_a_body_of_a_gibibyte(serve: Callable[[Handler], Awaitable[str]]) -> None:
    sent = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        response.content_length = GIB if request.path == "/large" else 1
        await response.prepare(request)
        if request.path != "/large":
            await response.write(b"x")
            return response
        while sent < GIB:
            await response.write(PIECE)
            sent += len(PIECE)
        return response

    assert await weighed("http", await serve(answer)) == "1048576 bytes, cut"
    assert sent < GIB / 10  # it hung up


async def test_a_prometheus_that_answers_with_a_million_series(serve: Callable[[Handler], Awaitable[str]]) -> None:
    series = b'{"metric": {"job": "api", "instance": "10.0.0.1:9090"}, "value": [1763694840, "1"]},'

    async def answer(_: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(_)
        await response.write(b'{"status": "success", "data": {"resultType": "vector", "result": [')
        for _number in range(1000):
            await response.write(series * 1000)
        return response

    assert re.search("larger than", await weighed("prometheus", await serve(answer)))


async def test_a_million_rows(postgres_server: Postgres) -> None:
    assert await weighed("postgres", postgres_server.readonly_dsn) == "200 rows, cut"


async def test_a_hundred_thousand_keys(start_redis: Callable[..., System]) -> None:
    server = start_redis()
    async with Redis(port=server.port) as admin:
        script = "for i = 1, tonumber(ARGV[1]) do redis.call('set', 'session:' .. string.rep('x', 80) .. i, 1) end"
        await admin.eval(script, 0, KEYS)

    assert await weighed("redis", server.address) == f"{KEYS} keys of {KEYS}"
    server.stop()


async def test_a_million_rows_of_clickhouse(clickhouse_server: System) -> None:
    said = await weighed("clickhouse", clickhouse_server.address)

    assert re.search("refused|cut|larger", said)


async def test_as_many_partitions_as_are_looked_at(own_broker: Callable[..., Awaitable[OwnBroker]]) -> None:
    many = {("orders", it): 0 for it in range(MOST_PARTITIONS)}
    broker = await own_broker(groups={"large": many, "small": {("orders", 0): 0}}, ends=many)

    assert await weighed("kafka", f"127.0.0.1:{broker.port}") == f"{MOST_PARTITIONS} partitions"
