"""The one connection pool to PostgreSQL, and how its errors become ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import structlog

from responder.errors import StoreUnavailable, UsageError
from responder.store.fit import refuse_pooler, refuse_unfit
from responder.store.hosts import NOT_A_PRIMARY, Hosts
from responder.store.lineage import notice

FOR_WEBHOOKS = 3  # connections that only acceptance takes: it must not stand in line behind hundreds of looks
# That only what keeps work going takes: were it to stand in line behind looks as well, leases would run out and `/readyz`
# would call a store dead that is only busy. One listens for good.
FOR_HOUSEKEEPING = 3
FOR_THE_REST = 5  # more would not end sooner, but keep the processors of the database from those who write webhooks
POOL_SIZE = FOR_WEBHOOKS + FOR_HOUSEKEEPING + FOR_THE_REST  # of the embedded server's 25: a second daemon may take over
CONNECT_SECONDS = 10.0
HOSTS_SECONDS = 9.0  # of these, shared by the hosts of the address
COMMAND_SECONDS = 30.0
CLOSE_SECONDS = 2.0
LET_GO_SECONDS = 1.0
SCHEMES = ("postgresql", "postgres")
EXPECTED = "expected postgresql://user:…@host/db, or …/db?host=/run/postgresql for a socket"

GONE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalClientError,  # what asyncpg makes of a connection that is terminated in the middle of an answer
    asyncpg.ReadOnlySQLTransactionError,  # the former primary after a failover
    asyncpg.LockNotAvailableError,
)
# Of a database that did let us in: restored, failed over or reloaded half-way. At the first use it is a mistake.
NOT_LET_IN = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedTableError,
)
SESSION = {
    "application_name": "responder",
    "timezone": "UTC",
    "default_transaction_isolation": "read committed",  # whatever the role says: what is read behind a lock must be new
    "lock_timeout": "1500",  # a frozen replica may hold a lock: who waits for it must not keep the others waiting
    "idle_in_transaction_session_timeout": "5000",  # and it loses that lock when it stays frozen
}
# A replica that froze after it had a statement parsed and before it had it executed is not idle to PostgreSQL: none
# of its time limits ends such a session. So whoever waits in vain for the lock does, by the same measure.
END_FROZEN = """select pid, pg_terminate_backend(pid) from pg_stat_activity where application_name = 'responder' and usename = current_user
                and datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
                and wait_event = 'ClientRead' and state = 'active' and state_change < now() - interval '5 s'"""
# Where server or role say `off`, a commit is answered before it is on the disk, and a crash of the server takes it back.
DURABLE = "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'"
LESS_THAN_A_PRIMARY = ("any", "read-only", "standby", "prefer-standby")
NO_PRIMARY = (
    "only a standby or a read-only server answers; expected the primary: promote it, or add the primary's address to "
    "RESPONDER_DATABASE_URL (…@one,other/db)"
)
DEAD_AND_NO_PRIMARY = (
    "one host does not answer ({}), and what answers is only a standby or a read-only server; expected the primary: "
    "start it, or promote the standby"
)
log = structlog.get_logger()


class Line:
    """So many at a time, first come first served; `waiting`: how many wait for their turn."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self.waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Raises StoreUnavailable when it does not come in time."""
        self.waiting += 1
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._places.acquire()
        except TimeoutError as busy:
            raise StoreUnavailable(f"store: no connection was free within {CONNECT_SECONDS:.0f} s") from busy
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._places.release()


class Store:
    """Everything that is kept. `redact` stands between our text and the disk.

    Without a pool the database was not reached yet: every use raises StoreUnavailable until `take_over`.
    """

    def __init__(self, pool: asyncpg.Pool | None = None, *, redact: Callable[[str], str]) -> None:
        self._pool = pool
        self._redact = redact
        self._for_the_rest = Line(FOR_THE_REST)
        self._for_housekeeping = Line(FOR_HOUSEKEEPING)

    @classmethod
    async def open(cls, dsn: str, *, redact: Callable[[str], str]) -> Store:
        """Connect; raises StoreUnavailable when nobody answers, UsageError for a wrong address or too old a server."""
        _refuse_wrong_address(dsn)
        store = cls(await _pool(dsn, redact), redact=redact)
        try:
            async with store.connection() as connection:
                await refuse_unfit(connection)
        except BaseException:  # cancelled too: a pool that nobody gets must not stay open
            await store.close()
            raise
        return store

    def take_over(self, opened: Store) -> None:
        """From now on be what `opened` is; its connections are ours to close."""
        self._pool = opened._pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """One connection; what means "the database is away" leaves as StoreUnavailable."""
        async with self._for_the_rest.turn(), self._one() as connection:
            yield connection

    @property
    def in_line(self) -> int:
        """How many pieces of work wait for a connection."""
        return self._for_the_rest.waiting

    @asynccontextmanager
    async def _one(self) -> AsyncIterator[Any]:
        if self._pool is None:
            raise StoreUnavailable("store: the database was not reached yet")
        try:
            async with _acquired(self._pool) as connection:
                yield connection
        except asyncpg.LockNotAvailableError as held:
            await self._end_frozen()
            raise StoreUnavailable(f"store: {type(held).__name__}") from held
        except NOT_A_PRIMARY as standby:
            raise StoreUnavailable(f"store: {_no_primary(standby)}") from standby
        except (*GONE, *NOT_LET_IN) as gone:
            raise StoreUnavailable(f"store: {type(gone).__name__}") from gone

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """One connection inside one transaction."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def accepting(self) -> AsyncIterator[Any]:
        """The same for acceptance alone, which does not wait for a connection that other work has."""
        async with self._one() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def housekeeping(self) -> AsyncIterator[Any]:
        """The same as `connection` for what keeps work going, which does not stand in line behind the work itself."""
        async with self._for_housekeeping.turn(), self._one() as connection:
            yield connection

    def beside_work(self) -> Store:
        """The same for whoever tells how work gets on: in line behind it he would tell nothing while there is much."""
        beside = Store(self._pool, redact=self._redact)
        beside._for_the_rest = beside._for_housekeeping = self._for_housekeeping
        return beside

    async def _end_frozen(self) -> None:
        """End the sessions of replicas that froze with a lock in their hands; they lose nothing that was committed."""
        with contextlib.suppress(asyncpg.PostgresError, StoreUnavailable):
            async with self._one() as connection:
                for row in await connection.fetch(END_FROZEN):
                    log.warning("store.session_ended", pid=row["pid"], why="frozen with a lock in its hands")

    def redacted(self, value: Any) -> Any:
        """JSON-like data with every string in it passed through redaction, keys included.

        JSON has no infinity and no NaN, PromQL has both: they are kept as the words that pydantic reads as numbers.
        """
        match value:
            case str():
                return self._redact(value)
            case dict():
                return {self._redact(key): self.redacted(it) for key, it in value.items()}
            case list() | tuple():
                return [self.redacted(it) for it in value]
            case float() if not math.isfinite(value):
                return repr(value)
            case _:
                return value

    async def writable(self) -> bool:
        """Whether a transaction can write now."""
        try:
            async with asyncio.timeout(2), self.housekeeping() as connection:
                return not await connection.fetchval(
                    "select pg_is_in_recovery() or current_setting('transaction_read_only')::bool"
                )
        except (StoreUnavailable, TimeoutError):
            return False

    async def close(self) -> None:
        """Close all connections; what is still running on them is given two seconds."""
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


def _refuse_wrong_address(dsn: str) -> None:
    """A mistake that no waiting mends; what is not said of the rest is libpq's to guess."""
    try:
        address = urlsplit(dsn)
        host = address.netloc.rpartition("@")[2].rpartition(":")[0] or address.hostname
        host = host or parse_qs(address.query).get("host", [""])[0]
    except ValueError as unreadable:
        raise UsageError(f"RESPONDER_DATABASE_URL: {unreadable}; {EXPECTED}") from None
    if address.scheme not in SCHEMES:
        raise UsageError(f'RESPONDER_DATABASE_URL: found the scheme "{address.scheme}"; {EXPECTED}')
    if not host:
        raise UsageError(f"RESPONDER_DATABASE_URL: it names no host; {EXPECTED}")


def _wanted(dsn: str) -> str:
    """Which servers will do: a primary, or what the address asks for where that is no less. A session that began on a
    standby would outlive its promotion, and nobody would notice the new timeline."""
    of_the_environment = os.environ.get("PGTARGETSESSIONATTRS", "any")
    said = parse_qs(urlsplit(dsn).query).get("target_session_attrs", [of_the_environment])[-1]
    return "primary" if said in LESS_THAN_A_PRIMARY else said


async def _pool(dsn: str, redact: Callable[[str], str]) -> asyncpg.Pool:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncpg.create_pool(
                dsn,
                min_size=0,  # a floor would be kept by a task of asyncpg, which prints a traceback a try
                init_size=2,
                max_size=POOL_SIZE,
                command_timeout=COMMAND_SECONDS,
                init=_prepared,
                reset=_as_it_is,
                connect=Hosts(dsn, within=HOSTS_SECONDS).connect,
                target_session_attrs=_wanted(dsn),
                server_settings=SESSION,
            )
    except asyncpg.exceptions.ClientConfigurationError as wrong:
        raise UsageError(f"RESPONDER_DATABASE_URL: {redact(str(wrong))}; {EXPECTED}") from wrong
    except NOT_A_PRIMARY as standby:
        raise StoreUnavailable(f"store: {_no_primary(standby)}") from standby
    except GONE as gone:
        refuse_pooler(gone)
        raise StoreUnavailable(f"store: no answer from the database: {type(gone).__name__}") from gone
    except asyncpg.PostgresError as refused:
        raise UsageError(f"RESPONDER_DATABASE_URL: {redact(str(refused))}; {EXPECTED}") from refused
    except ValueError:  # its text may quote a piece of the password
        raise UsageError(
            f"RESPONDER_DATABASE_URL: a port is no number; {EXPECTED}, where / in a password is written %2F"
        ) from None


def _no_primary(standby: Exception) -> str:
    silent = standby.__cause__
    return NO_PRIMARY if silent is None else DEAD_AND_NO_PRIMARY.format(type(silent).__name__)


@asynccontextmanager
async def _acquired(pool: asyncpg.Pool) -> AsyncIterator[Any]:
    """asyncpg's own waits ten seconds for a database that hangs when the use of a connection is cancelled.

    And then raises that it did: who was cancelled would not know.
    """
    connection = await pool.acquire(timeout=CONNECT_SECONDS)
    try:
        yield connection
    except BaseException:  # cancelled too: the connection goes back, whatever ended its use
        with contextlib.suppress(asyncpg.PostgresError, *GONE):  # it is closed then
            await pool.release(connection, timeout=LET_GO_SECONDS)
        raise
    await pool.release(connection)


async def _prepared(connection: Any) -> None:
    await _speak_json(connection)
    await connection.execute(DURABLE)
    await notice(connection)


async def _as_it_is(_: Any) -> None:
    """Nothing outlives a transaction in our sessions (`migrate` tidies up), so there is nothing to set back: asyncpg's own
    way costs as much as a statement, each time."""


async def _speak_json(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb", encoder=partial(json.dumps, allow_nan=False), decoder=json.loads, schema="pg_catalog"
    )
