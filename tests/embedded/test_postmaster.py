from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from responder.embedded.postmaster import Postmaster, may_be_postmaster

needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="judged by /proc")


def running_as(name: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A process with that command line, which ends with its input; a program just executed has none for an instant."""
    script = "echo here; read line"
    process = subprocess.Popen(
        [name, "-c", script, *arguments], executable="/bin/sh", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"here\n"
    return process


@needs_proc
@pytest.mark.parametrize(
    ("name", "arguments", "may_be"),
    [
        pytest.param("postgres", ("-D", "/ours"), True, id="a server on our folder"),
        pytest.param("postgres", ("-D", "/theirs"), False, id="a server on another folder"),
        pytest.param("postgres", ("-D", "."), True, id="a server that somebody started by hand in some folder"),
        pytest.param("postgres", (), True, id="a server whose folder came from its environment"),
        pytest.param("sleep", ("-D", "/ours"), False, id="a stranger"),
    ],
)
def test_a_process_is_known_by_its_command_line(name: str, arguments: tuple[str, ...], may_be: bool) -> None:
    with running_as(f"/some/where/{name}", *arguments) as process:
        assert may_be_postmaster(process.pid, Path("/ours")) is may_be


@needs_proc
def test_a_zombie_is_not_alive(tmp_path: Path, eventually: Callable[[Callable[[], object]], None]) -> None:
    with running_as("postgres") as process:
        orphan = Postmaster(process.pid, tmp_path, child=None)
        alive_before = orphan.is_alive()

        process.kill()

        eventually(lambda: not orphan.is_alive())
        os.kill(process.pid, 0)  # still there for those who only ask for the number
    assert alive_before


@needs_proc
def test_a_server_that_cannot_be_looked_at_is_not_taken_for_dead(tmp_path: Path) -> None:
    given = resource.getrlimit(resource.RLIMIT_NOFILE)
    with running_as("postgres", "-D", str(tmp_path)) as process:
        orphan = Postmaster(process.pid, tmp_path, child=None)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, given[1]))  # none is left
        try:
            alive = orphan.is_alive()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, given)
        process.communicate()

    assert alive
    assert not may_be_postmaster(process.pid, tmp_path)


async def test_a_process_that_stays_is_waited_for_no_longer_than_said(tmp_path: Path) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        postmaster = Postmaster(child.pid, tmp_path, child=child)

        gone = await postmaster.gone(within_seconds=0.05)

    assert gone is False
    assert await postmaster.gone(within_seconds=5) is True


def test_a_signal_never_reaches_a_stranger_with_the_number_of_an_orphan(tmp_path: Path) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as stranger:
        Postmaster(stranger.pid, tmp_path, child=None).signal(9)

    assert stranger.returncode == 0
