"""Decide which of several incidents goes on when a link shows that they are one.

The oldest of those that are open, or were settled just now, goes on; the others fold into it. One that was settled
longer ago stays what it was: its links move on, and the one that goes on names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from responder.model.joining import Joining, JoinPlan


def join(found: Sequence[Joining], now: datetime, *, reopen_within: timedelta) -> JoinPlan:
    """`found`: at least one, each once."""
    one = sorted((it for it in found if _is_of_now(it, now, reopen_within)), key=lambda it: it.id)
    if not any(it.open_now for it in one):  # nothing is on: what was settled stays settled
        return JoinPlan(elder=max(found, key=lambda it: it.id).id)
    elder = one[0]
    former = [it.id for it in found if it not in one]
    return JoinPlan(
        elder=elder.id,
        folds=tuple(it.id for it in one[1:]),
        reopens=not elder.open_now,
        leaves=tuple(sorted(former)),
    )


def _is_of_now(it: Joining, now: datetime, reopen_within: timedelta) -> bool:
    return it.open_now or (it.resolved_at is not None and now - it.resolved_at <= reopen_within)
