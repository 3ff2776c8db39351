"""Any JSON, read by the paths that a pack gives."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from responder.intake import generic
from responder.intake.arrange import arrange
from responder.intake.fingerprint import fingerprint_of
from responder.intake.generic import Generic
from responder.intake.registry import sources
from responder.intake.source import Credentials, Limits, Post, UnknownSender, UnreadableBody
from responder.model.alert import Alert, AlertStatus, Webhook
from responder.model.intake import GenericSender, Intake
from responder.model.json_expression import parse_expression
from responder.redaction.redact import Redactor

Read = Callable[..., Webhook]

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
CANARY = "kQ7-cAnArY-9f3b"


def sender(labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None, **paths: str) -> Intake:
    """`sender(key="id")`: what a pack says of the sender `shop`."""
    mapping = GenericSender(
        labels={name: parse_expression(it) for name, it in {"alertname": "'X'", **(labels or {})}.items()},
        annotations={name: parse_expression(it) for name, it in (annotations or {}).items()},
        **{name: parse_expression(it) for name, it in {"key": "id", **paths}.items()},
    )
    return Intake(generic={"shop": mapping})


LISTED = sender(alerts="alerts", labels={"host": "host"}, firing="up == `false`", started="since")
SENTRY = sender(
    alerts="[@]",
    key="data.issue.id",
    firing="action != 'resolved'",
    started="data.issue.lastSeen",
    labels={"alertname": "'SentryErrorSpike'", "project": "data.issue.project.slug"},
    annotations={"summary": "data.issue.title"},
)
SENTRY_BODY = {
    "action": "triggered",
    "data": {
        "issue": {
            "id": 1170820242,
            "title": "ZeroDivisionError",
            "lastSeen": "2026-11-21T02:51:38.000000Z",
            "project": {"slug": "checkout"},
        }
    },
}


def digest(key: str, name: str = "shop") -> bytes:
    return hashlib.sha256(f"{name}/{key}".encode()).digest()


@pytest.fixture
def read(redactor: Redactor) -> Read:
    """`read(body, intake)`: what a body of the sender `shop` says at three o'clock."""

    def parse(body: Any, intake: Intake, limits: Limits | None = None, **headers: str) -> Webhook:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        shown = CIMultiDictProxy(CIMultiDict({name.replace("_", "-"): it for name, it in headers.items()}))
        post = Post(source="shop", headers=shown, body=raw, intake=intake)
        return Generic(clock=NOW.timestamp).parse(post, redactor, limits or Limits())

    return parse


def test_a_body_becomes_an_alert_by_its_paths(read: Read) -> None:
    labels = {"alertname": "SentryErrorSpike", "project": "checkout"}

    assert read(SENTRY_BODY, SENTRY) == Webhook(
        kind="generic",
        source="shop",
        key=digest("1170820242"),
        title="SentryErrorSpike: ZeroDivisionError",
        alerts=(
            Alert(
                fingerprint=fingerprint_of({**labels, "source": "shop"}),
                status=AlertStatus.FIRING,
                starts_at=datetime(2026, 11, 21, 2, 51, 38, tzinfo=UTC),
                ends_at=None,
                labels=labels,
                annotations={"summary": "ZeroDivisionError"},
            ),
        ),
    )


def test_what_no_longer_fires_ended_when_it_came_in(read: Read) -> None:
    (alert,) = read({**SENTRY_BODY, "action": "resolved"}, SENTRY).alerts

    assert (alert.status, alert.ends_at) == (AlertStatus.RESOLVED, NOW)


def test_an_end_is_never_before_its_start(read: Read) -> None:
    ahead = (NOW + timedelta(minutes=2)).isoformat()

    (alert,) = read({"id": 1, "since": ahead}, sender(firing="`false`", started="since")).alerts

    assert alert.ends_at == alert.starts_at == NOW + timedelta(minutes=2)


def test_without_further_paths_the_body_is_one_alert_that_fires_from_now_on(read: Read) -> None:
    (alert,) = read({"id": "a"}, sender()).alerts

    assert (alert.status, alert.starts_at, alert.ends_at) == (AlertStatus.FIRING, NOW, None)


@pytest.mark.parametrize(
    ("body", "assumed"),
    [({"id": 1}, True), ({"id": 1, "since": None}, True), ({"id": 1, "since": NOW.isoformat()}, False)],
)
def test_a_start_that_nobody_gave_is_marked_under_any_labels(read: Read, body: Any, assumed: bool) -> None:
    intake = sender(started="since")

    (group,) = arrange(read(body, intake), intake)

    assert [it.starts_assumed for it in group.alerts] == [assumed]


def test_a_sender_without_an_expression_for_it_never_ends_an_alert(read: Read) -> None:
    assert read({"id": 1}, sender()).never_ends
    assert not read({"id": 1}, sender(firing="`true`")).never_ends


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("2026-11-21T02:51:38Z", "2026-11-21T02:51:38+00:00", id="UTC"),
        pytest.param("2026-11-21T04:51:38.5+02:00", "2026-11-21T02:51:38.500000+00:00", id="an offset"),
        pytest.param(1763693460, "2025-11-21T02:51:00+00:00", id="unix seconds"),
        pytest.param(1763693460.25, "2025-11-21T02:51:00.250000+00:00", id="with a fraction"),
        pytest.param(1763693460250, "2025-11-21T02:51:00.250000+00:00", id="unix milliseconds"),
        pytest.param("1763693460", "2025-11-21T02:51:00+00:00", id="as text"),
        pytest.param(None, "2026-11-21T03:00:00+00:00", id="nothing is now"),
    ],
)
def test_a_start_may_be_written_in_several_ways(read: Read, written: Any, expected: str) -> None:
    (alert,) = read({"id": 1, "since": written}, sender(started="since")).alerts

    assert alert.starts_at == datetime.fromisoformat(expected)
    assert alert.starts_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("x", "x"), (5, "5"), (812.5, "812.5"), (True, "true"), (False, "false"), ("", None), (None, None)],
    ids=repr,
)
def test_a_label_is_text_and_one_that_is_not_there_is_left_out(read: Read, value: Any, expected: str | None) -> None:
    (alert,) = read({"id": 1, "v": value}, sender(labels={"v": "v"})).alerts

    assert alert.labels == {"alertname": "X", **({} if expected is None else {"v": expected})}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(["a", {"b": 1}], '["a",{"b":1}]'), (5, "5"), (None, None), ("", None)],
    ids=repr,
)
def test_an_annotation_may_be_anything(read: Read, value: Any, expected: str | None) -> None:
    (alert,) = read({"id": 1, "v": value}, sender(annotations={"v": "v"})).alerts

    assert alert.annotations == ({} if expected is None else {"v": expected})


def test_an_annotation_that_cannot_be_had_costs_no_alert(read: Read) -> None:
    webhook = read({"id": 1, "v": 5}, sender(annotations={"v": "join(',', v)"}))

    assert (len(webhook.alerts), webhook.quarantined) == (1, ())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"id": None}, "alert: `key`: expected text or a number, found nothing", id="no key"),
        pytest.param({"id": ""}, "alert: `key`: expected text or a number, found nothing", id="an empty key"),
        pytest.param(
            {"id": [CANARY]}, "alert: `key`: expected text, a number, true or false, found a list", id="a list"
        ),
        pytest.param({"name": None}, "alert: `labels.alertname`: expected text, found nothing", id="no name"),
        pytest.param(
            {"name": {CANARY: 1}},
            "alert: `labels.alertname`: expected text, a number, true or false, found an object",
            id="a label that is an object",
        ),
        pytest.param({"tags": {CANARY: 1}}, "alert: `labels.tags`: join() got an object", id="of no use to a function"),
        pytest.param({"on": CANARY}, "alert: `firing`: expected true or false, found text", id="firing as text"),
        pytest.param({"on": None}, "alert: `firing`: expected true or false, found nothing", id="firing nowhere"),
        *(
            pytest.param(
                {"since": it},
                f"alert: `started`: expected RFC 3339 with an offset, or unix seconds or milliseconds, found {what}",
                id=f"a start that is {it!r}",
            )
            for it, what in (
                ("2026-11-21T02:51:38", "text"),
                ("2026-11-21", "text"),
                ("yesterday", "text"),
                ("0001-01-01T00:00:00+05:00", "text"),
                (True, "true or false"),
                (10**18, "a number"),
                ([], "a list"),
            )
        ),
    ],
)
def test_one_bad_alert_is_quarantined_and_the_others_go_on(read: Read, changes: dict[str, Any], reason: str) -> None:
    intake = sender(
        alerts="@", firing="on", started="since", labels={"alertname": "name", "tags": "join(',', tags)"}
    )  # fmt: skip
    good = {"id": 1, "name": "X", "tags": ["a"], "on": True, "since": 1763693460}

    webhook = read([good, {**good, **changes}, {**good, "id": 1, "tags": ["b"]}], intake)

    assert [it.labels["tags"] for it in webhook.alerts] == ["a", "b"]
    (bad,) = webhook.quarantined
    assert (bad.reason, bad.alerts) == (reason, 1)
    assert json.loads(bad.text) == {**good, **changes}


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        ({"other": 1}, "alerts", "`alerts`: expected a list, found nothing"),
        ({"alerts": {"a": 1}}, "alerts", "`alerts`: expected a list, found an object"),
        ({"alerts": 5}, "values(alerts)", "`alerts`: values() got a number"),
        ("text", "alerts", "`alerts`: expected a list, found nothing"),
    ],
)
def test_a_body_without_its_list_is_quarantined_whole(read: Read, body: Any, path: str, reason: str) -> None:
    webhook = read(body, sender(alerts=path))

    assert (webhook.key, webhook.alerts, [it.reason for it in webhook.quarantined]) == (b"", (), [reason])


def test_an_empty_list_is_nothing(read: Read) -> None:
    assert read({"alerts": []}, LISTED) == Webhook(kind="generic", source="shop", key=b"")


def test_alerts_of_several_groups_are_several_groups(read: Read) -> None:
    alerts = [{"id": it, "host": host, "up": up} for it, host, up in (("b", 1, False), ("a", 2, False), ("b", 3, True))]

    webhook = read({"alerts": [*alerts, {"up": False}]}, LISTED)

    (other,) = webhook.others
    assert [(it.key, len(it.alerts)) for it in (webhook, other)] == [(digest("b"), 2), (digest("a"), 1)]
    assert [len(it.quarantined) for it in (webhook, other)] == [1, 0]
    # The same alert comes back in other company, and is found where it was.
    assert read({"alerts": alerts[1:2]}, LISTED).key == other.key


def test_one_more_group_than_the_bound_is_quarantined(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generic, "MOST_GROUPS", 2)

    webhook = read({"alerts": [{"id": it, "up": False} for it in (1, 2, 3, 1)]}, LISTED)

    assert [len(it.alerts) for it in (webhook, *webhook.others)] == [2, 1]
    (over,) = webhook.quarantined
    assert over.reason == "alert: more than 2 groups in one body"
    assert over.identities["key"] == digest("3").hex()


def test_alerts_over_the_bound_are_counted_as_quarantined(read: Read) -> None:
    webhook = read({"alerts": [{"id": 1, "up": False}] * 7}, LISTED, Limits(alerts=5))

    assert len(webhook.alerts) == 5
    assert [(it.reason, it.alerts) for it in webhook.quarantined] == [("more than 5 alerts in one body", 2)]


def test_what_is_over_a_bound_is_cut_and_says_so(read: Read) -> None:
    intake = sender(labels={"a": "a", "b": "a"}, annotations={"long": "a"})

    (alert,) = read({"id": 1, "a": "x" * 50}, intake, Limits(labels=2, label_chars=20, annotation_chars=30)).alerts

    assert alert.labels == {"alertname": "X", "a": "x" * 14 + "…[cut]"}
    assert alert.annotations == {"long": "x" * 24 + "…[cut]", "responder_cut": "1 labels cut"}


def test_equal_labels_of_two_senders_are_two_alerts(redactor: Redactor) -> None:
    mapping = sender().generic["shop"]
    posts = [
        Post(source=it, headers={}, body=b'{"id": 1}', intake=Intake(generic={it: mapping})) for it in ("one", "two")
    ]

    webhooks = [Generic(clock=NOW.timestamp).parse(it, redactor, Limits()) for it in posts]

    assert webhooks[0].alerts[0].fingerprint != webhooks[1].alerts[0].fingerprint
    assert webhooks[0].key != webhooks[1].key


def test_an_identity_comes_from_the_labels_before_redaction(read: Read) -> None:
    intake = sender(labels={"password": "p"})

    (first,), (second,) = (read({"id": 1, "p": it}, intake).alerts for it in ("abc", "xyz"))

    assert first.labels == second.labels == {"alertname": "X", "password": "[redacted:secret]"}
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"id": 1, "v": f"token={CANARY}"}, id="text"),
        pytest.param({"id": 1, "v": {"password": CANARY}}, id="an object"),
        pytest.param({"id": 1, "v": [f"postgres://u:{CANARY}@h/d"]}, id="a list"),
        pytest.param({"v": {"password": CANARY}}, id="a bad alert"),
    ],
)
def test_a_secret_is_nowhere_in_the_webhook(read: Read, body: Any) -> None:
    webhook = read(body, sender(annotations={"v": "v", "summary": "to_string(v)"}))

    assert CANARY not in repr(webhook)
    assert "[redacted:" in repr(webhook)


def test_a_name_that_no_pack_describes_is_unknown(read: Read, redactor: Redactor) -> None:
    post = Post(source="shopp", headers={}, body=b"{", intake=LISTED)

    with pytest.raises(UnknownSender, match=r'the sender "shopp"; expected intake\.generic\.shopp in a pack'):
        Generic().parse(post, redactor, Limits())


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 100_000, b'{"a": "\xff"}'], ids=["nothing", "half", "deep", "bytes"]
)
def test_what_is_not_json_is_unreadable(read: Read, body: bytes) -> None:
    with pytest.raises(UnreadableBody, match="shop payload: expected JSON"):
        read(body, LISTED)


# The example of the specification's reference implementations.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNED_AT = 1614265330
SIGNED = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(SIGNED_AT),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
SIGNED_BODY = b'{"test": 2432232314}'
OTHER = "v1,AAAASsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def status(headers: dict[str, str], credentials: Credentials, body: bytes = SIGNED_BODY, off: float = 0) -> int | None:
    refusal = Generic(clock=lambda: SIGNED_AT + off).refusal(CIMultiDictProxy(CIMultiDict(headers)), body, credentials)
    return refusal.status if refusal else None


def signed(secret: bytes, id_: str = SIGNED["webhook-id"]) -> dict[str, str]:
    content = f"{id_}.{SIGNED_AT}.".encode() + SIGNED_BODY
    mac = base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
    return {**SIGNED, "webhook-id": id_, "webhook-signature": f"v1,{mac}"}


@pytest.mark.parametrize(
    ("headers", "secret", "expected"),
    [
        pytest.param(SIGNED, SECRET, None, id="the example"),
        pytest.param(SIGNED, SECRET.removeprefix("whsec_"), None, id="the secret without its prefix"),
        pytest.param(signed(b"plain text!"), "plain text!", None, id="a secret that is no base64"),
        pytest.param(SIGNED, "whsec_AAAA9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 401, id="another secret"),
        pytest.param(signed(b""), "whsec_", 401, id="a prefix alone is no empty secret"),
        pytest.param(
            {**SIGNED, "webhook-signature": f"{OTHER} v1a,xyz {SIGNED['webhook-signature']}"},
            SECRET,
            None,
            id="several",
        ),
        pytest.param({**SIGNED, "webhook-signature": OTHER}, SECRET, 401, id="another signature"),
        pytest.param({**SIGNED, "webhook-signature": SIGNED["webhook-signature"][3:]}, SECRET, 401, id="no version"),
        pytest.param(
            {**SIGNED, "webhook-signature": SIGNED["webhook-signature"].replace("v1", "v2")}, SECRET, 401, id="another"
        ),
        pytest.param({**SIGNED, "webhook-id": "msg_other"}, SECRET, 401, id="another id"),
        pytest.param(signed(b"plain text!", id_=""), "plain text!", 401, id="no id, though signed so"),
        pytest.param({**SIGNED, "webhook-timestamp": str(SIGNED_AT + 1)}, SECRET, 401, id="another time"),
        pytest.param({**SIGNED, "webhook-timestamp": ""}, SECRET, 401, id="no time"),
        pytest.param({}, SECRET, 401, id="nothing"),
    ],
)
def test_a_signature_of_standard_webhooks_is_held_against_the_secret(
    headers: dict[str, str], secret: str, expected: int | None
) -> None:
    assert status(headers, Credentials(secrets=("another", secret))) == expected


def test_a_signature_is_of_one_body() -> None:
    assert status(SIGNED, Credentials(secrets=(SECRET,)), SIGNED_BODY + b" ") == 401


@pytest.mark.parametrize(
    ("off", "expected"),
    [(300, None), (-300, None), (301, 401), (-301, 401)],
    ids=["five minutes old", "five minutes ahead", "older", "further ahead"],
)
def test_a_signed_time_may_be_five_minutes_off(off: int, expected: int | None) -> None:
    assert status(SIGNED, Credentials(secrets=(SECRET,)), off=off) == expected


@pytest.mark.parametrize(
    ("credentials", "headers", "expected"),
    [
        pytest.param(Credentials(), {}, 503, id="nothing configured"),
        pytest.param(Credentials(allow_unauthenticated=True), {}, None, id="nothing configured but allowed"),
        pytest.param(Credentials(tokens=("t1", "t2")), {"Authorization": "Bearer t2"}, None, id="a token"),
        pytest.param(Credentials(tokens=("t1",)), {"Authorization": "Bearer t2"}, 401, id="another token"),
        pytest.param(Credentials(tokens=("t1",)), SIGNED, 401, id="a signature where only tokens are configured"),
        pytest.param(Credentials(secrets=("t1",)), {"Authorization": "Bearer t1"}, 401, id="a secret is no token"),
        pytest.param(Credentials(tokens=("t",), secrets=(SECRET,)), SIGNED, None, id="both: the signature"),
        pytest.param(
            Credentials(tokens=("t",), secrets=(SECRET,)), {"Authorization": "Bearer t"}, None, id="both: the token"
        ),
    ],
)
def test_a_request_is_held_against_the_credentials(
    credentials: Credentials, headers: dict[str, str], expected: int | None
) -> None:
    assert status(headers, credentials) == expected


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [(Credentials(secrets=(SECRET,)), None), (Credentials(tokens=("t",)), 401), (Credentials(), 503)],
    ids=["the body must be read", "no token", "nothing configured"],
)
def test_a_body_is_read_only_for_a_signature_that_could_fit(credentials: Credentials, expected: int | None) -> None:
    refusal = Generic().refusal_before_body(CIMultiDictProxy(CIMultiDict(SIGNED)), credentials)

    assert (refusal.status if refusal else None) == expected


def test_a_webhook_is_known_again_by_its_id_group_by_group(read: Read) -> None:
    body = {"alerts": [{"id": it, "up": False} for it in (1, 2, 3)]}

    webhook = read(body, LISTED, webhook_id="msg_1")

    assert [it.receipts for it in (webhook, *webhook.others)] == [
        ("webhook/shop/msg_1",),
        ("webhook/shop/msg_1/2",),
        ("webhook/shop/msg_1/3",),
    ]


@pytest.mark.parametrize("id_", ["", "x" * 257, "\udcff", "a b"], ids=["none", "long", "no text", "a blank"])
def test_an_id_of_another_shape_is_no_receipt(read: Read, id_: str) -> None:
    assert read({"id": 1}, sender(), webhook_id=id_).receipts == ()


def test_it_is_a_source() -> None:
    assert isinstance(sources()["generic"], Generic)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcid"), inner, max_size=4),
    max_leaves=12,
)
HARD = sender(
    alerts="to_array(@)",
    key="not_null(id, i, @)",
    firing="a > `1` || contains(b, 'x')",
    started="ceil(to_number(c))",
    labels={"a": "to_string(a)", "b": "b[::0]", "d": "max_by(d, &a)"},
    annotations={"a": "sort(a)", "b": "avg(b)"},
)
REDACTOR = Redactor()


@settings(derandomize=True, max_examples=400, deadline=None)
@given(st.lists(json_values, max_size=5))
def test_any_json_is_read_and_each_of_its_alerts_is_counted(alerts: list[Any]) -> None:
    body = json.dumps({"alerts": alerts}).encode()
    intake = sender(alerts="alerts", key="not_null(id, to_string(@))", started="c", labels={"a": "a"})
    post = Post(source="shop", headers={}, body=body, intake=intake)

    webhook = Generic(clock=NOW.timestamp).parse(post, REDACTOR, Limits())

    groups = (webhook, *webhook.others)
    counted = sum(len(it.alerts) + sum(bad.alerts for bad in it.quarantined) for it in groups)
    assert counted == len(alerts)


@settings(derandomize=True, max_examples=400, deadline=None)
@given(json_values)
def test_any_json_is_read_by_expressions_that_fit_little(body: Any) -> None:
    post = Post(source="shop", headers={}, body=json.dumps(body).encode(), intake=HARD)

    webhook = Generic(clock=NOW.timestamp).parse(post, REDACTOR, Limits())

    assert len(webhook.alerts) + len(webhook.quarantined) >= (min(len(body), 1) if isinstance(body, list) else 1)
