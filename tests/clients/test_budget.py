import asyncio

import pytest

from responder.clients.budget import GIVEN_UP, Answered, Budget, Tally
from responder.errors import Refused, Unreachable


async def test_no_more_than_so_many_at_once() -> None:
    budget = Budget(concurrency=2, per_minute=1000)
    now, most = 0, 0

    async def look() -> None:
        nonlocal now, most
        async with budget.turn():
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1

    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(look())

    assert most == 2


async def test_waiting_for_a_turn_counts_into_the_callers_deadline() -> None:
    budget = Budget(concurrency=1, per_minute=1)
    async with budget.turn():
        pass

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), budget.turn():
            pytest.fail("the second turn within a minute was given")


@pytest.mark.parametrize(
    ("ends", "outcome", "why", "answered"),
    [
        pytest.param(None, Answered.ANSWERED, "", True, id="answered"),
        pytest.param(Refused("no"), Answered.REFUSED, "no", True, id="refused is an answer"),
        pytest.param(Unreachable("gone"), Answered.NO_ANSWER, "gone", False, id="no answer"),
        pytest.param(asyncio.CancelledError(), Answered.NO_ANSWER, GIVEN_UP, False, id="its time was over"),
    ],
)
async def test_what_came_of_a_question_is_remembered(
    ends: BaseException | None, outcome: Answered, why: str, answered: bool
) -> None:
    tally = Tally()
    budget = Budget(concurrency=1, per_minute=10, tally=tally)

    async def ask() -> None:
        async with budget.turn():
            if ends is not None:
                raise ends

    await asyncio.gather(ask(), return_exceptions=True)

    assert (tally.asked, tally.outcome, tally.why, tally.answered_at is not None) == (1, outcome, why, answered)
    assert tally.waiting == 0


async def test_a_question_that_another_answer_made_needless_is_no_failure() -> None:
    tally = Tally()
    budget = Budget(concurrency=2, per_minute=10, tally=tally)

    async def hang() -> None:
        async with budget.turn():
            await asyncio.sleep(60)

    async with asyncio.TaskGroup() as group:
        hanging = group.create_task(hang())
        await asyncio.sleep(0.01)
        async with budget.turn():
            pass
        hanging.cancel()

    assert (tally.asked, tally.outcome) == (2, Answered.ANSWERED)


async def test_who_waits_for_a_turn_is_counted() -> None:
    tally = Tally()
    budget = Budget(concurrency=1, per_minute=10, tally=tally)

    async def look() -> None:
        async with budget.turn():
            pass

    async with asyncio.TaskGroup() as group, budget.turn():
        group.create_task(look())
        await asyncio.sleep(0.01)
        waiting = tally.waiting

    assert (waiting, tally.waiting, tally.asked) == (1, 0, 2)
