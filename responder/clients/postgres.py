"""Named, reviewed queries, and where a target allows it guarded ones, in a read-only session of PostgreSQL.

A read-only transaction is not what makes this safe (functions with side effects run in one): that the queries come
from `postgres_queries.py` or have passed `sql_guard.py` is, and that they go by the extended protocol, which takes one
statement at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import asyncpg

from responder.clients.budget import Budget
from responder.clients.network import NoAnswer, check_host, in_words, tls
from responder.clients.postgres_queries import NamedQuery
from responder.clients.resolve import Resolved
from responder.clients.sql_guard import GuardedQuery
from responder.errors import CouldNotLook, Refused, Unreachable
from responder.model.cut import cut

MAX_ROWS = 200
MAX_CELL = 500  # characters
CANCEL_WITHIN_SECONDS = 0.8  # a server that hangs does not take our cancel request either
SESSION = {
    "default_transaction_read_only": "on",
    "statement_timeout": "15000",  # ms; the caller's deadline is shorter, this one holds if we die
    "lock_timeout": "1000",
    "idle_in_transaction_session_timeout": "15000",
}
# For guarded queries: no function, operator or type that somebody made has an unqualified name, and the server ends a
# string where the guard's parser does.
GUARDED = {"search_path": "pg_catalog, pg_temp", "standard_conforming_strings": "on"}
OWN = "a query of one's own"
# Classes of SQLSTATE whose words come from the query and the catalogue; others may quote what stands in a table.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
QUOTES_NO_VALUE = ("08", "21", "25", "26", "28", "42", "53", "54", "55", "57")
DATABASE = re.compile(r"[A-Za-z0-9_-]{1,63}")
NAME = {"application_name": "responder"}
LIBRARY_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError, EOFError)


class NoConnectionLeft(Refused):
    """The server has no connection left for an ordinary user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Rows by column name; `cut` when there were more than the limit."""

    rows: tuple[Mapping[str, Any], ...]
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One statement on its way; `settings` hold for its transaction, beside those of every session."""

    name: str
    sql: str
    args: tuple[object, ...]
    limit: int
    settings: Mapping[str, str] = field(default_factory=dict)


class PostgresDoor:
    """One connection, opened when first needed and after any doubt about it anew; one query at a time."""

    def __init__(self, resolved: Resolved, budget: Budget, *, may_custom_sql: bool = False) -> None:
        self._resolved = resolved
        self._budget = budget
        self._may_custom_sql = may_custom_sql
        self._one_at_a_time = asyncio.Lock()
        self._connection: Any = None

    @property
    def shown(self) -> str:
        """Scheme, host and port, for people."""
        return self._resolved.shown

    def psql(self, statement: str) -> str:
        """The command by which a person asks the same server and database; who they are, psql finds out. `statement`:
        one of our own, without what a shell would read between double quotes."""
        database = urlsplit(self._resolved.text).path.removeprefix("/")
        place = f"{self.shown}/{database}" if DATABASE.fullmatch(database) else self.shown
        return f'psql {place} -c "{statement}"'

    async def fetch(self, query: NamedQuery, *args: object, limit: int = MAX_ROWS) -> Fetched:
        """Run one query of the catalogue; raises Unreachable or Refused. Cancelling it ends it on the server too."""
        return await self._run(Asked(name=query.name, sql=query.sql, args=args, limit=min(limit, MAX_ROWS)))

    async def number(self, query: GuardedQuery, values: Sequence[str]) -> float | None:
        """The one value of a guarded query, None for no row and for null; `values` are its binds, in order.

        Only where the target allows it. Raises Refused also for several rows, and for what is not a number.
        """
        if not self._may_custom_sql:
            raise Refused(f"{self.shown}: {OWN} needs `allow: [custom_sql]` on its target")
        # the server itself makes it one row, one column and a number: nothing else ever travels
        sql = f"select (\n{query.sql}\n)::float8 as number"
        fetched = await self._run(Asked(name=OWN, sql=sql, args=tuple(values), limit=1, settings=GUARDED))
        value = fetched.rows[0]["number"]
        return None if value is None else float(value)

    async def _run(self, asked: Asked) -> Fetched:
        async with self._budget.turn(), self._one_at_a_time:
            connection = await self._opened()
            try:
                return await _fetched(connection, asked)
            except asyncpg.PostgresError as reason:
                await self._drop()
                raise translated(self._resolved, reason, asked.name) from None
            except (asyncpg.InterfaceError, OSError, EOFError) as reason:
                await self._drop()
                raise Unreachable(
                    f"{self.shown}: the connection was lost during {asked.name}: {_kind(reason)}"
                ) from None
            except BaseException:  # cancelled: asyncpg asks the server to stop while the connection closes
                await self._drop()
                raise

    async def close(self) -> None:
        """Close the connection, if there is one."""
        await self._drop()

    async def _opened(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            await check_host(self._resolved, 5432)
            try:
                self._connection = await self._connect()
            except LIBRARY_ERRORS as reason:
                raise no_connection(self._resolved, reason) from None
        return self._connection

    async def _connect(self) -> Any:
        try:
            return await connect(self._resolved, NAME | SESSION)
        except asyncpg.ProtocolViolationError as reason:
            # PgBouncer takes few settings at connect; each transaction sets them for itself then
            if "startup parameter" not in str(reason):
                raise
            return await connect(self._resolved, NAME)

    async def _drop(self) -> None:
        """Close the connection for good; waits for a cancelled query to end, not longer than a moment."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            with contextlib.suppress(Exception):
                await connection.close(timeout=CANCEL_WITHIN_SECONDS)
        finally:
            connection.terminate()


async def connect(resolved: Resolved, settings: Mapping[str, str], **more: Any) -> Any:
    """A connection of the library to an address that was checked; raises LIBRARY_ERRORS."""
    own_tls = {"ssl": tls(resolved)} if resolved.ca or resolved.certificate else {}
    return await asyncpg.connect(
        dsn=resolved.text,
        host=resolved.address.host,  # the one that was checked, whatever a `?host=` says
        port=resolved.address.port or 5432,
        server_settings=dict(settings),
        statement_cache_size=0,  # behind PgBouncer the next transaction may be on another session
        timeout=None,  # the caller keeps the time
        **own_tls,
        **more,
    )


def no_connection(resolved: Resolved, reason: BaseException) -> CouldNotLook:
    """Why there is none, in our words."""
    if isinstance(reason, asyncpg.PostgresError):
        return translated(resolved, reason, None)
    if isinstance(reason, OSError) and not isinstance(reason, asyncpg.InterfaceError):
        return in_words(resolved, reason)
    if isinstance(reason, asyncpg.ClientConfigurationError | ValueError):
        # asyncpg quotes parts of the address in these
        return Refused(f"{resolved.shown}: the address has a part that cannot be used ({_kind(reason)})")
    return Unreachable(f"{resolved.shown}: no connection: {_kind(reason)}")


def translated(resolved: Resolved, reason: asyncpg.PostgresError, during: str | None) -> CouldNotLook:
    """What the server said, in our words."""
    text = resolved.clean(str(reason))
    if during == OWN and not (reason.sqlstate or "").startswith(QUOTES_NO_VALUE):
        text = _kind(reason)
    meanwhile = f" during {during}" if during else ""
    if isinstance(reason, asyncpg.TooManyConnectionsError) and "for role" not in text:
        return NoConnectionLeft(f"{resolved.shown}: {text}")
    if isinstance(reason, asyncpg.QueryCanceledError | asyncpg.LockNotAvailableError):
        return Unreachable(f"{resolved.shown}: no answer in time{meanwhile}: {text}")
    if isinstance(reason, asyncpg.PostgresConnectionError | asyncpg.OperatorInterventionError):
        return NoAnswer(f"{resolved.shown}: {text}")  # hangs up, starts or shuts down
    cure = ""
    if during == OWN and isinstance(reason, asyncpg.InsufficientPrivilegeError):
        cure = ": grant our role select on what it reads"
    return Refused(f"{resolved.shown}: {text}{meanwhile} (SQLSTATE {reason.sqlstate}){cure}")


async def _fetched(connection: Any, asked: Asked) -> Fetched:
    """One explicit read-only transaction; the rows come through a cursor, so that more than the limit never travel."""
    transaction = connection.transaction(readonly=True)
    await transaction.start()
    for name, value in (SESSION | dict(asked.settings)).items():
        if name != "default_transaction_read_only":
            await connection.execute(f"set local {name} = {value}")
    statement = await connection.prepare(asked.sql, name="")
    cursor = await statement.cursor(*asked.args)
    found = await cursor.fetch(asked.limit + 1)
    await transaction.rollback()
    rows = tuple({name: _short(value) for name, value in row.items()} for row in found[: asked.limit])
    return Fetched(rows=cast("tuple[Mapping[str, Any], ...]", rows), cut=len(found) > asked.limit)


def _short(value: object) -> object:
    return cut(value, MAX_CELL) if isinstance(value, str) else value


def _kind(reason: BaseException) -> str:
    return type(reason).__name__
