"""Replicas on one PostgreSQL: any of them may die or freeze at any time, and there is still one note each."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from responder.demo.pagerduty_account import PagedIncident
from tests.conftest import fresh_database
from tests.faults.daemon import Daemon, Strike
from tests.faults.oracle import Tally, check_one_note
from tests.faults.round_robin import RoundRobin
from tests.faults.sizes import FULL, size
from tests.faults.world import WEBHOOK_TOKEN, Case, World, moment, noted, ours, until
from tests.systems.plugin import Postgres

INCIDENTS = size(full=450, short=60)
ROUNDS = size(full=6, short=1)
EVERY_SECONDS = 0.6
REPEATED_AFTER_SECONDS = 4.0
SENDER_WAITS_SECONDS = 10.0
MOVES_ON_WITHIN_SECONDS = 10.0
LETS_GO = ("work.finishing", "work.left_to_its_lease", "work.failed")
NEWER = [("deliver:carrier_pigeon", "1"), ("escalate", "1")]
pytestmark = [pytest.mark.faults, pytest.mark.system, pytest.mark.timeout(1800 if FULL else 400)]


@pytest.fixture
async def database_url(postgres_server: Postgres) -> AsyncIterator[str]:
    """A database that all of them share."""
    async with fresh_database(postgres_server.dsn) as address:
        yield address


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


@dataclass(frozen=True, kw_only=True)
class Blow:
    """What was done to one replica, and what it had in hand then: kind and key of its work."""

    what: str
    daemon: Daemon
    run: int
    at: float
    in_hand: frozenset[tuple[str, str]]


@dataclass(kw_only=True)
class Stream:
    """A sender of distinct incidents that does not give up, and repeats what was taken, as Alertmanager does.

    `answers`: the body of every 202.
    """

    world: World
    url: str
    http: aiohttp.ClientSession
    every_seconds: float
    paged: dict[Case, PagedIncident] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    refused: Counter[int | None] = field(default_factory=Counter)

    async def send(self, cases: Sequence[Case]) -> None:
        """Each to PagerDuty and to whoever has its turn, side by side; back when all were taken, twice."""
        async with asyncio.TaskGroup() as group:
            for case in cases:
                self.paged[case] = await self.world.page(case)
                group.create_task(self._tell_twice(case))
                await asyncio.sleep(self.every_seconds)

    async def _tell_twice(self, case: Case) -> None:
        await self._tell(case)
        await asyncio.sleep(REPEATED_AFTER_SECONDS)
        await self._tell(case)

    async def _tell(self, case: Case) -> None:
        pause = 0.5  # https://github.com/prometheus/alertmanager/blob/v0.25.0/notify/notify.go
        while (status := await self._post(case)) != 202:
            self.refused[status] += 1
            assert status is None or status == 503, f"no sender would repeat this: {status}"
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 5)

    async def _post(self, case: Case) -> int | None:
        headers = {"Authorization": f"Bearer {WEBHOOK_TOKEN}", "Content-Type": "application/json"}
        try:
            async with self.http.post(f"{self.url}/webhooks/alertmanager", data=case.body, headers=headers) as answer:
                if answer.status == 202:
                    self.answers.append(await answer.json())
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return None


@asynccontextmanager
async def streaming(world: World, url: str, every_seconds: float) -> AsyncIterator[Stream]:
    """A connection for each post, so that each has its own turn."""
    timeout = aiohttp.ClientTimeout(total=SENDER_WAITS_SECONDS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True), timeout=timeout) as http:
        yield Stream(world=world, url=url, http=http, every_seconds=every_seconds)


def in_hand(daemon: Daemon, run: int | None = None) -> frozenset[tuple[str, str]]:
    """What a replica has claimed and not finished, by its log."""
    held: set[tuple[str, str]] = set()
    for it in daemon.events(run=run):
        if it["event"] == "work.claimed":
            held.add((it["work"], it["key"]))
        elif it["event"] == "work.lease_lost" and "row" in it:  # it was frozen before, and another has done it
            kind, _, key = it["row"].partition(" ")
            held.discard((kind, key))
        elif it["event"] in LETS_GO and "work" in it:
            held.discard((it["work"], it["key"]))
    return frozenset(it for it in held if it[0] == "respond")  # in hand for seconds: a strike meets one


async def strike(what: str, daemon: Daemon) -> Blow:
    """Hit it while it looks at something: it stands still first, so that what it has in hand is known."""
    while True:
        await until(lambda: in_hand(daemon), every_seconds=0.05, else_tell=lambda: daemon.log[-3000:])
        await asyncio.to_thread(daemon.freeze)
        at = time.time()
        await until(daemon.is_frozen)
        if held := in_hand(daemon):
            break
        await asyncio.to_thread(daemon.thaw)
    if what == "killed":
        await asyncio.to_thread(daemon.kill)
    return Blow(what=what, daemon=daemon, run=daemon.runs, at=at, in_hand=held)


def moved_on(blow: Blow, others: Sequence[Daemon]) -> dict[tuple[str, str], float]:
    """Of what it had in hand: seconds until another replica has claimed it."""
    after: dict[tuple[str, str], float] = {}
    for daemon, run in ((it, run) for it in others for run in range(1, it.runs + 1)):
        if (daemon, run) == (blow.daemon, blow.run):
            continue
        for it in daemon.events("work.claimed", run=run):
            piece, seconds = (it["work"], it["key"]), moment(it) - blow.at
            if piece in blow.in_hand and seconds > 0:
                after[piece] = min(seconds, after.get(piece, seconds))
    return after


async def strike_in_turn(daemons: Sequence[Daemon], rounds: int) -> list[Blow]:
    """Kill one, freeze one for longer than a lease, restart one, each while the others work; so many times."""
    blows = []
    for number in range(rounds):
        killed, frozen, restarted = (daemons[(number + it) % len(daemons)] for it in range(3))
        blows.append(await strike("killed", killed))
        await until(lambda: len(moved_on(blows[-1], daemons)) == len(blows[-1].in_hand), every_seconds=0.5)
        await asyncio.to_thread(killed.start)
        blows.append(await strike("frozen", frozen))
        await until(lambda: len(moved_on(blows[-1], daemons)) == len(blows[-1].in_hand), every_seconds=0.5)
        await asyncio.to_thread(frozen.thaw)
        assert (await asyncio.to_thread(restarted.terminate))[0] == 0
        await asyncio.to_thread(restarted.start)
    return blows


async def test_three_replicas_that_die_freeze_and_restart_lose_nothing_and_say_nothing_twice(database_url: str) -> None:
    tally = Tally(name="a replica of three killed or frozen with looks in hand", stated=2 * ROUNDS)
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(World.opened())
        world.slow_seconds = 2
        daemons = [await world.daemon(DATABASE_URL=database_url) for _ in range(3)]
        await asyncio.gather(*(world.start(it) for it in daemons))
        await asked_by_a_newer_version(database_url)
        front = await stack.enter_async_context(RoundRobin.opened(daemons))
        stream = await stack.enter_async_context(streaming(world, front.url, EVERY_SECONDS))
        cases = [Case(name=f"KilledStream{n:04d}", service=f"service-{n}") for n in range(INCIDENTS)]

        async with asyncio.TaskGroup() as group:
            sending = group.create_task(stream.send(cases))
            blows = await strike_in_turn(daemons, ROUNDS)
            struck_in_time = not sending.done()
        await until(
            lambda: all(noted(it) for it in stream.paged.values()), 120, else_tell=lambda: daemons[0].log[-5000:]
        )
        await until_settled(database_url)
        await until_kept(database_url, {"incidents": INCIDENTS, "alerts": INCIDENTS, "handled": INCIDENTS})

        for blow in blows:
            seconds = moved_on(blow, daemons)
            shown = ", ".join(f"{it:.1f}" for it in sorted(seconds.values()))
            print(f"{blow.what} with {len(blow.in_hand)} looks in hand; others claimed them after {shown} s")
            tally.count(fell=bool(seconds))
            late = {it: by for it, by in seconds.items() if by > MOVES_ON_WITHIN_SECONDS}
            assert not late, "\n".join(str(it) for daemon in daemons for it in told_of(daemon, late))
        assert struck_in_time, "the stream was over before the last blow"
        print(f"refused and repeated: {dict(stream.refused)}; connections: {front.served}")
        for case, incident in stream.paged.items():
            check_one_note(case, incident)
        assert all(accounted(it) == 1 for it in stream.answers)
        assert await left_of_a_newer_version(database_url) == NEWER
        assert len(front.served) == 3
        assert [it for daemon in daemons for it in failures(daemon)] == []
    tally.check()


def told_of(daemon: Daemon, pieces: Collection[tuple[str, str]]) -> list[dict[str, Any]]:
    """Every line of its log about this work."""
    events = [it for run in range(daemon.runs) for it in daemon.events(run=run + 1)]
    return [it for it in events if (it.get("work"), it.get("key")) in pieces or "row" in it]


def failures(daemon: Daemon) -> list[dict[str, Any]]:
    """What went wrong inside, in all its runs."""
    return [it for run in range(daemon.runs) for it in daemon.events("work.failed", run=run + 1)]


def accounted(answer: Mapping[str, Any]) -> int:
    return sum(answer[it] for it in ("accepted", "duplicates", "stale", "ignored", "quarantined"))


async def kept(url: str) -> dict[str, int]:
    """What the store holds of it."""
    connection = await asyncpg.connect(url)
    try:
        return dict(
            await connection.fetchrow(
                """select (select count(*) from incidents) as incidents, count(*) as alerts,
                   count(*) filter (where handled) as handled from alerts"""
            )
        )
    finally:
        await connection.close()


async def until_kept(url: str, counts: Mapping[str, int]) -> None:
    """An alert that was repeated during a look is marked as handled by the next one, a minute later."""
    found: dict[str, int] = {}

    async def so_many() -> bool:
        found.update(await kept(url))
        return found == counts

    await until(so_many, 120, every_seconds=1, else_tell=lambda: f"{found} is not {counts}")


async def asked_by_a_newer_version(url: str) -> None:
    """Work of kinds that nobody here has heard of, due at once."""
    connection = await asyncpg.connect(url)
    try:
        await connection.executemany("insert into work (kind, key, gravity) values ($1, $2, 0)", NEWER)
    finally:
        await connection.close()


async def left_of_a_newer_version(url: str) -> list[tuple[str, str]]:
    """Of that work, what nobody has touched."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "select kind, key from work where kind = any($1) and attempt = 0 and not held and failures = 0 order by 1",
            [kind for kind, _ in NEWER],
        )
        return [tuple(it) for it in rows]
    finally:
        await connection.close()


async def until_settled(url: str) -> None:
    """Until every note is shown and needs no second look, and whoever woke has had his say."""
    connection = await asyncpg.connect(url)

    async def is_settled() -> bool:
        open_ones = "select count(*) from deliveries where state <> 'visible' or verify"
        return bool(await connection.fetchval(open_ones) == 0)

    try:
        await until(is_settled, 120, every_seconds=0.5)
        await asyncio.sleep(3)
    finally:
        await connection.close()


NEWER_RULES = """
pack: shop
targets:
  api: {http: "${TARGET_URL}", concurrency: 50, per_minute: 6000}
rules:
  - name: till
    summary: Nobody can pay
    match: ['alertname=~"Killed.*"']
    level: critical
    diagnose:
      - http.status: {paths: [/slow], as: slow}
severity:
  levels: {P1: , P2: }
  otherwise: {critical: P1, warning: P2}
"""
OLDER_RULES = NEWER_RULES.replace("Nobody can pay", "Something is odd").replace("level: critical", "level: warning")


async def test_an_incident_keeps_the_newer_rules_that_it_began_with_whoever_looks(
    database_url: str, tmp_path: Path
) -> None:
    async with World.opened() as world:
        world.slow_seconds = 2
        newer = await world.daemon(DATABASE_URL=database_url, RULES=str(written(tmp_path / "newer.yaml", NEWER_RULES)))
        older = await world.daemon(DATABASE_URL=database_url, RULES=str(written(tmp_path / "older.yaml", OLDER_RULES)))
        await world.start(newer)
        begun, after = Case(name="KilledBegun"), Case(name="KilledAfter", service="other")
        incident, later = await world.page(begun), await world.page(after)

        await world.tell(newer, begun)
        await until(lambda: newer.events("readings.kept"))
        await asyncio.to_thread(newer.kill)
        await world.start(older)
        await until(lambda: noted(incident))
        looks = len(older.events("report.composed"))
        await world.tell(older, replace(begun, ends_at=begun.alert.starts_at + timedelta(minutes=5)))
        await until(lambda: len(older.events("report.composed")) > looks)
        told = older.events("report.composed")
        await world.tell(older, after)
        await until(lambda: noted(later))

        assert len(ours(incident)) == 1
        assert "P1" in ours(incident)[0]
        assert "Nobody can pay (KilledBegun: 1 alert firing)" in ours(incident)[0]
        assert len(told) >= 2
        assert all(it["severity"] == "P1" and "Nobody can pay" in it["title"] for it in told)
        assert "Something is odd (KilledAfter: 1 alert firing)" in ours(later)[0]  # what begins with it has the older


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
