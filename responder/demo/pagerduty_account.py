"""What the stand-in PagerDuty remembers: services, users, incidents, their alerts and notes. No network, no clock.

Ids are counted, but look like PagerDuty's: the same calls in the same order give the same ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

BOT_EMAIL = "responder-bot@example.com"
PERSON_EMAIL = "alex.oncall@example.com"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Coprime with 36, so that multiplying only shuffles: ids differ visibly and never collide.
SHUFFLE = 1_442_695_040_888_963_407


@dataclass(slots=True, kw_only=True)
class User:
    """Somebody who may write."""

    id: str
    name: str
    email: str


@dataclass(slots=True, kw_only=True)
class Service:
    """What incidents belong to; `routing_key` is its Events v2 integration, "" for none of its own."""

    id: str
    name: str
    integration_id: str
    routing_key: str = ""


@dataclass(slots=True, kw_only=True)
class Note:
    """One note on an incident."""

    id: str
    user: User
    content: str
    created_at: datetime
    updated_at: datetime


@dataclass(slots=True, kw_only=True)
class PagedAlert:
    """One alert of an incident, as made by the first event with its key; later events are folded into it."""

    id: str
    key: str
    event: Mapping[str, Any]
    created_at: datetime
    is_open: bool = True
    events: int = 1


@dataclass(slots=True, kw_only=True)
class PagedIncident:
    """One incident. `key` is None where it was made from events, as live ones are."""

    id: str
    number: int
    title: str
    service: Service
    created_at: datetime
    changed_at: datetime
    key: str | None = None
    status: str = "triggered"
    acknowledged_by: User | None = None
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


class Account:
    """Everything in one PagerDuty account."""

    def __init__(self) -> None:
        self._counted = 0
        self.incidents: dict[str, PagedIncident] = {}
        self.bot = User(id="PRESP0B", name="responder (bot user)", email=BOT_EMAIL)
        self.person = User(id="PTUXL6G", name="Alex Oncall", email=PERSON_EMAIL)
        self.users = {user.email: user for user in (self.bot, self.person)}
        self.default_service = Service(id="PF9KMXH", name="payments", integration_id="PXMQRWJ")
        self.services = {self.default_service.id: self.default_service}

    def new_id(self, prefix: str, length: int) -> str:
        """An id that looks like PagerDuty's: `prefix` and then capitals and digits, `length` in all."""
        self._counted += 1
        places = length - len(prefix)
        number = self._counted * SHUFFLE % 36**places
        text = ""
        for _ in range(places):
            number, digit = divmod(number, 36)
            text = DIGITS[digit] + text
        return prefix + text

    def add_user(self, name: str, email: str) -> User:
        """Let one more person write."""
        self.users[email] = User(id=self.new_id("P", 7), name=name, email=email)
        return self.users[email]

    def add_service(self, name: str, routing_key: str) -> Service:
        """Make a service whose events come with this routing key; other keys lead to the default service."""
        service = Service(
            id=self.new_id("P", 7), name=name, integration_id=self.new_id("P", 7), routing_key=routing_key
        )
        self.services[service.id] = service
        return service

    def take_event(self, event: Mapping[str, Any], dedup_key: str, now: datetime) -> PagedIncident | None:
        """Do what one Events v2 event says; return the incident it concerns, None where there is none.

        A resolved incident never opens again: a trigger makes a new one.
        """
        service = self._service_of(event["routing_key"])
        incident = self._open_incident(service, dedup_key)
        match event["event_action"], incident:
            case "trigger", None:
                incident = self._open(service, event, dedup_key, now)
            case "trigger", PagedIncident():
                self._fold(incident, dedup_key)
            case "acknowledge", PagedIncident():
                self.acknowledge(incident, None, now)
            case "resolve", PagedIncident():
                self._resolve_alert(incident, dedup_key, now)
        return incident

    def acknowledge(self, incident: PagedIncident, user: User | None, now: datetime) -> None:
        """Take the incident on; a resolved one stays resolved. None: an integration did it."""
        if incident.status != "resolved":
            incident.status, incident.acknowledged_by, incident.changed_at = "acknowledged", user, now

    def resolve(self, incident: PagedIncident, now: datetime) -> None:
        """End the incident and every alert of it."""
        incident.status, incident.changed_at = "resolved", now
        for alert in incident.alerts:
            alert.is_open = False

    def add_note(self, incident: PagedIncident, user: User, content: str, now: datetime) -> Note:
        """Put a note on the incident."""
        note = Note(id=self.new_id("P", 7), user=user, content=content, created_at=now, updated_at=now)
        incident.notes.append(note)
        return note

    def _service_of(self, routing_key: str) -> Service:
        found = (service for service in self.services.values() if service.routing_key == routing_key)
        return next(found, self.default_service)

    def _open_incident(self, service: Service, dedup_key: str) -> PagedIncident | None:
        for incident in self.incidents.values():
            if incident.service is service and incident.status != "resolved" and incident.open_alert(dedup_key):
                return incident
        return None

    def _open(self, service: Service, event: Mapping[str, Any], dedup_key: str, now: datetime) -> PagedIncident:
        incident = PagedIncident(
            id=self.new_id("Q", 14),
            number=4711 + len(self.incidents),
            title=event["payload"]["summary"],
            service=service,
            created_at=now,
            changed_at=now,
        )
        incident.alerts.append(PagedAlert(id=self.new_id("P", 7), key=dedup_key, event=event, created_at=now))
        self.incidents[incident.id] = incident
        return incident

    def _fold(self, incident: PagedIncident, dedup_key: str) -> None:
        alert = incident.open_alert(dedup_key)
        assert alert is not None
        alert.events += 1

    def _resolve_alert(self, incident: PagedIncident, dedup_key: str, now: datetime) -> None:
        alert = incident.open_alert(dedup_key)
        assert alert is not None
        alert.is_open = False
        if not any(it.is_open for it in incident.alerts):
            incident.status, incident.changed_at = "resolved", now
