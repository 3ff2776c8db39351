"""Say that responder itself fails on an incident: silence would look like "nothing found"."""

from __future__ import annotations

from dataclasses import replace

import structlog

from responder.model.assessment import Assessment
from responder.model.incident import Incident, IncidentState
from responder.model.report import Report
from responder.store import incidents
from responder.work.desk import Desk

TELL_AFTER = 2  # failures in a row; a passing cause is over by then
UNKNOWN = "?"
FAILED = "responder failed to examine this incident"
log = structlog.get_logger()


async def tell_of_failure(desk: Desk, number: int) -> None:
    """Put a report on the incident that says only what is certain, unless it has one already of what it is now.

    One of an incident that was still open lets nobody see that it is over: its note waits for the look that fails.
    """
    seen = await incidents.load(desk.store, number)
    if seen is None or seen.incident.state is IncidentState.FOLDED:
        return
    if seen.former is not None and seen.former.state == seen.incident.state.value:
        return
    log.error("incident.not_examined", incident=seen.incident.slug, why="responder fails on it; see work.failed")
    report = _report(desk, seen.incident) if seen.former is None else _since(seen.former, desk, seen.incident)
    look = incidents.Look(
        report=report,
        assessment=report.assessment,
        severities=seen.severities,
        known=seen.known,
        examined=None,
        last=False,
        turned_at=seen.turned_at,
    )
    await incidents.save_look(desk.store, number, seen.incident.run, look, desk.told)


def _assessment() -> Assessment:
    return Assessment(level=UNKNOWN, raw=UNKNOWN, rank=0, decided_by="nothing: responder failed")


def _since(former: Report, desk: Desk, incident: Incident) -> Report:
    """What was found before still says more than nothing, and its severity is what people were called for."""
    fails = _report(desk, incident)
    return replace(
        former,
        state=fails.state,
        title=fails.title,
        at=fails.at,
        resolved_at=fails.resolved_at,
        alerts_firing=fails.alerts_firing,
        alerts_total=fails.alerts_total,
        alert_names=fails.alert_names,
        notices=fails.notices,
    )


def _report(desk: Desk, incident: Incident) -> Report:
    names = tuple(sorted({it.name for it in incident.evidence}))
    is_over = incident.state is IncidentState.RESOLVED
    return Report(
        slug=incident.slug,
        state=incident.state.value,
        title=f"{'Resolved · ' if is_over else ''}{FAILED}; its alerts: {', '.join(names[:5])}",
        summary="",
        severity=UNKNOWN,
        severity_rank=0,
        assessment=_assessment(),
        verdicts=(),
        findings=(),
        look_first=(),
        also=(),
        healthy=(),
        could_not_look=(),
        still_looking=("the whole examination",),
        suggestions=(),
        runbook="",
        page_url=f"{desk.page_url}/incidents/{incident.slug}" if desk.page_url else "",
        at=desk.clock(),
        time_zone="UTC",
        opened_at=incident.opened_at,
        onset=incident.onset,
        resolved_at=incident.resolved_at if is_over else None,
        asked=0,
        answered=0,
        took_seconds=0.0,
        alerts_firing=len(incident.firing) + incident.more_firing,
        alerts_total=len(incident.alerts) + incident.more_alerts,
        alert_names=names,
        notices=("Nothing more was looked at. The log of responder says why (work.failed); it goes on trying.",),
    )
