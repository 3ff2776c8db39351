"""A command beside the daemon, after its death, and without one: the embedded store is joined or started, not both."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import pty
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.embedded.conftest import command_line
from tests.faults.daemon import Daemon
from tests.kept import FIRING, GROUP_KEY, PACK, WEBHOOK_TOKEN

pytestmark = pytest.mark.system
REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def made() -> Iterator[Daemon]:
    """One daemon for all: each test leaves it as it wants it, and the next one starts it if it must."""
    daemon = Daemon.made({"RESPONDER_RULES": str(PACK), "RESPONDER_ALERTMANAGER_TOKENS": WEBHOOK_TOKEN})
    try:
        daemon.start()
        post(daemon)
        yield daemon
    finally:
        daemon.clean_up()


@pytest.fixture
def running(made: Daemon) -> Daemon:
    if made.process is None or made.process.poll() is not None:
        made.start()
    return made


@pytest.fixture
def stopped(made: Daemon) -> Daemon:
    if made.process is None or made.process.poll() is not None:
        made.start()
    assert made.terminate()[0] == 0
    return made


def post(daemon: Daemon) -> None:
    body = json.dumps({"version": "4", "groupKey": GROUP_KEY, "status": "firing", "alerts": [FIRING]})
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    connection.request("POST", "/webhooks/alertmanager", body, {"Authorization": f"Bearer {WEBHOOK_TOKEN}"})
    assert connection.getresponse().status == 202
    connection.close()


def environment(daemon: Daemon) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RESPONDER_")}
    ours = {"RESPONDER_DATA_DIR": str(daemon.folder / "data"), "RESPONDER_RULES": str(PACK)}
    return kept | ours | {"PYTHONPATH": str(REPOSITORY)}


def run(daemon: Daemon, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "responder.cli.main", *arguments],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(daemon) | more,
    )


def servers(daemon: Daemon) -> list[int]:
    """The numbers of all processes of the store."""
    data = str(daemon.folder / "data" / "postgres").encode()
    return [int(it.name) for it in Path("/proc").glob("[0-9]*") if data in command_line(it)]


def test_the_store_of_a_daemon_that_runs_is_joined_and_goes_on(running: Daemon) -> None:
    before = servers(running)

    shown = run(running, "incidents", "show", "inc-0001")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "KilledNobody" in shown.stdout
    assert servers(running) == before
    assert running.process is not None
    assert running.process.poll() is None


def test_the_store_that_a_dead_daemon_left_behind_is_joined_and_left_for_the_next_one(running: Daemon) -> None:
    running.kill()
    before = servers(running)

    shown = run(running, "trace", "inc-0001")

    assert shown.returncode == 0, shown.stderr
    assert len(before) == 1
    assert servers(running) == before
    running.start()
    assert running.events("store.adopted")


def test_without_a_daemon_the_store_is_started_and_stopped_again(stopped: Daemon) -> None:
    shown = run(stopped, "incidents", "--json")

    assert "inc-0001" in [it["incident"] for it in json.loads(shown.stdout)["incidents"]]
    assert servers(stopped) == []
    assert not (stopped.folder / "data" / "postgres" / "postmaster.pid").exists()


def test_the_number_of_a_server_that_is_dead_is_not_waited_for(running: Daemon) -> None:
    first = int((running.folder / "data" / "postgres" / "postmaster.pid").read_text().split()[0])
    running.kill()
    os.kill(first, signal.SIGKILL)
    until(lambda: not servers(running))

    shown = run(running, "incidents", "show", "inc-0001")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert servers(running) == []


def test_what_is_retried_without_a_daemon_is_looked_at_by_the_next_one(stopped: Daemon) -> None:
    body = json.dumps(FIRING)
    subprocess.run([sys.executable, "-c", PUT_ASIDE, body], cwd="/", env=environment(stopped), check=True, timeout=60)

    retried = run(stopped, "quarantine", "retry", "--all")

    assert (retried.returncode, retried.stdout) == (0, "1: 1 accepted → inc-0002\n")
    assert "No daemon runs: it is looked at as soon as one does." in retried.stderr
    assert servers(stopped) == []
    stopped.start()
    until(lambda: any(it["incident"] == "inc-0002" for it in stopped.events("report.composed")))


PUT_ASIDE = """
import sys
from responder.attach import Attached, with_store

async def do(attached: Attached) -> int:
    async with attached.store.connection() as connection:
        await connection.execute(
            "insert into quarantine (kind, source, reason, body, identities)"
            " values ('alertmanager', 'default', 'x', $1, $2)",
            sys.argv[1], {"key": "ab" * 32},
        )
    return 0

with_store(do)
"""


def until(happens: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not happens():
        assert time.monotonic() < deadline, "did not happen within 30 s"
        time.sleep(0.05)


def test_one_that_is_told_to_end_leaves_no_store_behind(stopped: Daemon) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HELD_UP], cwd="/", env=environment(stopped), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "attached\n"
    running = servers(stopped)

    process.terminate()

    assert process.wait(30) == 128 + signal.SIGTERM
    process.stdout.close()
    assert len(running) == 1
    assert servers(stopped) == []


HELD_UP = """
import asyncio
from responder.attach import Attached, with_store

async def do(attached: Attached) -> int:
    print("attached", flush=True)
    await asyncio.sleep(60)
    return 0

with_store(do)
"""


def test_a_folder_that_a_starting_daemon_holds_is_waited_for_and_not_started(stopped: Daemon) -> None:
    with (stopped.folder / "data" / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [sys.executable, "-m", "responder.cli.main", "incidents"],
            cwd="/",
            env=environment(stopped),
            stdout=subprocess.PIPE,
            text=True,
        )
        time.sleep(3)  # a command takes one second
        waited = process.poll() is None
        started = servers(stopped)
    said, _ = process.communicate(timeout=60)

    assert (waited, started) == (True, [])
    assert "inc-0001" in said
    assert servers(stopped) == []


def test_what_takes_longer_than_a_second_says_so_on_a_terminal(stopped: Daemon) -> None:
    controller, terminal = pty.openpty()
    with (stopped.folder / "data" / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [sys.executable, "-m", "responder.cli.main", "incidents"],
            cwd="/",
            env=environment(stopped),
            stdout=subprocess.DEVNULL,
            stderr=terminal,
        )
        said = os.read(controller, 1000).decode()
    process.wait(60)
    os.close(terminal)
    os.close(controller)

    assert said.startswith("responder: waiting for the store in ")


def test_where_no_store_is_none_is_made(made: Daemon, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"

    listed = run(made, "incidents", RESPONDER_DATA_DIR=str(nowhere))

    assert listed.returncode == 2
    assert "no store is there; expected the folder of the daemon" in listed.stderr
    assert not nowhere.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_told_who_may(running: Daemon) -> None:
    nobody = pwd.getpwnam("nobody")
    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER, str(nobody.pw_uid), str(running.folder / "data")],
        cwd="/",
        env=environment(running),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert "closed to this user; run the command as the user of the daemon, or as root" in done.stdout, done.stderr


AS_ANOTHER = """
import os, pathlib, sys
from responder import attach
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
try:
    attach._refuse_missing(pathlib.Path(sys.argv[2]))
except attach.UsageError as why:
    print(why)
"""
"""Dropped after the imports: the interpreter may lie where the other user cannot start it."""


def test_colours_are_for_terminals_and_not_where_they_are_not_wanted(running: Daemon) -> None:
    def seen(**more: str) -> str:
        controller, terminal = pty.openpty()
        done = subprocess.run(
            [sys.executable, "-m", "responder.cli.main", "incidents"],
            cwd="/",
            env=environment(running) | {"COLUMNS": "80"} | more,
            stdout=terminal,
            timeout=60,
        )
        os.close(terminal)
        said = os.read(controller, 10_000).decode()
        os.close(controller)
        assert done.returncode == 0
        return said

    assert "\x1b[91mP1\x1b[0m" in seen()
    assert "\x1b" not in seen(NO_COLOR="1")
