"""Checks that hang in eight ways, and many that hang at once: the report comes in time and names them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.faults.daemon import Daemon
from tests.faults.sizes import size
from tests.faults.world import Case, World, noted, ours, until

HUNG = str(Path(__file__).parent / "hung.py")
DEADLINE_SECONDS = 3.0
FIRST_REPORT_WITHIN_SECONDS = 15.0
MANY = size(full=250, short=200)
LAG = re.compile(r'^responder_loop_lag_seconds_bucket\{le="(?P<le>[^"]+)"\} (?P<count>\S+)$', re.MULTILINE)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Hang = Callable[[Reader, Writer], Awaitable[None]]


async def never(reader: Reader, writer: Writer) -> None:
    """Takes the question and says nothing."""
    await reader.read()


async def slowly(reader: Reader, writer: Writer) -> None:
    """One byte a second."""
    writer.write(HEAD + b"Content-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(1)


async def without_end(reader: Reader, writer: Writer) -> None:
    """As much as is taken."""
    writer.write(HEAD + b"\r\n")
    while True:
        writer.write(b" " * 65536)
        await writer.drain()


async def half(reader: Reader, writer: Writer) -> None:
    """Hangs up in the middle."""
    writer.write(HEAD + b'Content-Length: 1000\r\n\r\n{"status": ')
    await writer.drain()


@asynccontextmanager
async def hanging(hang: Hang) -> AsyncIterator[str]:
    """A server that does this with each question; its address."""

    async def serve(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await hang(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the daemon has hung up
        finally:
            writer.close()

    serving: set[asyncio.Task[Any]] = set()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in serving:  # all of them end when the daemon has hung up, which is dead by now
            await asyncio.wait({task}, timeout=5)


def pack_of(checks: Sequence[str], targets: dict[str, str]) -> str:
    """One rule for every Hung alert, with these checks."""
    lines = [f"  {name}: {{{kind_of(name)}: {address!r}}}" for name, address in targets.items()]
    diagnose = [f"      - {check}" for check in checks]
    return "\n".join(
        [
            "pack: hung",
            "targets:",
            *lines,
            "rules:",
            "  - name: alerted",
            "    summary: An alert that must not be lost",
            """    match: ['alertname=~"Hung.*"']""",
            "    level: critical",
            "    diagnose:",
            *diagnose,
            "severity: {otherwise: {critical: P1}}",
        ]
    )


def kind_of(target: str) -> str:
    return "http" if target == "api" else "prometheus"


async def started(world: World, seed: Path, tmp_path: Path, pack: str, **more: str) -> Daemon:
    """A daemon with the three checks that no catalogue should have, and this pack."""
    tmp_path.chmod(0o755)
    rules = tmp_path / "rules.yaml"
    rules.write_text(pack)
    daemon = await world.daemon(seed=seed, RULES=str(rules), **more)
    daemon.program = (HUNG,)
    await world.start(daemon)
    return daemon


async def lag_of(world: World, daemon: Daemon) -> tuple[int, float]:
    """How often the loop was asked, and how long 99 % of it took at most, as far as the buckets tell."""
    async with world.http.get(f"{daemon.url}/metrics") as answer:
        buckets = [(float(le), float(n)) for le, n in LAG.findall(await answer.text())]
    asked = buckets[-1][1]
    return int(asked), next(le for le, n in buckets if n >= 0.99 * asked)


async def test_checks_that_hang_are_named_in_a_report_that_is_in_time(seed: Path, tmp_path: Path) -> None:
    async with (
        hanging(never) as silent,
        hanging(slowly) as slow,
        hanging(without_end) as endless,
        hanging(half) as broken,
        World.opened() as world,
    ):
        targets = {
            "never": silent,
            "slowly": slow,
            "endless": endless,
            "broken": broken,
            "refuses": "http://127.0.0.1:1",
        }
        checks = [f"prometheus.query: {{target: {name}, query: up, as: {name}}}" for name in targets]
        checks += ["http.stubborn: {target: api, as: stubborn}"]
        pack = pack_of(checks, {**targets, "api": world.target.url})
        daemon = await started(world, seed, tmp_path, pack, DIAGNOSTIC_TIMEOUT=f"{DEADLINE_SECONDS:g}s")
        case = Case(name="Hung")
        incident = await world.page(case)

        assert await world.post(daemon, case) == 202
        accepted_at = time.monotonic()
        await until(lambda: noted(incident), else_tell=lambda: daemon.log[-3000:])
        took = time.monotonic() - accepted_at
        asked, lag = await lag_of(world, daemon)
        status, gone_after = await asyncio.to_thread(daemon.terminate)
        finished, blocked = daemon.events("diagnostic.finished"), daemon.events("loop.blocked")

    print(f"report after {took:.2f} s; the loop was asked {asked} times, 99 % took at most {lag} s")
    [note] = ours(incident)
    [could_not_look] = [line for line in note.splitlines() if line.startswith("Could not look: ")]
    for name in (*targets, "stubborn"):
        assert f"{name} (" in could_not_look, note
    assert "stubborn (no answer within 3 s)" in could_not_look
    assert "Still looking" not in note
    assert max(it["took_seconds"] for it in finished) <= DEADLINE_SECONDS + 1
    assert took <= DEADLINE_SECONDS + 1 + 1  # until PagerDuty's incident is found and the note is there
    assert lag <= 0.5
    assert (len(finished), blocked) == (6, [])
    assert (status, gone_after <= 25) == (0, True), f"gone after {gone_after:.1f} s"


async def test_what_blocks_the_event_loop_delays_the_report_by_no_more_and_is_told(seed: Path, tmp_path: Path) -> None:
    async with World.opened() as world:
        checks = ["http.computes: {target: api, as: computes}", "http.calls: {target: api, as: calls}"]
        pack = pack_of(checks, {"api": world.target.url})
        daemon = await started(world, seed, tmp_path, pack, DIAGNOSTIC_TIMEOUT=f"{DEADLINE_SECONDS:g}s")
        case = Case(name="Hung")
        incident = await world.page(case)

        assert await world.post(daemon, case) == 202
        accepted_at = time.monotonic()
        await until(lambda: noted(incident), else_tell=lambda: daemon.log[-3000:])
        took = time.monotonic() - accepted_at
        asked, lag = await lag_of(world, daemon)
        blocked, freed = daemon.events("loop.blocked"), daemon.events("loop.free")

    print(f"report after {took:.2f} s; the loop was asked {asked} times, 99 % took at most {lag} s")
    [note] = ours(incident)
    [could_not_look] = [line for line in note.splitlines() if line.startswith("Could not look: ")]
    assert "computes (no answer within 3 s)" in could_not_look
    assert "calls (no answer within 3 s)" in could_not_look
    assert {it["where"].partition(":")[0] for it in blocked} == {"diagnostics/examine.py"}
    assert 2.5 <= sum(it["blocked_seconds"] for it in freed) <= 5
    assert took <= DEADLINE_SECONDS + 3 + 1 + 1
    assert lag >= 1


async def test_more_incidents_on_a_dead_target_than_are_looked_at_in_turns_have_their_first_report_in_time(
    seed: Path, tmp_path: Path
) -> None:
    async with hanging(never) as silent, World.opened() as world:
        pack = pack_of(["prometheus.query: {target: never, query: up, as: never}"], {"never": silent})
        daemon = await started(world, seed, tmp_path, pack, PAGERDUTY_TOKEN="", REPORT_STDOUT="true")
        cases = [Case(name=f"Hung{number:03d}", service=f"service-{number}") for number in range(MANY)]

        accepted_at = {}
        for case in cases:
            assert await world.post(daemon, case) == 202
            accepted_at[case.name] = time.time()
        await until(lambda: len(shown_at(daemon)) == MANY, 120, else_tell=lambda: daemon.log[-3000:])
        shown = shown_at(daemon)

    opened = sorted(accepted_at.values())
    late = [at - opened[number] for number, at in enumerate(sorted(shown.values()))]
    print(f"{MANY} posted within {opened[-1] - opened[0]:.1f} s; a first report took at most {max(late):.1f} s")
    assert max(late) <= FIRST_REPORT_WITHIN_SECONDS + 1


def shown_at(daemon: Daemon) -> dict[str, float]:
    """When each incident was first shown, by its slug."""
    shown: dict[str, float] = {}
    for it in daemon.events("delivery.sent"):
        shown.setdefault(it["incident"], datetime.fromisoformat(it["timestamp"]).timestamp())
    return shown
