"""Bodies of Alertmanager, captured, odd and hostile."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.intake.alertmanager import NO_GROUP_KEY, SOURCE
from responder.intake.source import Limits, Post, UnreadableBody
from responder.model.alert import Alert, AlertStatus, Webhook
from responder.redaction.redact import Redactor

Parse = Callable[..., Webhook]
BodyLike = Callable[..., bytes]
AlertLike = Callable[..., dict[str, Any]]


def everything_in(value: Any) -> Iterator[str]:
    """Every text of an object, however deep."""
    match value:
        case str():
            yield value
        case bytes():
            yield value.decode("latin-1")
        case Mapping():
            for name, it in value.items():
                yield name
                yield from everything_in(it)
        case list() | tuple():
            for it in value:
                yield from everything_in(it)
        case _ if dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                yield from everything_in(getattr(value, field.name))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_every_captured_body_is_read_alert_by_alert_and_left_as_it_is(contracts: Path, parsed: Parse) -> None:
    read = 0
    for file in sorted((contracts / "alertmanager" / "webhooks").glob("*.json")):
        wire = json.loads(file.read_text())
        if "groupKey" not in wire:
            continue

        webhook = parsed(file.read_bytes())

        assert webhook.key == hashlib.sha256(wire["groupKey"].encode()).digest(), file.name
        assert webhook.quarantined == (), file.name
        assert webhook.url == wire.get("externalURL", ""), file.name
        assert len(webhook.alerts) == len(wire["alerts"]), file.name
        for alert, given_alert in zip(webhook.alerts, wire["alerts"], strict=True):
            resolved = given_alert["status"] == "resolved"
            assert alert == Alert(
                fingerprint=given_alert.get("fingerprint") or alert.fingerprint,
                status=AlertStatus.RESOLVED if resolved else AlertStatus.FIRING,
                starts_at=moment(given_alert["startsAt"]),
                ends_at=moment(given_alert["endsAt"]) if resolved else None,
                labels=given_alert["labels"],
                annotations=given_alert["annotations"],
                generator_url=given_alert.get("generatorURL", ""),
            )
            read += 1
    assert read > 100


def test_every_fingerprint_of_the_captures_can_be_computed(contracts: Path, parsed: Parse) -> None:
    compared = 0
    for file in sorted((contracts / "alertmanager" / "webhooks").glob("*.json")):
        wire = json.loads(file.read_text())
        expected = [it.pop("fingerprint", None) for it in wire.get("alerts", [])]
        if not any(expected):
            continue

        webhook = parsed(json.dumps(wire).encode())

        assert [it.fingerprint for it in webhook.alerts] == expected, file.name
        compared += len(expected)
    assert compared > 100


def test_every_correlation_vector_holds(contracts: Path, parsed: Parse, body_like: BodyLike) -> None:
    vectors = json.loads((contracts / "correlation-vectors.json").read_text())["vectors"]

    keys = [parsed(body_like(groupKey=it["groupKey"])).key.hex() for it in vectors]

    assert keys == [it["dedup_key"] for it in vectors]


def test_a_whole_body_becomes_a_webhook(parsed: Parse, body_like: BodyLike) -> None:
    assert parsed(body_like()) == Webhook(
        kind="alertmanager",
        source="default",
        key=hashlib.sha256(b'{}:{alertname="X"}').digest(),
        title="X",
        url="http://am:9093",
        alerts=(
            Alert(
                fingerprint="77adc8a4a964099b",
                status=AlertStatus.FIRING,
                starts_at=datetime(2026, 11, 21, 2, 51, 38, 862000, tzinfo=UTC),
                ends_at=None,
                labels={"alertname": "X", "pod": "a"},
                annotations={"summary": "s"},
                generator_url="http://p/graph",
            ),
        ),
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("2026-11-21T02:51:38Z", "2026-11-21T02:51:38+00:00", id="UTC"),
        pytest.param("2026-11-21T04:51:38+02:00", "2026-11-21T02:51:38+00:00", id="an offset"),
        pytest.param("2026-11-21T02:51:38.123456789Z", "2026-11-21T02:51:38.123456+00:00", id="nanoseconds are cut"),
    ],
)
def test_times_become_utc(
    parsed: Parse, body_like: BodyLike, alert_like: AlertLike, written: str, expected: str
) -> None:
    (alert,) = parsed(body_like(alerts=[alert_like(startsAt=written)])).alerts

    assert alert.starts_at == moment(expected)
    assert alert.starts_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("ends_at", [None, "0001-01-01T00:00:00Z"])
def test_a_resolved_alert_that_does_not_say_when_ended_at_its_start(
    parsed: Parse, body_like: BodyLike, alert_like: AlertLike, ends_at: str | None
) -> None:
    (alert,) = parsed(body_like(alerts=[alert_like(status="resolved", endsAt=ends_at)])).alerts

    assert alert.ends_at == alert.starts_at


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"status": "smouldering"}, "alert: `status`: Input should be 'firing' or 'resolved'", id="status"),
        pytest.param({"startsAt": None}, "alert: `startsAt`: Field required", id="no start"),
        pytest.param({"startsAt": 5}, "alert: `startsAt`: Input should be a valid datetime", id="a bare number"),
        pytest.param(
            {"startsAt": "2026-11-21T02:51:38"}, "alert: `startsAt`: Input should have timezone info", id="local"
        ),
        pytest.param(
            {"labels": {"a": 1}}, "alert: `labels`: Input should be a valid string", id="label of a wrong type"
        ),
        pytest.param({"labels": None}, "alert: `labels`: Field required", id="no labels"),
        pytest.param(
            {"startsAt": "0001-01-01T00:00:00+05:00"},
            "alert: `startsAt` or `endsAt`: expected a time that UTC can hold",
            id="before the first year",
        ),
    ],
)
def test_one_bad_alert_is_quarantined_and_the_others_go_on(
    parsed: Parse, body_like: BodyLike, alert_like: AlertLike, changes: dict[str, Any], reason: str
) -> None:
    webhook = parsed(body_like(alerts=[alert_like(), alert_like(**changes), alert_like(fingerprint="0" * 16)]))

    assert [it.fingerprint for it in webhook.alerts] == ["77adc8a4a964099b", "0" * 16]
    (bad,) = webhook.quarantined
    assert bad.reason == reason
    assert bad.identities == {"key": webhook.key.hex(), "fingerprint": "77adc8a4a964099b"}
    assert json.loads(bad.text)["annotations"] == {"summary": "s"}


@pytest.mark.parametrize("alert", [None, 5, "text", [], {}], ids=repr)
def test_what_is_no_alert_at_all_is_quarantined(parsed: Parse, body_like: BodyLike, alert: Any) -> None:
    webhook = parsed(body_like(alerts=[alert]))

    assert (len(webhook.alerts), len(webhook.quarantined)) == (0, 1)


@pytest.mark.parametrize(
    ("body", "reason", "counts"),
    [
        pytest.param(b'{"title": "custom"}', NO_GROUP_KEY, 1, id="a custom payload"),
        pytest.param(b'{"alerts": [{}, {}, {}]}', NO_GROUP_KEY, 3, id="counts each of its alerts"),
        pytest.param(b'{"groupKey": "", "alerts": []}', NO_GROUP_KEY, 1, id="an empty key"),
        pytest.param(b'{"groupKey": 5, "alerts": [{}]}', NO_GROUP_KEY, 1, id="a key of a wrong type"),
        pytest.param(b"[1, 2]", NO_GROUP_KEY, 1, id="a list"),
        pytest.param(b'"text"', NO_GROUP_KEY, 1, id="a text"),
        pytest.param(b"null", NO_GROUP_KEY, 1, id="null"),
        pytest.param(b'{"groupKey": "k"}', "`alerts`: expected a list", 1, id="no alerts"),
        pytest.param(b'{"groupKey": "k", "alerts": {}}', "`alerts`: expected a list", 1, id="alerts of a wrong type"),
    ],
)
def test_a_body_of_another_shape_is_quarantined_whole(parsed: Parse, body: bytes, reason: str, counts: int) -> None:
    webhook = parsed(body)

    (whole,) = webhook.quarantined
    assert (webhook.key, webhook.alerts, whole.reason, whole.alerts) == (b"", (), reason, counts)
    assert json.loads(whole.text) == json.loads(body)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "5"},
        {"version": None},
        {"groupLabels": None},
        {"groupLabels": {"a": 1}},
        {"commonLabels": "x"},
        {"truncatedAlerts": "x"},
        {"status": 5},
        {"externalURL": 5},
        {"externalURL": "javascript:alert(1)"},
        {"newField": {"deep": [1]}},
    ],
    ids=repr,
)
def test_no_oddity_of_the_envelope_costs_an_alert(parsed: Parse, body_like: BodyLike, changes: dict[str, Any]) -> None:
    webhook = parsed(body_like(**changes))

    assert [it.fingerprint for it in webhook.alerts] == ["77adc8a4a964099b"]
    assert webhook.quarantined == ()
    assert webhook.url in ("", "http://am:9093")


@pytest.mark.parametrize("alerts", [[], None], ids=["empty", "null"])
def test_a_group_without_alerts_is_a_webhook_without_alerts(parsed: Parse, body_like: BodyLike, alerts: Any) -> None:
    body = body_like(alerts=[]).replace(b'"alerts": []', b'"alerts": ' + json.dumps(alerts).encode())

    assert (parsed(body).alerts, parsed(body).quarantined) == ((), ())


@pytest.mark.parametrize("shown", ["77ADC8A4A964099B", "77adc8a4a964099", "x" * 16, "", "77adc8a4a964099b\n"], ids=repr)
def test_a_fingerprint_of_another_shape_is_computed(
    parsed: Parse, body_like: BodyLike, alert_like: AlertLike, shown: str
) -> None:
    (odd,) = parsed(body_like(alerts=[alert_like(fingerprint=shown)])).alerts
    (none,) = parsed(body_like(alerts=[alert_like(fingerprint=None)])).alerts

    assert odd.fingerprint == none.fingerprint != "77adc8a4a964099b"


def test_an_identity_comes_from_the_labels_before_redaction(
    parsed: Parse, body_like: BodyLike, alert_like: AlertLike
) -> None:
    one, other = (alert_like(fingerprint=None, labels={"alertname": "X", "password": it}) for it in ("abc", "xyz"))

    first, second = parsed(body_like(alerts=[one, other])).alerts

    assert first.labels == second.labels == {"alertname": "X", "password": "[redacted:secret]"}
    assert first.fingerprint != second.fingerprint


def test_the_same_alert_twice_in_one_body_stays_twice_in_order(
    parsed: Parse, body_like: BodyLike, alert_like: AlertLike
) -> None:
    webhook = parsed(body_like(alerts=[alert_like(), alert_like(status="resolved", endsAt="2026-11-21T03:00:00Z")]))

    assert [it.status for it in webhook.alerts] == [AlertStatus.FIRING, AlertStatus.RESOLVED]


@pytest.mark.parametrize(
    ("status", "truncated", "expected"),
    [
        pytest.param("resolved", 40, "2026-11-21T03:00:00+00:00", id="the latest end"),
        pytest.param("resolved", 0, None, id="nothing was cut"),
        pytest.param("firing", 40, None, id="something still fires"),
    ],
)
def test_a_cut_list_of_a_resolved_group_ends_the_others(
    parsed: Parse, body_like: BodyLike, alert_like: AlertLike, status: str, truncated: int, expected: str | None
) -> None:
    ends = ("2026-11-21T02:59:00Z", "2026-11-21T03:00:00Z", "2026-11-21T02:58:00Z")
    alerts = [alert_like(status="resolved", endsAt=it) for it in ends]

    webhook = parsed(body_like(status=status, truncatedAlerts=truncated, alerts=alerts))

    assert webhook.ends_others_until == (moment(expected) if expected else None)


@pytest.mark.parametrize(
    ("group", "common", "annotations", "title"),
    [
        ({"alertname": "X", "cluster": "c"}, {}, {"summary": "it is\ndown"}, "X: it is down"),
        ({"alertname": "X", "cluster": "c"}, {}, {}, "X (cluster=c)"),
        ({}, {"alertname": "X"}, {}, "X"),
        ({}, {}, {"title": "down"}, "down"),
        ({}, {}, {}, "alerts without a common name"),
    ],
)
def test_the_title_says_what_the_group_has_in_common(
    parsed: Parse,
    body_like: BodyLike,
    group: dict[str, str],
    common: dict[str, str],
    annotations: dict[str, str],
    title: str,
) -> None:
    assert parsed(body_like(groupLabels=group, commonLabels=common, commonAnnotations=annotations)).title == title


def with_raw_label(value: bytes) -> bytes:
    return (
        b'{"groupKey": "k", "alerts": [{"status": "firing", "startsAt": "2026-11-21T02:51:38Z", "labels": {"a": '
        + value
        + b"}}]}"
    )


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half"),
        pytest.param(b"{} {}", id="two"),
        pytest.param(b"hello", id="a word"),
        pytest.param(with_raw_label(b'"\xff"'), id="invalid UTF-8"),
        pytest.param(with_raw_label(b'"\x00"'), id="a raw NUL"),
        pytest.param(with_raw_label(b"9" * 5000), id="5,000 digits"),
        pytest.param(b"[" * 100_000, id="depth 100,000"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="depth 100,000, closed"),
        pytest.param('{"groupKey": "k"}'.encode("utf-16"), id="UTF-16"),
    ],
)
def test_what_is_not_json_is_unreadable(parsed: Parse, body: bytes) -> None:
    with pytest.raises(UnreadableBody, match="alertmanager payload: expected JSON"):
        parsed(body)


@pytest.mark.parametrize(
    ("body", "labels"),
    [
        pytest.param(with_raw_label(b'"\\u0000x"'), {"a": "x"}, id="an escaped NUL"),
        pytest.param(with_raw_label(b'"\\ud800x"'), {"a": "\ufffdx"}, id="a lone surrogate"),
        pytest.param(with_raw_label(b'"\\ude92\\ud83d\\ude92"'), {"a": "\ufffd🚒"}, id="a lone one before a pair"),
        pytest.param(with_raw_label(b'"\\\\ud800"'), {"a": "\\ud800"}, id="an escaped backslash is no surrogate"),
        pytest.param(b"\xef\xbb\xbf" + with_raw_label(b'"x"'), {"a": "x"}, id="a byte order mark"),
        pytest.param(with_raw_label(b'"1", "a": "2"'), {"a": "2"}, id="of duplicate keys the last"),
        pytest.param(with_raw_label(b'"\\u001b[31m\\u202ered\\u200b"'), {"a": "red"}, id="ANSI, right to left"),
        pytest.param(
            with_raw_label(b'"x"').replace(b'"k",', b'"k", "z": [NaN, -Infinity, 1e999],'), {"a": "x"}, id="NaN"
        ),
    ],
)
def test_what_is_odd_json_is_read_and_cleaned(parsed: Parse, body: bytes, labels: dict[str, str]) -> None:
    (alert,) = parsed(body).alerts

    assert alert.labels == labels


def test_nan_in_a_label_quarantines_that_alert(parsed: Parse) -> None:
    webhook = parsed(with_raw_label(b"NaN"))

    assert [it.reason for it in webhook.quarantined] == ["alert: `labels`: Input should be a valid string"]


def test_what_is_over_a_bound_is_cut_and_says_so(parsed: Parse, body_like: BodyLike, alert_like: AlertLike) -> None:
    limits = Limits(labels=3, label_chars=20, annotations=2, annotation_chars=30)
    labels = {"a": "1", "b": "x" * 21, "c": "3", "d": "4", "alertname": "X", "severity": "page"}
    annotations = {"summary": "y" * 31, "e": "1", "f": "2"}

    (alert,) = parsed(
        body_like(alerts=[alert_like(labels=labels, annotations=annotations, fingerprint=None)]), limits
    ).alerts
    (whole,) = parsed(body_like(alerts=[alert_like(labels=labels, annotations={}, fingerprint=None)])).alerts

    assert alert.labels == {"alertname": "X", "severity": "page", "a": "1"}
    assert alert.annotations == {
        "summary": "y" * 24 + "…[cut]",
        "e": "1",
        "responder_cut": "3 labels cut, 1 annotations cut",
    }
    assert alert.fingerprint == whole.fingerprint


def test_a_secret_is_redacted_before_it_is_cut(parsed: Parse, body_like: BodyLike, alert_like: AlertLike) -> None:
    annotations = {"summary": "x" * 100 + " postgres://u:CANARY-9c1f@db/x"}

    (alert,) = parsed(body_like(alerts=[alert_like(annotations=annotations)]), Limits(annotation_chars=125)).alerts

    assert "CANARY" not in alert.annotations["summary"]


def test_ten_thousand_labels_and_a_value_of_a_megabyte_are_bounded(
    parsed: Parse, body_like: BodyLike, alert_like: AlertLike
) -> None:
    many = {f"l{it}": "v" for it in range(10_000)}

    (one,) = parsed(body_like(alerts=[alert_like(labels=many)])).alerts
    (other,) = parsed(body_like(alerts=[alert_like(labels={"a": "x" * (1 << 20)})])).alerts

    assert (len(one.labels), one.annotations["responder_cut"]) == (128, "9872 labels cut")
    assert len(other.labels["a"]) == 4096


def test_alerts_over_the_bound_are_counted_as_quarantined(
    parsed: Parse, body_like: BodyLike, alert_like: AlertLike
) -> None:
    webhook = parsed(body_like(alerts=[alert_like()] * 7), Limits(alerts=5))

    assert len(webhook.alerts) == 5
    assert [(it.reason, it.alerts) for it in webhook.quarantined] == [("more than 5 alerts in one body", 2)]


def test_a_hundred_thousand_empty_alerts_are_bounded_and_all_counted(parsed: Parse, body_like: BodyLike) -> None:
    webhook = parsed(body_like(alerts=[{}] * 100_000))

    assert len(webhook.quarantined) == 10_001
    assert sum(it.alerts for it in webhook.quarantined) == 100_000


def test_quarantined_text_is_at_most_64_kib(parsed: Parse) -> None:
    (whole,) = parsed(json.dumps({"x": "ü" * 200_000}).encode()).quarantined

    assert len(whole.text.encode()) <= 64 * 1024
    assert whole.text.endswith("…[cut]")


CANARY = "kQ7-cAnArY-9f3b"
PLANTED = {
    "a label": {"labels": {"alertname": "X", "password": CANARY}},
    "a label's text": {"labels": {"alertname": f"token={CANARY}"}},
    "a label's name": {"labels": {"alertname": "X", f"password={CANARY}": "v"}},
    "an annotation": {"annotations": {"summary": f'login {{"password": "{CANARY}"}} failed'}},
    "an annotation's URL": {"annotations": {"runbook_url": f"https://u:{CANARY}@host/x"}},
    "generatorURL": {"generatorURL": f"http://u:{CANARY}@prom/graph"},
    "an encoded generatorURL": {"generatorURL": f"http://p/graph?g0.expr=up%7Bpassword%3D%22{CANARY}%22%7D"},
    "a bad alert": {"status": "odd", "labels": {"password": CANARY}, "annotations": {"a": f"x\nsecret: {CANARY}"}},
    "a bad alert's odd fields": {"status": "odd", "x": [{"token": {"deep": CANARY}}], f"token={CANARY}": [1]},
    "a bad alert's time": {"startsAt": f"token={CANARY}"},
}


@pytest.mark.parametrize("place", PLANTED)
def test_a_secret_planted_in_an_alert_is_nowhere_in_the_webhook(
    parsed: Parse, body_like: BodyLike, alert_like: AlertLike, place: str
) -> None:
    webhook = parsed(body_like(alerts=[alert_like(**PLANTED[place])]))

    texts = list(everything_in(webhook))
    assert not [it for it in texts if CANARY in it]
    assert any("[redacted:" in it for it in texts)


@pytest.mark.parametrize(
    "changes",
    [
        {"groupLabels": {"alertname": "X", "password": CANARY}, "groupKey": f'{{}}:{{password="{CANARY}"}}'},
        {"commonAnnotations": {"summary": f"Authorization: Bearer {CANARY}"}},
        {"externalURL": f"http://u:{CANARY}@am"},
        {"groupKey": None, "commonAnnotations": {"summary": f"password: {CANARY}"}},
        {"groupKey": None, "password": CANARY, "x": {"api_key": [CANARY]}},
    ],
    ids=["group", "summary", "externalURL", "no group", "no group, own fields"],
)
def test_a_secret_planted_in_the_envelope_is_nowhere_in_the_webhook(
    parsed: Parse, body_like: BodyLike, changes: dict[str, Any]
) -> None:
    webhook = parsed(body_like(**changes))

    assert not [it for it in everything_in(webhook) if CANARY in it]


def test_a_known_secret_is_nowhere_in_the_webhook(parsed: Parse, body_like: BodyLike, alert_like: AlertLike) -> None:
    webhook = parsed(
        body_like(alerts=[alert_like(labels={"a": "got kn0wn-s3cret"})], commonLabels={"x": "kn0wn-s3cret"})
    )

    assert not [it for it in everything_in(webhook) if "kn0wn-s3cret" in it]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["version", "groupKey", "status", "groupLabels", "commonLabels", "commonAnnotations", "externalURL", "alerts"]
ALERT_FIELDS = ["status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"]
REDACTOR = Redactor()


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=8),
    st.lists(st.dictionaries(st.sampled_from(ALERT_FIELDS), json_values, max_size=7) | json_values, max_size=4),
)
def test_any_json_is_read_and_each_of_its_alerts_is_counted(envelope: dict[str, Any], alerts: list[Any]) -> None:
    body = json.dumps({**envelope, "groupKey": "k", "alerts": alerts}).encode()

    webhook = SOURCE.parse(Post(source="default", headers={}, body=body), REDACTOR, Limits())

    assert len(webhook.alerts) + sum(it.alerts for it in webhook.quarantined) == len(alerts)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.binary(max_size=60) | json_values.map(lambda it: json.dumps(it).encode()))
def test_any_bytes_are_read_or_unreadable(body: bytes) -> None:
    try:
        webhook = SOURCE.parse(Post(source="default", headers={}, body=body), REDACTOR, Limits())
    except UnreadableBody:
        return
    assert webhook.quarantined or webhook.key
