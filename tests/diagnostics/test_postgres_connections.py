import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest

from responder.clients.doors import Doors
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.postgres_connections import DIAGNOSTIC
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import Postgres

Made = Callable[..., Target]
Connect = Callable[..., Any]


@pytest.fixture(scope="module")
def small(start_postgres: Callable[..., Postgres]) -> Postgres:
    """It takes 20 connections, 17 of them from ordinary users."""
    return start_postgres(max_connections=20, superuser_reserved_connections=3)


@pytest.fixture
async def connect(small: Postgres) -> AsyncIterator[Connect]:
    held = []

    async def one(application: str) -> Any:
        it = await asyncpg.connect(small.readonly_dsn, server_settings={"application_name": application})
        held.append(it)
        return it

    yield one
    for it in held:
        await it.close()


@pytest.mark.system
async def test_a_few_connections_are_healthy(small: Postgres, connect: Connect, doors: Doors, target: Made) -> None:
    await connect("api")

    finding = await DIAGNOSTIC.examine(target("postgres", small.readonly_dsn), Nothing(), doors)

    assert (finding.outcome, finding.marks) == (Outcome.HEALTHY, ())
    assert finding.headline == "2 of 20 connections"
    assert isinstance(finding.table, Table)
    assert [row[:4] for row in finding.table.rows] == [
        ("active", "responder", "responder", "1"),
        ("idle", "responder", "api", "1"),
    ]


@pytest.mark.system
async def test_a_pool_that_is_nearly_full_is_named_with_its_cause(
    small: Postgres, connect: Connect, doors: Doors, target: Made
) -> None:
    for _ in range(9):
        worker = await connect("worker")
        await worker.execute("begin; select 1")
    for _ in range(6):
        await connect("api")

    finding = await DIAGNOSTIC.examine(target("postgres", small.readonly_dsn), Nothing(), doors)

    assert (finding.outcome, finding.marks, finding.gravity) == (Outcome.UNHEALTHY, ("near_limit",), 71)
    assert re.sub(r"\d+s", "Ns", finding.headline) == (
        '16 of 20 connections, 9 idle in transaction, oldest Ns ("worker")'
    )
    assert isinstance(finding.table, Table)
    assert [row[:4] for row in finding.table.rows] == [
        ("idle in transaction", "responder", "worker", "9"),
        ("idle", "responder", "api", "6"),
        ("active", "responder", "responder", "1"),
    ]
    assert "pg_stat_activity" in finding.equivalent


@pytest.mark.system
async def test_no_connection_left_is_the_gravest_answer(
    small: Postgres, connect: Connect, doors: Doors, target: Made
) -> None:
    for _ in range(17):
        await connect("worker")

    finding = await DIAGNOSTIC.examine(target("postgres", small.readonly_dsn), Nothing(), doors)

    assert (finding.outcome, finding.marks, finding.gravity) == (Outcome.UNHEALTHY, ("near_limit",), 100)
    assert finding.headline.startswith("no connection left: remaining connection slots are reserved")


@pytest.mark.system
async def test_a_role_that_does_not_see_states_says_so(small: Postgres, doors: Doors, target: Made) -> None:
    admin = await asyncpg.connect(small.dsn, server_settings={"application_name": "admin"})
    await admin.execute("create role blind login")

    address = small.dsn.replace("postgres@", "blind@")
    finding = await DIAGNOSTIC.examine(target("postgres", address), Nothing(), doors)
    await admin.close()

    assert finding.headline == "2 of 20 connections, state of 1 not visible (needs pg_monitor)"
