import asyncio

import pytest

from responder.clients.budget import Budget


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
