"""Pages in the exposition format, as a real client library writes them and as hostile servers do."""

from __future__ import annotations

import time

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from responder.clients.exposition import MOST_SERIES, CannotRead, counts_on
from responder.model.selector import parse_selector


def page(*, as_openmetrics: bool = False) -> str:
    registry = CollectorRegistry()
    requests = Counter("requests", "Requests", ["status", "path"], registry=registry)
    for status, path, number in (("200", "/", 90), ("500", "/", 6), ("503", '/a"b\\c', 4)):
        requests.labels(status, path).inc(number, {"trace_id": "abc"})
    Gauge("requests_open", "Open", registry=registry).set(7.5)
    Histogram("took_seconds", "Took", registry=registry).observe(0.3, {"trace_id": "abc"})
    Counter("unused", "Not counted yet", ["why"], registry=registry)
    return (openmetrics if as_openmetrics else generate_latest)(registry).decode()


@pytest.mark.parametrize("as_openmetrics", [False, True])
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("requests_total", [4.0, 6.0, 90.0]),
        ('requests_total{status=~"5.."}', [4.0, 6.0]),
        ('requests_total{path="/a\\"b\\\\c"}', [4.0]),
        ('requests_total{status="404"}', []),
        ("requests_open", [7.5]),
        ("took_seconds_count", [1.0]),
        ('took_seconds_bucket{le="0.25"}', [0.0]),
    ],
)
def test_the_series_that_fit_are_read_in_either_format(text: str, values: list[float], as_openmetrics: bool) -> None:
    found = counts_on(page(as_openmetrics=as_openmetrics), parse_selector(text))

    assert sorted(found.values()) == values


def test_a_name_is_not_the_beginning_of_another() -> None:
    with pytest.raises(CannotRead, match="`requests` is not on the page"):
        counts_on(page(), parse_selector("requests"))


def test_a_quoted_name_is_read() -> None:
    assert list(counts_on('{"http.requests", a="b"} 3\n', parse_selector('{"http.requests"}')).values()) == [3.0]


def test_what_is_broken_elsewhere_on_the_page_costs_nothing() -> None:
    assert list(counts_on("%%% {\nup 1\nother{ x\n", parse_selector("up")).values()) == [1.0]


@pytest.mark.parametrize(
    "line", ["up", "up abc", 'up{a="b" 1', 'up{a="1",a="2"} 3', "up 1_000", "up{a=b} 1", 'up{"a} 1', "up {} {} 1"]
)
def test_a_line_that_is_not_in_the_format_is_unknown_and_quotes_nothing(line: str) -> None:
    with pytest.raises(CannotRead) as why:
        counts_on(line + "\n", parse_selector("up"))

    assert str(why.value) in ("`up` does not stand there in the exposition format", "`up` is not on the page")


def test_series_are_told_apart_without_their_labels() -> None:
    found = counts_on('up{patient="Ann"} 1\nup{patient="Bob"} 2\n', parse_selector("up"))

    assert len(found) == 2
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in found)
    assert found == counts_on('up{patient="Bob"} 2\nup{patient="Ann"} 1\n', parse_selector("up"))


@pytest.mark.parametrize(
    "hostile",
    [
        'up{a="' + "\\" * 900_000 + '"} 1',
        "up{" + 'a="b",' * 150_000 + "} 1",
        'up{a="' + '"' * 900_000 + " 1",
        "\n".join(f'up{{a="{it}"}} 1' for it in range(40_000)),
        "up " + "9" * 900_000,
        "up{" * 300_000,
    ],
)
def test_a_hostile_page_is_refused_in_a_bounded_time(hostile: str) -> None:
    began = time.process_time()
    with pytest.raises(CannotRead):
        counts_on(hostile + "\n", parse_selector("up"))

    assert time.process_time() - began < 5


def test_as_many_series_as_may_be_summed_are() -> None:
    lines = "".join(f'up{{a="{it}"}} 1\n' for it in range(MOST_SERIES))

    assert len(counts_on(lines, parse_selector("up"))) == MOST_SERIES
