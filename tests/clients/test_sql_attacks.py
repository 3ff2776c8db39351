"""The same attacks past the parser, by the shipped role on a real PostgreSQL: the door and the role hold them too.

The oracle compares what the whole server looks like before and after.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from responder.clients.doors import Doors
from responder.clients.postgres import GUARDED, Asked, PostgresDoor
from responder.clients.sql_guard import GuardedQuery, guarded
from responder.errors import CouldNotLook, Refused
from responder.model.pack import Target
from tests.clients.sql_attacks import ATTACKS, LEGITIMATE, SERVER
from tests.systems.plugin import LOOPBACK, Postgres, postgres_programs

pytestmark = pytest.mark.system

ROLES = Path(__file__).parents[2] / "deploy" / "roles"
IN_A_MOMENT = {"statement_timeout": "100"}  # ms, in place of 15 s: those that would run for ever are ended
# Anything that somebody else could notice. What the server does for itself (checkpoints, statistics) is left out.
STATE = """
select jsonb_build_object(
    'relations', (select jsonb_object_agg(oid::regclass::text, array[relkind::text, relfilenode::text, relacl::text])
                  from pg_class where relnamespace::regnamespace::text !~ '^pg_toast'),
    'rows', (select jsonb_agg(j order by j.id) from public.jobs j),
    'sequence', (select last_value from public.numbers),
    'functions', (select count(*) from pg_proc),
    'comments', (select count(*) from pg_description),
    'roles', (select jsonb_agg(rolname || coalesce(rolconfig::text, '')) from pg_roles),
    'settings of roles', (select count(*) from pg_db_role_setting),
    'settings', (select jsonb_object_agg(name, setting) from pg_file_settings),
    'reloaded', pg_conf_load_time(),
    'large objects', (select count(*) from pg_largeobject_metadata),
    'advisory locks', (select count(*) from pg_locks where locktype = 'advisory'),
    'slots', (select jsonb_agg(slot_name) from pg_replication_slots),
    'snapshots', (select count(*) from pg_ls_dir('pg_snapshots')),
    'messages', (select count(*) from pg_logical_slot_peek_changes('watch', null, null)),
    'transaction number', pg_snapshot_xmax(pg_current_snapshot())::text,
    'wal file', pg_walfile_name(pg_current_wal_lsn()),
    'statistics', (select stats_reset from pg_stat_database where datname = current_database()),
    'statements', (select stats_reset from pg_stat_statements_info),
    'backup', (select count(*) from pg_ls_dir('.') it where it ~ '^(backup_label|standby|recovery)'),
    'victims', (select jsonb_object_agg(application_name, state) from pg_stat_activity
                where application_name like 'victim%')
)::text
"""


@pytest.fixture(scope="module")
def server(start_postgres: Callable[..., Postgres]) -> Postgres:
    server = start_postgres(
        wal_level="logical", autovacuum="off", shared_preload_libraries="pg_stat_statements", wal_writer_delay="10s"
    )
    psql = [str(postgres_programs() / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d", server.dsn]
    subprocess.run([*psql, "-c", SERVER], check=True, stdout=subprocess.DEVNULL)
    role = ["-v", "role=watcher", "-v", "password=pw"]
    subprocess.run([*psql, *role, "-f", str(ROLES / "postgres.sql")], check=True)
    subprocess.run([*psql, "-f", str(ROLES / "postgres-revoke.sql")], check=True)
    slot = "select pg_create_logical_replication_slot('watch', 'test_decoding')"
    subprocess.run([*psql, "-c", slot], check=True, stdout=subprocess.DEVNULL)
    return server


@pytest.fixture
def watcher(server: Postgres) -> str:
    return f"postgresql://watcher:pw@{LOOPBACK}:{server.port}/postgres"


@pytest.fixture
def door(watcher: str, doors: Doors) -> PostgresDoor:
    allow = frozenset({"custom_sql"})
    return doors.postgres(Target(name="it", kind="postgres", address=watcher, allow=allow, per_minute=1_000_000))


class Oracle:
    """Sees the server from outside, with two sessions that attacks may go for."""

    def __init__(self, admin: Any, own: Any, other: Any) -> None:
        self._admin, self.own, self.other = admin, own, other
        self._heard: list[str] = []

    async def state(self) -> dict[str, str]:
        heard = len(self._heard)
        found = await self._admin.fetchval(STATE)
        return {"state": found, "heard": str(self._heard[heard:])}

    async def listen(self) -> None:
        await self._admin.add_listener("evil", lambda *_: self._heard.append("evil"))

    @property
    def pids(self) -> dict[str, str]:
        return {"{own}": str(self.own.get_server_pid()), "{other}": str(self.other.get_server_pid())}


@pytest.fixture
async def oracle(server: Postgres, watcher: str) -> AsyncIterator[Oracle]:
    admin = await asyncpg.connect(server.dsn)
    own = await asyncpg.connect(watcher, server_settings={"application_name": "victim, own"})
    other = await asyncpg.connect(server.dsn, server_settings={"application_name": "victim, other"})
    oracle = Oracle(admin, own, other)
    await oracle.listen()
    yield oracle
    for it in (admin, own, other):
        it.terminate()


async def past_the_parser(door: PostgresDoor, sql: str) -> None:
    """As it is, and where the guarded ones stand."""
    settings = GUARDED | IN_A_MOMENT
    below = [f"select (\n{sql}\n)::float8 as number"] if sql.startswith(("select", "with")) else []
    for text in (sql, *below):
        with suppress(CouldNotLook, UnicodeError, ValueError):
            await door._run(Asked(name="attack", sql=text, args=(), limit=1, settings=settings))


async def test_past_the_parser_no_attack_leaves_a_trace(door: PostgresDoor, oracle: Oracle) -> None:
    traces = {}
    before = await oracle.state()
    for name, sql in ATTACKS.items():
        for place, pid in oracle.pids.items():
            sql = sql.replace(place, pid)
        await past_the_parser(door, sql)
        after = await oracle.state()
        if after != before:
            traces[name] = (before, after)
            before = after

    assert traces == {}
    assert await oracle.own.fetchval("select 1") == await oracle.other.fetchval("select 1") == 1


@pytest.mark.parametrize(
    "sql",
    [
        "insert into public.jobs values (7, 'x')",
        "select nextval('public.numbers')",
        "select pg_notify('evil', 'x')",
        "select pg_advisory_lock(42)",
        "select pg_logical_emit_message(false, 'evil', 'x')",
        "select pg_reload_conf()",
        "select lo_create(0)",
        "select txid_current()",
        "select pg_stat_reset()",
        "alter role watcher set work_mem = '1GB'",
    ],
)
async def test_the_oracle_sees_what_an_attack_would_leave(sql: str, server: Postgres, oracle: Oracle) -> None:
    before = await oracle.state()
    attacker = await asyncpg.connect(server.dsn)
    await attacker.execute(sql)
    async with asyncio.timeout(10):
        while await oracle.state() == before:
            await asyncio.sleep(0.05)
    await attacker.close()


async def test_the_oracle_sees_a_session_that_is_gone(oracle: Oracle) -> None:
    before = await oracle.state()
    oracle.own.terminate()
    async with asyncio.timeout(10):
        while await oracle.state() == before:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("name", LEGITIMATE)
async def test_monitoring_queries_give_a_number(name: str, door: PostgresDoor) -> None:
    assert isinstance(await door.number(guarded(LEGITIMATE[name]), []), float)
    if name == "failed jobs":
        assert await door.number(guarded(LEGITIMATE[name]), []) == 2.0


CALLED_AS_COLUMNS = """
create temporary table called (name text);
set search_path = pg_catalog, pg_temp;
do $$
declare it text;
begin
    for it in select distinct proname from pg_proc where pronamespace = 'pg_catalog'::regnamespace loop
        begin
            execute format('explain select j.%I from public.jobs j', it);
            insert into called values (it);
        exception when others then null;
        end;
    end loop;
end $$;
"""
SHOW_A_ROW = {
    "any_out", "anycompatible_out", "anycompatiblenonarray_out", "anyelement_out", "anynonarray_out", "array_agg",
    "concat", "count", "hash_record", "json_agg", "json_build_array", "json_build_object", "jsonb_agg",
    "jsonb_build_array", "jsonb_build_object", "num_nonnulls", "num_nulls", "pg_collation_for",
    "pg_column_compression", "pg_column_size", "pg_typeof", "quote_literal", "quote_nullable", "record_out",
    "record_send", "row_to_json", "to_json", "to_jsonb",
}  # fmt: skip


async def test_what_can_be_called_as_a_column_of_a_row_only_shows_it(server: Postgres) -> None:
    """`t.name` calls a function of `pg_catalog` that takes a row; the guard cannot tell it from a column. None that
    the server finds for it does anything but count rows, or turn them into text, JSON, an array or a hash."""
    admin = await asyncpg.connect(server.dsn)
    await admin.execute(CALLED_AS_COLUMNS)
    called = {it["name"] for it in await admin.fetch("select name from called")}
    await admin.close()

    assert called == SHOW_A_ROW


@pytest.mark.parametrize("value", ["failed", "' or true --", "$1", "{{ labels.x }}", "é'\\", "%", "x" * 10_000])
async def test_a_label_is_a_value_and_never_text(value: str, door: PostgresDoor) -> None:
    query = guarded("select count(*) from jobs where state = '{{ labels.state }}'")

    assert await door.number(query, [value]) == (2.0 if value == "failed" else 0.0)


async def test_a_label_stands_beside_text_and_twice(door: PostgresDoor) -> None:
    query = guarded(
        "select count(*) from jobs where state like '{{ labels.start }}%' and state <> 'x{{ labels.start }}' "
        "and id < '{{ labels.most }}'::int"
    )

    assert (query.binds, await door.number(query, ["fai", "3"])) == (("start", "most"), 2.0)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("select id from jobs", "more than one row returned by a subquery used as an expression"),
        ("select * from jobs limit 1", "subquery must return only one column"),
        ("select max(created_at) from jobs", "cannot cast type timestamp with time zone to double precision"),
        ("select max(state) from jobs", "InvalidTextRepresentationError during a query"),  # and no value of the table
        (
            "select count(*) from patients",
            "permission denied for table patients during a query of one's own (SQLSTATE 42501): grant our role select",
        ),
        ("select count(*) from nothing", 'relation "public.nothing" does not exist'),
        ("select 1 / 0", "DivisionByZeroError during a query of one's own (SQLSTATE 22012)"),
    ],
)
async def test_what_gives_no_number_is_told(sql: str, why: str, door: PostgresDoor) -> None:
    with pytest.raises(Refused) as refused:
        await door.number(guarded(sql), [])

    assert why in str(refused.value)
    assert "failed" not in str(refused.value)


async def test_no_row_and_null_give_no_value(door: PostgresDoor) -> None:
    for sql in ("select id from jobs where false", "select max(id) from jobs where false"):
        assert await door.number(guarded(sql), []) is None


async def test_only_where_the_target_allows_it(watcher: str, doors: Doors) -> None:
    door = doors.postgres(Target(name="it", kind="postgres", address=watcher))

    with pytest.raises(Refused, match=r"a query of one's own needs `allow: \[custom_sql\]` on its target"):
        await door.number(guarded("select 1"), [])


async def test_it_runs_read_only_in_time_and_with_the_names_of_the_catalogue(door: PostgresDoor) -> None:
    asked = {"transaction_read_only": "on", "statement_timeout": "15s", "lock_timeout": "1s",
             "search_path": "pg_catalog, pg_temp", "standard_conforming_strings": "on"}  # fmt: skip
    for name, expected in asked.items():
        query = guarded(f"select case current_setting('{name}') when '{expected}' then 1 else 0 end")
        assert await door.number(query, []) == 1.0, name


async def test_what_the_server_reads_ends_where_the_guard_saw_it_end(server: Postgres, door: PostgresDoor) -> None:
    """With the setting off, `'\\'` would go on, and what follows would stand outside the string."""
    admin = await asyncpg.connect(server.dsn)
    await admin.execute("alter role watcher set standard_conforming_strings = off")
    sql = r"select length('\') + length(' + pg_sleep(1) --')"
    assert await door.number(GuardedQuery(sql=sql, binds=()), []) == 18.0
    await admin.execute("alter role watcher reset standard_conforming_strings")
    await admin.close()
