"""Bring the database to the newest schema: numbered files, each applied once in a transaction, known by checksum."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import structlog

from responder.errors import StoreUnavailable, UsageError
from responder.store.afresh import afresh
from responder.store.lineage import notice
from responder.store.store import Store

FOLDER = Path(__file__).parent / "migrations"
LOCK = 0x7265_7370  # "resp": one migrating process at a time
MOST_SECONDS = 3600.0  # of one file: rewriting a large table takes longer than any other statement may
WAIT_SECONDS, AGAIN_SECONDS = 30.0, 0.2
STANDS_STILL_SECONDS = 5.0  # as a transaction may: `idle_in_transaction_session_timeout`
END_FROZEN = """select pid, pg_terminate_backend(pid) from pg_locks l join pg_stat_activity a using (pid)
                where l.locktype = 'advisory' and l.objid = $1 and l.objsubid = 1 and l.granted and a.datname = current_database()
                and a.usename = current_user and a.wait_event = 'ClientRead' and a.state_change < now() - make_interval(secs => $2)"""
TABLE = """create table if not exists migrations (number int primary key, name text not null,
           checksum bytea not null, applied_at timestamptz not null default now())"""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file `NNNN_name.sql`."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> bytes:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).digest()


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """All files of the folder, in order."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        named = re.fullmatch(r"(\d{4})_(\w+)", path.stem)
        if named is None:
            raise UsageError(f"{path}: expected a name like 0001_initial.sql")
        found.append(Migration(number=int(named[1]), name=named[2], text=path.read_text()))
    return found


async def migrate(store: Store, folder: Path = FOLDER) -> list[str]:
    """Apply what is missing and return its names; a newer schema than ours is left alone (a newer replica runs).

    Raises StoreUnavailable where another replica holds what a file needs; those before it stay applied.
    """
    async with store.connection() as connection:
        await _alone(connection)
        try:
            await connection.execute(TABLE)
            done = {it["number"]: it for it in await connection.fetch("select number, name, checksum from migrations")}
            applied = [it.name for it in migrations(folder) if await _apply(connection, it, done.get(it.number))]
            await notice(connection)
            return applied
        finally:
            await connection.execute("select pg_advisory_unlock($1)", LOCK)


async def _alone(connection: Any) -> None:
    """Wait until nobody else migrates. Whoever does may take its time, unless it stands still with nothing under way:
    frozen, or cut off from the database, which would notice that hours later."""
    for _ in range(ceil(WAIT_SECONDS / AGAIN_SECONDS)):
        if await connection.fetchval("select pg_try_advisory_lock($1)", LOCK):
            return
        for it in await connection.fetch(END_FROZEN, LOCK, STANDS_STILL_SECONDS):
            log.warning("store.session_ended", pid=it["pid"], why="frozen while it migrated")
        await asyncio.sleep(AGAIN_SECONDS)
    raise StoreUnavailable("store: another replica migrates it")


async def _apply(connection: Any, migration: Migration, done: Any) -> bool:
    if done is not None:
        if done["checksum"] != migration.checksum:
            raise UsageError(
                f"store: migration {migration.number:04} ({migration.name}) was applied with another text; "
                "expected the file as released; restore it, or restore the database from its backup"
            )
        return False

    async def once() -> None:
        async with connection.transaction():
            await connection.execute(migration.text, timeout=MOST_SECONDS)
            await connection.execute(
                "insert into migrations (number, name, checksum) values ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.checksum,
            )

    await afresh(once)  # a replica that still runs may lock the same tables in another order
    return True
