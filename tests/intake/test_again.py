"""What was put aside is read again: whole bodies, single alerts, and with what was hashed before redaction."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from responder.intake.again import is_understood, read_again
from responder.intake.registry import sources
from responder.intake.source import Limits, UnknownSender, UnreadableBody
from responder.model.alert import Webhook
from responder.model.intake import GenericSender, Intake
from responder.model.json_expression import parse_expression
from responder.redaction.redact import Redactor

KEY = "ab" * 32
ALERT = {
    "status": "firing",
    "labels": {"alertname": "ApiDown", "user": "[redacted:email]"},
    "startsAt": "2026-11-21T03:12:00Z",
}


def again(body: Any, kind: str = "alertmanager", intake: Intake | None = None, **identities: str) -> Webhook:
    text = body if isinstance(body, str) else json.dumps(body)
    return read_again(sources()[kind], "shop", text, identities, intake or Intake(), Redactor(), Limits())


def generic(*, alerts: str) -> Intake:
    """A sender `shop` whose alerts stand in a list."""
    sender = GenericSender(
        key=parse_expression("id"), labels={"alertname": parse_expression("name")}, alerts=parse_expression(alerts)
    )
    return Intake(generic={"shop": sender})


@pytest.mark.parametrize("kind", ["alertmanager", "grafana"])
def test_a_single_alert_gets_an_envelope_and_the_identities_that_were_kept(kind: str) -> None:
    webhook = again(ALERT, kind, key=KEY, fingerprint="c0ffee00c0ffee00")

    assert (webhook.kind, webhook.source, webhook.key.hex(), webhook.title) == (kind, "shop", KEY, "ApiDown")
    assert [it.fingerprint for it in webhook.alerts] == ["c0ffee00c0ffee00"]


def test_a_whole_body_is_read_as_it_is() -> None:
    webhook = again({"groupKey": "g", "alerts": [ALERT, ALERT | {"status": "?"}]})

    assert (len(webhook.alerts), len(webhook.quarantined)) == (1, 1)
    assert webhook.key.hex() != KEY


def test_what_is_still_not_understood_says_so() -> None:
    alone, whole = again(ALERT | {"status": "?"}, key=KEY), again({"hello": 1})

    assert not is_understood(alone)
    assert not is_understood(whole)
    assert alone.quarantined[0].reason.startswith("alert: `status`")


def test_a_single_alert_of_a_generic_body_is_read_without_the_list_around_it() -> None:
    webhook = again({"id": "7", "name": "ApiDown"}, "generic", generic(alerts="items"))

    assert [it.labels["alertname"] for it in webhook.alerts] == ["ApiDown"]
    assert is_understood(webhook)


def test_a_generic_body_with_further_groups_is_understood_whole() -> None:
    body = {"items": [{"id": "7", "name": "a"}, {"id": "8", "name": "b"}]}

    webhook = again(body, "generic", generic(alerts="items"))

    assert [it.alerts[0].labels["alertname"] for it in (webhook, *webhook.others)] == ["a", "b"]


def test_a_webhook_that_was_seen_is_no_copy_of_itself() -> None:
    event = {"event": {"id": "01X", "event_type": "incident.unheard_of", "occurred_at": "2026-11-21T03:12:00Z"}}

    assert again(event, "pagerduty").receipts == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "nothing of it was kept"), ('{"labels": {"a…[cut]', "not kept whole"), ("{", "JSON")],
)
def test_what_is_not_whole_is_said_to_be_so(text: str, says: str) -> None:
    with pytest.raises(UnreadableBody, match=says):
        again(text, key=KEY)


def test_a_sender_that_no_rule_file_describes_stays_unknown() -> None:
    with pytest.raises(UnknownSender):
        again({"id": "7"}, "generic")


def test_ignored_alerts_count_as_understood() -> None:
    webhook = again({"hello": 1})

    assert is_understood(replace(webhook, ignored=1))
