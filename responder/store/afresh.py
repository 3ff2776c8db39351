"""Begin a transaction again where it cannot go on as it began.

Incidents are locked in order of id, so that nobody waits for somebody who waits for him. A link that is found to have
moved to another one while a lock was waited for cannot have that one locked in place: it may come before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

import asyncpg

from responder.errors import StoreUnavailable

MOST_TIMES = 5
T = TypeVar("T")


class LinksMoved(Exception):
    """A link belongs to an incident that was not locked: it was folded, or left, while a lock was waited for."""


async def afresh(once: Callable[[], Awaitable[T]]) -> T:
    """What `once` returns; run again, with everything read anew, when links moved or the database broke a deadlock.

    Raises StoreUnavailable after the fifth time: then something stirs that has to settle first.
    """
    why = ""
    for _ in range(MOST_TIMES):
        try:
            return await once()
        except (LinksMoved, asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as stirred:
            why = type(stirred).__name__
    raise StoreUnavailable(f"store: {why}, {MOST_TIMES} times in a row")


def all_locked(locked: Collection[int], wanted: Collection[int]) -> None:
    """Raises LinksMoved unless every incident that is wanted by now is among those that were locked."""
    if not set(wanted) <= set(locked):
        raise LinksMoved
