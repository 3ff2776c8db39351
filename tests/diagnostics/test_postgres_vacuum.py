import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.postgres_vacuum import DIAGNOSTIC, _headline
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import Postgres

Made = Callable[..., Target]
Connect = Callable[..., Any]


@pytest.mark.system
async def test_a_table_with_far_more_dead_rows_than_it_should_is_named(
    postgres: Postgres, connect: Connect, doors: Doors, target: Made
) -> None:
    admin = await connect()
    await admin.execute("create table orders (n int) with (autovacuum_enabled = off)")
    await admin.execute("insert into orders select generate_series(1, 1000)")
    await admin.execute("update orders set n = n + 1")
    await admin.execute("select pg_stat_force_next_flush()")
    await admin.fetchval("select count(*) from orders")

    finding = await DIAGNOSTIC.examine(target("postgres", postgres.readonly_dsn), Nothing(), doors)
    for _ in range(50):  # rows that any other session may still see stay dead
        await admin.execute("vacuum orders")
        await admin.execute("select pg_stat_force_next_flush()")
        calm = await DIAGNOSTIC.examine(target("postgres", postgres.readonly_dsn), Nothing(), doors)
        if calm.outcome is Outcome.HEALTHY:
            break
        await asyncio.sleep(0.1)
    await admin.execute("drop table orders")

    assert (finding.outcome, finding.gravity, finding.found) == (Outcome.UNHEALTHY, 25, {"table": "orders"})
    assert finding.headline == "table orders: 1000 dead beside 1000 live rows, never vacuumed"
    assert isinstance(finding.table, Table)
    assert finding.table.rows == (("orders", "1000", "1000", "never vacuumed"),)
    assert "they wrap around at 2147483648" in finding.details
    assert (calm.outcome, calm.headline) == (Outcome.HEALTHY, "vacuum keeps up (none runs now)")


def test_transaction_ids_that_wrap_around_go_first() -> None:
    state = {"oldest_age": 1_900_000_000.0, "oldest_database": "shop"}

    assert _headline(state, [], wraps=True) == "database shop: 247 million transactions until they wrap around"
