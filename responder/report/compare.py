"""Is a report worth telling again? Only for what a reader must know, never because a number wobbled."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from enum import StrEnum

from responder.model.report import Report
from responder.model.verdict import key_of

BETWEEN_EDITS = timedelta(minutes=1)  # spec, section 2 (7)
MANY_ALERTS = 16  # from there on twice as many is another situation, below it their number may wobble


class DeliveryReason(StrEnum):
    """Why a report goes out; the same words in log, metric and timeline."""

    FIRST_REPORT = "first_report"
    SEVERITY_RAISED = "severity_raised"
    COMPLETED = "completed"
    REOPENED = "reopened"
    RESOLVED = "resolved"
    CHANGED = "changed"


_AT_ONCE = frozenset({DeliveryReason.FIRST_REPORT, DeliveryReason.SEVERITY_RAISED})


def material_digest(report: Report) -> bytes:
    """32 bytes that change only when something changes that a reader must know; numbers and timings are left out.

    But for the number of alerts in a storm: who was told of 50 must hear of 10,000. Of what flaps it is told that it
    does, and not each time that it comes and goes.
    """
    facts: list[object] = [
        report.severity,
        report.state,
        report.complete,
        sorted([it.rule, key_of(it.verdict)] for it in report.verdicts),
        sorted([it.name, it.outcome.value, sorted(set(it.marks))] for it in report.findings),
        sorted({it.check for it in report.could_not_look}),
        [[it.phase, it.do, it.run, it.caution, it.see] for it in report.suggestions],
        report.events,
        *([report.alerts_firing.bit_length()] if report.alerts_firing >= MANY_ALERTS else []),
    ]
    if report.flaps:
        facts = [report.severity, report.state, report.complete, "flapping", report.flaps.bit_length()]
    return hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).digest()


def reason_to_deliver(
    report: Report,
    *,
    last_digest: bytes | None,
    last_severity_rank: int | None,
    last_complete: bool,
    last_state: str | None,
) -> DeliveryReason | None:
    """Why this report is worth sending now, or None to stay silent. The `last_…` are of what was told, None if nothing.

    While checks are still out only what cannot wait is told: the rest comes in one edit when they are in.
    """
    if last_digest is None:
        return DeliveryReason.FIRST_REPORT
    if last_severity_rank is not None and report.severity_rank < last_severity_rank:
        return DeliveryReason.SEVERITY_RAISED
    if last_state is not None and report.state != last_state:
        return DeliveryReason.RESOLVED if report.resolved_at is not None else DeliveryReason.REOPENED
    if not report.complete or material_digest(report) == last_digest:
        return None
    return DeliveryReason.CHANGED if last_complete else DeliveryReason.COMPLETED


def may_edit_at(reason: DeliveryReason, last_delivered_at: datetime | None, now: datetime, *, edited: bool) -> datetime:
    """When it may go out: at once, or a minute after the last time for what can wait. Never before `now`.

    `edited`: more was told than the first report. What completes that one may come at once; an alert that flaps would
    be reopened and completed without end.
    """
    completes_the_first = reason is DeliveryReason.COMPLETED and not edited
    if reason in _AT_ONCE or completes_the_first or last_delivered_at is None:
        return now
    return max(now, last_delivered_at + BETWEEN_EDITS)
