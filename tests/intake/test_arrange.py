"""From a sender's labels to those that rules speak of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from responder.intake.arrange import arrange, arranged
from responder.model.alert import Alert, AlertStatus, Quarantined, Webhook
from responder.model.intake import Intake

SERVICES = Intake(services={"PF9KMXH": {"namespace": "carecircle", "app": "api"}})
NAMES = Intake(labels={"environment": ("environment", "env", "stage")})


def webhook_of(labels: dict[str, str], kind: str = "alertmanager", source: str = "default") -> Webhook:
    alert = Alert(
        fingerprint="77adc8a4a964099b",
        status=AlertStatus.FIRING,
        starts_at=datetime(2026, 11, 21, tzinfo=UTC),
        ends_at=None,
        labels=labels,
        annotations={"summary": "s"},
    )
    return Webhook(kind=kind, source=source, key=b"k" * 32, alerts=(alert,), receipts=("r",))


@pytest.mark.parametrize(
    ("kind", "source", "expected"),
    [
        ("alertmanager", "prod-eu1", "alertmanager"),
        ("grafana", "default", "grafana"),
        ("pagerduty", "", "pagerduty"),
        ("generic", "sentry", "sentry"),
    ],
)
def test_every_alert_says_who_sent_it(kind: str, source: str, expected: str) -> None:
    given = webhook_of({"alertname": "X"}, kind, source)

    assert arrange(given, Intake()) == (
        replace(given, alerts=(replace(given.alerts[0], labels={"alertname": "X", "source": expected}),)),
    )


@pytest.mark.parametrize(
    ("brought", "expected"),
    [
        ({"source": "pagerduty"}, {"source": "alertmanager", "exported_source": "pagerduty"}),
        ({"source": "alertmanager"}, {"source": "alertmanager"}),
        ({"source": ""}, {"source": "alertmanager"}),
    ],
    ids=["another", "the same", "empty"],
)
def test_no_alert_can_say_that_another_sent_it(brought: dict[str, str], expected: dict[str, str]) -> None:
    (group,) = arrange(webhook_of(brought), Intake())

    assert group.alerts[0].labels == expected


def test_arranging_twice_is_the_same_as_once() -> None:
    (once,) = arrange(webhook_of({"source": "x", "env": "prod", "pagerduty_service_id": "PF9KMXH"}), SERVICES)

    assert arrange(once, SERVICES) == (once,)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param({}, {}, id="no service"),
        pytest.param({"pagerduty_service_id": "PXXXXXX"}, {}, id="a service that no pack knows"),
        pytest.param(
            {"pagerduty_service_id": "PF9KMXH"}, {"namespace": "carecircle", "app": "api"}, id="one that a pack knows"
        ),
        pytest.param(
            {"pagerduty_service_id": "PF9KMXH", "namespace": "own", "app": ""},
            {"namespace": "own", "app": "api"},
            id="what the alert says itself stays",
        ),
    ],
)
def test_a_services_labels_fill_in_what_is_missing(labels: dict[str, str], expected: dict[str, str]) -> None:
    assert arranged(labels, SERVICES) == {**labels, **expected}


@pytest.mark.parametrize(
    ("names", "labels", "expected"),
    [
        pytest.param(("environment", "env"), {"env": "prod"}, "prod", id="the other name"),
        pytest.param(("environment", "env"), {"environment": "a", "env": "b"}, "a", id="its own name comes first"),
        pytest.param(
            ("env", "environment"), {"environment": "a", "env": "b"}, "b", id="unless the pack says otherwise"
        ),
        pytest.param(("env",), {"environment": "a", "env": "b"}, "a", id="its own name need not be listed"),
        pytest.param(("env", "stage"), {"stage": "c"}, "c", id="the first that is there"),
        pytest.param(("env", "stage"), {"env": "", "stage": "c"}, "c", id="an empty label is none"),
        pytest.param(("env",), {"other": "x"}, None, id="none is there"),
    ],
)
def test_a_label_that_goes_by_several_names_gets_one(
    names: tuple[str, ...], labels: dict[str, str], expected: str | None
) -> None:
    new = arranged(labels, Intake(labels={"environment": names}))

    assert new == ({**labels, "environment": expected} if expected else labels)


def test_names_are_sought_among_a_services_labels_too() -> None:
    intake = Intake(services={"P1": {"env": "prod"}}, labels={"environment": ("environment", "env")})

    assert arranged({"pagerduty_service_id": "P1"}, intake)["environment"] == "prod"


def test_every_group_of_a_body_is_arranged_and_stands_alone() -> None:
    one, other = webhook_of({"env": "a"}, "generic", "s"), webhook_of({"env": "b"}, "generic", "s")
    bad = Quarantined(reason="r", text="t")

    first, second = arrange(replace(one, others=(replace(other, key=b"o" * 32),), quarantined=(bad,)), NAMES)

    assert (first.others, second.others) == ((), ())
    assert (first.quarantined, second.quarantined) == ((bad,), ())
    assert [it.key[:1] for it in (first, second)] == [b"k", b"o"]
    assert [it.alerts[0].labels["environment"] for it in (first, second)] == ["a", "b"]


def test_the_identity_of_an_alert_stays() -> None:
    given = webhook_of({"env": "prod"})

    (group,) = arrange(given, NAMES)

    assert group.alerts[0].fingerprint == given.alerts[0].fingerprint
