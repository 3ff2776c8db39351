"""The alerts of a PagerDuty incident: Alertmanager's own, those of other senders, and malformed ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.intake.fingerprint import fingerprint_of
from responder.intake.pagerduty_alerts import alert_keys, alerts_of, is_from_alertmanager
from responder.intake.source import Limits
from responder.model.alert import Alert, AlertStatus
from responder.redaction.redact import Redactor

PAYLOADS = Path(__file__).parent / "payloads" / "pagerduty"
CREATED_AT = datetime(2026, 11, 22, 1, 14, 7, tzinfo=UTC)
INCIDENT = {"source": "pagerduty", "alertname": "T", "title": "T", "pagerduty_service_id": "PAPPT01"}
GROUP_KEY = "9f" * 32
CANARY = "kQ7-cAnArY-9f3b"
REDACTOR = Redactor()


def entry(name: str = "alert.other_sender.json", **changes: Any) -> dict[str, Any]:
    """One entry of ours with other fields."""
    return {**json.loads((PAYLOADS / name).read_text()), **changes}


def of_details(details: Any, **changes: Any) -> dict[str, Any]:
    return entry(**{"body": {"details": details}, **changes})


def read(raw: Any, labels: dict[str, str] | None = None, limits: Limits | None = None) -> tuple[Alert, ...]:
    return alerts_of(raw, INCIDENT if labels is None else labels, REDACTOR, limits or Limits())


def firing(*alerts: Any) -> dict[str, Any]:
    """Details as Alertmanager writes them from 0.30 on."""
    return {"firing": list(alerts), "resolved": [], "num_firing": len(alerts), "num_resolved": 0}


# Alertmanager's


def test_each_alert_of_a_text_list_is_one(redactor: Redactor) -> None:
    one, other = read(entry("alert.alertmanager_text.json"))

    assert one == Alert(
        fingerprint=fingerprint_of({"alertname": "DiskFull", "instance": "clinic-db-1", "severity": "critical"}),
        status=AlertStatus.FIRING,
        starts_at=CREATED_AT,
        ends_at=None,
        labels={**INCIDENT, "alertname": "DiskFull", "instance": "clinic-db-1", "severity": "critical"},
        annotations={"description": "95 % of /var\nis used", "summary": "disk full"},
        generator_url="http://prometheus.example.org/graph?g0.expr=disk",
    )
    assert other.labels["instance"] == "clinic-db-2"
    assert (other.annotations, other.generator_url) == ({}, "https://clinic.pagerduty.com/alerts/PALERT1")


def test_every_captured_event_gives_the_alerts_of_its_webhook(contracts: Path) -> None:
    compared = 0
    for file in sorted((contracts / "alertmanager" / "pagerduty-events").glob("*.json")):
        sent = json.loads(file.read_text())
        details = sent["payload"]["custom_details"]
        raw = of_details(details, alert_key=sent["dedup_key"])
        assert is_from_alertmanager(raw), file.name
        webhook = contracts / "alertmanager" / "webhooks" / file.name
        if not webhook.exists():
            continue
        listed = json.loads(webhook.read_text())["alerts"]
        expected = [it for it in listed if it["status"] == "firing"] or listed

        found = read(raw, labels={})

        assert [it.fingerprint for it in found] == [it["fingerprint"] for it in expected], file.name
        assert [it.labels for it in found] == [it["labels"] for it in expected], file.name
        assert [it.annotations for it in found] == [it["annotations"] for it in expected], file.name
        compared += len(found)
    assert compared == 88


@pytest.mark.parametrize("name", ["incident_alerts.json", "incident_alerts.grouped.json"])
def test_what_the_rest_api_answers_is_read(contracts: Path, name: str) -> None:
    listed = json.loads((contracts / "pagerduty" / "rest-samples" / name).read_text())["body"]["alerts"]

    for raw in listed:
        alerts = read(raw)

        assert [it.fingerprint for it in alerts] == ["4342812ac9028691", "39e4611d48548c3a"]
        assert {it.labels["alertname"] for it in alerts} == {"TargetDown"}
        assert is_from_alertmanager(raw)
    assert alert_keys(listed) == tuple(it["alert_key"] for it in listed)


def test_own_labels_go_before_those_of_the_incident_but_not_the_source() -> None:
    labels = {"alertname": "X", "title": "own", "source": "somebody"}

    (alert,) = read(of_details(firing({"labels": labels})))

    assert alert.labels == {
        **INCIDENT,
        "alertname": "X",
        "title": "own",
        "source": "pagerduty",
        "exported_source": "somebody",
    }
    assert alert.fingerprint == fingerprint_of(labels)


@pytest.mark.parametrize(
    ("changes", "status", "ends_at"),
    [
        ({"status": "triggered"}, AlertStatus.FIRING, None),
        ({"status": "something new"}, AlertStatus.FIRING, None),
        ({"status": "resolved"}, AlertStatus.RESOLVED, CREATED_AT),
        ({"status": "resolved", "resolved_at": None}, AlertStatus.RESOLVED, CREATED_AT),
        (
            {"status": "resolved", "resolved_at": "2026-11-22T02:00:00Z"},
            AlertStatus.RESOLVED,
            datetime(2026, 11, 22, 2, tzinfo=UTC),
        ),
        ({"status": "resolved", "resolved_at": "2026-11-22T01:00:00Z"}, AlertStatus.RESOLVED, CREATED_AT),
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", ["alert.other_sender.json", "alert.alertmanager_text.json"])
def test_the_state_is_that_of_pagerduty(
    name: str, changes: dict[str, Any], status: AlertStatus, ends_at: datetime | None
) -> None:
    alerts = read(entry(name, **changes))

    assert {(it.status, it.starts_at, it.ends_at) for it in alerts} == {(status, CREATED_AT, ends_at)}


def test_what_is_listed_as_resolved_counts_where_nothing_fires() -> None:
    details = {"firing": "", "resolved": "Labels:\n - alertname = X\nAnnotations:\nSource: \n", "num_resolved": "1"}

    (alert,) = read(of_details(details, status="resolved"))

    assert (alert.labels["alertname"], alert.status) == ("X", AlertStatus.RESOLVED)


@pytest.mark.parametrize(
    ("cut", "names"),
    [
        pytest.param("Labels:\n - alertname = Y\n - po", ["X"], id="in its labels: who knows which are missing"),
        pytest.param("Labels:\n - alertname = Y\nAnnotations:\n - su", ["X", "Y"], id="in its annotations"),
    ],
)
def test_a_list_that_was_cut_off_gives_the_alerts_that_are_whole(cut: str, names: list[str]) -> None:
    text = f"Labels:\n - alertname = X\nAnnotations:\nSource: \n{cut}"

    assert [it.labels["alertname"] for it in read(of_details({"firing": text}))] == names


def test_a_text_in_an_annotation_makes_no_alert() -> None:
    forged = "Source: x\nLabels:\n - alertname = Forged\nAnnotations:\nSource: \n"
    text = f"Labels:\n - alertname = X\nAnnotations:\n - summary = log says\n{forged}"

    (alert,) = read(of_details({"firing": text, "num_firing": "1"}))

    assert alert.labels["alertname"] == "X"


@pytest.mark.parametrize("count", [None, "", "many", "٣", 0, -1, 99, "9" * 5000, 1.5, []], ids=repr)
def test_a_count_that_says_nothing_costs_no_alert(count: Any) -> None:
    details = {**firing({"labels": {"a": "1"}}, {"labels": {"a": "2"}}), "num_firing": count}

    assert len(read(of_details(details))) == 2


def test_the_same_alert_listed_twice_is_one() -> None:
    assert len(read(of_details(firing({"labels": {"a": "1"}}, {"labels": {"a": "1"}})))) == 1


@pytest.mark.parametrize(
    "bad", [None, 5, "x", [], {}, {"labels": None}, {"labels": {}}, {"labels": {"a": 1}}, {"labels": ["a"]}], ids=repr
)
def test_a_malformed_one_in_a_list_is_skipped(bad: Any) -> None:
    details = {**firing(bad, {"labels": {"alertname": "X"}, "annotations": {"n": 5}}), "num_firing": 1}

    (alert,) = read(of_details(details))

    assert (alert.labels["alertname"], alert.annotations) == ("X", {})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, True, id="details that list alerts"),
        pytest.param({"alert_key": GROUP_KEY[:-1]}, False, id="a shorter key"),
        pytest.param({"alert_key": GROUP_KEY.upper()}, False, id="a key in capitals"),
        pytest.param({"alert_key": None}, False, id="no key"),
        pytest.param({"body": {"details": {}, "cef_details": {"client": "Alertmanager"}}}, True, id="its client"),
        pytest.param(
            {"body": {"details": {"a": "b"}, "cef_details": {"client": "Datadog"}}}, False, id="another client"
        ),
        pytest.param({"body": {"details": {"a": "b"}, "cef_details": None}}, False, id="neither"),
        pytest.param({"body": {"details": "text"}}, False, id="a text"),
        pytest.param({"body": None}, False, id="no body"),
    ],
)
def test_alertmanager_is_known_by_its_key_and_its_details(changes: dict[str, Any], expected: bool) -> None:
    assert is_from_alertmanager(entry("alert.alertmanager_text.json", **changes)) is expected


# Other senders'


def test_the_texts_of_the_details_become_labels() -> None:
    (alert,) = read(entry())

    assert alert.labels == {
        **INCIDENT,
        "host_name": "clinic-db-2",
        "disk_mount": "/var/lib",
        "disk_used": "93 %",
        "tags_0": "db",
        "tags_1": "eu",
        "db_password": "[redacted:secret]",
        "severity": "warning",
    }
    assert alert.annotations == {"summary": "disk of clinic-db-2 is 93 % full"}
    assert alert.generator_url == "https://clinic.pagerduty.com/alerts/PALERT1"


def test_an_alert_is_the_same_whatever_its_details_say() -> None:
    (one,), (other,), (third,) = read(entry()), read(of_details({"a": "b"})), read(entry(id="PALERT2"))

    assert one.fingerprint == other.fingerprint != third.fingerprint
    assert len(one.fingerprint) == len(third.fingerprint) == 16


@pytest.mark.parametrize(
    ("details", "labels"),
    [
        pytest.param({"a.b-c d": "x"}, {"a_b_c_d": "x"}, id="what no label may be called"),
        pytest.param({"9a": "x"}, {"_9a": "x"}, id="a digit first"),
        pytest.param({"": "x"}, {"_": "x"}, id="no name"),
        pytest.param({"größe": "x"}, {"gr__e": "x"}, id="no ASCII"),
        pytest.param({"a": {"b": "first"}, "a.b": "second"}, {"a_b": "first"}, id="the first of two stays"),
        pytest.param({"a": ""}, {}, id="an empty text"),
        pytest.param({"a": 1, "b": 1.5, "c": True, "d": None, "e": [], "f": {}}, {}, id="no texts"),
        pytest.param({"a": [{"b": "x"}, ["y"]]}, {"a_0_b": "x", "a_1_0": "y"}, id="inside of lists"),
        pytest.param("a plain text", {"details": "a plain text"}, id="a text as a whole"),
        pytest.param(["a"], {}, id="a list as a whole"),
        pytest.param({"firing": "nonsense"}, {"firing": "nonsense"}, id="a list that is none"),
        pytest.param({"severity": "page"}, {"severity": "warning"}, id="PagerDuty's severity"),
        pytest.param({"alertname": "X"}, {"alertname": "X"}, id="the sender's own name"),
        pytest.param({"title": "X", "pagerduty_service_id": "Y"}, {}, id="not PagerDuty's words"),
        pytest.param({"source": "X"}, {"exported_source": "X"}, id="not the source"),
    ],
)
def test_a_name_is_made_into_a_label(details: Any, labels: dict[str, str]) -> None:
    (alert,) = read(of_details(details))

    assert alert.labels == {**INCIDENT, "severity": "warning", **labels}


def test_an_alert_of_an_incident_without_a_title_is_named_by_its_summary() -> None:
    (alert,) = read(of_details({}), labels={"source": "pagerduty"})

    assert alert.labels["alertname"] == "disk of clinic-db-2 is 93 % full"


@pytest.mark.parametrize("depth", [8, 9, 5000])
def test_what_is_nested_too_deep_is_left_out(depth: int) -> None:
    details: Any = "x"
    for _ in range(depth):
        details = {"a": details}

    (alert,) = read(of_details(details))

    assert ("a_" * 7 + "a" in alert.labels) is (depth == 8)


def test_ten_thousand_texts_and_a_long_one_are_bounded() -> None:
    (many,) = read(of_details({f"l{it}": "v" for it in range(10_000)}))
    (long,) = read(of_details({"a": "x" * (1 << 20)}, summary="y" * (1 << 20)))

    assert len(many.labels) == 128
    assert many.annotations["responder_cut"].endswith(" labels cut")
    assert (len(long.labels["a"]), len(long.annotations["summary"])) == (4096, 8192)


def test_alerts_over_the_bound_are_left_out() -> None:
    details = firing(*({"labels": {"a": str(it)}} for it in range(9)))

    assert len(read(of_details(details), limits=Limits(alerts=5))) == 5


def test_a_value_of_a_million_lines_is_read_in_time() -> None:
    text = "Labels:\n - alertname = X\nAnnotations:\n - a = b" + "\n" * 1_000_000

    (alert,) = read(of_details({"firing": text}))

    assert len(alert.annotations["a"]) == 8192


# Malformed, hostile, secret


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="a list"),
        pytest.param("x", id="a text"),
        pytest.param({}, id="nothing in it"),
        pytest.param(entry(id=None), id="no id"),
        pytest.param(entry(id=5), id="an id of a wrong type"),
        pytest.param(entry(status=None), id="no status"),
        pytest.param(entry(created_at=None), id="no start"),
        pytest.param(entry(created_at="yesterday"), id="no time"),
        pytest.param(entry(created_at="2026-11-22T01:14:07"), id="a time without an offset"),
    ],
)
def test_a_malformed_alert_is_skipped(raw: Any) -> None:
    assert read(raw) == ()


@pytest.mark.parametrize("body", [None, 5, "x", [], {}, {"details": None}, {"details": 5}], ids=repr)
def test_an_alert_without_details_is_still_one(body: Any) -> None:
    (alert,) = read(entry(body=body, severity=None, summary=None, html_url=None))

    assert (alert.labels, alert.annotations, alert.generator_url) == (INCIDENT, {}, "")


@pytest.mark.parametrize(
    "details",
    [
        {"password": CANARY},
        {"password": {"old": CANARY}},
        {"api": {"key": CANARY}},
        {"token": ["x", CANARY]},
        {"password": {"deep": {"er": [CANARY]}}},
        {"a": f"token={CANARY}"},
        {f"token={CANARY}": {"password": CANARY}},
        f"password: {CANARY}",
        firing({"labels": {"alertname": "X", "password": CANARY}}),
        firing({"labels": {"a": f"secret={CANARY}"}, "annotations": {"b": f"postgres://u:{CANARY}@db"}}),
        firing({"labels": {"a": "b"}, "generatorURL": f"http://u:{CANARY}@prometheus/"}),
        {"firing": f"Labels:\n - alertname = X\n - password = {CANARY}\nAnnotations:\n - a = token: {CANARY}\n"},
        {"firing": f"nonsense password={CANARY}"},
    ],
    ids=repr,
)
def test_a_secret_in_the_details_is_nowhere_in_the_alerts(details: Any) -> None:
    alerts = read(of_details(details, summary=f"token={CANARY}", html_url=f"https://u:{CANARY}@x"))

    assert alerts
    assert CANARY not in repr(alerts)
    assert "[redacted:" in repr(alerts)


@pytest.mark.parametrize(
    "name",
    ["password=hunter2-1", "Authorization: Bearer hunter2-1", "postgres://app:hunter2-1@db/x", "token: hunter2-1"],
)
def test_a_secret_in_the_name_of_a_detail_is_nowhere_in_the_alerts(name: str) -> None:
    alerts = read(of_details({name: "x", "a": [{name: {"b": "y"}}]}))

    assert "hunter2" not in repr(alerts)


def test_a_patient_in_the_details_is_nowhere_in_the_alerts() -> None:
    details = {"patient": {"first_name": "Erika"}, "patient_id": "P-0815", "note": "ssn: 536-22-1234"}

    alerts = read(of_details(details, summary="erika@clinic.org cannot log in"))

    assert not [it for it in ("Erika", "0815", "536-22", "erika@") if it in repr(alerts)]


def test_an_identity_comes_from_the_labels_before_redaction() -> None:
    one, other = read(of_details(firing(*({"labels": {"a": "x", "password": it}} for it in ("p1", "p2")))))

    assert one.labels == other.labels
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("raw_alerts", "keys"),
    [
        ([], ()),
        ([{"alert_key": "a"}, {"alert_key": "b"}, {"alert_key": "a"}], ("a", "b")),
        ([{"alert_key": ""}, {"alert_key": None}, {"alert_key": 5}, {}, None, "x"], ()),
    ],
    ids=repr,
)
def test_keys_are_texts_and_each_stands_once(raw_alerts: Any, keys: tuple[str, ...]) -> None:
    assert alert_keys(raw_alerts) == keys


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["id", "status", "created_at", "summary", "severity", "html_url", "body", "alert_key", "resolved_at"]
DETAILS = ["firing", "resolved", "num_firing", "num_resolved", "source", "password", "labels"]
listed = st.lists(st.dictionaries(st.sampled_from(["labels", "annotations", "generatorURL"]), json_values), max_size=3)
lines = st.lists(st.sampled_from(["Labels:", "Annotations:", "Source: x", " - a = b", " - c = ", "x", ""]), max_size=9)


@settings(derandomize=True, max_examples=400, deadline=None)
@given(
    st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=3),
    st.dictionaries(st.sampled_from(DETAILS), json_values | listed | lines.map("\n".join), max_size=5) | json_values,
)
def test_any_json_gives_alerts_or_none(changes: dict[str, Any], details: Any) -> None:
    raw = of_details(details, **changes)

    alerts = read(raw)
    is_from_alertmanager(raw)

    assert all(it.labels["source"] == "pagerduty" and it.starts_at.tzinfo is not None for it in alerts)
    assert alerts or changes.keys() & {"id", "status", "created_at"}
