"""What does the vendor's own status page say?"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from responder.clients.doors import Doors
from responder.clients.statuspage import Component, Impact, VendorIncident, VendorStatus
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import as_list
from responder.diagnostics.text import age, moment, shortened, table
from responder.errors import Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Change, Finding, Outcome, Table
from responder.model.pack import Target

Name = Annotated[str, Field(min_length=1, max_length=200)]

STALE = timedelta(days=30)  # nobody keeps a page on which nothing has changed for so long
WEIGHT = {Impact.MAINTENANCE: 0.4, Impact.MINOR: 0.8}  # of the graver ones 1
GRAVITY = {Impact.MAINTENANCE: 30, Impact.MINOR: 50, Impact.MAJOR: 65, Impact.CRITICAL: 75}
SHOWN_CHANGES = 3
LONGEST_TITLE = 120


class Asked(Parameters):
    """`components`: the parts of what the vendor offers that we use; `region`: where. Without them all count."""

    components: Annotated[tuple[Name, ...], BeforeValidator(as_list), Field(max_length=50)] = ()
    region: Name | None = None


class StatuspageStatus:
    """The worst of what the page says of itself, of its open incidents and of the components that we use: each of them
    lags behind the others. A page that cannot be read, or has stood still for a month, is never taken for good news."""

    name = "statuspage.status"
    target_kind = "statuspage"
    question = "What does the vendor's own status page say?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"vendor_incident"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no such page, or it does not tell of the components that were asked for."""
        door = doors.statuspage(target)
        page = await door.status(target.flavour or "atlassian")
        ours = Ours(page, parameters)
        vendor = page.name or target.name
        if ours.impact is Impact.NONE:
            _check_trusted(page, ours, door.shown)
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if ours.impact else Outcome.HEALTHY,
            headline=f"{vendor}: {_said(ours, page)}",
            details=_details(ours, page),
            table=_table(ours, page.at),
            changes=tuple(_changes(vendor, ours.incidents)),
            marks=("vendor_incident",) if ours.impact > Impact.MAINTENANCE else (),
            found=_found(vendor, ours),
            gravity=GRAVITY.get(ours.impact, 0),
            equivalent=f"curl -sS {shlex.quote(door.shown + page.path)}",
        )


class Ours:
    """What of a page concerns us, the gravest first. `missing`: components that were asked for and are not there."""

    def __init__(self, page: VendorStatus, asked: Asked) -> None:
        self._wanted = [it.casefold() for it in asked.components]
        self._region = (asked.region or "").casefold()
        self.incidents = sorted((it for it in page.incidents if self._touched(it)), key=_gravest_first)
        self.components = [it for it in page.components or () if self._uses(it)]
        self.broken = sorted((it for it in self.components if it.impact), key=lambda it: -it.impact)
        said = Impact.NONE if self._wanted or page.overall is None else page.overall
        self.impact = max([said, *(it.impact for it in self.incidents), *(it.impact for it in self.broken)])
        self.missing = self._missing(asked.components, page.components)

    def of(self, incident: VendorIncident) -> list[Component]:
        """Those of its components that we use, the worst first; their state on the page is newer where it is worse."""
        now = {it.name: it for it in self.broken}
        used = [it for it in incident.components if self._uses(it)]
        newest = (now[it.name] if it.name in now and now[it.name].impact > it.impact else it for it in used)
        return sorted(newest, key=lambda it: -it.impact)

    def _touched(self, incident: VendorIncident) -> bool:
        """Where a page does not say what an incident touches, it may be what we use."""
        return (not incident.components or any(self._uses(it) for it in incident.components)) and (
            not self._region or not incident.regions or any(self._is_there(it.casefold()) for it in incident.regions)
        )

    def _uses(self, component: Component) -> bool:
        return not self._wanted or any(_is_called(component, it) for it in self._wanted)

    def _is_there(self, place: str) -> bool:
        return place in ("global", self._region) or self._region.startswith(f"{place}-")

    def _missing(self, asked: Iterable[str], listed: Iterable[Component] | None) -> list[str]:
        if listed is None:
            return []
        return [it for it in asked if not any(_is_called(component, it.casefold()) for component in self.components)]


def _is_called(component: Component, wanted: str) -> bool:
    """By its id, its name, or words of its name: `sql` is a part of `Google Cloud SQL`, and not of `MySQL`."""
    name = component.name.casefold()
    return wanted in (it.casefold() for it in component.ids) or f" {wanted} " in f" {name} "


def _gravest_first(incident: VendorIncident) -> tuple[int, float]:
    """Of equally grave ones the newest first."""
    return (-incident.impact, -incident.since.timestamp() if incident.since else 0.0)


def _check_trusted(page: VendorStatus, ours: Ours, shown: str) -> None:
    where = f"{shown}{page.path}"
    if ours.missing:
        known = ", ".join(f'"{it.name}"' for it in (page.components or ())[:10])
        raise Unreachable(f'{where}: no component "{ours.missing[0]}" there; there are {known or "none"}')
    if page.updated is not None and page.at is not None and page.at - page.updated > STALE:
        still = age((page.at - page.updated).total_seconds())
        raise Unreachable(f"{where}: says that all is well, and has not changed for {still}: it may be stale")


def _said(ours: Ours, page: VendorStatus) -> str:
    """`partial outage of "API", since 02:41 UTC: Elevated errors`; `operational`."""
    grave = [it for it in ours.incidents if it.impact]
    if grave:
        first, more = grave[0], len(grave) - 1
        since = f", since {moment(first.since, page.at)}" if first.since else ""
        others = f" (and {more} more)" if more else ""
        return (
            f"{_trouble(first, _touched(first, grave, ours))}{since}: {shortened(first.title, LONGEST_TITLE)}{others}"
        )
    if ours.broken:
        return f"{ours.broken[0].state} of {_named(ours.broken)}"
    return page.said or "something is wrong, says the page" if ours.impact else "operational"


def _touched(first: VendorIncident, grave: Sequence[VendorIncident], ours: Ours) -> list[Component]:
    """incident.io does not say what an incident touches; while it is the only one, it is what is not well."""
    return ours.broken if not first.components and len(grave) == 1 else ours.of(first)


def _trouble(incident: VendorIncident, touched: Sequence[Component]) -> str:
    """In the words of the worst component, unless the incident as a whole is worse than that."""
    if touched and touched[0].state and touched[0].impact:
        return f"{touched[0].state} of {_named([it for it in touched if it.impact])}"
    kind = "maintenance" if incident.impact is Impact.MAINTENANCE else f"{incident.impact.name.lower()} incident"
    return f"{kind} of {_named(touched)}" if touched else kind


def _named(components: Sequence[Component]) -> str:
    more = f" and {len(components) - 1} more" if len(components) > 1 else ""
    return f'"{shortened(components[0].name, 60)}"{more}'


def _details(ours: Ours, page: VendorStatus) -> str:
    notices = [it.title for it in ours.incidents if not it.impact]
    lines = [
        "no component is called " + ", ".join(f'"{it}"' for it in ours.missing) if ours.missing else "",
        f"notices: {'; '.join(notices[:5])}" if notices else "",
        f"{len(page.incidents) - len(ours.incidents)} more open that concern others"
        if len(page.incidents) > len(ours.incidents)
        else "",
    ]
    return "\n".join(it for it in lines if it)


def _table(ours: Ours, at: datetime | None) -> Table | None:
    rows: list[tuple[str, ...]] = [
        (it.title, it.state, moment(it.since, at) if it.since else "", ", ".join(c.name for c in ours.of(it)))
        for it in ours.incidents
    ]
    rows += [(f"component {it.name}", it.state, "", it.name) for it in ours.broken]
    return table(("what", "state", "since", "touches"), rows) if len(rows) > 1 else None


def _changes(vendor: str, incidents: Iterable[VendorIncident]) -> Iterable[Change]:
    for it in [it for it in incidents if it.impact and it.since][:SHOWN_CHANGES]:
        kind = "Maintenance" if it.impact is Impact.MAINTENANCE else "Incident"
        assert it.since is not None  # those without were left out
        title = shortened(it.title, LONGEST_TITLE)
        yield Change(at=it.since, what=f"{kind} at {vendor}: {title}", weight=WEIGHT.get(it.impact, 1.0))


def _found(vendor: str, ours: Ours) -> dict[str, str]:
    if not ours.impact:
        return {}
    worst = [it for incident in ours.incidents for it in ours.of(incident)] or ours.broken
    return {"vendor": vendor} | ({"component": worst[0].name} if worst else {})


DIAGNOSTIC: Diagnostic = StatuspageStatus()
