"""How much strangers may take up: what is oldest makes room, and no more of it than is needed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

from aiohttp import web

from responder.web.room import Room

REQUEST = cast(web.Request, SimpleNamespace(transport=None, content_length=1))


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
