"""What was changed of late, by the change events that PagerDuty was told?"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime, timedelta

from responder.clients.doors import Doors
from responder.clients.pagerduty_around import ChangeEvent, PagerDutyAround
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.pagerduty_incident import OfIncident, at_service, cut_of
from responder.diagnostics.parameters import Seconds
from responder.diagnostics.text import moment, shortened, table
from responder.errors import CouldNotLook, Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several, show_duration

MOST_CHANGES = 20  # more would be the whole of a report
MOST_SUMMARY = 120  # characters


class Asked(OfIncident):
    """`since`: how long ago a change still is recent. `incident`: ids of PagerDuty; without one, those of the incident
    at hand."""

    since: Seconds = 6 * 3600.0


class PagerDutyChanges:
    """Change events of the incident's service, and those of others that PagerDuty relates to it. A change is news and
    no fault."""

    name = "pagerduty.changes"
    target_kind = "pagerduty"
    question = "What was changed of late, by the change events that PagerDuty was told?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"recent_rollout"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when PagerDuty does not list them, or when no incident of it is linked yet."""
        id_, door = parameters.looked_around, doors.pagerduty()
        incident, now = await door.incident(id_)
        if not incident.service:
            raise Unreachable(f"{door.shown}: the incident {id_} has no service")
        since = now - timedelta(seconds=parameters.since)
        own, more = await door.changes_of(incident.service, since, now)
        related, why_not = await _related(door, id_)
        recent = _once([*own, *related], [it for it in (*own, *related) if since <= it.at <= now])
        of, within = at_service(incident), show_duration(parameters.since)
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.HEALTHY,
            headline=_headline(recent, of, within, now) if recent else f"no change event{of} in the last {within}",
            details="\n".join(it for it in (cut_of(own, more=more), why_not) if it),
            table=table(("at", "change", "from", "services", "related by"), [_row(it, now) for it in recent])
            if len(recent) > 1
            else None,
            changes=tuple(_change(it, incident.service_name) for it in recent[:MOST_CHANGES]),
            marks=("recent_rollout",) if recent else (),
            found=_found(recent[0]) if recent else {},
            gravity=0,
            equivalent="curl -sS -H 'Authorization: Token token=…' "
            f"{shlex.quote(f'{door.shown}/services/{incident.service}/change_events')}",
        )


async def _related(door: PagerDutyAround, incident: str) -> tuple[tuple[ChangeEvent, ...], str]:
    """What the service's own list does not hold; without it that list is an answer all the same."""
    try:
        return await door.changes_related_to(incident), ""
    except CouldNotLook as why:
        return (), f"changes of other services were not looked at: {why}"


def _once(every: Sequence[ChangeEvent], recent: Sequence[ChangeEvent]) -> list[ChangeEvent]:
    """Each once, with PagerDuty's reason where it has one; the newest first."""
    reasons = {it.id: it for it in every if it.why}
    kept = {it.id: reasons.get(it.id, it) for it in recent}
    return sorted(kept.values(), key=lambda it: (it.at, it.id), reverse=True)


def _headline(recent: Sequence[ChangeEvent], of: str, within: str, now: datetime) -> str:
    """`2 changes of payments in the last 6h, latest: Deploy of 2.15.0, 03:04 UTC`."""
    latest = recent[0]
    lead = "latest: " if len(recent) > 1 else ""
    return f"{several(len(recent), 'change')}{of} in the last {within}, {lead}{_what(latest)}, {moment(latest.at, now)}"


def _what(it: ChangeEvent) -> str:
    return shortened(it.summary, MOST_SUMMARY) or "without a summary"


def _row(it: ChangeEvent, now: datetime) -> tuple[str, ...]:
    return (moment(it.at, now), _what(it), it.source, ", ".join(it.services), it.why)


def _change(it: ChangeEvent, service: str) -> Change:
    of = ", ".join(it.services) or service
    return Change(at=it.at, what=f"Change{f' of {of}' if of else ''}: {_what(it)}", by=it.source)


def _found(it: ChangeEvent) -> dict[str, str]:
    """No `deployment`: suggestions of other checks mean a workload by that."""
    named = {"change": it.summary, "source": it.source, "link": it.link, "service": next(iter(it.services), "")}
    return {name: value for name, value in named.items() if value}


DIAGNOSTIC: Diagnostic = PagerDutyChanges()
