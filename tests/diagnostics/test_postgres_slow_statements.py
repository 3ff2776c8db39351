import re
from collections.abc import Callable
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.postgres_slow_statements import DIAGNOSTIC, Asked
from responder.errors import Refused
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import Postgres

Made = Callable[..., Target]
Connect = Callable[..., Any]

pytestmark = pytest.mark.system


async def test_the_statement_that_takes_most_time_is_named_by_its_id(
    postgres: Postgres, connect: Connect, doors: Doors, target: Made
) -> None:
    admin = await connect()
    await admin.execute("create extension if not exists pg_stat_statements")
    await admin.execute("select pg_stat_statements_reset()")
    for _ in range(3):
        await admin.fetch("select pg_sleep(0.05), 's3cret' as word")
    sleeping = "select queryid::text from pg_stat_statements where query like '%pg_sleep%' and calls = 3"
    expected = await admin.fetchval(sleeping)

    finding = await DIAGNOSTIC.examine(target("postgres", postgres.readonly_dsn), Asked(limit=5), doors)
    assert finding.equivalent.endswith(' desc limit 5"')
    await admin.execute("drop extension pg_stat_statements")

    assert (finding.outcome, finding.found) == (Outcome.HEALTHY, {"query_id": expected})
    assert re.fullmatch(
        rf"query id {expected} takes \d+ % of all time: 3 calls, mean [\d.]+ ms, slowest .+ \(figures of \d+s\)",
        finding.headline,
    )
    assert isinstance(finding.table, Table)
    assert finding.table.rows[0][0] == expected
    assert finding.table.rows[0][7:] == ("postgres", "postgres")
    assert "s3cret" not in repr(finding)
    assert "pg_sleep" not in repr(finding)


async def test_without_the_extension_it_could_not_look(postgres: Postgres, doors: Doors, target: Made) -> None:
    with pytest.raises(Refused, match="the extension pg_stat_statements is not installed in database postgres"):
        await DIAGNOSTIC.examine(target("postgres", postgres.readonly_dsn), Asked(), doors)


async def test_a_role_that_does_not_see_others_could_not_look(
    postgres: Postgres, connect: Connect, doors: Doors, target: Made
) -> None:
    admin = await connect()
    await admin.execute("create extension if not exists pg_stat_statements")
    await admin.execute("drop role if exists blind; create role blind login")

    with pytest.raises(Refused, match="grant it pg_monitor"):
        await DIAGNOSTIC.examine(target("postgres", postgres.dsn.replace("postgres@", "blind@")), Asked(), doors)
    await admin.execute("drop extension pg_stat_statements")
