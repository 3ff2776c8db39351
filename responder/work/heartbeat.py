"""Is anything overdue? Said once when it begins and once when it ends; while nothing is, somebody is called.

A row of work like any other: where work does not move, nobody is called either.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from responder.clients.heartbeat import beat
from responder.errors import CouldNotLook
from responder.store import reconcile as asked
from responder.store.overdue import Overdue, ask_again, overdue
from responder.store.work import Claimed, ask_once
from responder.work.desk import Desk, Next
from responder.work.work import LEASE_SECONDS, Kind, always_there, kinds

EVERY_SECONDS = 60.0
MARGIN = timedelta(seconds=30)  # after the deadline of a first report
MOST_NAMED = 20
WORK, HEARTBEAT = "work", "heartbeat"
log = structlog.get_logger()


async def audit(row: Claimed, desk: Desk) -> Next:
    """One round; due again in a minute."""
    ours = kinds(desk)
    async with desk.store.transaction() as connection:  # a replica that was set up otherwise may have ended one
        await ask_once(connection, always_there(ours))
    late = await overdue(
        desk.store,
        [kind.name for kind in ours],
        list(desk.told),
        lease_seconds=LEASE_SECONDS,
        within=timedelta(seconds=desk.first_report_within_seconds),
        margin=MARGIN,
    )
    await _say(desk, late)
    if late.lost:
        log.warning("work.found_again", rows=[f"{it.kind} {it.key}" for it in late.lost[:MOST_NAMED]])
        await ask_again(desk.store, late.lost)
        desk.metrics.work_found_again.inc(len(late.lost))
    if desk.heartbeat_url and not late:
        await _beat(desk, desk.heartbeat_url)
    return Next(in_seconds=EVERY_SECONDS)


async def _say(desk: Desk, late: Overdue) -> None:
    former = await asked.answered(desk.store, WORK, "overdue" if late else "")
    if late and not former:
        log.error("work.overdue", incidents=list(late.incidents[:MOST_NAMED]), rows=late.work)
    elif former and not late:
        log.info("work.no_longer_overdue")


async def _beat(desk: Desk, url: str) -> None:
    """Its failures are news once: whoever waits for the call will notice."""
    why = ""
    try:
        await beat(url)
    except CouldNotLook as failed:
        why = str(failed)
    former = await asked.answered(desk.store, HEARTBEAT, why)
    if why and not former:
        log.warning("heartbeat.failed", why=why)
    elif former and not why:
        log.info("heartbeat.sent", why="it failed before")


KIND = Kind(name="audit", do=audit, at_once=1, keys=("",))
