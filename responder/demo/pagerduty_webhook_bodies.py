"""How PagerDuty writes a v3 webhook. https://developer.pagerduty.com/docs/webhooks/v3-overview"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from responder.demo.pagerduty_records import Change, Note, PagedIncident, Service, StatusUpdate, User
from responder.demo.pagerduty_shapes import (
    API,
    WEB,
    incident_reference,
    integration_reference,
    moment,
    policy_reference,
    priority_reference,
    resolve_reason,
    service_reference,
    team_reference,
    user_reference,
)

# That long texts are cut is documented, where is not.
MAX_TEXT_CHARACTERS = 4000
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def event_id(at: datetime, number: int) -> str:
    """26 characters that sort by time and then by number."""
    rest = (int(at.timestamp() * 1000) << 80) | number
    text = ""
    for _ in range(26):
        rest, digit = divmod(rest, 32)
        text = CROCKFORD[digit] + text
    return text


def change_body(change: Change, id_: str) -> bytes:
    """The body for something that happened, as the incident is now."""
    return _body(
        {
            "id": id_,
            "event_type": change.event_type,
            "resource_type": "incident",
            "occurred_at": _to_the_millisecond(change.at),
            "agent": _agent(change.agent),
            "client": change.client,
            "data": _data(change),
        }
    )


def ping_body(id_: str, by: User | None, at: datetime) -> bytes:
    """The body of a test, which concerns no incident."""
    return _body(
        {
            "id": id_,
            "event_type": "pagey.ping",
            "resource_type": "pagey",
            "occurred_at": _to_the_millisecond(at),
            "agent": {"id": by.id, "type": "user_reference"} if by else None,
            "client": None,
            "data": {"message": "Hello from your friend Pagey!", "type": "ping"},
        }
    )


def _body(event: dict[str, Any]) -> bytes:
    # A lone surrogate in somebody's text has no UTF-8.
    return json.dumps({"event": event}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _to_the_millisecond(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def _agent(agent: User | Service | None) -> dict[str, Any] | None:
    match agent:
        case User():
            return user_reference(agent)
        case Service():
            return integration_reference(agent, "inbound_integration")
        case None:
            return None


def _data(change: Change) -> dict[str, Any]:
    match change.said:
        case Note(id=id_, content=content):
            return _said(change, id_, "content", content, "incident_note")
        case StatusUpdate(id=id_, message=message):
            return _said(change, id_, "message", message, "incident_status_update")
    data = _incident(change.incident)
    return data | ({"reopened_at": moment(change.at)} if change.event_type == "incident.reopened" else {})


def _said(change: Change, id_: str, name: str, text: str, kind: str) -> dict[str, Any]:
    return {
        "incident": incident_reference(change.incident),
        "id": id_,
        name: text[:MAX_TEXT_CHARACTERS],
        "trimmed": len(text) > MAX_TEXT_CHARACTERS,
        "type": kind,
    }


def _incident(incident: PagedIncident) -> dict[str, Any]:
    is_resolved = incident.status == "resolved"
    return {
        "id": incident.id,
        "type": "incident",
        "self": f"{API}/incidents/{incident.id}",
        "html_url": f"{WEB}/incidents/{incident.id}",
        "number": incident.number,
        "status": incident.status,
        "incident_key": incident.key,
        "created_at": moment(incident.created_at),
        "title": incident.title,
        "service": service_reference(incident.service),
        "assignees": [] if is_resolved else [user_reference(it) for it in incident.assignees],
        "escalation_policy": policy_reference(incident),
        "teams": [team_reference()],
        "priority": priority_reference(incident.priority) if incident.priority else None,
        "urgency": incident.urgency,
        "conference_bridge": None,
        "resolve_reason": resolve_reason(incident),
        "incident_type": {"name": "incident_default"},
    }
