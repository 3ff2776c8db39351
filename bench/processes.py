"""The servers of a run, each a process of its own on a free port of loopback, and what the system says of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

READY_SECONDS = 60.0
LOOK_EVERY_SECONDS = 0.005
STOP_SECONDS = 40.0
TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
REPOSITORY = Path(__file__).parents[1]


class Server:
    """One process that answers at `port`."""

    def __init__(self, name: str, command: Sequence[str], port: int, ready: str, log: Path) -> None:
        self.name = name
        self.port = port
        self._command = list(command)
        self._ready = f"http://127.0.0.1:{port}{ready}"
        self._log = log
        self._environment: Mapping[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def with_environment(self, environment: Mapping[str, str]) -> Server:
        """The same with these variables and none of ours that begin with RESPONDER_."""
        kept = {name: it for name, it in os.environ.items() if not name.startswith("RESPONDER_")}
        self._environment = {**kept, **environment}
        return self

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> Path:
        """Where its output goes, of all its starts."""
        return self._log

    def start(self) -> float:
        """Seconds from the start of the process to its readiness; raises RuntimeError when it does not come."""
        began = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment or None
            )
        while not _answers(self._ready):
            if self._process.poll() is not None or time.perf_counter() - began > READY_SECONDS:
                self.stop()
                raise RuntimeError(f"{self.name} did not become ready; it said: {self._log.read_text()[-1500:]}")
            time.sleep(LOOK_EVERY_SECONDS)
        return time.perf_counter() - began

    def stop(self) -> None:
        """Ask it to end, then make it."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Keep it from using a core while another server is measured."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def reference(folder: Path) -> Server:
    """The server that only decodes."""
    port = free_port()
    script = str(Path(__file__).with_name("reference.py"))
    return Server("reference", [sys.executable, script, str(port)], port, "/health", folder / "reference.log")


def stand_in_pagerduty(folder: Path, token: str) -> Server:
    """PagerDuty as the demo plays it."""
    port = free_port()
    command = [sys.executable, "-m", "responder.demo.pagerduty", "--port", str(port), "--token", token]
    return Server("stand-in PagerDuty", command, port, "/_state", folder / "pagerduty.log")


def alertmanager(folder: Path) -> Server | None:
    """The real one, its alerts grouped as our bodies are and nobody told; None where it is not installed."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        return None
    port = free_port()
    configuration = folder / "alertmanager.yml"
    configuration.write_text(
        "route: {receiver: nobody, group_by: [alertname, service], group_wait: 30s}\nreceivers: [{name: nobody}]\n"
    )
    command = [
        program,
        f"--config.file={configuration}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--web.external-url=http://127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    return Server("Alertmanager", command, port, "/-/ready", folder / "alertmanager.log")


def responder(folder: Path, settings: Mapping[str, str]) -> Server:
    """The daemon with the embedded store in `folder`/data; these settings over those that every run has."""
    port = free_port()
    environment = {
        "RESPONDER_LISTEN": f"127.0.0.1:{port}",
        "RESPONDER_DATA_DIR": str(folder / "data"),
        "RESPONDER_REPORT_STDOUT": "false",
        "RESPONDER_LOG_FORMAT": "json",
        "RESPONDER_API_OPEN": "true",
        **settings,
    }
    program = str(Path(sys.executable).with_name("responder"))
    server = Server("responder", [program, "serve"], port, "/readyz", folder / "responder.log")
    return server.with_environment(environment)


def cpu_seconds(pids: Sequence[int]) -> float:
    """Processor time that these processes have used so far, user and system; 0 where /proc is absent."""
    return sum(_stat(pid, lambda it: (int(it[11]) + int(it[12])) * TICK_SECONDS) for pid in pids)


def resident_bytes(pids: Sequence[int]) -> int:
    """Memory in use: pages that several of them share are counted once (Pss); 0 where /proc is absent."""
    return sum(_kilobytes(pid, "smaps_rollup", "Pss") for pid in pids) * 1024


def whole_resident_bytes(pid: int) -> int:
    """Memory in use by one process, shared pages counted whole (RSS), whatever else runs; 0 where /proc is absent."""
    return _kilobytes(pid, "status", "VmRSS") * 1024


def peak_resident_bytes(pid: int) -> int:
    """The most that one process ever had resident."""
    return _kilobytes(pid, "status", "VmHWM") * 1024


def postgres_of(folder: Path) -> list[int]:
    """The embedded server of the daemon in `folder` and all its backends."""
    return postgres_under(folder / "data" / "postgres")


def postgres_under(cluster: Path) -> list[int]:
    """The server of a cluster and all its backends."""
    first = int((cluster / "postmaster.pid").read_text().splitlines()[0])
    others = [
        int(it.name) for it in Path("/proc").glob("[0-9]*") if _stat(int(it.name), lambda of: int(of[1])) == first
    ]
    return [first, *others]


def socket_of(folder: Path) -> str:
    """The folder of its socket."""
    return (folder / "data" / "postgres" / "postmaster.pid").read_text().splitlines()[4]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return int(answer.status) == 200
    except (urllib.error.URLError, OSError):
        return False


def _stat(pid: int, take: Callable[[list[str]], float]) -> float:
    """From /proc/PID/stat behind the name, so that index 1 is the parent, 11 and 12 the times; 0 when it has ended."""
    try:
        return take(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split())
    except OSError:
        return 0


def _kilobytes(pid: int, file: str, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return next((int(it.split()[1]) for it in lines if it.startswith(f"{name}:")), 0)
