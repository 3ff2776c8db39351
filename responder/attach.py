"""Reach the daemon's store from a command: join the database that runs, or start the embedded one for a moment.

A second process must not start a server on a folder that a daemon holds, and need not: the server's own file says
where its socket is, and the socket is open to the user whom the server runs as, and to root.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import click

from responder import wiring
from responder.embedded.cluster import SUPERUSER, postmaster_file
from responder.embedded.postmaster import may_be_postmaster
from responder.embedded.preflight import ELSEWHERE, DataDirLock, data_dir_of
from responder.embedded.server import DATABASE, LOW_DISK_BYTES, EmbeddedPostgres
from responder.errors import StoreUnavailable, UsageError
from responder.redaction.redact import Redactor
from responder.settings import Settings, load_settings
from responder.store.look_up import refuse_other_schema
from responder.store.store import Store
from responder.telemetry import log_everything

COMES_UP_WITHIN_SECONDS = 30.0
LOOK_EVERY_SECONDS = 0.1
SAID_AFTER_SECONDS = 1.0
TERMINATED = 128 + signal.SIGTERM


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """The store, and what a command may need beside it. `alone`: no daemon runs on it; we started it ourselves.

    `dsn`: its address, with whatever secret is in it."""

    store: Store
    dsn: str = field(repr=False)
    settings: Settings
    redactor: Redactor
    alone: bool
    room: Callable[[], bool]


def with_store(do: Callable[[Attached], Awaitable[int]]) -> int:
    """Run a command on the store; its exit status is that of `do`. Raises UsageError, StoreUnavailable."""
    settings = load_settings()
    redactor = wiring.redactor_of(settings)
    log_everything(as_json=False, level="error", redact=redactor.text)

    async def run() -> int:
        this = asyncio.current_task()
        assert this is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)  # what we started is stopped
        async with attached(settings, redactor) as found:
            return await do(found)

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        sys.exit(TERMINATED)


@asynccontextmanager
async def attached(settings: Settings, redactor: Redactor) -> AsyncIterator[Attached]:
    """The store as it is: nothing is migrated, and no data folder is made where there is none."""
    if settings.database_url is not None:
        store = await Store.open(settings.database_url.get_secret_value(), redact=redactor.text)
        async with _handed_out(store, settings.database_url.get_secret_value(), settings, redactor) as found:
            yield found
        return
    data_dir = data_dir_of(settings.data_dir, os.geteuid())
    _refuse_missing(data_dir)
    with _said(f"responder: waiting for the store in {data_dir}"):
        joined = await _joined(data_dir, redactor)
    if joined is not None:
        async with _handed_out(*joined, settings, redactor) as found:
            yield found
        return
    with _said(f"responder: no daemon runs; starting the store in {data_dir} for this command"):
        embedded = await EmbeddedPostgres.start(settings.data_dir)
    try:
        store = await Store.open(embedded.dsn, redact=redactor.text)
        async with _handed_out(store, embedded.dsn, settings, redactor, embedded) as found:
            yield found
    finally:
        await embedded.stop()


@asynccontextmanager
async def _handed_out(
    store: Store, dsn: str, settings: Settings, redactor: Redactor, embedded: EmbeddedPostgres | None = None
) -> AsyncIterator[Attached]:
    def room() -> bool:
        return embedded is None or embedded.free_disk_bytes() >= LOW_DISK_BYTES

    try:
        await refuse_other_schema(store)
        alone = embedded is not None
        yield Attached(store=store, dsn=dsn, settings=settings, redactor=redactor, alone=alone, room=room)
    finally:
        await store.close()


async def _joined(data_dir: Path, redactor: Redactor) -> tuple[Store, str] | None:
    """The store of the server that runs there, and its address; None when nobody holds the folder and none runs.

    A daemon that is just starting, or whose server is being started again, is waited for.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + COMES_UP_WITHIN_SECONDS
    while True:
        try:
            dsn = _running_in(data_dir)
            if dsn is not None:
                return await Store.open(dsn, redact=redactor.text), dsn
        except StoreUnavailable:
            if loop.time() > deadline:
                raise
        try:
            DataDirLock.take(data_dir).release()
        except UsageError:
            if loop.time() > deadline:
                raise
        else:
            if dsn is None:
                return None
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def _running_in(data_dir: Path) -> str | None:
    """The address of the server on this folder, None while there is none that can be reached."""
    found = postmaster_file(data_dir / "postgres")
    if found is None or found.socket_folder is None or not may_be_postmaster(found.pid, data_dir / "postgres"):
        return None
    if not os.access(found.socket_folder, os.X_OK):
        raise _not_ours(found.socket_folder)
    return f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(str(found.socket_folder), safe='')}&port=5432"


def _refuse_missing(data_dir: Path) -> None:
    cluster = data_dir / "postgres"
    try:
        there = cluster.exists()
    except PermissionError:
        raise _not_ours(data_dir) from None
    if not there:
        raise UsageError(
            f"RESPONDER_DATA_DIR {data_dir}: no store is there; expected the folder of the daemon, {ELSEWHERE}"
        )
    if not os.access(cluster, os.R_OK | os.X_OK):
        raise _not_ours(cluster)


def _not_ours(folder: Path) -> UsageError:
    return UsageError(f"{folder} is closed to this user; run the command as the user of the daemon, or as root")


@contextmanager
def _said(words: str) -> Iterator[None]:
    """Say what takes so long, on a terminal and after a second."""
    if not sys.stderr.isatty():
        yield
        return
    saying = asyncio.get_running_loop().call_later(SAID_AFTER_SECONDS, lambda: click.echo(words, err=True))
    try:
        yield
    finally:
        saying.cancel()
