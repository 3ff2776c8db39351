"""What happens to incidents in the stand-in PagerDuty, and what it tells of that. No network, no clock.

Ids are counted, but look like PagerDuty's: the same calls in the same order give the same ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from responder.demo.pagerduty_records import (
    Change,
    ChangeEvent,
    EscalationPolicy,
    Note,
    PagedAlert,
    PagedIncident,
    Priority,
    Service,
    StatusUpdate,
    User,
)

BOT_EMAIL = "responder-bot@example.com"
PERSON_EMAIL = "alex.oncall@example.com"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Coprime with 36, so that multiplying only shuffles: ids differ visibly and never collide.
SHUFFLE = 1_442_695_040_888_963_407
BY_HAND = {"name": "PagerDuty"}
PRIORITIES = {"P1": "PSO75BM", "P2": "PSO75BN", "P3": "PSO75BP", "P4": "PSO75BQ", "P5": "PSO75BR"}


class Account:
    """Everything in one PagerDuty account. `changed` is told of each change, while the incident is as it made it.

    What cannot be done to an incident in its state changes nothing and is not told of.
    """

    def __init__(self, changed: Callable[[Change], None] = lambda _: None) -> None:
        self._changed = changed
        self._counted = 0
        self.incidents: dict[str, PagedIncident] = {}
        self.change_events: list[ChangeEvent] = []
        self.bot = User(id="PRESP0B", name="responder (bot user)", email=BOT_EMAIL)
        self.person = User(id="PTUXL6G", name="Alex Oncall", email=PERSON_EMAIL)
        self.users = {user.email: user for user in (self.bot, self.person)}
        self.default_service = Service(id="PF9KMXH", name="payments", integration_id="PXMQRWJ")
        self.services = {self.default_service.id: self.default_service}
        self.policy = EscalationPolicy(id="PUS0KTE", name="Payments on-call")
        self.priorities = {name: Priority(id=id_, name=name) for name, id_ in PRIORITIES.items()}

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

    def add_change(
        self, summary: str, service: Service, source: str, now: datetime, *, link: str = "", reason: str = ""
    ) -> ChangeEvent:
        """Let one of a service's tools tell of a change."""
        made = ChangeEvent(
            id=self.new_id("01", 26), at=now, summary=summary, source=source, service=service, link=link, reason=reason
        )
        self.change_events.append(made)
        return made

    # Events ---------------------------------------------------------------------------------------------------------

    def take_event(self, event: Mapping[str, Any], dedup_key: str, now: datetime) -> PagedIncident | None:
        """Do what one Events v2 event says; return the incident it concerns, None where there is none.

        A resolved incident never opens again: a trigger makes a new one.
        """
        service = self._service_of(event["routing_key"])
        match event["event_action"], self._open_alert(service, dedup_key):
            case "trigger", None:
                return self._alert(service, event, dedup_key, now)
            case "trigger", (incident, alert):
                alert.events += 1
            case "acknowledge", (incident, _):
                self.acknowledge(incident, service, now, _client_of(event))
            case "resolve", (incident, alert):
                alert.is_open = False
                if not any(it.is_open for it in incident.alerts):
                    self.resolve(incident, service, now, _client_of(event))
            case _:
                return None
        return incident

    def _service_of(self, routing_key: str) -> Service:
        found = (service for service in self.services.values() if service.routing_key == routing_key)
        return next(found, self.default_service)

    def _open_alert(self, service: Service, dedup_key: str) -> tuple[PagedIncident, PagedAlert] | None:
        """A key means one alert per service, in whichever incident it has come to be."""
        for incident in self.incidents.values():
            for alert in incident.alerts:
                if alert.is_open and alert.key == dedup_key and (alert.service or incident.service) is service:
                    return incident, alert
        return None

    def _alert(self, service: Service, event: Mapping[str, Any], dedup_key: str, now: datetime) -> PagedIncident:
        joined = self._group_of(service)
        incident = joined or self._open(event["payload"]["summary"], service, now)
        alert = PagedAlert(id=self.new_id("P", 7), key=dedup_key, event=event, created_at=now, service=service)
        incident.alerts.append(alert)
        incident.changed_at = now
        if joined is None:  # the real one has no webhook for an alert that joins
            self._tell("triggered", incident, now, service, _client_of(event))
        return incident

    def _group_of(self, service: Service) -> PagedIncident | None:
        if not service.groups_alerts:
            return None
        made_here = (it for it in reversed(self.incidents.values()) if it.service is service and it.key is None)
        return next((it for it in made_here if it.status != "resolved"), None)

    # What can be done to incidents ----------------------------------------------------------------------------------

    def create(self, title: str, service: Service, urgency: str, by: User, now: datetime) -> PagedIncident:
        """Make an incident by hand: it has a key of its own and no alert."""
        incident = self._open(title, service, now)
        incident.key = hashlib.sha256(incident.id.encode()).hexdigest()[:32]
        incident.urgency = urgency
        self._tell("triggered", incident, now, by, BY_HAND)
        return incident

    def acknowledge(
        self, incident: PagedIncident, by: User | Service, now: datetime, client: Mapping[str, str] | None = None
    ) -> None:
        """Take the incident on; who does becomes its assignee. A resolved one stays resolved."""
        user = by if isinstance(by, User) else None
        is_taken_over = incident.status == "acknowledged" and user not in (None, incident.acknowledged_by)
        if incident.status != "triggered" and not is_taken_over:
            return
        incident.acknowledged_by = user
        incident.assignees = [user] if user else incident.assignees
        _turn(incident, "acknowledged", now)
        self._tell("acknowledged", incident, now, by, BY_HAND if user else client)

    def unacknowledge(self, incident: PagedIncident, now: datetime) -> None:
        """The time that an acknowledgement lasts is over: PagerDuty pages again."""
        if incident.status == "acknowledged":
            _turn(incident, "triggered", now)
            self._tell("unacknowledged", incident, now)

    def resolve(
        self, incident: PagedIncident, by: User | Service, now: datetime, client: Mapping[str, str] | None = None
    ) -> None:
        """End the incident and every alert of it."""
        if incident.status == "resolved":
            return
        for alert in incident.alerts:
            alert.is_open = False
        _turn(incident, "resolved", now)
        self._tell("resolved", incident, now, by, client)

    def reopen(self, incident: PagedIncident, by: User, now: datetime) -> None:
        """Take a resolution back; its alerts stay resolved."""
        if incident.status == "resolved":
            incident.merged_into = None
            _turn(incident, "triggered", now)
            self._tell("reopened", incident, now, by)

    def set_priority(self, incident: PagedIncident, priority: Priority | None, by: User, now: datetime) -> None:
        """Say how grave it is; None takes that back."""
        if incident.priority != priority:
            incident.priority, incident.changed_at = priority, now
            self._tell("priority_updated", incident, now, by)

    def merge(self, source: PagedIncident, into: PagedIncident, by: User, now: datetime) -> None:
        """Move every alert of `source` and resolve it. Raises ValueError where one is resolved or both are one."""
        if source is into or "resolved" in (source.status, into.status):
            raise ValueError(f"merge {source.id} into {into.id}: expected two open incidents")
        for alert in source.alerts:
            alert.service = alert.service or source.service
        into.alerts += source.alerts
        source.alerts = []
        source.merged_into, into.changed_at = into, now
        self.resolve(source, by, now)

    def reassign(self, incident: PagedIncident, to: User, by: User, now: datetime) -> None:
        """Hand it to somebody."""
        if self._hand_over(incident, to, now):
            self._tell("reassigned", incident, now, by)

    def escalate(self, incident: PagedIncident, to: User, now: datetime) -> None:
        """Nobody has answered in time: page the next one."""
        if self._hand_over(incident, to, now):
            self._tell("escalated", incident, now)

    def delegate(self, incident: PagedIncident, policy: EscalationPolicy, to: User, by: User, now: datetime) -> None:
        """Hand it to another escalation policy, and to who is on call there."""
        if self._hand_over(incident, to, now):
            incident.policy = policy
            self._tell("delegated", incident, now, by)

    def add_note(self, incident: PagedIncident, user: User, content: str, now: datetime) -> Note:
        """Put a note on the incident. Editing and deleting one is told to nobody."""
        note = Note(id=self.new_id("P", 7), user=user, content=content, created_at=now, updated_at=now)
        incident.notes.append(note)
        self._tell("annotated", incident, now, user, said=note)
        return note

    def publish_status_update(self, incident: PagedIncident, message: str, by: User, now: datetime) -> None:
        """Tell the stakeholders."""
        update = StatusUpdate(id=self.new_id("P", 7), message=message)
        self._tell("status_update_published", incident, now, by, said=update)

    def _open(self, title: str, service: Service, now: datetime) -> PagedIncident:
        incident = PagedIncident(
            id=self.new_id("Q", 14),
            number=4711 + len(self.incidents),
            title=title,
            service=service,
            policy=self.policy,
            assignees=[self.person],
            created_at=now,
            changed_at=now,
            status_changed_at=now,
        )
        self.incidents[incident.id] = incident
        return incident

    def _hand_over(self, incident: PagedIncident, to: User, now: datetime) -> bool:
        """Whoever gets it is paged, so an acknowledgement ends. False: it is resolved, and nobody gets it."""
        if incident.status == "resolved":
            return False
        incident.assignees = [to]
        if incident.status == "acknowledged":
            _turn(incident, "triggered", now)
        incident.changed_at = now
        return True

    def _tell(
        self,
        what: str,
        incident: PagedIncident,
        now: datetime,
        agent: User | Service | None = None,
        client: Mapping[str, str] | None = None,
        said: Note | StatusUpdate | None = None,
    ) -> None:
        change = Change(event_type=f"incident.{what}", incident=incident, at=now, agent=agent, client=client, said=said)
        self._changed(change)


def _turn(incident: PagedIncident, status: str, now: datetime) -> None:
    incident.status, incident.changed_at, incident.status_changed_at = status, now, now
    if status != "acknowledged":
        incident.acknowledged_by = None


def _client_of(event: Mapping[str, Any]) -> Mapping[str, str] | None:
    """What the event says of its sender, None where it says nothing."""
    said = {"name": event.get("client"), "url": event.get("client_url")}
    return {name: text for name, text in said.items() if isinstance(text, str) and text} or None
