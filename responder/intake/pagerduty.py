"""PagerDuty's v3 webhook: one event of one incident.

https://developer.pagerduty.com/docs/webhooks-overview; one body:

    {"event": {"id": "01FEAHT2OFHFT7RC7ECX000004", "event_type": "incident.acknowledged", "resource_type": "incident",
      "occurred_at": "2026-11-21T03:00:04.028Z", "agent": {"id": "PTUXL6G", "type": "user_reference", …}, "client": …,
      "data": {"id": "Q2STH1QX0AJT5J", "type": "incident", "status": "acknowledged", "title": "…", "priority": null}}}

Three answers of 4xx in a row make PagerDuty drop everything for a day, so a signed body is always taken: what is not
understood is put aside whole. In some events `data` is the incident, in others a note or the like that names it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from responder.intake.cutting import cut_fields, cut_text
from responder.intake.pagerduty_line import MERGED, NAME_CHARS, is_by_person, line_of
from responder.intake.raw_json import (
    mapping_at,
    moment_of,
    names_twice,
    read_json,
    redacted_bytes,
    redacted_json,
    text_at,
    web_address,
)
from responder.intake.source import (
    Credentials,
    Limits,
    Post,
    Refusal,
    Source,
    UnreadableBody,
    any_equal,
    nothing_configured,
)
from responder.model.alert import Alert, AlertStatus, Quarantined, Webhook
from responder.model.incident import ANY_MARKER, key_of_page
from responder.model.paged import SINGLE_SOURCE, PagedEvent, PagedStatus
from responder.redaction.redact import Redactor

SETTING = "RESPONDER_PAGERDUTY_WEBHOOK_SECRETS"
SIGNATURE = "X-PagerDuty-Signature"
WEBHOOK_ID = "X-Webhook-Id"
_VERSION = "v1"
_ID = re.compile(r"[A-Za-z0-9_.~+/-]{1,200}")
_MARKER_AT_THE_END = re.compile(rf"{ANY_MARKER}\s*\Z")
# An incident's id stands in addresses of the REST API, so it can only be what leads nowhere else.
_INCIDENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MARKER = re.compile(ANY_MARKER)
_TEXT_OF = {"incident.annotated": "content", "incident.status_update_published": "message"}


class _NotUnderstood(Exception):
    """Why an event is put aside, in words of our own: what stands before the colon becomes a metric's label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """What every event of an incident must say, checked; `raw` is the rest."""

    id: str
    type: str
    at: datetime
    incident: str
    raw: Mapping[str, Any]


class PagerDuty:
    """Reads what PagerDuty posts; its credential is a signature over the body."""

    kind = "pagerduty"

    def refusal_before_body(self, headers: Mapping[str, str], credentials: Credentials) -> Refusal | None:
        """Whether there is a secret to check with, and a signature to be checked."""
        if not any(credentials.secrets):
            return None if credentials.allow_unauthenticated else nothing_configured(SETTING)
        if not _signatures(headers):
            return Refusal(status=403, problem=f"no {SIGNATURE} header with a {_VERSION} signature")
        return None

    def refusal(self, headers: Mapping[str, str], body: bytes, credentials: Credentials) -> Refusal | None:
        """Any signature fits that any of the secrets makes; each is compared, each in constant time."""
        before = self.refusal_before_body(headers, credentials)
        if before is not None or not any(credentials.secrets):
            return before
        expected = [_signature_of(body, it) for it in credentials.secrets if it]
        fits = [any_equal(shown, expected) for shown in _signatures(headers)]
        return None if any(fits) else Refusal(status=403, problem=f"no signature in {SIGNATURE} fits the body")

    def parse(self, post: Post, redactor: Redactor, limits: Limits) -> Webhook:
        """The one event of the body: understood, ignored (it is about no incident) or put aside. Never raises."""
        raw: Any = None
        try:
            raw = read_json(post.body, sender=self.kind)
            found = _webhook(raw, post.body, redactor, limits)
        except UnreadableBody:
            found = _put_aside("not JSON", redacted_bytes(post.body, redactor, limits))
        except _NotUnderstood as why:
            found = _put_aside(str(why), redacted_json(raw, redactor, limits))
        return _recognisable(found, raw, _id(post.headers.get(WEBHOOK_ID, "")))


def _signatures(headers: Mapping[str, str]) -> list[str]:
    """The `v1` signatures shown: several while a secret is being rotated; other versions are not ours to judge."""
    shown = (it.strip().partition("=") for it in headers.get(SIGNATURE, "").split(","))
    return [value for version, _, value in shown if version == _VERSION and value]


def _signature_of(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _put_aside(reason: str, text: str) -> Webhook:
    whole = Quarantined(reason=reason, text=text)
    return Webhook(kind=SOURCE.kind, source=SINGLE_SOURCE, key=b"", quarantined=(whole,))


def _recognisable(webhook: Webhook, raw: Any, webhook_id: str) -> Webhook:
    """With the ids by which it is known again; also what was put aside, so that it is put aside once."""
    event_id = _id(text_at(raw, "event", "id"))
    ids = {"webhook": webhook_id, "event": event_id}
    receipts = tuple(f"{what}/{it}" for what, it in ids.items() if it)
    identities = {**ids, "incident": _incident_id(mapping_at(raw, "event"))}
    known = {what: it for what, it in identities.items() if it}
    return replace(
        webhook, receipts=receipts, quarantined=tuple(replace(it, identities=known) for it in webhook.quarantined)
    )


def _webhook(raw: Any, body: bytes, redactor: Redactor, limits: Limits) -> Webhook:
    """Raises _NotUnderstood."""
    if names_twice(body):
        raise _NotUnderstood("duplicate keys: nobody can know which one was meant")
    event = mapping_at(raw, "event")
    if not text_at(event, "event_type"):
        raise _NotUnderstood("no event: expected `event` with `id`, `event_type`, `occurred_at` and `data`")
    if not _incident_id(event) and not _is_of_incident(event):
        return Webhook(kind=SOURCE.kind, source=SINGLE_SOURCE, key=b"", ignored=1)
    checked = _checked(event)
    said = _said(checked, redactor, limits)
    if mapping_at(event, "data").get("type") == "incident":
        return _of_whole_incident(checked, said, redactor, limits)
    return Webhook(kind=SOURCE.kind, source=SINGLE_SOURCE, key=checked.incident.encode(), event=said)


def _is_of_incident(event: Mapping[str, Any]) -> bool:
    """Whether it should name an incident; a ping, or news of a service, does not."""
    return event.get("resource_type") == "incident" or text_at(event, "event_type").startswith("incident.")


def _checked(event: Mapping[str, Any]) -> _Event:
    event_id, incident, at = _id(text_at(event, "id")), _incident_id(event), moment_of(text_at(event, "occurred_at"))
    if not incident:
        raise _NotUnderstood("no incident: expected its id at `data.id` or `data.incident.id`")
    if not event_id:
        raise _NotUnderstood("event: `id`: expected an id")
    if at is None:
        raise _NotUnderstood("event: `occurred_at`: expected a time with an offset")
    return _Event(id=event_id, type=text_at(event, "event_type"), at=at, incident=incident, raw=event)


def _id(text: str) -> str:
    return text if _ID.fullmatch(text) else ""


def _incident_id(event: Mapping[str, Any]) -> str:
    data = mapping_at(event, "data")
    text = text_at(data, "id") if data.get("type") == "incident" else text_at(data, "incident", "id")
    return text if _INCIDENT_ID.fullmatch(text) else ""


def _said(event: _Event, redactor: Redactor, limits: Limits) -> PagedEvent:
    """What every event says, whatever it is about."""
    data = mapping_at(event.raw, "data")
    return PagedEvent(
        id=event.id,
        type=_short(event.type, redactor),
        at=event.at,
        line=line_of(event.raw, redactor, limits),
        agent=_id(text_at(event.raw, "agent", "id")),
        agent_name=_short(text_at(event.raw, "agent", "summary"), redactor),
        by_person=is_by_person(event.raw),
        note=_id(text_at(data, "id")) if event.type == "incident.annotated" else "",
        trimmed=data.get("trimmed") is True,
        is_ours=_MARKER.search(text_at(data, _TEXT_OF.get(event.type, ""))) is not None,
    )


def _short(text: str, redactor: Redactor) -> str:
    return cut_text(" ".join(redactor.text(text).split()), NAME_CHARS)


def _of_whole_incident(event: _Event, said: PagedEvent, redactor: Redactor, limits: Limits) -> Webhook:
    """The incident's own state, and the incident as one alert."""
    data = mapping_at(event.raw, "data")
    status, opened_at = _status(text_at(data, "status")), moment_of(text_at(data, "created_at"))
    if opened_at is None:
        raise _NotUnderstood("incident: `created_at`: expected a time with an offset")
    labels, annotations = labels_of(data, redactor, limits), _annotations(data, redactor, limits)
    url = web_address(redactor.text(text_at(data, "html_url")), limits)
    resolved = status is PagedStatus.RESOLVED
    alert = Alert(
        fingerprint=hashlib.sha256(f"pagerduty/{event.incident}".encode()).hexdigest()[:16],
        status=AlertStatus.RESOLVED if resolved else AlertStatus.FIRING,
        starts_at=opened_at,
        ends_at=max(event.at, opened_at) if resolved else None,
        labels=labels,
        annotations=annotations,
        generator_url=url,
    )
    return Webhook(
        kind=SOURCE.kind,
        source=SINGLE_SOURCE,
        key=event.incident.encode(),
        title=cut_text(" ".join(labels.get("title", "").split()), limits.title_chars),
        url=url,
        alerts=(alert,),
        event=replace(
            said,
            status=status,
            opened_at=opened_at,
            priority=_short(_priority(data), redactor),
            merged_into=_merged_into(data),
            page_key=_page_key(text_at(data, "title")),
        ),
    )


def _page_key(title: str) -> bytes:
    """Its `incident_key` is null where an event made it: the title alone tells which page of ours that was."""
    marker = _MARKER_AT_THE_END.search(title)
    return key_of_page(marker[0].strip()) if marker else b""


def _status(text: str) -> PagedStatus:
    try:
        return PagedStatus(text)
    except ValueError:
        raise _NotUnderstood("incident: `status`: expected triggered, acknowledged or resolved") from None


def _merged_into(data: Mapping[str, Any]) -> str:
    """Only a merge names another incident as the reason of a resolution; the one that it names goes on."""
    if text_at(data, "resolve_reason", "type") != MERGED:
        return ""
    text = text_at(data, "resolve_reason", "incident", "id")
    return text if _INCIDENT_ID.fullmatch(text) else ""


def _priority(data: Mapping[str, Any]) -> str:
    return text_at(data, "priority", "summary") or text_at(data, "priority", "name")


def labels_of(incident: Mapping[str, Any], redactor: Redactor, limits: Limits) -> dict[str, str]:
    """The labels that an incident gives, be it of a webhook or of the REST API; only those that are there."""
    given = {
        "source": SOURCE.kind,
        "alertname": text_at(incident, "title"),
        "title": text_at(incident, "title"),
        "pagerduty_service": text_at(incident, "service", "summary"),
        "pagerduty_service_id": text_at(incident, "service", "id"),
        "pagerduty_urgency": text_at(incident, "urgency"),
        "pagerduty_priority": _priority(incident),
    }
    return cut_fields(_there(redactor.fields(given)), limits.labels, limits.label_chars)[0]


def _annotations(incident: Mapping[str, Any], redactor: Redactor, limits: Limits) -> dict[str, str]:
    given = _there(redactor.fields({"summary": text_at(incident, "title")}))
    return cut_fields(given, limits.annotations, limits.annotation_chars)[0]


def _there(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value.strip()}


SOURCE: Source = PagerDuty()
