"""`make bench`: responder beside a reference in the same run. README.md in this folder says what each figure means.

Takes about eight minutes, with --quick about two. Everything listens on loopback and lives in a temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg
import processes
import table
from acceptance import Bounds, Contender, Measured, Numbers, measure
from crowd import crowd
from notes import NoteTimes, as_json, note_times
from picture import picture
from processes import REPOSITORY, Server
from replicas import saturated
from size import size_of
from storm import storm

HERE = Path(__file__).parent
LATEST = HERE / "latest.json"
PICTURE = HERE / "latest.svg"
WEBHOOK_TOKEN = "bench-webhook-token-of-loopback"
PAGERDUTY_TOKEN = "bench-pagerduty-key"
SETTLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How long everything takes. `notes`: incidents a second and how many; `starts`: how often each start is timed;
    `storms`: bodies of 50 alerts a second, and for how many seconds; `crowd`: open incidents in a full store."""

    bounds: Bounds
    notes: Sequence[tuple[float, int]]
    notes_within_seconds: float
    starts: int
    storms: Sequence[tuple[float, float]]
    crowd: int


FULL = Size(
    bounds=Bounds(rounds=5, seconds=6.0, connections=64, counts={1: 60_000, 50: 6_000}),
    notes=((1.0, 20), (10.0, 150)),
    notes_within_seconds=75.0,
    starts=5,
    storms=((100.0, 20.0), (500.0, 60.0)),
    crowd=100_000,
)
QUICK = Size(
    bounds=Bounds(rounds=2, seconds=2.0, connections=64, counts={1: 20_000, 50: 2_000}),
    notes=((1.0, 5), (10.0, 60)),
    notes_within_seconds=20.0,
    starts=2,
    storms=((100.0, 4.0), (500.0, 8.0)),
    crowd=5_000,
)


def main() -> None:
    """Measure, print the table, keep the figures in `latest.json`."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="one minute, rougher figures")
    quick = arguments.parse_args().quick
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    began = time.monotonic()

    def progress(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {text}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="responder-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # root's PostgreSQL runs as another user, who must pass through
        figures = _figures(folder, QUICK if quick else FULL, progress)
    figures["about"]["took_seconds"] = round(time.monotonic() - began)
    LATEST.write_text(json.dumps(figures, indent=1) + "\n")
    PICTURE.write_text(picture(figures))
    print(table.markdown(figures))
    progress(f"kept in {LATEST.relative_to(REPOSITORY)} and {PICTURE.relative_to(REPOSITORY)}")


def _figures(folder: Path, size: Size, progress: Callable[[str], None]) -> dict[str, Any]:
    numbers = Numbers()
    with contextlib.ExitStack() as stack:
        reference = _started(stack, processes.reference(folder))
        pagerduty = _started(stack, processes.stand_in_pagerduty(folder, PAGERDUTY_TOKEN))
        settings = _settings(reference, pagerduty)
        progress("first starts, each in an empty folder")
        first_starts = [_first_start(folder, f"first{at}", settings) for at in range(size.starts - 1)]
        responder = processes.responder(folder, settings)
        stack.callback(responder.stop)
        first_starts.append(responder.start())
        warm_starts = _warm_starts(responder, size.starts, progress)
        time.sleep(SETTLE_SECONDS)
        idle = _memory(folder, responder)
        times = [_notes(responder, pagerduty, numbers, size, rate, count, progress) for rate, count in size.notes]
        measured, kept = _acceptance(stack, folder, reference, responder, size.bounds, numbers, progress)
        responder.stop()
        shared = [
            asdict(it)
            for it in saturated(
                folder, settings, WEBHOOK_TOKEN, numbers, seconds=size.bounds.seconds, progress=progress
            )
        ]
        progress(f"a store with {size.crowd} open incidents")
        held = asdict(
            crowd(
                folder,
                settings,
                WEBHOOK_TOKEN,
                numbers,
                incidents=size.crowd,
                seconds=size.bounds.seconds,
                progress=progress,
            )
        )
        responder.start()
        storms = [_storm(folder, responder, numbers, rate, seconds, progress) for rate, seconds in size.storms]
        after = _memory(folder, responder)
        last_start = _warm_starts(responder, 1, progress)[0]
    return {
        "about": _about(folder, size),
        "acceptance": {name: {str(k): v for k, v in it.items()} for name, it in measured.rounds.items()},
        "medians": _medians(measured, size.bounds),
        "kept": kept,
        "storms": storms,
        "replicas": shared,
        "crowd": held,
        "notes": as_json(times),
        "starts": {
            "first_seconds": first_starts,
            "warm_seconds": warm_starts,
            "warm_after_load_seconds": last_start,
        },
        "memory": {"idle": idle, "after_load": after},
        "size": asdict(size_of(REPOSITORY / "responder")),
    }


def _started(stack: contextlib.ExitStack, server: Server) -> Server:
    stack.callback(server.stop)
    server.start()
    return server


def _settings(reference: Server, pagerduty: Server) -> dict[str, str]:
    return {
        "RESPONDER_RULES": str(HERE / "pack"),
        "RESPONDER_ALERTMANAGER_TOKENS": WEBHOOK_TOKEN,
        "RESPONDER_PAGERDUTY_TOKEN": PAGERDUTY_TOKEN,
        "RESPONDER_PAGERDUTY_FROM": "responder-bot@example.com",
        "RESPONDER_PAGERDUTY_URL": f"http://127.0.0.1:{pagerduty.port}",
        "BENCH_API_URL": f"http://127.0.0.1:{reference.port}",
    }


def _first_start(folder: Path, name: str, settings: dict[str, str]) -> float:
    own = folder / name
    own.mkdir(mode=0o711)
    server = processes.responder(own, settings)
    try:
        return server.start()
    finally:
        server.stop()
        shutil.rmtree(own, ignore_errors=True)


def _warm_starts(responder: Server, how_many: int, progress: Callable[[str], None]) -> list[float]:
    progress("warm starts")
    found = []
    for _ in range(how_many):
        responder.stop()
        found.append(responder.start())
    return found


def _notes(
    responder: Server,
    pagerduty: Server,
    numbers: Numbers,
    size: Size,
    rate: float,
    count: int,
    progress: Callable[[str], None],
) -> NoteTimes:
    progress(f"notes of {count} incidents, {rate:.0f} a second")
    within = size.notes_within_seconds
    return note_times(responder, pagerduty, WEBHOOK_TOKEN, numbers, rate=rate, count=count, wait_seconds=within)


def _acceptance(
    stack: contextlib.ExitStack,
    folder: Path,
    reference: Server,
    responder: Server,
    bounds: Bounds,
    numbers: Numbers,
    progress: Callable[[str], None],
) -> tuple[Measured, dict[str, Any]]:
    webhook = "/webhooks/alertmanager"

    def pids_of_responder() -> list[int]:
        return [responder.pid, *processes.postgres_of(folder)]

    contenders = [
        Contender(server=reference, path=webhook, token="", form="webhook", keeps=False, pids=lambda: [reference.pid]),
        Contender(
            server=responder, path=webhook, token=WEBHOOK_TOKEN, form="webhook", keeps=True, pids=pids_of_responder
        ),
    ]
    alertmanager = processes.alertmanager(folder)
    if alertmanager is not None:
        _started(stack, alertmanager)
        contenders.append(
            Contender(
                server=alertmanager,
                path="/api/v2/alerts",
                token="",
                form="api",
                keeps=True,
                pids=lambda: [alertmanager.pid],
            )
        )
    before = asyncio.run(_store(folder))
    measured = measure(contenders, bounds, numbers, progress)
    after = asyncio.run(_store(folder))
    kept = after["webhooks"] - before["webhooks"]
    return measured, {**after, "webhooks": kept, "answered_202": measured.taken["responder"]}


def _storm(
    folder: Path, responder: Server, numbers: Numbers, rate: float, seconds: float, progress: Callable[[str], None]
) -> dict[str, Any]:
    progress(f"a storm: {rate:.0f} bodies of 50 alerts a second for {seconds:.0f} s")
    before = asyncio.run(_store(folder))["webhooks"]
    it = storm(responder, WEBHOOK_TOKEN, numbers, rate=rate, seconds=seconds)
    return {**asdict(it), "in_the_store": asyncio.run(_store(folder))["webhooks"] - before}


async def _store(folder: Path) -> dict[str, Any]:
    """What the embedded store says of itself."""
    connection = await asyncpg.connect(
        host=processes.socket_of(folder), port=5432, user="responder", database="responder", timeout=10
    )
    try:
        return {
            "webhooks": await connection.fetchval("select count(*) from webhooks"),
            "version": await connection.fetchval("show server_version"),
            "fsync": await connection.fetchval("show fsync"),
            "synchronous_commit": await connection.fetchval("show synchronous_commit"),
            "bytes": await connection.fetchval("select pg_database_size('responder')"),
        }
    finally:
        await connection.close()


def _memory(folder: Path, responder: Server) -> dict[str, int]:
    return {
        "responder": processes.resident_bytes([responder.pid]),
        "responder_peak": processes.peak_resident_bytes(responder.pid),
        "store": processes.resident_bytes(processes.postgres_of(folder)),
    }


def _medians(measured: Measured, bounds: Bounds) -> dict[str, Any]:
    names = list(measured.rounds)
    found: dict[str, Any] = {}
    for alerts in bounds.counts:
        for name in names:
            row = {
                what: measured.median(name, alerts, what)
                for what in ("per_second", "alerts_per_second", "p50_ms", "p99_ms", "max_ms", "cpu", "server_cpu_ms")
            }
            several = measured.rounds[name][alerts]
            row["not_taken"] = sum(it["not_taken"] for it in several)
            row["dropped"] = sum(it["dropped"] for it in several)
            row["to_reference"] = measured.ratio(name, "reference", alerts, "per_second")
            row["to_alertmanager"] = measured.ratio(name, "Alertmanager", alerts, "alerts_per_second")
            found.setdefault(str(alerts), {})[name] = row
    return found


def _about(folder: Path, size: Size) -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "commit": commit,
        "cores": os.cpu_count(),
        "load_average_at_the_end": os.getloadavg()[0],
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "data_on": _file_system(folder),
        "connections": size.bounds.connections,
        "rounds": size.bounds.rounds,
        "seconds_a_round": size.bounds.seconds,
    }


def _file_system(folder: Path) -> str:
    """The kind of disk under the store; fsync costs nothing on a tmpfs."""
    with contextlib.suppress(OSError):
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
        return max((len(it[1]), it[2]) for it in mounts if folder.is_relative_to(it[1]))[1]
    return "unknown"


if __name__ == "__main__":
    main()
