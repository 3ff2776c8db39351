"""The PostgreSQL that responder brings along: started, adopted, kept alive and stopped by us.

DATA_DIR holds `postgres` (the data), `postgres.log`, `lock`, `run` (the socket) and, as root, maybe `programs`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg
import structlog

from responder.embedded import preflight
from responder.embedded.cluster import (
    SUPERUSER,
    clear_unfinished,
    identifier_in,
    make_cluster,
    postmaster_file,
    system_identifier,
)
from responder.embedded.postmaster import Postmaster, launch, may_be_postmaster, reap_strays
from responder.embedded.preflight import DataDirLock, ServerUser
from responder.embedded.programs import Programs, installed_programs, reachable_programs
from responder.embedded.server_log import QUIET, ServerLog
from responder.errors import StoreUnavailable, UsageError

DATABASE = "responder"
LOW_DISK_BYTES = 256 * 1024 * 1024
"""Below so much free disk nothing more should be accepted: PostgreSQL stops in the middle when it is full."""

SETTINGS = {"max_connections": "25", "shared_buffers": "64MB", "dynamic_shared_memory_type": "mmap"}
"""Small enough for a container: /dev/shm may be missing there or hold 64 MB."""

COMES_UP_WITHIN_SECONDS = 120.0
"""Generous, because after a crash a gigabyte of log may have to be replayed; commonly it takes 0.03 s."""
ORPHAN_ANSWERS_WITHIN_SECONDS = 20.0
FORMER_IS_GONE_WITHIN_SECONDS = 10.0
LEFT_BY_THE_FORMER = ("is still in use", "already exists")
"""PostgreSQL's words when backends have not noticed that their server was killed, or another is just coming up."""
LOOK_EVERY_SECONDS = 0.25
FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 5.0
STABLE_AFTER_SECONDS = 60.0
"""A server that dies sooner than this after a start is given a longer delay each time."""
STOPS = ((signal.SIGINT, 6.0), (signal.SIGQUIT, 6.0))
"""Fast, then immediate shutdown (as safe: the next start replays the log), and the seconds that each may take. Version
18 answers no fast shutdown in the middle of its own recovery; an immediate one gives up on backends after 5 s."""

WHO_ANSWERS = """
    SELECT pg_read_binary_file('global/pg_control', 0, 8) AS control, current_setting('data_directory') AS cluster,
           split_part(current_setting('server_version'), ' ', 1) AS version
"""
"""Not pg_control_system(): that opens the file by the folder's name, and so reads the new folder when it was exchanged
under the server; this path goes from the folder in which the server stands."""

NOT_YET = (OSError, asyncpg.OperatorInterventionError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """What the server that answers says about itself."""

    system_identifier: int
    cluster: Path
    version: str


class EmbeddedPostgres:
    """One running server on one data folder, reached through a socket that only its user (and root) can open."""

    def __init__(self, data_dir: Path, user: ServerUser, programs: Programs, settings: Mapping[str, str]) -> None:
        """Use `start`."""
        self.data_dir = data_dir
        self.version = ""
        self.adopted = False
        self._cluster = data_dir / "postgres"
        self._log = ServerLog(data_dir / "postgres.log")
        self._user = user
        self._installed = programs
        self._settings = settings
        self._socket_folder = preflight.socket_folder_of(data_dir, user)
        self._postmaster: Postmaster | None = None
        self._lock: DataDirLock | None = None
        self._up_since = 0.0
        self._quick_deaths = 0
        self._stopping = asyncio.Event()

    @classmethod
    async def start(cls, data_dir: Path | None, *, settings: Mapping[str, str] = {}) -> EmbeddedPostgres:
        """Bring up the store in `data_dir`; None is /var/lib/responder for root and ./var for others.

        `settings` are PostgreSQL's own, over ours; an adopted server has them from its next restart on.
        Raises UsageError with the cure, StoreUnavailable when the server does not come up.
        """
        folder = preflight.data_dir_of(data_dir, os.geteuid())
        programs = installed_programs()
        user = preflight.server_user(os.geteuid(), cluster=folder / "postgres")
        preflight.make_data_dir(folder, user)
        self = cls(folder, user, programs, settings)
        self._lock = DataDirLock.take(folder)
        try:
            preflight.refuse_foreign_cluster(self._cluster, user, ours=programs.major)
            self.adopted = await self._bring_up()
        except BaseException:  # whatever ended the start, nothing it began may be left behind
            await self._give_up()
            raise
        return self

    @property
    def dsn(self) -> str:
        """For asyncpg; holds no secret, the folder of the socket is what is guarded."""
        return self._dsn(DATABASE)

    @property
    def pid(self) -> int:
        """Of the server's first process; another one after a restart."""
        return self._running.pid

    def free_disk_bytes(self) -> int:
        """What is left on its disk for accounts other than root; raises StoreUnavailable when the folder is gone."""
        try:
            disk = os.statvfs(self.data_dir)
        except OSError as gone:
            why = f"store: {self.data_dir} cannot be reached: {gone.strerror}"
            raise StoreUnavailable(why, reason="disk") from gone
        return disk.f_bavail * disk.f_frsize

    def resident_bytes(self) -> int:
        """Memory of the server and its backends, shared pages counted once; 0 where /proc is absent."""
        return self._running.resident_bytes()

    async def supervise(self) -> None:
        """Start the server again whenever it has died, and keep its log small, until cancelled or stopped."""
        while not self._stopping.is_set():
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            self._log.trim()
            if not self._running.is_alive():
                await self._revive()
            elif self._has_lost_its_socket():
                self._running.signal(signal.SIGINT)
            reap_strays(but=self.pid)

    def _has_lost_its_socket(self) -> bool:
        """Somebody removed it, and nobody gets in any more until a start makes it anew. Where all of the data is gone
        as well, it may come back, and the server is left as it is."""
        socket = self._socket_folder / preflight.SOCKET_NAME
        return os.path.exists(self._cluster) and not os.path.exists(socket)

    async def stop(self) -> None:
        """End the server, an adopted one too: sessions are cut off, what is committed is kept."""
        self._stopping.set()
        try:
            for number, within_seconds in STOPS:
                self._running.signal(number)
                if await self._running.gone(within_seconds=within_seconds):
                    break
            else:
                structlog.get_logger().error("store.stuck", pid=self.pid, cure=f"kill -KILL {self.pid}")
        finally:
            self._let_go()

    @property
    def _running(self) -> Postmaster:
        assert self._postmaster is not None  # `start` hands nothing out before
        return self._postmaster

    def _dsn(self, database: str) -> str:
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self._socket_folder), safe='')}&port=5432"

    async def _bring_up(self) -> bool:
        """Adopt the server that runs on our folder, else launch one; True when adopted."""
        deadline = asyncio.get_running_loop().time() + FORMER_IS_GONE_WITHIN_SECONDS
        while True:
            try:
                return await self._adopt_or_launch()
            except StoreUnavailable as why:
                passes = any(it in str(why) for it in LEFT_BY_THE_FORMER)
                if not passes or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(FIRST_DELAY_SECONDS)

    async def _adopt_or_launch(self) -> bool:
        try:
            orphan = self._find_orphan()
            if orphan is not None and await self._adopt(orphan):
                return True
            await self._launch()
        except PermissionError as why:
            raise preflight.not_permitted(self.data_dir, self._user, why) from why
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as why:
            raise StoreUnavailable(f"PostgreSQL on {self.data_dir} cannot be started: {why}") from why
        return False

    def _find_orphan(self) -> Postmaster | None:
        found = postmaster_file(self._cluster)
        if found is None:
            return None
        if self._postmaster is not None and self._postmaster.pid == found.pid and self._postmaster.is_alive():
            return self._postmaster  # no orphan but our child, which was too slow for us the last time
        if may_be_postmaster(found.pid, self._cluster):
            self._socket_folder = found.socket_folder or self._socket_folder
            return Postmaster(found.pid, self._cluster, child=None)
        # Its number may belong to a stranger by now, for which PostgreSQL would refuse to start. We hold the lock, and
        # should backends be left all the same, PostgreSQL still sees their shared memory.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        return None

    async def _adopt(self, orphan: Postmaster) -> bool:
        """False when it ended meanwhile. Raises StoreUnavailable, UsageError when it must not be touched."""
        try:
            identity = await self._answer_of(orphan, within_seconds=ORPHAN_ANSWERS_WITHIN_SECONDS)
        except StoreUnavailable:
            if orphan.is_alive():
                raise
            return False
        self._refuse_stranger(orphan, identity)
        await self._now_running(orphan, identity)
        structlog.get_logger().info("store.adopted", pid=orphan.pid, data_dir=str(self.data_dir))
        return True

    def _refuse_stranger(self, orphan: Postmaster, identity: _Identity) -> None:
        """Our number in its mouth, and our folder under its feet: a copied folder has the same number."""
        expected = system_identifier(self._cluster)
        if (identity.system_identifier, identity.cluster) != (expected, self._cluster):
            raise UsageError(
                f"process {orphan.pid} answers on the socket of {self._cluster}, but serves {identity.cluster} with "
                f"system identifier {identity.system_identifier}; expected {expected}: the folder was exchanged under "
                f"it; stop it (`kill -INT {orphan.pid}`) and start again"
            )

    async def _launch(self) -> None:
        installed, data_dir, user = self._installed, self.data_dir, self._user
        programs = await asyncio.to_thread(reachable_programs, installed, data_dir, user)
        await asyncio.to_thread(clear_unfinished, data_dir)
        if not self._cluster.exists():
            await make_cluster(self._cluster, programs, user)
        if self._stopping.is_set():
            raise StoreUnavailable("the store is being stopped")
        preflight.make_socket_folder(self._socket_folder, user)
        self._log.trim()
        log = self._log.open()
        begins_at = self._log.size()
        try:
            self._postmaster = launch(programs, self._cluster, user=self._user, settings=self._all_settings(), log=log)
        finally:
            os.close(log)
        identity = await self._answer_of(self._postmaster, within_seconds=COMES_UP_WITHIN_SECONDS, log_from=begins_at)
        await self._now_running(self._postmaster, identity)

    def _all_settings(self) -> dict[str, str]:
        socket = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self._socket_folder}"',
            "unix_socket_permissions": "0700",
            "port": "5432",
        }
        return {**SETTINGS, **self._settings, **QUIET, **socket}

    async def _now_running(self, postmaster: Postmaster, identity: _Identity) -> None:
        """It is ours: see that it has our database, and keep it."""
        async with self._session() as connection:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE}")
        self._postmaster = postmaster
        self.version = identity.version
        self._up_since = asyncio.get_running_loop().time()

    async def _answer_of(self, server: Postmaster, *, within_seconds: float, log_from: int | None = None) -> _Identity:
        """Ask until it answers. Raises StoreUnavailable when it ends or is silent for too long."""
        try:
            async with asyncio.timeout(within_seconds):
                for pause in itertools.chain((0.01,) * 20, itertools.repeat(0.1)):
                    try:
                        return await self._ask()
                    except PermissionError:
                        raise
                    except NOT_YET:
                        if not server.is_alive():
                            raise StoreUnavailable(self._why_it_ended(server, log_from)) from None
                    await asyncio.sleep(pause)
        except TimeoutError:
            pass
        raise StoreUnavailable(
            f"PostgreSQL (process {server.pid}) on {self.data_dir} did not answer within {within_seconds:.0f} s; "
            f"see {self._log.path}; if it hangs, end it with `kill -INT {server.pid}`"
        )

    def _why_it_ended(self, server: Postmaster, log_from: int | None) -> str:
        said = "" if log_from is None else f": {self._log.since(log_from)}"
        return f"PostgreSQL on {self.data_dir} ended (status {server.exit_status}){said}; see {self._log.path}"

    async def _ask(self) -> _Identity:
        """Who answers on the socket? Changes nothing: it may be a stranger."""
        async with self._session() as connection:
            await connection.fetchval("SELECT 1")
            row = await connection.fetchrow(WHO_ANSWERS)
        return _Identity(
            system_identifier=identifier_in(row["control"]), cluster=Path(row["cluster"]), version=row["version"]
        )

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self._dsn("postgres"), timeout=5)
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    async def _revive(self) -> None:
        """Launch until one comes up, with delays that grow up to a bound, for as long as it takes."""
        dead, status = self.pid, self._running.exit_status
        quick = asyncio.get_running_loop().time() - self._up_since < STABLE_AFTER_SECONDS
        self._quick_deaths = self._quick_deaths + 1 if quick else 0
        for attempt in itertools.count(1):
            doublings = min(attempt - 1 + max(self._quick_deaths - 1, 0), 10)
            await asyncio.sleep(min(FIRST_DELAY_SECONDS * 2**doublings, LONGEST_DELAY_SECONDS))
            if self._stopping.is_set():
                return
            try:
                await self._bring_up()
            except (StoreUnavailable, UsageError) as why:
                if self._stopping.is_set():
                    return  # it was us who ended it
                structlog.get_logger().error("store.restart_failed", attempt=attempt, why=str(why))
            else:
                structlog.get_logger().warning(
                    "store.restarted", pid=self.pid, former_pid=dead, exit_status=status, attempt=attempt
                )
                return

    async def _give_up(self) -> None:
        """Leave nothing of ours behind when the start failed; an orphan that was not adopted stays as it is."""
        if self._postmaster is None:
            self._let_go()
        else:
            await self.stop()

    def _let_go(self) -> None:
        if self._socket_folder.parent != self.data_dir:
            with contextlib.suppress(OSError):  # not empty: the server is still there
                self._socket_folder.rmdir()
        if self._lock is not None:
            self._lock.release()
