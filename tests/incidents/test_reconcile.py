"""What may be concluded from what senders answer when they are asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from responder.incidents.reconcile import (
    absent_since,
    changes,
    firing_at,
    is_missed,
    long_absent,
    scopes_of,
    to_us,
    told_as,
)
from responder.model.asked import Peer, Scope, Subscription
from responder.model.paged import PagedStatus

NOW = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
OLD, YOUNG = timedelta(minutes=10), timedelta(minutes=9, seconds=59)
T, A, R = PagedStatus.TRIGGERED, PagedStatus.ACKNOWLEDGED, PagedStatus.RESOLVED


def peer(*fingerprints: str, up_for: timedelta = OLD, in_step: bool = True) -> Peer:
    return Peer(fingerprints=frozenset(fingerprints), up_for=up_for, in_step=in_step)


@pytest.mark.parametrize(
    ("peers", "firing"),
    [
        pytest.param([], None, id="nobody answers: nobody knows"),
        pytest.param([peer()], set(), id="one that has been up for long has nothing"),
        pytest.param([peer("a", up_for=YOUNG)], None, id="one that was started lately may have lost some"),
        pytest.param([peer("a", in_step=False)], None, id="one that settles may not have heard of some"),
        pytest.param([peer("a"), peer("b")], {"a", "b"}, id="what fires at one peer fires"),
        pytest.param([peer("a"), peer("b", up_for=YOUNG)], {"a", "b"}, id="also at one that was started lately"),
        pytest.param([peer(up_for=YOUNG), peer(in_step=False)], None, id="two halves are no whole"),
    ],
)
def test_only_a_peer_that_knows_can_say_that_something_does_not_fire(
    peers: list[Peer], firing: set[str] | None
) -> None:
    assert firing_at(peers) == firing


def test_an_alert_has_to_be_absent_at_every_asking_for_a_while() -> None:
    first = absent_since(["a", "b"], {}, NOW)
    second = absent_since(["a"], first, NOW + timedelta(minutes=3))
    third = absent_since(["a", "b"], second, NOW + timedelta(minutes=5))

    assert first == {"a": NOW, "b": NOW}
    assert long_absent(second, NOW + timedelta(minutes=3)) == set()
    assert long_absent(third, NOW + timedelta(minutes=5)) == {"a"}
    assert third["b"] == NOW + timedelta(minutes=5)  # it was there in between


@pytest.mark.parametrize(
    ("held", "found", "type_"),
    [
        (None, T, "incident.triggered"),
        (None, A, "incident.triggered"),
        (None, R, None),
        (T, T, None),
        (T, A, "incident.acknowledged"),
        (A, T, "incident.unacknowledged"),
        (T, R, "incident.resolved"),
        (A, R, "incident.resolved"),
        (R, T, "incident.reopened"),
        (R, R, None),
    ],
)
def test_what_was_missed_is_told_as_its_event(held: PagedStatus | None, found: PagedStatus, type_: str | None) -> None:
    assert told_as(held, found) == type_


def test_a_change_is_missed_once_its_webhook_should_have_come() -> None:
    assert not is_missed(NOW - timedelta(seconds=119), NOW)
    assert is_missed(NOW - timedelta(seconds=120), NOW)


def subscription(url: str, *, scope: Scope | None = None, active: bool = True, events: str = "") -> Subscription:
    return Subscription(
        id=url[-40:],
        url=url,
        active=active,
        scope=scope or Scope(kind="account"),
        events=(events or "incident.triggered",),
    )


def test_ours_are_the_subscriptions_to_our_own_address_where_it_is_known() -> None:
    ours = subscription("https://responder.example/webhooks/pagerduty")
    staging = subscription("https://staging.example/webhooks/pagerduty")
    other = subscription("https://responder.example/hook")

    assert to_us([ours, staging, other], "https://responder.example/") == (ours,)
    assert to_us([ours, staging, other], "") == (ours, staging)


def test_missed_incidents_are_looked_for_where_a_subscription_tells_of_new_ones() -> None:
    service, team = Scope(kind="service", id="PS"), Scope(kind="team", id="PT")
    some = [
        subscription("a", scope=team, active=False),
        subscription("b", scope=service),
        subscription("c", scope=Scope(kind="service", id="PX"), events="incident.resolved"),
    ]

    assert scopes_of(some) == (service, team)
    assert scopes_of([*some, subscription("d")]) == (Scope(kind="account"),)
    assert scopes_of([]) == ()


def test_a_subscription_is_news_when_anything_of_it_changes() -> None:
    before = subscription("a")
    off = subscription("a", active=False)

    assert changes([before], [before]) == []
    assert changes([before], [off]) == [off]
    assert changes([], [off]) == [off]
