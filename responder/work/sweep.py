"""Forget what is older than its retention, a thousand rows at a time."""

from __future__ import annotations

from datetime import timedelta

from responder.store.work import Claimed
from responder.work.desk import Desk, Next
from responder.work.work import Kind

EVERY_SECONDS = 3600.0
BATCH = 1000
TABLES = ("webhooks", "receipts", "quarantine", "samples")
FORGET = "delete from {table} where ctid in (select ctid from {table} where at < now() - $1::interval limit $2)"


async def sweep(row: Claimed, desk: Desk) -> Next:
    """One round over every table; due again in an hour, or at once where there was more than a batch."""
    more = False
    for table in TABLES:
        async with desk.store.connection() as connection:
            done = await connection.execute(
                FORGET.format(table=table), desk.retain.get(table, timedelta(days=7)), BATCH
            )
        more = more or done == f"DELETE {BATCH}"
    return Next(in_seconds=1.0 if more else EVERY_SECONDS)


KIND = Kind(name="sweep", do=sweep, at_once=1)
