"""S1: connections that are slow, stall or ask nothing, and bodies that never end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from responder.web.room import MOST_BYTES, MOST_CONNECTIONS, TAKEN_AT_ONCE
from tests.faults.daemon import Daemon
from tests.faults.sizes import size
from tests.faults.world import until
from tests.hostile.attack import (
    MB,
    Answer,
    all_of,
    answer_of,
    ask,
    attacked,
    bearer,
    connected,
    established,
    gone,
    head,
    raise_own_limit,
    signed,
    small_window,
)
from tests.systems.plugin import LOOPBACK

CLOSED_WITHIN_SECONDS = 10.0
SLACK_SECONDS = 3.0  # for a busy machine
IDLE = min(5000, raise_own_limit() - 500)
SLOW = size(full=200, short=50)
STRANGERS = size(full=1000, short=200)
FORGED = signed(b"something else")

pytestmark = [pytest.mark.faults, pytest.mark.alone]


async def trickled(daemon: Daemon, start: bytes, piece: bytes, every_seconds: float = 1.0) -> Answer:
    """Send the start, then one piece after the other until the other side has had enough."""
    async with connected(daemon) as (reader, writer):
        began = time.monotonic()
        answer = asyncio.get_running_loop().create_task(answer_of(reader, began, until_closed=True))
        writer.write(start)
        with contextlib.suppress(ConnectionError):
            while not (await asyncio.wait([answer], timeout=every_seconds))[0]:
                if piece:
                    writer.write(piece)
                    await writer.drain()
        return await answer


async def test_slow_headers_are_closed(daemon: Daemon) -> None:
    start = b"POST /webhooks/alertmanager HTTP/1.1\r\nHost: localhost\r\nX-Slow: "

    async with attacked(daemon, f"{SLOW} × headers of 1 byte/s") as attack:
        answers = await all_of(trickled(daemon, start, b"a") for _ in range(SLOW))
        attack.saw(*answers)

    assert {it.status for it in answers} == {0}
    assert max(it.seconds for it in answers) <= CLOSED_WITHIN_SECONDS + SLACK_SECONDS


@pytest.mark.parametrize(
    ("what", "start", "piece"),
    [
        pytest.param(
            "bodies of 1 byte/s", head("/webhooks/alertmanager", bearer(), "Content-Length: 100"), b"{", id="slow"
        ),
        pytest.param(
            "bodies that stall",
            head("/webhooks/alertmanager", bearer(), "Content-Length: 100") + b"{",
            b"",
            id="stalled",
        ),
        pytest.param(
            "chunked bodies of 1 byte/s",
            head("/webhooks/alertmanager", bearer(), "Transfer-Encoding: chunked"),
            b"1\r\n{\r\n",
            id="slow in chunks",
        ),
        pytest.param(
            "bodies of 1 byte/s, signature forged",
            head("/webhooks/pagerduty", FORGED, "Content-Length: 100"),
            b"{",
            id="slow from a stranger",
        ),
    ],
)
async def test_a_slow_body_is_503_so_that_its_sender_comes_again(
    daemon: Daemon, what: str, start: bytes, piece: bytes
) -> None:
    async with attacked(daemon, f"{SLOW} × {what}") as attack:
        answers = await all_of(trickled(daemon, start, piece) for _ in range(SLOW))
        attack.saw(*answers)

    assert {it.status for it in answers} == {503}
    assert all(int(it.headers["retry-after"]) > 0 for it in answers)
    assert all(it.headers["connection"] == "close" for it in answers)
    assert max(it.seconds for it in answers) <= CLOSED_WITHIN_SECONDS + SLACK_SECONDS


@pytest.mark.parametrize("lines", [("Content-Length: 1000",), ("Transfer-Encoding: chunked",)])
async def test_a_stranger_with_a_slow_body_is_refused_at_once_and_closed(
    daemon: Daemon, lines: tuple[str, ...]
) -> None:
    answer = await trickled(daemon, head("/webhooks/alertmanager", *lines), b"1\r\n{\r\n")

    assert answer.status == 401
    assert answer.seconds <= CLOSED_WITHIN_SECONDS + SLACK_SECONDS


@pytest.mark.timeout(180)
async def test_who_goes_in_the_middle_of_a_body_is_no_bug_of_ours(daemon: Daemon) -> None:
    start = head("/webhooks/pagerduty", "X-PagerDuty-Signature: v1=aa", "Content-Length: 100") + b"{"
    before = len(daemon.events("request.failed"))

    async with attacked(daemon, f"{SLOW} × half a body, then gone") as attack:
        for _ in range(SLOW):
            async with connected(daemon) as (_, writer):
                writer.write(start)
                await writer.drain()
                await asyncio.sleep(0.02)  # it is read
        attack.saw(Answer(status=0))
    await until(lambda: not established(daemon))

    assert len(daemon.events("request.failed")) == before


async def test_idle_connections_make_room_for_who_asks_something(daemon: Daemon) -> None:
    most = 0

    async def idle() -> Answer:
        nonlocal most
        async with connected(daemon) as (reader, _):
            began = time.monotonic()
            most = max(most, len(list(Path(f"/proc/{daemon.pid}/fd").iterdir())))
            await gone(reader)
            return Answer(status=0, seconds=time.monotonic() - began)

    async with attacked(daemon, f"{IDLE} × an idle connection") as attack:
        answers = await all_of(idle() for _ in range(IDLE))
        attack.saw(*answers)

    assert max(it.seconds for it in answers) <= CLOSED_WITHIN_SECONDS + SLACK_SECONDS
    assert most <= MOST_CONNECTIONS + 3 * TAKEN_AT_ONCE + 100
    assert daemon.events("connections.full")


@pytest.mark.timeout(240)
async def test_bodies_that_stall_at_the_last_byte_do_not_fill_the_memory(daemon: Daemon) -> None:
    body = b"x" * (MB - 1)

    async def stalled() -> Answer:
        start = head("/webhooks/pagerduty", FORGED, f"Content-Length: {MB}") + body
        return await trickled(daemon, start, b"")

    async with attacked(
        daemon, f"{STRANGERS} × 1 MiB less a byte, then nothing, forged", most_mb=2.5 * MOST_BYTES / MB
    ) as attack:
        answers = await all_of(stalled() for _ in range(STRANGERS))
        attack.saw(*answers)

    assert {it.status for it in answers} <= {503, 0}


@pytest.mark.timeout(180)
async def test_who_does_not_read_the_answers_is_cut_off(daemon: Daemon) -> None:
    pipelined = head("/metrics", method="GET") * 400

    async def deaf() -> Answer:
        began = time.monotonic()
        with small_window() as it:
            it.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(it, (LOOPBACK, daemon.port))
            await loop.sock_sendall(it, pipelined)  # it takes them all, the last ones into buffers
            while await asyncio.sleep(0.5, is_open(daemon, it.getsockname()[1])):
                assert time.monotonic() - began < 60, "still connected"
        return Answer(status=0, seconds=time.monotonic() - began)

    async with attacked(daemon, "5 × 400 pipelined requests, answers not read", most_mb=40) as attack:
        answers = await all_of(deaf() for _ in range(5))
        attack.saw(*answers)


def is_open(daemon: Daemon, port: int) -> bool:
    """Whether the daemon still holds the connection from this port."""
    ours, theirs = f":{daemon.port:04X}", f":{port:04X}"
    fields = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(it[1].endswith(ours) and it[2].endswith(theirs) and it[3] != "06" and it[9] != "0" for it in fields)


async def test_a_whole_request_in_single_bytes_is_taken(daemon: Daemon) -> None:
    async with connected(daemon) as (reader, writer):
        for byte in head("/webhooks/alertmanager", bearer(), "Content-Length: 2") + b"{}":
            writer.write(bytes([byte]))
            await writer.drain()
        answer = await answer_of(reader, time.monotonic())

    assert answer.status == 202
    assert (await ask(daemon, head("/healthz", method="GET"))).status == 200
