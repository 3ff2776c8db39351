"""The door to PagerDuty asks for its turn first, and says so when none comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from responder.clients.pagerduty import (
    LONGEST_BUSY_SECONDS,
    LOOK_UP_TURN_SECONDS,
    TURN_SHARE,
    WITHIN_SECONDS,
    PagerDutyApi,
    Turns,
    open_incidents,
    rate_of,
    webhook_subscriptions,
)
from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from responder.errors import Refused, StoreUnavailable, Throttled, Unreachable
from responder.model.asked import Scope


class Shared:
    """Turns that come as it was told; it remembers what it was asked."""

    def __init__(self, *, waits: float = 0, is_away: bool = False, hangs: bool = False) -> None:
        self.waits, self.is_away, self.hangs = waits, is_away, hangs
        self.taken: list[float] = []
        self.pauses: list[float] = []

    async def take(self, *, within: float) -> float:
        self.taken.append(within)
        if self.hangs:
            await asyncio.Event().wait()
        if self.is_away:
            raise StoreUnavailable("store: away")
        return self.waits

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.fixture
async def pagerduty() -> AsyncIterator[StandInPagerDuty]:
    server = await StandInPagerDuty.start()
    yield server
    await server.stop()


async def asked(pagerduty: StandInPagerDuty, turns: Turns | None, *, times: int = 1, within: float = 8.0) -> list[int]:
    """The statuses of so many requests at once."""
    api = PagerDutyApi(token=TOKEN, url=pagerduty.url, turns=turns)
    try:
        answers = await asyncio.gather(*(api.request("GET", "/users/me", within=within) for _ in range(times)))
        return [it.status for it in answers]
    finally:
        await api.close()


async def test_each_request_asks_for_one_turn_and_keeps_time_for_its_answer(pagerduty: StandInPagerDuty) -> None:
    shared = Shared()

    assert await asked(pagerduty, shared, times=3, within=6) == [200] * 3
    assert shared.taken == [4.0] * 3


async def test_what_is_sent_once_more_takes_one_more_turn(
    pagerduty: StandInPagerDuty,
) -> None:
    shared = Shared()
    pagerduty.fault("GET /users/me", "reset")

    assert await asked(pagerduty, shared) == [200]
    assert len(pagerduty.requests) == len(shared.taken) == 2


async def test_without_a_turn_in_time_nothing_is_sent(pagerduty: StandInPagerDuty) -> None:
    with pytest.raises(Throttled, match="our turn comes in 40 s") as throttled:
        await asked(pagerduty, Shared(waits=40))

    assert throttled.value.after_seconds == 40
    assert pagerduty.requests == []


async def test_a_store_that_hangs_costs_the_time_for_the_turn_and_nothing_is_sent(pagerduty: StandInPagerDuty) -> None:
    with pytest.raises(Throttled, match="no turn within"):
        await asked(pagerduty, Shared(hangs=True), within=0.3)

    assert pagerduty.requests == []


@pytest.mark.parametrize("turns", [None, Shared(is_away=True)], ids=["none is shared", "the store is away"])
async def test_alone_it_keeps_to_the_rate_by_itself(pagerduty: StandInPagerDuty, turns: Turns | None) -> None:
    with pytest.raises(Throttled):
        await asked(pagerduty, turns, times=50, within=0.6)

    assert 1 <= len(pagerduty.requests) <= 10


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        pytest.param({"Retry-After": "7"}, 7, id="Retry-After"),
        pytest.param({"ratelimit-reset": "31", "Retry-After": "7"}, 31, id="the longer of two"),
        pytest.param({"Retry-After": "86400"}, LONGEST_BUSY_SECONDS, id="no more than its minute"),
        pytest.param({"Retry-After": "soon"}, 1, id="what is no number says nothing"),
        pytest.param({}, 1, id="without headers"),
    ],
)
async def test_a_429_makes_all_who_share_the_key_wait(
    pagerduty: StandInPagerDuty, headers: dict[str, str], pause: float
) -> None:
    shared = Shared()
    pagerduty.fault("GET /users/me", "status", status=429, headers=headers)

    assert await asked(pagerduty, shared) == [429]
    assert shared.pauses == [pause]


def test_the_name_of_a_rate_does_not_tell_the_key_and_its_minute_stays_under_900() -> None:
    rate = rate_of(TOKEN)

    assert TOKEN not in rate.name
    assert rate == rate_of(TOKEN)
    assert rate != rate_of("another")
    assert rate.per_minute < 900


READABLE = {"id": "Q1", "status": "triggered", "created_at": "2026-11-21T02:57:42Z"}


@pytest.mark.parametrize("body", ["{}", '{"incidents": null, "alerts": 5, "notes": {}, "webhook_subscriptions": "x"}'])
async def test_an_answer_without_a_list_does_not_say_that_there_are_none(
    pagerduty: StandInPagerDuty, body: str
) -> None:
    pagerduty.fault("GET *", "status", status=200, body=body, times=5)
    api = PagerDutyApi(token=TOKEN, url=pagerduty.url)
    account = Scope(kind="account")
    asking = [
        api.incidents_of("k"),
        api.alerts("Q1"),
        api.notes("Q1"),
        open_incidents(api, account),
        webhook_subscriptions(api),
    ]

    said = [str(it) for it in await asyncio.gather(*asking, return_exceptions=True) if isinstance(it, Unreachable)]
    await api.close()

    assert [it.rpartition(" ")[2] for it in said] == [
        "incidents",
        "alerts",
        "notes",
        "incidents",
        "webhook_subscriptions",
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"created_at": "2026-11-21T02:57:42"},
        {"last_status_change_at": "2026-11-21T02:57:42"},
        {"created_at": 5},
        {"id": 5},
        {"id": "Q1/notes"},
        {"status": []},
    ],
)
async def test_an_incident_that_cannot_be_read_is_no_bug_of_ours(
    pagerduty: StandInPagerDuty, odd: dict[str, object]
) -> None:
    pagerduty.fault("GET /incidents/Q1", "status", status=200, body=json.dumps({"incident": READABLE | odd}))
    api = PagerDutyApi(token=TOKEN, url=pagerduty.url)

    with pytest.raises(Unreachable, match="cannot be read"):
        await api.incident("Q1")
    await api.close()


async def test_a_look_up_waits_less_for_its_turn_than_what_comes_before_a_note(pagerduty: StandInPagerDuty) -> None:
    """In a storm look-ups would stand in line for longer than a note may wait, and no note would ever get a turn."""
    shared = Shared()
    api = PagerDutyApi(token=TOKEN, url=pagerduty.url, turns=shared)
    await api.incidents_of("a-key")
    with pytest.raises(Refused):
        await api.notes("NOBODY")
    await api.close()

    assert shared.taken == [LOOK_UP_TURN_SECONDS, pytest.approx(WITHIN_SECONDS * TURN_SHARE)]


class Slow(Shared):
    """Its turn comes at the last moment, after it took time to be told."""

    async def take(self, *, within: float) -> float:
        await asyncio.sleep(within / 4)
        return within


async def test_a_turn_that_was_taken_is_waited_for_however_long_it_took_to_take_it(pagerduty: StandInPagerDuty) -> None:
    assert await asked(pagerduty, Slow(), within=3) == [200]
