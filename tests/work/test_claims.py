"""How many pieces of work are taken up at once: many, but few while webhooks need the processor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest
import structlog
import structlog.testing

from responder.store.clock import DatabaseClock
from responder.store.store import FOR_THE_REST, Store
from responder.store.work import Ask, Claimed, ask, behind, claim, finish, next_due_in, renew
from responder.work.desk import OVER, Desk, Next
from responder.work.work import GIVES_WAY_BY_SECONDS, MOST_IN_LINE, PRESSED_SECONDS, Kind, Worker

ROWS = 20


async def test_while_acceptance_is_pressed_work_is_taken_up_one_by_one_and_none_is_left(store: Store) -> None:
    started: list[str] = []
    may_end = asyncio.Event()
    pressed = True

    async def look(row: Claimed, _: Desk) -> Next:
        started.append(row.key)
        await may_end.wait()
        return OVER

    async with store.transaction() as connection:
        await ask(connection, [Ask(kind="look", key=str(at)) for at in range(ROWS)])
    desk = cast(Any, SimpleNamespace(store=store))
    worker = Worker(desk, [Kind(name="look", do=look, at_once=ROWS)], is_pressed=lambda: pressed)
    loop = asyncio.get_running_loop()
    began = loop.time()
    running = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(30):
            while len(started) < 3:
                await asyncio.sleep(0.01)
        assert len(started) <= 1 + (loop.time() - began) / PRESSED_SECONDS
        pressed = False
        async with asyncio.timeout(30):
            while len(started) < ROWS:
                await asyncio.sleep(0.01)
        assert sorted(started, key=int) == [str(at) for at in range(ROWS)]
    finally:
        may_end.set()
        worker.stop()
        await running


async def test_an_error_of_the_database_is_waited_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    done = asyncio.Event()

    async def look(_: DatabaseClock, __: Store) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise asyncpg.DeadlockDetectedError("Key (key)=(what is kept)")

    async def do(row: Claimed, _: Desk) -> Next:
        done.set()
        return OVER

    monkeypatch.setattr(DatabaseClock, "look", look)
    async with store.transaction() as connection:
        await ask(connection, [Ask(kind="look", key="a")])
    worker = Worker(cast(Any, SimpleNamespace(store=store)), [Kind(name="look", do=do)])
    with structlog.testing.capture_logs() as said:
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            group.create_task(worker.run())
            await done.wait()
            worker.stop()

    waits = {"event": "work.waits", "why": "store: DeadlockDetectedError", "log_level": "warning"}
    assert [it for it in said if it["event"] == "work.waits"] == [waits]


@asynccontextmanager
async def full(store: Store, *, waiting: int) -> AsyncIterator[None]:
    """Every connection for work is taken, and so many more wait for one."""
    over = asyncio.Event()

    async def hold() -> None:
        async with store.connection():
            await over.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(FOR_THE_REST + waiting):
            group.create_task(hold())
        while store.in_line < waiting:
            await asyncio.sleep(0)
        try:
            yield
        finally:
            over.set()


@asynccontextmanager
async def working(store: Store, *kinds: Kind, may_end: asyncio.Event) -> AsyncIterator[Worker]:
    worker = Worker(cast(Any, SimpleNamespace(store=store)), kinds)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        may_end.set()
        worker.stop()
        await running


async def asked(store: Store, kind: str, number: int) -> None:
    async with store.transaction() as connection:
        await ask(connection, [Ask(kind=kind, key=str(at)) for at in range(number)])


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_what_keeps_work_going_does_not_stand_in_line_behind_it(store: Store) -> None:
    await asked(store, "look", 2)
    listening = asyncio.Event()

    async def listen() -> None:
        async with store.housekeeping():  # as who waits for news does, for good
            listening.set()
            await asyncio.Event().wait()

    listener = asyncio.create_task(listen())
    await listening.wait()
    async with full(store, waiting=300), asyncio.timeout(9):  # sooner than the line gives up
        assert await store.writable()
        first, second = await claim(store, "look", limit=2, lease_seconds=9)
        await renew(store, first, lease_seconds=9)
        await finish(store, first, next_in=0)
        assert await next_due_in(store, ["look"]) is not None
        assert await behind(store, ["look"], by_seconds=-1) == ["look"]
        await finish(store, second)
        assert store.in_line == 300
    listener.cancel()


async def test_while_many_wait_for_a_connection_one_of_each_kind_is_taken_up_and_no_more(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    may_end = asyncio.Event()

    async def look(row: Claimed, _: Desk) -> Next:
        started.append(row.kind)
        await may_end.wait()
        return OVER

    await asked(store, "look", ROWS)
    await asked(store, "other", ROWS)
    async with full(store, waiting=MOST_IN_LINE):
        kinds = [Kind(name=it, do=look, at_once=ROWS) for it in ("look", "other")]
        async with working(store, *kinds, may_end=may_end) as worker:
            await until(lambda: len(started) == 2)
            turns, moved_at = 0, worker.moved_at
            while turns < 3:  # it has looked for more
                await asyncio.sleep(0.01)
                turns, moved_at = turns + (worker.moved_at != moved_at), worker.moved_at
            assert sorted(started) == ["look", "other"]
            monkeypatch.setattr("responder.work.work.UNCLAIMED_SECONDS", 0.0)
            assert await worker.stuck() == []  # it is only busy


async def test_hundreds_that_wait_for_something_else_are_held_at_once(store: Store) -> None:
    started: list[str] = []
    may_end = asyncio.Event()

    async def look(row: Claimed, _: Desk) -> Next:
        async with store.connection() as connection:
            await connection.fetchval("select 1")
        started.append(row.key)
        await may_end.wait()
        return OVER

    await asked(store, "look", 256)
    async with working(store, Kind(name="look", do=look, at_once=256), may_end=may_end):
        await until(lambda: len(started) == 256)


async def test_who_could_not_reach_a_sink_leaves_what_becomes_due_to_others_for_a_while(store: Store) -> None:
    """A replica that is cut off fails quickest: it would be the first at each row again."""
    cut_off, done = True, asyncio.Event()
    by: list[str] = []

    def of(name: str) -> Worker:
        async def send(row: Claimed, _: Desk) -> Next:
            if row.key == "last":
                by.append(name)
                done.set()
            return Next(unreachable=name == "cut off" and cut_off)

        return Worker(cast(Any, SimpleNamespace(store=store)), [Kind(name="send", do=send)])

    async def asked_for(key: str) -> None:
        async with store.transaction() as connection:
            await ask(connection, [Ask(kind="send", key=key)])

    one = of("cut off")
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        await asked_for("first")
        group.create_task(one.run())
        await until_gone(store)
        before = asyncio.get_running_loop().time()
        await asked_for("last")
        await done.wait()
        one.stop()

    assert by == ["cut off"]  # alone it goes on, a little later
    assert asyncio.get_running_loop().time() - before >= GIVES_WAY_BY_SECONDS
    by.clear()
    done.clear()
    other = of("other")
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for it in (one, other):
            it._stopping.clear()
            group.create_task(it.run())
        await asked_for("last")
        await done.wait()
        one.stop()
        other.stop()

    assert by == ["other"]


async def test_where_there_is_no_turn_nothing_is_claimed_until_there_is_one_and_then_the_gravest(store: Store) -> None:
    tried: list[tuple[str, float]] = []
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    async def send(row: Claimed, _: Desk) -> Next:
        tried.append((row.key, loop.time()))
        if len(tried) == 1:
            await asked_for("mild", gravity=4)
            await asked_for("grave", gravity=0)
            return Next(in_seconds=0.0, rests=1.5)
        if len(tried) == 4:
            done.set()
        return OVER

    async def asked_for(key: str, gravity: int) -> None:
        async with store.transaction() as connection:
            await ask(connection, [Ask(kind="send", key=key, gravity=gravity)])

    await asked_for("first", gravity=4)
    worker = Worker(cast(Any, SimpleNamespace(store=store)), [Kind(name="send", do=send, at_once=1)])
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(worker.run())
        await done.wait()
        worker.stop()

    assert [it for it, _ in tried][:2] == ["first", "grave"]
    assert tried[1][1] - tried[0][1] >= 1.5


async def until_gone(store: Store) -> None:
    """Until nothing is left to do."""
    async with store.connection() as connection:
        while await connection.fetchval("select count(*) from work"):
            await asyncio.sleep(0.01)
