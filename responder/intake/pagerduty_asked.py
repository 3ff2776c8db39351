"""An incident that PagerDuty showed when it was asked, as the event that would have told of it.

It is read by the reader of webhooks, so that what follows is the same. Its moment is that of the last change of status,
which REST gives in whole seconds: the end of that second, so that the webhook itself, should it still come, is stale.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from responder.intake.pagerduty import PagerDuty
from responder.intake.raw_json import mapping_at, text_at
from responder.intake.source import Limits, Post
from responder.model.alert import Webhook
from responder.model.paged import SINGLE_SOURCE
from responder.redaction.redact import Redactor

FOUND = "found by asking PagerDuty"
_REST_OF_THE_SECOND = timedelta(microseconds=999_999)
_READER = PagerDuty()
_NO_DIGIT = re.compile(r"\D")


def webhook_of(raw: Mapping[str, Any], type_: str, as_of: datetime, redactor: Redactor, limits: Limits) -> Webhook:
    """`raw`: the incident as REST has it; `type_`: of the event; `as_of`: the last change of its status."""
    at = as_of.replace(microsecond=0) + _REST_OF_THE_SECOND
    event = {
        "id": f"asked/{text_at(raw, 'id')}/{type_}/{_NO_DIGIT.sub('', at.isoformat())}",
        "event_type": type_,
        "resource_type": "incident",
        "occurred_at": at.isoformat(),
        "agent": _agent(raw, type_),
        "data": {**raw, "type": "incident"},
    }
    post = Post(source=SINGLE_SOURCE, headers={}, body=json.dumps({"event": event}).encode())
    found = _READER.parse(post, redactor, limits)
    if found.event is None:
        return found
    said = f"{found.event.line}, {FOUND}" if found.event.line else FOUND
    return replace(found, event=replace(found.event, line=said))


def _agent(raw: Mapping[str, Any], type_: str) -> Mapping[str, Any] | None:
    """Who did it, as far as an incident tells."""
    taken_on = raw.get("acknowledgements")
    if type_ == "incident.acknowledged" and isinstance(taken_on, list) and taken_on:
        return mapping_at(taken_on[-1], "acknowledger") or None
    return None if type_ == "incident.triggered" else mapping_at(raw, "last_status_change_by") or None
