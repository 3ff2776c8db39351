"""Forget what is older than its retention, a bounded number of rows at a time. What is open is never forgotten."""

from __future__ import annotations

from datetime import timedelta

import structlog

from responder.store import forget
from responder.store.work import Claimed
from responder.work.desk import Desk, Next
from responder.work.work import Kind

EVERY_SECONDS = 3600.0
BATCH = 1000
TABLES = ("webhooks", "receipts", "quarantine", "samples", "watch_samples", "steps")
FORGET = "delete from {table} where ctid in (select ctid from {table} where at < now() - $1::interval limit $2)"
log = structlog.get_logger()


async def sweep(row: Claimed, desk: Desk) -> Next:
    """One round over everything; due again in an hour, or at once where there was more than a batch."""
    more = [await _rows(desk, table) for table in TABLES]
    if "findings" in desk.retain:
        more.append(await forget.forget_findings(desk.store, desk.retain["findings"]))
    if "incidents" in desk.retain:
        more.append(await _incidents(desk, desk.retain["incidents"]))
        more.append(await forget.forget_strays(desk.store, desk.retain["incidents"]))
    if not any(more):
        await forget.forget_rule_sets(desk.store, in_force=[pack.hash for pack in desk.packs])
        await forget.forget_counts(desk.store)
    return Next(in_seconds=1.0 if any(more) else EVERY_SECONDS)


async def _rows(desk: Desk, table: str) -> bool:
    async with desk.store.connection() as connection:
        done = await connection.execute(
            FORGET.format(table=table), desk.retain.get(table.removeprefix("watch_"), timedelta(days=7)), BATCH
        )
    return bool(done == f"DELETE {BATCH}")


async def _incidents(desk: Desk, older_than: timedelta) -> bool:
    forgotten, more = await forget.forget_incidents(desk.store, older_than)
    if forgotten:
        log.info("incidents.forgotten", incidents=forgotten)
    return more


KIND = Kind(name="sweep", do=sweep, at_once=1, keys=("",))
