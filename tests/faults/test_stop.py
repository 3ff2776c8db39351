"""SIGTERM while webhooks come in: what was answered 2xx is done after the next start, and the end is orderly."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from responder.demo.pagerduty_account import PagedIncident
from tests.faults.daemon import Daemon
from tests.faults.world import Case, World, noted, ours, until

POSTED = 40
AT_ONCE = 4
STOP_AFTER = 15
STOPPED_WITHIN_SECONDS = 25.0


@pytest.mark.faults
@pytest.mark.timeout(240)
async def test_what_was_answered_2xx_before_a_sigterm_has_its_note_after_the_next_start(seed: Path) -> None:
    async with World.opened() as world:
        world.slow_seconds = 1
        daemon = await world.daemon(seed=seed)
        await world.start(daemon)
        cases = [Case(name=f"Killed{number:02d}", service=f"service-{number}") for number in range(POSTED)]
        paged = {case: await world.page(case) for case in cases}

        statuses = await posted_until_it_is_gone(world, daemon, cases)
        taken = [case for case, status in statuses.items() if status == 202]
        print(f"{Counter(statuses.values())}; {sum(noted(paged[it]) for it in taken)} noted before the restart")
        assert STOP_AFTER <= len(taken) < POSTED
        assert set(statuses.values()) <= {202, 503, None}  # None: no answer; never a 4xx
        await world.start(daemon)
        await until(lambda: all(noted(paged[it]) for it in taken), 90, else_tell=lambda: daemon.log[-9000:])
        await asyncio.sleep(2)  # for a second note, if there were one

        for case in taken:
            check_one_note(case, paged[case])


async def posted_until_it_is_gone(world: World, daemon: Daemon, cases: list[Case]) -> dict[Case, int | None]:
    """Post one after the other, a few side by side, and stop the daemon in the middle; the status of each."""
    statuses: dict[Case, int | None] = {}
    waiting = iter(cases)

    async def post() -> None:
        for case in waiting:
            statuses[case] = await world.post(daemon, case)
            await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(post())
        await until(
            lambda: list(statuses.values()).count(202) >= STOP_AFTER,
            else_tell=lambda: f"{statuses}\n{daemon.log[-3000:]}",
        )
        status, seconds = await asyncio.to_thread(daemon.terminate)
    print(f"gone {seconds:.1f} s after SIGTERM")
    assert status == 0, daemon.log[-3000:]
    assert seconds <= STOPPED_WITHIN_SECONDS
    return statuses


def check_one_note(case: Case, incident: PagedIncident) -> None:
    assert len(incident.notes) == len(ours(incident)) == 1
    assert f"({case.name}: 1 alert firing)" in ours(incident)[0]
