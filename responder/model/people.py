"""What rule files promise people: who is told when, what a level asks of them, when an office is open, which texts
they get. `rules/people.py` reads it; nothing here knows what time it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """A span of time; with `calendar`, only that calendar's hours count."""

    seconds: float
    calendar: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Who is told at `after_seconds` (0: at once) of the level, unless it is resolved before. `contacts`: names."""

    after_seconds: float
    contacts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """How often people inside, and customers, are owed news; None where nothing was promised."""

    internal_seconds: float | None = None
    customer_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """What is owed after the resolution, in the order written."""

    name: str
    within: Within


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelPromises:
    """What one level of the severity scheme asks of people. `roles`: a role → names of contacts."""

    acknowledge: Within | None = None
    respond: Within | None = None
    notify: tuple[Notify, ...] = ()
    update: Update = field(default_factory=Update)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    channel: bool = False
    deadlines: tuple[Deadline, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationStep:
    """At `after_seconds` of the level, `to` (names of contacts) is told, unless somebody took it on or it is over."""

    after_seconds: float
    to: tuple[str, ...]
    unless: Literal["acknowledged", "resolved"] = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutyContact:
    """Whom PagerDuty tells: ids there, at least one of them. `page`: a responder request is asked for."""

    escalation_policy: str = ""
    schedule: str = ""
    user: str = ""
    page: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One person or place that can be told, by every way it has; a group has `members` (names) and no way of its own.

    `slack`: `@name`, `#channel` or an id."""

    name: str
    slack: str = ""
    email: tuple[str, ...] = ()
    pagerduty: PagerDutyContact | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Hours that count. `days`: 0 is Monday; `hours`: (from, to) in minutes of the local day, `to` up to 1440;
    `closed`: days without any."""

    name: str
    zone: str
    days: frozenset[int] = frozenset(range(7))
    hours: tuple[tuple[int, int], ...] = ((0, 1440),)
    closed: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackChannels:
    """Where incidents are told; `incident_channel`: a template of the name of an incident's own channel."""

    incidents: str = ""
    private: str = ""
    incident_channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Places for all incidents of a pack; None where there are none of the kind."""

    slack: SlackChannels | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """An objective in percent over a window, held by a signal."""

    name: str
    objective: float
    window_seconds: float
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Everything a pack says of people. `escalation`: a level → its steps in the order of time; `templates`: a name
    of `TEMPLATES` → its text, only those that the pack writes itself."""

    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    escalation: Mapping[str, tuple[EscalationStep, ...]] = field(default_factory=dict)
    channels: Channels = field(default_factory=Channels)
    slos: Mapping[str, Slo] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)

    def members_of(self, names: Iterable[str]) -> tuple[str, ...]:
        """These contacts with groups, and groups of groups, resolved to their members; each once, as first named."""
        found: dict[str, None] = {}
        waiting = list(names)
        seen: set[str] = set()
        while waiting:
            name = waiting.pop(0)
            if name in seen:
                continue
            seen.add(name)
            contact = self.contacts.get(name)
            if contact is not None and contact.members:
                waiting[:0] = contact.members
            else:
                found[name] = None
        return tuple(found)


TEMPLATES = ("declared", "update", "resolved", "customer", "status_page", "postmortem")
# What a text may speak of; a promise of the language.
VARIABLES = (
    "id", "slug", "title", "summary", "severity", "previous_severity", "why", "status", "opened", "acknowledged",
    "resolved", "now", "duration", "next_update", "labels", "annotations", "rules", "readings", "findings", "changes",
    "suggestions", "timeline", "notified", "link", "runbook", "roles",
)  # fmt: skip
FILTERS = ("date", "duration", "default", "round")
