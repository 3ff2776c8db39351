"""What a vendor's status page says, in one shape whoever's page it is. Each flavour's paths and fields:

- atlassian: https://metastatuspage.com/api; incident.io serves the same paths, with null for empty lists
- google: https://status.cloud.google.com/incidents.schema.json
- aws: https://health.aws.amazon.com/public/currentevents, in UTF-16
- slack: https://docs.slack.dev/reference/slack-status-api
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from responder.clients.api import ask, not_an_answer
from responder.clients.http import HttpDoor

MAX_BODY_BYTES = 8 * 1024 * 1024  # Google lists the incidents of years
MOST = 1000  # components and incidents of one page that are looked at


class Impact(IntEnum):
    """How grave it is, in the words of Atlassian's pages; a maintenance under way is milder than an incident."""

    NONE = 0
    MAINTENANCE = 1
    MINOR = 2
    MAJOR = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A part of what the vendor offers. `state`: in words, `partial outage`."""

    name: str
    state: str
    impact: Impact
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorIncident:
    """One that is open. `components`, `regions`: what it touches, empty where the page does not say."""

    title: str
    impact: Impact
    since: datetime | None
    components: tuple[Component, ...] = ()
    regions: tuple[str, ...] = ()
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorStatus:
    """`overall`: the page's own summary, None where it has none, `said` in its words; `components`: None where the page
    lists none; `updated`: when anything on the page last changed; `at`: the time by the server."""

    name: str
    incidents: tuple[VendorIncident, ...]
    path: str = ""
    components: tuple[Component, ...] | None = None
    overall: Impact | None = None
    said: str = ""
    updated: datetime | None = None
    at: datetime | None = None


class StatuspageDoor:
    """Reads one page; every method raises CouldNotLook."""

    def __init__(self, http: HttpDoor) -> None:
        self._http = http

    @property
    def shown(self) -> str:
        """Scheme, host and port."""
        return self._http.shown

    async def status(self, flavour: str) -> VendorStatus:
        """What is open now; an answer that is no page of this flavour is CouldNotLook."""
        path, read = FLAVOURS[flavour]
        told = await ask(self._http, path)
        try:
            found = await asyncio.to_thread(read, told.document)
        except ValidationError:
            raise not_an_answer(self._http, path, f"a status page of flavour {flavour}") from None
        return replace(found, path=path, at=told.at)

    async def close(self) -> None:
        """Close the session below."""
        await self._http.close()


def _line(text: str) -> str:
    """One line, of a length that a report can show."""
    return " ".join(text.split())[:300]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


T = TypeVar("T")
Line = Annotated[str, BeforeValidator(lambda it: _line(it) if isinstance(it, str) else it)]
OrNone = Annotated[list[T], BeforeValidator(lambda it: [] if it is None else it)]

IMPACTS = {it.name.lower(): it for it in Impact}
STATES = {
    "operational": Impact.NONE,
    "under_maintenance": Impact.MAINTENANCE,
    "degraded_performance": Impact.MINOR,
    "partial_outage": Impact.MAJOR,
    "major_outage": Impact.CRITICAL,
    "full_outage": Impact.CRITICAL,  # incident.io
}
OVER = frozenset({"resolved", "postmortem", "completed"})
UNDER_WAY = frozenset({"in_progress", "verifying"})


class _Component(_Wire):
    id: str = ""
    name: Line
    status: str = ""
    group: bool | None = None

    def read(self) -> Component:
        """A state that is not known is one that is not good."""
        impact = STATES.get(self.status, Impact.MINOR)
        state = "maintenance" if impact is Impact.MAINTENANCE else self.status.replace("_", " ")
        return Component(name=self.name, state=state, impact=impact, ids=(self.id,))


class _Touched(_Wire):
    code: str = ""
    name: Line
    new_status: str = ""


class _Update(_Wire):
    affected_components: OrNone[_Touched] = []


class _Incident(_Wire):
    name: Line
    status: str
    impact: str | None = None
    created_at: AwareDatetime | None = None
    started_at: AwareDatetime | None = None
    scheduled_for: AwareDatetime | None = None
    resolved_at: AwareDatetime | None = None
    components: OrNone[_Component] = []
    incident_updates: OrNone[_Update] = []

    def read(self) -> VendorIncident:
        """An impact that is not known counts as a minor one."""
        return VendorIncident(
            title=self.name,
            impact=IMPACTS.get(self.impact or "minor", Impact.MINOR),
            since=self.scheduled_for or self.started_at or self.created_at,
            components=self._touched(),
            state=self.status.replace("_", " "),
        )

    def _touched(self) -> tuple[Component, ...]:
        if self.components:
            return tuple(it.read() for it in self.components[:MOST] if not it.group)
        latest = next((it.affected_components for it in self.incident_updates if it.affected_components), [])
        return tuple(_Component(id=it.code, name=it.name, status=it.new_status).read() for it in latest[:MOST])


class _Page(_Wire):
    name: Line = ""
    updated_at: AwareDatetime | None = None


class _Status(_Wire):
    indicator: str
    description: Line = ""


class _Summary(_Wire):
    """`incidents` may be null and must be there: without them nobody knows whether one is open."""

    page: _Page = _Page()
    status: _Status
    components: list[_Component] | None = None
    incidents: list[_Incident] | None
    scheduled_maintenances: OrNone[_Incident] = []


def _atlassian(document: Any) -> VendorStatus:
    summary = _Summary.model_validate(document)
    # An indicator that is not known is one that is not good.
    overall = IMPACTS.get(summary.status.indicator, Impact.MINOR)
    opened = [it for it in summary.incidents or () if it.status not in OVER and it.resolved_at is None]
    under_way = [it for it in summary.scheduled_maintenances if it.status in UNDER_WAY]
    return VendorStatus(
        name=summary.page.name,
        incidents=tuple(it.read() for it in [*opened, *under_way][:MOST]),
        components=tuple(it.read() for it in (summary.components or ())[:MOST] if not it.group),
        overall=overall,
        said=summary.status.description,
        updated=summary.page.updated_at,
    )


class _Titled(_Wire):
    title: Line = ""
    id: str = ""


class _GoogleUpdate(_Wire):
    affected_locations: OrNone[_Titled] = []


class _GoogleIncident(_Wire):
    begin: AwareDatetime | None = None
    end: AwareDatetime | None = None
    external_desc: Line = ""
    status_impact: str = ""
    service_name: Line = ""
    affected_products: OrNone[_Titled] = []
    currently_affected_locations: OrNone[_Titled] = []
    most_recent_update: _GoogleUpdate | None = None

    def read(self) -> VendorIncident:
        impact = GOOGLE.get(self.status_impact, Impact.MINOR)
        state = self.status_impact.lower().replace("_", " ")
        products = [(it.title, it.id) for it in self.affected_products] or [(self.service_name, "")]
        latest = self.most_recent_update.affected_locations if self.most_recent_update else []
        return VendorIncident(
            title=self.external_desc or state,
            impact=impact,
            since=self.begin,
            components=tuple(Component(name=name, state=state, impact=impact, ids=(id_,)) for name, id_ in products),
            regions=tuple(it.id or it.title for it in self.currently_affected_locations or latest),
            state=state,
        )


GOOGLE = {
    "SERVICE_INFORMATION": Impact.MINOR,
    "SERVICE_DISRUPTION": Impact.MAJOR,
    "SERVICE_OUTAGE": Impact.CRITICAL,
}
_GOOGLE = TypeAdapter(list[_GoogleIncident])


def _google(document: Any) -> VendorStatus:
    opened = [it for it in _GOOGLE.validate_python(document) if it.end is None]
    return VendorStatus(name="Google Cloud", incidents=tuple(it.read() for it in opened[:MOST]))


class _AwsLogged(_Wire):
    status: int | str | None = None


class _AwsImpacted(_Wire):
    service_name: Line = ""


class _AwsEvent(_Wire):
    """`date`: seconds since 1970, as text."""

    date: float | None = None
    arn: str = ""
    region_name: Line = ""
    status: int | str | None = None
    service: str = ""
    service_name: Line = ""
    summary: Line = ""
    event_log: OrNone[_AwsLogged] = []
    impacted_services: Mapping[str, _AwsImpacted] | None = None

    @property
    def now(self) -> str:
        """`0` to `3`; the log says it as a number, the event as text."""
        logged = [it.status for it in self.event_log]
        return str(self.status if self.status is not None else logged[-1] if logged else "")

    def read(self) -> VendorIncident:
        impact, state = AWS.get(self.now, (Impact.MINOR, f"status {self.now[:20]}"))
        impacted = self.impacted_services or {}
        services = {self.service: self.service_name} | {key: it.service_name for key, it in impacted.items()}
        return VendorIncident(
            title=self.summary or state,
            impact=impact,
            since=datetime.fromtimestamp(self.date, UTC) if self.date is not None and 0 < self.date < 1e11 else None,
            components=tuple(
                Component(name=name or key, state=state, impact=impact, ids=(key,)) for key, name in services.items()
            ),
            regions=self._regions(),
            state=state,
        )

    def _regions(self) -> tuple[str, ...]:
        """That of the ARN and its name; `global` and none are everywhere."""
        found = re.match(r"arn:[^:]*:health:([^:]*):", self.arn)
        region = found[1] if found else ""
        return tuple(it for it in (region, self.region_name) if it) if region not in ("", "global") else ()


AWS = {
    "1": (Impact.MINOR, "informational"),
    "2": (Impact.MAJOR, "degradation"),
    "3": (Impact.CRITICAL, "disruption"),
}
_AWS = TypeAdapter(list[_AwsEvent])


def _aws(document: Any) -> VendorStatus:
    opened = [it for it in _AWS.validate_python(document) if it.now != "0"]
    return VendorStatus(name="AWS", incidents=tuple(it.read() for it in opened[:MOST]))


class _SlackIncident(_Wire):
    title: Line
    type: str = "incident"
    status: str = "active"
    date_created: AwareDatetime | None = None
    services: OrNone[Line] = []

    def read(self) -> VendorIncident:
        impact = SLACK.get(self.type, Impact.MINOR)
        return VendorIncident(
            title=self.title,
            impact=impact,
            since=self.date_created,
            components=tuple(Component(name=it, state=self.type, impact=impact) for it in self.services),
            state=self.type,
        )


class _SlackCurrent(_Wire):
    status: str
    active_incidents: list[_SlackIncident]


SLACK = {"maintenance": Impact.MAINTENANCE, "notice": Impact.MINOR, "incident": Impact.MAJOR, "outage": Impact.CRITICAL}


def _slack(document: Any) -> VendorStatus:
    current = _SlackCurrent.model_validate(document)
    opened = [it for it in current.active_incidents if it.status not in ("resolved", "completed")]
    return VendorStatus(
        name="Slack",
        incidents=tuple(it.read() for it in opened[:MOST]),
        overall=Impact.NONE if current.status == "ok" else Impact.MINOR,
        said="" if current.status == "ok" else f"status {_line(current.status)}",
    )


FLAVOURS: Mapping[str, tuple[str, Callable[[Any], VendorStatus]]] = {
    "atlassian": ("/api/v2/summary.json", _atlassian),
    "google": ("/incidents.json", _google),
    "aws": ("/public/currentevents", _aws),
    "slack": ("/api/v2.0.0/current", _slack),
}
