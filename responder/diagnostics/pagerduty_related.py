"""Which other incidents are open at PagerDuty?"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime

from responder.clients.doors import Doors
from responder.clients.pagerduty_around import Paged, PagerDutyAround
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.pagerduty_incident import OfIncident, at_service, cut_of, named
from responder.diagnostics.text import moment, table
from responder.errors import CouldNotLook, Refused, Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several

GRAVITY = 30  # other incidents are company, not a cause: whatever else is unhealthy goes first
SHOWN_IN_HEADLINE = 2
OPEN_ONLY = "statuses[]=triggered&statuses[]=acknowledged"
OPEN = ("", "triggered", "acknowledged")  # "": the answer does not say


class PagerDutyRelated:
    """Open incidents of the same service, and those of others that PagerDuty relates to this one. The incident's own
    are left out, all that it is linked to."""

    name = "pagerduty.related"
    target_kind = "pagerduty"
    question = "Which other incidents are open at PagerDuty?"
    parameters: type[Parameters] = OfIncident
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: OfIncident, doors: Doors) -> Finding:
        """Raises CouldNotLook when PagerDuty does not list them, or when no incident of it is linked yet."""
        id_, door = parameters.looked_around, doors.pagerduty()
        incident, now = await door.incident(id_)
        if not incident.service:
            raise Unreachable(f"{door.shown}: the incident {id_} has no service")
        listed, more = await door.open_at(incident.service)
        related, why_not = await _elsewhere(door, id_)
        own = {*parameters.incident, incident.id}
        same = [it for it in listed if it.id not in own]
        known = own | {it.id for it in same}
        others = [it for it in related if it.id not in known and it.status in OPEN]
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if same or others else Outcome.HEALTHY,
            headline=_headline(same, others, incident, now),
            details="\n".join(it for it in (cut_of(listed, more=more), why_not) if it),
            table=table(
                ("incident", "title", "service", "status", "since", "related by"),
                [_row(it, now) for it in (*same, *others)],
            )
            if same or others
            else None,
            gravity=GRAVITY if same or others else 0,
            equivalent="curl -sS -H 'Authorization: Token token=…' "
            f"{shlex.quote(f'{door.shown}/incidents?service_ids[]={incident.service}&{OPEN_ONLY}')}",
        )


async def _elsewhere(door: PagerDutyAround, incident: str) -> tuple[tuple[Paged, ...], str]:
    """What PagerDuty relates by itself; most accounts have no plan for that, and lack nothing for it."""
    try:
        return await door.related_to(incident), ""
    except Refused:
        return (), "other services were not looked at: PagerDuty relates incidents in its AIOps plans only"
    except CouldNotLook as why:
        return (), f"other services were not looked at: {why}"


def _headline(same: Sequence[Paged], others: Sequence[Paged], incident: Paged, now: datetime) -> str:
    """`1 other incident of payments is open: #4712 Latency is high (triggered, since 03:01 UTC)`."""
    of = at_service(incident)
    if not same and not others:
        return f"no other incident{of} is open"
    parts = []
    if same:
        are = "is" if len(same) == 1 else "are"
        parts.append(f"{several(len(same), 'other incident')}{of} {are} open: {_listed(same, now)}")
    if others:
        parts.append(f"{several(len(others), 'related incident')} at other services: {_listed(others, now)}")
    return "; ".join(parts)


def _listed(paged: Sequence[Paged], now: datetime) -> str:
    more = f" and {len(paged) - SHOWN_IN_HEADLINE} more" if len(paged) > SHOWN_IN_HEADLINE else ""
    return ", ".join(named(it, now) for it in paged[:SHOWN_IN_HEADLINE]) + more


def _row(it: Paged, now: datetime) -> tuple[str, ...]:
    number = f"#{it.number}" if it.number else it.id
    why = ", ".join(it.why) or "same service"
    return (number, it.title, it.service_name or it.service, it.status, moment(it.at, now), why)


DIAGNOSTIC: Diagnostic = PagerDutyRelated()
