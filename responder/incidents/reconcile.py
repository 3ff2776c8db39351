"""Decide what follows from what senders answer when they are asked.

An alert that is not there counts only where the answer can be trusted: an Alertmanager that was started lately has
lost its alerts, and has them again when Prometheus has sent them anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from responder.model.asked import Peer, Scope, Subscription
from responder.model.paged import PagedStatus

UP_FOR = timedelta(minutes=10)
QUIET_FOR = timedelta(minutes=5)  # an alert that was heard of lately is not asked about
# A resolve is on its way for Alertmanager's group_interval, five minutes by default, which also takes the flapping out.
ABSENT_FOR = timedelta(minutes=5)
GRACE = timedelta(minutes=2)  # PagerDuty's webhook may be on its way
PATH = "/webhooks/pagerduty"
K = TypeVar("K")

_TOLD_AS: Mapping[tuple[PagedStatus | None, PagedStatus], str] = {
    (None, PagedStatus.TRIGGERED): "incident.triggered",
    (None, PagedStatus.ACKNOWLEDGED): "incident.triggered",
    (PagedStatus.TRIGGERED, PagedStatus.ACKNOWLEDGED): "incident.acknowledged",
    (PagedStatus.TRIGGERED, PagedStatus.RESOLVED): "incident.resolved",
    (PagedStatus.ACKNOWLEDGED, PagedStatus.TRIGGERED): "incident.unacknowledged",
    (PagedStatus.ACKNOWLEDGED, PagedStatus.RESOLVED): "incident.resolved",
    (PagedStatus.RESOLVED, PagedStatus.TRIGGERED): "incident.reopened",
    (PagedStatus.RESOLVED, PagedStatus.ACKNOWLEDGED): "incident.reopened",
}


def firing_at(peers: Iterable[Peer], *, up_for: timedelta = UP_FOR) -> frozenset[str] | None:
    """The fingerprints that fire at any of these peers; None where none of them can tell that one does not."""
    answered = list(peers)
    if not any(it.in_step and it.up_for >= up_for for it in answered):
        return None
    return frozenset[str]().union(*(it.fingerprints for it in answered))


def absent_since(absent: Iterable[K], before: Mapping[K, datetime], now: datetime) -> dict[K, datetime]:
    """Since when each of them has been missing at every asking; who was there once in between starts anew."""
    return {it: before.get(it, now) for it in absent}


def long_absent(since: Mapping[K, datetime], now: datetime, *, absent_for: timedelta = ABSENT_FOR) -> set[K]:
    """Those that have been missing for so long that their resolve will not come."""
    return {it for it, at in since.items() if now - at >= absent_for}


def told_as(held: PagedStatus | None, found: PagedStatus) -> str | None:
    """The type of the event that was missed, None where none was. `held` None: we do not know the incident."""
    return _TOLD_AS.get((held, found))


def is_missed(changed_at: datetime, now: datetime, *, grace: timedelta = GRACE) -> bool:
    """Whether a change is so old that its webhook should have come."""
    return now - changed_at >= grace


def to_us(subscriptions: Iterable[Subscription], public_url: str) -> tuple[Subscription, ...]:
    """Those that lead to this installation: to exactly its address where that is known, else to its path."""
    ours = f"{public_url.rstrip('/')}{PATH}" if public_url else PATH
    return tuple(it for it in subscriptions if (it.url == ours if public_url else it.url.endswith(PATH)))


def scopes_of(ours: Sequence[Subscription]) -> tuple[Scope, ...]:
    """Whose new incidents we are to be told of, active or not; the account's takes all others in."""
    scopes = {it.scope.name: it.scope for it in ours if it.tells_of_new}
    whole = scopes.get("account")
    return (whole,) if whole else tuple(scopes[it] for it in sorted(scopes))


def changes(before: Iterable[Subscription], now: Iterable[Subscription]) -> Collection[Subscription]:
    """Subscriptions that are new, or whose state is another one than before."""
    known = {it.id: it for it in before}
    return [it for it in now if known.get(it.id) != it]
