"""What PagerDuty knows around one incident: changes, other incidents, earlier ones. Asked by GET and by nothing else.

https://developer.pagerduty.com/api-reference/ The key is the one that reports are written with, and so is its rate:
reports go first. Writing lives with the sink, in `delivery/pagerduty_note.py`, and shares no code with this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from multidict import MultiDict
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from responder.clients.api import ask, not_an_answer
from responder.clients.budget import Budget
from responder.clients.http import HttpDoor
from responder.clients.pagerduty import ACCEPT, PUBLIC_URL, Turns
from responder.clients.resolve import Resolved, taken_apart
from responder.errors import NotConfigured, StoreUnavailable, Throttled, Unreachable

T = TypeVar("T")

MAX_BODY_BYTES = 4 * 1024 * 1024
MOST = 100  # PagerDuty's most for one answer
CONCURRENCY, PER_MINUTE = 2, 240
LEFT_TO_REPORTS = 200  # turns of the key's burst that are never taken for a look
TURN_WITHIN_SECONDS, TURN_AGAIN_SECONDS = 5.0, 0.25
SETTING = "RESPONDER_PAGERDUTY_TOKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """responder's own PagerDuty account. `turns`: of the key's rate, those that reports leave; None where nobody else
    uses the key."""

    token: str = field(default="", repr=False)
    url: str = PUBLIC_URL
    turns: Turns | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paged:
    """One incident. `number` 0, `service` and `status` empty where the answer does not say; `why`: how it is
    related."""

    id: str
    number: int = 0
    title: str = ""
    service: str = ""
    service_name: str = ""
    status: str = ""
    at: datetime
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeEvent:
    """`source`: what sent it; `services`: names or ids; `why`: how PagerDuty relates it to the incident, or empty."""

    id: str
    at: datetime
    summary: str
    source: str
    services: tuple[str, ...]
    link: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    """An earlier incident and how alike it is, by PagerDuty's own score."""

    paged: Paged
    score: float


class PagerDutyAround:
    """Every method raises CouldNotLook; times are by PagerDuty's clock."""

    def __init__(self, account: Account) -> None:
        if not account.token:
            raise NotConfigured(f"{SETTING} is not set")
        resolved = Resolved(
            name="pagerduty",
            address=taken_apart(account.url, "RESPONDER_PAGERDUTY_URL", frozenset({"http", "https"})),
            text=account.url,
            headers={"Authorization": f"Token token={account.token}", "Content-Type": "application/json"},
            ca=None,
            certificate=None,
            key=None,
            concurrency=CONCURRENCY,
            per_minute=PER_MINUTE,
            secrets=(account.token,),
        )
        budget = Budget(concurrency=CONCURRENCY, per_minute=PER_MINUTE)
        self._http = HttpDoor(resolved, budget, max_body_bytes=MAX_BODY_BYTES)
        self._turns = account.turns

    @property
    def shown(self) -> str:
        """Scheme, host and port."""
        return self._http.shown

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def incident(self, id: str) -> tuple[Paged, datetime]:  # noqa: A002 - PagerDuty's word
        """One incident, and the time now."""
        given, now = await self._asked(f"/incidents/{_part(id)}", {}, TypeAdapter(_OneIncident))
        return given.incident.read(), now

    async def changes_of(self, service: str, since: datetime, until: datetime) -> tuple[tuple[ChangeEvent, ...], bool]:
        """Change events of a service, the newest first, at most a hundred; whether there may be more."""
        params = {"since": _utc(since), "until": _utc(until), "limit": str(MOST)}
        given, _ = await self._asked(f"/services/{_part(service)}/change_events", params, TypeAdapter(_Changes))
        return _newest_first(it.read() for it in given.change_events), bool(given.more)

    async def changes_related_to(self, incident: str) -> tuple[ChangeEvent, ...]:
        """Those that PagerDuty itself relates to an incident, of other services too; whenever they were."""
        path = f"/incidents/{_part(incident)}/related_change_events"
        given, _ = await self._asked(path, {"limit": str(MOST)}, TypeAdapter(_Changes))
        return _newest_first(it.read() for it in given.change_events)

    async def open_at(self, service: str) -> tuple[tuple[Paged, ...], bool]:
        """Open incidents of a service, the newest first, at most a hundred; whether there are more."""
        params = MultiDict(
            [
                ("service_ids[]", service),
                ("statuses[]", "triggered"),
                ("statuses[]", "acknowledged"),
                ("date_range", "all"),
                ("sort_by", "created_at:desc"),
                ("limit", str(MOST)),
            ]
        )
        given, _ = await self._asked("/incidents", params, TypeAdapter(_Incidents))
        return tuple(it.read() for it in given.incidents), bool(given.more)

    async def related_to(self, incident: str) -> tuple[Paged, ...]:
        """At most twenty that PagerDuty relates to an incident, of other services too. Refused without its plan."""
        params = {"additional_details[]": "incident"}
        given, _ = await self._asked(f"/incidents/{_part(incident)}/related_incidents", params, TypeAdapter(_Related))
        return tuple(it.read() for it in given.related_incidents)

    async def past(self, incident: str, most: int) -> tuple[Similar, ...]:
        """Similar incidents of the same service in the last six months, the most alike first. Refused without its
        plan."""
        path = f"/incidents/{_part(incident)}/past_incidents"
        given, _ = await self._asked(path, {"limit": str(most)}, TypeAdapter(_Past))
        return tuple(Similar(paged=it.incident.read(), score=it.score) for it in given.past_incidents)

    async def _asked(self, path: str, params: Mapping[str, str], shape: TypeAdapter[T]) -> tuple[T, datetime]:
        await self._turn()
        told = await ask(self._http, path, params, ACCEPT)
        if told.at is None:
            raise Unreachable(f"{self.shown}{path}: the answer has no date, so what is recent is not known")
        try:
            return shape.validate_python(told.document), told.at
        except ValidationError:
            raise not_an_answer(self._http, path, "PagerDuty") from None

    async def _turn(self) -> None:
        """Wait for what reports leave of the rate; none is reserved ahead of one of theirs."""
        if self._turns is None:
            return
        until = asyncio.get_running_loop().time() + TURN_WITHIN_SECONDS
        try:
            while await self._turns.take(within=0.0) > 0:
                if asyncio.get_running_loop().time() >= until:
                    raise Throttled("PagerDuty: reports go first, and they left no turn to look", after_seconds=0)
                await asyncio.sleep(TURN_AGAIN_SECONDS)
        except StoreUnavailable as away:
            raise Throttled(f"PagerDuty: its rate cannot be shared now ({away})", after_seconds=0) from away


def _part(id: str) -> str:  # noqa: A002 - PagerDuty's word
    return quote(id, safe="")


def _newest_first(given: Iterable[ChangeEvent]) -> tuple[ChangeEvent, ...]:
    return tuple(sorted(given, key=lambda it: (it.at, it.id), reverse=True))


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _short(text: Any) -> Any:
    """One line that a report can show; null is nothing."""
    return " ".join(text.split())[:200] if isinstance(text, str) else "" if text is None else text


Text = Annotated[str, BeforeValidator(_short)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _Reference(_Wire):
    id: Text = ""
    summary: Text = ""


class _Incident(_Wire):
    id: Text
    incident_number: int | None = None
    title: Text = ""
    service: _Reference | None = None
    status: Text = ""
    created_at: AwareDatetime

    def read(self, why: Sequence[str] = ()) -> Paged:
        service = self.service or _Reference()
        return Paged(
            id=self.id,
            number=self.incident_number or 0,
            title=self.title,
            service=service.id,
            service_name=service.summary,
            status=self.status,
            at=self.created_at,
            why=tuple(why),
        )


class _OneIncident(_Wire):
    incident: _Incident


class _Incidents(_Wire):
    incidents: list[_Incident]
    more: bool | None = None


class _Relationship(_Wire):
    type: Text = ""


class _RelatedIncident(_Wire):
    incident: _Incident
    relationships: list[_Relationship] | None = None

    def read(self) -> Paged:
        return self.incident.read([it.type.replace("_", " ") for it in self.relationships or () if it.type])


class _Related(_Wire):
    related_incidents: list[_RelatedIncident]


class _PastIncident(_Wire):
    incident: _Incident
    score: float = 0.0


class _Past(_Wire):
    past_incidents: list[_PastIncident]


class _Link(_Wire):
    href: Text = ""


class _Reason(_Wire):
    reason: Text = ""


class _Change(_Wire):
    id: Text
    timestamp: AwareDatetime
    summary: Text = ""
    source: Text = ""
    services: list[_Reference] | None = None
    links: list[_Link] | None = None
    correlation_reason: _Reason | None = None

    def read(self) -> ChangeEvent:
        return ChangeEvent(
            id=self.id,
            at=self.timestamp,
            summary=self.summary,
            source=self.source,
            services=tuple(it.summary or it.id for it in self.services or ()),
            link=next((it.href for it in self.links or () if it.href.startswith(("https://", "http://"))), ""),
            why=self.correlation_reason.reason.replace("_", " ") if self.correlation_reason else "",
        )


class _Changes(_Wire):
    change_events: list[_Change]
    more: bool | None = None
