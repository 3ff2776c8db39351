"""Migrations are applied once, in order, whole."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from responder.errors import StoreUnavailable, UsageError
from responder.store import migrate as migrating
from responder.store.migrate import LOCK, migrate
from responder.store.store import Store


@pytest.fixture
async def empty(database: str) -> Store:
    return await Store.open(database, redact=lambda text: text)


async def tables(store: Store) -> set[str]:
    async with store.connection() as connection:
        rows = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        return {row[0] for row in rows}


async def test_ten_instances_migrating_at_once_apply_each_once(empty: Store, tmp_path: Path) -> None:
    (tmp_path / "0001_one.sql").write_text("create table one (n int); insert into one values (1)")
    (tmp_path / "0002_two.sql").write_text("create table two (n int)")

    applied = await asyncio.gather(*(migrate(empty, tmp_path) for _ in range(10)))

    assert sorted(name for names in applied for name in names) == ["one", "two"]
    await empty.close()


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrating, "STANDS_STILL_SECONDS", 0.3)
    monkeypatch.setattr(migrating, "WAIT_SECONDS", 2.0)


@pytest.mark.usefixtures("_hurried")
async def test_one_that_froze_with_the_right_to_migrate_keeps_nobody_from_starting(
    empty: Store, tmp_path: Path, database: str
) -> None:
    (tmp_path / "0001_one.sql").write_text("create table one (n int)")
    frozen = await asyncpg.connect(database)
    await frozen.execute("select pg_advisory_lock($1)", LOCK)

    assert await migrate(empty, tmp_path) == ["one"]
    with pytest.raises((asyncpg.AdminShutdownError, asyncpg.InterfaceError)):
        await frozen.execute("create table late (n int)")
    await empty.close()


@pytest.mark.usefixtures("_hurried")
async def test_one_that_migrates_for_long_is_waited_for(empty: Store, tmp_path: Path, database: str) -> None:
    (tmp_path / "0001_one.sql").write_text("create table one (n int)")
    busy = await asyncpg.connect(database)
    await busy.execute("select pg_advisory_lock($1)", LOCK)
    working = asyncio.create_task(busy.execute("select pg_sleep(3)"))

    with pytest.raises(StoreUnavailable, match="another replica migrates it"):
        await migrate(empty, tmp_path)
    await working
    await busy.close()
    assert await migrate(empty, tmp_path) == ["one"]
    await empty.close()


async def test_one_that_fails_leaves_nothing_behind(empty: Store, tmp_path: Path) -> None:
    (tmp_path / "0001_half.sql").write_text("create table half (n int); select 1/0")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty, tmp_path)

    assert "half" not in await tables(empty)
    await empty.close()


async def test_a_changed_file_is_refused_with_the_cure(empty: Store, tmp_path: Path) -> None:
    (tmp_path / "0001_one.sql").write_text("create table one (n int)")
    await migrate(empty, tmp_path)
    (tmp_path / "0001_one.sql").write_text("create table other (n int)")

    with pytest.raises(UsageError, match=r"migration 0001 \(one\) was applied with another text; .*restore it"):
        await migrate(empty, tmp_path)
    await empty.close()


async def test_a_newer_schema_is_left_alone(empty: Store, tmp_path: Path) -> None:
    (tmp_path / "0001_one.sql").write_text("create table one (n int)")
    (tmp_path / "0002_newer.sql").write_text("create table newer (n int)")
    await migrate(empty, tmp_path)
    (tmp_path / "0002_newer.sql").unlink()

    assert await migrate(empty, tmp_path) == []
    assert "newer" in await tables(empty)
    await empty.close()


async def two_tables(store: Store, folder: Path) -> None:
    (folder / "0001_two.sql").write_text("create table a (n int); create table b (n int)")
    await migrate(store, folder)
    (folder / "0002_third.sql").write_text("create table third (n int)")


async def test_a_deadlock_with_a_replica_that_still_runs_is_tried_again(empty: Store, tmp_path: Path) -> None:
    (tmp_path / "0001_tries.sql").write_text("create sequence tries")  # counts on where all else is rolled back
    (tmp_path / "0002_broken_off.sql").write_text(
        "create table t (n int); do $$ begin if nextval('tries') < 3 then raise sqlstate '40P01'; end if; end $$"
    )

    assert await migrate(empty, tmp_path) == ["tries", "broken_off"]
    await empty.close()


async def test_one_that_is_broken_off_each_time_is_left_for_later(empty: Store, tmp_path: Path) -> None:
    (tmp_path / "0001_one.sql").write_text("create table one (n int)")
    (tmp_path / "0002_never.sql").write_text("do $$ begin raise sqlstate '40P01'; end $$")

    with pytest.raises(StoreUnavailable, match="DeadlockDetectedError"):
        await migrate(empty, tmp_path)

    assert "one" in await tables(empty)
    await empty.close()


async def test_who_waits_in_vain_for_a_table_lets_it_go_and_keeps_what_was_applied(
    empty: Store, tmp_path: Path
) -> None:
    """Behind one that waits for a table stand all who come after it: the webhooks of the replica that runs."""
    await two_tables(empty, tmp_path)
    (tmp_path / "0003_both.sql").write_text("alter table a add m int; alter table b add m int")
    async with empty.transaction() as running:
        await running.execute("lock b in share mode")
        with pytest.raises(StoreUnavailable, match="LockNotAvailable"):
            await migrate(empty, tmp_path)

    assert "third" in await tables(empty)
    assert await migrate(empty, tmp_path) == ["both"]
    await empty.close()


async def test_nobody_at_the_address_is_store_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="no answer from the database"):
        await Store.open("postgresql://responder@127.0.0.1:1/none", redact=lambda text: text)


async def test_a_wrong_database_is_a_usage_error_without_its_password(database: str) -> None:
    wrong = (
        database.rsplit("/", 1)[0] + "/not_there"
        if "?" not in database
        else database.replace("/responder_test", "/not_there")
    )

    with pytest.raises(UsageError, match="RESPONDER_DATABASE_URL"):
        await Store.open(wrong, redact=lambda text: text)


async def test_a_session_that_migrated_waits_for_locks_no_longer_than_others(empty: Store) -> None:
    await migrate(empty)

    async with empty.connection() as one, empty.connection() as other:
        assert {await it.fetchval("show lock_timeout") for it in (one, other)} == {"1500ms"}
    await empty.close()
