"""What was dated ahead by a database's clock that was set back does not wait for as long."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest
import structlog
import structlog.testing

from responder.errors import StoreUnavailable
from responder.model.rate import Rate
from responder.store import clock as module
from responder.store import work as rows
from responder.store.clock import DatabaseClock
from responder.store.rates import SharedRate
from responder.store.store import SESSION, Store

LEASE_SECONDS = 9.0
LOCK = "select from work where key = $1 for update"
IS_WAITED_FOR = "select exists (select 1 from pg_locks where pg_backend_pid() = any(pg_blocking_pids(pid)))"


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


async def test_what_could_not_be_brought_back_is_by_the_next_look(store: Store) -> None:
    await ask_in_order(store, "waits")
    await an_hour_passes_at_the_database(store)
    moments = iter([0.0, 0.0, 3600.0, 3600.0, 3602.0, 3602.0])
    clock = DatabaseClock(lease_seconds=LEASE_SECONDS, clock=lambda: next(moments))
    await clock.look(store)
    async with store.transaction() as held:
        await held.execute(LOCK, "waits")
        with pytest.raises(StoreUnavailable, match="LockNotAvailable"):
            await clock.look(store)
    assert await rows.claim(store, "k", limit=2, lease_seconds=LEASE_SECONDS) == []

    await clock.look(store)

    assert [it.key for it in await rows.claim(store, "k", limit=2, lease_seconds=LEASE_SECONDS)] == ["waits"]


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine, it is a deadlock that ends a wait."""
    monkeypatch.setitem(SESSION, "lock_timeout", "60s")


async def test_rows_are_locked_in_the_order_of_those_who_ask_for_work(
    patience: None, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one of the two is broken off: this one, which waited first."""
    monkeypatch.setattr(module, "afresh", lambda once: once())
    await ask_in_order(store, "b", "a")  # as they lie in the table
    await an_hour_passes_at_the_database(store)
    async with store.transaction() as asking:
        await asking.execute(LOCK, "a")
        looking = asyncio.create_task(looked_at_twice(store, passed_seconds=3600))
        async with asyncio.timeout(20):
            while not await asking.fetchval(IS_WAITED_FOR):
                await asyncio.sleep(0.01)
        await asking.execute(LOCK, "b")

    assert await looking == ["store.clock_set_back"]
    assert len(await rows.claim(store, "k", limit=2, lease_seconds=LEASE_SECONDS)) == 2


async def test_a_deadlock_all_the_same_is_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await ask_in_order(store, "waits")
    await an_hour_passes_at_the_database(store)
    bring_back, times = DatabaseClock._bring_back, 0

    async def broken_off_once(self: DatabaseClock, store: Store) -> None:
        nonlocal times
        times += 1
        await bring_back(self, store)
        if times == 1:
            raise asyncpg.DeadlockDetectedError("deadlock detected")

    monkeypatch.setattr(DatabaseClock, "_bring_back", broken_off_once)

    assert await looked_at_twice(store, passed_seconds=3600) == ["store.clock_set_back"]
    assert times == 2


async def test_turns_that_were_taken_stay_taken(store: Store) -> None:
    """Else as many could be taken at once again, in the same minute of whoever gives them."""
    shared = SharedRate(store, Rate(name="a-key", per_minute=90, burst=30))
    for _ in range(30):
        await shared.take(within=0)
    async with store.connection() as connection:
        await connection.execute("update rates set newest = newest + 3600, next_at = next_at + interval '1 hour'")

    await looked_at_twice(store, passed_seconds=3600)
    waits = [await shared.take(within=60) for _ in range(3)]

    assert 0.5 < waits[2] < 10  # neither at once nor in an hour


async def ask_in_order(store: Store, *keys: str) -> None:
    for key in keys:
        async with store.transaction() as connection:
            await rows.ask(connection, [rows.Ask(kind="k", key=key)])
