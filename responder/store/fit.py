"""Which databases will do: what no waiting mends is said at the first use, with its cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from responder.errors import StoreUnavailable, UsageError

OLDEST_SERVER = 13
ENCODING = "UTF8"
OF_OUR_OWN = (
    "expected one that is responder's alone: "
    f"`create database responder owner ROLE encoding '{ENCODING}' template template0`"
)
NOT_OURS = (asyncpg.SyntaxOrAccessError, asyncpg.InvalidSchemaNameError)
# PgBouncer gives most of its errors one code: https://www.pgbouncer.org/config.html#ignore_startup_parameters
POOLER_SAYS = "unsupported startup parameter"
NO_POOLER = (
    "expected PostgreSQL itself, without a pooler such as PgBouncer before it: "
    "our sessions listen, lock and have settings of their own"
)


async def refuse_unfit(connection: Any) -> None:
    """Raises UsageError for too old a server, for texts that it could not keep, and for a session that is not ours."""
    version = connection.get_server_version().major
    if version < OLDEST_SERVER:
        raise UsageError(f"store: PostgreSQL {version} found; {OLDEST_SERVER} or newer is needed")
    encoding = connection.get_settings().server_encoding
    if encoding != ENCODING:
        raise UsageError(
            f"store: a database in the encoding {encoding} found, which cannot keep all texts; {OF_OUR_OWN}"
        )
    if await connection.fetchval("show lock_timeout") == "0":
        raise UsageError(f"RESPONDER_DATABASE_URL: the settings of our session are not in force; {NO_POOLER}")


def refuse_pooler(refused: Exception) -> None:
    """Raises UsageError where it is in a pooler's words, which our settings do not pass."""
    if POOLER_SAYS in str(refused):
        raise UsageError(f"RESPONDER_DATABASE_URL: {refused}; {NO_POOLER}") from refused


@contextmanager
def refusing_others(redact: Callable[[str], str]) -> Iterator[None]:
    """Around the first use of our tables; raises UsageError where the role may not make them, or strange ones stand in
    their place."""
    try:
        yield
    except (*NOT_OURS, StoreUnavailable) as refused:
        why = refused.__cause__ if isinstance(refused, StoreUnavailable) else refused
        if not isinstance(why, NOT_OURS):
            raise
        raise UsageError(f"store: the database cannot be used: {redact(str(why))}; {OF_OUR_OWN}") from refused
