"""A PostgreSQL of a test's own that it may end in every way, freeze, fill up and start again, always on one port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.daemon import lasting_port
from tests.systems.plugin import LOOPBACK, folder_for, postgres_programs, postgres_user, start, stop

UP_AGAIN_WITHIN_SECONDS = 60.0
WAYS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "kill -9": signal.SIGKILL}


@dataclass(kw_only=True)
class Cluster:
    """Open it with `opened`. Blocking: call it from a thread where a loop must go on."""

    folder: Path
    data: Path
    settings: Sequence[str] = ()
    before: Sequence[str] = ()
    port: int = field(default_factory=lasting_port)
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, template: Path, *settings: str, disk: Path | None = None, before: Sequence[str] = ()
    ) -> AsyncIterator[Cluster]:
        """A copy of `template`, started, ended with the block; `disk`: where its data are to be; `before`: words that
        stand before the program, as `env` does with its variables.
        """
        with folder_for("postgres", postgres_user()) as folder:
            self = cls(folder=folder, data=(disk or folder) / "data", settings=settings, before=before)
            await asyncio.to_thread(subprocess.run, ["cp", "-a", str(template), str(self.data)], check=True)
            async with self._started():
                yield self

    @asynccontextmanager
    async def standby(self) -> AsyncIterator[Cluster]:
        """Another one that follows this one, ended with the block."""
        with folder_for("postgres", postgres_user()) as folder:
            other = Cluster(folder=folder, data=folder / "data")
            copied = f"-h {LOOPBACK} -p {self.port} -U postgres -D {other.data} -R -c fast --no-sync"
            await asyncio.to_thread(
                subprocess.run,
                [str(postgres_programs() / "pg_basebackup"), *copied.split()],
                check=True,
                cwd=folder,
                user=postgres_user(),
                group=postgres_user(),
            )
            async with other._started():
                yield other

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[None]:
        try:
            await asyncio.to_thread(self.start)
            yield
        finally:
            await asyncio.to_thread(self.clean_up)

    @property
    def dsn(self) -> str:
        return f"postgresql://postgres@{LOOPBACK}:{self.port}/postgres"

    def start(self) -> None:
        """Start it; what a killed one left behind may take a moment to go."""
        programs = postgres_programs()
        probe = [str(programs / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port)]
        given = {"listen_addresses": LOOPBACK, "unix_socket_directories": self.folder, "fsync": "off"}
        settings = [*(f"{name}={value}" for name, value in given.items()), *self.settings]
        options = [word for it in settings for word in ("-c", it)]
        until = time.monotonic() + UP_AGAIN_WITHIN_SECONDS
        while _in_use(self.data) and time.monotonic() < until:
            time.sleep(0.05)
        self.process = start(
            "postgresql",
            [*self.before, str(programs / "postgres"), "-D", str(self.data), "-p", str(self.port), *options],
            self.folder,
            lambda: subprocess.run(probe, check=False).returncode == 0,
            user=postgres_user(),
        )

    def end(self, way: str) -> None:
        """End it in one of WAYS, and wait until its first process is gone."""
        self._running.send_signal(WAYS[way])
        self._running.wait(30)

    def freeze(self) -> None:
        """It keeps its connections, takes new ones in the kernel's queue, and answers none."""
        self._to_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._to_all(signal.SIGCONT)

    def clean_up(self) -> None:
        """Leave no process, whatever has happened."""
        if self.process is not None and self.process.poll() is None:
            self.thaw()
            stop(self.process, signal.SIGINT)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None, "start it first"
        return self.process

    def _to_all(self, number: signal.Signals) -> None:
        """Its first process first, so that it makes no more."""
        for pid in (self._running.pid, *children(self._running.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1]) == pid:
                found.append(int(folder.name))
    return found


def _in_use(data: Path) -> bool:
    """Whether a process still stands in this folder: sessions of a server that was killed, which end a little later."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "cwd").readlink() == data:
                return True
    return False
