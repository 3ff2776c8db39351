"""kill -9 at every statement that folds one incident into another: one incident goes on, and one note stands.

PagerDuty groups the alerts of two Alertmanager groups in one incident; responder learns of it when it has reported on
both, the first on the note, the second on its standard output only.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from responder.demo.alertmanager_bodies import event_body
from responder.demo.pagerduty_records import PagedIncident
from responder.store.adopt_sql import FOLD
from tests.faults.daemon import Daemon, Strike
from tests.faults.oracle import Tally
from tests.faults.sizes import size
from tests.faults.world import GROUP, ROUTING_KEY, Case, World, noted, until

RUNS = size(full=5, short=1)  # of each step
AT_ONCE = 4
MARKER = re.compile(r"\[responder:faults:(inc-\w+)\]")
Outcome = tuple[PagedIncident, list[Any], str]
"""The incident at PagerDuty, what is open at responder, and its log."""


def _steps() -> Iterator[tuple[str, Strike]]:
    for nth, (name, _) in enumerate(FOLD, 1):
        yield f"before the statement about its {name}", Strike(event="fold.step", nth=nth)
    yield "before its report is handed over", Strike(event="fold.step", nth=len(FOLD) + 1)
    yield "when all is folded", Strike(event="fold.step", nth=len(FOLD) + 2)
    yield "before the commit", Strike(event="adopt.committing", nth=2)
    yield "after the commit", Strike(event="work.finishing", work="link", nth=4)


STEPS = dict(_steps())


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, seed: Path) -> dict[str, list[Outcome]]:
    """One daemon and one stand-in for each run of each step that was selected."""
    here = [it for it in request.session.items if it.path == Path(__file__) and hasattr(it, "callspec")]
    selected = {it.callspec.params["step"] for it in here}
    outcomes = asyncio.run(_played(sorted(selected), seed))
    tally = Tally(name="kill -9 while two incidents are folded", stated=RUNS * len(selected))
    for _ in (it for step in outcomes for it in outcomes[step]):
        tally.count(fell=True)  # the daemon died of its strike, or there would be no outcome
    return outcomes


async def _played(steps: list[str], seed: Path) -> dict[str, list[Outcome]]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(step: str) -> Outcome:
        async with room, World.opened() as world:
            return await _killed_at(STEPS[step], world, seed)

    async with asyncio.TaskGroup() as group:
        tasks = {step: [group.create_task(one(step)) for _ in range(RUNS)] for step in steps}
    return {step: [it.result() for it in several] for step, several in tasks.items()}


async def _killed_at(strike: Strike, world: World, seed: Path) -> Outcome:
    world.pagerduty.group()
    daemon = await world.daemon(seed=seed, REPORT_STDOUT="true")
    first, second = Case(name="KilledOne"), Case(name="KilledTwo")
    incident = await world.page(first)
    await world.start(daemon, strike)
    await world.tell(daemon, first)
    await until(lambda: noted(incident) and len(daemon.events("work.finishing")) > 0)
    await _grouped(world, incident, second)
    world.pagerduty.fault("GET /incidents", "status", status=500, times=None)
    await world.tell(daemon, second)
    await until(lambda: len(set(MARKER.findall(daemon.out))) == 2, else_tell=lambda: daemon.log[-3000:])
    await _learns(world)
    assert await asyncio.to_thread(daemon.died) == -strike.number
    await world.start(daemon)
    async with asyncio.timeout(60):
        while len(await _open(world, daemon)) > 1:
            await asyncio.sleep(0.1)
    await asyncio.sleep(2)  # for a second note, if there were one
    return incident, await _open(world, daemon), daemon.log


async def _grouped(world: World, incident: PagedIncident, case: Case) -> None:
    async with world.http.post(world.pagerduty.events_url, data=event_body(GROUP, case.alert, ROUTING_KEY)) as answer:
        assert answer.status == 202
    await until(lambda: incident.has_key(case.dedup_key))


async def _learns(world: World) -> None:
    async with world.http.post(f"{world.pagerduty.url}/_fault", json={"do": "clear"}) as answer:
        assert answer.status == 200


async def _open(world: World, daemon: Daemon) -> list[Any]:
    async with world.http.get(f"{daemon.url}/api/v1/incidents") as answer:
        assert answer.status == 200
        return [it for it in (await answer.json())["incidents"] if it["state"] == "open"]


@pytest.mark.faults
@pytest.mark.timeout(size(full=3600, short=600))
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_while_folding_leaves_one_incident_and_one_note(step: str, outcomes: dict[str, list[Outcome]]) -> None:
    assert len(outcomes[step]) == RUNS
    for incident, going_on, log in outcomes[step]:
        assert [it["incident"] for it in going_on] == ["inc-0001"], log[-3000:]
        assert going_on[0]["alerts"] == {"firing": 2, "total": 2}
        assert len(incident.notes) == 1
        assert MARKER.findall(incident.notes[0].content)[-1] == "inc-0001"
