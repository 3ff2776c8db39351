"""The server's process: our child, or an orphan that a former responder left behind."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from responder.embedded.cluster import CLEAN_ENVIRONMENT
from responder.embedded.preflight import ServerUser
from responder.embedded.programs import Programs

PROC = Path("/proc")


class Postmaster:
    """PostgreSQL's first process on `cluster`. An orphan cannot be waited for, so both kinds are polled."""

    def __init__(self, pid: int, cluster: Path, *, child: subprocess.Popen[bytes] | None) -> None:
        self.pid = pid
        self._cluster = cluster
        self._child = child

    @property
    def exit_status(self) -> int | None:
        """None while it runs, and for an orphan."""
        return None if self._child is None else self._child.poll()

    def is_alive(self) -> bool:
        """Whether the process is there and is a server on our folder, not a stranger with its number."""
        if self._child is not None:
            return self._child.poll() is None
        return may_be_postmaster(self.pid, self._cluster)

    def signal(self, number: int) -> None:
        """Send it, unless the process has ended."""
        if self.is_alive():
            os.kill(self.pid, number)

    async def gone(self, *, within_seconds: float) -> bool:
        """Wait for its end; False when it is still there by then."""
        try:
            async with asyncio.timeout(within_seconds):
                while self.is_alive():  # noqa: ASYNC110 - the end of an orphan can only be polled
                    await asyncio.sleep(0.02)
        except TimeoutError:
            return False
        return True

    def resident_bytes(self) -> int:
        """Of the server with its backends: private pages of each, shared ones once; 0 where /proc is absent."""
        sizes = [_resident(pid) for pid in (self.pid, *_children(self.pid))]
        return sum(own for own, _ in sizes) + max((shared for _, shared in sizes), default=0)


def launch(programs: Programs, cluster: Path, *, user: ServerUser, settings: Mapping[str, str], log: int) -> Postmaster:
    """Start a server, in a session of its own so that our terminal's Ctrl-C does not reach it before us.

    `log` is a descriptor for its output. Raises OSError.
    """
    options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
    child = subprocess.Popen(  # noqa: S603 - our own programs, our own settings
        [programs.path("postgres"), "-D", cluster, *options],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        env=CLEAN_ENVIRONMENT,
        start_new_session=True,
        **user.rights(),
    )
    return Postmaster(child.pid, cluster, child=child)


def may_be_postmaster(pid: int, cluster: Path) -> bool:
    """Whether process `pid` may be a server on `cluster`; numbers are used again, soonest in containers.

    Judged by the command line, which everybody may read; without /proc whatever lives may be one.
    """
    if not PROC.joinpath("self").exists():
        return _exists(pid)
    try:
        arguments = PROC.joinpath(str(pid), "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError:  # no descriptor is left to read with: a server that lives must not be taken for dead
        return _exists(pid)
    if os.path.basename(arguments[0]) != b"postgres":
        return False  # a zombie has no command line; a backend's begins with "postgres: "
    folders = [it for before, it in itertools.pairwise(arguments) if before == b"-D"]
    return not folders or not os.path.isabs(folders[0]) or folders[0] == os.fsencode(cluster)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def reap_strays(*, but: int) -> None:
    """As the first process of a container, take leave of what a server that died has left: nobody else is there to.

    Each child that we started has somebody who waits for it, and is no backend; `but`: our server.
    """
    if os.getpid() != 1 or not _somebody_ended():
        return
    for pid in _children(1, ended="postgres"):
        if pid != but:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _somebody_ended() -> bool:
    """Whether there is a child to take leave of; it stays for whoever waits for it."""
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False


def _children(pid: int, *, ended: str = "") -> Iterator[int]:
    """All of them, or those of a name that have ended and were not waited for."""
    for folder in PROC.glob("[0-9]*"):
        try:
            before, _, after = folder.joinpath("stat").read_text("utf-8", "replace").rpartition(")")
        except OSError:
            continue  # it ended meanwhile
        state, parent = after.split()[:2]
        if int(parent) == pid and (not ended or (state == "Z" and before.endswith(f"({ended}"))):
            yield int(folder.name)


def _resident(pid: int) -> tuple[int, int]:
    """Bytes of private and of shared pages; zeros when the process ended meanwhile."""
    try:
        lines = PROC.joinpath(str(pid), "status").read_text("utf-8", "replace").splitlines()
    except OSError:
        return 0, 0
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss")}
    return sizes.get("RssAnon", 0), sizes.get("RssFile", 0) + sizes.get("RssShmem", 0)
