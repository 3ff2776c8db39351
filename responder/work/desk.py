"""Everything that work needs, in one hand; wired once in `wiring.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from responder.clients.alertmanager import AlertmanagerDoor
from responder.clients.doors import Doors
from responder.clients.pagerduty import PagerDutyApi
from responder.delivery.sink import Sink
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.share import Shared
from responder.errors import StoreUnavailable
from responder.model.alert import Accepted, Webhook
from responder.model.catalogue import Catalogue
from responder.model.intake import Intake
from responder.model.pack import Pack
from responder.redaction.redact import Redactor
from responder.rules.in_force import RulesInForce
from responder.store.store import Store
from responder.telemetry import Metrics


async def _no_door(_: Webhook) -> Accepted:
    raise StoreUnavailable("store: nothing is accepted yet")


@dataclass(slots=True, kw_only=True)
class Desk:
    """`rules`: those in force now; an incident keeps the set it started with. `clock`: for what people are shown;
    leases and timers run by the database's. `accept`: the door for webhooks, by which also comes in what was found by
    asking; `arrange`: what such a webhook becomes first, as one that was posted does. `alertmanagers`: the peers of
    each source. `hears_pagerduty`: its webhooks can be checked, so that they are meant to come."""

    name: str
    store: Store
    doors: Doors
    catalogue: Catalogue
    diagnostics: Mapping[str, Diagnostic]
    sinks: Mapping[str, Sink]
    pagerduty: PagerDutyApi | None
    metrics: Metrics
    clock: Callable[[], datetime]
    redactor: Redactor
    rules: RulesInForce
    page_url: str = ""
    first_report_within_seconds: float = 15.0
    diagnostic_timeout_seconds: float = 10.0
    reopen_within: timedelta = timedelta(minutes=10)
    deliver: bool = True
    retain: Mapping[str, timedelta] = field(default_factory=dict)
    former_packs: dict[bytes, Pack] = field(default_factory=dict)
    accept: Callable[[Webhook], Awaitable[Accepted]] = _no_door
    arrange: Callable[[Webhook], Sequence[Webhook]] = lambda webhook: (webhook,)
    alertmanagers: Mapping[str, Sequence[AlertmanagerDoor]] = field(default_factory=dict)
    hears_pagerduty: bool = False
    heartbeat_url: str = ""
    shared: Shared = field(default_factory=Shared)

    @property
    def packs(self) -> tuple[Pack, ...]:
        """Those in force, in the order in which they are asked."""
        return self.rules.packs

    @property
    def intake(self) -> Intake:
        """From any sender to labels, by the rules in force."""
        return self.rules.intake

    @property
    def told(self) -> Mapping[str, str | None]:
        """The sinks that reports go to, with the kind of foreign incident that each needs; none in shadow."""
        return {name: sink.foreign_kind for name, sink in self.sinks.items()} if self.deliver else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """When a piece of work is due again, None when it is over, and what it waits for. `unreachable`: whom it needs
    could not be reached from here; from another replica, perhaps. `rests`: for so many seconds nothing else of its kind
    would get on from here either."""

    in_seconds: float | None = None
    waits_for: str = ""
    payload: Mapping[str, object] = field(default_factory=dict)
    unreachable: bool = False
    rests: float = 0.0


OVER = Next()
