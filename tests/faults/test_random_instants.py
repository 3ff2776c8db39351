"""kill -9 at instants that nobody chose, between the 2xx and the note: on embedded stores and on a given PostgreSQL."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest

from responder.demo.pagerduty_account import PagedIncident
from tests.faults.daemon import Daemon
from tests.faults.oracle import Tally, check_one_note
from tests.faults.sizes import size
from tests.faults.stores import Stores
from tests.faults.world import Case, World, noted, until

SEED = 20261121
INSTANTS = size(full=500, short=20)
MOST_TRIES = 2 * INSTANTS
KILLS_OF_ONE = 25  # daemons: then a new one, so that no store fills up with what is over
AT_ONCE = 5
LOOK_SECONDS, POST_SECONDS = 1.2, 0.8
WINDOW_SECONDS = LOOK_SECONDS + POST_SECONDS + 0.2  # and what the steps between them take


@dataclass(kw_only=True)
class Kills:
    """`seen`: every incident whose daemon was killed, whether before its note or after it."""

    random: random.Random
    tally: Tally
    begun: int = 0
    seen: list[tuple[Case, PagedIncident]] = field(default_factory=list)

    def goes_on(self) -> bool:
        return self.tally.fell < INSTANTS and self.begun < MOST_TRIES


@pytest.mark.faults
@pytest.mark.timeout(size(full=3 * 3600, short=600))
async def test_random_kills_between_the_answer_and_the_note_lose_and_double_nothing(stores: Stores) -> None:
    tally = Tally(name=f"kill -9 at a random instant (seed {SEED}), between 2xx and note", stated=INSTANTS)
    kills = Kills(random=random.Random(SEED), tally=tally)

    async with World.opened() as world:
        world.slow_seconds = LOOK_SECONDS
        workers = (_kill_again_and_again(world, stores, kills, of) for of in range(AT_ONCE))
        ended = await asyncio.gather(*workers, return_exceptions=True)

    print(tally)
    for case, incident in kills.seen:
        check_one_note(case, incident)
        assert world.note_requests(incident).count("POST") == 1, case
    for failed in filter(None, ended):
        raise failed
    tally.check()


async def _kill_again_and_again(world: World, stores: Stores, kills: Kills, number: int) -> None:
    while kills.goes_on():
        async with stores.one(stores.kind(number)) as store:
            daemon = await world.daemon(**store)
            await world.start(daemon)
            for _ in range(KILLS_OF_ONE):
                if kills.goes_on():
                    await _kill_next(world, daemon, kills)
            await asyncio.sleep(2)  # for a second note, if there were one
            await asyncio.to_thread(daemon.clean_up)


async def _kill_next(world: World, daemon: Daemon, kills: Kills) -> None:
    kills.begun += 1
    case = Case(name=f"Killed{kills.begun:03d}")
    after_seconds = kills.random.uniform(0, WINDOW_SECONDS)
    stored_first = kills.begun % 2 == 0
    await _kill_once(world, daemon, kills, case, after_seconds=after_seconds, stored_first=stored_first)


async def _kill_once(
    world: World, daemon: Daemon, kills: Kills, case: Case, *, after_seconds: float, stored_first: bool
) -> None:
    """`stored_first`: PagerDuty has the note long before it answers, else long after the daemon is dead."""
    incident = await world.page(case)
    path = f"POST /incidents/{incident.id}/notes"
    world.pagerduty.fault(path, "slow", seconds=POST_SECONDS, store=stored_first, times=None)
    await world.tell(daemon, case)  # a busy machine may answer 503 first

    await asyncio.sleep(after_seconds)
    fell = not noted(incident)
    await asyncio.to_thread(daemon.kill)
    await world.start(daemon)
    await until(lambda: noted(incident), else_tell=lambda: f"{case}\n{daemon.log[-5000:]}")
    kills.seen.append((case, incident))
    kills.tally.count(fell=fell)
