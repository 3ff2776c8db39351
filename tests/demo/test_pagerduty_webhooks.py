"""The stand-in tells its subscriptions what happens, signed, in order and again, as PagerDuty does."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from responder.demo import pagerduty_webhooks
from responder.demo.faults import Fault, RecordedRequest
from responder.demo.front import Front
from responder.demo.local_server import LocalServer, wall_clock
from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from responder.demo.pagerduty_account import BOT_EMAIL, PERSON_EMAIL
from responder.demo.pagerduty_subscriptions import Subscription
from tests.contracts.pagerduty_openapi import PagerDutyContract

QUICKLY = (0.01,)
SUBSCRIPTION = {
    "type": "webhook_subscription",
    "delivery_method": {
        "type": "http_delivery_method",
        "url": "http://127.0.0.1:9/hook",
        "custom_headers": [{"name": "X-Tenant", "value": "clinic"}],
    },
    "description": "to responder",
    "events": ["incident.triggered", "incident.resolved"],
    "filter": {"type": "account_reference"},
}


class Receiver:
    """A real server that takes webhooks, and fails as it is told to."""

    def __init__(self) -> None:
        async def taken(_: web.Request, __: Any) -> web.StreamResponse:
            return web.Response(status=202)

        self.front = Front(taken, clock=wall_clock, is_private=lambda _: False, usual_bodies={500: {}})
        app = web.Application(middlewares=[self.front.middleware])
        self.server = LocalServer(app)

    @property
    def url(self) -> str:
        return f"{self.server.url}/hook"

    @property
    def requests(self) -> list[RecordedRequest]:
        return self.front.requests

    @property
    def events(self) -> list[dict[str, Any]]:
        return [it.json["event"] for it in self.requests]

    @property
    def types(self) -> list[str]:
        return [it["event_type"] for it in self.events]

    def fail(self, do: str, *, times: int | None = 1, status: int = 500, seconds: float | None = None) -> None:
        self.front.faults.add(Fault(match="POST /hook", do=do, times=times, status=status, seconds=seconds))  # type: ignore[arg-type]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.server.start()
    yield made
    made.front.stopping.set()
    await made.server.stop()


@pytest.fixture
async def pagerduty() -> AsyncIterator[StandInPagerDuty]:
    """One that tries again at once, and waits half a second for an answer."""
    made = await StandInPagerDuty.start(
        event_delay_seconds=0, webhook_retry_seconds=QUICKLY, webhook_answer_within_seconds=0.5
    )
    yield made
    await made.stop()


@pytest.fixture
def subscription(pagerduty: StandInPagerDuty, receiver: Receiver) -> Subscription:
    return pagerduty.subscribe(receiver.url)


@pytest.fixture
def told(pagerduty: StandInPagerDuty, until: Any) -> Callable[[], Any]:
    """Wait until nothing is on its way any more."""

    async def all_told() -> None:
        await until(lambda: not pagerduty.webhooks.waiting)

    return all_told


def event(key: str = "k", **other: Any) -> dict[str, Any]:
    return {
        "routing_key": "0" * 32,
        "event_action": "trigger",
        "dedup_key": key,
        "payload": {"summary": f"{key} is down", "source": "a", "severity": "error"},
        "client": "Alertmanager",
        "client_url": "http://alertmanager.example.com/#/alerts?receiver=both",
        **other,
    }


def take(pagerduty: StandInPagerDuty, key: str = "k", **other: Any) -> str:
    """Have an event taken, and give the id of its incident."""
    incident = pagerduty.account.take_event(event(key, **other), key, wall_clock())
    assert incident is not None
    return incident.id


def verified(secret: str, request: RecordedRequest) -> list[bool]:
    """Whether each signature is that of this secret, by the documented rule: the secret's characters are the key."""
    right = hmac.new(secret.encode("ascii"), request.body.encode(), hashlib.sha256).hexdigest()
    return [it == f"v1={right}" for it in (request.header("X-PagerDuty-Signature") or "").split(",")]


# What is told -------------------------------------------------------------------------------------------------------


# What makes each kind of webhook, named as the samples are; a list is done one after the other.
ACTS: dict[str, Callable[[StandInPagerDuty, str], Any]] = {
    "incident.triggered": lambda _, __: None,
    "incident.acknowledged": lambda it, id_: it.acknowledge(id_),
    "incident.unacknowledged": lambda it, id_: [it.acknowledge(id_), it.unacknowledge(id_)],
    "incident.resolved": lambda it, id_: it.resolve(id_),
    "incident.resolved.by_integration": lambda it, _: take(it, event_action="resolve"),
    "incident.reopened": lambda it, id_: [it.resolve(id_), it.reopen(id_)],
    "incident.priority_updated": lambda it, id_: it.set_priority(id_, "P1"),
    "incident.priority_updated.cleared": lambda it, id_: [it.set_priority(id_, "P1"), it.set_priority(id_, None)],
    "incident.reassigned": lambda it, id_: it.reassign(id_, BOT_EMAIL),
    "incident.escalated": lambda it, id_: it.escalate(id_, BOT_EMAIL),
    "incident.delegated": lambda it, id_: it.delegate(id_, "Database on-call", BOT_EMAIL),
    "incident.annotated": lambda it, id_: it.add_note(id_, "rolled back"),
    "incident.annotated.trimmed": lambda it, id_: it.add_note(id_, "long paste … " * 400),
    "incident.annotated.resolution_note": lambda it, id_: it.resolve(id_, note="replaced node"),
    "incident.status_update_published": lambda it, id_: it.publish_status_update(id_, "a fix is on its way"),
    "incident.triggered.manual": lambda it, _: it.create_incident("customers cannot pay", urgency="low"),
    "pagey.ping": lambda it, _: it.webhooks.ping(next(iter(it.webhooks.subscriptions.values())), it.account.bot),
}


@pytest.mark.parametrize("what", ACTS)
@pytest.mark.usefixtures("subscription")
async def test_a_webhook_has_the_shape_of_pagerdutys(
    pagerduty: StandInPagerDuty, receiver: Receiver, until: Any, captured: Any, shape: Any, what: str
) -> None:
    expected = captured(f"pagerduty/webhooks/{what}.json")["event"]
    expected["data"].pop("teams", None)  # as many as the account has

    ACTS[what](pagerduty, take(pagerduty))

    def of_that_kind() -> list[dict[str, Any]]:
        return [it for it in receiver.events if it["event_type"] == expected["event_type"]]

    await until(lambda: len(of_that_kind()) == (2 if "cleared" in what or "manual" in what else 1))
    sent = of_that_kind()[-1]
    sent["data"].pop("teams", None)
    assert (shape(sent), list(sent)) == (shape(expected), list(expected))
    assert sent["data"].get("trimmed") == expected["data"].get("trimmed")
    assert sent["data"].get("status") == expected["data"].get("status")


@pytest.mark.usefixtures("subscription")
async def test_an_incident_made_by_an_event_is_told_with_its_sender_and_without_a_key(
    pagerduty: StandInPagerDuty, receiver: Receiver, told: Any
) -> None:
    incident = take(pagerduty)
    take(pagerduty)
    take(pagerduty, event_action="acknowledge", client_url=None)
    take(pagerduty, event_action="resolve", client=None, client_url=None)
    await told()

    assert receiver.types == ["incident.triggered", "incident.acknowledged", "incident.resolved"]
    first = receiver.events[0]
    assert (first["agent"]["id"], first["agent"]["type"]) == ("PXMQRWJ", "inbound_integration_reference")
    assert first["agent"]["self"] == "https://api.pagerduty.com/services/PF9KMXH/integrations/PXMQRWJ"
    assert [it["client"] for it in receiver.events] == [
        {"name": "Alertmanager", "url": "http://alertmanager.example.com/#/alerts?receiver=both"},
        {"name": "Alertmanager"},
        None,
    ]
    assert (first["data"]["id"], first["data"]["incident_key"]) == (incident, None)


@pytest.mark.usefixtures("subscription")
async def test_an_incident_made_by_hand_has_a_key_of_32_hex_digits(
    pagerduty: StandInPagerDuty, receiver: Receiver, told: Any
) -> None:
    ledger = pagerduty.add_service("ledger", "f" * 32)

    incident = pagerduty.create_incident("customers cannot pay", service="ledger", urgency="low")
    await told()

    [said] = receiver.events
    key = said["data"]["incident_key"]
    assert (len(key), int(key, 16) >= 0, key) == (32, True, pagerduty.account.incidents[incident].key)
    assert (said["agent"]["id"], said["client"]) == ("PTUXL6G", {"name": "PagerDuty"})
    assert (said["data"]["service"]["id"], said["data"]["urgency"]) == (ledger.id, "low")
    assert said["data"]["assignees"][0]["id"] == "PTUXL6G"


@pytest.mark.usefixtures("subscription")
async def test_a_body_says_how_it_was_when_it_happened_and_not_when_it_is_sent(
    pagerduty: StandInPagerDuty, receiver: Receiver, told: Any
) -> None:
    receiver.fail("status", times=2)
    incident = take(pagerduty)
    pagerduty.acknowledge(incident)
    pagerduty.set_priority(incident, "P2")
    pagerduty.resolve(incident)
    await told()

    said = [
        (it["data"]["status"], it["data"]["priority"] and it["data"]["priority"]["summary"]) for it in receiver.events
    ]
    assert said[2:] == [("triggered", None), ("acknowledged", None), ("acknowledged", "P2"), ("resolved", "P2")]


@pytest.mark.usefixtures("subscription")
async def test_our_own_note_comes_back_with_the_bot_as_its_agent_and_an_edit_or_a_deletion_does_not(
    caller: Any, pagerduty: StandInPagerDuty, receiver: Receiver, told: Any
) -> None:
    incident = take(pagerduty)
    _, made = await caller.note(incident, "findings")
    path = f"/incidents/{incident}/notes/{made['note']['id']}"

    await caller.ask("PUT", path, json={"note": {"content": "more findings"}})
    await caller.ask("DELETE", path)
    pagerduty.add_note(incident, "thanks")
    await told()

    assert [(it["event_type"], it["agent"]["id"]) for it in receiver.events] == [
        ("incident.triggered", "PXMQRWJ"),
        ("incident.annotated", "PRESP0B"),
        ("incident.annotated", "PTUXL6G"),
    ]
    assert receiver.events[1]["data"]["id"] == made["note"]["id"]


@pytest.mark.parametrize(
    ("content", "sent", "trimmed"),
    [
        pytest.param("a" * 4000, "a" * 4000, False, id="as long as it may be"),
        pytest.param("ä" * 4001, "ä" * 4000, True, id="one character too long"),
        pytest.param("half a pair: \ud83d", "half a pair: ?", False, id="no UTF-8"),
    ],
)
@pytest.mark.usefixtures("subscription")
async def test_long_notes_are_cut(
    pagerduty: StandInPagerDuty, receiver: Receiver, told: Any, content: str, sent: str, trimmed: bool
) -> None:
    pagerduty.add_note(take(pagerduty), content)
    await told()

    data = receiver.events[1]["data"]
    assert (data["content"], data["trimmed"]) == (sent, trimmed)


@pytest.mark.usefixtures("subscription")
async def test_what_changes_nothing_is_not_told(pagerduty: StandInPagerDuty, receiver: Receiver, told: Any) -> None:
    incident = take(pagerduty)
    pagerduty.unacknowledge(incident)
    pagerduty.reopen(incident)
    pagerduty.set_priority(incident, None)
    pagerduty.acknowledge(incident)
    pagerduty.acknowledge(incident)
    take(pagerduty, event_action="acknowledge")
    pagerduty.resolve(incident)
    pagerduty.resolve(incident)
    pagerduty.acknowledge(incident)
    pagerduty.escalate(incident, BOT_EMAIL)
    await told()

    assert receiver.types == ["incident.triggered", "incident.acknowledged", "incident.resolved"]


# Merging and grouping -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("subscription")
async def test_a_merge_resolves_the_source_and_moves_its_alerts(
    caller: Any, pagerduty: StandInPagerDuty, receiver: Receiver, told: Any
) -> None:
    ledger = pagerduty.add_service("ledger", "f" * 32)
    source, target = take(pagerduty, routing_key="f" * 32), take(pagerduty)

    pagerduty.merge(source, target)
    joined = take(pagerduty, routing_key="f" * 32)
    await told()

    said = receiver.events[-1]
    assert (said["event_type"], said["data"]["id"], said["agent"]["id"]) == ("incident.resolved", source, "PTUXL6G")
    assert said["data"]["resolve_reason"]["type"] == "merge_resolve_reason"
    assert said["data"]["resolve_reason"]["incident"]["id"] == target
    _, shown = await caller.ask("GET", f"/incidents/{source}")
    assert shown["incident"]["resolve_reason"] == said["data"]["resolve_reason"]
    _, none = await caller.ask("GET", f"/incidents/{source}/alerts")
    _, alerts = await caller.ask("GET", f"/incidents/{target}/alerts")
    assert none["alerts"] == []
    assert [(it["service"]["id"], it["status"]) for it in alerts["alerts"]] == [
        ("PF9KMXH", "triggered"),
        (ledger.id, "triggered"),
    ]
    assert joined == target
    with pytest.raises(ValueError, match="expected two open incidents"):
        pagerduty.merge(source, target)


@pytest.mark.usefixtures("subscription")
async def test_a_merged_incident_ends_with_the_last_of_its_alerts_even_of_one_key_at_two_services(
    pagerduty: StandInPagerDuty, receiver: Receiver, told: Any
) -> None:
    pagerduty.add_service("ledger", "f" * 32)
    target = take(pagerduty)
    pagerduty.merge(take(pagerduty, routing_key="f" * 32), target)

    await told()
    take(pagerduty, event_action="resolve")
    open_still = pagerduty.account.incidents[target].status
    take(pagerduty, event_action="resolve", routing_key="f" * 32)
    await told()

    assert (open_still, pagerduty.account.incidents[target].status) == ("triggered", "resolved")
    assert sum(it == "incident.resolved" for it in receiver.types) == 2
    assert receiver.events[-1]["data"]["id"] == target


@pytest.mark.usefixtures("subscription")
async def test_grouped_alerts_share_an_incident_that_ends_with_the_last(
    caller: Any, pagerduty: StandInPagerDuty, receiver: Receiver, told: Any
) -> None:
    ledger = pagerduty.add_service("ledger", "f" * 32)
    pagerduty.group(service="payments")
    by_hand = pagerduty.create_incident("customers cannot pay")
    first = take(pagerduty, "one")

    ids = [
        take(pagerduty, "two"),
        take(pagerduty, "one", routing_key="f" * 32),
        take(pagerduty, "x", routing_key="f" * 32),
    ]
    take(pagerduty, "one", event_action="resolve")
    half = pagerduty.account.incidents[first].status
    take(pagerduty, "two", event_action="resolve")
    again = take(pagerduty, "two")
    pagerduty.group(on=False)
    alone = take(pagerduty, "three")
    await told()

    assert (ids[0], half, pagerduty.account.incidents[first].status) == (first, "triggered", "resolved")
    assert len({by_hand, first, ids[1], ids[2], again, alone}) == 6
    assert {pagerduty.account.incidents[it].service.id for it in ids[1:]} == {ledger.id}
    assert [it["event_type"] for it in receiver.events if it["data"]["id"] == first] == [
        "incident.triggered",
        "incident.resolved",
    ]
    _, alerts = await caller.ask("GET", f"/incidents/{first}/alerts")
    assert [it["alert_key"] for it in alerts["alerts"]] == ["one", "two"]


# How it is signed ---------------------------------------------------------------------------------------------------


def test_a_signature_is_the_documented_one(captured: Any) -> None:
    vectors = captured("pagerduty/signature-vectors.json")["vectors"]
    simple = [it for it in vectors if len(it["secrets"]) == 1 and it["secrets"][0] and it["header"].count("=") == 1]

    computed = [
        Subscription(id="P", url="http://a", secrets=it["secrets"]).signature(it["body"].encode()).split(",")[1]
        == it["header"]
        for it in simple
    ]

    assert computed == [it["valid"] for it in simple]
    assert "live_ping" in [it["name"] for it in simple]


async def test_a_webhook_says_who_it_is_from_and_for_whom(
    pagerduty: StandInPagerDuty, receiver: Receiver, subscription: Subscription, told: Any
) -> None:
    pagerduty.add_note(take(pagerduty), "grüße … 🩺")
    await told()

    assert [verified(subscription.secret, it) for it in receiver.requests] == [[True], [True]]
    for request, delivery in zip(receiver.requests, pagerduty.deliveries, strict=True):
        assert request.method == "POST"
        assert request.header("Content-Type") == "application/json"
        assert request.header("User-Agent") == "PagerDuty-Webhook/V3.0"
        assert request.header("X-Webhook-Subscription") == subscription.id
        assert request.header("X-Webhook-Id") == delivery.webhook
    assert len({it.webhook for it in pagerduty.deliveries}) == 2


async def test_while_secrets_are_changed_both_sign(
    pagerduty: StandInPagerDuty, receiver: Receiver, subscription: Subscription, told: Any
) -> None:
    former = subscription.secret
    latter = subscription.rotate()

    take(pagerduty, "one")
    await told()
    subscription.end_rotation()
    take(pagerduty, "two")
    await told()

    during, after = receiver.requests
    assert (verified(former, during), verified(latter, during)) == ([False, True], [True, False])
    assert (verified(former, after), verified(latter, after)) == ([False], [True])
    assert (len(latter), subscription.secret) == (64, latter)


async def test_two_subscriptions_get_the_same_event_under_two_webhook_ids_and_secrets(
    pagerduty: StandInPagerDuty, receiver: Receiver, subscription: Subscription, told: Any
) -> None:
    other = pagerduty.subscribe(receiver.url)
    take(pagerduty)
    await told()

    assert len({it["id"] for it in receiver.events}) == 1
    assert len({it.header("X-Webhook-Id") for it in receiver.requests}) == 2
    assert subscription.secret != other.secret
    secrets = {subscription.id: subscription.secret, other.id: other.secret}
    for request in receiver.requests:
        assert verified(secrets[request.header("X-Webhook-Subscription") or ""], request) == [True]


# Again, and in order ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("do", "status", "error"),
    [
        pytest.param("status", 500, "", id="500"),
        pytest.param("status", 503, "", id="503"),
        pytest.param("status", 429, "", id="429"),
        pytest.param("reset", None, "ServerDisconnectedError: Server disconnected", id="a dropped connection"),
        pytest.param("hang", None, "no answer within 0.5 s", id="no answer"),
    ],
)
@pytest.mark.usefixtures("subscription")
async def test_what_failed_comes_again_under_the_same_id(
    pagerduty: StandInPagerDuty, receiver: Receiver, told: Any, do: str, status: int | None, error: str
) -> None:
    receiver.fail(do, times=2, status=status or 500)

    incident = take(pagerduty)
    await told()

    assert [(it.attempt, it.status, it.error, it.outcome) for it in pagerduty.deliveries] == [
        (1, status, error, "failed"),
        (2, status, error, "failed"),
        (3, 202, "", "taken"),
    ]
    assert {(it.incident, it.event, it.event_type) for it in pagerduty.deliveries} == {
        (incident, receiver.events[0]["id"], "incident.triggered")
    }
    assert (
        len({(it.body, it.header("X-Webhook-Id"), it.header("X-PagerDuty-Signature")) for it in receiver.requests}) == 1
    )


@pytest.mark.usefixtures("subscription")
async def test_a_receiver_that_is_away_gets_everything_later_in_order(
    pagerduty: StandInPagerDuty, receiver: Receiver, told: Any, until: Any
) -> None:
    await receiver.server.pause()
    incident = take(pagerduty)
    pagerduty.acknowledge(incident)
    await until(lambda: len(pagerduty.deliveries) >= 2)
    await receiver.server.resume()
    await told()

    assert receiver.types == ["incident.triggered", "incident.acknowledged"]
    assert {it.event_type for it in pagerduty.deliveries if it.outcome == "failed"} == {"incident.triggered"}
    assert pagerduty.deliveries[0].error.startswith("ClientConnectorError: ")


@pytest.mark.usefixtures("subscription")
async def test_while_one_fails_later_ones_of_its_incident_wait_and_others_do_not(
    pagerduty: StandInPagerDuty, receiver: Receiver, told: Any, until: Any
) -> None:
    receiver.fail("hang", times=1)  # the first, for half a second
    slow = take(pagerduty, "slow")
    await until(lambda: receiver.requests)
    quick = take(pagerduty, "quick")
    for incident in (slow, quick):
        pagerduty.acknowledge(incident)
        pagerduty.resolve(incident)
    await told()

    told_of = [
        (it.incident == slow, it.event_type.removeprefix("incident."), it.outcome) for it in pagerduty.deliveries
    ]
    assert told_of == [
        (False, "triggered", "taken"),
        (False, "acknowledged", "taken"),
        (False, "resolved", "taken"),
        (True, "triggered", "failed"),
        (True, "triggered", "taken"),
        (True, "acknowledged", "taken"),
        (True, "resolved", "taken"),
    ]


async def test_one_failing_subscription_does_not_hold_up_another(
    pagerduty: StandInPagerDuty, receiver: Receiver, until: Any
) -> None:
    away = pagerduty.subscribe("http://127.0.0.1:9/hook")
    there = pagerduty.subscribe(receiver.url)
    incident = take(pagerduty)
    pagerduty.resolve(incident)

    await until(lambda: receiver.types == ["incident.triggered", "incident.resolved"])
    await until(lambda: [it.subscription for it in pagerduty.webhooks.waiting] == [away.id, away.id])

    assert {it.subscription for it in pagerduty.deliveries if it.outcome == "taken"} == {there.id}


@pytest.mark.usefixtures("subscription")
async def test_after_48_hours_a_webhook_is_given_up_and_the_next_has_its_turn(
    pagerduty: StandInPagerDuty, receiver: Receiver, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagerduty_webhooks, "RETRY_FOR_SECONDS", 0.035)  # three pauses of 0.01 s
    receiver.fail("status", times=4)

    incident = take(pagerduty)
    pagerduty.resolve(incident)
    await told()

    assert receiver.types == ["incident.triggered"] * 4 + ["incident.resolved"]
    assert [it.outcome for it in pagerduty.deliveries] == ["failed"] * 4 + ["taken"]


@pytest.mark.usefixtures("subscription")
async def test_at_most_so_many_are_sent_at_once_and_all_arrive(
    pagerduty: StandInPagerDuty, receiver: Receiver, told: Any, until: Any
) -> None:
    receiver.fail("slow", times=None, seconds=0.2)
    for number in range(60):
        take(pagerduty, f"alert {number}")

    await until(lambda: len(receiver.requests) == 50)
    nobody_is_answered = not pagerduty.deliveries
    await told()

    assert nobody_is_answered
    assert [it.outcome for it in pagerduty.deliveries] == ["taken"] * 60


# Refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 302])
@pytest.mark.usefixtures("subscription")
async def test_a_refusal_drops_at_once_and_the_next_is_sent(
    pagerduty: StandInPagerDuty, receiver: Receiver, told: Any, status: int
) -> None:
    receiver.fail("status", status=status)

    incident = take(pagerduty)
    pagerduty.resolve(incident)
    await told()

    assert [(it.event_type, it.attempt, it.status, it.outcome) for it in pagerduty.deliveries] == [
        ("incident.triggered", 1, status, "rejected"),
        ("incident.resolved", 1, 202, "taken"),
    ]


async def test_three_refusals_in_a_row_disable_it_until_it_is_enabled(
    caller: Any, pagerduty: StandInPagerDuty, receiver: Receiver, subscription: Subscription, told: Any
) -> None:
    async def disabled() -> bool:
        _, said = await caller.ask("GET", f"/webhook_subscriptions/{subscription.id}")
        return bool(said["webhook_subscription"]["delivery_method"]["temporarily_disabled"])

    receiver.fail("status", times=3, status=403)
    incident = take(pagerduty)
    for priority in ("P1", "P2", "P3", "P4"):
        pagerduty.set_priority(incident, priority)
    await told()
    pagerduty.resolve(incident)
    await told()

    assert [it.outcome for it in pagerduty.deliveries] == ["rejected"] * 3  # the two behind them are lost
    assert await disabled()

    status, said = await caller.ask("POST", f"/webhook_subscriptions/{subscription.id}/enable")
    pagerduty.reopen(incident)
    await told()

    assert (status, said["webhook_subscription"]["delivery_method"]["temporarily_disabled"]) == (200, False)
    assert not await disabled()
    assert receiver.types[3:] == ["incident.reopened"]


@pytest.mark.parametrize("between", [202, 500])
async def test_only_a_taken_one_breaks_the_row(
    pagerduty: StandInPagerDuty, receiver: Receiver, subscription: Subscription, told: Any, between: int
) -> None:
    """403, 403, then what is tested, 403: a failure that is tried again has decided nothing yet."""
    receiver.fail("status", times=2, status=403)
    receiver.fail("status", times=1, status=between)
    receiver.fail("status", times=1, status=403)
    incident = take(pagerduty)
    for priority in ("P1", "P2", "P3"):
        pagerduty.set_priority(incident, priority)
    await told()

    assert subscription.is_disabled(wall_clock()) == (between == 500)


async def test_what_was_to_be_tried_again_is_lost_when_the_subscription_is_disabled(
    receiver: Receiver, until: Any
) -> None:
    pagerduty = await StandInPagerDuty.start(webhook_retry_seconds=(0.1,))
    subscription = pagerduty.subscribe(receiver.url)
    receiver.fail("status", times=1, status=500)
    failing = take(pagerduty, "failing")
    await until(lambda: pagerduty.deliveries)

    receiver.fail("status", times=3, status=404)
    for key in ("one", "two", "three"):
        take(pagerduty, key)
    await until(lambda: subscription.disabled_until)
    waiting = pagerduty.webhooks.waiting
    subscription.enable()
    await asyncio.sleep(0.3)
    pagerduty.resolve(failing)
    await until(lambda: len(receiver.requests) == 5)

    assert waiting == []
    assert [it.event_type for it in pagerduty.deliveries if it.incident == failing] == [
        "incident.triggered",
        "incident.resolved",
    ]
    await pagerduty.stop()


async def test_after_a_day_it_is_enabled_by_itself(receiver: Receiver, until: Any) -> None:
    now = datetime(2026, 11, 21, 3, tzinfo=UTC)
    pagerduty = await StandInPagerDuty.start(clock=lambda: now)
    subscription = pagerduty.subscribe(receiver.url)
    receiver.fail("status", times=3, status=404)
    for key in ("one", "two", "three"):
        take(pagerduty, key)
    await until(lambda: subscription.is_disabled(now))

    now += timedelta(hours=23, minutes=59)
    take(pagerduty, "lost")
    still = pagerduty.webhooks.waiting
    now += timedelta(minutes=1)
    take(pagerduty, "told")
    await until(lambda: len(receiver.requests) == 4)

    assert still == []
    assert receiver.events[3]["data"]["title"] == "told is down"
    assert receiver.events[3]["occurred_at"] != receiver.events[0]["occurred_at"]
    await pagerduty.stop()


async def test_one_that_waited_for_its_turn_is_not_sent_after_the_subscription_is_gone(
    caller: Any, pagerduty: StandInPagerDuty, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    monkeypatch.setattr(pagerduty_webhooks, "MAX_AT_ONCE", 1)
    subscription = pagerduty.subscribe(receiver.url)
    receiver.fail("slow", seconds=0.2)
    take(pagerduty, "one")
    take(pagerduty, "two")
    await until(lambda: receiver.requests)

    status, _ = await caller.ask("DELETE", f"/webhook_subscriptions/{subscription.id}")
    await until(lambda: pagerduty.deliveries)
    await asyncio.sleep(0.05)

    assert (status, len(receiver.requests), pagerduty.webhooks.waiting) == (204, 1, [])


async def test_stop_leaves_nothing_behind(receiver: Receiver, until: Any) -> None:
    before = asyncio.all_tasks()
    pagerduty = await StandInPagerDuty.start(webhook_retry_seconds=(3600,))
    pagerduty.subscribe(receiver.url)
    pagerduty.subscribe("http://127.0.0.1:9/hook")
    receiver.fail("hang")
    take(pagerduty)
    await until(lambda: receiver.requests and pagerduty.deliveries)

    await pagerduty.stop()
    take(pagerduty, "after")
    left = {task.get_coro().__qualname__ for task in asyncio.all_tasks() - before}  # type: ignore[union-attr]

    assert [it.event_type for it in pagerduty.webhooks.waiting] == ["incident.triggered"] * 2
    assert len(pagerduty.deliveries) == 1
    # The receiver's own, which answers nothing.
    assert left <= {"RequestHandler.start", "RequestHandler._handle_request"}


# Subscriptions by REST ----------------------------------------------------------------------------------------------


async def test_a_subscription_is_made_shown_changed_tried_and_deleted(
    caller: Any, pagerduty: StandInPagerDuty, receiver: Receiver, told: Any
) -> None:
    wanted = {**SUBSCRIPTION, "delivery_method": {**SUBSCRIPTION["delivery_method"], "url": receiver.url}}  # type: ignore[dict-item]
    status, made = await caller.ask("POST", "/webhook_subscriptions", json={"webhook_subscription": wanted})
    made = made["webhook_subscription"]
    path = f"/webhook_subscriptions/{made['id']}"

    _, shown = await caller.ask("GET", path)
    _, listed = await caller.ask("GET", "/webhook_subscriptions")
    pinged = await caller.ask("POST", f"{path}/ping")
    await told()
    change = {"webhook_subscription": {"active": False, "events": ["incident.annotated"]}}
    _, changed = await caller.ask("PUT", path, json=change)
    pagerduty.add_note(take(pagerduty), "to nobody")
    deleted = await caller.ask("DELETE", path)

    assert (status, made["delivery_method"]["secret"]) == (200, pagerduty_secret(made["id"]))
    assert made["delivery_method"]["custom_headers"] == [{"name": "X-Tenant", "value": "clinic"}]
    shown = shown["webhook_subscription"]
    assert (shown["delivery_method"]["secret"], shown["events"]) == (None, SUBSCRIPTION["events"])
    assert shown["delivery_method"]["custom_headers"] == [{"name": "X-Tenant", "value": "-- redacted --"}]
    assert listed["webhook_subscriptions"] == [shown]
    assert (pinged, receiver.types) == ((202, None), ["pagey.ping"])
    assert receiver.requests[0].header("X-Tenant") == "clinic"
    assert receiver.events[0]["agent"] == {"id": "PRESP0B", "type": "user_reference"}
    assert changed["webhook_subscription"] == {**shown, "active": False, "events": ["incident.annotated"]}
    assert deleted == (204, None)
    assert (await caller.ask("GET", path))[0] == 404
    assert len(receiver.requests) == 1


def pagerduty_secret(id_: str) -> str:
    """The first secret of the subscription with this id, which is the same in every run."""
    return Subscription(id=id_, url="http://a").secret


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"type": "webhook"}, "type must be"),
        ({"delivery_method": {"type": "http_delivery_method"}}, "delivery_method must"),
        ({"delivery_method": {"type": "http_delivery_method", "url": "ftp://a/b"}}, "delivery_method must"),
        ({"delivery_method": {"type": "http_delivery_method", "url": "http://[::1"}}, "delivery_method must"),
        ({"events": []}, "events must list"),
        ({"events": ["incident.triggered", "incident.triggered"]}, "events has a type twice"),
        ({"events": ["incident.opened", {}]}, "events has unknown types"),
        ({"filter": {"type": "service_reference"}}, "filter must have"),
        ({"filter": None}, "filter must have"),
        ({"active": "yes"}, "active must be"),
        ({"description": 7}, "description must be"),
    ],
)
async def test_a_wrong_subscription_is_refused(
    caller: Any, pagerduty: StandInPagerDuty, change: dict[str, Any], complaint: str
) -> None:
    status, said = await caller.ask(
        "POST", "/webhook_subscriptions", json={"webhook_subscription": {**SUBSCRIPTION, **change}}
    )

    assert (status, said["error"]["code"], pagerduty.webhooks.subscriptions) == (400, 2001, {})
    assert said["error"]["errors"][0].startswith(complaint)


@pytest.mark.parametrize("body", ["no JSON", "[]", "{}", '{"webhook_subscription": 1}', "[" * 100_000])
async def test_what_is_no_subscription_is_refused(caller: Any, body: str) -> None:
    status, said = await caller.ask("POST", "/webhook_subscriptions", data=body)

    assert (status, said["error"]["errors"]) == (400, ["webhook_subscription is required and must be an object"])


async def test_one_scope_has_at_most_ten(caller: Any, pagerduty: StandInPagerDuty) -> None:
    for _ in range(10):
        pagerduty.subscribe("http://127.0.0.1:9/hook")

    status, said = await caller.ask("POST", "/webhook_subscriptions", json={"webhook_subscription": SUBSCRIPTION})
    with pytest.raises(ValueError, match="at most 10"):
        pagerduty.subscribe("http://127.0.0.1:9/hook")
    about_one = pagerduty.subscribe("http://127.0.0.1:9/hook", service="PF9KMXH")
    _, listed = await caller.ask("GET", "/webhook_subscriptions?filter_type=service&filter_id=PF9KMXH")
    _, paged = await caller.ask("GET", "/webhook_subscriptions?filter_type=account&limit=4&offset=8")

    assert (status, said["error"]["errors"]) == (400, ["a scope can have at most 10 webhook subscriptions"])
    assert [it["id"] for it in listed["webhook_subscriptions"]] == [about_one.id]
    assert (len(paged["webhook_subscriptions"]), paged["more"]) == (2, False)
    assert (await caller.ask("GET", "/webhook_subscriptions?filter_type=service"))[0] == 400


async def test_a_subscription_gets_what_it_asked_for_and_no_more(
    pagerduty: StandInPagerDuty, receiver: Receiver, told: Any
) -> None:
    ledger = pagerduty.add_service("ledger", "f" * 32)
    of_ledger = pagerduty.subscribe(receiver.url, service=ledger.id)
    ends = pagerduty.subscribe(receiver.url, events=("incident.resolved",))
    for routing_key in ("0" * 32, "f" * 32):
        pagerduty.resolve(take(pagerduty, routing_key=routing_key))
    await told()

    got = {
        (it.subscription, it.event_type, pagerduty.account.incidents[it.incident].service.name)
        for it in pagerduty.deliveries
    }
    assert got == {
        (of_ledger.id, "incident.triggered", "ledger"),
        (of_ledger.id, "incident.resolved", "ledger"),
        (ends.id, "incident.resolved", "ledger"),
        (ends.id, "incident.resolved", "payments"),
    }
    with pytest.raises(ValueError, match="events: expected some of"):
        pagerduty.subscribe(receiver.url, events=("incident.opened",))
    with pytest.raises(ValueError, match="url: expected"):
        pagerduty.subscribe("localhost:80")


async def test_the_answers_have_the_described_shapes(
    caller: Any, pagerduty: StandInPagerDuty, pagerduty_contract: PagerDutyContract
) -> None:
    answers = []

    async def ask(method: str, path: str, **more: Any) -> Any:
        status, said = await caller.ask(method, path, **more)
        answers.append(status)
        pagerduty_contract.check_response(method, path, status, said)
        return said

    made = await ask("POST", "/webhook_subscriptions", json={"webhook_subscription": SUBSCRIPTION})
    path = f"/webhook_subscriptions/{made['webhook_subscription']['id']}"
    await ask("GET", "/webhook_subscriptions")
    await ask("GET", path)
    await ask("PUT", path, json={"webhook_subscription": {"description": "elsewhere"}})
    await ask("POST", f"{path}/ping")
    await ask("POST", f"{path}/enable")
    await ask("DELETE", path)
    await ask("GET", path)
    pagerduty.group()
    source, target = pagerduty.create_incident("by hand"), take(pagerduty)
    pagerduty.set_priority(target, "P1")
    pagerduty.merge(source, target)
    for incident in (source, target):
        await ask("GET", f"/incidents/{incident}")

    assert answers == [200, 200, 200, 200, 202, 200, 204, 404, 200, 200]
    for request in pagerduty.requests:
        pagerduty_contract.check(request) if request.method != "DELETE" else None


async def test_a_subscription_is_read_without_a_content_type_but_not_without_the_key(caller: Any) -> None:
    accept = {"Accept": "application/vnd.pagerduty+json;version=2"}
    key = {"Authorization": f"Token token={TOKEN}"}

    assert (await caller.ask("GET", "/webhook_subscriptions", headers={**accept, **key}))[0] == 200
    assert (await caller.ask("GET", "/webhook_subscriptions", headers=accept))[0] == 401


# Seen from elsewhere ------------------------------------------------------------------------------------------------


async def test_deliveries_are_told_to_another_process_and_to_people(
    caller: Any, http: Any, pagerduty: StandInPagerDuty, receiver: Receiver, subscription: Subscription, told: Any
) -> None:
    incident = take(pagerduty)
    await told()
    receiver.fail("hang")
    pagerduty.acknowledge(incident)

    _, state = await caller.ask("GET", "/_state")
    async with http.get(f"{pagerduty.url}/incidents/{incident}", headers={"Accept": "text/html"}) as answer:
        page = await answer.text()

    assert [(it["event_type"], it["status"], it["attempt"]) for it in state["deliveries"]] == [
        ("incident.triggered", 202, 1)
    ]
    assert f"incident.triggered to {subscription.id}: taken at attempt 1, 202" in page
    assert f"incident.acknowledged to {subscription.id}: waiting" in page


@pytest.mark.usefixtures("subscription")
async def test_every_order_can_come_from_another_process(
    caller: Any, pagerduty: StandInPagerDuty, receiver: Receiver, told: Any
) -> None:
    async def do(what: str, **given: Any) -> Any:
        status, said = await caller.ask("POST", "/_do", json={"do": what, **given})
        assert (status, said.pop("ok")) == (200, True), said
        return said

    service = await do("add_service", name="ledger", routing_key="f" * 32)
    await do("add_user", name="Sam Secondary", email="sam@example.com")
    first = (await do("create_incident", title="first", service=service["id"], urgency="low"))["id"]
    second = (await do("create_incident", title="second", by="sam@example.com"))["id"]
    await do("group", on=True, service="ledger")
    await do("acknowledge", incident=first, by="sam@example.com")
    await do("unacknowledge", incident=first)
    await do("set_priority", incident=first, priority="P1")
    await do("set_priority", incident=first, priority=None)
    await do("reassign", incident=first, to="sam@example.com")
    await do("escalate", incident=first, to=PERSON_EMAIL)
    await do("delegate", incident=first, policy="Database on-call", to="sam@example.com")
    await do("add_note", incident=first, content="looking")
    await do("publish_status_update", incident=first, message="looking")
    await do("resolve", incident=first, note="replaced node")
    await do("reopen", incident=first)
    await do("merge", source=first, into=second)
    await told()

    of_first = [it["event_type"] for it in receiver.events if first in json.dumps(it["data"])]
    assert of_first == [
        "incident.triggered",
        "incident.acknowledged",
        "incident.unacknowledged",
        "incident.priority_updated",
        "incident.priority_updated",
        "incident.reassigned",
        "incident.escalated",
        "incident.delegated",
        "incident.annotated",
        "incident.status_update_published",
        "incident.resolved",
        "incident.annotated",
        "incident.reopened",
        "incident.resolved",
    ]
    assert pagerduty.account.services[service["id"]].groups_alerts
    assert not pagerduty.account.default_service.groups_alerts


@pytest.mark.parametrize(
    "order",
    [
        {"do": "stop"},
        {"do": "_incident", "id_": "Q"},
        {"do": "obey", "said": {}},
        {"do": "resolve"},
        {"do": "resolve", "incident": 7},
        {"do": "resolve", "incident": None},
        {"do": "resolve", "incident": "QNONE"},
        {"do": "create_incident", "title": "x", "urgency": "grave"},
        {"do": "create_incident", "title": "x", "service": "unknown"},
        {"do": "create_incident", "title": "x", "by": "nobody@example.com"},
        {"do": "group", "on": "yes"},
        ["resolve"],
    ],
)
async def test_an_order_that_cannot_be_is_refused(caller: Any, pagerduty: StandInPagerDuty, order: Any) -> None:
    status, said = await caller.ask("POST", "/_do", json=order)

    assert (status, said["error"]["code"], pagerduty.account.incidents) == (400, 2001, {})
