"""A rate that all replicas share: each asks the store for its turn before it asks the outside.

One row a name (a generic cell rate algorithm, https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm): `next_at`
moves on by one interval a turn, and may be as far ahead of the database's clock as the burst allows.
"""

from __future__ import annotations

from responder.model.rate import Rate
from responder.store.store import Store

LONGEST_PAUSE_SECONDS = 300.0

TAKE = """insert into rates as r (name, next_at) values ($1, now() + make_interval(secs => $2))
          on conflict (name) do update set
              waits_seconds = greatest(extract(epoch from r.next_at - now())::float8 - $3, 0),
              next_at = case when greatest(extract(epoch from r.next_at - now())::float8 - $3, 0) <= $4
                        then greatest(r.next_at, now()) + make_interval(secs => $2) else r.next_at end
          returning waits_seconds"""
PAUSE = """insert into rates as r (name, next_at) values ($1, now() + make_interval(secs => $2))
           on conflict (name) do update set next_at = greatest(r.next_at, excluded.next_at)"""


class SharedRate:
    """Turns under one name. Both raise StoreUnavailable; how long they may take is the caller's to say.

    `leaves`: so many turns of the burst are for others, who come first: while they wait, nothing is left for this one.
    """

    def __init__(self, store: Store, rate: Rate, *, leaves: int = 0) -> None:
        self._store = store
        self._rate = rate
        self._leaves = leaves

    async def take(self, *, within: float) -> float:
        """Seconds until a turn. It is ours where that is not more than `within`; else nothing was taken."""
        rate = self._rate
        ahead = max(self._ahead_seconds - self._leaves * rate.every_seconds, 0.0)
        waits: float = await self._ask(TAKE, rate.name, rate.every_seconds, ahead, within)
        return waits

    async def pause(self, seconds: float) -> None:
        """Give nobody a turn for so long, five minutes at most; then one after the other, without a burst."""
        await self._ask(PAUSE, self._rate.name, min(seconds, LONGEST_PAUSE_SECONDS) + self._ahead_seconds)

    @property
    def _ahead_seconds(self) -> float:
        return (self._rate.burst - 1) * self._rate.every_seconds

    async def _ask(self, statement: str, *values: str | float) -> float:
        async with self._store.connection() as connection:
            return await connection.fetchval(statement, *values) or 0.0
