"""SIGTERM while webhooks come in: what was answered 2xx is done after the next start, and the end is orderly.

However things hang the end comes within 25 seconds, of which Kubernetes gives 40 and would kill after 30 by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import fresh_database
from tests.faults.daemon import Daemon
from tests.faults.oracle import check_no_server_is_left, check_one_note
from tests.faults.sizes import size
from tests.faults.world import Case, World, noted, until
from tests.systems.plugin import Postgres

STOPS = size(full=50, short=1)
POSTED = 40
AT_ONCE = 4
STOP_AFTER = 15
STOPPED_WITHIN_SECONDS = 25.0


pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]


@pytest.mark.parametrize("number", range(STOPS))
async def test_what_was_answered_2xx_before_a_sigterm_has_its_note_after_the_next_start(
    seed: Path, number: int
) -> None:
    async with World.opened() as world:
        world.slow_seconds = 1
        daemon = await world.daemon(seed=seed)
        await world.start(daemon)
        cases = [Case(name=f"Killed{of:02d}", service=f"service-{of}") for of in range(POSTED)]
        paged = {case: await world.page(case) for case in cases}

        statuses = await posted_until_it_is_gone(world, daemon, cases, after=STOP_AFTER - number % STOP_AFTER)
        taken = [case for case, status in statuses.items() if status == 202]
        print(f"{Counter(statuses.values())}; {sum(noted(paged[it]) for it in taken)} noted before the restart")
        assert 1 <= len(taken) < POSTED
        assert set(statuses.values()) <= {202, 503, None}  # None: no answer; never a 4xx
        await world.start(daemon)
        await until(lambda: all(noted(paged[it]) for it in taken), 90, else_tell=lambda: daemon.log[-9000:])
        await asyncio.sleep(2)  # for a second note, if there were one

        for case in taken:
            check_one_note(case, paged[case])


async def posted_until_it_is_gone(
    world: World, daemon: Daemon, cases: list[Case], *, after: int
) -> dict[Case, int | None]:
    """Post one after the other, a few side by side, and stop the daemon after so many; the status of each."""
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
            lambda: list(statuses.values()).count(202) >= after,
            else_tell=lambda: f"{statuses}\n{daemon.log[-3000:]}",
        )
        await stopped(daemon)
    return statuses


async def stopped(daemon: Daemon) -> float:
    """Stop it, in order and in time; after how many seconds it was gone."""
    status, seconds = await asyncio.to_thread(daemon.terminate)
    print(f"gone {seconds:.1f} s after SIGTERM")
    assert status == 0, daemon.log[-3000:]
    assert seconds <= STOPPED_WITHIN_SECONDS
    check_no_server_is_left(daemon)
    return seconds


async def test_a_check_that_hangs_holds_up_no_stop(seed: Path) -> None:
    async with World.opened() as world:
        world.slow_seconds = 60
        daemon = await world.daemon(seed=seed, DIAGNOSTIC_TIMEOUT="50s", FIRST_REPORT_WITHIN="50s")
        await world.start(daemon)
        case = Case(name="KilledHung")
        incident = await world.page(case)
        assert await world.post(daemon, case) == 202
        await until(lambda: daemon.events("finding.kept"))

        await stopped(daemon)
        assert not noted(incident)
        world.slow_seconds = 0
        await world.start(daemon)
        await until(lambda: noted(incident), else_tell=lambda: daemon.log[-3000:])

        check_one_note(case, incident)


@pytest.mark.parametrize("stored", [pytest.param(True, id="it has the note"), pytest.param(False, id="it has not")])
async def test_a_pagerduty_that_hangs_holds_up_no_stop(seed: Path, stored: bool) -> None:
    async with World.opened() as world:
        daemon = await world.daemon(seed=seed)
        await world.start(daemon)
        case = Case(name="KilledUnheard")
        incident = await world.page(case)
        world.pagerduty.fault("POST /incidents/*/notes", "hang", store=stored, times=None)
        assert await world.post(daemon, case) == 202
        await until(lambda: daemon.events("delivery.sending"))

        await stopped(daemon)
        await world.mend()
        await world.start(daemon)
        await until(lambda: noted(incident) and daemon.events("delivery.sent"), else_tell=lambda: daemon.log[-3000:])

        check_one_note(case, incident)


@pytest.mark.system
async def test_a_database_that_hangs_holds_up_no_stop(start_postgres: Callable[..., Postgres]) -> None:
    postgres = await asyncio.to_thread(start_postgres)
    async with World.opened() as world:
        world.slow_seconds = 1
        daemon = await world.daemon(DATABASE_URL=postgres.dsn)
        await world.start(daemon)
        cases = [Case(name=f"Killed{number}", service=f"service-{number}") for number in range(5)]
        paged = {case: await world.page(case) for case in cases}
        for case in cases:
            assert await world.post(daemon, case) == 202
        sessions = await sessions_of(postgres)
        send(sessions, signal.SIGSTOP)
        try:
            await asyncio.sleep(2)  # for work to wait for it
            await stopped(daemon)
        finally:
            send(sessions, signal.SIGCONT)
        await world.start(daemon)
        await until(lambda: all(noted(it) for it in paged.values()), else_tell=lambda: daemon.log[-3000:])

        for case, incident in paged.items():
            check_one_note(case, incident)


async def sessions_of(postgres: Postgres) -> list[int]:
    """The server's processes: its sessions, and the first one, which would make new ones."""
    connection = await asyncpg.connect(postgres.dsn)
    pids = [
        it["pid"] for it in await connection.fetch("select pid from pg_stat_activity where pid <> pg_backend_pid()")
    ]
    await connection.close()
    return [*pids, postgres.process.pid]


def send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@pytest.mark.system
async def test_a_rolling_restart_on_one_database_loses_nothing_and_tells_nothing_twice(
    postgres_server: Postgres,
) -> None:
    async with fresh_database(postgres_server.dsn) as dsn, World.opened() as world:
        world.slow_seconds = 2
        old, new = [await world.daemon(DATABASE_URL=dsn) for _ in range(2)]
        await world.start(old)
        cases = [Case(name=f"Killed{of:02d}", service=f"service-{of}") for of in range(POSTED)]
        paged = {case: await world.page(case) for case in cases}
        async with asyncio.TaskGroup() as group:
            group.create_task(world.start(new))
            statuses = await posted_until_it_is_gone(world, old, cases[: POSTED // 2], after=STOP_AFTER)
        for case in cases:
            if statuses.get(case) != 202:
                await world.tell(new, case)
        await until(lambda: all(noted(it) for it in paged.values()), 90, else_tell=lambda: new.log[-5000:])
        await asyncio.sleep(2)  # for a second note, if there were one

        for case, incident in paged.items():
            check_one_note(case, incident)
