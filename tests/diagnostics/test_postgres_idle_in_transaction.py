import re
from collections.abc import Callable
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.postgres_idle_in_transaction import DIAGNOSTIC, Asked
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import Postgres

Made = Callable[..., Target]
Connect = Callable[..., Any]

pytestmark = pytest.mark.system


async def test_sessions_that_do_nothing_in_a_transaction_are_counted_and_the_oldest_named(
    postgres: Postgres, connect: Connect, doors: Doors, target: Made
) -> None:
    for name in ("worker", "api", "api"):
        await (await connect(name)).execute("begin; select 's3cret'")
    broken = await connect("api")
    with pytest.raises(Exception, match="division by zero"):
        await broken.execute("begin; select 1/0")

    given = target("postgres", postgres.readonly_dsn)
    finding = await DIAGNOSTIC.examine(given, Asked(over=0), doors)
    calm = await DIAGNOSTIC.examine(given, Asked(), doors)

    assert (finding.outcome, finding.marks) == (Outcome.UNHEALTHY, ("idle_in_transaction",))
    assert re.sub(r"\d+s", "Ns", finding.headline) == (
        '4 connections idle in transaction, oldest Ns, application "worker"'
    )
    assert isinstance(finding.table, Table)
    assert [row[4] for row in finding.table.rows] == ["worker", "api", "api", "api"]
    assert finding.found["application"] == "worker"
    assert finding.found["pid"] == finding.table.rows[0][0]
    assert "s3cret" not in repr(finding)
    assert (calm.outcome, calm.marks) == (Outcome.HEALTHY, ())
    assert calm.headline == "4 connections idle in transaction, none longer than 5m"


async def test_nobody_is_healthy(postgres: Postgres, doors: Doors, target: Made) -> None:
    finding = await DIAGNOSTIC.examine(target("postgres", postgres.readonly_dsn), Asked(), doors)

    assert (finding.outcome, finding.headline) == (Outcome.HEALTHY, "no connection idle in transaction")


async def test_more_than_200_are_counted_and_the_table_says_that_it_is_cut(
    start_postgres: Callable[..., Postgres], connect: Connect, doors: Doors, target: Made
) -> None:
    server = start_postgres(max_connections=230)
    for _ in range(205):
        await (await connect("worker", server.dsn)).execute("begin")

    finding = await DIAGNOSTIC.examine(target("postgres", server.readonly_dsn), Asked(over=0), doors)

    assert finding.headline.startswith("205 connections idle in transaction, oldest ")
    assert isinstance(finding.table, Table)
    assert (len(finding.table.rows), finding.table.cut) == (200, "cut at 200 rows")
    server.stop()
