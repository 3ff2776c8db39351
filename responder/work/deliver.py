"""Bring one sink object up to the newest report. Level-triggered: it compares what is shown with what should be."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from responder.delivery.send import (
    LONGEST_WAIT_SECONDS,
    REFUSED_AGAIN_SECONDS,
    SEND_WITHIN_SECONDS,
    VERIFY_AFTER_SECONDS,
    Deadline,
    Lost,
    Sent,
    is_doubtful,
    send,
    verify,
)
from responder.delivery.sink import Sink
from responder.errors import CouldNotLook
from responder.model.incident import PAGE, IncidentState, beginning_of_markers, marker_of
from responder.model.report import Report
from responder.report.compare import DeliveryReason, material_digest, may_edit_at, reason_to_deliver
from responder.store import deliveries as ledger
from responder.store.deliveries import Begun
from responder.store.work import Claimed
from responder.work.desk import OVER, Desk, Next
from responder.work.work import AGAIN_SECONDS, Kind

PRIVATE = "private: a rule keeps it to private channels, and this version has none"
STALE_AGAIN_SECONDS = 1.0
log = structlog.get_logger()


async def deliver(row: Claimed, desk: Desk) -> Next:
    """Post, edit, verify, or wait; says when it is due again."""
    deadline = Deadline(SEND_WITHIN_SECONDS)
    begun = await ledger.begin(desk.store, int(row.key), row.attempt) if desk.deliver else None
    if begun is None or begun.report is None or begun.delivery.state == "gone":
        return OVER
    sink = desk.sinks.get(begun.delivery.sink)
    if sink is None:
        return OVER
    if begun.report.private:
        doubtful = is_doubtful(begun.delivery)
        await ledger.aside(desk.store, begun.delivery, state="withheld", why=PRIVATE, is_doubtful=doubtful)
        return OVER
    report = begun.report
    if begun.continued_in is not None:
        if begun.delivery.shown_state == IncidentState.FOLDED:
            return OVER
        report = replace(report, state=IncidentState.FOLDED.value)
    markers = [marker_of(desk.name, slug) for slug in (begun.slug, *begun.folded)]
    rest = await _verified(desk, sink, begun, markers) if begun.delivery.verify else OVER
    reason = _reason(begun, report)
    if reason is None:
        return refused_again(begun) if is_refused(begun) else rest
    wait = _seconds_to_wait(begun, reason)
    if wait > 0:
        return Next(in_seconds=wait, waits_for="at most one edit a minute")
    if (failed := failed_lately(row, begun)) is not None:
        return failed
    if reason is DeliveryReason.FIRST_REPORT and begun.incident_state != report.state:
        return Next(in_seconds=STALE_AGAIN_SECONDS, waits_for="the look that is under way")
    return await _send(desk, sink, begun, report, reason, markers, row, deadline)


async def _send(
    desk: Desk,
    sink: Sink,
    begun: Begun,
    report: Report,
    reason: DeliveryReason,
    markers: Sequence[str],
    row: Claimed,
    deadline: Deadline,
) -> Next:
    tries = tries_of(row)
    sent = await send(
        desk.store,
        sink,
        begun,
        report,
        digest=material_digest(report),
        markers=markers,
        redact=desk.store.redacted,  # a sink's form may be a text, or data with texts in it
        deadline=deadline,
        again_in=AGAIN_SECONDS[min(tries, len(AGAIN_SECONDS) - 1)],
        lost=_lost(desk, begun) if sink.reads_back else None,
        on_duplicate=_counted(desk, sink),
    )
    desk.metrics.reports.labels(sink.name, sent.outcome).inc()
    shown, refused = sent.outcome in ("delivered", "edited"), sent.outcome == "refused"
    say = log.info if shown else log.error if refused else log.warning
    say(
        f"delivery.{'sent' if shown else sent.outcome}",
        incident=begun.slug,
        sink=sink.name,
        object=begun.delivery.object,
        reason=str(reason),
        why=sent.why,
        outcome=sent.outcome,
        severity=report.severity,
        title=report.title,
    )
    is_the_first = begun.delivery.first_at is None and begun.continues != begun.slug  # not of a re-fire's new object
    if sent.outcome == "delivered" and is_the_first:
        took = SEND_WITHIN_SECONDS - deadline.rest()  # our own wall clock may be another one than the database's
        desk.metrics.first_report_seconds.observe((begun.now - begun.opened_at).total_seconds() + took)
    return Next(
        in_seconds=sent.again_in,
        waits_for=sent.why,
        payload=tried(sent, tries, begun, report, redact=desk.store.redacted),
        unreachable=sent.outcome == "uncertain",
        rests=rests_after(sent),
    )


def tries_of(row: Claimed) -> int:
    """How often it failed, one time after the other."""
    tries = row.payload.get("tries", 0)
    return tries if isinstance(tries, int) else 0


def tried(sent: Sent, tries: int, begun: Begun, report: Report, *, redact: Callable[[str], str]) -> dict[str, Any]:
    """What the row remembers of a send."""
    if sent.no_turn:  # it is claimed again as if nothing had been: the gravest first
        return {"tries": tries, "failed": None}
    if sent.outcome not in ("postponed", "uncertain"):
        return {"tries": 0, "failed": None}
    again_at = begun.now + timedelta(seconds=sent.again_in or 0.0)
    return {"tries": tries + 1, "failed": [again_at.isoformat(), report.severity_rank, redact(sent.why)]}


def rests_after(sent: Sent) -> float:
    """For how long no other delivery there would get a turn either."""
    return sent.again_in or 0.0 if sent.no_turn else 0.0


def failed_lately(row: Claimed, begun: Begun) -> Next | None:
    """When it is to be tried again, unless it is graver by now: who asks for it meanwhile, as each new alert does, must
    not hurry a sink that asked for time."""
    failed = row.payload.get("failed")
    if not failed or begun.report is None:
        return None
    again_at, rank, why = failed
    rest = (datetime.fromisoformat(again_at) - begun.now).total_seconds()
    if not 0 < rest <= LONGEST_WAIT_SECONDS or begun.report.severity_rank < rank:  # more: the clock was set back
        return None
    return Next(in_seconds=rest, waits_for=why)


def _lost(desk: Desk, begun: Begun) -> Lost | None:
    if begun.others is None:
        return None
    return Lost(
        beginning=beginning_of_markers(desk.name), known=frozenset(marker_of(desk.name, it) for it in begun.others)
    )


def _counted(desk: Desk, sink: Sink) -> Callable[[str], None]:
    return lambda outcome: desk.metrics.duplicates.labels(sink.name, outcome).inc()


async def _verified(desk: Desk, sink: Sink, begun: Begun, markers: Sequence[str]) -> Next:
    """List once more, half a minute after the post and not before: what is late must have had time to arrive."""
    rest = VERIFY_AFTER_SECONDS - _seconds_since(begun.delivery.delivered_at or begun.now, begun.now)
    if rest > 0:
        return Next(in_seconds=rest, waits_for="to list it once more")
    try:
        is_another = await verify(desk.store, sink, begun, markers=markers, on_duplicate=_counted(desk, sink))
    except CouldNotLook as unread:
        log.warning("delivery.not_verified", incident=begun.slug, sink=sink.name, why=str(unread))
        return Next(in_seconds=VERIFY_AFTER_SECONDS, waits_for="to list it once more")
    return Next(in_seconds=0.0, waits_for="to write the newest text on the elder one") if is_another else OVER


def _reason(begun: Begun, report: Report) -> DeliveryReason | None:
    shown = begun.delivery
    if is_refused(begun) and shown.digest == material_digest(report):
        return None  # refused, and nothing has changed since
    return reason_to_deliver(
        report,
        last_digest=_digest_shown(begun),
        last_severity_rank=shown.severity_rank,
        last_complete=shown.complete,
        last_state=shown.shown_state,
    )


def _digest_shown(begun: Begun) -> bytes | None:
    """Of what stands there, None where nothing does. What was refused does not, though the ledger keeps its digest."""
    shown = begun.delivery
    if shown.foreign_id is None or shown.digest is None:
        return None
    return b"" if shown.state == "failed" else shown.digest


def is_refused(begun: Begun) -> bool:
    """Refused lately: after a quarter of an hour whoever could mend it may have done so."""
    at = begun.delivery.refused_at if begun.delivery.state == "failed" else None
    return at is not None and _seconds_since(at, begun.now) < REFUSED_AGAIN_SECONDS


def refused_again(begun: Begun) -> Next:
    """When the quarter of an hour is over: to end here would forget that it was to be tried again."""
    at = begun.delivery.refused_at
    left = REFUSED_AGAIN_SECONDS - (_seconds_since(at, begun.now) if at is not None else 0.0)
    return Next(in_seconds=max(left, STALE_AGAIN_SECONDS), waits_for=begun.delivery.why)


def _seconds_to_wait(begun: Begun, reason: DeliveryReason) -> float:
    before = begun.delivery.delivered_at
    edited = before != begun.delivery.first_at
    at = may_edit_at(reason, None if before is None or before > begun.now else before, begun.now, edited=edited)
    return (at - begun.now).total_seconds()


def _seconds_since(at: datetime, now: datetime) -> float:
    """What lies ahead was written before the database's clock was set back, nobody knows how long ago."""
    return (now - at).total_seconds() if at <= now else math.inf


def KIND(desk: Desk) -> list[Kind]:  # noqa: N802 - the name that the registry looks for
    """One queue a sink: a slow or rate-limited one delays no other.

    To the end: a worker that froze and posts late has to delete what it posted beside the one who took over. None in
    shadow: a replica that reports may do it.
    """
    told = [name for name, kind in desk.told.items() if kind != PAGE]  # those are `page.py`'s
    return [Kind(name=f"deliver:{sink}", do=deliver, at_once=8, to_the_end=True) for sink in told]
