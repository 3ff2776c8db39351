"""kill -9 at instants that nobody chose, between the 2xx and the note."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from responder.demo.pagerduty_account import PagedIncident
from tests.faults.daemon import Daemon
from tests.faults.world import Case, World, noted, ours, until

INSTANTS = 20
MOST_TRIES = 40
AT_ONCE = 5
LOOK_SECONDS, POST_SECONDS = 1.2, 0.8
WINDOW_SECONDS = LOOK_SECONDS + POST_SECONDS + 0.2  # and what the steps between them take


@dataclass(kw_only=True)
class Tally:
    """`fell`: incidents whose daemon was killed after the 2xx and before the note."""

    random: random.Random
    tries: int = 0
    fell: list[tuple[Case, PagedIncident]] = field(default_factory=list)

    def goes_on(self) -> bool:
        return len(self.fell) < INSTANTS and self.tries < MOST_TRIES


@pytest.mark.faults
@pytest.mark.timeout(400)
async def test_twenty_random_kills_between_the_answer_and_the_note_lose_and_double_nothing(
    seed: Path,
) -> None:
    tally = Tally(random=random.Random(20261121))

    async with World.opened() as world, asyncio.TaskGroup() as group:
        world.slow_seconds = LOOK_SECONDS
        workers = [group.create_task(_kill_again_and_again(world, seed, tally)) for _ in range(AT_ONCE)]
        await asyncio.wait(workers)
        await asyncio.sleep(2)  # for a second note, if there were one

    print(f"{len(tally.fell)} of {tally.tries} kills fell between the answer and the note")
    assert len(tally.fell) >= INSTANTS
    for case, incident in tally.fell:
        texts = [note.content for note in incident.notes]
        assert texts == ours(incident), case
        assert len(texts) == 1, case
        assert f"({case.name}: 1 alert firing)" in texts[0]
        posts = world.pagerduty.asked(f"POST /incidents/{incident.id}/notes")
        assert len(posts) == 1, case


async def _kill_again_and_again(world: World, seed: Path, tally: Tally) -> None:
    daemon = await world.daemon(seed=seed)
    await world.start(daemon)
    while tally.goes_on():
        tally.tries += 1
        case = Case(name=f"Killed{tally.tries:03d}")
        after_seconds = tally.random.uniform(0, WINDOW_SECONDS)
        stored_first = tally.tries % 2 == 0
        await _kill_once(world, daemon, tally, case, after_seconds=after_seconds, stored_first=stored_first)


async def _kill_once(
    world: World, daemon: Daemon, tally: Tally, case: Case, *, after_seconds: float, stored_first: bool
) -> None:
    """`stored_first`: PagerDuty has the note long before it answers, else long after the daemon is dead."""
    incident = await world.page(case)
    path = f"POST /incidents/{incident.id}/notes"
    world.pagerduty.fault(path, "slow", seconds=POST_SECONDS, store=stored_first, times=None)
    assert await world.post(daemon, case) == 202

    await asyncio.sleep(after_seconds)
    fell = not noted(incident)
    await asyncio.to_thread(daemon.kill)
    await world.start(daemon)
    await until(lambda: noted(incident), else_tell=lambda: f"{case}\n{daemon.log[-5000:]}")
    if fell:
        tally.fell.append((case, incident))
