"""What was dated ahead by a database's clock that was set back does not wait for as long."""

from __future__ import annotations

from datetime import timedelta

import pytest
import structlog
import structlog.testing

from responder.store import work as rows
from responder.store.clock import DatabaseClock
from responder.store.store import Store

LEASE_SECONDS = 9.0


async def an_hour_passes_at_the_database(store: Store) -> None:
    """Backwards: everything that it has dated lies an hour ahead."""
    async with store.transaction() as connection:
        await connection.execute("update work set due_at = due_at + interval '1 hour'")


async def looked_at_twice(store: Store, *, passed_seconds: float) -> list[str]:
    """What is said when so many seconds pass for us, and none for the database."""
    moments = iter([0.0, 0.0, passed_seconds, passed_seconds])
    clock = DatabaseClock(lease_seconds=LEASE_SECONDS, clock=lambda: next(moments))
    with structlog.testing.capture_logs() as said:
        await clock.look(store)
        await clock.look(store)
    return [it["event"] for it in said]


@pytest.mark.parametrize(("passed", "said"), [(3600, ["store.clock_set_back"]), (4, [])])
async def test_only_a_clock_that_was_set_back_is_noticed(store: Store, passed: float, said: list[str]) -> None:
    assert await looked_at_twice(store, passed_seconds=passed) == said


async def test_what_waits_is_due_and_a_lease_ends_in_time(store: Store) -> None:
    async with store.transaction() as connection:
        await rows.ask(connection, [rows.Ask(kind="k", key="held")])
    [held] = await rows.claim(store, "k", limit=1, lease_seconds=LEASE_SECONDS)
    async with store.transaction() as connection:
        await rows.ask(connection, [rows.Ask(kind="k", key="waits")], in_seconds=60)
    await an_hour_passes_at_the_database(store)

    await looked_at_twice(store, passed_seconds=3600)
    [waits] = await rows.claim(store, "k", limit=2, lease_seconds=LEASE_SECONDS)
    async with store.connection() as connection:
        left: timedelta = await connection.fetchval("select due_at - now() from work where key = 'held'")

    assert (held.key, waits.key) == ("held", "waits")
    assert timedelta(0) < left <= timedelta(seconds=LEASE_SECONDS)
