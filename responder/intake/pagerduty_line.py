"""What the timeline says of one PagerDuty event, in our own voice: `acknowledged by Alex Oncall`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from responder.intake.cutting import cut_text
from responder.intake.raw_json import mapping_at, text_at, web_address
from responder.intake.source import Limits
from responder.redaction.redact import Redactor

MERGED = "merge_resolve_reason"
NAME_CHARS = 100
QUOTE_CHARS = 300
_MOST_NAMES = 5
_USERS = ("user_reference", "user")


def line_of(event: Mapping[str, Any], redactor: Redactor, limits: Limits) -> str:
    """The line of an event of a v3 webhook; empty for what is not worth one, every unknown type among it."""
    tell = _LINES.get(text_at(event, "event_type"))
    if tell is None:
        return ""
    # Once more as a whole: parts that are harmless alone may name a secret together.
    return redactor.text(tell(_Said(event, redactor, limits)))


def is_by_person(event: Mapping[str, Any]) -> bool:
    """Whether a user did it, rather than an integration or nobody."""
    return text_at(event, "agent", "type") in _USERS


@dataclass(frozen=True, slots=True)
class _Said:
    """The texts of one event: redacted, on one line, cut."""

    event: Mapping[str, Any]
    redactor: Redactor
    limits: Limits

    @property
    def by(self) -> str:
        """` by Alex Oncall`, ` through <integration>`, or nothing."""
        name = self._line(text_at(self.event, "agent", "summary"), NAME_CHARS)
        if is_by_person(self.event):
            return f" by {name or 'a user without a name'}"
        return f" through {name}" if name else ""

    def name(self, *path: str) -> str:
        """The short text under these names of `data`."""
        return self._line(text_at(self.event, "data", *path), NAME_CHARS)

    def quote(self, field: str) -> str:
        """`: "…"`, at most 300 characters of it, or nothing."""
        text = self._line(text_at(self.event, "data", field), QUOTE_CHARS)
        by_sender = " (cut by PagerDuty)" if mapping_at(self.event, "data").get("trimmed") is True else ""
        return f': "{text}"{by_sender}' if text else ""

    @property
    def assignees(self) -> str:
        listed = mapping_at(self.event, "data").get("assignees")
        given = [text_at(it, "summary") for it in listed] if isinstance(listed, list) else []
        names = [self._line(it, NAME_CHARS) for it in given if it]
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        return ", ".join(names[:_MOST_NAMES]) + more

    @property
    def whom(self) -> str:
        """Whose help was asked for: a user, or all of an escalation policy."""
        return self.name("user", "summary") or self.name("escalation_policy", "summary") or "somebody"

    def address(self, field: str) -> str:
        """The web address in `data`, or nothing."""
        return web_address(self.redactor.text(text_at(self.event, "data", field)), self.limits)

    def _line(self, text: str, most_chars: int) -> str:
        return cut_text(" ".join(self.redactor.text(text).split()), most_chars)


def _to(name: str) -> str:
    return f" to {name}" if name else ""


def _resolved(it: _Said) -> str:
    if it.name("resolve_reason", "type") != MERGED:
        return f"resolved{it.by}"
    return f"merged into {it.name('resolve_reason', 'incident', 'id') or 'another incident'}{it.by}"


def _priority(it: _Said) -> str:
    priority = it.name("priority", "summary") or it.name("priority", "name")
    return f"priority set to {priority}{it.by}" if priority else f"priority cleared{it.by}"


def _replied(it: _Said) -> str:
    match it.name("state"):
        case "accepted" | "declined" as answer:
            return f"{it.whom} {answer} to help"
        case _:
            return f"{it.whom} replied to the request for help"


def _bridge(it: _Said) -> str:
    address = it.address("conference_url")
    return f"conference bridge changed{it.by}" + (f": {address}" if address else "")


_LINES: Mapping[str, Callable[[_Said], str]] = {
    "incident.acknowledged": lambda it: f"acknowledged{it.by}",
    "incident.unacknowledged": lambda it: f"no longer acknowledged{it.by}",
    "incident.resolved": _resolved,
    "incident.reopened": lambda it: f"reopened{it.by}",
    "incident.escalated": lambda it: f"escalated{_to(it.assignees)}{it.by}",
    "incident.delegated": lambda it: f"delegated{_to(it.name('escalation_policy', 'summary'))}{it.by}",
    "incident.reassigned": lambda it: f"reassigned{_to(it.assignees)}{it.by}",
    "incident.priority_updated": _priority,
    "incident.annotated": lambda it: f"note{it.by}{it.quote('content')}",
    "incident.status_update_published": lambda it: f"status update{it.by}{it.quote('message')}",
    "incident.responder.added": lambda it: f"{it.whom} asked to help{it.by}",
    "incident.responder.replied": _replied,
    "incident.service_updated": lambda it: f"service changed{_to(it.name('service', 'summary'))}{it.by}",
    "incident.incident_type.changed": lambda it: f"incident type changed{_to(it.name('incident_type', 'name'))}{it.by}",
    "incident.conference_bridge.updated": _bridge,
}
