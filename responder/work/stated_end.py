"""End alerts that said at their beginning when they would, since nobody will tell: tests of a Grafana contact point."""

from __future__ import annotations

from dataclasses import replace

import structlog

from responder.model.alert import AlertStatus, Webhook
from responder.store import stated_end
from responder.store.work import Claimed
from responder.work.desk import Desk, Next
from responder.work.work import Kind

EVERY_SECONDS = 60.0
SAID = "ended by itself: a test of a contact point, of which Grafana sends no end"
log = structlog.get_logger()


async def end_stated(row: Claimed, desk: Desk) -> Next:
    """One round; by the door of webhooks, as if its sender had told it."""
    for it in await stated_end.over(desk.store):
        alert = replace(it.alert, status=AlertStatus.RESOLVED)
        await desk.accept(Webhook(kind=it.kind, source=it.source, key=it.key, alerts=(alert,), asked=SAID))
        log.info("alert.ended_by_itself", incident=it.slug, alert=alert.fingerprint)
    return Next(in_seconds=EVERY_SECONDS)


KIND = Kind(name="end_stated", do=end_stated, at_once=1, keys=("",))
