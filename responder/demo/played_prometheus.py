"""Plays Prometheus' part: scrapes one service, answers a handful of queries, decides whether one alert fires.

It is no PromQL engine: it knows the queries that it was handed, letter by letter, and refuses every other one.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote_plus

from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from responder.demo.alerting_plan import ERROR_RATIO, VALUE, AlertRule
from responder.demo.alertmanager_bodies import GroupedAlert

KEPT_SCRAPES = 900
# As the real one: https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries
MAX_POINTS = 11_000
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, None: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One series at one moment."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """What one look at `/metrics` gave; `at` in seconds since 1970."""

    at: float
    samples: tuple[Sample, ...]

    def sum(self, name: str, where: Callable[[Mapping[str, str]], bool]) -> float | None:
        """The sum over the series of this name whose labels fit; None where there is none."""
        values = [it.value for it in self.samples if it.name == name and where(it.labels)]
        return sum(values) if values else None


class History:
    """The scrapes of the last quarter of an hour, oldest first."""

    def __init__(self) -> None:
        self._scrapes: deque[Scrape] = deque(maxlen=KEPT_SCRAPES)

    def add(self, scrape: Scrape) -> None:
        """Keep one more."""
        self._scrapes.append(scrape)

    def last(self, at: float) -> Scrape | None:
        """The newest scrape up to `at`, if younger than five minutes, as Prometheus looks back."""
        return next((it for it in reversed(self._scrapes) if at - 300 < it.at <= at), None)

    def rate(
        self, name: str, at: float, seconds: float, where: Callable[[Mapping[str, str]], bool] = lambda _: True
    ) -> float | None:
        """`sum(rate(name{…}[seconds]))` at that moment; None with fewer than two scrapes in the window."""
        window = [it for it in self._scrapes if at - seconds <= it.at <= at]
        if len(window) < 2:
            return None
        first, last = window[0].sum(name, where), window[-1].sum(name, where)
        if first is None or last is None:
            return None
        return (last - first) / (window[-1].at - window[0].at)


Query = Callable[[History, float], float | None]


def error_ratio(history: History, at: float) -> float | None:
    """ERROR_RATIO of the plan."""
    failed = history.rate("http_requests_total", at, 5, lambda labels: labels["status"].startswith("5"))
    total = history.rate("http_requests_total", at, 5)
    if failed is None or total is None:
        return None
    return failed / total if total else math.nan


KNOWN_QUERIES: Mapping[str, Query] = {ERROR_RATIO: error_ratio}


class PlayedPrometheus:
    """History, queries and the one alert. `queries` are known besides KNOWN_QUERIES; white space does not matter.

    Raises ValueError when the rule's query is not among them.
    """

    def __init__(self, rule: AlertRule, queries: Mapping[str, Query], clock: Callable[[], datetime]) -> None:
        self.history = History()
        self.alert: GroupedAlert | None = None
        self.url = ""
        self._rule = rule
        self._clock = clock
        self._queries = {_squeezed(text): query for text, query in {**KNOWN_QUERIES, **queries}.items()}
        self._above_since: float | None = None
        if _squeezed(rule.query) not in self._queries:
            raise ValueError(f"alert {rule.name}: its query is not among `queries`: {rule.query}")

    def take(self, exposition: str, at: float) -> None:
        """Keep what `/metrics` said and decide about the alert. Raises ValueError when it cannot be read."""
        samples = tuple(
            Sample(name=it.name, labels=it.labels, value=it.value)
            for family in text_string_to_metric_families(exposition)
            for it in family.samples
        )
        self.history.add(Scrape(at=at, samples=samples))

    def evaluate(self, at: float) -> None:
        """Decide whether the alert fires: above the bound, for long enough. The last alert stays when it has ended."""
        value = self._queries[_squeezed(self._rule.query)](self.history, at)
        is_firing = self.alert is not None and self.alert.ends_at is None
        if value is None or not value > self._rule.bound:
            self._above_since = None
            if is_firing and self.alert is not None:
                self.alert = replace(self.alert, ends_at=datetime.fromtimestamp(at, UTC))
            return
        if self._above_since is None:
            self._above_since = at
        if not is_firing and at - self._above_since >= self._rule.hold_seconds:
            self.alert = self._firing(value, at)

    def _firing(self, value: float, at: float) -> GroupedAlert:
        said = f"{value * 100:.4g}%"
        return GroupedAlert(
            labels=self._rule.all_labels,
            annotations={name: text.replace(VALUE, said) for name, text in self._rule.annotations.items()},
            starts_at=datetime.fromtimestamp(at, UTC),
            ends_at=None,
            generator_url=f"{self.url}/graph?g0.expr={quote_plus(self._rule.expression)}&g0.tab=1",
        )

    # The HTTP API: https://prometheus.io/docs/prometheus/latest/querying/api/ --------------------------------------

    def routes(self) -> Iterable[web.RouteDef]:
        """What is answered, and by whom."""
        return (
            web.get("/-/ready", self._ready),
            web.get("/-/healthy", self._ready),
            web.get("/", self._index),
            web.get("/graph", self._index),
            web.get("/api/v1/query", self._query),
            web.post("/api/v1/query", self._query),
            web.get("/api/v1/query_range", self._query_range),
            web.post("/api/v1/query_range", self._query_range),
        )

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response(text="Played Prometheus is Ready.\n")

    async def _index(self, _: web.Request) -> web.Response:
        known = "\n".join(self._queries)
        return web.Response(text=f"Plays Prometheus' part in the demo. It knows these queries:\n{known}\n")

    async def _query(self, request: web.Request) -> web.Response:
        try:
            given = await _parameters(request)
            query = self._known(given)
            at = _moment(given, "time", self._clock().timestamp())
        except ValueError as reason:
            return _bad_data(reason)
        value = query(self.history, at)
        result = [] if value is None else [{"metric": {}, "value": [_stamp(at), go_float(value)]}]
        return _success("vector", result)

    async def _query_range(self, request: web.Request) -> web.Response:
        try:
            given = await _parameters(request)
            query = self._known(given)
            moments = list(_moments(given))
        except ValueError as reason:
            return _bad_data(reason)
        values = [(at, query(self.history, at)) for at in moments]
        points = [[_stamp(at), go_float(value)] for at, value in values if value is not None]
        return _success("matrix", [{"metric": {}, "values": points}] if points else [])

    def _known(self, given: Mapping[str, str]) -> Query:
        text = _squeezed(given.get("query", ""))
        if not text:
            raise ValueError('invalid parameter "query": 1:1: parse error: no expression found in input')
        if text not in self._queries:
            raise ValueError(
                f'invalid parameter "query": this played Prometheus knows {len(self._queries)} queries, not this one'
            )
        return self._queries[text]


def go_float(value: float) -> str:
    """As Prometheus writes a value: never with an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _squeezed(text: str) -> str:
    return " ".join(text.split())


async def _parameters(request: web.Request) -> dict[str, str]:
    form = await request.post() if request.method == "POST" else {}
    return {**dict(request.query), **{name: value for name, value in form.items() if isinstance(value, str)}}


def _moments(given: Mapping[str, str]) -> Iterator[float]:
    start, end, step = _moment(given, "start", None), _moment(given, "end", None), _seconds(given.get("step", ""))
    if end < start:
        raise ValueError('invalid parameter "end": end timestamp must not be before start time')
    if step <= 0:
        raise ValueError(
            'invalid parameter "step": zero or negative query resolution step widths are not accepted.'
            " Try a positive integer"
        )
    if (end - start) / step > MAX_POINTS:
        raise ValueError(
            "exceeded maximum resolution of 11,000 points per timeseries."
            " Try decreasing the query resolution (?step=XX)"
        )
    return (start + number * step for number in range(int((end - start) / step) + 1))


def _moment(given: Mapping[str, str], name: str, otherwise: float | None) -> float:
    text = given.get(name, "")
    if not text and otherwise is not None:
        return otherwise
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise ValueError(f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp') from None


def _seconds(text: str) -> float:
    found = DURATION.fullmatch(text)
    if not found:
        raise ValueError(f'invalid parameter "step": cannot parse "{text}" to a valid duration')
    return float(found[1]) * UNIT_SECONDS[found[2]]


def _stamp(at: float) -> float | int:
    rounded = round(at, 3)
    return int(rounded) if rounded.is_integer() else rounded


def _success(kind: str, result: list[dict[str, Any]]) -> web.Response:
    return web.json_response({"status": "success", "data": {"resultType": kind, "result": result}})


def _bad_data(reason: ValueError) -> web.Response:
    return web.json_response({"status": "error", "errorType": "bad_data", "error": str(reason)}, status=400)
