"""When was there an incident like this one before?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from responder.clients.doors import Doors
from responder.clients.pagerduty_around import Similar
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.pagerduty_incident import MOST_TITLE, OfIncident, not_in_plan
from responder.diagnostics.parameters import Limit
from responder.diagnostics.text import number, shortened, table
from responder.errors import Refused
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several

REACH = "in six months"  # as far as PagerDuty looks back


class Asked(OfIncident):
    """`limit`: how many are listed. `incident`: ids of PagerDuty; without one, those of the incident at hand."""

    limit: Limit = 5


class PagerDutyPastIncidents:
    """Earlier incidents of the same service that PagerDuty finds similar. What happened before is no fault of now."""

    name = "pagerduty.past_incidents"
    target_kind = "pagerduty"
    question = "When was there an incident like this one before?"
    parameters: type[Parameters] = Asked
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when PagerDuty does not list them, or when no incident of it is linked yet."""
        id_, door = parameters.looked_around, doors.pagerduty()
        try:
            listed = await door.past(id_, parameters.limit)
        except Refused as refused:
            raise not_in_plan(refused, "past incidents") from refused
        alike = [it for it in listed if it.score > 0 and it.paged.id not in parameters.incident]
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.HEALTHY,
            headline=_headline(alike, is_all=len(listed) < parameters.limit),
            table=table(("at", "incident", "title", "alike"), [_row(it) for it in alike]) if alike else None,
            found={"past_incident": alike[0].paged.id} if alike else {},
            gravity=0,
            equivalent=f"curl -sS -H 'Authorization: Token token=…' {door.shown}/incidents/{id_}/past_incidents",
        )


def _headline(alike: Sequence[Similar], *, is_all: bool) -> str:
    """`3 incidents like this one in six months, latest 2026-11-04: Things are so broken`."""
    if not alike:
        return f"no incident like this one {REACH}"
    latest = max(alike, key=lambda it: it.paged.at).paged
    count = several(len(alike), "incident") if is_all else f"at least {several(len(alike), 'incident')}"
    lead = "latest" if len(alike) > 1 else "on"
    day = f"{latest.at.astimezone(UTC):%Y-%m-%d}"
    return f"{count} like this one {REACH}, {lead} {day}: {shortened(latest.title, MOST_TITLE)}"


def _row(it: Similar) -> tuple[str, ...]:
    return (
        f"{it.paged.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        it.paged.id,
        it.paged.title,
        number(round(it.score, 1)),
    )


DIAGNOSTIC: Diagnostic = PagerDutyPastIncidents()
