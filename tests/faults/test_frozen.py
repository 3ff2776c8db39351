"""Two replicas: one freezes with work in its hands, the other finishes it, and then the first wakes and goes on."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from responder.demo.pagerduty_account import PagedIncident
from tests.conftest import fresh_database
from tests.faults.daemon import Daemon, Strike
from tests.faults.oracle import Tally, check_one_note
from tests.faults.sizes import size
from tests.faults.world import Case, World, noted, until
from tests.systems.plugin import Postgres

RUNS = size(full=9, short=1)  # of each step: more than fifty in all
FROZEN_SECONDS = size(full=60, short=0)  # at least; else until the other has finished
AT_ONCE = size(full=9, short=6)
LEDGER = "select state, foreign_id, digest, tag, verify from deliveries"


@dataclass(frozen=True, kw_only=True)
class Step:
    """Where it freezes. `posts`: how many notes are posted in all, the one that comes late included.

    `late_write`: the ledger refuses what it writes when it wakes. `edits`: it is an edit that it was about to make.
    """

    event: str
    work: str = ""
    nth: int = 1
    posts: int = 1
    late_write: bool = False
    edits: bool = False

    @property
    def strike(self) -> Strike:
        return Strike(event=self.event, work=self.work, nth=self.nth, number=signal.SIGSTOP)


STEPS = {
    "the look is claimed": Step(event="work.claimed", work="respond"),
    "the look is nearly done": Step(event="finding.kept", nth=2),
    "the note is about to be posted": Step(event="delivery.sending"),
    "its deadline was looked at, the note leaves when it wakes": Step(
        event="deadline.checked", posts=2, late_write=True
    ),
    "the note is posted": Step(event="delivery.posted", late_write=True),
    "an edit leaves when it wakes": Step(event="deadline.checked", nth=2, late_write=True, edits=True),
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was seen from outside, and the ledger before and after the one that was frozen woke."""

    case: Case
    incident: PagedIncident
    asked: list[str]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    refused_writes: int
    failed: list[Any]


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, start_postgres: Callable[..., Postgres]) -> dict[str, list[Outcome]]:
    """A pair of replicas for each run of each step that was selected."""
    here = [it for it in request.session.items if it.path == Path(__file__) and hasattr(it, "callspec")]
    steps = sorted({it.callspec.params["step"] for it in here})
    tally = Tally(name="a replica frozen with claimed work, and thawed", stated=RUNS * len(steps))
    server = start_postgres(max_connections=300)
    return asyncio.run(_played(steps, server.dsn, tally))


async def _played(steps: list[str], server: str, tally: Tally) -> dict[str, list[Outcome]]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(step: str) -> Outcome:
        async with room, fresh_database(server) as url, World.opened() as world:
            outcome = await _frozen_at(STEPS[step], world, url)
        tally.count(fell=True)  # it stood still, the other finished, and it woke
        return outcome

    async with asyncio.TaskGroup() as group:
        tasks = {step: [group.create_task(one(step)) for _ in range(RUNS)] for step in steps}
    return {step: [it.result() for it in several] for step, several in tasks.items()}


async def _frozen_at(step: Step, world: World, url: str) -> Outcome:
    frozen, other = [await world.daemon(DATABASE_URL=url, FIRST_REPORT_WITHIN="1s") for _ in range(2)]
    case = Case(name="WorseFrozen", severity="warning") if step.edits else Case(name="KilledFrozen")
    world.slow_seconds, world.up = (3, True) if step.edits else (0, False)
    incident = await world.page(case)
    await world.start(frozen, step.strike)
    assert await world.post(frozen, case) == 202
    await until(frozen.is_frozen, else_tell=lambda: frozen.log[-5000:])
    frozen_at = time.monotonic()

    await world.start(other)
    await _finished(url, other)
    if step.edits:
        assert incident.notes[0].content.startswith("P2"), incident.notes[0].content
        await world.tell(other, replace(case, severity="critical"))
        await until(lambda: "P1" in incident.notes[0].content, else_tell=lambda: other.log[-5000:])
        await _finished(url, other)
    await asyncio.sleep(FROZEN_SECONDS - (time.monotonic() - frozen_at))
    before = await _ledger(url)
    known = len(frozen.events())
    await asyncio.to_thread(frozen.thaw)
    await until(lambda: len(frozen.events()) > known, else_tell=lambda: frozen.log[-5000:])
    await asyncio.sleep(3)  # for what it goes on with, and for who has to mend it

    marks = [it for it in frozen.events("delivery.marked") if not it["ours"]]
    return Outcome(
        case=case,
        incident=incident,
        asked=world.note_requests(incident),
        before=before,
        after=await _ledger(url),
        refused_writes=len(marks),
        failed=frozen.events("work.failed") + other.events("work.failed"),
    )


async def _finished(url: str, daemon: Daemon) -> None:
    """There is one note, and nobody wants to look at it any more."""

    async def is_over() -> bool:
        connection = await asyncpg.connect(url)
        try:
            waits = "select count(*) from work where kind like 'deliver:%'"
            visible = "select count(*) from deliveries where state = 'visible' and not verify and complete"
            return bool(await connection.fetchval(visible) == 1 and await connection.fetchval(waits) == 0)
        finally:
            await connection.close()

    await until(is_over, 90, every_seconds=0.3, else_tell=lambda: daemon.log[-5000:])


async def _ledger(url: str) -> Mapping[str, Any]:
    connection = await asyncpg.connect(url)
    try:
        [row] = await connection.fetch(LEDGER)
        return dict(row)
    finally:
        await connection.close()


@pytest.mark.faults
@pytest.mark.system
@pytest.mark.timeout(size(full=2 * 3600, short=600))
@pytest.mark.parametrize("step", STEPS)
def test_a_replica_that_wakes_with_work_that_it_no_longer_owns_changes_nothing(
    step: str, outcomes: dict[str, list[Outcome]]
) -> None:
    assert len(outcomes[step]) == RUNS
    for seen in outcomes[step]:
        it = STEPS[step]
        assert noted(seen.incident)
        check_one_note(seen.case, seen.incident)
        assert seen.asked.count("POST") == it.posts, seen.asked
        assert bool(seen.refused_writes) == it.late_write
        assert seen.failed == []
        if it.edits:  # its edit stood over the newer one; the ledger no longer trusted it and had it written anew
            assert seen.incident.notes[0].content.startswith("P1"), seen.incident.notes[0].content
            assert seen.asked.count("PUT") >= 4
            assert seen.after["digest"] == seen.before["digest"]
        else:
            assert seen.after == seen.before
