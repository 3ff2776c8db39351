import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from responder.clients.breaker import FAILURES
from responder.clients.doors import Doors
from responder.clients.postgres_queries import NamedQuery
from responder.diagnostics import share
from responder.diagnostics.catalogue import catalogue
from responder.diagnostics.examine import Examination
from responder.diagnostics.plan import Ask
from responder.diagnostics.share import Shared
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from tests.diagnostics.test_diagnostic import asked
from tests.systems.plugin import Postgres

NOW = datetime(2026, 11, 20, 3, 14, tzinfo=UTC)
TARGET = Target(name="api", kind="http", address="http://127.0.0.1:1")
# Each query of ours is a transaction that is rolled back; the server adds them up when a session ends.
COUNTED = "select sessions, xact_rollback from pg_stat_database where datname = 'postgres'"
SLEEP = NamedQuery(name="sleep", sql="select pg_sleep(60)::text as slept")


class Limited(Parameters):
    limit: int = 1


class Held:
    """Answers when it is let go; counts how often it was asked, and how often it was cancelled."""

    name, target_kind, question, parameters, marks = "held", "http", "?", Limited, frozenset[str]()

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.asked = self.cancelled = 0

    async def examine(self, target: Target, parameters: Any, doors: Doors) -> Finding:
        self.asked += 1
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Finding(check="held", target=target.name, outcome=Outcome.HEALTHY, headline=f"answer {self.asked}")


class Sleeps(Held):
    """Asks PostgreSQL for what takes a minute."""

    async def examine(self, target: Target, parameters: Any, doors: Doors) -> Finding:
        await doors.postgres(target).fetch(SLEEP)
        raise AssertionError("it is given up before")


class Clock:
    """A minute later each time it is looked at."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


@pytest.fixture
async def held() -> Held:
    return Held()


@pytest.fixture
async def looks(held: Held) -> AsyncIterator[Callable[..., Examination]]:
    """`looks()`: the examination of one more incident; all of them share."""
    shared, clock, doors = Shared(), Clock(), Doors({})

    def one(*, limit: int = 1, target: Target = TARGET, name: str = "it", **more: Any) -> Examination:
        question = Ask(name=name, check="held", target=target, parameters=Limited(limit=limit), called=name)
        given: dict[str, Any] = {"shared": shared, "clock": clock} | more
        return Examination([question], {"held": held}, doors, on_finding=_told, **given)

    yield one
    await doors.close()


async def _told(_: Finding) -> None:
    pass


async def test_who_comes_while_it_is_looked_for_gets_the_same_answer_and_its_age(held: Held, looks: Any) -> None:
    async with looks() as first, looks(name="another rule's") as second:
        await asyncio.sleep(0)
        held.let_go.set()
        await first.wait(5)
        await second.wait(5)

    (one,), (other,) = first.findings, second.findings
    assert (held.asked, one.headline, other.headline) == (1, "answer 1", "answer 1")
    assert one.asked_at == other.asked_at
    assert (one.name, other.name) == ("it", "another rule's")


async def test_another_limit_or_target_is_another_question(held: Held, looks: Any) -> None:
    held.let_go.set()
    elsewhere = Target(name="api", kind="http", address="http://127.0.0.1:2")

    async with looks() as first, looks(limit=2) as second, looks(target=elsewhere) as third:
        for it in (first, second, third):
            await it.wait(5)

    assert held.asked == 3


async def test_an_answer_of_just_now_is_taken_only_by_who_says_so(held: Held, looks: Any) -> None:
    held.let_go.set()
    findings = []
    for within in (0.0, 60.0, 0.0):
        async with looks(answered_within_seconds=within) as it:
            await it.wait(5)
        findings += it.findings

    assert [it.headline for it in findings] == ["answer 1", "answer 1", "answer 2"]
    assert findings[0].asked_at == findings[1].asked_at


async def test_who_leaves_costs_the_others_nothing_and_the_last_one_gives_it_up(held: Held, looks: Any) -> None:
    async with looks() as waits:
        async with looks(timeout_seconds=0.01) as leaves:
            await leaves.wait(5)
        assert [it.headline for it in leaves.findings] == ["no answer within 0.01 s"]
        assert held.cancelled == 0
        held.let_go.set()
        await waits.wait(5)
    assert [it.headline for it in waits.findings] == ["answer 1"]

    held.let_go.clear()
    async with looks(), looks():
        await asyncio.sleep(0.01)
    assert (held.asked, held.cancelled) == (2, 1)


async def test_what_has_been_open_for_long_is_asked_anew(
    held: Held, looks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share, "JOINED_SECONDS", 0.0)

    async with looks():
        await asyncio.sleep(0.01)
        async with looks():
            await asyncio.sleep(0.01)
            assert held.asked == 2


async def test_what_is_kept_is_bounded(held: Held, looks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "MOST_KEPT", 10)
    shared = Shared()
    held.let_go.set()

    for limit in range(50):
        async with looks(limit=limit, shared=shared) as it:
            await it.wait(5)

    assert len(shared._questions) <= 10


@pytest.mark.system
async def test_two_hundred_incidents_ask_one_database_once_for_each_question(
    postgres: Postgres, connect: Callable[..., Any]
) -> None:
    """Counted by the database itself."""
    admin, doors, shared, clock = await connect(), Doors({}), Shared(), Clock()
    target = Target(name="database", kind="postgres", address=postgres.readonly_dsn, per_minute=1000)
    checks = {name: it for name, it in catalogue().items() if name in ("postgres.locks", "postgres.connections")}
    asks = [Ask(name=name, check=name, target=target, parameters=asked(it)) for name, it in checks.items()]
    before = await admin.fetchrow(COUNTED)

    async with AsyncExitStack() as stack:
        incidents = [
            await stack.enter_async_context(
                Examination(asks, checks, doors, clock=clock, on_finding=_told, shared=shared, timeout_seconds=60)
            )
            for _ in range(200)
        ]
        for it in incidents:
            await it.wait(60)
    await doors.close()
    async with asyncio.timeout(20):
        while (after := await admin.fetchrow(COUNTED))["xact_rollback"] == before["xact_rollback"]:
            await asyncio.sleep(0.02)

    assert {it.outcome for one in incidents for it in one.findings} == {Outcome.HEALTHY}
    assert {len(it.findings) for it in incidents} == {2}
    assert doors.tally(target).asked == 3  # locks take one query where nobody waits, connections two
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 3]  # sessions, queries
    assert len({(it.check, it.asked_at) for one in incidents for it in one.findings}) == 2  # its age is in each


@pytest.mark.system
async def test_a_question_that_nobody_wants_any_more_ends_on_the_server_too(
    postgres: Postgres, connect: Callable[..., Any]
) -> None:
    running = "select count(*) from pg_stat_activity where application_name = 'responder' and wait_event = 'PgSleep'"
    admin, doors = await connect(), Doors({})
    target = Target(name="database", kind="postgres", address=postgres.readonly_dsn)
    question = Ask(name="it", check="sleeps", target=target, parameters=Limited())
    given: dict[str, Any] = {"clock": lambda: NOW, "on_finding": _told, "shared": Shared(), "timeout_seconds": 60}

    async with (
        Examination([question], {"sleeps": Sleeps()}, doors, **given),
        Examination([question], {"sleeps": Sleeps()}, doors, **given),
    ):
        while not await admin.fetchval(running):
            await asyncio.sleep(0.01)
        assert await admin.fetchval(running) == 1

    async with asyncio.timeout(8):  # by itself it would end after the 15 s that our sessions give a statement
        while await admin.fetchval(running):
            await asyncio.sleep(0.01)
    await doors.close()


@pytest.mark.parametrize("known", [False, True], ids=["not known to hang", "known to hang"])
async def test_a_target_that_hangs_holds_up_no_other_and_once_it_is_known_not_even_its_own_checks(
    known: bool, raw_server: Callable[[bytes | None], Awaitable[int]], serve: Callable[..., Awaitable[str]]
) -> None:
    moment = [1000.0]
    doors = Doors({}, clock=lambda: moment[0])
    checks = {"http.status": catalogue()["http.status"]}
    hangs = Target(name="hangs", kind="http", address=f"http://127.0.0.1:{await raw_server(None)}", concurrency=9)
    well = Target(name="well", kind="http", address=await serve(_all_is_well))
    asks = [
        Ask(name=it.name, check="http.status", target=it, parameters=asked(checks["http.status"]), timeout_seconds=300)
        for it in (hangs, well)
    ]
    given: dict[str, Any] = {"clock": lambda: NOW, "on_finding": _told, "shared": Shared()}
    if known:
        for _ in range(FAILURES):
            asking = asyncio.get_running_loop().create_task(doors.http(hangs).get("/"))
            while doors.tally(hangs).asked < _ + 1:
                await asyncio.sleep(0.01)
            moment[0] += 1
            asking.cancel()
            await asyncio.wait({asking})

    async with Examination(asks, checks, doors, **given) as it, asyncio.timeout(60):
        while len(it.findings) < (2 if known else 1):
            await asyncio.sleep(0.01)
        told, still_looking = it.findings, it.still_looking
    await doors.close()

    assert next(it.headline for it in told if it.target == "well").startswith("/ 200 in ")
    assert still_looking == (() if known else ("hangs",))
    if known:
        why = "not asked for 30 s more after 3 failures in a row, the last: given up before it answered"
        assert (told[0].outcome, told[0].headline[: len(why)]) == (Outcome.INCONCLUSIVE, why)


async def _all_is_well(_: web.Request) -> web.Response:
    return web.Response(text="ok")
