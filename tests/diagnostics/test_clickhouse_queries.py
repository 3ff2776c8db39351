import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from responder.clients.doors import Doors
from responder.diagnostics.clickhouse_queries import DIAGNOSTIC, Asked
from responder.errors import Unreachable
from responder.model.finding import Finding, Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import LOOPBACK, System
from tests.systems.servers import Handler

Made = Callable[..., Target]
Serve = Callable[[Handler], Awaitable[str]]
ROW = {"user": "etl", "seconds": 861.2, "kind": "Select", "initial": 1, "read": "1200000", "memory": 3221225472}
ROW |= {"id": "a-1", "hash": "1234567890"}


@pytest.fixture
async def examined(serve: Serve, doors: Doors, target: Made) -> Callable[..., Awaitable[Finding]]:
    """`await examined(rows, over=30)`: a current server that tells these rows."""

    async def look(rows: list[dict[str, object]], over: float = 30.0) -> Finding:
        async def answer(_: web.Request) -> web.Response:
            return web.json_response({"meta": [], "data": rows, "rows": len(rows)})

        return await DIAGNOSTIC.examine(target("clickhouse", await serve(answer)), Asked(over=over), doors)

    return look


@pytest.mark.system
async def test_a_query_that_runs_is_seen_by_the_shipped_user(
    clickhouse_server: System, doors: Doors, target: Made
) -> None:
    at = target("clickhouse", f"http://responder:pw@{LOOPBACK}:{clickhouse_server.port}")
    query = {"query": "select count() from system.numbers where number = 's3cret'", "query_id": "long-one"}
    query["query"] = "select sleep(1) from system.numbers where number < 1000000000000 /* s3cret */"

    async def run() -> None:
        async with aiohttp.ClientSession() as session, session.get(clickhouse_server.address, params=query) as it:
            await it.read()

    running = asyncio.get_running_loop().create_task(run())
    finding = await DIAGNOSTIC.examine(at, Asked(over=0.0), doors)
    while finding.outcome is Outcome.HEALTHY and not running.done():
        await asyncio.sleep(0.02)
        finding = await DIAGNOSTIC.examine(at, Asked(over=0.0), doors)
    healthy = await DIAGNOSTIC.examine(at, Asked(over=3600), doors)
    async with aiohttp.ClientSession() as session:
        kill = "kill query where query_id = 'long-one' sync"
        async with session.post(clickhouse_server.address, data=kill) as done:
            assert done.status == 200
    running.cancel()

    assert (finding.outcome, finding.marks) == (Outcome.UNHEALTHY, ("long_query",))
    assert finding.headline == '1 query runs longer than 0s, longest 0s, user "default"'
    assert finding.found == {"user": "default", "query_id": "long-one"}
    assert "s3cret" not in repr(finding)
    assert (healthy.outcome, healthy.headline) == (Outcome.HEALTHY, "no query runs longer than 1h, 1 run")


async def test_the_longest_is_named_with_its_user_and_hash(examined: Callable[..., Awaitable[Finding]]) -> None:
    finding = await examined([ROW, ROW | {"seconds": 31.0, "initial": 0}, ROW | {"seconds": 3.0}])

    assert finding.headline == '2 queries run longer than 30s, longest 14m, user "etl"'
    assert isinstance(finding.table, Table)
    assert finding.table.rows[0] == ("14m", "etl", "Select", "1200000", "3 GiB", "a-1", "1234567890")
    assert len(finding.table.rows) == 2


async def test_a_part_of_another_servers_query_is_told_apart(examined: Callable[..., Awaitable[Finding]]) -> None:
    finding = await examined([ROW | {"initial": 0}])

    assert finding.headline.endswith('user "etl", a part of one that another server sent')


async def test_where_more_run_than_are_shown_it_says_so(examined: Callable[..., Awaitable[Finding]]) -> None:
    finding = await examined([ROW] * 201)

    assert finding.headline.startswith("at least 200 queries run longer than 30s")
    assert isinstance(finding.table, Table)
    assert (len(finding.table.rows), finding.table.cut) == (200, "cut at 200 rows")


async def test_none_is_healthy(examined: Callable[..., Awaitable[Finding]]) -> None:
    finding = await examined([])

    assert (finding.outcome, finding.headline) == (Outcome.HEALTHY, "no query runs longer than 30s")


@pytest.mark.parametrize("row", [{}, ROW | {"seconds": None}, ROW | {"seconds": "inf"}, ROW | {"read": "many"}])
async def test_rows_that_are_none_are_no_answer(
    row: dict[str, object], examined: Callable[..., Awaitable[Finding]]
) -> None:
    with pytest.raises(Unreachable, match="not the running queries of ClickHouse"):
        await examined([row])
