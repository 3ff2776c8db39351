import asyncio
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from responder.clients.doors import Doors
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.redis_info import DIAGNOSTIC
from responder.errors import CouldNotLook
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import System

Made = Callable[..., Target]


@pytest.mark.system
async def test_an_empty_one_is_healthy(start_redis: Callable[..., System], doors: Doors, target: Made) -> None:
    server = start_redis("--maxmemory", "64mb")

    finding = await DIAGNOSTIC.examine(target("redis", server.address), Nothing(), doors)

    assert (finding.outcome, finding.marks) == (Outcome.HEALTHY, ())
    assert finding.headline == "memory 1 % of 64 MiB, 1 client"
    assert finding.equivalent == f"redis-cli -u redis://127.0.0.1:{server.port} info"
    server.stop()


@pytest.mark.system
async def test_nearly_all_memory_taken_is_near_the_limit(
    start_redis: Callable[..., System], doors: Doors, target: Made
) -> None:
    server = start_redis("--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru")
    async with Redis(port=server.port) as admin:
        for number in range(700):
            await admin.set(f"key{number}", "x" * 16_000)

        finding = await DIAGNOSTIC.examine(target("redis", server.address), Nothing(), doors)

    assert (finding.outcome, finding.marks) == (Outcome.UNHEALTHY, ("near_limit",))
    assert finding.gravity == 50  # it makes room by itself
    assert " % of 8 MiB, " in finding.headline
    assert finding.headline.endswith(" keys evicted")
    assert isinstance(finding.table, Table)
    assert finding.table.rows[0][2] == "8 MiB (allkeys-lru)"
    server.stop()


@pytest.mark.system
async def test_blocked_clients_are_shown_and_not_judged(
    start_redis: Callable[..., System], doors: Doors, target: Made
) -> None:
    server = start_redis()
    async with Redis(port=server.port) as admin, asyncio.TaskGroup() as group:
        waiting = [group.create_task(admin.blpop(["queue"], timeout=0)) for _ in range(3)]
        while int((await admin.info("clients"))["blocked_clients"]) < 3:
            await asyncio.sleep(0.01)

        finding = await DIAGNOSTIC.examine(target("redis", server.address), Nothing(), doors)

        await admin.rpush("queue", "a", "b", "c")
        await asyncio.wait(waiting)

    assert finding.outcome is Outcome.HEALTHY
    assert finding.headline.startswith("memory ")
    assert finding.headline.endswith(", 5 clients, 3 blocked")
    server.stop()


@pytest.mark.system
async def test_clients_near_their_limit(start_redis: Callable[..., System], doors: Doors, target: Made) -> None:
    server = start_redis("--maxclients", "10")
    held = [Redis(port=server.port, single_connection_client=True) for _ in range(8)]
    for it in held:
        await it.initialize()
        await it.ping()

    finding = await DIAGNOSTIC.examine(target("redis", server.address), Nothing(), doors)
    assert (finding.outcome, finding.marks, finding.gravity) == (Outcome.UNHEALTHY, ("near_limit",), 55)
    assert finding.headline.startswith("9 of 10 clients, memory ")

    for it in held:
        await it.aclose()
    server.stop()


@pytest.mark.system
async def test_no_client_left_is_the_gravest_answer(
    start_redis: Callable[..., System], doors: Doors, target: Made
) -> None:
    server = start_redis("--maxclients", "1")
    async with Redis(port=server.port, single_connection_client=True) as holder:
        await holder.ping()

        finding = await DIAGNOSTIC.examine(target("redis", server.address), Nothing(), doors)

    assert (finding.outcome, finding.gravity) == (Outcome.UNHEALTHY, 100)
    assert finding.headline == "no client left: max number of clients reached"
    server.stop()


async def test_something_else_is_no_redis(doors: Doors, target: Made, raw_server: Callable[..., object]) -> None:
    port = await raw_server(b"$9\r\n# Server\n\r\n")  # type: ignore[misc]

    with pytest.raises(CouldNotLook, match="not the INFO of a Redis: 'connected_clients'"):
        await DIAGNOSTIC.examine(target("redis", f"redis://127.0.0.1:{port}"), Nothing(), doors)
