"""How PagerDuty writes incidents, alerts and notes as JSON. https://developer.pagerduty.com/api-reference"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from responder.demo.pagerduty_records import Note, PagedAlert, PagedIncident, Priority, Service, User

API = "https://api.pagerduty.com"
WEB = "https://acme.pagerduty.com"
TEAM = ("PFCVPS0", "Payments")


def moment(at: datetime) -> str:
    """UTC to the second, as `2026-11-21T03:00:10Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def note_shape(note: Note) -> dict[str, Any]:
    """One note, as in `GET /incidents/{id}/notes`."""
    return {
        "id": note.id,
        "user": user_reference(note.user),
        "channel": {"summary": "The PagerDuty website or APIs"},
        "content": note.content,
        "created_at": moment(note.created_at),
        "updated_at": moment(note.updated_at),
    }


def user_shape(user: User) -> dict[str, Any]:
    """A whole user, as in `GET /users/me`."""
    return {
        **user_reference(user),
        "type": "user",
        "name": user.name,
        "email": user.email,
        "time_zone": "Etc/UTC",
        "color": "green",
        "role": "limited_user",
        "avatar_url": f"{WEB}/users/blank-avatar.png",
        "description": None,
        "invitation_sent": False,
        "job_title": "",
        "teams": [],
        "contact_methods": [],
        "notification_rules": [],
    }


def incident_shape(incident: PagedIncident) -> dict[str, Any]:
    """A whole incident, as in `GET /incidents`; `priority` and `resolve_reason` only where it has them."""
    is_resolved = incident.status == "resolved"
    still_open = sum(alert.is_open for alert in incident.alerts)
    return {
        "id": incident.id,
        "type": "incident",
        "summary": f"[#{incident.number}] {incident.title}",
        "self": f"{API}/incidents/{incident.id}",
        "html_url": f"{WEB}/incidents/{incident.id}",
        "incident_number": incident.number,
        "title": incident.title,
        "created_at": moment(incident.created_at),
        "updated_at": moment(incident.changed_at),
        "status": incident.status,
        "incident_key": incident.key,
        "service": service_reference(incident.service),
        "assignments": []
        if is_resolved
        else [{"at": moment(incident.created_at), "assignee": user_reference(it)} for it in incident.assignees],
        "assigned_via": "escalation_policy",
        # As the reference has it: while it is triggered, the time of any change.
        "last_status_change_at": moment(
            incident.changed_at if incident.status == "triggered" else incident.status_changed_at
        ),
        "resolved_at": moment(incident.status_changed_at) if is_resolved else None,
        "first_trigger_log_entry": _log_entry(incident.id),
        "alert_counts": {
            "all": len(incident.alerts),
            "triggered": still_open,
            "resolved": len(incident.alerts) - still_open,
        },
        "is_mergeable": not is_resolved,
        "incident_type": {"name": "incident_default"},
        "escalation_policy": policy_reference(incident),
        "teams": [team_reference()],
        "pending_actions": [],
        "acknowledgements": _acknowledgements(incident),
        "alert_grouping": _grouping(incident),
        "urgency": incident.urgency,
        **({"priority": priority_shape(incident.priority)} if incident.priority else {}),
        **({"resolve_reason": resolve_reason(incident)} if incident.merged_into else {}),
    }


def resolve_reason(incident: PagedIncident) -> dict[str, Any] | None:
    """Into which incident this one was merged, None where it was not."""
    if incident.merged_into is None:
        return None
    return {"type": "merge_resolve_reason", "incident": incident_reference(incident.merged_into)}


def _grouping(incident: PagedIncident) -> dict[str, Any] | None:
    if not incident.service.groups_alerts or not incident.alerts:
        return None
    return {
        "grouping_type": "basic",
        "started_at": moment(incident.created_at),
        "ended_at": None,
        "alert_grouping_active": incident.status != "resolved",
    }


def alert_shape(alert: PagedAlert, incident: PagedIncident) -> dict[str, Any]:
    """A whole alert, as in `GET /incidents/{id}/alerts`."""
    payload = alert.event["payload"]
    service = alert.service or incident.service
    return {
        "id": alert.id,
        "type": "alert",
        "summary": payload["summary"],
        "self": f"{API}/incidents/{incident.id}/alerts/{alert.id}",
        "html_url": f"{WEB}/alerts/{alert.id}",
        "created_at": moment(alert.created_at),
        "status": "triggered" if alert.is_open else "resolved",
        "alert_key": alert.key,
        "suppressed": False,
        "severity": payload["severity"],
        "service": service_reference(service),
        "incident": incident_reference(incident),
        "integration": integration_reference(service, "events_api_v2_inbound_integration"),
        "first_trigger_log_entry": _log_entry(alert.id),
        "body": _alert_body(alert),
    }


def _alert_body(alert: PagedAlert) -> dict[str, Any]:
    event, payload = alert.event, alert.event["payload"]
    details = payload.get("custom_details", {})
    return {
        "type": "alert_body",
        "contexts": _contexts(event),
        "details": details,
        # On live alert bodies, but not in the published schema.
        "cef_details": {
            "client": event.get("client"),
            "client_url": event.get("client_url"),
            "dedup_key": alert.key,
            "description": payload["summary"],
            "details": details,
            "event_class": payload.get("class"),
            "message": payload["summary"],
            "severity": payload["severity"],
            "source_component": payload.get("component"),
            "source_origin": payload["source"],
            "version": "1.0",
        },
    }


def _contexts(event: Any) -> list[dict[str, Any]]:
    contexts = []
    if event.get("client_url"):
        contexts.append({"type": "link", "href": event["client_url"], "text": f"View in {event.get('client')}"})
    contexts += [{"type": "link", **link} for link in event.get("links", [])]
    contexts += [{"type": "image", **image} for image in event.get("images", [])]
    return contexts


def _acknowledgements(incident: PagedIncident) -> list[dict[str, Any]]:
    if incident.status != "acknowledged" or incident.acknowledged_by is None:
        return []
    return [{"at": moment(incident.status_changed_at), "acknowledger": user_reference(incident.acknowledged_by)}]


def user_reference(user: User) -> dict[str, Any]:
    """The short form of a user."""
    return reference("users", "user", user.id, user.name)


def service_reference(service: Service) -> dict[str, Any]:
    """The short form of a service."""
    return reference("services", "service", service.id, service.name)


def integration_reference(service: Service, kind: str) -> dict[str, Any]:
    """The short form of what a service's events come in by."""
    path = f"services/{service.id}/integrations"
    return reference(path, kind, service.integration_id, "Prometheus (Events API V2)")


def incident_reference(incident: PagedIncident) -> dict[str, Any]:
    """The short form of an incident."""
    return reference("incidents", "incident", incident.id, incident.title)


def policy_reference(incident: PagedIncident) -> dict[str, Any]:
    """The short form of the incident's escalation policy."""
    return reference("escalation_policies", "escalation_policy", incident.policy.id, incident.policy.name)


def team_reference() -> dict[str, Any]:
    """The short form of the one team."""
    return reference("teams", "team", *TEAM)


def priority_reference(priority: Priority) -> dict[str, Any]:
    """The short form of a priority."""
    page = {"html_url": f"{WEB}/account/incident_priorities"}
    return reference("priorities", "priority", priority.id, priority.name) | page


def priority_shape(priority: Priority) -> dict[str, Any]:
    """A whole priority, as REST has it on an incident."""
    return {**priority_reference(priority), "type": "priority", "name": priority.name, "description": ""}


def _log_entry(of: str) -> dict[str, Any]:
    return reference("log_entries", "trigger_log_entry", f"R{of[1:8]}", "Triggered through the API.")


def reference(collection: str, kind: str, id_: str, summary: str) -> dict[str, Any]:
    """The short form of anything."""
    return {
        "id": id_,
        "type": f"{kind}_reference",
        "summary": summary,
        "self": f"{API}/{collection}/{id_}",
        "html_url": f"{WEB}/{collection}/{id_}",
    }
