import asyncio
import re
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from pydantic import ValidationError

from responder.clients.doors import Doors
from responder.diagnostics.postgres_long_queries import DIAGNOSTIC, Asked
from responder.errors import Refused
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import Postgres

Made = Callable[..., Target]
Connect = Callable[..., Any]
SLEEP = "select pg_sleep(60), 'patient s3cret'"


@pytest.mark.system
async def test_a_query_that_runs_for_too_long_is_named_without_its_text(
    postgres: Postgres, connect: Connect, doors: Doors, target: Made
) -> None:
    worker, admin = await connect("worker"), await connect()
    sleeping = asyncio.get_running_loop().create_task(worker.fetch(SLEEP))
    while not await admin.fetchval("select count(*) from pg_stat_activity where wait_event = 'PgSleep'"):
        await asyncio.sleep(0.01)

    given = target("postgres", postgres.readonly_dsn)
    finding = await DIAGNOSTIC.examine(given, Asked(over=0.001), doors)
    calm = await DIAGNOSTIC.examine(given, Asked(over="10m"), doors)
    worker.terminate()
    with pytest.raises(asyncpg.PostgresConnectionError):
        await sleeping

    assert (finding.outcome, finding.marks, finding.gravity) == (Outcome.UNHEALTHY, ("long_query",), 60)
    assert re.sub(r"\d+s", "Ns", finding.headline.replace("1ms", "Nms")) == (
        '1 query runs longer than Nms, longest Ns, application "worker", waits for Timeout PgSleep'
    )
    assert isinstance(finding.table, Table)
    (row,) = finding.table.rows
    assert (row[2:6], row[6].lstrip("-").isdecimal()) == (("postgres", "worker", "postgres", "Timeout PgSleep"), True)
    assert finding.found == {"pid": row[0], "user": "postgres", "application": "worker", "database": "postgres"}
    assert "s3cret" not in repr(finding)
    assert (calm.outcome, calm.headline, calm.table) == (Outcome.HEALTHY, "no query runs longer than 10m", None)


@pytest.mark.system
async def test_a_role_that_does_not_see_others_could_not_look(
    postgres: Postgres, connect: Connect, doors: Doors, target: Made
) -> None:
    await (await connect()).execute("drop role if exists blind; create role blind login")

    with pytest.raises(Refused, match=r"the role does not see what \d+ sessions do; grant it pg_monitor"):
        await DIAGNOSTIC.examine(target("postgres", postgres.dsn.replace("postgres@", "blind@")), Asked(), doors)


@pytest.mark.parametrize("over", ["5 mins ago", -1, []])
def test_what_cannot_be_meant_is_refused(over: Any) -> None:
    with pytest.raises(ValidationError):
        Asked(over=over)
