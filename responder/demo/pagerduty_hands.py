"""A person's hands in the stand-in PagerDuty: what people click, as methods and as orders from another process."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from responder.demo.pagerduty_account import Account
from responder.demo.pagerduty_records import EscalationPolicy, Note, PagedIncident, Service, User

# What may be asked for as `{"do": name, …}`, with the method's own names for the rest.
ORDERS = (
    "acknowledge",
    "add_change",
    "add_note",
    "add_service",
    "add_user",
    "create_incident",
    "delegate",
    "escalate",
    "group",
    "merge",
    "publish_status_update",
    "reassign",
    "reopen",
    "resolve",
    "set_priority",
    "unacknowledge",
)
URGENCIES = ("high", "low")


class Hands:
    """Does to one account what people do. Incidents are named by their ids, services by id or name, users by e-mail.

    `by`: who does it, the person on call unless somebody is named. Raises KeyError for what is unknown, and
    ValueError for what makes no sense. What cannot be done to an incident in its state changes nothing.
    """

    def __init__(self, account: Account, clock: Callable[[], datetime]) -> None:
        self.account = account
        self._clock = clock

    def create_incident(
        self, title: str, *, service: Service | str = "", urgency: str = "high", by: User | str = ""
    ) -> str:
        """Open an incident without any alert, at the default service unless one is named; return its id."""
        if urgency not in URGENCIES:
            raise ValueError(f"urgency: expected {' or '.join(URGENCIES)}, got {urgency!r}")
        return self.account.create(title, self._service(service), urgency, self._user(by), self._clock()).id

    def acknowledge(self, incident: str, *, by: User | str = "") -> None:
        """Take the incident on."""
        self.account.acknowledge(self._incident(incident), self._user(by), self._clock())

    def unacknowledge(self, incident: str) -> None:
        """Let the time that an acknowledgement lasts run out."""
        self.account.unacknowledge(self._incident(incident), self._clock())

    def resolve(self, incident: str, *, note: str = "", by: User | str = "") -> None:
        """End the incident; `note` is put on it as a resolution note."""
        ended, user = self._incident(incident), self._user(by)
        self.account.resolve(ended, user, self._clock())
        if note:
            self.account.add_note(ended, user, f"Resolution Note: {note}", self._clock())

    def reopen(self, incident: str, *, by: User | str = "") -> None:
        """Take a resolution back."""
        self.account.reopen(self._incident(incident), self._user(by), self._clock())

    def set_priority(self, incident: str, priority: str | None, *, by: User | str = "") -> None:
        """Say how grave it is, P1 to P5; None takes that back."""
        wanted = None if priority is None else self.account.priorities[priority]
        self.account.set_priority(self._incident(incident), wanted, self._user(by), self._clock())

    def merge(self, source: str, into: str, *, by: User | str = "") -> None:
        """Move the alerts of `source` to another open incident, which resolves `source`."""
        self.account.merge(self._incident(source), self._incident(into), self._user(by), self._clock())

    def reassign(self, incident: str, to: User | str, *, by: User | str = "") -> None:
        """Hand it to somebody else."""
        self.account.reassign(self._incident(incident), self._user(to), self._user(by), self._clock())

    def escalate(self, incident: str, to: User | str) -> None:
        """Let the time to answer run out, so that the next one is paged."""
        self.account.escalate(self._incident(incident), self._user(to), self._clock())

    def delegate(self, incident: str, policy: str, to: User | str, *, by: User | str = "") -> None:
        """Hand it to another escalation policy, where `to` is on call."""
        there = EscalationPolicy(id=self.account.new_id("P", 7), name=policy)
        self.account.delegate(self._incident(incident), there, self._user(to), self._user(by), self._clock())

    def add_note(self, incident: str, content: str, *, by: User | str | None = None) -> Note:
        """Write a note."""
        return self.account.add_note(self._incident(incident), self._user(by), content, self._clock())

    def publish_status_update(self, incident: str, message: str, *, by: User | str = "") -> None:
        """Tell the stakeholders."""
        self.account.publish_status_update(self._incident(incident), message, self._user(by), self._clock())

    def group(self, *, on: bool = True, service: Service | str = "") -> None:
        """From now on, let new alerts of a service join its newest open incident; of every service if none is named.

        An incident that was made by hand is joined by nothing.
        """
        for each in [self._service(service)] if service else self.account.services.values():
            each.groups_alerts = on

    def add_change(
        self,
        summary: str,
        *,
        service: Service | str = "",
        source: str = "ci",
        link: str = "",
        reason: str = "",
        minutes_ago: float = 0,
    ) -> str:
        """Tell of a change at a service; `reason`: why it is related to other services' incidents, empty for none."""
        at = self._clock() - timedelta(minutes=minutes_ago)
        return self.account.add_change(summary, self._service(service), source, at, link=link, reason=reason).id

    def add_service(self, name: str, routing_key: str) -> Service:
        """Make one more service, for the events with this routing key."""
        return self.account.add_service(name, routing_key)

    def add_user(self, name: str, email: str) -> User:
        """Let one more person write."""
        return self.account.add_user(name, email)

    def obey(self, said: Any) -> dict[str, str]:
        """Do what an order says; return the id of what it made, as `{"id": …}`. Raises ValueError if it cannot be."""
        match said:
            case {"do": str() as name, **given} if name in ORDERS:
                return self._obey(name, {str(key): value for key, value in given.items()})
        raise ValueError(f"expected do: {', '.join(ORDERS)}, and what it needs; got {said}")

    def _obey(self, name: str, given: Mapping[str, Any]) -> dict[str, str]:
        method = getattr(self, name)
        try:
            inspect.signature(method).bind(**given)
        except TypeError as reason:
            raise ValueError(f"{name}: {reason}") from reason
        if wrong := [key for key, value in given.items() if not _fits(key, value)]:
            expected = "texts, a number of minutes, and true or false for `on`"
            raise ValueError(f"{name}: expected {expected}; got another {', '.join(wrong)}")
        try:
            made = method(**given)
        except KeyError as unknown:
            raise ValueError(f"{name}: unknown {unknown}") from unknown
        match made:
            case str():
                return {"id": made}
            case Note() | Service() | User():
                return {"id": made.id}
        return {}

    def _incident(self, id_: str) -> PagedIncident:
        return self.account.incidents[id_]

    def _service(self, named: Service | str) -> Service:
        if isinstance(named, Service):
            return named
        if not named:
            return self.account.default_service
        by_name = {service.name: service for service in self.account.services.values()}
        return by_name[named] if named in by_name else self.account.services[named]

    def _user(self, named: User | str | None) -> User:
        if isinstance(named, User):
            return named
        return self.account.users[named] if named else self.account.person


def _fits(name: str, value: Any) -> bool:
    if name == "on":
        return isinstance(value, bool)
    if name == "minutes_ago":
        return isinstance(value, int | float)
    return isinstance(value, str) or (name == "priority" and value is None)
