"""Notice that the database's clock was set back: what was dated ahead by the former clock would wait for as long."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

import structlog

from responder.store.afresh import afresh
from responder.store.store import Store

EVERY_SECONDS = 1.0
NOTICED_SECONDS = 5.0  # less is waited for: clocks are put right by a second or two at any time
BROUGHT_BACK = (
    "select from work where due_at > now() order by kind, key for update",  # in the order of those who ask for work
    "update work set due_at = now() where not held and due_at > now()",
    "update work set due_at = now() + make_interval(secs => $1) where held and due_at > now() + make_interval(secs => $1)",
    "update rates set next_at = least(next_at, now()), newest = floor(extract(epoch from now())) "  # as if just taken
    "where greatest(to_timestamp(newest), next_at) > now()",
    "update asked set at = now() where at > now()",
    "update deliveries set uncertain_since = now() where uncertain_since > now()",
)
log = structlog.get_logger()


class DatabaseClock:
    """Compares it with one of ours that nobody sets, each time that it is looked at."""

    def __init__(self, *, lease_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._last: tuple[datetime, float] | None = None

    async def look(self, store: Store) -> None:
        """Once a second at most. What is dated ahead is due at once when it was set back, and leases end in time."""
        before = self._clock()
        if self._last is not None and before - self._last[1] < EVERY_SECONDS:
            return
        async with store.housekeeping() as connection:
            now: datetime = await connection.fetchval("select clock_timestamp()")
        after = self._clock()
        back = self._set_back_by(now, before)
        if back > NOTICED_SECONDS:
            await afresh(partial(self._bring_back, store))
            log.warning("store.clock_set_back", seconds=round(back))
        self._last = now, after  # not before: where bringing back failed, the next look finds the same again

    def _set_back_by(self, now: datetime, before: float) -> float:
        """At least so many seconds: how long the question took, and froze us, counts for nothing."""
        if self._last is None:
            return 0.0
        then, after = self._last
        return (before - after) - (now - then).total_seconds()

    async def _bring_back(self, store: Store) -> None:
        async with store.transaction() as connection:
            for statement in BROUGHT_BACK:
                await connection.execute(statement, *([self._lease_seconds] if "$1" in statement else []))
