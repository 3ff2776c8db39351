"""How many pieces of work are taken up at once: many, but few while webhooks need the processor."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest
import structlog
import structlog.testing

from responder.store.clock import DatabaseClock
from responder.store.store import Store
from responder.store.work import Ask, Claimed, ask
from responder.work.desk import OVER, Desk, Next
from responder.work.work import PRESSED_SECONDS, Kind, Worker

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
