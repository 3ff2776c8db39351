"""What senders answer when they are asked: the alerts that Alertmanager has, the subscriptions that PagerDuty has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

TRIGGERED = "incident.triggered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One Alertmanager's answer. `fingerprints`: of every alert that fires, silenced and inhibited ones among them.

    `up_for`: by its own clock. `in_step`: it has heard what the peers of its cluster know, or has none.
    """

    fingerprints: frozenset[str]
    up_for: timedelta
    in_step: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose incidents a subscription is about: `account` (no id), `service` or `team`."""

    kind: str
    id: str = ""

    @property
    def name(self) -> str:
        """`account`, `service/PF9KMXH`."""
        return f"{self.kind}/{self.id}" if self.id else self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One webhook subscription of PagerDuty's. `active`: it sends; not switched off, and not disabled for a day."""

    id: str
    url: str
    active: bool
    scope: Scope
    events: tuple[str, ...] = ()

    @property
    def tells_of_new(self) -> bool:
        """Whether new incidents are to be told at all."""
        return TRIGGERED in self.events


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The last time that somebody was asked. `why`: it could not be used; empty when it could.

    `whom`: `alertmanager/<source>`, `pagerduty`, `pagerduty/subscriptions`, `heartbeat` or `work`. `found`: JSON.
    """

    whom: str
    at: datetime
    answered_at: datetime | None
    why: str
    found: Mapping[str, Any] = field(default_factory=dict)
