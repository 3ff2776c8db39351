"""What the stand-in PagerDuty keeps: users, services, incidents with their alerts and notes, and their changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True, kw_only=True)
class User:
    """Somebody who may write."""

    id: str
    name: str
    email: str


@dataclass(slots=True, kw_only=True)
class EscalationPolicy:
    """Who is asked in which order; here only its name."""

    id: str
    name: str


@dataclass(slots=True, kw_only=True)
class Priority:
    """One priority of the account, such as P1."""

    id: str
    name: str


@dataclass(slots=True, kw_only=True)
class Service:
    """What incidents belong to; `routing_key` is its Events v2 integration, "" for none of its own.

    `groups_alerts`: whether a new alert joins the newest open incident that was made from events.
    """

    id: str
    name: str
    integration_id: str
    routing_key: str = ""
    groups_alerts: bool = False


@dataclass(slots=True, kw_only=True)
class Note:
    """One note on an incident."""

    id: str
    user: User
    content: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUpdate:
    """What stakeholders were told."""

    id: str
    message: str


@dataclass(slots=True, kw_only=True)
class PagedAlert:
    """One alert of an incident, as made by the first event with its key; later events are folded into it.

    `service`: where its events come in; None for that of its incident. A merge can part the two.
    """

    id: str
    key: str
    event: Mapping[str, Any]
    created_at: datetime
    service: Service | None = None
    is_open: bool = True
    events: int = 1


@dataclass(slots=True, kw_only=True)
class PagedIncident:
    """One incident. `key` is None where it was made from events, as live ones are.

    `changed_at`: any change, `status_changed_at`: a change of `status`. `merged_into`: where its alerts went to.
    """

    id: str
    number: int
    title: str
    service: Service
    policy: EscalationPolicy
    assignees: list[User]
    created_at: datetime
    changed_at: datetime
    status_changed_at: datetime
    key: str | None = None
    status: str = "triggered"
    urgency: str = "high"
    priority: Priority | None = None
    acknowledged_by: User | None = None
    merged_into: PagedIncident | None = None
    alerts: list[PagedAlert] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def has_key(self, key: str) -> bool:
        """Whether it, or one of its alerts, has this key."""
        return self.key == key or any(alert.key == key for alert in self.alerts)

    def open_alert(self, key: str) -> PagedAlert | None:
        """The alert with this key that events are folded into."""
        return next((it for it in self.alerts if it.is_open and it.key == key), None)

    def note(self, note_id: str) -> Note | None:
        """The note with this id."""
        return next((it for it in self.notes if it.id == note_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeEvent:
    """What was changed at a service, as its tools told PagerDuty. `reason`: why it is related to other services'
    incidents too, such as `related_service`; empty for none."""

    id: str
    at: datetime
    summary: str
    source: str
    service: Service
    link: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that has just happened to an incident, in the words of the v3 webhooks.

    `agent`: who did it; a service stands for its integration, None for PagerDuty itself.
    `client`: through what, as `{"name": …, "url": …}`. `said`: the note or update, where that is what happened.
    """

    event_type: str
    incident: PagedIncident
    at: datetime
    agent: User | Service | None = None
    client: Mapping[str, str] | None = None
    said: Note | StatusUpdate | None = None
