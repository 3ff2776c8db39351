"""What goes, what stays, and that nothing planted survives."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.redaction.patterns import Patterns
from responder.redaction.places import MOST_LOOKS
from responder.redaction.redact import Redactor
from tests.redaction.shapes import SHAPES, long

KNOWN = 'c0rrect "horse"/battery+staple'
REDACTOR = Redactor([KNOWN, "short", "hunter2-is-known"])

GOES = [
    pytest.param(
        "postgres://joe:p@ss/w0rd@db:5432/x", "postgres://joe:[redacted:url-password]@db:5432/x", id="@ and /"
    ),
    pytest.param("redis://u:p@ss:w/ord@h", "redis://u:[redacted:url-password]@h", id="the leak of the trial"),
    pytest.param("redis://:123/abc@host:1", "redis://:[redacted:url-password]@host:1", id="no user, digits, slash"),
    pytest.param("https://u:pw@host/x", "https://u:[redacted:url-password]@host/x", id="plain URL"),
    pytest.param(
        "https://0a1b2c3d4e5f60718293a4b5c6d7e8f9@o1.ingest.example/4",
        "https://[redacted:url-password]@o1.ingest.example/4",
        id="key as the user of a URL",
    ),
    pytest.param("Authorization: Bearer abc.def-123", "Authorization: Bearer [redacted:authorization]", id="bearer"),
    pytest.param(
        '-H "Authorization: Basic dXNlcjpwYXNz" x', '-H "Authorization: Basic [redacted:authorization]" x', id="basic"
    ),
    pytest.param("Authorization: Token token=y_NbAk", "Authorization: Token [redacted:authorization]", id="token"),
    pytest.param("got Bearer abcdef1234567", "got Bearer [redacted:authorization]", id="bearer alone"),
    pytest.param("got Basic dXNlcjpwYXNz", "got Basic [redacted:authorization]", id="basic alone"),
    pytest.param("Cookie: a=b; c=d", "Cookie: [redacted:cookie]", id="cookie"),
    pytest.param("password=hunter2,user=bob", "password=[redacted:secret],user=bob", id="key=value"),
    pytest.param("DB_PASSWORD = hunter2", "DB_PASSWORD = [redacted:secret]", id="upper case, spaces"),
    pytest.param("?token=abc&user=joe", "?token=[redacted:secret]&user=joe", id="query"),
    pytest.param("password=a&b c", "password=[redacted:secret] c", id="& that starts no pair belongs to the value"),
    pytest.param('{"password":"a\\"b c","x":1}', '{"password":"[redacted:secret]","x":1}', id="escaped quote"),
    pytest.param(
        '{\\"api_key\\":\\"a\\\\\\"b c\\",\\"x\\":1}',
        '{\\"api_key\\":\\"[redacted:secret]\\",\\"x\\":1}',
        id="JSON in JSON",
    ),
    pytest.param('{"password":12345,"x":1}', '{"password":[redacted:secret],"x":1}', id="a number"),
    pytest.param('password: "abc def', 'password: "[redacted:secret]', id="a quote without an end"),
    pytest.param("pwd='x y' z", "pwd='[redacted:secret]' z", id="single quotes"),
    pytest.param("password:\n  abc", "password:\n  [redacted:secret]", id="on the next line"),
    pytest.param("name: DB_PASSWORD\n  value: hunter2", "name: DB_PASSWORD\n  value: [redacted:secret]", id="env list"),
    pytest.param("<password>abc</password>", "<password>[redacted:secret]</password>", id="XML"),
    pytest.param("--api-key abc --x", "--api-key [redacted:secret] --x", id="option"),
    pytest.param("IDENTIFIED BY 'abc'", "IDENTIFIED BY '[redacted:secret]'", id="SQL"),
    pytest.param("api key 2c214e69c4c57320756c8ba5c3eb304ed9aa8d29", "api key [redacted:secret]", id="hex with a word"),
    pytest.param("x AKIAIOSFODNN7EXAMPLE y", "x [redacted:token] y", id="AWS"),
    pytest.param("AIzaSyA1234567890abcdefghijklmnopqrstuv", "[redacted:token]", id="GCP"),
    pytest.param("ghp_0123456789abcdefABCDEF0123456789abcd", "[redacted:token]", id="GitHub"),
    pytest.param("xoxb-000-EXAMPLE-1", "[redacted:token]", id="Slack"),
    pytest.param(
        "https://hooks.slack.com/services/T0/B0/abc",
        "https://hooks.slack.com/services/[redacted:webhook]",
        id="Slack webhook",
    ),
    pytest.param("sk_live_0123456789abcdef", "[redacted:token]", id="Stripe"),
    pytest.param("pdus+_0XBPWQQ_abcdef", "[redacted:token]", id="PagerDuty"),
    pytest.param(
        "routing_key: 0123456789abcdef0123456789abcdef", "routing_key: [redacted:secret]", id="PagerDuty Events"
    ),
    pytest.param("a\\nAKIAIOSFODNN7EXAMPLE", "a\\n[redacted:token]", id="after an escaped line break"),
    pytest.param("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "[redacted:jwt]", id="JWT"),
    pytest.param(
        "a\n-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nb",
        "a\n[redacted:private-key]\nb",
        id="PEM",
    ),
    pytest.param("-----BEGIN PRIVATE KEY-----\\nMII\\nabc", "[redacted:private-key]", id="PEM without an end"),
    pytest.param("mail joe@example.com.", "mail [redacted:email].", id="e-mail"),
    pytest.param("call 555-123-4567.", "call [redacted:phone].", id="phone"),
    pytest.param("+1 (555) 123-4567", "[redacted:phone]", id="phone with parentheses"),
    pytest.param("+40 721 123 456", "[redacted:phone]", id="phone of another country"),
    pytest.param("x 123-45-6789 y", "x [redacted:ssn] y", id="SSN"),
    pytest.param("SSN 123456789", "SSN [redacted:ssn]", id="SSN without dashes"),
    pytest.param("4111 1111 1111 1111", "[redacted:card]", id="card"),
    pytest.param("room 1234 4111-1111-1111-1111", "room 1234 [redacted:card]", id="card after another number"),
    pytest.param("call+555-123-4567+now", "call+[redacted:phone]+now", id="phone in a form"),
    pytest.param("card 378282246310005", "card [redacted:card]", id="Amex"),
    pytest.param("MRN: 12345678", "MRN: [redacted:record-number]", id="MRN"),
    pytest.param("MRN#12345", "MRN#[redacted:record-number]", id="MRN#"),
    pytest.param("NPI 1234567893", "NPI [redacted:record-number]", id="NPI"),
    pytest.param("DOB: 01/02/1980", "DOB: [redacted:birth-date]", id="DOB"),
    pytest.param("date of birth 1980-01-02", "date of birth [redacted:birth-date]", id="date of birth"),
    pytest.param("patient name: John Smith, room 4", "patient name: [redacted:name], room 4", id="patient name"),
    pytest.param("patient_id=abc-17 x", "patient_id=[redacted:personal] x", id="patient id"),
    pytest.param("DE89370400440532013000", "[redacted:iban]", id="IBAN"),
    pytest.param("Bearer u+abcdefghijklmnopqr/stuvw1", "Bearer [redacted:authorization]", id="a token inside of one"),
    pytest.param("at redis://u:half-of-a-pass…", "at redis://u:[redacted:url-password]…", id="cut before its @"),
    pytest.param("to joe.doe@exam…", "to [redacted:email]…", id="cut in its domain"),
    pytest.param(
        "a=&quot;b&quot; password=&quot;x y&quot; z", "a=&quot;b&quot; password=[redacted:secret]&quot; z", id="HTML"
    ),
    pytest.param('{"m":"p\\u0061ssword=x7"}', '{"m":"p\\u0061ssword=[redacted:secret]"}', id="escaped letters"),
    pytest.param("blob: Y0dGemMzZHZjbVE5YUhWdWRHVnlNakk9", "blob: [redacted:encoded]", id="base64 twice"),
    pytest.param("data: cGFzc3dvcmQ9aHVudGVyMg==", "data: [redacted:encoded]", id="base64"),
    pytest.param("key (email)=(a b) already exists", "key (email)=([redacted:personal]) already exists", id="a row"),
    pytest.param("x%26password%3Dhunter%2540", "x%26password%3D[redacted:secret]", id="twice URL-encoded"),
    pytest.param("http://p/g?e=joe%40example.com", "http://p/g?e=[redacted:email]", id="URL-encoded e-mail"),
]

STAYS = [
    "fingerprint 77adc8a4a964099b",
    "group key 2c214e69c4c57320756c8ba5c3eb304ed9aa8d296d53afccd82ea40172143fca",
    "image: shop/api@sha256:2c214e69c4c57320756c8ba5c3eb304ed9aa8d296d53afccd82ea40172143fca",
    "registry.example.com:5000/shop/api:2.15.0-rc.1",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
    "10.244.123.45:8080 fe80::1%eth0 2001:db8::8a2e:370:7334",
    '{}/{scenario="auth"}/{kind!="x",scenario=~"auth|auth2"}:{alertname="S_auth", cluster="prod-eu1"}',
    'sum(rate(http_requests_total{code=~"5..",job="api"}[5m])) by (pod) / 1e9 > 0.05 offset 1h @ 1700000000',
    "http://prometheus.example.com:9090/graph?g0.expr=up+%3D%3D+0+%3E+1700000000&g0.tab=1",
    "https://github.com/shop/api/blob/main/README.md#L10-L20",
    "https://host:8080/path@v1 https://packages.example.org/@scope/name",
    "git@github.com:shop/api.git celery@worker-1.prod.internal getty@tty1.service",
    "2026-11-21T02:51:38.862Z 2026-11-21 02:51:38,862 took 4m10s 1.5ms 90s",
    "1700000000 1700000000123 1700000000123456 1700000000123456789",
    "token_count=5 max_tokens: 4096 author=joe secretName: x authors: a, b",
    "checkout-7c9f8d6b5-00000 api-123-45-6789 job-555-123-4567-abc",
    "pass: 3, fail: 2 passed=5 bypass=true",
    "Basic authentication failed; bearer authentication missing",
    "PWD=/var/lib/responder cwd=/app",
    '"token": null, "password": ""',
    "password:\n  user: joe",
    "4294967296 bytes, 4111111111111112 requests, trace 7046029254386353131",
    "status 200 404 500 1500 status=500 count=100 200 3000",
    "Patient Portal Down: 555 errors in patient-api, patient_service=up",
    "key: value, primary key: id, routing_key=orders.created",
    "kube_secret_info 3 secrets, 4 tokens left",
    "HighErrorRate · API error rate 7.3 % (critical: > 5 % for 2m; breached for 4m10s)",
    "KeyError 'STRIPE_KEY' ×212, new since onset",
    "DE88370400440532013000 and AB12ABCD1234EFGH5678 have the shape of an IBAN alone",
    "größe-東京 ✓ 🚒 ünïcode",
    "line one\n\tline two",
    '"service_key": {"x": 1}, "token": [',
    "postgresql://db:5432/main… redis://cache:6379…",
    "100% of %08d &amp; &copy; C:\\new\\table a+b",
    "cGF5bWVudHMgYXBpIHJvbGxlZCBvdXQ= is only words",
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), GOES)
def test_a_secret_goes_and_its_surroundings_stay(given: str, expected: str) -> None:
    assert REDACTOR.text(given) == expected


@pytest.mark.parametrize(("given", "expected"), GOES)
def test_a_second_redaction_changes_nothing(given: str, expected: str) -> None:
    assert REDACTOR.text(expected) == expected


@pytest.mark.parametrize("text", STAYS)
def test_ordinary_monitoring_text_stays_the_same(text: str) -> None:
    assert REDACTOR.text(text) is text


# Files that hold an invented credential, mail address or telephone number on purpose.
WITH_SECRETS = {
    "alertmanager/api-v2/status.json",
    "alertmanager/index.json",
    "pagerduty/rest-samples/create_note.json",
    "pagerduty/rest-samples/update_note.json",
    "pagerduty/signature-vectors.json",
    "pagerduty/webhooks/incident.conference_bridge.updated.json",
    "slack/auth.test.json",
    "slack/chat.postMessage.json",
    "slack/chat.update.json",
    "slack/conversations.create.json",
    "slack/conversations.invite.json",
    "slack/files.upload_v2_flow.json",
}


def test_every_captured_body_without_a_secret_comes_back_as_it_was(captured: dict[str, list[str]]) -> None:
    changed = {file for file, texts in captured.items() if REDACTOR.texts(texts) != texts}

    assert changed == WITH_SECRETS & set(captured)


def test_a_batch_without_hits_gives_the_same_strings_back() -> None:
    texts = list(STAYS)

    redacted = REDACTOR.texts(texts)

    assert all(one is other for one, other in zip(redacted, texts, strict=True))


def test_a_batch_redacts_only_what_is_hit_and_keeps_the_order() -> None:
    assert REDACTOR.texts(["a", "password=x", "", "token:"]) == ["a", "password=[redacted:secret]", "", "token:"]


def test_an_empty_batch_is_an_empty_list() -> None:
    assert REDACTOR.texts([]) == []


def test_each_removal_is_counted_by_kind() -> None:
    counted: list[tuple[str, int]] = []
    redactor = Redactor(counted=lambda kind, how_many: counted.append((kind, how_many)))

    redactor.text("password=a token=b joe@example.com")
    redactor.fields({"password": "x"})

    assert counted == [("secret", 2), ("email", 1), ("secret", 1)]


def test_values_of_telling_names_go_whole_and_others_by_rule() -> None:
    fields = {
        "password": "correct horse",
        "adminPassword": "x",
        "x-api-key": "y",
        "Authorization": "Bearer z",
        "patient_name": "john",
        "author": "joe",
        "summary": "token=abc",
        "secretName": "tls",
        "empty_password": "",
        "joe@example.com": "v",
    }

    assert REDACTOR.fields(fields) == {
        "password": "[redacted:secret]",
        "adminPassword": "[redacted:secret]",
        "x-api-key": "[redacted:secret]",
        "Authorization": "[redacted:secret]",
        "patient_name": "[redacted:personal]",
        "author": "joe",
        "summary": "token=[redacted:secret]",
        "secretName": "tls",
        "empty_password": "",
        "[redacted:email]": "v",
    }


def test_fields_twice_are_fields_once() -> None:
    once = REDACTOR.fields({"password": "x", "a": "token=abc"})

    assert REDACTOR.fields(once) == once


def test_known_secrets_shorter_than_six_characters_are_left() -> None:
    assert REDACTOR.text("a short word") == "a short word"


def test_a_password_that_is_a_word_of_ours_goes_where_it_stands_alone() -> None:
    weak = Redactor(["secret", "secret9"])

    assert weak.text("read secrets of secretaries") == "read secrets of secretaries"
    for around in ("it is {}", "redis://h/?x={}&y", "me:{}@h", "'{}'", "-p {}", "{}, {}.", r"a\n{}", "a%20{}"):
        assert "secret" not in weak.text(around.replace("{}", "secret"))
    assert weak.text(base64.b64encode(b"me:secret").decode()) != base64.b64encode(b"me:secret").decode()
    assert weak.text("b" + b"secret".hex()) == "b[redacted:known]"


def test_any_other_secret_goes_inside_of_words_too() -> None:
    assert Redactor(["secret9", "horses"]).text("xsecret9x seahorses") == "x[redacted:known]x sea[redacted:known]"


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda it: it, id="plain"),
        pytest.param(lambda it: quote(it, safe=""), id="URL-encoded"),
        pytest.param(quote_plus, id="as a form"),
        pytest.param(lambda it: quote(it, safe="").replace("%2F", "%2f"), id="URL-encoded, small hex"),
        pytest.param(lambda it: json.dumps(it)[1:-1], id="JSON-escaped"),
        pytest.param(lambda it: json.dumps(json.dumps(it)), id="JSON in JSON"),
        pytest.param(lambda it: base64.b64encode(it.encode()).decode(), id="base64"),
        pytest.param(lambda it: base64.urlsafe_b64encode(it.encode()).decode(), id="base64 for URLs"),
        pytest.param(lambda it: base64.b64encode(f"me:{it}".encode()).decode(), id="base64 behind a user"),
        pytest.param(lambda it: base64.b64encode(f"you:{it} and more".encode()).decode(), id="base64 in the middle"),
        pytest.param(lambda it: it.encode().hex(), id="hex"),
        pytest.param(lambda it: it[:4] + "\u200b" + it[4:], id="with a zero-width space inside"),
        pytest.param(lambda it: it[:4] + "\x1b[0m" + it[4:], id="with a colour inside"),
    ],
)
def test_a_known_secret_is_found_in_every_form(form: Callable[[str], str]) -> None:
    shown = form(KNOWN)
    core = shown[4:-4]

    redacted = REDACTOR.text(f"connecting with {shown} failed")

    assert "[redacted:known]" in redacted or "[redacted:encoded]" in redacted
    assert core not in redacted


SAFE = st.characters(codec="ascii", categories=("L", "N"))
WORD = st.text(SAFE, min_size=12, max_size=24).map(lambda it: "Zq" + it)
# What may stand in a value between quotes: anything that can be printed.
QUOTED = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=8, max_size=30)
NO_WORD = frozenset(("null", "none", "nil", "true", "false", "undefined"))

KINDS: dict[str, tuple[st.SearchStrategy[str], str]] = {
    "key=value": (WORD, "db_password={}"),
    "key: value": (WORD, "token: {}"),
    "bearer": (WORD, "Authorization: Bearer {}"),
    "url": (st.text(SAFE | st.sampled_from("@/:#!$"), min_size=12, max_size=24).map(lambda it: "Zq" + it),
            "postgres://joe:{}@db:5432/shop"),
    "github": (st.text(SAFE, min_size=30, max_size=36).map(lambda it: "ghp_" + it), "see {} there"),
    "aws": (st.text(st.sampled_from(string.ascii_uppercase + string.digits), min_size=16, max_size=16)
            .map(lambda it: "AKIA" + it), "see {} there"),
    "slack": (WORD.map(lambda it: "xoxb-1-" + it), "see {} there"),
    "stripe": (WORD.map(lambda it: "sk_live_" + it), "see {} there"),
    "jwt": (WORD.map(lambda it: f"eyJ{it}.eyJ{it}.{it}"), "see {} there"),
    "pem": (WORD.map(lambda it: f"-----BEGIN EC PRIVATE KEY-----\n{it}\n-----END EC PRIVATE KEY-----"), "a\n{}\nb"),
    "email": (WORD.map(lambda it: f"{it}@example.com"), "by {} at noon"),
    "phone": (st.from_regex(r"[2-9][0-9]{2}-[2-9][0-9]{2}-[0-9]{4}", fullmatch=True), "call {} now"),
    "ssn": (st.from_regex(r"[1-8][0-9]{2}-[0-9]{2}-[0-9]{4}", fullmatch=True), "ssn {} now"),
    "mrn": (st.from_regex(r"[0-9]{7,9}", fullmatch=True), "MRN: {} x"),
    "dob": (st.dates().map(lambda it: it.strftime("%m/%d/%Y")), "DOB: {} x"),
    "known": (st.just(KNOWN), "got {} back"),
}  # fmt: skip
FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda it: it,
    "URL-encoded": lambda it: quote(it, safe=""),
    "form": quote_plus,
    "JSON-escaped": lambda it: json.dumps({"log": it}),
    "JSON in JSON": lambda it: json.dumps({"log": json.dumps({"log": it})}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
@settings(derandomize=True, max_examples=40, deadline=None)
@given(data=st.data())
def test_no_planted_canary_survives(kind: str, form: str, data: st.DataObject) -> None:
    canaries, sentence = KINDS[kind]
    canary = data.draw(canaries)

    redacted = REDACTOR.text(FORMS[form](sentence.format(canary)))

    inner = FORMS[form](canary) if "JSON" not in form else json.dumps(canary)[1:-1]
    assert canary not in redacted
    assert inner not in redacted
    assert canary[:12] not in redacted or kind == "pem"


@settings(derandomize=True, max_examples=300, deadline=None)
@given(QUOTED.filter(lambda it: it.strip().lower() not in NO_WORD and "redacted" not in it), st.integers(0, 3))
def test_a_quoted_value_goes_whole_at_any_depth_of_escaping(value: str, depth: int) -> None:
    text = json.dumps({"password": value, "user": "joe"}, ensure_ascii=False)
    shown = json.dumps(value, ensure_ascii=False)[1:-1]
    for _ in range(depth):
        text, shown = json.dumps(text, ensure_ascii=False), json.dumps(shown, ensure_ascii=False)[1:-1]

    redacted = REDACTOR.text(text)

    assert shown.strip() not in redacted.replace("[redacted:secret]", "")
    assert "joe" in redacted


@settings(derandomize=True, max_examples=400, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["password", "=", ": ", '"', "\\", "'", "[redacted:secret]", "token", "@", "://", "a", "%3D", "%22", "\n",
             "Bearer ", "b.co", "1", "-", "&", ",", "x=", "\x1b[1m", "\u202e", "eyJabcdef.", "]", "<", ">", "MRN "]
        )
        | st.text(max_size=4),
        max_size=14,
    ).map("".join)
)  # fmt: skip
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = REDACTOR.text(text)

    assert REDACTOR.text(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "DE89370400440532013000eyJabcdef.Authorization:Ab",
        "555-123-4567://(http+555-123-4567=secret",
        "Basic ssn -ghp_01234567890123456789: cookie",
        "MRN cookie%3D555-123-4567&x",
    ],
)
def test_what_one_removal_uncovers_is_removed_in_the_same_call(text: str) -> None:
    once = REDACTOR.text(text)

    assert REDACTOR.text(once) == once


@pytest.mark.parametrize("shape", SHAPES)
def test_work_grows_with_the_text_and_no_faster(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []
    found = Patterns.found

    def counted(patterns: Patterns, data: bytes) -> Any:
        looked_at.append(len(data))
        rules, base64 = found(patterns, data)
        return [_Counted(it, looked_at) for it in rules], base64

    monkeypatch.setattr(Patterns, "found", counted)
    work = []
    for size in (100_000, 1_000_000):
        looked_at.clear()
        REDACTOR.text(long(shape, size))  # something quadratic in it would take minutes
        work.append(sum(looked_at))

    assert work[1] <= 15 * max(work[0], 100_000)


class _Counted:
    """A rule of which each look counts as many bytes as it may read."""

    def __init__(self, rule: Any, looked_at: list[int]) -> None:
        self._rule, self._looked_at = rule, looked_at
        self.rule = rule.rule

    def places(self, data: bytes) -> Iterator[tuple[int, int]]:
        for start, end in self._rule.places(data):
            self._looked_at.append(end - start)
            yield start, end


def test_a_text_that_is_nothing_but_hits_is_cut_where_looking_ends() -> None:
    redacted = REDACTOR.text("password=x7 " * 50_000 + "token=hunter2")

    assert redacted.count("password=") == MOST_LOOKS
    assert redacted.endswith("[redacted:secret] [redacted:secret]")
    assert REDACTOR.text(redacted) == redacted


def test_a_text_with_far_too_many_escapes_is_cut() -> None:
    redacted = REDACTOR.text("%41" * 250_000 + "%70assword=x7")

    assert redacted.endswith("[redacted:encoded]")
    assert len(redacted) < 3 * 100_000
    assert REDACTOR.text(redacted) == redacted
