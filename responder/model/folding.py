"""What is held of the groups that a batch of webhooks speaks of, and what is to be written once it is decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from responder.model.alert import Alert, AlertStatus, Webhook

GroupKey = tuple[str, str, bytes]  # kind, source, key of a link


class Told(StrEnum):
    """What became of one alert of a webhook; also the words of the answer's counts."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicates"
    STALE = "stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The state of one alert that is kept."""

    status: AlertStatus
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldGroup:
    """What the store holds of one group. `incident` None: only resolves were ever heard of it."""

    link: int
    incident: int | None
    open_now: bool
    resolved_at: datetime | None
    alerts: Mapping[str, Held]


@dataclass(slots=True, kw_only=True)
class GroupPlan:
    """One group, as the batch leaves it. Grows while the batch is decided, alert by alert.

    `opens`: a new incident is wanted; `continues` names the former one. `changed`: alerts with news, by fingerprint;
    `refreshed`: alerts that were told again as they are; `ended`: alerts that a cut list ended without naming them.
    """

    key: GroupKey
    title: str
    url: str
    link: int | None
    incident: int | None
    open_now: bool
    resolved_at: datetime | None
    states: dict[str, Held]
    opens: bool = False
    reopens: bool = False
    continues: int | None = None
    changed: dict[str, Alert] = field(default_factory=dict)
    refreshed: dict[str, Alert] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPlan:
    """One webhook and what became of its alerts, in its order; `group` None when nothing in it was understood."""

    webhook: Webhook
    group: GroupPlan | None
    told: tuple[Told, ...]


Fold = Callable[[Sequence[Webhook], Mapping[GroupKey, HeldGroup], datetime], list[WebhookPlan]]
