"""A store with very many open incidents: how large it is, and what looking for work and bringing alerts costs then."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import processes
from acceptance import Numbers, send
from load import Plan
from processes import Server
from replicas import postgres_of_its_own

from responder.store import forget, work
from responder.store.overdue import overdue
from responder.store.store import Store

MODELS, ALERTS = 10, 3  # real incidents that the others are copies of, and how many alerts each has
APART = 1000  # between the numbers of one copy and the next; no model has as many rows of one kind
REPORTED_WITHIN_SECONDS = 30.0
LOOKS_FOR_SECONDS = 10.0
DUE = 1000  # of the resting looks, when work is claimed
ASKED = 20  # times, of what is timed
CLAIMED = 8
LONG_AGO = timedelta(days=400)
COUNTS = {1: 20_000, 50: 2_000}
# Table → what of a row makes it another one. `n` is how far its numbers are moved, `it` the row.
COPIED = {
    "incidents": "'id', it.id + n, 'slug', 'inc-Z' || it.id + n",
    "links": "'id', it.id + n, 'incident', it.incident + n, 'key', sha256(it.key || n::text::bytea)",
    "alerts": "'link', it.link + n, 'incident', it.incident + n",
    "webhooks": "'id', it.id + n, 'incident', it.incident + n, 'key', sha256(it.key || n::text::bytea)",
    "timeline": "'id', it.id + n, 'incident', it.incident + n",
    "steps": "'incident', it.incident + n",
    "reports": "'incident', it.incident + n",
    "deliveries": "'id', it.id + n, 'incident', it.incident + n, 'foreign_id', null",
    "work": "'id', it.id + n, 'key', it.key::bigint + n, 'due_at', now() + (300 + n % 3600) * interval '1 s'",
}
COPY = """insert into {table} overriding system value select r.* from {table} it, generate_series(1, $1) g,
          lateral (select g * $2 as n) m, lateral jsonb_populate_record(it, jsonb_build_object({changes})) r {which}"""
OF_INCIDENTS = "where it.key ~ '^[0-9]+$'"
SIZES = """select relname as table, pg_table_size(c.oid) as rows, pg_indexes_size(c.oid) as indexes from pg_class c
           where relkind = 'r' and relnamespace = 'public'::regnamespace and pg_total_relation_size(c.oid) > 1000000
           order by 2 desc"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Milliseconds are medians; `accepted`: alerts a body → what was taken in beside the others."""

    incidents: int
    bytes: int
    tables: list[dict[str, Any]]
    claim_ms: float
    next_due_ms: float
    audit_ms: float
    sweep_ms: float
    page_ms: float
    metrics_ms: float
    start_seconds: float
    looks_per_second: float
    accepted: dict[str, dict[str, float]]


def crowd(
    folder: Path,
    settings: Mapping[str, str],
    token: str,
    numbers: Numbers,
    *,
    incidents: int,
    seconds: float,
    progress: Callable[[str], None],
) -> Crowd:
    """Have a few incidents looked at, copy them with all that hangs on them, and measure beside the copies."""
    own = folder / "crowd"
    own.mkdir(mode=0o711)
    with postgres_of_its_own(folder / "crowded") as (dsn, _):
        server = processes.responder(own, {**settings, "RESPONDER_DATABASE_URL": dsn})
        try:
            server.start()
            _post(server, token, numbers, alerts=ALERTS, count=MODELS, seconds=REPORTED_WITHIN_SECONDS)
            asyncio.run(_reported(dsn))
            server.stop()
            progress(f"copying {MODELS} incidents {incidents // MODELS} times")
            asyncio.run(_copied(dsn, incidents // MODELS - 1))
            found = asyncio.run(_measured(dsn))
            started = server.start()
            looks = asyncio.run(_looks_per_second(dsn))
            page, metrics = (_answered_ms(server, path) for path in ("/", "/metrics"))
            accepted = {
                str(alerts): {
                    what: it[what]
                    for it in (_post(server, token, numbers, alerts=alerts, count=count, seconds=seconds),)
                    for what in ("per_second", "p99_ms", "dropped")
                }
                for alerts, count in COUNTS.items()
            }
        finally:
            server.stop()
    return Crowd(
        incidents=incidents,
        page_ms=page,
        metrics_ms=metrics,
        start_seconds=started,
        looks_per_second=looks,
        accepted=accepted,
        **found,
    )


def _post(server: Server, token: str, numbers: Numbers, *, alerts: int, count: int, seconds: float) -> dict[str, Any]:
    return send(
        Plan(
            port=server.port,
            path="/webhooks/alertmanager",
            token=token,
            alerts=alerts,
            first=numbers.take(count),
            count=count,
            seconds=seconds,
            connections=64,
        )
    )


async def _reported(dsn: str) -> None:
    """Wait until each has its report."""
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(REPORTED_WITHIN_SECONDS):
            while await connection.fetchval("select count(*) from reports") < MODELS:
                await asyncio.sleep(0.2)
    finally:
        await connection.close()


async def _copied(dsn: str, times: int) -> None:
    connection = await asyncpg.connect(dsn, timeout=10, command_timeout=600)
    try:
        async with connection.transaction():
            await connection.execute(
                "set local session_replication_role = replica"
            )  # no row is checked against another
            for table, changes in COPIED.items():
                which = OF_INCIDENTS if table == "work" else ""
                await connection.execute(COPY.format(table=table, changes=changes, which=which), times, APART)
            await connection.execute("select setval('incident_number', (select max(id) from incidents))")
            for table in ("links", "webhooks", "timeline", "deliveries", "work"):
                await connection.execute(f"select setval('{table}_id_seq', (select max(id) from {table}))")
        await connection.execute("vacuum analyze")
        await connection.execute("checkpoint")
    finally:
        await connection.close()


async def _measured(dsn: str) -> dict[str, Any]:
    store = await Store.open(dsn, redact=lambda text: text)
    try:
        async with store.connection() as connection:
            size = await connection.fetchval("select pg_database_size(current_database())")
            tables = [dict(it) for it in await connection.fetch(SIZES)]
            await connection.execute(
                f"update work set due_at = now() where id in (select id from work where kind = 'respond' limit {DUE})"
            )
        kinds = ["respond", "link"]
        return {
            "bytes": size,
            "tables": tables,
            "claim_ms": await _ms(lambda: work.claim(store, "respond", limit=CLAIMED, lease_seconds=9.0)),
            "next_due_ms": await _ms(lambda: work.next_due_in(store, kinds)),
            "audit_ms": await _ms(lambda: _audit(store, kinds)),
            "sweep_ms": await _ms(lambda: _sweep(store)),
        }
    finally:
        await store.close()


async def _looks_per_second(dsn: str) -> float:
    """How many of the due looks are had a second, while nothing else is to be done."""
    left = "select count(*) from work where kind = 'respond' and due_at <= $1"
    connection = await asyncpg.connect(dsn)
    try:
        until, began = await connection.fetchval("select now()"), time.perf_counter()
        before = now = await connection.fetchval(left, until)
        while now and time.perf_counter() - began < LOOKS_FOR_SECONDS:
            await asyncio.sleep(0.1)
            now = await connection.fetchval(left, until)
        return float(before - now) / (time.perf_counter() - began)
    finally:
        await connection.close()


async def _audit(store: Store, kinds: list[str]) -> None:
    moment = timedelta(seconds=15)
    await overdue(store, kinds, ["pagerduty_note"], lease_seconds=9.0, within=moment, margin=moment)


async def _sweep(store: Store) -> None:
    await forget.forget_findings(store, LONG_AGO)
    await forget.forget_incidents(store, LONG_AGO)
    await forget.forget_strays(store, LONG_AGO)


async def _ms(do: Callable[[], Awaitable[object]]) -> float:
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        await do()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def _answered_ms(server: Server, path: str) -> float:
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        with contextlib.suppress(urllib.error.HTTPError):  # 503 after three seconds: that is a figure as well
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=30).read()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)
