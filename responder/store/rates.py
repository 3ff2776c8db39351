"""A rate that all replicas share: each asks the store for its turn before it asks the outside.

One row a name says how many turns each of the last 61 seconds gave. While they are fewer than the burst, a turn comes
at once; then one after the other, spread evenly until those of the burst are a minute old: whoever comes in the middle
of a storm waits for one turn, not for the minute to end.
"""

from __future__ import annotations

from typing import Any

from responder.model.rate import Rate
from responder.store.store import Store

LONGEST_PAUSE_SECONDS = 300.0
NOW = "clock_timestamp()"  # of when the row was locked, not of when we began to wait for it
BEGIN = "insert into rates (name, next_at) values ($1, to_timestamp(0)) on conflict (name) do nothing"
# $2 turns a minute, $3 the burst, $4 what of it is for others, $5 seconds between turns at most, $6 those one may wait
TAKE = f"""with held as (select next_at, newest, given from rates where name = $1 for update),
    clock as (select {NOW} as now from held),
    moment as (select now, greatest(next_at, now) as at from held, clock),
    seconds as (
        select it.turns, newest - it.ago + 1 as second, sum(it.turns) over (order by it.ago desc) as so_far
        from held, moment, unnest(given) with ordinality as it(turns, ago)
        where it.turns > 0 and newest - it.ago + 1 > floor(extract(epoch from moment.at)) - 61),
    used as (select coalesce(sum(turns), 0)::int as turns, min(second) as oldest from seconds),
    turn as (
        select used.turns + 1 as turns, oldest, now,
            case when $4 > 0 and used.turns >= $3 - $4 then greatest(at, now + interval '1 s') else at end as at
        from moment, used),
    here as (
        select turn.*, extract(epoch from at)::float8 as seconds, floor(extract(epoch from at))::bigint as second,
            (select min(second) from seconds where so_far > turn.turns - $3) as of_burst
        from turn),
    taken as (
        update rates r set
            next_at = it.at + make_interval(secs => case
                when it.turns < $3 then 0
                when it.turns >= $2 then greatest(coalesce(it.oldest, it.second) + 61 - it.seconds, 0)
                else least($5::float8, (coalesce(it.of_burst, it.second) + 61 - it.seconds) / ($2 - it.turns)) end),
            newest = it.second,
            given = array[it.given[1] + 1] || it.given[2:]
        from (
            select here.*, (array_fill(0, array[greatest(least(second - newest, 61), 0)::int]) || given)[1:61] as given
            from here, held) as it
        where r.name = $1 and it.at <= it.now + make_interval(secs => $6))
    select extract(epoch from at - now)::float8 from turn"""
PAUSE = "update rates set next_at = greatest(next_at, now() + make_interval(secs => $2)) where name = $1 returning true"


class SharedRate:
    """Turns under one name. Both raise StoreUnavailable; how long they may take is the caller's to say.

    `leaves`: so many turns of the burst are for others, who come first: when only they are left, there is none now.
    Whoever leaves some asks `within=0` again and again: a turn of his that is to come would stand before theirs.
    """

    def __init__(self, store: Store, rate: Rate, *, leaves: int = 0) -> None:
        self._store = store
        self._rate = rate
        self._leaves = leaves

    async def take(self, *, within: float) -> float:
        """Seconds until a turn. It is ours where that is not more than `within`; else nothing was taken."""
        rate = self._rate
        every = rate.every_seconds
        waits: float = await self._ask(TAKE, rate.per_minute, rate.burst, self._leaves, every, within)
        return waits

    async def pause(self, seconds: float) -> None:
        """Give nobody a turn for so long, five minutes at most."""
        await self._ask(PAUSE, min(seconds, LONGEST_PAUSE_SECONDS))

    async def _ask(self, statement: str, *values: float) -> Any:
        name = self._rate.name
        async with self._store.connection() as connection:
            answer = await connection.fetchval(statement, name, *values)
            if answer is None:  # nobody took a turn before
                await connection.execute(BEGIN, name)
                answer = await connection.fetchval(statement, name, *values)
            return answer
