"""Whose turn it is to ask, and what the last asking came to."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from responder.model.asked import Scope, Subscription
from responder.store.reconcile import answered, as_found, begin, first_asked, outcomes, subscriptions
from responder.store.store import Store

OURS = Subscription(
    id="P1",
    url="https://responder.example/webhooks/pagerduty",
    active=True,
    scope=Scope(kind="service", id="PS"),
    events=("incident.triggered",),
)


async def test_of_several_that_want_to_ask_one_does(store: Store) -> None:
    turns = await asyncio.gather(*(begin(store, "pagerduty", every_seconds=60) for _ in range(8)))

    asking = [at for at, _ in turns if at is not None]
    assert len(asking) == 1
    assert all(50 < rest <= 60 for at, rest in turns if at is None)
    assert (await begin(store, "pagerduty", every_seconds=0))[0] is not None
    assert (await begin(store, "somebody else", every_seconds=60))[0] is not None


async def test_the_reason_of_the_time_before_is_answered_and_the_last_answer_stays_known(store: Store) -> None:
    formers = [await answered(store, "pagerduty", why) for why in ("", "away", "away", "")]
    (good,) = await outcomes(store)
    await answered(store, "pagerduty", "away")
    (bad,) = await outcomes(store)

    assert formers == ["", "", "away", "away"]
    assert (good.why, bad.why) == ("", "away")
    assert good.answered_at == bad.answered_at is not None


async def test_subscriptions_stay_known_while_they_cannot_be_asked_about(store: Store) -> None:
    await answered(store, "pagerduty/subscriptions", "", as_found([OURS]))
    await answered(store, "pagerduty/subscriptions", "away")

    assert await subscriptions(store) == (OURS,)


async def test_looking_for_missed_incidents_begins_once_a_scope(store: Store) -> None:
    first = await first_asked(store, Scope(kind="account"))
    again = await first_asked(store, Scope(kind="account"))
    other = await first_asked(store, OURS.scope)

    assert first == again
    assert timedelta(0) < other - first < timedelta(minutes=1)
    assert await outcomes(store) == ()  # nobody was asked by that
