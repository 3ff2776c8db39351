"""One account at the stand-in PagerDuty with an incident, and the doors that look around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from responder.clients.doors import Doors
from responder.clients.pagerduty import Turns
from responder.clients.pagerduty_around import Account
from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from responder.diagnostics.catalogue import catalogue
from responder.diagnostics.examine import NO_TARGET
from responder.model.catalogue import Beside
from responder.model.finding import Finding


@dataclass
class Around:
    """`incident`: id of one at the default service, payments."""

    pagerduty: StandInPagerDuty
    doors: Doors
    incident: str

    async def found(self, check: str, **more: Any) -> Finding:
        """What a check says that is asked for our incident, which is linked to this one."""
        diagnostic = catalogue()[check]
        asked = diagnostic.parameters(**more).beside(Beside(pagerduty=[self.incident]))  # type: ignore[attr-defined]
        return await diagnostic.examine(NO_TARGET, asked, self.doors)


@asynccontextmanager
async def around(turns: Turns | None = None) -> AsyncIterator[Around]:
    """The stand-in, started and stopped."""
    pagerduty = await StandInPagerDuty.start(event_delay_seconds=0)
    doors = Doors({}, Account(token=TOKEN, url=pagerduty.url, turns=turns))
    try:
        yield Around(pagerduty, doors, pagerduty.create_incident("API error rate 7.3 %"))
    finally:
        await doors.close()
        await pagerduty.stop()
