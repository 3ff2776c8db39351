import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import ValidationError

from responder.clients.doors import Doors
from responder.diagnostics.postgres_table_sizes import DIAGNOSTIC, Asked
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import Postgres

Made = Callable[..., Target]
Connect = Callable[..., Any]


@pytest.fixture
async def tables(connect: Connect) -> AsyncIterator[Any]:
    admin = await connect()
    for name, rows in (("orders", 20_000), ("customers", 5_000), ("empty", 0)):
        await admin.execute(f"create table {name} as select n, 's3cret' as word from generate_series(1, {rows}) n")
    await admin.execute("create index on orders (n)")
    yield admin
    await admin.execute("rollback; drop table orders, customers, empty")


@pytest.mark.system
async def test_the_largest_go_first(postgres: Postgres, tables: Any, doors: Doors, target: Made) -> None:
    finding = await DIAGNOSTIC.examine(target("postgres", postgres.readonly_dsn), Asked(limit="2"), doors)
    assert finding.equivalent.endswith(' desc limit 2"')

    assert (finding.outcome, finding.gravity) == (Outcome.HEALTHY, 0)
    assert re.fullmatch(r"database postgres [\d.]+ MiB; largest table orders 1\.\d MiB", finding.headline)
    assert isinstance(finding.table, Table)
    assert [row[0] for row in finding.table.rows] == ["orders", "customers"]
    assert finding.table.cut == "cut at 2 rows"
    assert "s3cret" not in repr(finding)


@pytest.mark.system
async def test_a_table_that_is_locked_exclusively_holds_nobody_up(
    postgres: Postgres, tables: Any, doors: Doors, target: Made
) -> None:
    await tables.execute("begin; lock table orders in access exclusive mode")

    finding = await DIAGNOSTIC.examine(target("postgres", postgres.readonly_dsn), Asked(), doors)

    assert isinstance(finding.table, Table)
    assert [row[0] for row in finding.table.rows] == ["customers", "empty"]
    assert finding.details == "1 table or index is locked exclusively, and not measured"


@pytest.mark.parametrize("limit", [0, 101, "many"])
def test_a_limit_is_a_number_up_to_a_hundred(limit: Any) -> None:
    with pytest.raises(ValidationError):
        Asked(limit=limit)
