"""What changed from one report of an incident to the next, for people who read the first one already."""

from __future__ import annotations

from datetime import UTC, datetime

from responder.model.report import Report

EVENTS_MOST = 10


def events_since(former: Report | None, report: Report, reading: str) -> tuple[str, ...]:
    """The former's events and what is new in `report`, the last ten. `reading`: `error rate 0.8 %`, or empty."""
    if former is None:
        return ()
    at = _clock(report.at, report.opened_at)
    new = [*_severity(former, report, at, reading), *_state(former, report, at), *_alerts(former, report, at)]
    return (*former.events, *new)[-EVENTS_MOST:]


def _severity(former: Report, report: Report, at: str, reading: str) -> list[str]:
    if former.severity == report.severity:
        return []
    return [f"{former.severity} → {report.severity} at {at}{f', {reading}' if reading else ''}"]


def _state(former: Report, report: Report, at: str) -> list[str]:
    if former.state == report.state:
        return []
    if report.resolved_at is not None:
        return [f"resolved at {_clock(report.resolved_at, report.opened_at)}"]
    return [f"reopened at {at}"] if former.resolved_at is not None else []


def _alerts(former: Report, report: Report, at: str) -> list[str]:
    new = report.alerts_total - former.alerts_total
    if new <= 0:
        return []
    names = sorted(set(report.alert_names) - set(former.alert_names))
    named = f": {', '.join(names[:3])}{' …' if len(names) > 3 else ''}" if names else ""
    return [f"{new} new alert{'' if new == 1 else 's'} at {at}{named}"]


def _clock(at: datetime, opened_at: datetime) -> str:
    """`03:31`, with the date when that is another day than the incident began (UTC)."""
    at, opened_at = at.astimezone(UTC), opened_at.astimezone(UTC)
    return f"{at:%H:%M}" if at.date() == opened_at.date() else f"{at:%Y-%m-%d %H:%M}"
