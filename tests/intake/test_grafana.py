"""Bodies and signatures of Grafana's unified alerting."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from responder.intake.alertmanager import NO_GROUP_KEY
from responder.intake.grafana import Grafana
from responder.intake.registry import sources
from responder.intake.source import Credentials, Limits, Post, UnreadableBody
from responder.model.alert import AlertStatus, Webhook
from responder.redaction.redact import Redactor

Parse = Callable[..., Webhook]
BodyLike = Callable[..., bytes]
AlertLike = Callable[..., dict[str, Any]]

NOW = 1763693460.0
BODY = b'{"groupKey": "k", "alerts": []}'
NOTHING = Credentials()
TOKENS = Credentials(tokens=("first-token", "second-token"))
SECRETS = Credentials(secrets=("old-secret", "new-secret"))
BOTH = Credentials(tokens=("first-token",), secrets=("new-secret",), allow_unauthenticated=True)


def signature(secret: str, body: bytes = BODY, timestamp: str = "") -> dict[str, str]:
    content = f"{timestamp}:".encode() + body if timestamp else body
    headers = {"x-grafana-alerting-signature": hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()}
    return {**headers, **({"X-Grafana-Alerting-Timestamp": timestamp} if timestamp else {})}


def authorization(text: str) -> dict[str, str]:
    return {"Authorization": text}


def basic(text: str) -> dict[str, str]:
    return authorization("Basic " + base64.b64encode(text.encode()).decode())


def answers(headers: dict[str, str], body: bytes, credentials: Credentials, now: float = NOW) -> list[int | None]:
    """The status before the body was read, and after."""
    source = Grafana(clock=lambda: now)
    shown = CIMultiDictProxy(CIMultiDict(headers))
    refusals = [source.refusal_before_body(shown, credentials), source.refusal(shown, body, credentials)]
    return [it.status if it else None for it in refusals]


@pytest.fixture
def read(redactor: Redactor) -> Parse:
    def parse(body: bytes, limits: Limits | None = None) -> Webhook:
        return Grafana().parse(Post(source="default", headers={}, body=body), redactor, limits or Limits())

    return parse


def test_every_signature_vector_of_the_contract_holds(contracts: Path) -> None:
    vectors = json.loads((contracts / "grafana" / "hmac-vectors.json").read_text())["vectors"]

    for it in vectors:
        credentials = Credentials(secrets=(it["secret"],))
        answer = answers(it["headers"], it["body"].encode(), credentials)[1]
        assert (answer is None) is it["valid"], it["name"]
    assert len(vectors) >= 3


@pytest.mark.parametrize(
    ("key", "minutes"),
    [
        ("us-77adc8a4a964099b-1763693460", 5),
        ("a {name}-77adc8a4a964099b-1763693460", 5),
        ('{}:{pod="us-77adc8a4a964099b-1763693460"}', None),
        ("{}/us-77adc8a4a964099b-1763693460", None),
        ("us-1763693460", None),
    ],
)
def test_a_test_of_a_contact_point_says_when_it_will_end_and_no_other_alert_does(
    read: Parse, body_like: BodyLike, key: str, minutes: int | None
) -> None:
    (alert,) = read(body_like(groupKey=key)).alerts

    ends_at = None if minutes is None else alert.starts_at + timedelta(minutes=minutes)
    assert (alert.status, alert.ends_at) == (AlertStatus.FIRING, ends_at)


def test_a_test_that_begins_at_the_end_of_time_is_taken_all_the_same(read: Parse, body_like: BodyLike) -> None:
    body = json.loads(body_like(groupKey="us-77adc8a4a964099b-1763693460"))
    body["alerts"][0]["startsAt"] = "9999-12-31T23:59:59Z"

    (alert,) = read(json.dumps(body).encode()).alerts

    assert alert.ends_at is not None
    assert alert.ends_at > alert.starts_at


@pytest.mark.parametrize(
    ("credentials", "headers", "expected"),
    [
        pytest.param(NOTHING, {}, [503, 503], id="nothing configured"),
        pytest.param(NOTHING, signature("x"), [503, 503], id="nothing configured, something shown"),
        pytest.param(Credentials(tokens=("",), secrets=("",)), signature(""), [503, 503], id="empty is not configured"),
        pytest.param(Credentials(allow_unauthenticated=True), {}, [None, None], id="nothing configured but allowed"),
        pytest.param(TOKENS, {}, [401, 401], id="no token"),
        pytest.param(TOKENS, authorization("Bearer second-token"), [None, None], id="any of the tokens"),
        pytest.param(TOKENS, basic("whoever:first-token"), [None, None], id="a token as the password of any user"),
        pytest.param(TOKENS, basic("first-token:"), [401, 401], id="a token as the user"),
        pytest.param(TOKENS, basic("first-token"), [401, 401], id="no password"),
        pytest.param(TOKENS, authorization("Basic !"), [401, 401], id="no base64"),
        pytest.param(TOKENS, authorization("Bearer first"), [401, 401], id="another token"),
        pytest.param(TOKENS, signature("first-token"), [401, 401], id="a signature where only tokens are configured"),
        pytest.param(SECRETS, {}, [401, 401], id="no signature"),
        pytest.param(SECRETS, authorization("Bearer old-secret"), [401, 401], id="a secret is no token"),
        pytest.param(SECRETS, signature("old-secret"), [None, None], id="any of the secrets"),
        pytest.param(SECRETS, signature("new-secret"), [None, None], id="or the other, for rotation"),
        pytest.param(SECRETS, signature("other"), [None, 401], id="another secret"),
        pytest.param(SECRETS, signature("new-secret", b"{}"), [None, 401], id="of another body"),
        pytest.param(SECRETS, {"X-Grafana-Alerting-Signature": "ü\udcff"}, [None, 401], id="no signature at all"),
        pytest.param(BOTH, signature("new-secret"), [None, None], id="both: the signature"),
        pytest.param(BOTH, authorization("Bearer first-token"), [None, None], id="both: the token"),
        pytest.param(BOTH, {}, [401, 401], id="allowed does not lift what is configured"),
    ],
)
def test_a_request_is_held_against_the_credentials(
    credentials: Credentials, headers: dict[str, str], expected: list[int | None]
) -> None:
    assert answers(headers, BODY, credentials) == expected


@pytest.mark.parametrize(
    ("off", "expected"),
    [(0, None), (300, None), (-300, None), (301, 401), (-301, 401)],
    ids=["now", "five minutes old", "five minutes ahead", "older", "further ahead"],
)
def test_a_signed_time_may_be_five_minutes_off(off: int, expected: int | None) -> None:
    headers = signature("new-secret", timestamp="1763693460")

    assert answers(headers, BODY, SECRETS, NOW + off)[1] == expected


@pytest.mark.parametrize("timestamp", ["1763693460.0", "-1", "x", "٣", "9" * 5000], ids=lambda it: it[:12])
def test_what_is_no_unix_time_is_refused_though_signed(timestamp: str) -> None:
    assert answers(signature("new-secret", timestamp=timestamp), BODY, SECRETS)[1] == 401


def test_a_refusal_says_what_to_do_and_holds_no_secret() -> None:
    refusal = Grafana(clock=lambda: NOW).refusal({}, BODY, BOTH)

    assert refusal is not None
    assert refusal.problem == (
        "no credential was shown; expected Bearer or Basic or X-Grafana-Alerting-Signature "
        "with the configured credential"
    )
    assert refusal.challenge == 'Bearer realm="responder", Basic realm="responder"'


def test_every_body_of_the_contract_is_read_alert_by_alert(contracts: Path, read: Parse) -> None:
    files = sorted((contracts / "grafana" / "webhooks").glob("*.json"))
    for file in files:
        wire = json.loads(file.read_text())

        webhook = read(file.read_bytes())

        assert (webhook.kind, webhook.source, webhook.quarantined) == ("grafana", "default", ()), file.name
        assert webhook.key == hashlib.sha256(wire["groupKey"].encode()).digest(), file.name
        assert webhook.url == wire["externalURL"], file.name
        assert [it.fingerprint for it in webhook.alerts] == [it["fingerprint"] for it in wire["alerts"]], file.name
        for alert, given in zip(webhook.alerts, wire["alerts"], strict=True):
            assert alert.labels == given["labels"]
            assert alert.status is (AlertStatus.FIRING if given["status"] == "firing" else AlertStatus.RESOLVED)
            values = {f"values.{ref}": str(it) for ref, it in (given["values"] or {}).items()}
            addresses = {name: given[key] for name, key in (("dashboard", "dashboardURL"), ("panel", "panelURL"))}
            assert alert.annotations == {
                **{name: it for name, it in addresses.items() if it},
                **given["annotations"],
                **values,
            }
    assert len(files) >= 5


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"values": {"A": 812.5, "B": 1}}, {"values.A": "812.5", "values.B": "1"}, id="numbers"),
        pytest.param({"values": {"A": "x", "B": None, "C": True, "D": {}}}, {}, id="what is no number is left out"),
        pytest.param({"values": [1]}, {}, id="values of a wrong type"),
        pytest.param({"dashboardURL": "https://g/d", "panelURL": ""}, {"dashboard": "https://g/d"}, id="addresses"),
        pytest.param({"dashboardURL": 5}, {}, id="an address of a wrong type"),
        pytest.param(
            {"dashboardURL": "https://g/d", "annotations": {"dashboard": "mine", "values.A": "7"}, "values": {"A": 1}},
            {"dashboard": "mine", "values.A": "1"},
            id="an author's own address stays, a number is Grafana's",
        ),
    ],
)
def test_what_only_grafana_says_is_among_the_annotations(
    read: Parse, body_like: BodyLike, alert_like: AlertLike, changes: dict[str, Any], expected: dict[str, str]
) -> None:
    (alert,) = read(body_like(version="1", alerts=[alert_like(**{"annotations": None, **changes})])).alerts

    assert alert.annotations == expected


def test_one_bad_alert_is_quarantined_and_the_others_go_on(
    read: Parse, body_like: BodyLike, alert_like: AlertLike
) -> None:
    bad = [alert_like(annotations=[]), "text", alert_like(status="odd", values={"A": 1})]

    webhook = read(body_like(alerts=[alert_like(), *bad]))

    assert len(webhook.alerts) == 1
    assert [it.reason for it in webhook.quarantined] == [
        "alert: `annotations`: Input should be an object",
        "alert: Input should be an object",
        "alert: `status`: Input should be 'firing' or 'resolved'",
    ]


def test_a_secret_in_what_only_grafana_says_is_redacted(
    read: Parse, body_like: BodyLike, alert_like: AlertLike
) -> None:
    (alert,) = read(body_like(alerts=[alert_like(panelURL="https://g/d?token=kn0wn-s3cret", values={"A": 1})])).alerts

    assert alert.annotations["panel"] == "https://g/d?token=[redacted:known]"


def test_a_body_without_a_group_is_quarantined_and_what_is_no_json_is_unreadable(read: Parse) -> None:
    (whole,) = read(b'{"alerts": [{}, {}]}').quarantined

    assert (whole.reason, whole.alerts) == (NO_GROUP_KEY, 2)
    with pytest.raises(UnreadableBody, match="grafana payload: expected JSON"):
        read(b"{")


@pytest.mark.parametrize("value", ["\\ud800x", "\\u0000x"], ids=["a lone surrogate", "an escaped NUL"])
def test_odd_text_is_cleaned(read: Parse, body_like: BodyLike, alert_like: AlertLike, value: str) -> None:
    body = body_like(alerts=[alert_like(labels={"alertname": "VALUE"})]).replace(b"VALUE", value.encode())

    (alert,) = read(body).alerts

    assert alert.labels["alertname"].endswith("x")


def test_it_is_a_source() -> None:
    assert isinstance(sources()["grafana"], Grafana)
