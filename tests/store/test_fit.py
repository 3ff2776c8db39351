"""A database that will not do is refused at the first use, in words that say what would."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest

from responder.errors import StoreUnavailable, UsageError
from responder.store.fit import POOLER_SAYS, refusing_others
from responder.store.migrate import migrate
from responder.store.store import SESSION, Store
from tests.systems.plugin import Postgres, System


def plain(text: str) -> str:
    return text


@asynccontextmanager
async def administered(address: str) -> AsyncIterator[asyncpg.Connection]:
    """A session of the superuser."""
    session = await asyncpg.connect(address)
    try:
        yield session
    finally:
        await session.close()


@pytest.fixture(params=["SQL_ASCII", "LATIN1"])
async def encoding(request: pytest.FixtureRequest, database_server: str) -> AsyncIterator[tuple[str, str]]:
    """The name of one that cannot hold all texts, and a database in it."""
    name = f"fit_{request.param.lower()}"
    locale = "lc_collate 'C' lc_ctype 'C'"
    async with administered(database_server) as session:
        await session.execute(f"create database {name} template template0 encoding '{request.param}' {locale}")
        yield request.param, urlsplit(database_server)._replace(path=f"/{name}").geturl()
        await session.execute(f"drop database {name} with (force)")


async def test_a_database_that_cannot_hold_every_text_is_refused(encoding: tuple[str, str]) -> None:
    name, address = encoding

    with pytest.raises(UsageError, match=f"in the encoding {name} found.*encoding 'UTF8' template template0"):
        await Store.open(address, redact=plain)


@pytest.mark.parametrize(
    ("there", "why"),
    [
        pytest.param("create table migrations (id int)", 'column "number" does not exist', id="migrations of another"),
        pytest.param(
            "create table incidents (id int)", 'relation "incidents" already exists', id="incidents of another"
        ),
    ],
)
async def test_a_database_with_tables_of_something_else_is_refused(database: str, there: str, why: str) -> None:
    async with administered(database) as session:
        await session.execute(there)
    store = await Store.open(database, redact=plain)

    with (
        pytest.raises(UsageError, match=f"cannot be used: {why}; expected one that is responder's alone"),
        refusing_others(plain),
    ):
        await migrate(store)
    await store.close()


@pytest.mark.parametrize(
    ("denied", "why"),
    [
        pytest.param(
            "revoke create on schema public from public", "permission denied for schema public", id="no right"
        ),
        pytest.param("set local search_path = nowhere", "no schema has been selected", id="no schema"),
    ],
)
async def test_a_role_that_may_not_make_tables_is_refused(database: str, denied: str, why: str) -> None:
    store = await Store.open(database, redact=plain)

    with pytest.raises(UsageError, match=f"cannot be used: {why}"), refusing_others(plain):
        await makes_a_table(store, denied)
    await store.close()


async def makes_a_table(store: Store, denied: str) -> None:
    """As somebody else, in a transaction that takes all of it back when it fails."""
    async with store.transaction() as connection:
        await connection.execute("create role nobody_much")
        await connection.execute(denied)
        await connection.execute("set local role nobody_much")
        await connection.execute("create table if not exists migrations (number int)")


async def test_a_database_that_is_away_is_no_mistake() -> None:
    with pytest.raises(StoreUnavailable, match="no answer"), refusing_others(plain):
        await Store.open("postgresql://responder@127.0.0.1:1/none", redact=plain)


async def test_sessions_are_durable_and_read_what_is_committed_whatever_the_server_says(
    database: str,
) -> None:
    async with administered(database) as session:
        name = urlsplit(database).path[1:]
        await session.execute(f"alter database {name} set synchronous_commit = off")
        await session.execute(f"alter database {name} set default_transaction_isolation = 'serializable'")
    store = await Store.open(database, redact=plain)

    async with store.transaction() as connection:
        settings = [await connection.fetchval(f"show {it}") for it in ("synchronous_commit", "transaction_isolation")]
    await store.close()

    assert settings == ["on", "read committed"]


async def test_a_commit_that_waits_for_more_than_the_disk_goes_on_waiting_for_it(database: str) -> None:
    async with administered(database) as session:
        await session.execute(f"alter database {urlsplit(database).path[1:]} set synchronous_commit = remote_apply")
    store = await Store.open(database, redact=plain)

    async with store.connection() as connection:
        assert await connection.fetchval("show synchronous_commit") == "remote_apply"
    await store.close()


@pytest.mark.system
@pytest.mark.parametrize(
    ("passes", "why"),
    [
        pytest.param("extra_float_digits", POOLER_SAYS, id="as it comes"),
        pytest.param(",".join(SESSION), "the settings of our session are not in force", id="told to drop our settings"),
    ],
)
async def test_a_pooler_is_named(
    postgres_server: Postgres, start_pgbouncer: Callable[..., System], passes: str, why: str
) -> None:
    pooler = start_pgbouncer(postgres_server, ignore_startup_parameters=passes)

    with pytest.raises(UsageError, match=f"{why}.*expected PostgreSQL itself, without a pooler such as PgBouncer"):
        await Store.open(f"{pooler.address}/postgres", redact=plain)
