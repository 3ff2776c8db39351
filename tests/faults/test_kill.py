"""kill -9 at every named step of the path: nothing is lost, and nothing is posted twice.

Every other run is on a given PostgreSQL, the rest on an embedded store. All steps are played at once, a few at a time,
since most of each is waiting for a dead worker's lease to end.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from responder.demo.pagerduty_account import PagedIncident
from tests.faults.daemon import Daemon, Strike
from tests.faults.oracle import Tally, check_one_note
from tests.faults.sizes import size
from tests.faults.stores import Stores
from tests.faults.world import Case, World, moment, noted, until

RUNS = size(full=50, short=1)  # of each step
IN_ONE_WORLD = 51
AT_ONCE = 6
RESUMED_WITHIN_SECONDS = 10.0
BEFORE_THE_COMMIT = "before the commit"
STORED_BUT_NOT_ANSWERED = "the note is stored, its answer under way"
NOTE = "deliver:pagerduty_note"

# Past the note: whether it is doubled is asked there, whether it is lost is not.
PAST_THE_NOTE = {
    STORED_BUT_NOT_ANSWERED,
    "posted, before the mark",
    "after the mark",
    "sent, before the work is let go",
}

# What is asked about the incident's notes, to the end; "" where the kill meets the delivery anywhere. After a doubt
# they are listed before anything is posted, and once more half a minute later.
STEPS: dict[str, tuple[Strike | None, str]] = {
    BEFORE_THE_COMMIT: (Strike(event="webhook.committing"), "POST"),
    "after the commit, before the 2xx": (Strike(event="webhook.committed"), "POST"),
    "after the 2xx was decided": (Strike(event="webhook.accepted"), "POST"),
    "the look is claimed": (Strike(event="work.claimed", work="respond"), "POST"),
    "the search for the incident is claimed": (Strike(event="work.claimed", work="link"), "POST"),
    "the incident is linked": (Strike(event="incident.linked"), "POST"),
    "the readings are kept": (Strike(event="readings.kept"), "POST"),
    "the first check is answered": (Strike(event="diagnostic.finished"), "POST"),
    "the last finding is kept": (Strike(event="finding.kept", nth=2), "POST"),
    "the report is kept": (Strike(event="report.composed"), ""),
    "the alert is handled": (Strike(event="alert.handled"), ""),
    "the delivery is claimed": (Strike(event="work.claimed", work=NOTE), "POST"),
    "before the first byte": (Strike(event="delivery.sending"), "GET POST GET GET"),
    STORED_BUT_NOT_ANSWERED: (None, "POST GET PUT GET"),
    "posted, before the mark": (Strike(event="delivery.posted"), "POST GET PUT GET"),
    "after the mark": (Strike(event="delivery.marked"), "POST"),
    "sent, before the work is let go": (Strike(event="delivery.sent"), "POST"),
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was seen from outside. `resumed_seconds`: from the death until all that was under way was taken up again.

    `fell`: after the commit and before the note.
    """

    case: Case
    incident: PagedIncident
    start_seconds: float
    resumed_seconds: float
    fell: bool
    asked: str = ""


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, stores: Stores) -> dict[str, list[Outcome | Exception]]:
    """A daemon for each run of each step that was selected; looked at when all have long been through."""
    selected = {it.callspec.params["step"] for it in request.session.items if _is_of_a_step(it)}
    steps = sorted((it for it in STEPS if it in selected), key=lambda it: len(STEPS[it][1]), reverse=True)
    runs = steps * RUNS
    outcomes: dict[str, list[Outcome | Exception]] = {step: [] for step in steps}
    for first in range(0, len(runs), IN_ONE_WORLD):
        some = runs[first : first + IN_ONE_WORLD]
        for step, outcome in zip(some, asyncio.run(_played(some, first, stores)), strict=True):
            outcomes[step].append(outcome)
    return outcomes


@pytest.fixture(scope="module")
def tally(outcomes: dict[str, list[Outcome | Exception]]) -> Tally:
    """How many kills fell between the commit and the note: every one whose step says so."""
    within = [step for step in outcomes if step not in PAST_THE_NOTE and step != BEFORE_THE_COMMIT]
    tally = Tally(name="kill -9 at a named step, between commit and note", stated=RUNS * len(within))
    for outcome in (it for step in outcomes for it in outcomes[step]):
        tally.count(fell=isinstance(outcome, Outcome) and outcome.fell)
    return tally


def _is_of_a_step(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and item.path == Path(__file__) and hasattr(item, "callspec")


async def _played(steps: list[str], first: int, stores: Stores) -> list[Outcome | Exception]:
    """`first`: which number the first of these runs has; it says on which store each is run.

    A run that fails ends no other one.
    """
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, step: str) -> Outcome:
        async with stores.one(stores.kind(first + number)) as store:
            async with room:
                daemon, seen = await _killed_at(step, Case(name=f"Killed{number:02d}"), world, store)
            expected = STEPS[step][1].split()
            await until(
                lambda: len(world.note_requests(seen.incident)) >= len(expected),
                120,
                every_seconds=0.1,
                else_tell=lambda: f"{step}: {world.note_requests(seen.incident)}\n{daemon.log[-5000:]}",
            )
            await asyncio.sleep(2)  # for a second note, if there were one
            await asyncio.to_thread(daemon.clean_up)
        return replace(seen, asked=" ".join(world.note_requests(seen.incident)))

    async def or_failed(number: int, step: str) -> Outcome | Exception:
        try:
            return await one(number, step)
        except Exception as failed:  # noqa: BLE001 - raised again by the test of its step
            return failed

    async with World.opened() as world, asyncio.TaskGroup() as group:
        tasks = [group.create_task(or_failed(number, step)) for number, step in enumerate(steps)]
        await asyncio.wait(tasks)
    return [task.result() for task in tasks]


async def _killed_at(step: str, case: Case, world: World, store: Mapping[str, Any]) -> tuple[Daemon, Outcome]:
    strike, _ = STEPS[step]
    # However long the next start takes: the first report waits for its checks, so that no edit has to follow it.
    daemon = await world.daemon(FIRST_REPORT_WITHIN="5m", **store)
    incident = await world.page(case)
    if strike is None:
        path = f"POST /incidents/{incident.id}/notes"
        world.pagerduty.fault(path, "slow", seconds=2, store=True)
    await world.start(daemon, strike)

    async with asyncio.TaskGroup() as group:
        group.create_task(world.tell(daemon, case))
        await _dead(daemon, strike, lambda: noted(incident))
        died_at, fell = time.time(), bool(daemon.events("webhook.committed")) and not noted(incident)
        start_seconds = await world.start(daemon)
    await until(lambda: noted(incident), else_tell=lambda: f"{step}\n{daemon.log[-5000:]}")
    await until(
        lambda: not _held(daemon) - _claimed(daemon).keys(),
        else_tell=lambda: (
            f"{step}: never taken up again: {_held(daemon) - _claimed(daemon).keys()}\n{daemon.log[-6000:]}"
        ),
    )

    taken_up = [at for row, at in _claimed(daemon).items() if row in (_held(daemon) or _claimed(daemon))]
    return daemon, Outcome(
        case=case,
        incident=incident,
        start_seconds=start_seconds,
        resumed_seconds=max(taken_up) - died_at,
        fell=fell,
    )


async def _dead(daemon: Daemon, strike: Strike | None, is_time: Callable[[], bool]) -> None:
    if strike is None:
        await until(is_time)
        await asyncio.to_thread(daemon.kill)
    else:
        assert await asyncio.to_thread(daemon.died) == -strike.number


def _held(daemon: Daemon) -> set[tuple[str, str]]:
    """Work that the run that was killed had claimed and not let go of."""
    open_ = Counter((it["work"], it["key"]) for it in daemon.events("work.claimed", run=1))
    open_.subtract((it["work"], it["key"]) for it in daemon.events("work.finishing", run=1))
    return {row for row, number in open_.items() if number > 0}


def _claimed(daemon: Daemon) -> dict[tuple[str, str], float]:
    """When the run after it first took up each piece of work."""
    return {(it["work"], it["key"]): moment(it) for it in reversed(daemon.events("work.claimed", run=2))}


@pytest.mark.faults
@pytest.mark.timeout(size(full=4 * 3600, short=600))
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_loses_nothing_and_doubles_nothing(step: str, outcomes: dict[str, list[Outcome | Exception]]) -> None:
    assert len(outcomes[step]) == RUNS
    for seen in outcomes[step]:
        if isinstance(seen, Exception):
            raise seen
        print(f"{step}: started in {seen.start_seconds:.1f} s, resumed after {seen.resumed_seconds:.1f} s")

        check_one_note(seen.case, seen.incident)
        assert seen.asked.split().count("POST") == 1
        _, expected = STEPS[step]
        assert seen.asked == (expected or seen.asked)
        assert seen.resumed_seconds <= RESUMED_WITHIN_SECONDS + seen.start_seconds


@pytest.mark.faults
@pytest.mark.timeout(size(full=4 * 3600, short=600))
def test_every_kill_fell_where_its_step_says(tally: Tally) -> None:
    tally.check()
