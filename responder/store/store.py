"""The one connection pool to PostgreSQL, and how its errors become ours."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg

from responder.errors import StoreUnavailable, UsageError

POOL_SIZE = 12  # of the embedded server's 25: the rest is for a second daemon taking over, and for people
CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 30.0
OLDEST_SERVER = 13

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
SESSION = {
    "application_name": "responder",
    "timezone": "UTC",
    "lock_timeout": "1500",  # a frozen replica may hold a lock: who waits for it must not keep the others waiting
    "idle_in_transaction_session_timeout": "5000",  # and it loses that lock when it stays frozen
}


class Store:
    """Everything that is kept. `redact` stands between our text and the disk."""

    def __init__(self, pool: asyncpg.Pool, *, redact: Callable[[str], str]) -> None:
        self.pool = pool
        self._redact = redact

    @classmethod
    async def open(cls, dsn: str, *, redact: Callable[[str], str]) -> Store:
        """Connect; raises StoreUnavailable when nobody answers, UsageError for a server that is too old."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                pool = await asyncpg.create_pool(
                    dsn,
                    min_size=2,
                    max_size=POOL_SIZE,
                    command_timeout=COMMAND_SECONDS,
                    init=_speak_json,
                    server_settings=SESSION,
                )
        except GONE as gone:
            raise StoreUnavailable(f"store: no answer from the database: {type(gone).__name__}") from gone
        except (asyncpg.PostgresError, ValueError) as refused:
            raise UsageError(
                f"RESPONDER_DATABASE_URL: {redact(str(refused))}; expected postgresql://user:…@host/db"
            ) from refused
        store = cls(pool, redact=redact)
        async with store.connection() as connection:
            version = connection.get_server_version().major
        if version < OLDEST_SERVER:
            await pool.close()
            raise UsageError(f"store: PostgreSQL {version} found; {OLDEST_SERVER} or newer is needed")
        return store

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """One connection; what means "the database is away" leaves as StoreUnavailable."""
        try:
            async with self.pool.acquire(timeout=CONNECT_SECONDS) as connection:
                yield connection
        except GONE as gone:
            raise StoreUnavailable(f"store: {type(gone).__name__}") from gone

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """One connection inside one transaction."""
        async with self.connection() as connection, connection.transaction():
            yield connection

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
            async with asyncio.timeout(2), self.connection() as connection:
                return not await connection.fetchval(
                    "select pg_is_in_recovery() or current_setting('transaction_read_only')::bool"
                )
        except (StoreUnavailable, TimeoutError):
            return False

    async def close(self) -> None:
        """Close all connections; what is still running on them is given five seconds."""
        try:
            async with asyncio.timeout(5):
                await self.pool.close()
        except TimeoutError:
            self.pool.terminate()


async def _speak_json(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb", encoder=partial(json.dumps, allow_nan=False), decoder=json.loads, schema="pg_catalog"
    )
