"""What the played side writes is what Alertmanager wrote."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from responder.demo.alertmanager_bodies import (
    Group,
    GroupedAlert,
    event_body,
    fingerprint,
    go_time,
    webhook_body,
)

WEBHOOKS = Path(__file__).parents[2].parent / "shared" / "contracts" / "alertmanager" / "webhooks"
NOT_YET = "0001-01-01T00:00:00Z"


def rebuilt(body: dict[str, Any]) -> tuple[Group, GroupedAlert]:
    """The group and the alert that a captured body tells of."""
    one = body["alerts"][0]
    return (
        Group(receiver=body["receiver"], group_by=tuple(body["groupLabels"]), external_url=body["externalURL"]),
        GroupedAlert(
            labels=one["labels"],
            annotations=one["annotations"],
            starts_at=datetime.fromisoformat(one["startsAt"]),
            ends_at=None if one["endsAt"] == NOT_YET else datetime.fromisoformat(one["endsAt"]),
            generator_url=one["generatorURL"],
        ),
    )


@pytest.mark.parametrize(
    "name",
    [
        "v0.25.0_firing_1.json",
        "v0.25.0_resolved.json",
        "v0.25.0_unicode_quotes_newlines.json",
        "v0.25.0_no_annotations_no_generator.json",
        "v0.25.0_mixed_then_all_resolved.json",
    ],
)
def test_captured_webhooks_and_events_are_rebuilt_byte_for_byte(captured: Any, name: str) -> None:
    body = captured(f"alertmanager/webhooks/{name}")
    group, alert = rebuilt(body)

    webhook = webhook_body(group, alert)
    event = json.loads(event_body(group, alert, "00000000000000000000000000000001"))

    assert webhook.rstrip(b"\n") == (WEBHOOKS / name).read_bytes().rstrip(b"\n")
    assert event == captured(f"alertmanager/pagerduty-events/{name}")


def test_every_captured_fingerprint_is_computed(captured: Any) -> None:
    captured("alertmanager/index.json")
    alerts = [alert for file in WEBHOOKS.glob("v0*.json") for alert in json.loads(file.read_text("utf-8"))["alerts"]]

    assert len(alerts) > 100
    assert [fingerprint(alert["labels"]) for alert in alerts] == [alert["fingerprint"] for alert in alerts]


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(862_999, "02:51:38.862Z"), (60_000, "02:51:38.06Z"), (0, "02:51:38Z"), (500_000, "02:51:38.5Z")],
)
def test_times_are_written_as_go_writes_them(microseconds: int, text: str) -> None:
    at = datetime(2026, 11, 21, 3, 51, 38, microseconds, tzinfo=timezone(timedelta(hours=1)))

    assert go_time(at) == f"2026-11-21T{text}"
    assert go_time(at.astimezone(UTC)) == go_time(at)
