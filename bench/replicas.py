"""One and three replicas on one PostgreSQL, asked by senders of the same total width."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import processes
from acceptance import LOAD, Numbers
from load import Plan
from processes import Server

from responder.embedded.server import EmbeddedPostgres

CONNECTIONS = 64
COUNTS = {1: 20_000, 50: 2_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturated:
    """What several replicas took together. `cpu_ms`: processor time a body, theirs and that of PostgreSQL."""

    replicas: int
    alerts: int
    per_second: float
    refused: int
    p99_ms: float
    responder_cpu_ms: float
    store_cpu_ms: float


def saturated(
    folder: Path,
    settings: Mapping[str, str],
    token: str,
    numbers: Numbers,
    *,
    seconds: float,
    progress: Callable[[str], None],
) -> list[Saturated]:
    """One replica, then three, with small and large bodies."""
    found = []
    with postgres_of_its_own(folder / "shared") as (dsn, socket_folder):
        for replicas in (1, 3):
            with contextlib.ExitStack() as stack:
                servers = [_replica(stack, folder / f"replica{at}", settings, dsn) for at in range(replicas)]
                for alerts in COUNTS:
                    found.append(_one(servers, token, numbers, alerts, seconds, socket_folder))
                    it = found[-1]
                    progress(f"{replicas} replicas, {alerts:2d}-alert bodies: {it.per_second:.0f}/s")
    return found


@contextlib.contextmanager
def postgres_of_its_own(folder: Path) -> Iterator[tuple[str, Path]]:
    """A server of its own, started as the embedded one is, and its address for others."""
    folder.mkdir(mode=0o711)
    with asyncio.Runner() as runner:
        server = runner.run(EmbeddedPostgres.start(folder, settings={"max_connections": "60"}))
        try:
            yield server.dsn, folder
        finally:
            runner.run(server.stop())


def _replica(stack: contextlib.ExitStack, folder: Path, settings: Mapping[str, str], dsn: str) -> Server:
    folder.mkdir(mode=0o711, exist_ok=True)
    server = processes.responder(folder, {**settings, "RESPONDER_DATABASE_URL": dsn})
    stack.callback(server.stop)
    server.start()
    return server


def _one(
    servers: Sequence[Server], token: str, numbers: Numbers, alerts: int, seconds: float, store: Path
) -> Saturated:
    plans = [
        Plan(
            port=server.port,
            path="/webhooks/alertmanager",
            token=token,
            alerts=alerts,
            first=numbers.take(COUNTS[alerts]),
            count=COUNTS[alerts],
            seconds=seconds,
            connections=CONNECTIONS // len(servers),
        )
        for server in servers
    ]
    pids = [it.pid for it in servers]
    backends = processes.postgres_under(store / "postgres")
    ours, theirs = processes.cpu_seconds(pids), processes.cpu_seconds(backends)
    senders = [
        subprocess.Popen([sys.executable, str(LOAD), json.dumps(asdict(plan))], stdout=subprocess.PIPE)
        for plan in plans
    ]
    results = [json.loads(it.communicate(timeout=300)[0]) for it in senders]
    answered = sum(it["answered"] for it in results)
    return Saturated(
        replicas=len(servers),
        alerts=alerts,
        per_second=sum(it["per_second"] for it in results),
        refused=answered - sum(it["statuses"].get("202", 0) for it in results),
        p99_ms=max(it["p99_ms"] for it in results),
        responder_cpu_ms=(processes.cpu_seconds(pids) - ours) * 1000 / max(answered, 1),
        store_cpu_ms=(processes.cpu_seconds(backends) - theirs) * 1000 / max(answered, 1),
    )
