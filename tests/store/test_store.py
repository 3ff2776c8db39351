"""Tests of responder/store/store.py: not reached yet, a wrong address; who holds a lock and stands still loses it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from responder.errors import StoreUnavailable, UsageError
from responder.store.store import SESSION, Store

FROZEN_WITHIN_SECONDS = 15.0  # five, and waits for the lock of a second and a half each


@pytest.fixture
async def other(store: Store, database: str) -> AsyncIterator[asyncpg.Connection]:
    """Another replica's session, which has changed incident 1 and not committed it."""
    async with store.connection() as connection:
        await connection.execute("insert into incidents (id, slug, first_report_due) values (1, 'inc-0001', now())")
    session = await asyncpg.connect(database, server_settings=SESSION)
    await session.execute("begin")
    await session.execute("update incidents set title = 'of the other' where id = 1")
    yield session
    session.terminate()


async def locks(store: Store, statement: str = "select id from incidents where id = 1 for update") -> bool:
    """Whether a lock is to be had: that of incident 1, if nothing else is said."""
    try:
        async with store.transaction() as connection:
            await connection.fetch(statement)
    except StoreUnavailable:
        return False
    return True


@pytest.mark.parametrize("parsed", [False, True], ids=["idle", "with a statement that was parsed and not executed"])
async def test_a_replica_that_froze_in_a_transaction_loses_its_lock(
    store: Store, other: asyncpg.Connection, parsed: bool
) -> None:
    if parsed:
        await other.prepare("select 1")

    began = time.monotonic()
    assert not await locks(store)
    while not await locks(store):
        assert time.monotonic() - began < FROZEN_WITHIN_SECONDS


async def test_a_replica_that_froze_with_the_lock_of_a_group_loses_it(store: Store, database: str) -> None:
    frozen = await asyncpg.connect(database, server_settings=SESSION)
    await frozen.execute("begin")
    await frozen.execute("select pg_advisory_xact_lock(7)")  # it has changed nothing yet
    await frozen.prepare("select 1")

    began = time.monotonic()
    while not await locks(store, "select pg_advisory_xact_lock(7)"):
        assert time.monotonic() - began < FROZEN_WITHIN_SECONDS
    frozen.terminate()


async def test_a_replica_that_goes_on_in_its_transaction_keeps_its_lock(
    store: Store, other: asyncpg.Connection
) -> None:
    for step in range(7):
        await asyncio.sleep(1)
        await other.fetch("select $1::int", step)
        assert not await locks(store, "select id from incidents where id = 1 for update nowait")

    await other.execute("commit")

    assert await locks(store)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ("create role of_somebody; set local role of_somebody", "InsufficientPrivilegeError"),
        ("alter table work rename to as_it_was", "UndefinedTableError"),
    ],
)
async def test_a_right_or_a_table_that_is_gone_may_come_back(store: Store, changed: str, why: str) -> None:
    with pytest.raises(StoreUnavailable, match=why):
        await looks(store, behind=changed)

    await looks(store)


async def looks(store: Store, *, behind: str = "select") -> None:
    """Behind a change that a failure takes back."""
    async with store.transaction() as connection:
        await connection.execute(behind)
        await connection.fetch("select id from work")


async def test_a_store_that_was_not_reached_yet_has_nothing_until_it_takes_another_over(database: str) -> None:
    store = Store(redact=lambda text: text)

    with pytest.raises(StoreUnavailable, match="the database was not reached yet"):
        async with store.transaction():
            pass
    assert not await store.writable()
    await store.close()
    store.take_over(await Store.open(database, redact=lambda text: text))

    assert await store.writable()
    await store.close()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("mysql://u:pw@127.0.0.1/db", 'found the scheme "mysql"'),
        ("127.0.0.1/db", 'found the scheme ""'),
        ("postgresql:///db", "it names no host"),
        ("postgresql://u:pw@:5432/db", "it names no host"),
        ("postgresql://u:pw@[::1/db", "Invalid IPv6 URL"),
        ("postgresql://u:p/w@127.0.0.1/db", "a port is no number"),
    ],
)
async def test_an_address_that_no_waiting_makes_right_is_a_usage_error(address: str, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        await Store.open(address, redact=lambda text: text)

    assert str(refused.value).startswith(f"RESPONDER_DATABASE_URL: {why}; expected postgresql://user:…@host/db")
    assert "pw" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgres://u@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1,localhost:1/db",
        "postgresql://u@[::1]:1/db",
        "postgresql://u@/db?host=/nowhere",
    ],
)
async def test_an_address_at_which_nobody_answers_is_waited_for(address: str) -> None:
    with pytest.raises(StoreUnavailable, match="no answer from the database"):
        await Store.open(address, redact=lambda text: text)
