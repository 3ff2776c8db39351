"""Turns are given out once among all who share a name, by the database's clock."""

from __future__ import annotations

import asyncio

import pytest

from responder.model.rate import Rate
from responder.store.rates import SharedRate
from responder.store.store import Store

RATE = Rate(name="pagerduty/of-a-key", per_minute=90, burst=30)  # one a second
SLACK = Rate(name="slack/of-a-channel", per_minute=60)


async def waits_of(*replicas: SharedRate, turns: int, within: float = 3600) -> list[float]:
    """What so many who ask at once are told, the soonest first."""
    asked = (replicas[n % len(replicas)].take(within=within) for n in range(turns))
    return sorted(await asyncio.gather(*asked))


def most_in_a_minute(waits: list[float]) -> int:
    return max(sum(first <= it <= first + 60 for it in waits) for first in waits)


@pytest.mark.parametrize("rate", [RATE, SLACK], ids=["with a burst", "one by one"])
async def test_three_replicas_together_keep_to_the_rate_in_every_minute(store: Store, rate: Rate) -> None:
    replicas = [SharedRate(store, rate) for _ in range(3)]

    waits = await waits_of(*replicas, turns=2 * rate.per_minute + 60)

    assert sum(it == 0 for it in waits) == rate.burst
    assert rate.per_minute - 3 <= most_in_a_minute(waits) <= rate.per_minute


async def test_a_turn_that_comes_too_late_is_left_to_others(store: Store) -> None:
    shared = SharedRate(store, RATE)
    await waits_of(shared, turns=RATE.burst + 5)

    refused = await waits_of(shared, turns=20, within=2)
    taken = await shared.take(within=60)

    assert all(2 < it <= 6 for it in refused)
    assert taken <= 6  # twenty that were not taken would have made it 26


async def test_a_pause_holds_for_everybody_and_has_no_burst_behind_it(store: Store) -> None:
    told, other = SharedRate(store, RATE), SharedRate(store, RATE)
    await told.pause(40)

    waits = await waits_of(other, turns=3)

    assert [round(it) for it in waits] == [40, 41, 42]


async def test_a_pause_never_makes_a_turn_come_sooner_and_ends_after_five_minutes(store: Store) -> None:
    shared = SharedRate(store, RATE)
    await shared.pause(1e9)
    await shared.pause(1)

    assert 299 <= await shared.take(within=0) <= 300


async def test_names_do_not_share(store: Store) -> None:
    await SharedRate(store, RATE).pause(40)

    assert await SharedRate(store, SLACK).take(within=0) == 0


async def test_nothing_of_a_pause_is_left_when_it_is_over(store: Store) -> None:
    shared = SharedRate(store, RATE)
    await shared.take(within=0)
    async with store.connection() as connection:
        await connection.execute("update rates set next_at = now() - interval '1 hour'")

    waits = await waits_of(shared, turns=RATE.burst + 2)

    assert sum(it == 0 for it in waits) == RATE.burst  # an hour of rest saves up no more than the burst
