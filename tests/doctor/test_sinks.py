"""PagerDuty as the doctor sees it, on the stand-in; its requests are held against PagerDuty's own description."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from responder.clients.pagerduty import PagerDutyApi
from responder.demo.pagerduty import StandInPagerDuty
from responder.demo.pagerduty_subscriptions import Subscription
from responder.doctor.line import Line, State
from responder.doctor.sinks import others, pagerduty, senders
from responder.settings import Settings, load_settings
from tests.contracts.pagerduty_openapi import PagerDutyContract

SECRETS = {"pagerduty_webhook_secrets": "s3cret-of-the-webhook", "public_url": "https://responder.example"}
OURS = "https://responder.example/webhooks/pagerduty"


def settings(**given: Any) -> Settings:
    return load_settings({}, pagerduty_token="t", report_stdout=False, **given)


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Any]]:
    started: list[StandInPagerDuty] = []

    async def one(**given: Any) -> StandInPagerDuty:
        started.append(await StandInPagerDuty.start(event_delay_seconds=0, **given))
        return started[-1]

    yield one
    for it in started:
        await it.stop()


async def looked(server: StandInPagerDuty, token: str, given: Settings) -> list[Line]:
    api = PagerDutyApi(token=token, sender=given.pagerduty_from, url=server.url)
    try:
        return await pagerduty(given, api)
    finally:
        await api.close()


async def test_a_users_key_and_a_subscription_that_leads_here_are_well(
    start: Callable[..., Any], pagerduty_contract: PagerDutyContract
) -> None:
    server = await start(token="key")
    subscribed(server, OURS, "incident.triggered")

    key, webhook = await looked(server, "key", settings(**SECRETS))

    assert (key.state, webhook.state) == (State.OK, State.OK)
    assert key.says.startswith(f"the key of {server.account.bot.name}, limited_user; the account has 3 abilities")
    assert webhook.says.endswith(f"for account, to {OURS}")
    assert {it.path for it in server.requests} == {"/users/me", "/abilities", "/webhook_subscriptions"}
    for request in server.requests:
        pagerduty_contract.check(request)


def subscribed(server: StandInPagerDuty, url: str, *events: str) -> Subscription:
    return server.webhooks.subscribe(Subscription(id="PSUB001", url=url, events=events))


async def test_a_key_that_is_not_accepted_is_wrong(start: Callable[..., Any]) -> None:
    server = await start(token="key")

    key, webhook = await looked(server, "another", settings())

    assert {key.state, webhook.state} == {State.WRONG}
    assert key.says.startswith("does not let us in: PagerDuty answered 401")


@pytest.mark.parametrize(
    ("sender", "state", "says"),
    [
        ("", State.WRONG, "the key of an account, and nobody to write for"),
        ("nobody@example.com", State.WRONG, "the key of an account that has no user nobody@example.com"),
        ("BOT", State.OK, "the key of an account, writes for "),
    ],
)
async def test_an_accounts_key_needs_somebody_to_write_for(
    sender: str, state: State, says: str, start: Callable[..., Any]
) -> None:
    server = await start(token="key", account_key=True)
    sender = server.account.bot.email.upper() if sender == "BOT" else sender

    key, _ = await looked(server, "key", settings(pagerduty_from=sender))

    assert key.state is state
    assert key.says.startswith(says)


@pytest.mark.parametrize(
    ("url", "events", "secret", "state", "says"),
    [
        ("", (), True, State.WRONG, f"no subscription leads to {OURS}"),
        ("", (), False, State.OK, f"no subscription leads to {OURS}, and no secret is set"),
        (OURS, ("incident.triggered",), False, State.WRONG, "no secret is set, so each is answered 503"),
        (OURS, ("incident.resolved",), True, State.WARNING, "does not tell of new incidents"),
        ("https://elsewhere.example/webhooks/pagerduty", ("incident.triggered",), True, State.WRONG, "no subscription"),
    ],
)
async def test_a_webhook_that_will_not_come_is_told(
    url: str, events: tuple[str, ...], secret: bool, state: State, says: str, start: Callable[..., Any]
) -> None:
    server = await start(token="key")
    if url:
        subscribed(server, url, *events)
    given = SECRETS if secret else {"public_url": SECRETS["public_url"]}

    _, webhook = await looked(server, "key", settings(**given))

    assert webhook.state is state
    assert says in webhook.says


async def test_a_subscription_that_is_switched_off_is_wrong(start: Callable[..., Any]) -> None:
    server = await start(token="key")
    subscribed(server, OURS, "incident.triggered").active = False

    _, webhook = await looked(server, "key", settings(**SECRETS))

    assert (webhook.state, webhook.says.rpartition(": ")[2]) == (State.WRONG, "switched off")


def test_what_cannot_be_asked_and_what_is_not_there_is_said() -> None:
    nowhere = load_settings({}, report_stdout=False)
    posted = load_settings({}, report_stdout=False, report_webhook_url="https://reports.example")

    assert [it.state for it in others(nowhere)] == [State.WARNING]
    assert [it.state for it in others(posted)] == [State.UNKNOWN]
    paged = load_settings({}, report_stdout=True, pagerduty_routing_key="0" * 32)
    assert [(it.state, it.about) for it in others(paged)] == [(State.UNKNOWN, "sink pagerduty_event")]
    assert [it.says for it in senders({"grafana": True}, ["RESPONDER_X"])] == [
        "no sender is let in: every webhook is answered 503",
        "RESPONDER_X has no effect yet in this version",
    ]
    assert [it.says for it in senders({"grafana": True, "generic": False}, [])] == ["webhooks are taken from generic"]
