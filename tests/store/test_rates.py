"""Turns are given out once among all who share a name, by the database's clock."""

from __future__ import annotations

import asyncio

import pytest

from responder.model.rate import Rate
from responder.store import rates
from responder.store.rates import SharedRate
from responder.store.store import Store

RATE = Rate(name="pagerduty/of-a-key", per_minute=90, burst=30)  # thirty at once, then one a second
SLACK = Rate(name="slack/of-a-channel", per_minute=60)


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes but by `seconds_pass`."""
    for statement, now in (("TAKE", rates.NOW), ("PAUSE", "now()")):
        told = getattr(rates, statement).replace(now, "timestamptz '2026-11-30 03:12:00.25Z'")
        assert now not in told
        monkeypatch.setattr(rates, statement, told)


async def waits_of(*replicas: SharedRate, turns: int, within: float = 3600) -> list[float]:
    """What so many who ask at once are told, the soonest first."""
    asked = (replicas[n % len(replicas)].take(within=within) for n in range(turns))
    return sorted(await asyncio.gather(*asked))


async def seconds_pass(store: Store, seconds: float) -> None:
    """For what is kept of turns."""
    async with store.connection() as connection:
        await connection.execute(
            "update rates set newest = newest - $1::int, next_at = next_at - make_interval(secs => $1)", seconds
        )


def most_in_a_minute(waits: list[float]) -> int:
    return max(sum(first <= it <= first + 60 for it in waits) for first in waits)


@pytest.mark.parametrize("rate", [RATE, SLACK], ids=["with a burst", "one by one"])
async def test_three_replicas_together_keep_to_the_rate_in_every_minute(store: Store, rate: Rate) -> None:
    replicas = [SharedRate(store, rate) for _ in range(3)]

    waits = await waits_of(*replicas, turns=2 * rate.per_minute + 60)

    assert sum(it == 0 for it in waits) == rate.burst
    assert rate.per_minute - 3 <= most_in_a_minute(waits) <= rate.per_minute


async def test_however_they_come_no_minute_has_more(store: Store) -> None:
    """Five seconds after five seconds, as many as come at once and some that wait."""
    rate = Rate(name="pagerduty/of-a-key", per_minute=90, burst=75)
    shared, given = SharedRate(store, rate), []
    for begins in range(0, 300, 5):
        waits = await waits_of(shared, turns=25, within=4)
        given += [begins + it for it in waits if it <= 4]
        await seconds_pass(store, 5)

    assert most_in_a_minute(sorted(given)) <= rate.per_minute
    assert len(given) > 5 * rate.per_minute * 0.9  # and what there is is used


async def test_the_burst_comes_back_when_its_minute_is_over(store: Store) -> None:
    shared = SharedRate(store, RATE)
    await waits_of(shared, turns=RATE.burst)
    await seconds_pass(store, 55)
    still = await waits_of(shared, turns=3)
    await seconds_pass(store, 7)
    back = await waits_of(shared, turns=RATE.burst)

    assert [round(it, 1) for it in still] == [0, 0.1, 0.2]  # what is left is spread over the six seconds until then
    assert sum(it == 0 for it in back) == RATE.burst - len(still)


async def test_what_is_left_to_others_is_not_taken(store: Store) -> None:
    modest, first = SharedRate(store, RATE, leaves=10), SharedRate(store, RATE)
    assert await waits_of(modest, turns=20) == [0] * 20
    await seconds_pass(store, 20)

    assert await modest.take(within=0) > 0
    assert await waits_of(first, turns=10) == [0] * 10
    assert await modest.take(within=0) > 0
    await seconds_pass(store, 42)  # the twenty are a minute old
    assert await modest.take(within=0) == 0


async def test_a_turn_that_comes_too_late_is_left_to_others(store: Store) -> None:
    shared = SharedRate(store, RATE)
    await waits_of(shared, turns=RATE.burst + 5)

    refused = await waits_of(shared, turns=20, within=2)
    taken = await shared.take(within=60)

    assert all(2 < it <= 6 for it in refused)
    assert taken <= 6  # twenty that were not taken would have made it 26


async def test_a_pause_holds_for_everybody_and_costs_no_turns(store: Store) -> None:
    told, other = SharedRate(store, RATE), SharedRate(store, RATE)
    await waits_of(told, turns=20)
    await told.pause(40)

    waits = await waits_of(other, turns=12)

    assert [round(it) for it in waits] == [40] * 10 + [40, 41]


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
    await seconds_pass(store, 3600)

    waits = await waits_of(shared, turns=RATE.burst + 2)

    assert sum(it == 0 for it in waits) == RATE.burst  # an hour of rest saves up no more than the burst


async def test_turns_that_seem_to_be_of_the_future_keep_nobody_from_one(store: Store) -> None:
    """As a former version leaves them that has noticed a clock set back: it knows of `next_at` alone."""
    shared = SharedRate(store, RATE)
    await shared.take(within=0)
    async with store.connection() as connection:
        await connection.execute("update rates set newest = newest + 100")

    assert await shared.take(within=0) == 0
