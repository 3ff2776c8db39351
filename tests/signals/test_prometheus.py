import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from responder.clients.doors import Doors
from responder.model.pack import PrometheusSource, Signal, Target
from responder.model.reading import AnyReading, NoReading, Reading, Sample
from responder.signals.prometheus import Grid, grid_for
from responder.signals.read import read
from tests.systems.plugin import System
from tests.systems.servers import Handler

NOW = datetime(2026, 11, 20, 3, 14, tzinfo=UTC)
Ask = Callable[..., Awaitable[tuple[AnyReading, ...]]]


def series(name: str, values: Mapping[int, object]) -> list[str]:
    return [f"{name} {value} {NOW.timestamp() - ago:.0f}" for ago, value in values.items()]


def past_of_a_sample_service() -> str:
    """Written every 15 s: errors since 4 min; a queue with a gap; a job that ended and one that began 10 min ago."""
    times = range(7200, -1, -15)
    lines = ["# TYPE errors gauge", *series("errors", {it: 7.3 if it <= 240 else 0.2 for it in times})]
    lines += ["# TYPE pod gauge", *series('pod{name="one"}', {it: 1 for it in times if it > 900})]
    lines += series('pod{name="two"}', {it: 2 for it in times if it <= 600})
    lines += ["# TYPE requests gauge", *series("requests", dict.fromkeys(times, 100))]
    lines += ["# TYPE failed gauge", *series("failed", {it: 3 for it in times if 1200 <= it <= 1500})]
    lines += ["# TYPE gone gauge", *series("gone", {it: 5 for it in times if it >= 600})]
    lines += ["# TYPE odd gauge", *series("odd", {it: "NaN" if it <= 60 else 1 for it in times})]
    lines += ["# TYPE by_pod gauge"]
    for value, pod in enumerate(("a", "b", 'c\\"}'), 1):
        lines += series(f'by_pod{{pod="{pod}"}}', dict.fromkeys(times, value))
    return "\n".join([*lines, "# EOF\n"])


@pytest.fixture(scope="module")
def server(prometheus_server: Callable[..., System]) -> System:
    return prometheus_server(openmetrics=past_of_a_sample_service())


@pytest.fixture
def ask(server: System, doors: Doors) -> Ask:
    """Read one signal by a query from the real Prometheus."""

    async def asked(
        query: str, *alerts: Mapping[str, str], fors: float | tuple[float, ...] = 0.0, **more: object
    ) -> tuple[AnyReading, ...]:
        source = PrometheusSource(target="prometheus", query=query, **more)  # type: ignore[arg-type]
        signal = Signal(name="it", unit="percent", source=source)
        targets = {"prometheus": Target(name="prometheus", kind="prometheus", address=server.address, per_minute=9999)}
        return (await read({signal: fors}, alerts, targets, doors, NOW, within_seconds=10))["it"]

    return asked


@pytest.mark.system
async def test_a_reading_has_its_value_and_its_past(ask: Ask) -> None:
    (reading,) = await ask("errors", fors=120.0)

    assert isinstance(reading, Reading)
    assert (reading.signal, reading.value, reading.at, reading.step_seconds) == ("it", 7.3, NOW, 12.0)
    assert reading.origin == "errors"
    assert len(reading.past) == 76
    assert reading.past[0] == Sample(at=NOW - timedelta(minutes=15), value=0.2)
    assert reading.past[-1] == Sample(at=NOW, value=7.3)
    assert sum(it.value == 7.3 for it in reading.past) == 21


@pytest.mark.system
async def test_a_gap_is_a_step_without_a_value(ask: Ask) -> None:
    (reading,) = await ask("pod")

    assert isinstance(reading, Reading)
    assert reading.value == 2
    assert [it.value for it in reading.past] == [None] * 20 + [2.0] * 41


@pytest.mark.system
async def test_several_series_are_an_error_that_names_two(ask: Ask) -> None:
    (reading,) = await ask("by_pod")

    assert isinstance(reading, NoReading)
    assert reading.why == ('3 series, expected one: by_pod{pod="a"}, by_pod{pod="b"}, …')


@pytest.mark.system
async def test_no_samples_are_unknown(ask: Ask) -> None:
    (reading,) = await ask("nothing_here")

    assert isinstance(reading, NoReading)
    assert reading.why == "no samples"
    assert {it.value for it in reading.past} == {None}


@pytest.mark.system
async def test_a_series_that_ended_is_unknown_now(ask: Ask) -> None:
    (reading,) = await ask("gone")

    assert isinstance(reading, NoReading)
    assert reading.why == "no sample at the newest step"
    assert reading.past[0].value == 5


@pytest.mark.system
async def test_empty_stands_for_missing_steps_where_something_else_is_present(ask: Ask) -> None:
    (reading,) = await ask("failed", empty=0.0, present="requests", fors=1200.0, step_seconds=60.0)

    assert isinstance(reading, Reading)
    assert reading.value == 0.0
    # Prometheus goes on giving a sample for five minutes after the last one
    assert [it.value for it in reading.past] == [0.0] * 5 + [3.0] * 11 + [0.0] * 15


@pytest.mark.system
@pytest.mark.parametrize("present", ["nothing_here", None])
async def test_empty_alone_proves_nothing(ask: Ask, present: str | None) -> None:
    (reading,) = await ask("failed_too", empty=0.0, present=present)

    assert isinstance(reading, NoReading)
    assert reading.why == "no samples"


@pytest.mark.system
async def test_nan_is_no_reading_and_stays_in_the_past(ask: Ask) -> None:
    (reading,) = await ask("odd")

    assert isinstance(reading, NoReading)
    assert reading.why == "prometheus gave NaN"
    assert math.isnan(reading.past[-1].value or 0)
    assert reading.past[0].value == 1


@pytest.mark.system
async def test_a_label_is_read_once_for_each_distinct_value(ask: Ask) -> None:
    alerts = ({"pod": "b", "x": "1"}, {"pod": 'c"}'}, {"pod": "b", "x": "2"})
    readings = await ask('by_pod{pod="{{ labels.pod }}"}', *alerts)

    assert [(it.labels, it.value) for it in readings if isinstance(it, Reading)] == [
        ((("pod", "b"),), 2.0),
        ((("pod", 'c"}'),), 3.0),
    ]
    assert readings[1].origin == 'by_pod{pod="c\\x22}"}'


@pytest.mark.system
@pytest.mark.parametrize(
    ("alerts", "why"),
    [
        ([], "label pod is missing"),
        ([{"pod": ""}], "label pod is missing"),
        ([{"pod": "[redacted:email]"}], "label pod is redacted"),
    ],
)
async def test_without_its_label_a_signal_is_unknown(ask: Ask, alerts: list[dict[str, str]], why: str) -> None:
    readings = await ask('by_pod{pod="{{ labels.pod }}"}', *alerts)

    assert readings == (NoReading(signal="it", why=why, at=NOW),)


@pytest.mark.system
async def test_one_alert_without_the_label_does_not_hide_the_others(ask: Ask) -> None:
    readings = await ask('by_pod{pod="{{ labels.pod }}"}', {"pod": "a"}, {"job": "x"})

    assert [getattr(it, "why", None) for it in readings] == [None, "label pod is missing"]


@pytest.mark.system
async def test_at_most_ten_values_are_read_and_the_others_named(ask: Ask) -> None:
    readings = await ask('by_pod{pod="{{ labels.pod }}"}', *({"pod": f"p{number}"} for number in range(12)))

    assert len(readings) == 11
    assert readings[-1] == NoReading(signal="it", why="read for 10 of 12 label values, not for: p10; p11", at=NOW)


@pytest.mark.system
async def test_a_template_outside_quotes_is_never_filled(ask: Ask) -> None:
    (reading,) = await ask("by_pod{pod={{ labels.pod }}}", {"pod": '"a"'})

    assert isinstance(reading, NoReading)
    assert reading.why == "the query cannot be filled: {{ labels.pod }} stands outside quotes"


@pytest.mark.system
async def test_what_prometheus_says_of_a_bad_query_is_the_reason(ask: Ask) -> None:
    (reading,) = await ask("sum(")

    assert isinstance(reading, NoReading)
    assert reading.why.endswith(": bad_data: 1:5: parse error: unclosed left parenthesis")


async def test_a_hanging_server_costs_only_its_own_signals(
    raw_server: Callable[[bytes | None], Awaitable[int]], serve: Callable[[Handler], Awaitable[str]], doors: Doors
) -> None:
    async def handler(_: web.Request) -> web.Response:
        result = {"resultType": "matrix", "result": [{"metric": {}, "values": [[NOW.timestamp(), "5"]]}]}
        return web.json_response({"status": "success", "data": result})

    targets = {
        "stuck": Target(name="stuck", kind="prometheus", address=f"http://127.0.0.1:{await raw_server(None)}"),
        "good": Target(name="good", kind="prometheus", address=await serve(handler)),
        "unset": Target(name="unset", kind="prometheus", address="${PROMETHEUS_URL}"),
    }
    signals = {
        Signal(name=name, unit="count", source=PrometheusSource(target=name, query="up")): 0.0
        for name in ("stuck", "good", "unset", "nowhere")
    }

    readings = await read(signals, [], targets, doors, NOW, within_seconds=0.3)

    says = {name: getattr(it, "why", None) or getattr(it, "value", None) for name, (it,) in readings.items()}
    assert says == {
        "stuck": "no answer from stuck within 0.3 s",
        "good": 5.0,
        "unset": "PROMETHEUS_URL is not set",
        "nowhere": "target nowhere is not defined",
    }


@pytest.mark.parametrize(
    ("fors", "step", "expected"),
    [
        pytest.param((), None, (15.0, 60), id="no for: 15 s over 15 minutes"),
        pytest.param((120.0,), None, (12.0, 75), id="a tenth of the for"),
        pytest.param((10.0,), None, (5.0, 180), id="at least 5 s"),
        pytest.param((3600.0,), None, (30.0, 180), id="at most 30 s; 1.5 times the for"),
        pytest.param((3600.0, 120.0), None, (12.0, 450), id="the shortest for gives the step, the longest the window"),
        pytest.param((120.0,), 60.0, (60.0, 15), id="a step that was given stays"),
        pytest.param((7200.0, 100.0), None, (15.0, 481), id="never below the for: longer steps"),
        pytest.param((6000.0,), 15.0, (15.0, 499), id="the window is shortened first"),
        pytest.param((86400.0,), None, (174.0, 497), id="a day"),
    ],
)
def test_the_window_of_a_signal(fors: tuple[float, ...], step: float | None, expected: tuple[float, int]) -> None:
    grid = grid_for(fors, step, NOW)

    assert (grid.step_seconds, grid.steps) == expected
    assert grid.steps < 500
    assert grid.steps * grid.step_seconds >= max(fors, default=0)


def test_the_last_step_is_now_to_the_millisecond() -> None:
    grid = grid_for((), None, NOW + timedelta(microseconds=123456))

    assert grid.at(grid.steps) == grid.end == NOW + timedelta(milliseconds=123)
    assert grid.place_of(grid.start) == 0


def test_a_step_is_found_by_its_time() -> None:
    grid = Grid(end=NOW, step_seconds=15.0, steps=4)

    assert [grid.place_of(grid.at(step)) for step in range(5)] == [0, 1, 2, 3, 4]
