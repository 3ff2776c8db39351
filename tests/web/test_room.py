"""How much strangers may take up: what is oldest makes room, and no more of it than is needed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import time
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from responder.web.room import (
    BROKEN_OFF_AT_MOST,
    HELD_UP_SECONDS,
    PARSED_CAREFULLY_BYTES,
    Room,
    ask_for_descriptors,
    connections_that_fit,
)

REQUEST = cast(web.Request, SimpleNamespace(transport=None, content_length=1))


@pytest.fixture
def descriptors() -> Iterator[Callable[[int], None]]:
    """Allow so many; what was allowed comes back."""
    given = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda soft: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, given[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, given)


@pytest.mark.parametrize(("allowed", "connections"), [(712, 512), (711, 511), (256, 56), (210, 32)])
def test_connections_leave_the_rest_of_the_daemon_its_descriptors(
    descriptors: Callable[[int], None], allowed: int, connections: int
) -> None:
    descriptors(allowed)

    with capture_logs() as said:
        fit = connections_that_fit()

    assert fit == connections
    assert [it["event"] for it in said] == (["connections.few"] if connections < 512 else [])


def test_as_many_descriptors_are_asked_for_as_there_may_be(descriptors: Callable[[int], None]) -> None:
    descriptors(256)

    ask_for_descriptors()

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == (4096 if hard == resource.RLIM_INFINITY else min(4096, hard))


class Ring:
    """Garbage that only a look for it takes away."""

    itself: Ring


async def test_one_body_that_is_given_up_makes_room_for_more_than_its_next_piece() -> None:
    room = Room(most_bytes=100)
    came: list[Callable[[int], None]] = []
    given_up: list[int] = []

    async def body(number: int) -> None:
        try:
            async with asyncio.timeout(60) as deadline:
                with room.arriving(REQUEST, deadline) as piece:
                    came.append(piece)
                    await asyncio.Event().wait()
        except TimeoutError:
            given_up.append(number)

    async with asyncio.TaskGroup() as group:
        bodies = [group.create_task(body(number)) for number in range(4)]
        while len(came) < len(bodies):
            await asyncio.sleep(0)
        for piece in came:
            piece(30)
        came[3](10)  # before the first has had its turn to go
        came[0](50)  # what still comes of it counts for nothing
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(bodies[0]), 5)
        for it in bodies[1:]:
            it.cancel()

    assert given_up == [0]


async def test_what_broken_off_bodies_leave_behind_is_looked_for() -> None:
    room = Room()
    left: list[weakref.ref[Ring]] = []
    gc.disable()
    try:
        for _ in range(BROKEN_OFF_AT_MOST):
            ring = Ring()
            ring.itself = ring
            left.append(weakref.ref(ring))
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(60) as deadline:
                    with room.arriving(REQUEST, deadline):
                        raise ConnectionError
        still_there = sum(it() is not None for it in left)
    finally:
        gc.enable()

    assert still_there <= 1  # the last one is at hand


async def test_only_a_body_that_took_the_processor_makes_the_next_ones_be_parsed_in_a_thread() -> None:
    """In a storm the database has it now and then, and each body would pay for a thread."""
    room = Room()
    with room.holding_up():
        time.sleep(2 * HELD_UP_SECONDS)
    waited = room.may_hold_up(PARSED_CAREFULLY_BYTES + 1)
    with room.holding_up():
        ends = time.thread_time() + 2 * HELD_UP_SECONDS
        while time.thread_time() < ends:
            pass

    assert (waited, room.may_hold_up(PARSED_CAREFULLY_BYTES + 1)) == (False, True)
