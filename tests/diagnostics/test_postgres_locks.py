import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.postgres_locks import DIAGNOSTIC, PREPARED, Blocking, _headline
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import Postgres

Made = Callable[..., Target]
Connect = Callable[..., Any]


@pytest.fixture
async def orders(connect: Connect) -> AsyncIterator[None]:
    admin = await connect()
    await admin.execute("create table orders (id int primary key); insert into orders values (1)")
    yield
    others = "select pg_terminate_backend(pid) from pg_stat_activity where application_name in "
    await admin.execute(f"{others} ('api', 'worker', 'migration')")
    await admin.execute("drop table orders")


@pytest.mark.system
async def test_the_blocking_tree_names_its_root(
    postgres: Postgres, connect: Connect, orders: None, doors: Doors, target: Made
) -> None:
    """A worker holds a row; a migration waits for the worker, and two sessions queue up behind the migration."""
    worker, admin = await connect("worker"), await connect()
    await worker.execute("begin; update orders set id = 1")
    loop = asyncio.get_running_loop()
    waiting = [loop.create_task((await connect("migration")).execute("alter table orders add column s3cret int"))]
    await _waiters(admin, 1)
    for number in (2, 3):
        waiting.append(loop.create_task((await connect("api")).execute("select * from orders")))
        await _waiters(admin, number)

    finding = await DIAGNOSTIC.examine(target("postgres", postgres.readonly_dsn), Nothing(), doors)
    await worker.execute("rollback")
    await asyncio.wait(waiting)

    assert (finding.outcome, finding.marks) == (Outcome.UNHEALTHY, ("blocked",))
    assert re.sub(r"\d+s", "Ns", finding.headline) == (
        '3 sessions wait for locks, longest Ns, behind application "worker" (idle in transaction for Ns)'
    )
    assert isinstance(finding.table, Table)
    rows = [(re.sub(r"\d+", "N", row[0]), row[2], row[3], row[6]) for row in finding.table.rows]
    assert rows == [
        ("N", "", "idle in transaction", "worker"),
        ("└ N", "orders", "active", "migration"),
        ("  └ N", "orders", "active", "api"),
        ("  └ N", "orders", "active", "api"),
    ]
    assert finding.found == {"pid": finding.table.rows[0][0], "user": "postgres", "application": "worker"}
    assert "s3cret" not in repr(finding)


@pytest.mark.system
async def test_nobody_waits(postgres: Postgres, doors: Doors, target: Made) -> None:
    finding = await DIAGNOSTIC.examine(target("postgres", postgres.readonly_dsn), Nothing(), doors)

    assert (finding.outcome, finding.headline) == (Outcome.HEALTHY, "nobody waits for a lock")


def test_a_circle_and_a_prepared_transaction_are_told() -> None:
    waits = {"seconds": 5.0, "waits_for": "orders", "sessions": 2}
    circle = Blocking(waiting={1: {"blockers": [2], **waits}, 2: {"blockers": [1], **waits}}, sessions={})
    prepared = Blocking(waiting={1: {"blockers": [PREPARED], **waits}}, sessions={})

    assert (circle.roots, list(circle.below(1))) == ([], [(1, 2)])
    assert _headline(circle, None) == "2 sessions wait for locks, longest 5s, in a circle"
    assert prepared.roots == [PREPARED]
    assert _headline(prepared, PREPARED).endswith("behind a prepared transaction")


async def _waiters(admin: Any, count: int) -> None:
    while await admin.fetchval("select count(distinct pid) from pg_locks where not granted") < count:
        await asyncio.sleep(0.01)
