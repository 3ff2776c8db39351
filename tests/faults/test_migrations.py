"""A schema that is changed while processes die, by many at once, or by a newer version than ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import responder
from responder.store.migrate import FOLDER, migrate, migrations
from responder.store.store import Store
from tests.conftest import fresh_database
from tests.faults.cluster import Cluster
from tests.faults.daemon import Daemon
from tests.faults.oracle import check_one_note
from tests.faults.sizes import size
from tests.faults.world import Case, World, noted, until
from tests.systems.plugin import Postgres

AT_ONCE = 10
RACES = size(full=20, short=2)
KILLS = size(full=50, short=5)
SEED = 20261121
MIGRATING = Path(__file__).parent / "migrating.py"
ROOT = Path(responder.__file__).parent.parent
STUCK = "select pid from pg_locks where not granted"
SCHEMA = """select table_name, column_name, data_type, is_nullable, column_default from information_schema.columns
            where table_schema = 'public'
            union all select tablename, indexname, indexdef, '', '' from pg_indexes where schemaname = 'public'
            union all select conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '' from pg_constraint
            where connamespace = 'public'::regnamespace order by 1, 2, 3"""

pytestmark = [pytest.mark.faults, pytest.mark.system, pytest.mark.timeout(size(full=3600, short=600))]


@contextmanager
def process(dsn: str, folder: Path = FOLDER) -> Iterator[subprocess.Popen[str]]:
    """One that is connected and waits for the word to migrate; ended with the block."""
    with subprocess.Popen(
        [sys.executable, str(MIGRATING), dsn, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as it:
        try:
            yield it
        finally:
            it.kill()


def is_ready(it: subprocess.Popen[str]) -> bool:
    assert it.stdout is not None
    return it.stdout.readline() == "ready\n"


def begin(it: subprocess.Popen[str]) -> None:
    assert it.stdin is not None
    it.stdin.write("\n")
    it.stdin.flush()


def applied(it: subprocess.Popen[str]) -> list[str]:
    """The names of what it has applied; waits for its end."""
    assert it.stdout is not None
    names: list[str] = json.loads(it.stdout.readline())
    assert it.wait(30) == 0
    return names


async def schema_of(dsn: str) -> list[Any]:
    """Every column, index and constraint, and which migrations are noted."""
    connection = await asyncpg.connect(dsn)
    try:
        noted = await connection.fetch("select number, name, checksum from migrations order by 1")
        return [*await connection.fetch(SCHEMA), *noted]
    finally:
        await connection.close()


async def brought_to(dsn: str, folder: Path = FOLDER) -> list[Any]:
    """The schema after migrating with nobody in the way."""
    store = await Store.open(dsn, redact=lambda text: text)
    await migrate(store, folder)
    await store.close()
    return await schema_of(dsn)


@pytest.mark.parametrize("race", range(RACES))
async def test_ten_processes_that_migrate_at_once_apply_each_once(postgres_server: Postgres, race: int) -> None:
    async with fresh_database(postgres_server.dsn) as undisturbed, fresh_database(postgres_server.dsn) as dsn:
        with contextlib.ExitStack() as stack:
            racing = [stack.enter_context(process(dsn)) for _ in range(AT_ONCE)]
            assert all(is_ready(it) for it in racing)
            for it in racing:
                begin(it)
            by_each = [applied(it) for it in racing]

        print(f"race {race}: {[len(it) for it in by_each]}")
        assert Counter(name for names in by_each for name in names) == {it.name: 1 for it in migrations()}
        assert await schema_of(dsn) == await brought_to(undisturbed)


async def test_one_that_is_killed_at_any_instant_leaves_what_the_next_one_completes(postgres_server: Postgres) -> None:
    instants = random.Random(SEED)
    print(f"seed {SEED}")
    seen = Counter[int]()
    for _ in range(KILLS):
        async with fresh_database(postgres_server.dsn) as undisturbed, fresh_database(postgres_server.dsn) as dsn:
            with process(dsn) as it:
                assert is_ready(it)
                begin(it)
                await asyncio.sleep(instants.uniform(0, 0.12))
                it.kill()
            seen[await noted_in(dsn)] += 1

            assert await brought_to(dsn) == await brought_to(undisturbed)
    print(f"migrations that were there after the kill: {sorted(seen.items())}")


async def noted_in(dsn: str) -> int:
    """How many migrations are noted; whoever was killed may still hold a lock, but none on this for long."""
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("select count(*) from migrations"))
    except asyncpg.UndefinedTableError:
        return 0
    finally:
        await connection.close()


@asynccontextmanager
async def only_the_first(dsn: str, tmp_path: Path) -> AsyncIterator[asyncpg.Connection]:
    """A database as the very first version left it, with a session that keeps every table from being changed."""
    folder = tmp_path / "first"
    folder.mkdir()
    shutil.copy(min(FOLDER.glob("*.sql")), folder)
    await brought_to(dsn, folder)
    connection = await asyncpg.connect(dsn)
    tables = [it[0] for it in await connection.fetch("select tablename from pg_tables where schemaname = 'public'")]
    await connection.execute("begin")
    await connection.execute(f"lock table {', '.join(it for it in tables if it != 'migrations')} in row exclusive mode")
    try:
        yield connection
    finally:
        connection.terminate()


async def in_the_middle(session: asyncpg.Connection, daemon: Daemon) -> None:
    """Wait until the daemon has begun to migrate and cannot go on."""
    daemon.launch()

    async def is_stuck() -> bool:
        return bool(await session.fetch(STUCK))

    await until(is_stuck, else_tell=lambda: daemon.log)
    assert daemon.events("store.migrated") == []


@pytest.mark.parametrize("what", ["the daemon is killed", "the database ends"])
async def test_a_migration_that_is_interrupted_is_made_again_whole(
    postgres_template: Path, tmp_path: Path, what: str
) -> None:
    async with Cluster.opened(postgres_template) as cluster, World.opened() as world:
        async with fresh_database(cluster.dsn) as undisturbed:
            expected = await brought_to(undisturbed)
        daemon = await world.daemon(DATABASE_URL=cluster.dsn)
        async with only_the_first(cluster.dsn, tmp_path) as session:
            await in_the_middle(session, daemon)
            if what == "the daemon is killed":
                daemon.kill()
            else:
                await asyncio.to_thread(cluster.end, "immediate")
                await asyncio.to_thread(cluster.start)
        if what == "the daemon is killed":
            await world.start(daemon)
        case = Case(name="KilledMigrating")
        incident = await world.page(case)
        await world.tell(daemon, case)
        await until(lambda: noted(incident), else_tell=lambda: daemon.log)

        check_one_note(case, incident)
        assert await schema_of(cluster.dsn) == expected
        assert [it["migration"] for it in daemon.events("store.migrated")] == [it.name for it in migrations()[1:]]


async def test_a_migration_that_was_applied_with_another_text_ends_the_start(postgres_server: Postgres) -> None:
    async with fresh_database(postgres_server.dsn) as dsn, World.opened() as world:
        await brought_to(dsn)
        await executed(dsn, "update migrations set checksum = '\\x00' where number = 2")
        daemon = await world.daemon(DATABASE_URL=dsn)
        daemon.launch()

        assert await asyncio.to_thread(daemon.died) == 2
        assert (
            "store: migration 0002 (paged) was applied with another text; expected the file as released" in daemon.log
        )


async def executed(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    for it in statements:
        await connection.execute(it)
    await connection.close()


NEWER = """do $$ declare t text; begin
    for t in select tablename from pg_tables where schemaname = 'public' loop
        execute format('alter table %I add column of_the_newer text not null default ''newer''', t);
    end loop; end $$;
    create table of_the_newer (id bigint primary key);
    insert into migrations (number, name, checksum) values (9999, 'newer', '\\x00');
    insert into work (kind, key, due_at) select 'of_the_newer', n::text, now() from generate_series(1, 20) n"""
UNKNOWN = """select key, due_at, attempt, held, failures, asked, seen, payload from work
             where kind = 'of_the_newer' order by id"""


async def test_a_database_that_a_newer_version_has_changed_is_worked_with(postgres_server: Postgres) -> None:
    async with fresh_database(postgres_server.dsn) as dsn, World.opened() as world:
        await brought_to(dsn)
        await executed(dsn, NEWER)
        connection = await asyncpg.connect(dsn)
        unknown = await connection.fetch(UNKNOWN)
        daemon = await world.daemon(DATABASE_URL=dsn)
        await world.start(daemon)
        cases = [Case(name=f"Killed{of:02d}", service=f"service-{of}") for of in range(10)]
        paged = {case: await world.page(case) for case in cases}
        for case in cases:
            await world.tell(daemon, case)
        await until(lambda: all(noted(it) for it in paged.values()), else_tell=lambda: daemon.log[-3000:])

        for case, incident in paged.items():
            check_one_note(case, incident)
        assert await connection.fetch(UNKNOWN) == unknown
        assert len(unknown) == 20
        for event in ("work.failed", "request.failed", "store.migrated"):
            assert daemon.events(event) == []
        for path in ("/", "/quarantine", "/api/v1/incidents", "/metrics"):
            async with world.http.get(f"{daemon.url}{path}") as answer:
                assert answer.status == 200, path
        assert (await asyncio.to_thread(daemon.terminate))[0] == 0
        await connection.close()


async def test_the_version_before_the_newest_migration_works_beside_this_one(
    postgres_server: Postgres, tmp_path: Path
) -> None:
    commit = the_version_before(tmp_path)
    async with fresh_database(postgres_server.dsn) as dsn, World.opened() as world:
        former, present = [await world.daemon(DATABASE_URL=dsn) for _ in range(2)]
        former.environment = {**former.environment, "PYTHONPATH": str(tmp_path)}
        await world.start(former)
        assert len(migrations(tmp_path / "responder/store/migrations")) < len(migrations())
        await world.start(present)
        print(
            f"{commit} beside this one, which migrated {[it['migration'] for it in present.events('store.migrated')]}"
        )
        assert present.events("store.migrated")

        cases = [Case(name=f"Killed{of:02d}", service=f"service-{of}") for of in range(40)]
        paged = {case: await world.page(case) for case in cases}
        for number, case in enumerate(cases):
            await world.tell((former, present)[number % 2], case)
        await until(lambda: all(noted(it) for it in paged.values()), else_tell=lambda: former.log[-3000:])
        done = [len(it.events("delivery.sent")) for it in (former, present)]
        print(f"notes by the former and by this one: {done}")
        await asyncio.to_thread(former.terminate)
        await world.start(former)  # it leaves alone what is newer than itself

        for case, incident in paged.items():
            check_one_note(case, incident)
        assert min(done) > 0
        for it in (former, present):
            assert it.events("work.failed", run=1) == []
            assert it.events("request.failed", run=1) == []


def the_version_before(folder: Path) -> str:
    """Put the code as it was before the newest migration into `folder`; its commit. Skips where there is no history."""
    newest = {it.name: it.read_bytes() for it in FOLDER.glob("*.sql")}
    path = FOLDER.relative_to(ROOT).as_posix()
    changed = git("rev-list", "HEAD", "--", path).decode().split()
    for commit in ("HEAD", *(f"{it}^" for it in changed)):
        names = [Path(it).name for it in git("ls-tree", "--name-only", commit, f"{path}/").decode().split()]
        if len(names) < len(newest) and all(git("show", f"{commit}:{path}/{it}") == newest.get(it) for it in names):
            archive = git("archive", commit, "responder")
            subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
            return git("log", "-1", "--format=%h", commit).decode().strip()
    return str(pytest.skip("the history of this checkout does not go back behind the newest migration"))


def git(*words: str) -> bytes:
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"the version before is in the history, which cannot be read: {done.stderr.decode().strip()}")
    return done.stdout
