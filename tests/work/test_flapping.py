"""What comes and goes is said to do so, in the note and not in a note each time."""

from __future__ import annotations

import asyncio

from tests.work.conftest import World
from tests.work.test_respond import Start
from tests.work.test_watch import look_at_incident


async def looked(it: World, words: str) -> None:
    """Have it looked at until the newest report says so."""
    async with asyncio.timeout(30):
        while words not in it.events("report.composed")[-1]["title"]:
            await look_at_incident(it)
            await asyncio.sleep(0.05)


async def test_a_rule_that_comes_and_goes_is_said_to_flap(world: Start) -> None:
    it = await world()
    await it.post()
    await it.until(lambda: it.events("alert.handled"))
    for _ in range(3):
        it.target.status = 200
        await looked(it, "clear")
        it.target.status = 503
        await looked(it, "critical")

    ((notices, flaps),) = await it.rows("select body->'notices', body->'flaps' from reports")
    assert notices == ["It flapped 3 times in 10 min."]
    assert flaps == 3
    assert "It flapped 3 times in 10 min." in await it.get(f"/incidents/{(await it.incidents())[0][0]}")
