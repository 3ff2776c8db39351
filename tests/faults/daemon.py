"""The real daemon as a process: started, killed, frozen, started again on the same data, and always cleaned up."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.systems.plugin import LOOPBACK, answers

READY_WITHIN_SECONDS = 120.0  # two very busy cores, and a store that replays its log
STRUCK = Path(__file__).parent / "struck.py"
NEVER = "never"


@dataclass(frozen=True, kw_only=True)
class Strike:
    """Send the daemon this signal when it logs the `nth` event of this name; `work` narrows it to one kind of work.

    `NEVER`: let it run, but have it count its tasks when it is asked to.
    """

    event: str = NEVER
    work: str = ""
    nth: int = 1
    number: int = signal.SIGKILL


def lasting_port() -> int:
    """A port that stays free while its daemon is dead: below those that the kernel gives to outgoing connections."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as it, contextlib.suppress(OSError):
            it.bind((LOOPBACK, port))
            return port


@dataclass(kw_only=True)
class Daemon:
    """`responder serve` with its data in `folder`. Blocking: call it from a thread where a loop must go on.

    `program`: what is started in its place, that does the same in a stranger world.
    """

    folder: Path
    environment: Mapping[str, str]
    program: Sequence[str] = ("-m", "responder.cli.main", "serve")
    port: int = field(default_factory=lasting_port)
    process: subprocess.Popen[bytes] | None = None
    runs: int = 0

    @classmethod
    def made(cls, environment: Mapping[str, str], *, seed: Path | None = None) -> Daemon:
        """A daemon that was not started yet; `seed`: an embedded store to begin with, else a first start makes one."""
        folder = Path(tempfile.mkdtemp(prefix="responder-daemon-", dir="/tmp"))  # the store's user must get in
        folder.chmod(0o755)
        if seed is not None:
            (folder / "data").mkdir()
            subprocess.run(["cp", "-a", str(seed), str(folder / "data" / "postgres")], check=True)
        return cls(folder=folder, environment=environment)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self, strike: Strike | None = None) -> float:
        """Start it and wait until it says that it is ready; how many seconds that took."""
        began = time.monotonic()
        process = self.launch(strike)
        while time.monotonic() - began < READY_WITHIN_SECONDS:
            if answers(f"{self.url}/readyz"):
                return time.monotonic() - began
            assert process.poll() is None, f"the daemon ended ({process.returncode}):\n{self.log[-3000:]}"
            time.sleep(0.02)
        raise AssertionError(f"the daemon did not get ready:\n{self.log[-3000:]}")

    def launch(self, strike: Strike | None = None) -> subprocess.Popen[bytes]:
        """Start it and wait for nothing."""
        self.runs += 1
        program = [str(STRUCK), json.dumps(dataclasses.asdict(strike))] if strike else self.program
        with self._path("log").open("wb") as log, self._path("out").open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-P", *program],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                cwd=self.folder,
                env=self._environment(),
                process_group=0,
            )
        return self.process

    def kill(self) -> None:
        """kill -9, the daemon alone: its PostgreSQL goes on without it."""
        self._running.kill()
        self._running.wait()

    def died(self, within_seconds: float = 60) -> int:
        """Wait until it has ended by itself, or by a strike; its exit status."""
        return self._running.wait(within_seconds)

    def terminate(self, within_seconds: float = 40) -> tuple[int, float]:
        """SIGTERM; its exit status, and after how many seconds it was gone."""
        began = time.monotonic()
        self._running.terminate()
        return self._running.wait(within_seconds), time.monotonic() - began

    async def tasks(self) -> int:
        """How many tasks its loop has; it must have been started with a Strike."""
        before = len(self.events("tasks.counted"))
        self._running.send_signal(signal.SIGUSR1)
        while len(counted := self.events("tasks.counted")) == before:
            await asyncio.sleep(0.02)
        return int(counted[-1]["tasks"])

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        return self._running.pid

    @property
    def dsn(self) -> str:
        """Where its store is."""
        embedded = f"postgresql://responder@/responder?host={self.folder / 'data' / 'run'}"
        return self.environment.get("RESPONDER_DATABASE_URL", embedded)

    def is_frozen(self) -> bool:
        """Whether it stands still."""
        stat = Path(f"/proc/{self._running.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def freeze(self) -> None:
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._running.send_signal(signal.SIGCONT)

    @property
    def log(self) -> str:
        """What the last run logged."""
        return self._path("log").read_text("utf-8", "replace")

    @property
    def out(self) -> str:
        """What the last run printed."""
        return self._path("out").read_text("utf-8", "replace")

    def events(self, name: str = "", *, run: int | None = None) -> list[dict[str, Any]]:
        """The events of a run (None: the last one), oldest first, those of one name or all; `timestamp` is ISO 8601."""
        path = self._path("log", run)
        lines = path.read_text("utf-8", "replace").splitlines() if path.exists() else []
        said = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [it for it in said if not name or it["event"] == name]

    def clean_up(self) -> None:
        """Leave no process and no file, whatever has happened."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.thaw()
            self.process.kill()
            self.process.wait()
        self._end_orphan()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_orphan(self) -> None:
        """The embedded PostgreSQL outlives a daemon that was killed; it wrote down its own number."""
        file = self.folder / "data" / "postgres" / "postmaster.pid"
        if not file.exists():
            return
        pid = int(file.read_text().split()[0])
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if not self._is_ours(pid):
                return
            os.kill(pid, number)
            until = time.monotonic() + 10
            while self._is_ours(pid) and time.monotonic() < until:
                time.sleep(0.02)

    def _is_ours(self, pid: int) -> bool:
        try:
            return str(self.folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None, "start it first"
        return self.process

    def _path(self, kind: str, run: int | None = None) -> Path:
        return self.folder / f"{kind}.{self.runs if run is None else run}"

    def _environment(self) -> dict[str, str]:
        ours = {
            "RESPONDER_LISTEN": f"{LOOPBACK}:{self.port}",
            "RESPONDER_DATA_DIR": str(self.folder / "data"),
            "RESPONDER_LOG_FORMAT": "json",
            "RESPONDER_LOG_LEVEL": "debug",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RESPONDER_")}
        return kept | ours | dict(self.environment)
