"""An incident of the REST API becomes the event that would have told of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from responder.intake.pagerduty_asked import webhook_of
from responder.intake.source import Limits
from responder.model.alert import AlertStatus, Webhook
from responder.model.paged import PagedStatus
from responder.redaction.redact import Redactor

CHANGED = datetime(2026, 11, 21, 3, 5, 7, tzinfo=UTC)
END_OF_SECOND = CHANGED.replace(microsecond=999_999)
ANN = {"id": "PANN", "type": "user_reference", "summary": "Ann Oncall"}
INCIDENT: dict[str, Any] = {
    "id": "Q2STH1QX0AJT5J",
    "type": "incident",
    "status": "resolved",
    "title": "checkout is down kn0wn-s3cret",
    "created_at": "2026-11-21T03:00:10Z",
    "html_url": "https://acme.pagerduty.com/incidents/Q2STH1QX0AJT5J",
    "service": {"id": "PF9KMXH", "summary": "payments"},
    "urgency": "high",
    "last_status_change_by": ANN,
}


def read(type_: str, redactor: Redactor, **changes: Any) -> Webhook:
    return webhook_of({**INCIDENT, **changes}, type_, CHANGED, redactor, Limits())


def test_a_resolution_says_who_did_it_when_and_that_it_was_found(redactor: Redactor) -> None:
    found = read("incident.resolved", redactor)

    assert (found.kind, found.source, found.key) == ("pagerduty", "", b"Q2STH1QX0AJT5J")
    assert found.event is not None
    assert (found.event.status, found.event.at) == (PagedStatus.RESOLVED, END_OF_SECOND)
    assert (found.event.agent, found.event.agent_name, found.event.by_person) == ("PANN", "Ann Oncall", True)
    assert found.event.line == "resolved by Ann Oncall, found by asking PagerDuty"
    (mirror,) = found.alerts
    assert (mirror.status, mirror.ends_at) == (AlertStatus.RESOLVED, END_OF_SECOND)
    assert "kn0wn-s3cret" not in str(found)


def test_the_same_change_has_the_same_receipt_and_another_change_another(redactor: Redactor) -> None:
    resolved = read("incident.resolved", redactor)

    assert resolved.receipts == read("incident.resolved", redactor).receipts
    assert resolved.receipts != read("incident.reopened", redactor, status="triggered").receipts
    assert len(resolved.receipts) == 1


def test_a_new_one_was_done_by_nobody_and_its_line_says_how_it_came(redactor: Redactor) -> None:
    found = read("incident.triggered", redactor, status="acknowledged")

    assert found.event is not None
    assert (found.event.status, found.event.agent_name) == (PagedStatus.ACKNOWLEDGED, "")
    assert found.event.line == "found by asking PagerDuty"


def test_whoever_took_it_on_stands_among_the_acknowledgements(redactor: Redactor) -> None:
    taken = [{"at": "2026-11-21T03:05:07Z", "acknowledger": ANN}]
    found = read(
        "incident.acknowledged",
        redactor,
        status="acknowledged",
        acknowledgements=taken,
        last_status_change_by=None,
    )

    assert found.event is not None
    assert found.event.line == "acknowledged by Ann Oncall, found by asking PagerDuty"


def test_a_merge_names_the_one_that_goes_on(redactor: Redactor) -> None:
    reason = {"type": "merge_resolve_reason", "incident": {"id": "QELDER"}}
    found = read("incident.resolved", redactor, resolve_reason=reason)

    assert found.event is not None
    assert found.event.merged_into == "QELDER"


def test_what_is_not_understood_is_put_aside_like_a_webhook(redactor: Redactor) -> None:
    found = read("incident.resolved", redactor, created_at="yesterday")

    assert (found.event, found.key, len(found.quarantined)) == (None, b"", 1)
