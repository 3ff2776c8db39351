from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from responder.clients.doors import Doors
from responder.diagnostics.clickhouse_clusters import DIAGNOSTIC, Asked
from responder.errors import Refused, Unreachable
from responder.model.finding import Finding, Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import LOOPBACK, System
from tests.systems.servers import Handler

Made = Callable[..., Target]
Serve = Callable[[Handler], Awaitable[str]]
Examined = Callable[..., Awaitable[Finding]]


def server(host: str, errors: int = 0, cluster: str = "shop") -> dict[str, Any]:
    return {"cluster": cluster, "host": host, "port": 9000, "errors": errors, "recovers_in": 60 * errors}


def replica(table: str, *, read_only: int = 0, expired: int = 0, queue: int = 0, delay: int = 0) -> dict[str, Any]:
    told = {"read_only": read_only, "expired": expired, "queue": queue, "delay": str(delay)}
    return {"database": "shop", "table": table, **told}


@pytest.fixture
async def examined(serve: Serve, doors: Doors, target: Made) -> Examined:
    """`await examined(servers, replicas)`: a current server that tells these."""

    async def look(
        servers: list[Any], replicas: list[Any], *, read_only: int | None = None, databases: int = 1, **asked: Any
    ) -> Finding:
        async def answer(request: web.Request) -> web.Response:
            sql = request.query["query"]
            assert (request.method, sql.endswith(" format JSON")) == ("GET", True)
            table = sql.partition(" from system.")[2].split()[0]
            return web.json_response({"data": told[table]})

        seen = sum(bool(it.get("read_only") or it.get("expired")) for it in replicas)
        told = {
            "clusters": servers,
            "replicas": replicas,
            "metrics": [{"read_only": str(seen if read_only is None else read_only)}],
            "databases": [{"databases": str(databases)}],
        }
        return await DIAGNOSTIC.examine(target("clickhouse", await serve(answer)), Asked(**asked), doors)

    return look


@pytest.mark.system
async def test_a_replicated_table_without_its_keeper_is_read_only(
    clickhouse_server: System, doors: Doors, target: Made
) -> None:
    at = target("clickhouse", clickhouse_server.address)
    whole = await DIAGNOSTIC.examine(at, Asked(), doors)

    await _done(clickhouse_server, "attach table events (d Date) engine = ReplicatedMergeTree('/e', 'a', d, (d), 8192)")
    broken = await DIAGNOSTIC.examine(at, Asked(), doors)
    await _done(clickhouse_server, "detach table events")

    assert (whole.outcome, whole.headline) == (Outcome.HEALTHY, "2 servers in 1 cluster")
    assert whole.details == "this version of ClickHouse does not count errors between servers"
    assert (broken.outcome, broken.marks, broken.gravity) == (Outcome.UNHEALTHY, ("degraded",), 75)
    assert broken.headline == "1 of 1 replicated table read-only (default.events)"


@pytest.mark.system
async def test_a_user_that_may_see_no_table_does_not_call_them_healthy(
    clickhouse_server: System, doors: Doors, target: Made
) -> None:
    at = target("clickhouse", f"http://responder:pw@{LOOPBACK}:{clickhouse_server.port}")

    with pytest.raises(Refused, match="the user sees no database, and so no replicated table; grant it SHOW TABLES"):
        await DIAGNOSTIC.examine(at, Asked(), doors)


async def test_a_cluster_that_is_whole(examined: Examined) -> None:
    finding = await examined([server("ch-1"), server("ch-2"), server("ch-1", cluster="all")], [replica("events")] * 40)

    assert (finding.outcome, finding.marks, finding.table) == (Outcome.HEALTHY, (), None)
    assert (
        finding.headline == "2 servers in 2 clusters, none with errors; 40 replicated tables, none read-only or behind"
    )


async def test_what_is_wrong_goes_by_its_gravity(examined: Examined) -> None:
    replicas = [replica("events", read_only=1), replica("orders", expired=1), replica("carts", queue=5, delay=861)]
    replicas.append(replica("users", queue=100, delay=300))
    finding = await examined([server("ch-3", 4), server("ch-1"), server("ch-2")], replicas)

    assert (finding.outcome, finding.gravity) == (Outcome.UNHEALTHY, 75)
    assert finding.headline == (
        "2 of 4 replicated tables read-only (shop.events), 1 of 3 servers not always reached (ch-3:9000, 4 errors), "
        "1 of 4 replicated tables behind (shop.carts: 14m behind, 5 in its queue)"
    )
    assert finding.found == {"table": "shop.events", "server": "ch-3:9000"}
    assert isinstance(finding.table, Table)
    assert finding.table.rows[2:] == (
        ("shop.carts", "14m behind, 5 in its queue"),
        ("ch-3:9000 of shop", "4 errors, well again in 4m"),
    )


async def test_how_far_behind_is_too_far_can_be_said(examined: Examined) -> None:
    rows = [replica("events", queue=20, delay=10)]

    assert (await examined([], rows)).outcome is Outcome.HEALTHY
    assert (await examined([], rows, delay="5s")).gravity == 50
    assert (await examined([], rows, queue=10)).headline == (
        "1 of 1 replicated table behind (shop.events: 10s behind, 20 in its queue)"
    )


async def test_read_only_replicas_that_the_user_does_not_see_are_counted(examined: Examined) -> None:
    finding = await examined([], [replica("events", read_only=1)], read_only=3)

    assert "2 read-only that the user may not see" in finding.headline


async def test_failing_servers_are_told_where_tables_are_hidden(examined: Examined) -> None:
    finding = await examined([server("ch-3", 1)], [], databases=0)

    assert finding.headline == (
        "1 of 1 server not always reached (ch-3:9000, 1 error), "
        "the user sees no database, and so no replicated table; grant it SHOW TABLES"
    )


async def test_more_than_are_shown_is_said(examined: Examined) -> None:
    finding = await examined([], [replica("events", read_only=1)] * 201)

    assert finding.headline == "200 of more than 200 replicated tables read-only (shop.events)"
    assert isinstance(finding.table, Table)
    assert finding.table.cut == "cut at 200 rows"


async def test_a_server_of_its_own_is_healthy(examined: Examined) -> None:
    assert (await examined([], [])).headline == "no cluster and no replicated table here"


@pytest.mark.parametrize("rows", [[{}], [{**replica("t"), "delay": None}], [{**replica("t"), "queue": "many"}]])
async def test_rows_that_are_none_are_no_answer(rows: list[Any], examined: Examined) -> None:
    with pytest.raises(Unreachable, match="not the clusters and replicas of ClickHouse"):
        await examined([], rows)


async def _done(server: System, sql: str) -> None:
    async with aiohttp.ClientSession() as session, session.post(server.address, data=sql) as answer:
        assert (answer.status, await answer.text()) == (200, "")
