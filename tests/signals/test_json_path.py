from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import pytest
from aiohttp import web

from responder.clients.doors import Doors
from responder.model.json_expression import parse_expression
from responder.model.pack import JsonSource, Signal, Target
from responder.model.reading import AnyReading, NoReading, Reading, Sample
from responder.signals.read import read
from tests.systems.plugin import free_port
from tests.systems.servers import Handler

NOW = datetime(2026, 11, 20, 3, 14, tzinfo=UTC)
Serve = Callable[[Handler], Awaitable[str]]
BREAKERS = '{"lead": {"state": "open"}, "mail": {"state": "closed"}, "pay": {"state": "open"}}'


def answering(body: bytes | str, status: int = 200) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body if isinstance(body, bytes) else body.encode())

    return answer


def value(text: str, path: str = "/health") -> JsonSource:
    return JsonSource(target="api", path=path, value=parse_expression(text))


def count(text: str) -> JsonSource:
    return JsonSource(target="api", path="/breakers", count=parse_expression(text))


async def readings_of(
    doors: Doors, address: str, source: JsonSource, *alerts: Mapping[str, str], within_seconds: float = 5.0
) -> tuple[AnyReading, ...]:
    signal = Signal(name="it", unit="count", source=source)
    targets = {"api": Target(name="api", kind="http", address=address)}
    return (await read({signal: 0.0}, alerts, targets, doors, NOW, within_seconds=within_seconds))["it"]


async def reading_of(doors: Doors, address: str, source: JsonSource) -> AnyReading:
    (reading,) = await readings_of(doors, address, source)
    return reading


async def test_a_count_is_the_length_of_a_list(serve: Serve, doors: Doors) -> None:
    base = await serve(answering(BREAKERS))

    reading = await reading_of(doors, base, count("values(@)[?state=='open']"))

    assert reading == Reading(
        signal="it",
        value=2.0,
        at=NOW,
        past=(Sample(at=NOW, value=2.0),),
        step_seconds=15.0,
        origin=f"count values(@)[?state=='open'] of GET {base}/breakers",
    )


@pytest.mark.parametrize(
    ("body", "expression", "number"),
    [
        ('{"queue": {"depth": 12}}', "queue.depth", 12.0),
        ('{"share": 0.25}', "share", 0.25),
        ('{"ready": true}', "ready", 1.0),
        ('{"ready": false}', "ready", 0.0),
        ("[1, 2, 3]", "sum(@)", 6.0),
        ('\ufeff{"a": -1e3}', "a", -1000.0),
        ("7", "@", 7.0),
    ],
)
async def test_a_value_is_a_number_and_true_is_one(
    body: str, expression: str, number: float, serve: Serve, doors: Doors
) -> None:
    reading = await reading_of(doors, await serve(answering(body)), value(expression))

    assert isinstance(reading, Reading)
    assert reading.value == number


@pytest.mark.parametrize("status", [404, 500, 503])
async def test_the_body_is_read_whatever_the_status(status: int, serve: Serve, doors: Doors) -> None:
    reading = await reading_of(doors, await serve(answering('{"open": 3}', status)), value("open"))

    assert isinstance(reading, Reading)
    assert reading.value == 3.0


@pytest.mark.parametrize(
    ("body", "source", "why"),
    [
        ("<html>s3cret", value("a"), "/health: HTTP 503, the answer is not JSON"),
        ("", value("a"), "/health: HTTP 503, the answer is empty, expected JSON"),
        ("NaN", value("@"), "/health: HTTP 503, the answer is not JSON"),
        ('{"a": "s3cret"}', value("a"), "/health: HTTP 503, `a` gives text, expected a number"),
        ('{"a": {"b": "s3cret"}}', value("a"), "/health: HTTP 503, `a` gives an object, expected a number"),
        ('{"b": "s3cret"}', value("a"), "/health: HTTP 503, `a` gives nothing, expected a number"),
        ('{"a": 1e999}', value("a"), "/health: HTTP 503, `a` gives a number that is too large"),
        (f'{{"a": {"9" * 400}}}', value("a"), "/health: HTTP 503, `a` gives a number that is too large"),
        ('{"s3cret": 1}', count("@"), "/breakers: HTTP 503, `@` gives an object, expected a list"),
        ("3", count("@"), "/breakers: HTTP 503, `@` gives a number, expected a list"),
        ("{}", count("open"), "/breakers: HTTP 503, `open` gives nothing, expected a list"),
        ('["s3cret"]', count("values(@)"), "/breakers: HTTP 503, values() got a list"),
        ("[" * 100_000, value("a"), "/health: HTTP 503, the answer is not JSON"),
        (" " * 1_100_000 + "1", value("@"), "/health: HTTP 503, the answer is larger than 1 MiB"),
        (
            "[" + "1," * 400_000 + "1]",
            count("@[?@ > `0`]"),
            "/breakers: HTTP 503, the expression takes more than 1,000,000 steps on this answer",
        ),
    ],
)
async def test_what_gives_no_number_is_unknown_and_quotes_nothing(
    body: str, source: JsonSource, why: str, serve: Serve, doors: Doors
) -> None:
    base = await serve(answering(body, 503))

    reading = await reading_of(doors, base, source)

    assert reading == NoReading(signal="it", why=base + why, at=NOW, step_seconds=15.0)


async def test_no_answer_is_unknown(doors: Doors) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    reading = await reading_of(doors, address, value("a"))

    assert isinstance(reading, NoReading)
    assert reading.why == f"{address}: connection refused"


async def test_a_label_in_the_path_is_one_part_of_it_and_read_for_each_value(serve: Serve, doors: Doors) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"depth": len(request.raw_path)})

    base = await serve(answer)
    source = value("depth", path="/queues/{{ labels.queue }}")

    readings = await readings_of(doors, base, source, {"queue": "mail"}, {"queue": "a/b?c"}, {"queue": "mail"}, {})

    assert [(it.labels, getattr(it, "value", None) or getattr(it, "why", None)) for it in readings] == [
        ((("queue", "mail"),), float(len("/queues/mail"))),
        ((("queue", "a/b?c"),), float(len("/queues/a%2Fb%3Fc"))),
        ((), "label queue is missing"),
    ]


async def test_a_label_never_leads_out_of_the_path(serve: Serve, doors: Doors) -> None:
    source = value("a", path="/queues/{{ labels.queue }}/depth")

    (reading,) = await readings_of(doors, await serve(answering('{"a": 1}')), source, {"queue": ".."})

    assert isinstance(reading, NoReading)
    assert "leads out of the base address" in reading.why
