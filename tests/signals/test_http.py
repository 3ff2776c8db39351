import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from aiohttp import web

from responder.clients.doors import Doors
from responder.model.pack import HttpSource, Signal, Target, Unit
from responder.model.reading import AnyReading, NoReading, Reading, Sample
from responder.signals.read import read
from tests.systems.plugin import free_port
from tests.systems.servers import Handler

NOW = datetime(2026, 11, 20, 3, 14, tzinfo=UTC)
Serve = Callable[[Handler], Awaitable[str]]


async def answer(request: web.Request) -> web.Response:
    """/503 answers 503; /hang never; /slow after 50 ms."""
    if request.path == "/hang":
        await asyncio.Event().wait()
    if request.path == "/slow":
        await asyncio.sleep(0.05)
    return web.Response(status=int(request.path[1:]) if request.path[1:].isdecimal() else 200)


async def reading_of(
    doors: Doors, address: str, source: HttpSource, *, unit: Unit = "percent", within_seconds: float = 5.0
) -> AnyReading:
    signal = Signal(name="it", unit=unit, source=source)
    targets = {"api": Target(name="api", kind="http", address=address)}
    return (await read({signal: 0.0}, [], targets, doors, NOW, within_seconds=within_seconds))["it"][0]


@pytest.mark.parametrize(
    ("paths", "value"),
    [
        (("/200",), 100.0),
        (("/302",), 100.0),
        (("/404",), 0.0),
        (("/503", "/500"), 0.0),
        (("/503", "/200"), 100.0),
        (("/hang", "/hang", "/hang", "/200"), 100.0),
        (("/hang",), 0.0),
    ],
)
async def test_up_is_100_when_any_path_answers_well(
    paths: tuple[str, ...], value: float, serve: Serve, doors: Doors
) -> None:
    base = await serve(answer)
    reading = await reading_of(doors, base, HttpSource(target="api", up=paths), within_seconds=0.5)

    assert reading == Reading(
        signal="it",
        value=value,
        at=NOW,
        past=(Sample(at=NOW, value=value),),
        step_seconds=15.0,
        origin=f"GET {base}{', '.join(paths)}",
    )


async def test_no_answer_is_down_and_not_unknown(doors: Doors) -> None:
    source = HttpSource(target="api", up=("/",), step_seconds=30.0)
    reading = await reading_of(doors, f"http://127.0.0.1:{free_port()}", source)

    assert isinstance(reading, Reading)
    assert (reading.value, reading.step_seconds) == (0.0, 30.0)


async def test_a_ratio_goes_to_one(serve: Serve, doors: Doors) -> None:
    reading = await reading_of(doors, await serve(answer), HttpSource(target="api", up=("/",)), unit="ratio")

    assert isinstance(reading, Reading)
    assert reading.value == 1.0


@pytest.mark.parametrize(
    ("address", "path", "why"),
    [
        ("${API_URL}", "/", "API_URL is not set"),
        ("http://127.0.0.1:1", "//evil", "could name another host"),
        ("http://169.254.169.254", "/", "a cloud metadata address, which may not be looked at"),
    ],
)
async def test_what_we_may_not_ask_is_unknown_and_not_down(address: str, path: str, why: str, doors: Doors) -> None:
    reading = await reading_of(doors, address, HttpSource(target="api", up=(path,)))

    assert isinstance(reading, NoReading)
    assert why in reading.why


async def test_time_is_that_of_one_get(serve: Serve, doors: Doors) -> None:
    base = await serve(answer)
    seconds = await reading_of(doors, base, HttpSource(target="api", time="/slow"), unit="seconds")
    milliseconds = await reading_of(doors, base, HttpSource(target="api", time="/slow"), unit="milliseconds")

    assert isinstance(seconds, Reading)
    assert isinstance(milliseconds, Reading)
    assert 0.05 <= seconds.value < 5
    assert 50 <= milliseconds.value < 5000
    assert seconds.origin == f"time of GET {base}/slow"


async def test_no_time_without_an_answer(serve: Serve, doors: Doors) -> None:
    source = HttpSource(target="api", time="/hang")
    reading = await reading_of(doors, await serve(answer), source, unit="seconds", within_seconds=0.2)

    assert isinstance(reading, NoReading)
    assert reading.why == "no answer from api within 0.2 s"
