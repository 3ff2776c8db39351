"""Exposition pages over real HTTP, and what grows between two of our looks at them."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from responder.clients.doors import Doors
from responder.model.growth import measured
from responder.model.pack import Bound, Signal, Target
from responder.model.reading import AnyReading, Measure, NoReading, Reading
from responder.model.sources import MetricsSource, Unit
from responder.signals.history import with_history
from responder.signals.read import read
from tests.systems.servers import Handler

NOW = datetime(2026, 11, 20, 3, 14, tzinfo=UTC)
Serve = Callable[[Handler], Awaitable[str]]


class Service:
    """What a service counts, on the page of a real client library."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.scored = Counter("scored", "Scored", ["how"], registry=self.registry)
        self.queue = Gauge("queue", "Waiting", ["name"], registry=self.registry)
        self.asked: list[str] = []
        self.status = 200

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        return web.Response(body=generate_latest(self.registry), content_type="text/plain", status=self.status)


@pytest.fixture
def service() -> Service:
    return Service()


async def sample(
    doors: Doors, base: str, how: Measure, *selectors: str, unit: Unit = "percent", seconds: float = 0.0, **labels: str
) -> AnyReading:
    source = MetricsSource(target="api", path="/metrics", how=how, selectors=selectors)
    targets = {"api": Target(name="api", kind="http", address=base, per_minute=9999)}
    signal = Signal(name="it", unit=unit, source=source)
    now = NOW + timedelta(seconds=seconds)
    return (await read({signal: 30.0}, [labels], targets, doors, now, within_seconds=5))["it"][0]


async def test_a_value_is_the_sum_of_the_series_that_fit(serve: Serve, doors: Doors, service: Service) -> None:
    for name, waiting in (("mail", 3), ("sms", 4), ("audit", 100)):
        service.queue.labels(name).set(waiting)

    reading = await sample(doors, await serve(service.answer), "value", 'queue{name=~"mail|sms"}', unit="count")

    assert isinstance(reading, Reading)
    assert (reading.value, reading.measure, reading.step_seconds) == (7.0, "value", 15.0)
    assert reading.origin.startswith('value of queue{name=~"mail|sms"} at GET http://127.0.0.1:')


async def test_a_ratio_needs_two_of_our_samples(serve: Serve, doors: Doors, service: Service) -> None:
    base = await serve(service.answer)
    service.scored.labels("model").inc(500)
    service.scored.labels("fallback").inc(400)
    part, whole = 'scored_total{how="fallback"}', "scored_total"

    first = await sample(doors, base, "ratio", part, whole)
    service.scored.labels("model").inc(70)
    service.scored.labels("fallback").inc(30)
    second = await sample(doors, base, "ratio", part, whole, seconds=15)

    assert isinstance(first, Reading)
    assert isinstance(second, Reading)
    assert math.isnan(first.value)
    merged = with_history(second, first.past)
    assert isinstance(merged, Reading)
    assert measured(Bound(operator=">", number=0, for_seconds=0, text=""), merged).value == pytest.approx(30.0)
    assert [it.counts for it in merged.past] == [(), ()]


async def test_a_selector_that_nothing_fits_is_nothing_of_a_counter_and_unknown_of_a_value(
    serve: Serve, doors: Doors, service: Service
) -> None:
    base = await serve(service.answer)
    service.scored.labels("model").inc()
    service.queue.labels("mail").set(1)

    rate = await sample(doors, base, "rate", 'scored_total{how="fallback"}', unit="per_second")
    value = await sample(doors, base, "value", 'queue{name="sms"}', unit="count")

    assert isinstance(rate, Reading)
    assert rate.past[0].value == 0.0
    assert isinstance(value, NoReading)
    assert value.why.endswith('/metrics: HTTP 200, no series fits queue{name="sms"}')


@pytest.mark.parametrize(
    ("status", "selector", "why"),
    [
        (200, "scorde_total", "HTTP 200, `scorde_total` is not on the page"),
        (500, "scored_total", "HTTP 500, not a page of metrics"),
    ],
)
async def test_what_is_not_there_is_unknown_and_not_zero(
    status: int, selector: str, why: str, serve: Serve, doors: Doors, service: Service
) -> None:
    service.status = status
    reading = await sample(doors, await serve(service.answer), "rate", selector, unit="per_second")

    assert isinstance(reading, NoReading)
    assert reading.why.endswith(why)


async def test_a_page_that_is_cut_is_unknown(serve: Serve, doors: Doors) -> None:
    async def long(_: web.Request) -> web.Response:
        return web.Response(text="up 1\n" + "# x\n" * 300_000)

    reading = await sample(doors, await serve(long), "value", "up", unit="count")

    assert isinstance(reading, NoReading)
    assert reading.why.endswith("the page is larger than 1 MiB")


async def test_not_a_number_is_unknown(serve: Serve, doors: Doors, service: Service) -> None:
    service.queue.labels("mail").set(math.nan)
    reading = await sample(doors, await serve(service.answer), "value", "queue", unit="count")

    assert isinstance(reading, NoReading)
    assert reading.why.endswith("the sum is no finite number")


async def test_a_label_stands_for_itself_in_a_matcher(serve: Serve, doors: Doors, service: Service) -> None:
    service.queue.labels("mail").set(3)
    service.queue.labels('a", name=~".*').set(5)
    base, selector = await serve(service.answer), 'queue{name="{{ labels.queue }}"}'

    mail = await sample(doors, base, "value", selector, unit="count", queue="mail")
    hostile = await sample(doors, base, "value", selector, unit="count", queue='a", name=~".*')
    missing = await sample(doors, base, "value", selector, unit="count")

    assert isinstance(mail, Reading)
    assert isinstance(hostile, Reading)
    assert isinstance(missing, NoReading)
    assert (mail.value, hostile.value, missing.why) == (3.0, 5.0, "label queue is missing")
