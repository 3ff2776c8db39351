"""An attack on a daemon, measured from outside: answers, the honest request beside it, memory, what stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.daemon import Daemon
from tests.faults.world import Case, until
from tests.systems.plugin import LOOPBACK

TOKEN = "token-of-the-webhook"
SECRET = "secret-of-the-subscription"
PACK = Path(__file__).parent / "pack.yaml"
HONEST = Path(__file__).parent / "honest.py"
HONEST_BODY = Case(name="HonestRequest").body
HONEST_WITHIN_MS = 1000.0  # the goal is 100; the bound leaves room for a busy machine
LEAST_HONEST = 20
BACK_WITHIN_SECONDS = 30.0
MB = 1024 * 1024
ROWS: list[Row] = []


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. `extra_mb`: the daemon's peak during the attack over what it had before."""

    what: str
    answers: str
    honest_ms: tuple[float, float, float]
    extra_mb: float

    def __str__(self) -> str:
        median, p99, most = self.honest_ms
        return f"{self.what:<58} {self.answers:<26} {median:6.0f} {p99:6.0f} {most:6.0f}  {self.extra_mb:6.1f}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back on one connection; `status` 0: it was closed without an answer. `seconds` until it was closed."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    rest: bytes = b""
    seconds: float = 0.0

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Attack:
    """What the attacker was answered, for the table."""

    answers: Counter[str] = field(default_factory=Counter)

    def saw(self, *answers: Answer) -> None:
        self.answers.update(str(it.status) if it.status else "closed" for it in answers)

    def __str__(self) -> str:
        return ", ".join(f"{status} ×{count}" for status, count in sorted(self.answers.items()))


@contextlib.asynccontextmanager
async def attacked(
    daemon: Daemon, what: str, *, most_mb: float = 20, honest_within_ms: float = HONEST_WITHIN_MS
) -> AsyncIterator[Attack]:
    """The block is the attack. Fails when the honest sender beside it is refused or kept waiting, when the daemon grows
    by more than `most_mb`, or when descriptors, tasks or connections are left behind."""
    attack = Attack()
    before = await settled(daemon)
    forget_peak(daemon)
    rss = memory_mb(daemon, "VmRSS")
    async with honest_beside(daemon) as answers:
        yield attack
    extra = memory_mb(daemon, "VmHWM") - rss
    times = sorted(it for _, it in answers)
    row = Row(
        what=what,
        answers=str(attack),
        honest_ms=(times[len(times) // 2], times[int(len(times) * 0.99)], times[-1]),
        extra_mb=extra,
    )
    ROWS.append(row)
    print(row)
    assert {status for status, _ in answers} == {202}, Counter(status for status, _ in answers)
    assert row.honest_ms[1] <= honest_within_ms, row
    assert extra <= most_mb, row
    await back_to(daemon, before)


@contextlib.asynccontextmanager
async def honest_beside(daemon: Daemon) -> AsyncIterator[list[tuple[int, float]]]:
    """Posts go on during the block; their (status, milliseconds) are in the list after it."""
    command = [sys.executable, str(HONEST), str(daemon.port), TOKEN, HONEST_BODY.decode()]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    answers: list[tuple[int, float]] = []
    try:
        assert await process.stderr.readline() == b"began\n"
        began = time.monotonic()
        yield answers
        await asyncio.sleep(max(0.0, LEAST_HONEST * 0.04 - (time.monotonic() - began)))
        out, _ = await process.communicate(b"")  # which also ends its input
        answers += [(status, milliseconds) for status, milliseconds in json.loads(out)]
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@dataclass(frozen=True)
class Footprint:
    """What a daemon holds. `descriptors`: without those of the store's pool, which comes and goes as it is needed."""

    descriptors: int
    tasks: int
    connections: int


async def footprint(daemon: Daemon) -> Footprint:
    held = len(descriptors(daemon)) - store_sessions(daemon)
    return Footprint(held, await daemon.tasks(), len(established(daemon)))


def descriptors(daemon: Daemon) -> list[str]:
    """What each open one leads to."""
    found = []
    for it in Path(f"/proc/{daemon.pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            found.append(os.readlink(it))
    return found


def store_sessions(daemon: Daemon) -> int:
    """The processes that its embedded PostgreSQL has for it."""
    postmaster = int((daemon.folder / "data" / "postgres" / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return sum(b"responder responder" in _title(pid) for pid in children)


def _title(pid: str) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


async def settled(daemon: Daemon) -> Footprint:
    """What it holds when nobody is connected."""
    await until(lambda: not established(daemon), BACK_WITHIN_SECONDS, every_seconds=0.1)
    return await footprint(daemon)


async def back_to(daemon: Daemon, before: Footprint) -> None:
    """Wait until it holds no more than before."""
    after = before
    end = time.monotonic() + BACK_WITHIN_SECONDS
    while True:
        after = await footprint(daemon)
        if after.connections == 0 and after.descriptors <= before.descriptors and after.tasks <= before.tasks:
            return
        assert time.monotonic() < end, f"left behind: {after}, before: {before}"
        await asyncio.sleep(0.2)


def established(daemon: Daemon) -> list[str]:
    """Connections to its port, as the kernel sees its side of them."""
    port = f":{daemon.port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return [it for it in lines if it.split()[1].endswith(port) and it.split()[3] in ("01", "08")]


def memory_mb(daemon: Daemon, which: str) -> float:
    """VmRSS: now; VmHWM: the most since `forget_peak`."""
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    found = re.search(rf"{which}:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def forget_peak(daemon: Daemon) -> None:
    Path(f"/proc/{daemon.pid}/clear_refs").write_text("5")


# Requests -------------------------------------------------------------------------------------------------------------


def head(path: str, *lines: str, method: str = "POST") -> bytes:
    """Request line and headers, the empty line included."""
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", "")).encode("latin-1")


def bearer() -> str:
    return f"Authorization: Bearer {TOKEN}"


def signed(body: bytes, secret: str = SECRET) -> str:
    return f"X-PagerDuty-Signature: v1={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def request(path: str, body: bytes, *lines: str) -> bytes:
    """All of a request."""
    return head(path, *lines, f"Content-Length: {len(body)}") + body


async def ask(daemon: Daemon, raw: bytes, *, within_seconds: float = 30) -> Answer:
    """Send this on a connection of its own, and read its one answer."""
    async with asyncio.timeout(within_seconds), connected(daemon) as (reader, writer):
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            writer.write(raw)
            await writer.drain()
        return await answer_of(reader, began)


async def answer_of(reader: asyncio.StreamReader, began: float, *, until_closed: bool = False) -> Answer:
    """The answer on a connection; `until_closed`: and wait for its end."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65536):
            received += piece
            if not until_closed and is_whole(received):
                break
    seconds = time.monotonic() - began
    top, _, body = received.partition(b"\r\n\r\n")
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", top)
    if found is None:
        return Answer(status=0, rest=received, seconds=seconds)
    headers = dict(line.split(": ", 1) for line in top.decode("latin-1").split("\r\n")[1:] if ": " in line)
    named = {name.lower(): value for name, value in headers.items()}
    length = int(named.get("content-length", 0))
    return Answer(status=int(found[1]), headers=named, body=body[:length], rest=body[length:], seconds=seconds)


def is_whole(received: bytes) -> bool:
    top, separator, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", top)
    return bool(separator) and length is not None and len(body) >= int(length[1])


@contextlib.asynccontextmanager
async def connected(daemon: Daemon) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(LOOPBACK, daemon.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def gone(reader: asyncio.StreamReader) -> None:
    """Wait for the other side's end, whatever comes before."""
    with contextlib.suppress(ConnectionError):
        while await reader.read(65536):
            pass


async def all_of(answers: Iterable[Any]) -> list[Answer]:
    return list(await asyncio.gather(*answers))


def raise_own_limit() -> int:
    """How many descriptors this process may have, after it has asked for as many as it can get."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def small_window() -> socket.socket:
    """A socket that takes little unread data."""
    it = socket.socket()
    it.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return it
