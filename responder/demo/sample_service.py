"""A payments service that is not there: real metrics and health pages, traffic that is counted only, and a switch.

Broken, about 7 % of its requests end in 5xx and its health page says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from responder.demo.local_server import LocalServer, run_until_interrupted

SERVICE = "payments"
REQUESTS_PER_SECOND = 200
REASON = "card gateway refuses connections: 10.20.0.7:8443 connection refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """How the traffic fares.

    `shares`: of the requests by status; they add up to 1.
    `within`: share of the requests answered within so many seconds, as a histogram counts them.
    """

    shares: Mapping[str, float]
    within: Mapping[str, float]
    mean_seconds: float


WELL = Mood(
    shares={"200": 0.988, "404": 0.01, "500": 0.001, "503": 0.001},
    within={"0.05": 0.62, "0.1": 0.93, "0.25": 0.992, "0.5": 0.999, "1.0": 1.0, "2.5": 1.0, "+Inf": 1.0},
    mean_seconds=0.055,
)
BROKEN = Mood(
    shares={"200": 0.92, "404": 0.01, "500": 0.02, "503": 0.05},
    within={"0.05": 0.48, "0.1": 0.8, "0.25": 0.9, "0.5": 0.92, "1.0": 0.94, "2.5": 0.99, "+Inf": 1.0},
    mean_seconds=0.21,
)


class Traffic(Collector):
    """Counts requests that nobody sent: as many as the time since the last look is worth.

    Counted when looked at, not in a loop: from outside it is the same, and there is no task that could lag.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._counted_until = now()
        self._requests = dict.fromkeys(WELL.shares, 0.0)
        self._within = dict.fromkeys(WELL.within, 0.0)
        self._seconds = 0.0
        self.mood = WELL

    def change(self, mood: Mood) -> None:
        """Fare like this from now on; what was before is counted as it was."""
        self._count()
        self.mood = mood

    def collect(self) -> Iterator[Metric]:
        """The metrics at this moment."""
        self._count()
        requests = CounterMetricFamily(
            "http_requests", "Requests answered", labels=("service", "method", "path", "status")
        )
        for status, count in self._requests.items():
            requests.add_metric((SERVICE, "POST", "/charge", status), float(int(count)))
        yield requests
        duration = HistogramMetricFamily(
            "http_request_duration_seconds", "Time from request to answer", labels=("service",)
        )
        buckets = [(bound, float(int(count))) for bound, count in self._within.items()]
        duration.add_metric((SERVICE,), buckets=buckets, sum_value=self._seconds)
        yield duration
        broken = GaugeMetricFamily("circuit_breaker_open", "1 while the breaker is open", labels=("service", "breaker"))
        broken.add_metric((SERVICE, "card-gateway"), float(self.mood is BROKEN))
        yield broken

    def _count(self) -> None:
        now = self._now()
        more = (now - self._counted_until) * REQUESTS_PER_SECOND
        self._counted_until = now
        for status, share in self.mood.shares.items():
            self._requests[status] += more * share
        for bound, share in self.mood.within.items():
            self._within[bound] += more * share
        self._seconds += more * self.mood.mean_seconds


class SampleService:
    """The service behind one port. Make it with `start`."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._traffic = Traffic(now)
        self._registry = CollectorRegistry()
        self._registry.register(self._traffic)
        app = web.Application()
        app.add_routes(self._routes())
        self._server = LocalServer(app)

    @classmethod
    async def start(cls, port: int = 0, *, now: Callable[[], float] = time.monotonic) -> SampleService:
        """Listen on loopback. `now`: seconds on a clock that only goes forward; the traffic follows it."""
        service = cls(now)
        await service._server.start(port)
        return service

    async def stop(self) -> None:
        """Drop every connection."""
        await self._server.stop()

    @property
    def url(self) -> str:
        """The base address."""
        return self._server.url

    @property
    def is_broken(self) -> bool:
        """Whether requests fail at the moment."""
        return self._traffic.mood is BROKEN

    def break_it(self) -> None:
        """Let about 7 % of the requests fail from now on."""
        self._traffic.change(BROKEN)

    def mend(self) -> None:
        """Let the requests succeed again."""
        self._traffic.change(WELL)

    def _routes(self) -> Iterable[web.RouteDef]:
        return (
            web.get("/", self._index),
            web.get("/metrics", self._metrics),
            web.get("/health", self._health),
            web.get("/ready", self._ready),
            web.get("/health/circuit-breakers", self._breakers),
            web.post("/_break", self._break),
            web.post("/_mend", self._mend),
        )

    async def _index(self, _: web.Request) -> web.Response:
        return web.Response(text="payments (demo)\n/metrics  /health  /ready  /health/circuit-breakers\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        head = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=generate_latest(self._registry), headers=head)

    async def _health(self, _: web.Request) -> web.Response:
        gateway = {"status": "down", "reason": REASON} if self.is_broken else {"status": "up"}
        said: dict[str, Any] = {"status": "unhealthy" if self.is_broken else "healthy", "service": SERVICE}
        if self.is_broken:
            said["reason"] = REASON
        return self._told({**said, "checks": {"database": {"status": "up"}, "card-gateway": gateway}})

    async def _ready(self, _: web.Request) -> web.Response:
        return self._told({"ready": False, "reason": REASON} if self.is_broken else {"ready": True})

    async def _breakers(self, _: web.Request) -> web.Response:
        state = "open" if self.is_broken else "closed"
        return web.json_response({"card-gateway": {"state": state}, "ledger": {"state": "closed"}})

    async def _break(self, _: web.Request) -> web.Response:
        self.break_it()
        return web.json_response({"broken": True})

    async def _mend(self, _: web.Request) -> web.Response:
        self.mend()
        return web.json_response({"broken": False})

    def _told(self, said: Mapping[str, Any]) -> web.Response:
        return web.json_response(said, status=503 if self.is_broken else 200)


@click.command()
@click.option("--port", default=0, help="Port on loopback; 0 takes a free one.")
def main(port: int) -> None:
    """Run the sample service; prints its address."""

    async def start() -> str:
        return (await SampleService.start(port)).url

    run_until_interrupted(start)


if __name__ == "__main__":
    main()
