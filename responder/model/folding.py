"""What is held of the groups that a batch of webhooks speaks of, and what is to be written once it is decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from responder.model.alert import Alert, AlertStatus, Webhook
from responder.model.incident import PAGE
from responder.model.paged import PagedStatus

GroupKey = tuple[str, str, bytes]  # kind, source, key of a link
ALSO_AT_PAGERDUTY = ("alertmanager", "grafana", PAGE)  # kinds whose group key is, hashed, PagerDuty's alert key
RESERVED = "dedup"  # the kind of a link to a group that only PagerDuty has told us of


class Told(StrEnum):
    """What became of one alert of a webhook; also the words of the answer's counts."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicates"
    STALE = "stale"
    IGNORED = "ignored"


@dataclass(slots=True, kw_only=True)  # not frozen, as an `Alert` is not
class Held:
    """The state of one alert that is kept; never changed."""

    status: AlertStatus
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldGroup:
    """What the store holds of one group. `incident` None: only resolves were ever heard of it.

    `settled`: somebody resolved the incident at PagerDuty, whatever its alerts say.
    `reserved`: PagerDuty told us of the group before its own sender did: the link that keeps its place.
    `status`, `told_at`: of a PagerDuty incident. `has_priority`: a person gave one, or took it away.
    """

    link: int | None
    incident: int | None
    open_now: bool
    resolved_at: datetime | None
    alerts: Mapping[str, Held]
    settled: bool = False
    reserved: int | None = None
    status: PagedStatus | None = None
    told_at: datetime | None = None
    has_priority: bool = False


@dataclass(slots=True, kw_only=True)
class Heard:
    """What PagerDuty's events of one batch change beside the alerts. `read_again`: ask PagerDuty about its links."""

    status: PagedStatus
    told_at: datetime
    acknowledged_by: str | None = None
    unacknowledged: bool = False
    settled_by: str = ""
    priority: tuple[str, str] | None = None
    read_again: bool = False


@dataclass(slots=True, kw_only=True)
class GroupPlan:
    """One group, as the batch leaves it. Grows while the batch is decided, alert by alert.

    `opens`: a new incident is wanted; `continues` names the former one. `changed`: alerts with news, by fingerprint;
    `refreshed`: alerts that were told again as they are; `ended`: alerts that a cut list ended without naming them.
    `lines`: for the timeline. `cut_notes`: notes at PagerDuty whose text came trimmed: id → the line as it came.
    `heard`: news of a PagerDuty incident, None when there was none. `is_linked_anew`: its link is not written yet.
    """

    key: GroupKey
    title: str
    url: str
    link: int | None
    incident: int | None
    open_now: bool
    resolved_at: datetime | None
    states: dict[str, Held]
    settled: bool = False
    reserved: int | None = None
    status: PagedStatus | None = None
    told_at: datetime | None = None
    has_priority: bool = False
    opens: bool = False
    reopens: bool = False
    continues: int | None = None
    changed: dict[str, Alert] = field(default_factory=dict)
    refreshed: dict[str, Alert] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    cut_notes: dict[str, str] = field(default_factory=dict)
    heard: Heard | None = None
    is_linked_anew: bool = False

    @property
    def is_news(self) -> bool:
        """Whether the incident has to be looked at again."""
        return bool(self.changed or self.ended or self.heard)

    def start(self, now: datetime, reopen_within: timedelta) -> None:
        """Something fires that did not: join the open incident, reopen the one just settled, or open a new one."""
        if self.open_now:
            return
        self.open_now, self.settled = True, False
        if self.incident is not None and self.resolved_at is not None and now - self.resolved_at <= reopen_within:
            self.reopens = True
        else:
            self.continues, self.incident, self.opens = self.incident, None, True


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPlan:
    """One webhook and what became of its alerts, in its order; `group` None when nothing in it was understood.

    `again`: a copy of a webhook that was accepted before.
    """

    webhook: Webhook
    group: GroupPlan | None
    told: tuple[Told, ...]
    again: bool = False


Fold = Callable[[Sequence[Webhook], Mapping[GroupKey, HeldGroup], frozenset[int], datetime], list[WebhookPlan]]
"""Webhooks, what is held of their groups, the places of those that are copies, the moment → one plan a webhook."""
