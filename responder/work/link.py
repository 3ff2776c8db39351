"""Find the PagerDuty incident that the same Alertmanager group opened: incident_key = SHA-256 of the groupKey.

Alertmanager tells PagerDuty and us side by side and PagerDuty works asynchronously, so the incident may not be
there yet: look at 0, 2, 4, 8, 15, 30 s, then each minute for 15 minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog

from responder.errors import CouldNotLook
from responder.model.incident import Incident, Link
from responder.store import deliveries as ledger
from responder.store import incidents
from responder.store.work import Claimed
from responder.work.desk import OVER, Desk, Next
from responder.work.work import Kind

LOOK_AT_SECONDS = (0, 2, 4, 8, 15, 30, *range(60, 16 * 60, 60))
EARLIER = timedelta(minutes=2)  # PagerDuty may have heard of it before us
SINK = "pagerduty_note"
log = structlog.get_logger()


async def link(row: Claimed, desk: Desk) -> Next:
    """One look; the next one is due by the schedule."""
    seen = await incidents.load(desk.store, int(row.key))
    if seen is None or desk.pagerduty is None or SINK not in desk.sinks or not desk.deliver:
        return OVER
    looks = int(row.payload.get("looks", 0)) if isinstance(row.payload.get("looks"), int) else 0
    try:
        unread = ""
        if await _find(desk, seen.incident):
            return OVER
    except CouldNotLook as why:
        unread = f" ({why})"
    return await _wait(desk, seen.incident, looks, f"{unread}, last looked {seen.now:%H:%M}")


async def _find(desk: Desk, incident: Incident) -> bool:
    for group in _groups(incident.links):
        if await _link(desk, incident, group):
            return True
    return False


async def _link(desk: Desk, incident: Incident, group: Link) -> bool:
    """Whether the incident that belongs to this group was found and is linked now."""
    assert desk.pagerduty is not None
    dedup_key = group.key.hex()
    known = {it.external_id for it in incident.links if it.kind == "pagerduty"}
    for found in await desk.pagerduty.incidents_of(dedup_key):
        if found.id in known or (found.status == "resolved" and found.created_at < incident.opened_at - EARLIER):
            continue
        if not await desk.pagerduty.has_alert(found.id, dedup_key):
            continue
        if await ledger.object_found(
            desk.store, incident.id, sink=SINK, object=found.id, kind="pagerduty", url=found.url
        ):
            log.info("incident.linked", incident=incident.slug, pagerduty=found.id)
            return True
    return False


async def _wait(desk: Desk, incident: Incident, looks: int, looked: str) -> Next:
    if looks + 1 >= len(LOOK_AT_SECONDS):
        await ledger.wait_for_object(desk.store, incident.id, SINK, state="none", why=f"no PagerDuty incident{looked}")
        return OVER
    waits_for = f"waiting for a PagerDuty incident{looked}"
    await ledger.wait_for_object(desk.store, incident.id, SINK, state="waiting", why=waits_for)
    pause = float(LOOK_AT_SECONDS[looks + 1] - LOOK_AT_SECONDS[looks])
    return Next(in_seconds=pause, waits_for=waits_for, payload={"looks": looks + 1})


def _groups(links: Sequence[Link]) -> list[Link]:
    return [it for it in links if it.kind in ("alertmanager", "grafana")]


KIND = Kind(name="link", do=link, at_once=8)
