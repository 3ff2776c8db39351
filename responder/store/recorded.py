"""What was recorded of incidents: their alerts, and what each look read and found. For those who ask what other rules
would have said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from responder.model.finding import Finding
from responder.model.incident import Incident, IncidentState
from responder.model.reading import AnyReading
from responder.store import incidents
from responder.store.incidents import FINDING, READINGS
from responder.store.store import Store

MOST = 1000  # incidents, the newest
NUMBERS = """select i.id from incidents i where i.state <> 'folded' and (i.opened_at > now() - $1::interval
             or exists (select 1 from alerts a where a.incident = i.id and a.last_seen > now() - $1::interval))
             order by i.id desc limit $2"""
REOPENED = "select count(*) from timeline where incident = $1 and what like 'reopened%'"
STEPS = "select run, name, outcome, at from steps where incident = $1 order by run, at, name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One look: what it read, and what the checks had found by then, those of former looks included."""

    at: datetime
    readings: Mapping[str, tuple[AnyReading, ...]]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One incident, and its looks in order of time; none where nothing was read."""

    incident: Incident
    moments: tuple[Moment, ...]


async def numbers(store: Store, since: timedelta) -> list[int]:
    """The incidents of late, oldest first."""
    async with store.connection() as connection:
        return [it["id"] for it in reversed(await connection.fetch(NUMBERS, since, MOST))]


async def recorded(store: Store, number: int) -> Recorded | None:
    """What is there of one; None when it is gone by now."""
    seen = await incidents.load(store, number)
    if seen is None or seen.incident.state is IncidentState.FOLDED:
        return None
    async with store.connection() as connection:
        rows = await connection.fetch(STEPS, number)
    return Recorded(incident=seen.incident, moments=tuple(_moments(rows)))


async def reopened(store: Store, number: int) -> int:
    """How often an incident began again, as far back as its timeline goes."""
    async with store.connection() as connection:
        count: int = await connection.fetchval(REOPENED, number)
        return count


def _moments(rows: list[Any]) -> list[Moment]:
    found: list[Moment] = []
    findings: dict[str, Finding] = {}
    runs: dict[int, list[Any]] = {}
    for row in rows:
        runs.setdefault(row["run"], []).append(row)
    for of_run in runs.values():
        readings: Mapping[str, tuple[AnyReading, ...]] = {}
        for row in of_run:
            if row["name"] == "readings":
                readings = READINGS.validate_python(row["outcome"])
            else:
                finding = FINDING.validate_python(row["outcome"])
                findings[finding.name] = finding
        found.append(Moment(at=of_run[0]["at"], readings=readings, findings=tuple(findings.values())))
    return found
