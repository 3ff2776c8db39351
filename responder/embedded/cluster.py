"""PostgreSQL's data folder (its word: cluster): made whole or not at all, and what its files tell about the server."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from responder.embedded.preflight import ServerUser
from responder.embedded.programs import Programs
from responder.errors import StoreUnavailable

SUPERUSER = "responder"
INITDB_TAKES_AT_MOST_SECONDS = 120.0

CLEAN_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
"""What PostgreSQL gets to see of our environment: none of our credentials; TZ spares initdb a search (0.2 s)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostmasterFile:
    """What a running server, or one that died, says about itself in `postmaster.pid`; it writes it line by line."""

    pid: int
    socket_folder: Path | None


def postmaster_file(cluster: Path) -> PostmasterFile | None:
    """None when there is none (what its lines are: src/include/utils/pidfile.h)."""
    try:
        lines = (cluster / "postmaster.pid").read_text("utf-8", "surrogateescape").splitlines()
        socket_folder = Path(lines[4]) if len(lines) > 4 and lines[4] else None
        return PostmasterFile(pid=int(lines[0]), socket_folder=socket_folder)
    except (FileNotFoundError, IndexError, ValueError):
        return None


def system_identifier(cluster: Path) -> int:
    """The number that initdb gave this folder: the first 8 bytes of its control file, in the machine's order."""
    with (cluster / "global" / "pg_control").open("rb") as file:
        return identifier_in(file.read(8))


def identifier_in(control: bytes) -> int:
    """The system identifier in the first 8 bytes of a control file."""
    identifier: int = struct.unpack("=Q", control)[0]
    return identifier


def clear_unfinished(data_dir: Path) -> None:
    """Remove what an initdb left that died half-way, or that ran to its end after we had died."""
    for unfinished in data_dir.glob("initdb-*"):
        shutil.rmtree(unfinished, ignore_errors=True)  # it may still be writing there; the next start comes again


async def make_cluster(cluster: Path, programs: Programs, user: ServerUser) -> None:
    """Run initdb beside `cluster` and rename, so that a death half-way leaves nothing under that name (0.6 s).

    Raises StoreUnavailable with what initdb said.
    """
    fresh = Path(tempfile.mkdtemp(prefix="initdb-", dir=cluster.parent))
    try:
        user.take(fresh)
        await _initdb(programs, fresh, user)
        _put_in_place(fresh, cluster)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


async def _initdb(programs: Programs, folder: Path, user: ServerUser) -> None:
    process = await asyncio.create_subprocess_exec(
        *(programs.path("initdb"), "-D", folder, "-U", SUPERUSER, "--no-locale", "-E", "UTF8"),
        *("--auth-local=trust", "--auth-host=reject", "--no-instructions"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd="/",
        env=CLEAN_ENVIRONMENT,
        start_new_session=True,
        **user.rights(),
    )
    try:
        async with asyncio.timeout(INITDB_TAKES_AT_MOST_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        raise StoreUnavailable(
            f"initdb did not finish within {INITDB_TAKES_AT_MOST_SECONDS:.0f} s in {folder}"
        ) from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode != 0:
        last = " · ".join(said.decode("utf-8", "replace").strip().splitlines()[-3:])
        raise StoreUnavailable(f"initdb failed with status {process.returncode} in {folder.parent}: {last}")


def _put_in_place(fresh: Path, cluster: Path) -> None:
    """Rename so that it survives a power cut; initdb has flushed the files themselves."""
    fresh.rename(cluster)
    descriptor = os.open(cluster.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
