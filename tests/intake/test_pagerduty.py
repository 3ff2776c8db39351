"""Bodies of PagerDuty: who may post them, what they say, and hostile ones that are signed all the same."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from responder.intake.pagerduty import SETTING, SOURCE, labels_of
from responder.intake.source import Credentials, Limits, Post
from responder.model.alert import Alert, AlertStatus, Webhook
from responder.model.incident import marker_of, slug_of
from responder.model.paged import SINGLE_SOURCE, PagedEvent, PagedStatus
from responder.redaction.redact import Redactor

PAYLOADS = Path(__file__).parent / "payloads" / "pagerduty"
SECRET = "signing-secret-of-the-clinic"
SIGNED = Credentials(secrets=(SECRET,))
INCIDENT = "Q1CARE0000A1"
EVENT_ID = "01GCLINIC0000000000000001"
TITLE = "Appointments API answers 5xx"
CANARY = "kQ7-cAnArY-9f3b"

Parse = Callable[..., Webhook]


def signed(body: bytes, *secrets: str) -> CIMultiDictProxy[str]:
    """Headers as the server hands them over."""
    shown = ",".join("v1=" + hmac.new(it.encode(), body, hashlib.sha256).hexdigest() for it in secrets or (SECRET,))
    return CIMultiDictProxy(CIMultiDict({"x-pagerduty-signature": shown, "x-webhook-id": "d1b2-0001"}))


def payload(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((PAYLOADS / name).read_text())
    return read


def changed(name: str, **data: Any) -> bytes:
    """A body of ours with other fields in its `data`."""
    body = payload(name)
    body["event"]["data"].update(data)
    return json.dumps(body).encode()


def event_changed(name: str, **fields: Any) -> bytes:
    body = payload(name)
    body["event"].update(fields)
    return json.dumps(body).encode()


@pytest.fixture
def parsed(redactor: Redactor) -> Parse:
    """What a signed body says, after its signature was held to be good."""

    def parse(body: bytes, limits: Limits | None = None) -> Webhook:
        headers = signed(body)
        assert SOURCE.refusal_before_body(headers, SIGNED) is None
        assert SOURCE.refusal(headers, body, SIGNED) is None
        return SOURCE.parse(Post(source="default", headers=headers, body=body), redactor, limits or Limits())

    return parse


def counts_of(webhook: Webhook) -> int:
    """How many things the webhook accounts for."""
    return (webhook.event is not None) + webhook.ignored + sum(it.alerts for it in webhook.quarantined)


def event_of(webhook: Webhook) -> PagedEvent:
    assert webhook.event is not None
    return webhook.event


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


# Who may post


def test_every_signature_vector_gives_its_stated_result(contracts: Path) -> None:
    vectors = json.loads((contracts / "pagerduty" / "signature-vectors.json").read_text())["vectors"]

    taken = {
        it["name"]: SOURCE.refusal(
            {"X-PagerDuty-Signature": it["header"]}, it["body"].encode(), Credentials(secrets=tuple(it["secrets"]))
        )
        is None
        for it in vectors
    }

    assert len(vectors) == 16
    assert taken == {it["name"]: it["valid"] for it in vectors}


BODY = b'{"event": {}}'
GOOD = signed(BODY)["X-PagerDuty-Signature"]
ROTATED = Credentials(secrets=("the-new-one", "", SECRET))


@pytest.mark.parametrize(
    ("credentials", "header", "status"),
    [
        pytest.param(Credentials(), GOOD, 503, id="no secret configured"),
        pytest.param(Credentials(), None, 503, id="no secret configured, nothing shown"),
        pytest.param(Credentials(secrets=("", "")), GOOD, 503, id="empty secrets are none"),
        pytest.param(Credentials(tokens=("t",)), GOOD, 503, id="a token is no secret"),
        pytest.param(Credentials(allow_unauthenticated=True), None, None, id="no secret configured but allowed"),
        pytest.param(Credentials(allow_unauthenticated=True), "v1=0", None, id="allowed, something shown"),
        pytest.param(Credentials(secrets=(SECRET,), allow_unauthenticated=True), None, 403, id="allowed lifts nothing"),
        pytest.param(SIGNED, None, 403, id="no header"),
        pytest.param(SIGNED, "", 403, id="an empty header"),
        pytest.param(SIGNED, "v1=", 403, id="an empty signature"),
        pytest.param(SIGNED, " , ,v1=,", 403, id="only commas"),
        pytest.param(SIGNED, GOOD.removeprefix("v1="), 403, id="no version"),
        pytest.param(SIGNED, GOOD.replace("v1", "v2"), 403, id="another version"),
        pytest.param(SIGNED, GOOD.replace("v1", "V1"), 403, id="the version in another case"),
        pytest.param(SIGNED, GOOD.upper().replace("V1", "v1"), 403, id="digits in another case"),
        pytest.param(SIGNED, GOOD[:-1], 403, id="shorter"),
        pytest.param(SIGNED, GOOD + "0", 403, id="longer"),
        pytest.param(SIGNED, "v1=\udcff\udcfe", 403, id="bytes that are no text"),
        pytest.param(SIGNED, GOOD, None, id="as it should be"),
        pytest.param(SIGNED, f"v1=00, {GOOD} ,v3=x", None, id="one of several, with blanks"),
        pytest.param(ROTATED, GOOD, None, id="one of several secrets"),
        pytest.param(ROTATED, signed(BODY, "")["X-PagerDuty-Signature"], 403, id="signed with an empty secret"),
        pytest.param(SIGNED, ",".join(["v1=00"] * 800), 403, id="800 wrong ones"),
    ],
)
def test_a_request_is_held_against_the_secrets(
    credentials: Credentials, header: str | None, status: int | None
) -> None:
    headers = {} if header is None else {"X-PagerDuty-Signature": header}

    refusal = SOURCE.refusal(headers, BODY, credentials)

    assert (refusal.status if refusal else None) == status
    assert not refusal or not refusal.challenge


def test_a_missing_secret_is_named_by_its_setting() -> None:
    refusal = SOURCE.refusal_before_body({}, Credentials())

    assert refusal is not None
    assert SETTING == "RESPONDER_PAGERDUTY_WEBHOOK_SECRETS"
    assert (refusal.status, SETTING in refusal.problem) == (503, True)


@pytest.mark.parametrize(("header", "status"), [(None, 403), ("v2=00", 403), ("v1=00", None)], ids=repr)
def test_without_a_signature_a_body_is_not_even_read(header: str | None, status: int | None) -> None:
    refusal = SOURCE.refusal_before_body({} if header is None else {"X-PagerDuty-Signature": header}, SIGNED)

    assert (refusal.status if refusal else None) == status


def test_a_body_that_was_written_again_is_refused() -> None:
    body = json.dumps(payload("incident.triggered.json")).encode()
    again = json.dumps(json.loads(body), indent=1).encode()

    refusal = SOURCE.refusal(signed(body), again, SIGNED)

    assert refusal is not None
    assert refusal.status == 403


# What an event says


def test_an_incident_that_begins_is_told_whole(parsed: Parse) -> None:
    webhook = parsed((PAYLOADS / "incident.triggered.json").read_bytes())

    opened_at = datetime(2026, 11, 22, 1, 14, 7, tzinfo=UTC)
    assert webhook == Webhook(
        kind="pagerduty",
        source=SINGLE_SOURCE,
        key=INCIDENT.encode(),
        title=TITLE,
        url=f"https://clinic.pagerduty.com/incidents/{INCIDENT}",
        receipts=("webhook/d1b2-0001", f"event/{EVENT_ID}"),
        event=PagedEvent(
            id=EVENT_ID,
            type="incident.triggered",
            at=datetime(2026, 11, 22, 1, 14, 8, 1000, tzinfo=UTC),
            status=PagedStatus.TRIGGERED,
            opened_at=opened_at,
            agent="PINTEG1",
            agent_name="Clinic metrics",
            priority="P2",
        ),
        alerts=(
            Alert(
                fingerprint=hashlib.sha256(f"pagerduty/{INCIDENT}".encode()).hexdigest()[:16],
                status=AlertStatus.FIRING,
                starts_at=opened_at,
                ends_at=None,
                labels={
                    "source": "pagerduty",
                    "alertname": TITLE,
                    "title": TITLE,
                    "pagerduty_service": "appointments-api",
                    "pagerduty_service_id": "PAPPT01",
                    "pagerduty_urgency": "high",
                    "pagerduty_priority": "P2",
                },
                annotations={"summary": TITLE},
                generator_url=f"https://clinic.pagerduty.com/incidents/{INCIDENT}",
            ),
        ),
    )


def test_a_merged_incident_names_the_one_that_goes_on(parsed: Parse) -> None:
    webhook = parsed((PAYLOADS / "incident.resolved.merged.json").read_bytes())

    event, (alert,) = event_of(webhook), webhook.alerts
    assert (event.line, event.merged_into) == ("merged into Q1CARE0000Z9 by Nora Night", "Q1CARE0000Z9")
    assert (event.status, alert.status) == (PagedStatus.RESOLVED, AlertStatus.RESOLVED)
    assert alert.ends_at == event.at == datetime(2026, 11, 22, 1, 20, 9, 123000, tzinfo=UTC)


@pytest.mark.parametrize(
    "reason",
    [
        None,
        "merge_resolve_reason",
        {"type": "another", "incident": {"id": "Q9"}},
        {"type": "merge_resolve_reason", "incident": None},
        {"type": "merge_resolve_reason", "incident": {"id": "../users"}},
    ],
    ids=repr,
)
def test_other_reasons_name_no_incident(parsed: Parse, reason: Any) -> None:
    assert event_of(parsed(changed("incident.resolved.merged.json", resolve_reason=reason))).merged_into == ""


def test_nothing_ends_before_it_began(parsed: Parse) -> None:
    (alert,) = parsed(changed("incident.resolved.merged.json", created_at="2026-11-22T02:00:00Z")).alerts

    assert alert.ends_at == alert.starts_at


def test_what_is_null_is_left_out(parsed: Parse) -> None:
    webhook = parsed((PAYLOADS / "nulls.json").read_bytes())

    event, (alert,) = event_of(webhook), webhook.alerts
    assert (webhook.title, webhook.url, alert.generator_url) == ("", "", "")
    assert (alert.labels, alert.annotations) == ({"source": "pagerduty"}, {})
    assert (event.status, event.priority) == (PagedStatus.ACKNOWLEDGED, "")
    assert (event.line, event.agent, event.agent_name, event.by_person) == ("acknowledged", "", "", False)


@pytest.mark.parametrize("field", ["agent", "client"])
@pytest.mark.parametrize("value", [None, 5, "text", [], {}, {"id": None, "summary": None, "type": None}], ids=repr)
def test_no_oddity_beside_the_data_costs_an_event(parsed: Parse, field: str, value: Any) -> None:
    webhook = parsed(event_changed("incident.triggered.json", **{field: value}))

    assert (webhook.key, event_of(webhook).by_person) == (INCIDENT.encode(), False)


@pytest.mark.parametrize(
    "field",
    ["priority", "service", "teams", "assignees", "title", "urgency", "escalation_policy", "html_url", "number"],
)
@pytest.mark.parametrize("value", [None, 5, "text", [], {}, [None], {"summary": 5, "id": [], "name": {}}], ids=repr)
def test_no_oddity_of_the_incident_costs_an_event(parsed: Parse, field: str, value: Any) -> None:
    webhook = parsed(changed("incident.triggered.json", **{field: value}))

    assert (webhook.key, event_of(webhook).status, len(webhook.alerts)) == (INCIDENT.encode(), PagedStatus.TRIGGERED, 1)


def test_a_priority_may_be_known_by_its_name_alone(parsed: Parse) -> None:
    webhook = parsed(changed("incident.triggered.json", priority={"summary": None, "name": "SEV1"}))

    assert event_of(webhook).priority == "SEV1"
    assert webhook.alerts[0].labels["pagerduty_priority"] == "SEV1"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil", 5])
def test_an_address_that_no_browser_may_follow_is_left_out(parsed: Parse, url: Any) -> None:
    webhook = parsed(changed("incident.triggered.json", html_url=url))

    assert (webhook.url, webhook.alerts[0].generator_url) == ("", "")


def test_an_incident_of_the_rest_api_gives_the_same_labels(redactor: Redactor, parsed: Parse) -> None:
    incident = payload("incident.triggered.json")["event"]["data"]

    (alert,) = parsed((PAYLOADS / "incident.triggered.json").read_bytes()).alerts

    assert labels_of(incident, redactor, Limits()) == alert.labels
    assert labels_of({}, redactor, Limits()) == {"source": "pagerduty"}


def test_a_report_of_ours_is_known_again(parsed: Parse) -> None:
    webhook = parsed((PAYLOADS / "incident.annotated.ours.json").read_bytes())

    event = event_of(webhook)
    assert (event.is_ours, event.note, event.status, event.priority, event.opened_at) == (True, "PNOTE01", *(None,) * 3)
    assert (webhook.alerts, webhook.title, webhook.key) == ((), "", INCIDENT.encode())


@pytest.mark.parametrize(
    ("text", "is_ours"),
    [
        (marker_of("prod", slug_of(1)), True),
        ("P1 · down\n" + marker_of("staging.eu_2-b", slug_of(32**6)) + "\n", True),
        (f"see {marker_of('prod', 'inc-0001')} for more", True),
        ("[responder:prod:inc-001]", True),
        ("[responder::inc-0001]", True),
        ("[responder:prod:inc-0001", False),
        ("[responder:run=01HZX0]", True),
        ("@responder look again", False),
        ("responder:prod:inc-0001", False),
        (None, False),
        (5, False),
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    ("event_type", "field"), [("incident.annotated", "content"), ("incident.status_update_published", "message")]
)
def test_a_marker_of_any_installation_is_ours(
    parsed: Parse, event_type: str, field: str, text: str | None, is_ours: bool
) -> None:
    body = payload("incident.annotated.ours.json")
    body["event"]["event_type"] = event_type
    body["event"]["data"] = {"incident": {"id": INCIDENT}, field: text}

    assert event_of(parsed(json.dumps(body).encode())).is_ours is is_ours


def test_a_marker_in_a_title_is_not_ours(parsed: Parse) -> None:
    webhook = parsed(changed("incident.triggered.json", title=marker_of("prod", "inc-0001")))

    assert not event_of(webhook).is_ours


def test_a_note_that_came_cut_says_so(parsed: Parse) -> None:
    event = event_of(parsed((PAYLOADS / "incident.annotated.trimmed.json").read_bytes()))

    assert (event.trimmed, event.note, event.is_ours) == (True, "PNOTE02", False)
    assert event.line.startswith('note by Nora Night: "Pasted from the console: waiting for lock · ')
    assert event.line.endswith('…[cut]" (cut by PagerDuty)')
    assert len(event.line) < 400


@pytest.mark.parametrize(
    "body",
    [
        {"event": {"id": EVENT_ID, "event_type": "pagey.ping", "data": {"type": "ping"}}},
        {"event": {"id": EVENT_ID, "event_type": "service.updated", "resource_type": "service", "data": {"id": "P1"}}},
        {"event": {"id": EVENT_ID, "event_type": "something.new", "data": None}},
    ],
    ids=["ping", "a service", "something new"],
)
def test_what_is_about_no_incident_is_ignored_and_counted(parsed: Parse, body: Any) -> None:
    webhook = parsed(json.dumps(body).encode())

    assert webhook == Webhook(
        kind="pagerduty",
        source=SINGLE_SOURCE,
        key=b"",
        ignored=1,
        receipts=("webhook/d1b2-0001", f"event/{EVENT_ID}"),
    )


@pytest.mark.parametrize(
    ("webhook_id", "event_id", "receipts"),
    [
        pytest.param("d1b2c3d4-0001", "01F", ("webhook/d1b2c3d4-0001", "event/01F"), id="both"),
        pytest.param(None, "01F", ("event/01F",), id="no header"),
        pytest.param("", "01F", ("event/01F",), id="an empty header"),
        pytest.param("\udcff", "01F", ("event/01F",), id="a header that is no text"),
        pytest.param("a b\n", "01F", ("event/01F",), id="a header of another shape"),
        pytest.param("x" * 201, "01F", ("event/01F",), id="a header that is too long"),
        pytest.param("w", None, ("webhook/w",), id="no event id"),
        pytest.param("w", "a\x00", ("webhook/w",), id="an event id of another shape"),
        pytest.param(None, None, (), id="neither"),
    ],
)
def test_a_webhook_is_known_again_by_the_ids_that_are_there(
    redactor: Redactor, webhook_id: str | None, event_id: str | None, receipts: tuple[str, ...]
) -> None:
    headers = {} if webhook_id is None else {"X-Webhook-Id": webhook_id}
    body = event_changed("incident.triggered.json", id=event_id)

    webhook = SOURCE.parse(Post(source="default", headers=headers, body=body), redactor, Limits())

    assert webhook.receipts == receipts
    assert (len(webhook.quarantined) == 1) is (event_id != "01F")


# Captured bodies


LABELS = {
    "source": "pagerduty",
    "alertname": "[FIRING:2] TargetDown prod-eu1 (checkout critical payments)",
    "title": "[FIRING:2] TargetDown prod-eu1 (checkout critical payments)",
    "pagerduty_service": "checkout-api",
    "pagerduty_service_id": "PF9KMXH",
    "pagerduty_urgency": "high",
}
LINES = {
    "incident.acknowledged": ("acknowledged by Alex Oncall", "acknowledged"),
    "incident.annotated.command": (
        'note by Tenex Engineer: "@responder rerun kubernetes.pods namespace=shop"',
        None,
    ),
    "incident.annotated": ('note by Tenex Engineer: "Rolled back checkout to 1.42.0, watching error ratio"', None),
    "incident.annotated.resolution_note": ('note by Alex Oncall: "Resolution Note: replaced node"', None),
    "incident.conference_bridge.updated": (
        "conference bridge changed by Tenex Engineer: https://meet.example.com/inc-4711",
        None,
    ),
    "incident.custom_field_values.updated": ("", None),
    "incident.delegated": ("delegated to Database on-call by Tenex Engineer", "triggered"),
    "incident.escalated": ("escalated to Sam Secondary", "triggered"),
    "incident.incident_type.changed": ("incident type changed to major by Tenex Engineer", "triggered"),
    "incident.priority_updated.cleared": ("priority cleared by Tenex Engineer", "triggered"),
    "incident.priority_updated": ("priority set to P1 by Tenex Engineer", "triggered"),
    "incident.reassigned": ("reassigned to Tenex Engineer by Tenex Engineer", "triggered"),
    "incident.reopened": ("reopened by Tenex Engineer", "triggered"),
    "incident.resolved.by_integration": ("resolved through Prometheus (Events API V2)", "resolved"),
    "incident.resolved": ("resolved by Alex Oncall", "resolved"),
    "incident.responder.added": ("Maeve asked to help by Tenex Engineer", None),
    "incident.responder.replied.declined": ("Maeve declined to help", None),
    "incident.responder.replied": ("Maeve accepted to help", None),
    "incident.service_updated": ("service changed to orders-db by Tenex Engineer", "triggered"),
    "incident.status_update_published": (
        'status update by Tenex Engineer: "A fix for this incident is being developed"',
        None,
    ),
    "incident.triggered": ("", "triggered"),
    "incident.triggered.manual": ("", "triggered"),
    "incident.triggered.null_agent_low_urgency": ("", "triggered"),
    "incident.unacknowledged": ("no longer acknowledged", "triggered"),
    "incident.workflow.completed": ("", None),
    "incident.workflow.started": ("", None),
    "unknown.future_event": ("", None),
}
IGNORED = {"pagey.ping", "service.created", "service.custom_field_values.updated", "service.updated"}
LONG_NOTES = {"incident.annotated.own_note", "incident.annotated.trimmed"}


def test_every_captured_event_is_understood_and_says_its_line(contracts: Path, parsed: Parse) -> None:
    files = sorted((contracts / "pagerduty" / "webhooks").glob("*.json"))
    webhooks = {it.stem: parsed(it.read_bytes()) for it in files}

    said = {
        name: (it.event.line, it.event.status and it.event.status.value)
        for name, it in webhooks.items()
        if it.event is not None and name not in LONG_NOTES
    }
    assert said == LINES
    assert {name for name, it in webhooks.items() if it.ignored} == IGNORED
    assert webhooks.keys() == LINES.keys() | IGNORED | LONG_NOTES
    assert {counts_of(it) for it in webhooks.values()} == {1}
    assert all(it.quarantined == () for it in webhooks.values())


def test_every_captured_event_keeps_what_it_says_of_the_incident(contracts: Path, parsed: Parse) -> None:
    for file in sorted((contracts / "pagerduty" / "webhooks").glob("*.json")):
        wire = json.loads(file.read_text())["event"]
        if file.stem in IGNORED:
            continue
        data = wire["data"]

        webhook = parsed(file.read_bytes())

        event = event_of(webhook)
        assert webhook.key.decode() == data.get("incident", data)["id"], file.name
        assert (event.id, event.type) == (wire["id"], wire["event_type"]), file.name
        assert event.at == datetime.fromisoformat(wire["occurred_at"]), file.name
        assert event.agent == (wire["agent"] or {}).get("id", ""), file.name
        assert event.by_person is ((wire["agent"] or {}).get("type") == "user_reference"), file.name
        assert event.trimmed is (file.stem == "incident.annotated.trimmed"), file.name
        assert (event.note != "") is file.stem.startswith("incident.annotated"), file.name
        if data["type"] != "incident":
            assert (webhook.alerts, event.status, event.opened_at, event.priority) == ((), None, None, None), file.name
            continue
        (alert,) = webhook.alerts
        assert (webhook.title, webhook.url) == (data["title"], data["html_url"]), file.name
        assert alert.starts_at == event.opened_at == datetime.fromisoformat(data["created_at"]), file.name
        assert (alert.ends_at == event.at) is (data["status"] == "resolved"), file.name
        if data["id"] == "Q2STH1QX0AJT5J" and data["service"]["summary"] == "checkout-api":
            priority = {"pagerduty_priority": "P1"} if data["priority"] else {}
            assert alert.labels == {**LABELS, **priority, "pagerduty_urgency": data["urgency"]}, file.name


# Hostile bodies, signed


def with_raw_title(value: bytes) -> bytes:
    """A good event whose title is these bytes."""
    return (
        (PAYLOADS / "incident.triggered.json")
        .read_bytes()
        .replace(f'"title": "{TITLE}"'.encode(), b'"title": ' + value)
    )


GOOD_EVENT = (PAYLOADS / "incident.triggered.json").read_bytes()
NO_EVENT = "no event: expected `event` with `id`, `event_type`, `occurred_at` and `data`"
NO_INCIDENT = "no incident: expected its id at `data.id` or `data.incident.id`"
NO_TIME = "event: `occurred_at`: expected a time with an offset"
NO_STATUS = "incident: `status`: expected triggered, acknowledged or resolved"
NO_START = "incident: `created_at`: expected a time with an offset"
TWICE = "duplicate keys: nobody can know which one was meant"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", "not JSON", id="nothing"),
        pytest.param(b"{", "not JSON", id="half"),
        pytest.param(b"{} {}", "not JSON", id="two"),
        pytest.param(b"hello", "not JSON", id="a word"),
        pytest.param(b"event=1&a=2", "not JSON", id="a form"),
        pytest.param(GOOD_EVENT[:-20], "not JSON", id="cut off"),
        pytest.param(GOOD_EVENT.decode().encode("utf-16"), "not JSON", id="UTF-16"),
        pytest.param(with_raw_title(b'"\xff"'), "not JSON", id="invalid UTF-8"),
        pytest.param(with_raw_title(b'"\x00"'), "not JSON", id="a raw NUL"),
        pytest.param(with_raw_title(b"9" * 5000), "not JSON", id="5,000 digits"),
        pytest.param(with_raw_title(b"[" * 100_000), "not JSON", id="depth 100,000"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "not JSON", id="depth 100,000, closed"),
        pytest.param(b"[" * 100_000, "not JSON", id="depth 100,000, open"),
        pytest.param(with_raw_title(b'"a", "title": "b"'), TWICE, id="duplicate keys"),
        pytest.param(b'{"event": {}, "event": {}}', TWICE, id="duplicate events"),
        pytest.param(b"null", NO_EVENT, id="null"),
        pytest.param(b"NaN", NO_EVENT, id="NaN alone"),
        pytest.param(b"1e999", NO_EVENT, id="1e999 alone"),
        pytest.param(b"[]", NO_EVENT, id="a list"),
        pytest.param(b'"event"', NO_EVENT, id="a text"),
        pytest.param(b"{}", NO_EVENT, id="no event"),
        pytest.param(b'{"messages": [{"event": "incident.trigger"}]}', NO_EVENT, id="version 2"),
        pytest.param(b'{"event": null}', NO_EVENT, id="event is null"),
        pytest.param(b'{"event": [{}]}', NO_EVENT, id="event is a list"),
        pytest.param(b'{"event": {"event_type": null}}', NO_EVENT, id="no type"),
        pytest.param(event_changed("incident.triggered.json", event_type=5), NO_EVENT, id="type is a number"),
        pytest.param(event_changed("incident.triggered.json", id=None), "event: `id`: expected an id", id="no id"),
        pytest.param(event_changed("incident.triggered.json", occurred_at=None), NO_TIME, id="no time"),
        pytest.param(event_changed("incident.triggered.json", occurred_at=1795309447), NO_TIME, id="a unix time"),
        pytest.param(event_changed("incident.triggered.json", occurred_at="2026-11-22T01:14:07"), NO_TIME, id="naive"),
        pytest.param(event_changed("incident.triggered.json", data=None), NO_INCIDENT, id="no data"),
        pytest.param(event_changed("incident.triggered.json", data=[{}]), NO_INCIDENT, id="data is a list"),
        pytest.param(changed("incident.triggered.json", id=None), NO_INCIDENT, id="no incident"),
        pytest.param(
            changed("incident.triggered.json", id="../users/me"), NO_INCIDENT, id="an id that leads elsewhere"
        ),
        pytest.param(changed("incident.triggered.json", id="Q1?x=\u0000"), NO_INCIDENT, id="an id with a NUL"),
        pytest.param(changed("incident.triggered.json", id="Q" * 65), NO_INCIDENT, id="an id that is too long"),
        pytest.param(changed("incident.triggered.json", status="snoozed"), NO_STATUS, id="an unknown status"),
        pytest.param(changed("incident.triggered.json", status=None), NO_STATUS, id="no status"),
        pytest.param(changed("incident.triggered.json", status=["triggered"]), NO_STATUS, id="status is a list"),
        pytest.param(changed("incident.triggered.json", created_at=None), NO_START, id="no start"),
        pytest.param(
            changed("incident.triggered.json", created_at="0001-01-01T00:00:00+14:00"), NO_START, id="before all years"
        ),
    ],
)
def test_what_is_not_understood_is_put_aside_whole(parsed: Parse, body: bytes, reason: str) -> None:
    webhook = parsed(body)

    (whole,) = webhook.quarantined
    assert (webhook.kind, webhook.source, webhook.key) == ("pagerduty", SINGLE_SOURCE, b"")
    assert (webhook.alerts, webhook.event, webhook.ignored) == ((), None, 0)
    assert (whole.reason, whole.alerts) == (reason, 1)
    assert whole.identities["webhook"] == "d1b2-0001"
    assert webhook.receipts[0] == "webhook/d1b2-0001"
    assert len(whole.text.encode()) <= 64 * 1024


@pytest.mark.parametrize(
    ("body", "title"),
    [
        pytest.param(with_raw_title(b'"\\u0000x"'), "x", id="an escaped NUL"),
        pytest.param(with_raw_title(b'"\\ud800x"'), "\ufffdx", id="a lone surrogate"),
        pytest.param(b"\xef\xbb\xbf" + GOOD_EVENT, TITLE, id="a byte order mark"),
        pytest.param(with_raw_title(b'"\\u001b[31m\\u202ered\\u200b"'), "red", id="ANSI, right to left"),
        pytest.param(with_raw_title(b'"a\\nb\\u2028c"'), "a b c", id="several lines"),
        pytest.param(with_raw_title(b'"x", "n": [NaN, -Infinity, 1e999]'), "x", id="NaN beside it"),
        pytest.param(with_raw_title(b"NaN"), "", id="NaN as it"),
        pytest.param(with_raw_title(b'"' + b"x" * 500_000 + b'"'), "x" * 194 + "…[cut]", id="half a megabyte"),
        pytest.param(with_raw_title(b'"x", "deep": ' + b"[" * 150 + b"]" * 150), "x", id="depth 150"),
    ],
)
def test_what_is_odd_json_is_read_and_cleaned(parsed: Parse, body: bytes, title: str) -> None:
    webhook = parsed(body)

    assert (webhook.title, webhook.quarantined, webhook.key) == (title, (), INCIDENT.encode())
    assert "\x00" not in "".join(everything_in(webhook))


def test_what_is_put_aside_names_all_that_was_known_of_it(parsed: Parse) -> None:
    webhook = parsed(changed("incident.triggered.json", status="snoozed"))

    assert webhook.quarantined[0].identities == {"webhook": "d1b2-0001", "event": EVENT_ID, "incident": INCIDENT}
    assert webhook.receipts == ("webhook/d1b2-0001", f"event/{EVENT_ID}")
    assert json.loads(webhook.quarantined[0].text)["event"]["data"]["status"] == "snoozed"


def test_no_text_of_a_sender_gets_into_a_reason(parsed: Parse) -> None:
    bodies = [
        b'{"event": ' + CANARY.encode(),
        changed("incident.triggered.json", status=CANARY),
        event_changed("incident.triggered.json", occurred_at=CANARY),
        json.dumps({CANARY: 1}).encode(),
    ]

    reasons = [parsed(it).quarantined[0].reason for it in bodies]

    assert not [it for it in reasons if CANARY in it]


def test_quarantined_text_is_at_most_64_kib(parsed: Parse) -> None:
    for body in (json.dumps({"x": "ü" * 200_000}).encode(), b"{" + "ü".encode() * 200_000):
        (whole,) = parsed(body).quarantined

        assert len(whole.text.encode()) <= 64 * 1024
        assert whole.text.endswith("…[cut]")


def test_long_texts_are_cut(parsed: Parse) -> None:
    long = "x" * 100_000
    body = event_changed("incident.triggered.json", agent={"summary": long, "type": "user_reference"})
    data = {"priority": {"summary": long}, "service": {"summary": long, "id": long}, "html_url": f"https://{long}"}

    person = event_of(parsed(body))
    webhook = parsed(changed("incident.triggered.json", **data))

    (alert,) = webhook.alerts
    assert len(person.agent_name) == len(event_of(webhook).priority or "") == 100
    assert {len(it) for name, it in alert.labels.items() if name.startswith("pagerduty_")} == {4096, len("high")}
    assert len(webhook.url) == 8192


# Secrets and patients


PATIENT = "patient_name=Erika-Musterfrau"
PLACES: dict[str, Callable[[str], bytes]] = {
    "title": lambda it: changed("incident.triggered.json", title=it),
    "service": lambda it: changed("incident.triggered.json", service={"id": "P1", "summary": it}),
    "service id": lambda it: changed("incident.triggered.json", service={"id": it, "summary": "s"}),
    "urgency": lambda it: changed("incident.triggered.json", urgency=it),
    "priority": lambda it: changed("incident.triggered.json", priority={"summary": it}),
    "address": lambda it: changed("incident.triggered.json", html_url=f"https://host/?{it}"),
    "assignee": lambda it: event_changed(
        "incident.triggered.json",
        event_type="incident.reassigned",
        data={**payload("incident.triggered.json")["event"]["data"], "assignees": [{"summary": it}]},
    ),
    "agent": lambda it: event_changed(
        "incident.resolved.merged.json", agent={"id": it, "summary": it, "type": "user_reference"}
    ),
    "merged into": lambda it: changed(
        "incident.resolved.merged.json", resolve_reason={"type": "merge_resolve_reason", "incident": {"id": it}}
    ),
    "event type": lambda it: event_changed("incident.triggered.json", event_type=f"incident.{it}"),
    "note": lambda it: changed("incident.annotated.trimmed.json", content=it),
    "note id": lambda it: changed("incident.annotated.trimmed.json", id=it),
    "status update": lambda it: event_changed(
        "incident.annotated.ours.json",
        event_type="incident.status_update_published",
        data={"incident": {"id": INCIDENT}, "message": it},
    ),
    "conference bridge": lambda it: event_changed(
        "incident.annotated.ours.json",
        event_type="incident.conference_bridge.updated",
        data={"incident": {"id": INCIDENT}, "conference_url": f"https://meet.example.org/?{it}"},
    ),
    "event id": lambda it: event_changed("incident.triggered.json", id=it),
    "incident id": lambda it: changed("incident.triggered.json", id=it),
    "an unknown status": lambda it: changed("incident.triggered.json", status=it),
    "details of what is put aside": lambda it: changed("incident.triggered.json", status="?", details={"deep": [it]}),
    "not JSON": lambda it: b'{"event": {"title": "' + it.encode() + b'"',
}


# What has the shape of an id is an identity: nothing tells it from a secret that looks like one.
IDS = {"event id", "incident id", "note id", "agent", "merged into"}
SECRETS = (f"token={CANARY}", f"password: {CANARY}", f"https://u:{CANARY}@host")


@pytest.mark.parametrize(
    ("place", "secret"),
    [*((place, it) for place in PLACES for it in SECRETS), *((it, "kn0wn-s3cret") for it in PLACES if it not in IDS)],
)
def test_a_secret_planted_anywhere_is_nowhere_in_the_webhook(parsed: Parse, place: str, secret: str) -> None:
    texts = list(everything_in(parsed(PLACES[place](secret))))

    assert not [it for it in texts if CANARY in it or "kn0wn-s3cret" in it]


@pytest.mark.parametrize("place", PLACES)
def test_a_patient_is_nowhere_in_the_webhook(parsed: Parse, place: str) -> None:
    texts = list(everything_in(parsed(PLACES[place](f"{PATIENT}, ssn: 536-22-1234, mail erika@clinic.org"))))

    assert not [it for it in texts for part in ("Erika", "536-22-1234", "erika@") if part in it]


def test_a_secret_is_redacted_before_it_is_cut(parsed: Parse) -> None:
    note = "x" * 270 + f" postgres://u:{CANARY}@db/x"

    line = event_of(parsed(changed("incident.annotated.trimmed.json", content=note))).line

    assert CANARY[:4] not in line


def test_parts_that_make_a_secret_together_are_redacted_together(parsed: Parse) -> None:
    body = payload("incident.annotated.trimmed.json")
    body["event"]["agent"]["summary"] = "Password"
    body["event"]["data"]["content"] = CANARY

    assert CANARY not in event_of(parsed(json.dumps(body).encode())).line


# Anything at all


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
REDACTOR = Redactor()
EVENT_FIELDS = ["id", "event_type", "resource_type", "occurred_at", "agent", "client", "data"]
DATA_FIELDS = [
    *payload("incident.triggered.json")["event"]["data"],
    "incident",
    "content",
    "message",
    "trimmed",
    "user",
]
TYPES = st.sampled_from(sorted({it.partition(".json")[0] for it in LINES} | IGNORED))


@settings(derandomize=True, max_examples=400, deadline=None)
@given(
    st.dictionaries(st.sampled_from(EVENT_FIELDS), json_values, max_size=3),
    st.dictionaries(st.sampled_from(DATA_FIELDS), json_values, max_size=6),
    TYPES,
)
def test_any_json_is_taken_and_counts_as_one(event: dict[str, Any], data: dict[str, Any], event_type: str) -> None:
    body = payload("incident.triggered.json")
    body["event"]["data"].update(data)
    body["event"].update({"event_type": event_type, **event})

    webhook = SOURCE.parse(
        Post(source="default", headers={}, body=json.dumps(body).encode()), REDACTOR, Limits(quarantine_bytes=2000)
    )

    assert counts_of(webhook) == 1
    assert (webhook.event is not None) is (webhook.key != b"")
    assert "\x00" not in "".join(everything_in(webhook))
    "".join(everything_in(webhook)).encode()  # no lone surrogate either: the store takes all of it


@settings(derandomize=True, max_examples=400, deadline=None)
@given(st.binary(max_size=60) | json_values.map(lambda it: json.dumps(it).encode()), st.text(max_size=8))
def test_any_bytes_are_taken_and_count_as_one(body: bytes, webhook_id: str) -> None:
    webhook = SOURCE.parse(Post(source="default", headers={"X-Webhook-Id": webhook_id}, body=body), REDACTOR, Limits())

    assert counts_of(webhook) == 1
    "".join(everything_in(webhook)).encode()
