"""The played Prometheus answers in the real one's shapes, and decides as its rule says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from responder.demo.alerting_plan import ERROR_RATIO, HIGH_ERROR_RATE
from responder.demo.local_server import LocalServer
from responder.demo.played_prometheus import PlayedPrometheus, go_float

NOW = 1_795_000_000.0


def exposition(ok: float, failed: float) -> str:
    return (
        "# TYPE http_requests_total counter\n"
        f'http_requests_total{{service="payments",status="200"}} {ok}\n'
        f'http_requests_total{{service="payments",status="503"}} {failed}\n'
    )


@pytest.fixture
def played() -> PlayedPrometheus:
    prometheus = PlayedPrometheus(
        HIGH_ERROR_RATE, {"vector(1)": lambda *_: 1.0}, lambda: datetime.fromtimestamp(NOW, UTC)
    )
    prometheus.url = "http://127.0.0.1:9090"
    return prometheus


@pytest.fixture
async def url(played: PlayedPrometheus) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes(played.routes())
    server = LocalServer(app)
    await server.start()
    yield server.url
    await server.stop()


def feed(played: PlayedPrometheus, failing_per_second: list[float], start: float = NOW) -> list[str]:
    """100 requests each second, of which so many fail; the state of the alert after each second."""
    ok = failed = 0.0
    states = []
    for second, failing in enumerate(failing_per_second):
        ok, failed = ok + 100 - failing, failed + failing
        played.take(exposition(ok, failed), start + second)
        played.evaluate(start + second)
        states.append(played.alert.status if played.alert else "none")
    return states


def test_the_alert_fires_only_after_it_held_and_ends_below_the_bound(played: PlayedPrometheus) -> None:
    states = feed(played, [0, 0, 20, 20, 20, 20, 20] + [0] * 6)

    # Two seconds after the share over five seconds passed 5 %; over again once it is below.
    assert states == ["none"] * 4 + ["firing"] * 6 + ["resolved"] * 3
    assert played.alert is not None
    assert played.alert.starts_at == datetime.fromtimestamp(NOW + 4, UTC)
    assert played.alert.ends_at == datetime.fromtimestamp(NOW + 10, UTC)
    assert played.alert.labels == {"alertname": "HighErrorRate", "service": "payments", "severity": "critical"}
    assert played.alert.annotations["description"].startswith("15% of the requests to payments")
    assert played.alert.generator_url.startswith("http://127.0.0.1:9090/graph?g0.expr=sum%28rate%28")


def test_a_short_peak_is_no_alert(played: PlayedPrometheus) -> None:
    assert set(feed(played, [0, 0, 30, 0, 0, 0, 0, 0, 0, 0])) != {"none"}  # 30 % for one second holds for five
    calm = PlayedPrometheus(replace(HIGH_ERROR_RATE, hold_seconds=10), {}, lambda: datetime.fromtimestamp(NOW, UTC))
    assert set(feed(calm, [0, 0, 30, 0, 0, 0, 0, 0, 0, 0])) == {"none"}


def test_a_rule_whose_query_is_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match="alert HighErrorRate: its query is not among `queries`: up"):
        PlayedPrometheus(replace(HIGH_ERROR_RATE, query="up"), {}, lambda: datetime.fromtimestamp(NOW, UTC))


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_query_is_answered_in_prometheus_shape(
    http: aiohttp.ClientSession, played: PlayedPrometheus, url: str, method: str
) -> None:
    feed(played, [5] * 6, start=NOW - 5)
    asked = {"query": ERROR_RATIO.replace(" / ", "\n  /\n  ")}

    async with http.request(
        method, f"{url}/api/v1/query", **({"params": asked} if method == "GET" else {"data": asked})
    ) as answer:
        said = answer.status, await answer.json()

    value = {"metric": {}, "value": [1795000000, "0.05"]}
    assert said == (200, {"status": "success", "data": {"resultType": "vector", "result": [value]}})


async def test_a_range_query_is_answered_in_prometheus_shape(
    http: aiohttp.ClientSession, played: PlayedPrometheus, url: str
) -> None:
    feed(played, [5] * 3, start=NOW - 2)
    asked = {"query": ERROR_RATIO, "start": str(NOW - 3), "end": "2026-11-18T11:06:40Z", "step": "1s"}
    assert datetime.fromisoformat(asked["end"]).timestamp() == NOW

    async with http.get(f"{url}/api/v1/query_range", params=asked) as answer:
        said = await answer.json()

    values = [[1794999999, "0.05"], [1795000000, "0.05"]]
    assert said == {
        "status": "success",
        "data": {"resultType": "matrix", "result": [{"metric": {}, "values": values}]},
    }


async def test_without_data_the_result_is_empty(http: aiohttp.ClientSession, url: str) -> None:
    async with http.get(f"{url}/api/v1/query", params={"query": ERROR_RATIO}) as answer:
        assert await answer.json() == {"status": "success", "data": {"resultType": "vector", "result": []}}


@pytest.mark.parametrize(
    ("path", "asked", "complaint"),
    [
        ("query", {}, 'invalid parameter "query": 1:1: parse error: no expression found in input'),
        ("query", {"query": "up"}, 'invalid parameter "query": this played Prometheus knows 2 queries, not this one'),
        (
            "query",
            {"query": "vector(1)", "time": "soon"},
            'invalid parameter "time": cannot parse "soon" to a valid timestamp',
        ),
        (
            "query_range",
            {"query": "vector(1)", "start": "2", "end": "1", "step": "1"},
            'invalid parameter "end": end timestamp must not be before start time',
        ),
        (
            "query_range",
            {"query": "vector(1)", "start": "0", "end": "1", "step": "often"},
            'invalid parameter "step": cannot parse "often" to a valid duration',
        ),
        (
            "query_range",
            {"query": "vector(1)", "start": "0", "end": "11002", "step": "1"},
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution"
            " (?step=XX)",
        ),
    ],
)
async def test_other_queries_are_bad_data(
    http: aiohttp.ClientSession, url: str, path: str, asked: dict[str, str], complaint: str
) -> None:
    async with http.get(f"{url}/api/v1/{path}", params=asked) as answer:
        said: Any = answer.status, await answer.json()

    assert said == (400, {"status": "error", "errorType": "bad_data", "error": complaint})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (0.07, "0.07"),
        (1e-7, "0.0000001"),
        (1e21, "1000000000000000000000"),
        (float("nan"), "NaN"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
    ],
)
def test_values_are_written_without_exponents(value: float, text: str) -> None:
    assert go_float(value) == text
