"""Whether something answers, or how long it takes."""

from __future__ import annotations

import asyncio
import math

from responder.clients.doors import Doors
from responder.clients.http import HttpDoor
from responder.errors import CouldNotLook, Unreachable
from responder.model.reading import AnyReading
from responder.model.sources import HttpSource
from responder.signals.signal import Wanted, converted, filled_path, sampled

SHARE_OF_TIME = 0.9  # a server that hangs is known to be down before the time of the whole reading is over


async def read_http(wanted: Wanted, doors: Doors) -> AnyReading:
    """`up`: 100 % when any path answers below 400, else 0 %; no answer is 0 %. `time`: seconds of one GET."""
    source = wanted.signal.source
    assert isinstance(source, HttpSource)
    door = doors.http(wanted.target)
    if source.time is not None:
        path = filled_path(source.time, wanted)
        answer = await door.get(path)
        value = converted(answer.took_seconds, "seconds", wanted.signal.unit)
        return sampled(wanted, value, f"time of GET {door.shown}{path}")
    paths = tuple(filled_path(it, wanted) for it in source.up)
    up = await _any_up(door, paths, wanted)
    value = converted(100.0 if up else 0.0, "percent", wanted.signal.unit)
    return sampled(wanted, value, f"GET {door.shown}{', '.join(paths)}")


async def _any_up(door: HttpDoor, paths: tuple[str, ...], wanted: Wanted) -> bool:
    """Ask all paths at once; the first good answer ends it. Raises what kept us from asking when none was good."""
    rounds = math.ceil(len(paths) / wanted.target.concurrency)
    within = wanted.within_seconds * SHARE_OF_TIME / max(rounds, 1)
    refused: list[CouldNotLook] = []
    good = False

    async def ask(path: str) -> None:
        nonlocal good
        try:
            good = await _is_up(door, path, within) or good
        except CouldNotLook as reason:
            refused.append(reason)
        if good:
            for task in asking:
                task.cancel()

    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(ask(path)) for path in paths]
    if refused and not good:
        raise refused[0]
    return good


async def _is_up(door: HttpDoor, path: str, within_seconds: float) -> bool:
    try:
        answer = await door.get(path, within_seconds=within_seconds)
    except Unreachable:
        return False
    return answer.status < 400
