"""What a page shows: read from the store, handed to the templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from responder.store import deliveries, incidents, look_up
from responder.store.store import Store
from responder.web.answers import why_it_waits
from responder.web.looking import LookingAt
from responder.web.pages import DeliveryLine, IncidentView, Line, Pages, TimelineEntry, WaitLine

LOWEST = 99  # an incident without a severity goes last
ENTRIES_MOST = 200  # of the quarantine; the API has them all


class Views:
    """Status and HTML of each page."""

    def __init__(self, store: Store, pages: Pages, clock: Callable[[], datetime], looking: LookingAt) -> None:
        self._store = store
        self._looking = looking
        self._pages = pages
        self._clock = clock

    async def listing(self, request: web.Request) -> tuple[int, str]:
        """`/`: the incidents."""
        rows = await incidents.listing(self._store)
        lines = [
            Line(
                slug=it["slug"],
                state=it["state"],
                severity=it["severity"],
                severity_rank=it["severity_rank"] if it["severity_rank"] is not None else LOWEST,
                title=it["title"],
                opened_at=it["opened_at"],
                resolved_at=it["resolved_at"],
                alerts_firing=it["firing"],
                report_state=it["delivered"] or "",
            )
            for it in rows
        ]
        problems = self._looking.rules.last.problems
        return 200, self._pages.listing(lines, self._clock(), refused=len(problems))

    async def incident(self, request: web.Request) -> tuple[int, str]:
        """`/incidents/{slug}`."""
        slug = request.match_info["slug"]
        number = await look_up.number_of(self._store, slug)
        seen = await incidents.load(self._store, number) if number is not None else None
        if seen is None or number is None:
            return 404, self._pages.not_found(slug)
        told = await deliveries.of_incident(self._store, number)
        view = IncidentView(
            incident=seen.incident,
            report=seen.former,
            pack=seen.incident.pack or "",
            timeline=tuple(
                TimelineEntry(at=at, what=what) for at, what in await incidents.timeline(self._store, number)
            ),
            deliveries=tuple(DeliveryLine(**it) for it in told),
            waits=tuple(_wait_line(it) for it in await look_up.waits(self._store, number)),
        )
        return 200, self._pages.incident(view, self._clock())

    async def targets(self, request: web.Request) -> tuple[int, str]:
        """`/targets`: what is looked at and where reports go."""
        return 200, self._pages.targets(await self._looking.now(), self._clock())

    async def rules(self, request: web.Request) -> tuple[int, str]:
        """`/rules`: what is in force, and what the last load said."""
        return 200, self._pages.rules(self._looking.rules, self._clock())

    async def quarantine(self, request: web.Request) -> tuple[int, str]:
        """`/quarantine`: what was accepted but not understood."""
        rows = await look_up.quarantine(self._store, limit=ENTRIES_MOST + 1)
        return 200, self._pages.quarantine(rows[:ENTRIES_MOST], self._clock(), more=len(rows) > ENTRIES_MOST)


def _wait_line(row: Mapping[str, Any]) -> WaitLine:
    return WaitLine(
        work=row["kind"],
        object=row["object"],
        why=why_it_waits(row),
        since=row["since"],
        until=row["due_at"],
        held=row["held"],
        failures=row["failures"],
    )
