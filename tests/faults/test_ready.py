"""`/readyz` is false where work does not move, and stays true while somebody else is away."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest

from responder.store.accept import WRITERS
from tests.conftest import fresh_database
from tests.faults.daemon import Daemon
from tests.faults.oracle import check_one_note
from tests.faults.test_stop import send
from tests.faults.world import Case, World, noted, until
from tests.systems.plugin import Postgres

MANY = 44  # with eight at once and six seconds each the last ones wait for half a minute
WAITING = "select pid from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'responder'"
pytestmark = [pytest.mark.faults, pytest.mark.system, pytest.mark.timeout(400)]


@pytest.fixture
async def database_url(postgres_server: Postgres) -> AsyncIterator[str]:
    async with fresh_database(postgres_server.dsn) as address:
        yield address


async def ready(world: World, daemon: Daemon) -> str:
    """Empty when it is, else why not."""
    async with world.http.get(f"{daemon.url}/readyz") as answer:
        body = await answer.json(content_type=None)
        assert answer.status == (200 if "detail" not in body else 503)
        return str(body.get("detail", ""))


async def becomes(world: World, daemon: Daemon, why: str, within_seconds: float = 60) -> None:
    """Wait until it is ready (""), or is not and says why."""
    async with asyncio.timeout(within_seconds):
        while (found := await ready(world, daemon)) != why and not (why and why in found):
            await asyncio.sleep(0.2)


async def test_work_that_is_due_and_that_nobody_can_take_up_is_said(database_url: str) -> None:
    async with World.opened() as world:
        daemon = await world.daemon(DATABASE_URL=database_url)
        await world.start(daemon)
        case = Case(name="KilledReady")
        incident = await world.page(case)
        assert await world.post(daemon, case) == 202
        await until(lambda: noted(incident))
        other = await asyncpg.connect(database_url)
        async with other.transaction():
            assert await other.fetchval("select count(*) from (select from work where kind = 'respond' for update) w")
            await other.execute("update work set due_at = now() where kind = 'respond'")
        async with other.transaction():  # as a client that was forgotten in the middle of its transaction
            await other.fetch("select from work where kind = 'respond' for update")
            await becomes(world, daemon, "work is due and is not taken up: respond", within_seconds=120)
        await becomes(world, daemon, "")
        await other.close()

        check_one_note(case, incident)


async def test_webhooks_that_hang_in_the_database_are_said(database_url: str) -> None:
    """Both writers' sessions stand still in the middle of a commit: the rest of the database is well."""
    async with World.opened() as world:
        daemon = await world.daemon(DATABASE_URL=database_url)
        await world.start(daemon)
        cases = [Case(name=f"KilledStuck{n}", service=f"service-{n}") for n in range(4)]
        other = await asyncpg.connect(database_url)
        async with asyncio.TaskGroup() as group:
            async with other.transaction():
                await other.execute("lock table webhooks in access exclusive mode")
                for case in cases:
                    group.create_task(world.tell(daemon, case))
                async with asyncio.timeout(60):
                    while len(pids := [it["pid"] for it in await other.fetch(WAITING)]) < WRITERS:
                        await asyncio.sleep(0.02)
                send(pids, signal.SIGSTOP)
            try:
                await becomes(world, daemon, "webhooks come, and none was committed for 10 s")
            finally:
                send(pids, signal.SIGCONT)
        await becomes(world, daemon, "")
        await other.close()


async def test_a_pagerduty_that_hangs_makes_no_replica_unready(database_url: str) -> None:
    async with World.opened() as world:
        daemon = await world.daemon(DATABASE_URL=database_url)
        await world.start(daemon)
        cases = [Case(name=f"KilledAway{n:02d}", service=f"service-{n}") for n in range(MANY)]
        paged = {case: await world.page(case) for case in cases}
        world.pagerduty.fault("POST /incidents/*/notes", "hang", store=False, times=None)
        for case in cases:
            await world.tell(daemon, case)
        other = await asyncpg.connect(database_url)
        late = (
            "select coalesce(extract(epoch from max(now() - due_at)), 0)::float8 from work where kind like 'deliver:%'"
        )
        why, longest = "", 0.0
        async with asyncio.timeout(90):
            while longest < 20 and not why:
                longest, why = await other.fetchval(late), await ready(world, daemon)
                await asyncio.sleep(0.2)
        await world.mend()
        await other.close()

        assert (why, longest >= 20) == ("", True)
        await until(lambda: all(noted(it) for it in paged.values()), 120, else_tell=lambda: daemon.log[-3000:])
        assert await ready(world, daemon) == ""
        for case in cases:
            check_one_note(case, paged[case])
