"""Who is told of what at the stand-in PagerDuty: one webhook subscription, its secrets, and how it reads as JSON."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from responder.demo.pagerduty_records import Change
from responder.demo.pagerduty_shapes import TEAM

EVENT_TYPES = (
    "incident.acknowledged",
    "incident.annotated",
    "incident.conference_bridge.updated",
    "incident.custom_field_values.updated",
    "incident.delegated",
    "incident.escalated",
    "incident.incident_type.changed",
    "incident.priority_updated",
    "incident.reassigned",
    "incident.reopened",
    "incident.resolved",
    "incident.responder.added",
    "incident.responder.replied",
    "incident.service_updated",
    "incident.status_update_published",
    "incident.triggered",
    "incident.unacknowledged",
    "incident.workflow.completed",
    "incident.workflow.started",
    "service.created",
    "service.custom_field_values.updated",
    "service.deleted",
    "service.updated",
)
FILTER_TYPES = ("account_reference", "service_reference", "team_reference")


@dataclass(slots=True, kw_only=True)
class Subscription:
    """Where webhooks go to, and which.

    `secrets`: newest first; more than one while they are being changed. `filter_id`: "" for the whole account.
    `disabled_until`: None while it is not disabled. `rejected_in_a_row`: webhooks dropped since one was taken.
    """

    id: str
    url: str
    events: tuple[str, ...] = EVENT_TYPES
    description: str = ""
    filter_type: str = "account_reference"
    filter_id: str = ""
    custom_headers: Mapping[str, str] = field(default_factory=dict)
    active: bool = True
    secrets: list[str] = field(default_factory=list)
    made_secrets: int = 0
    disabled_until: datetime | None = None
    rejected_in_a_row: int = 0

    def __post_init__(self) -> None:
        self.rotate()

    @property
    def secret(self) -> str:
        """The newest secret: 64 characters that look like base64, and are the key as they stand."""
        return self.secrets[0]

    @property
    def scope(self) -> tuple[str, str]:
        """What it is about: the account, a service or a team."""
        return self.filter_type, self.filter_id

    def rotate(self) -> str:
        """Sign with one more secret from now on, and return it."""
        self.made_secrets += 1
        digest = hashlib.sha384(f"{self.id} {self.made_secrets}".encode()).digest()
        self.secrets.insert(0, base64.b64encode(digest).decode())
        return self.secret

    def end_rotation(self) -> None:
        """Sign with the newest secret alone."""
        del self.secrets[1:]

    def signature(self, body: bytes) -> str:
        """What X-PagerDuty-Signature says of a body."""
        digests = (hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in self.secrets)
        return ",".join(f"v1={digest}" for digest in digests)

    def wants(self, change: Change) -> bool:
        """Whether it is about this incident, and this is something it asked for."""
        match self.filter_type:
            case "service_reference":
                is_about_it = self.filter_id == change.incident.service.id
            case "team_reference":
                is_about_it = self.filter_id == TEAM[0]
            case _:
                is_about_it = True
        return is_about_it and change.event_type in self.events

    def is_disabled(self, now: datetime) -> bool:
        """Whether nothing is queued for it because it refused too much."""
        return self.disabled_until is not None and now < self.disabled_until

    def enable(self) -> None:
        """Queue for it again."""
        self.disabled_until, self.rejected_in_a_row = None, 0

    def update(self, fields: Mapping[str, Any]) -> None:
        """Take over fields as `wanted_fields` gives them."""
        for name, value in fields.items():
            setattr(self, name, value)

    def shape(self, now: datetime, *, is_new: bool = False) -> dict[str, Any]:
        """As REST has it. The secret and the headers' values are shown only when it `is_new`."""
        about = {"id": self.filter_id} if self.filter_id else {}
        return {
            "id": self.id,
            "type": "webhook_subscription",
            "active": self.active,
            "delivery_method": {
                "id": f"PD{self.id[2:]}",
                "secret": self.secret if is_new else None,
                "temporarily_disabled": self.is_disabled(now),
                "type": "http_delivery_method",
                "url": self.url,
                "custom_headers": [
                    {"name": name, "value": value if is_new else "-- redacted --"}
                    for name, value in self.custom_headers.items()
                ],
            },
            "description": self.description,
            "events": list(self.events),
            "filter": {**about, "type": self.filter_type},
        }


def wanted_fields(body: bytes, *, is_new: bool) -> dict[str, Any]:
    """The fields of a subscription to be made or changed. Raises ValueError with everything that is wrong.

    A change leaves out what stays, and cannot change the delivery method.
    """
    said = _said(body)
    wrong = [*_wrong_type_and_url(said)] if is_new else []
    wrong += [*_wrong_events(said, is_new), *_wrong_filter(said, is_new), *_wrong_rest(said)]
    if wrong:
        raise ValueError("; ".join(wrong))
    fields: dict[str, Any] = {name: said[name] for name in ("description", "active") if name in said}
    if "events" in said:
        fields["events"] = tuple(said["events"])
    if "filter" in said:
        fields |= {"filter_type": said["filter"]["type"], "filter_id": said["filter"].get("id", "")}
    if is_new:
        method = said["delivery_method"]
        fields |= {"url": method["url"], "custom_headers": _custom_headers(method)}
    return fields


def _said(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)["webhook_subscription"]
    except (ValueError, KeyError, TypeError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise ValueError("webhook_subscription is required and must be an object")
    return said


def _wrong_type_and_url(said: Mapping[str, Any]) -> Iterator[str]:
    if said.get("type") != "webhook_subscription":
        yield "type must be webhook_subscription"
    match said.get("delivery_method"):
        case {"type": "http_delivery_method", "url": str() as url} if is_address(url):
            return
    yield "delivery_method must have the type http_delivery_method and an http or https url"


def _wrong_events(said: Mapping[str, Any], is_new: bool) -> Iterator[str]:
    events = said.get("events", None if is_new else EVENT_TYPES)
    if not isinstance(events, list | tuple) or not events:
        yield "events must list at least one event type"
    elif unknown := [it for it in events if it not in EVENT_TYPES]:
        yield f"events has unknown types: {unknown}"
    elif len(set(events)) < len(events):
        yield "events has a type twice"


def _wrong_filter(said: Mapping[str, Any], is_new: bool) -> Iterator[str]:
    match said.get("filter", None if is_new else {"type": "account_reference"}):
        case {"type": "account_reference"}:
            return
        case {"type": "service_reference" | "team_reference", "id": str() as id_} if id_:
            return
    yield f"filter must have a type of {', '.join(FILTER_TYPES)}, and an id unless it is the account"


def _wrong_rest(said: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(said.get("description", ""), str):
        yield "description must be a string"
    if not isinstance(said.get("active", True), bool):
        yield "active must be true or false"


def _custom_headers(method: Mapping[str, Any]) -> dict[str, str]:
    match method.get("custom_headers", []):
        case [*headers] if all(isinstance(it, dict) for it in headers):
            return {str(it.get("name", "")): str(it.get("value", "")) for it in headers}
    raise ValueError("delivery_method.custom_headers must be a list of names and values")


def is_address(url: str) -> bool:
    """Whether webhooks could go there."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
