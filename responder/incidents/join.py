"""Decide which of several incidents goes on when a link shows that they are one.

The oldest of those that are open, or were settled just now, goes on; the others fold into it. One that was settled
longer ago stays what it was: its links move on, and the one that goes on names it. But what was open while another was
is one with it however late that is learnt: PagerDuty may have been away until both were over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from responder.model.joining import Joining, JoinPlan


def join(found: Sequence[Joining], now: datetime, *, reopen_within: timedelta) -> JoinPlan:
    """`found`: at least one, each once."""
    is_on = any(it.open_now for it in found)  # else what was settled stays settled
    newest = max(found, key=lambda it: it.id)
    of_now = [it for it in found if _is_of_now(it, now, reopen_within)] if is_on else [newest]
    one = sorted(_with_those_beside(of_now, found), key=lambda it: it.id)
    elder = one[0]
    former = [it.id for it in found if it not in one]
    return JoinPlan(
        elder=elder.id,
        folds=tuple(it.id for it in one[1:]),
        reopens=is_on and not elder.open_now,
        leaves=tuple(sorted(former)) if is_on else (),
    )


def _is_of_now(it: Joining, now: datetime, reopen_within: timedelta) -> bool:
    return it.open_now or (it.resolved_at is not None and now - it.resolved_at <= reopen_within)


def _with_those_beside(some: Sequence[Joining], found: Sequence[Joining]) -> list[Joining]:
    """And every one that was open at the same time as one of them."""
    one = list(some)
    for it in one:  # grows meanwhile
        one += [other for other in found if other not in one and _were_open_at_once(it, other)]
    return one


def _were_open_at_once(one: Joining, other: Joining) -> bool:
    return _began_before_the_end_of(one, other) and _began_before_the_end_of(other, one)


def _began_before_the_end_of(one: Joining, other: Joining) -> bool:
    return other.resolved_at is None or one.opened_at < other.resolved_at
