"""Whoever writes never waits for whoever reads: the log of a process and what it prints."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from responder.spool import Spool

PIPE_HOLDS = 64 * 1024
LOGS = """
import structlog, sys
from responder.telemetry import log_everything

log_everything(as_json=sys.argv[2] == "json", level="error", redact=str)
for number in range(int(sys.argv[1])):
    structlog.get_logger().error("said", number=number, much="x" * 200)
print("through", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for it in ends:
        os.close(it)


def logging(lines: int, form: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", LOGS, str(lines), form],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"through\n"  # with a log that nobody reads
    return process


def test_a_log_that_nobody_reads_holds_nobody_up_and_tells_afterwards_how_much_it_dropped() -> None:
    with logging(30_000, "json") as process:
        said = [json.loads(it) for it in process.communicate(b"\n", timeout=60)[1].splitlines()]

    numbers = [it["number"] for it in said if it["event"] == "said"]
    lost = sum(it["lines"] for it in said if it["event"] == "log.lost")
    assert numbers == list(range(len(numbers)))
    assert lost == 30_000 - len(numbers) > 0


def test_the_log_for_people_is_dropped_and_told_in_the_same_way() -> None:
    with logging(30_000, "console") as process:
        said = process.communicate(b"\n", timeout=60)[1].decode().splitlines()

    assert sum("said" in it for it in said) < 30_000
    assert any("log.lost" in it for it in said)


def test_what_was_logged_last_is_there_after_the_end() -> None:
    with logging(300, "json") as process:
        said = process.communicate(b"\n", timeout=60)[1].splitlines()

    assert [json.loads(it)["number"] for it in said] == list(range(300))


def test_a_log_that_nobody_reads_does_not_keep_a_process_from_ending() -> None:
    with logging(3_000, "json") as process:
        assert process.stdin is not None
        process.stdin.close()

        assert process.wait(30) == 0  # nothing of it was read yet


def test_many_threads_write_whole_lines(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    spool = Spool(writing)
    threads = [
        threading.Thread(target=lambda n=n: [spool.write(f"{n} {'x' * 100}\n") for _ in range(50)]) for n in range(4)
    ]
    for it in threads:
        it.start()
    for it in threads:
        it.join()

    assert spool.drain(30)
    lines = os.read(reading, PIPE_HOLDS).decode().splitlines()
    assert sorted(lines) == [f"{n} {'x' * 100}" for n in range(4) for _ in range(50)]


def test_a_descriptor_that_somebody_made_non_blocking_is_waited_for(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.set_blocking(writing, False)
    spool = Spool(writing)
    text = "y" * 3 * PIPE_HOLDS

    spool.write(text)

    got = b""
    while len(got) < len(text):
        got += os.read(reading, PIPE_HOLDS)
    assert got.decode() == text


def test_who_hands_over_is_told_that_it_was_refused() -> None:
    with open("/dev/full", "wb") as full:
        handed = Spool(full.fileno()).hand_over("a report\n")

        assert handed is not None
        assert getattr(handed.exception(30), "errno", None) == errno.ENOSPC


def test_what_is_given_up_before_its_turn_is_not_written(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    spool = Spool(writing)
    spool.write("x" * 3 * PIPE_HOLDS)
    given_up, kept = spool.hand_over("given up"), spool.hand_over("kept")

    assert given_up is not None
    assert kept is not None
    assert given_up.cancel()
    got = b""
    while not kept.done():
        got += os.read(reading, PIPE_HOLDS)
    assert (got + os.read(reading, PIPE_HOLDS) if not got.endswith(b"kept") else got).endswith(b"xkept")


def test_what_there_is_no_room_for_is_refused(pipe: tuple[int, int]) -> None:
    spool = Spool(pipe[1], most_bytes=10)

    assert spool.write("0123456789")
    assert spool.drain(30)
    assert not spool.write("0123456789+")
