"""A folder that every user can reach, drivers that can be killed, a look afterwards that nothing was left running."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from responder.embedded.preflight import ServerUser, server_user
from responder.embedded.server import EmbeddedPostgres

REPOSITORY = Path(__file__).parents[2]

DRIVER = """
import asyncio, concurrent.futures.thread, json, os, pathlib, sys
from responder.embedded.programs import installed_programs
from responder.embedded.server import EmbeddedPostgres
from responder.errors import ResponderError

folder, uid, gid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
installed_programs()  # for what it imports
if uid != os.geteuid():  # dropped here, as the interpreter may lie where the other user cannot start it
    os.setgroups([]); os.setgid(gid); os.setuid(uid)

async def main():
    store = await EmbeddedPostgres.start(pathlib.Path(folder))
    print(json.dumps({"pid": store.pid, "dsn": store.dsn, "adopted": store.adopted}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await store.stop()

try:
    asyncio.run(main())
except ResponderError as why:
    print(json.dumps({"error": type(why).__name__, "text": str(why)}), flush=True)
"""


class Driver:
    """A process of its own that starts the store in `folder`, and stops it when its input ends."""

    def __init__(self, folder: Path, *, uid: int, gid: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(folder), str(uid), str(gid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)]),
                "PLANTED_TOKEN": "canary-of-the-environment",
            },
        )

    def says(self) -> dict[str, Any]:
        """Its first line: pid, dsn, adopted; or error, text."""
        assert self.process.stdout is not None
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        return said

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def close(self) -> None:
        self.process.communicate(timeout=30)


@pytest.fixture
def drive() -> Iterator[Callable[..., Driver]]:
    drivers: list[Driver] = []

    def start(folder: Path, *, uid: int | None = None, gid: int | None = None) -> Driver:
        uid, gid = os.geteuid() if uid is None else uid, os.getegid() if gid is None else gid
        drivers.append(Driver(folder, uid=uid, gid=gid))
        return drivers[-1]

    yield start
    for driver in drivers:
        if driver.process.returncode is None:
            driver.close()


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """Not tmp_path: pytest makes that below a folder of mode 700, which a dropped user cannot enter."""
    folder = Path(tempfile.mkdtemp(prefix="embedded-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    left = end_processes_of(folder)
    shutil.rmtree(folder, ignore_errors=True)
    assert left == [], "processes were left running"


def end_processes_of(folder: Path) -> list[str]:
    left = [it for it in Path("/proc").glob("[0-9]*") if str(folder).encode() in command_line(it)]
    lines = [command_line(it).replace(b"\0", b" ").decode() for it in left]
    for it in left:
        os.kill(int(it.name), signal.SIGKILL)
    return lines


def command_line(process: Path) -> bytes:
    try:
        return process.joinpath("cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture(scope="session")
def seed() -> Iterator[Path]:
    """What a first start makes, made once: initdb takes most of a test's time."""

    async def make(folder: Path) -> None:
        store = await EmbeddedPostgres.start(folder)
        await store.stop()

    folder = Path(tempfile.mkdtemp(prefix="embedded-", dir="/tmp"))
    folder.chmod(0o755)
    asyncio.run(make(folder))
    yield folder / "postgres"
    shutil.rmtree(folder)


@pytest.fixture
def used_dir(open_dir: Path, seed: Path) -> Path:
    """A data folder that was started before."""
    subprocess.run(["cp", "-a", seed, open_dir], check=True)
    return open_dir


@pytest.fixture
def account(open_dir: Path) -> ServerUser:
    """Whom the server runs as on this machine."""
    return server_user(os.geteuid(), cluster=open_dir / "none")


@pytest.fixture
def nobody() -> pwd.struct_passwd:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    return pwd.getpwnam("nobody")


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    def wait(happens: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not happens():
            assert time.monotonic() < deadline, "did not happen within 30 s"
            time.sleep(0.005)

    return wait
