"""Two replicas on one PostgreSQL: any of them may die or freeze at any time, and there is still one note."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from responder.demo.pagerduty_account import PagedIncident
from tests.faults.daemon import Daemon, Strike
from tests.faults.world import Case, World, noted, ours, until
from tests.systems.plugin import Postgres

_numbers = itertools.count(1)
pytestmark = [pytest.mark.faults, pytest.mark.system, pytest.mark.timeout(180)]


@pytest.fixture
async def database_url(postgres_server: Postgres) -> AsyncIterator[str]:
    """A database that both share."""
    name = f"responder_replicas_{next(_numbers)}"
    admin = await asyncpg.connect(postgres_server.dsn)
    await admin.execute(f"create database {name}")
    yield urlsplit(postgres_server.dsn)._replace(path=f"/{name}").geturl()
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


def has_claimed(daemon: Daemon, work: str) -> bool:
    return any(it["work"] == work for it in daemon.events("work.claimed"))


async def test_a_replica_that_dies_in_the_middle_of_a_look_is_succeeded_by_the_other(database_url: str) -> None:
    async with World.opened() as world:
        world.slow_seconds = 3
        first, second = [await world.daemon(DATABASE_URL=database_url) for _ in range(2)]
        await asyncio.gather(world.start(first), world.start(second))
        case = Case(name="KilledReplica")
        incident = await world.page(case)

        assert await world.post(first, case) == 202
        await until(lambda: has_claimed(first, "respond") or has_claimed(second, "respond"))
        busy, idle = (first, second) if has_claimed(first, "respond") else (second, first)
        assert not noted(incident)
        await asyncio.to_thread(busy.kill)
        died_at = time.time()
        noted_at = await until(lambda: noted(incident))
        await asyncio.sleep(2)  # for a second note, if there were one

        print(f"the note of the other came {noted_at - died_at:.1f} s after the kill, 3 s of it looking")
        assert len(incident.notes) == len(ours(incident)) == 1
        assert "(KilledReplica: 1 alert firing)" in ours(incident)[0]
        assert len(world.pagerduty.asked("POST /incidents/*/notes")) == 1
        assert has_claimed(idle, "respond")
        assert noted_at - died_at <= 10 + world.slow_seconds + 2


@pytest.mark.parametrize(
    ("freezes_at", "tells", "posts"),
    [
        pytest.param("delivery.sending", "work.lease_lost", 1, id="before its last look at the clock: it lets go"),
        pytest.param("deadline.checked", "delivery.duplicate_deleted", 2, id="after it: what it posts late is deleted"),
    ],
)
async def test_a_replica_that_freezes_before_the_first_byte_and_wakes_leaves_no_second_note(
    database_url: str, freezes_at: str, tells: str, posts: int
) -> None:
    async with World.opened() as world:
        frozen, other = [await world.daemon(DATABASE_URL=database_url) for _ in range(2)]
        await world.start(frozen, Strike(event=freezes_at, number=signal.SIGSTOP))
        case = Case(name="KilledFrozen")
        incident = await world.page(case)

        assert await world.post(frozen, case) == 202
        await until(frozen.is_frozen)
        await world.start(other)
        await until(lambda: noted(incident))
        [note] = incident.notes
        if posts > 1:
            await until(lambda: has_verified(world, incident))  # nobody looks any more but who wakes up
        await asyncio.to_thread(frozen.thaw)
        await until(lambda: frozen.events(tells))
        await asyncio.sleep(1)

        assert incident.notes == [note]
        assert "(KilledFrozen: 1 alert firing)" in ours(incident)[0]
        assert world.note_requests(incident).count("POST") == posts
        assert frozen.events("work.failed") == other.events("work.failed") == []


def has_verified(world: World, incident: PagedIncident) -> bool:
    """Whether the one who took over has listed the notes for the last time: before its post, after it, and later."""
    return world.note_requests(incident).count("GET") == 3
