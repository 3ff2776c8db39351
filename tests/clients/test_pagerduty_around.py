"""Looks share the key of reports, and reports go first."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from responder.clients import pagerduty_around
from responder.clients.pagerduty import BURST, rate_of
from responder.clients.pagerduty_around import LEFT_TO_REPORTS, Account, PagerDutyAround
from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from responder.errors import CouldNotLook, StoreUnavailable, Throttled, Unreachable
from responder.store.rates import SharedRate
from responder.store.store import Store

NOW = datetime(2026, 11, 20, tzinfo=UTC)


class Told:
    """Turns that come as it was told, one answer after the other; the last one for good."""

    def __init__(self, *waits: float, is_away: bool = False) -> None:
        self.waits, self.is_away, self.within = list(waits), is_away, list[float]()

    async def take(self, *, within: float) -> float:
        self.within.append(within)
        if self.is_away:
            raise StoreUnavailable("store: away")
        return self.waits.pop(0) if len(self.waits) > 1 else self.waits[0]

    async def pause(self, seconds: float) -> None:
        raise AssertionError(seconds)


async def look(turns: Told) -> int:
    """How many requests one look made."""
    pagerduty = await StandInPagerDuty.start()
    door = PagerDutyAround(Account(token=TOKEN, url=pagerduty.url, turns=turns))
    try:
        await door.incident(pagerduty.create_incident("one"))
        return len(pagerduty.requests)
    finally:
        await door.close()
        await pagerduty.stop()


async def test_a_look_waits_until_reports_leave_a_turn_and_reserves_none() -> None:
    turns = Told(0.3, 0.1, 0)

    assert await look(turns) == 1
    assert turns.within == [0.0] * 3


async def test_a_look_gives_up_while_reports_need_every_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagerduty_around, "TURN_WITHIN_SECONDS", 0.2)

    with pytest.raises(Throttled, match="reports go first"):
        await look(Told(1))


async def test_without_the_store_the_rate_cannot_be_shared_and_nothing_is_asked() -> None:
    with pytest.raises(CouldNotLook, match="its rate cannot be shared now"):
        await look(Told(0, is_away=True))


async def test_some_of_the_burst_is_never_taken_for_looks(store: Store) -> None:
    """And while reports queue, no look gets a turn."""
    rate = rate_of("key")
    reports, looks = SharedRate(store, rate), SharedRate(store, rate, leaves=LEFT_TO_REPORTS)
    for _ in range(BURST - LEFT_TO_REPORTS):
        assert await looks.take(within=0) == 0

    assert await looks.take(within=0) > 0
    after = [await reports.take(within=0) for _ in range(LEFT_TO_REPORTS)]
    assert after == [0] * len(after)
    assert await looks.take(within=0) > 0


@pytest.mark.parametrize("body", ['{"change_events": 7}', '{"change_events": [{"id": "x"}]}', "[]"])
async def test_an_answer_of_another_shape_is_none(body: str) -> None:
    pagerduty = await StandInPagerDuty.start()
    pagerduty.fault("GET /services/*/change_events", "status", status=200, body=body)
    door = PagerDutyAround(Account(token=TOKEN, url=pagerduty.url))

    with pytest.raises(Unreachable, match="not an answer of PagerDuty"):
        await door.changes_of("PF9KMXH", NOW, NOW)

    await door.close()
    await pagerduty.stop()


async def test_it_has_no_way_to_write_and_follows_no_odd_id() -> None:
    pagerduty = await StandInPagerDuty.start()
    door = PagerDutyAround(Account(token=TOKEN, url=pagerduty.url))

    with pytest.raises(CouldNotLook):
        await door.incident("Q1?include[]=users")

    assert [it.query for it in pagerduty.requests] == [[]]
    assert not {"post", "put", "delete", "patch", "request"} & {name for name in dir(door) if name[0] != "_"}
    await door.close()
    await pagerduty.stop()
