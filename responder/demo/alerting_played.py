"""Plays the part of Prometheus and Alertmanager where they are not installed.

Nothing here is Prometheus or Alertmanager: it looks at one service, decides about one alert, and sends what the two
would have sent, in their exact form. It repeats nothing after a repeat interval, groups nothing and silences nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import aiohttp
from aiohttp import web

from responder.demo.alerting_plan import RECEIVER, Plan
from responder.demo.alertmanager_bodies import USER_AGENT, Group, GroupedAlert, event_body, webhook_body
from responder.demo.local_server import LocalServer
from responder.demo.played_prometheus import PlayedPrometheus, Query

LOOK_SECONDS = 0.1
# As notify/notify.go has it: exponential back-off from half a second, until the flush is over.
FIRST_RETRY_SECONDS, RETRY_GROWTH, SHORTEST_FLUSH_SECONDS = 0.5, 1.5, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Somebody to be told. `retried`: the statuses, besides 5xx, after which the same flush tries again."""

    url: str
    body_of: Callable[[GroupedAlert], bytes]
    headers: Mapping[str, str]
    retried: tuple[int, ...] = ()


class PlayedAlerting:
    """Scrapes, decides and sends until it is stopped. Make it with `start`."""

    real = False

    def __init__(self, plan: Plan, queries: Mapping[str, Query], clock: Callable[[], datetime]) -> None:
        self._plan = plan
        self._clock = clock
        self._prometheus = PlayedPrometheus(plan.rule, queries, clock)
        self._prometheus_server = LocalServer(_app(self._prometheus.routes()))
        self._alertmanager_server = LocalServer(_app((web.get("/", self._index), web.get("/-/ready", self._ready))))
        self._root: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, plan: Plan, queries: Mapping[str, Query], clock: Callable[[], datetime]) -> PlayedAlerting:
        """Listen on two free ports of loopback and begin to scrape."""
        played = cls(plan, queries, clock)
        await played._prometheus_server.start()
        await played._alertmanager_server.start()
        played._prometheus.url = played.prometheus_url
        # The root of a task group that outlives this call; `stop` is its other end.
        played._root = asyncio.get_running_loop().create_task(played._run())
        return played

    async def stop(self) -> None:
        """Stop. Raises what has gone wrong in between, if anything has."""
        try:
            if self._root is not None:
                self._root.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._root
        finally:
            await self._prometheus_server.stop()
            await self._alertmanager_server.stop()

    @property
    def prometheus_url(self) -> str:
        """Where queries are answered."""
        return self._prometheus_server.url

    @property
    def alertmanager_url(self) -> str:
        """What the webhooks have as `externalURL`."""
        return self._alertmanager_server.url

    async def _run(self) -> None:
        async with aiohttp.ClientSession(headers={"User-Agent": USER_AGENT}) as http, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._scrape_forever(http))
            for receiver in self._receivers():
                tasks.create_task(self._tell_forever(http, receiver))

    def _receivers(self) -> tuple[Receiver, ...]:
        plan = self._plan
        group = Group(receiver=RECEIVER, group_by=plan.rule.group_by, external_url=self.alertmanager_url)
        return (
            Receiver(
                url=plan.webhook_url,
                body_of=lambda alert: webhook_body(group, alert),
                headers={"Content-Type": "application/json", "Authorization": f"Bearer {plan.webhook_token}"},
            ),
            Receiver(
                url=plan.events_url,
                body_of=lambda alert: event_body(group, alert, plan.routing_key),
                headers={"Content-Type": "application/json"},
                retried=(429,),
            ),
        )

    # Prometheus' part ---------------------------------------------------------------------------------------------

    async def _scrape_forever(self, http: aiohttp.ClientSession) -> None:
        while True:
            # A service that does not answer leaves a gap, and a gap in time ends the alert: as in Prometheus.
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError):
                async with asyncio.timeout(self._plan.scrape_seconds):
                    async with http.get(f"{self._plan.sample_url}/metrics", raise_for_status=True) as answer:
                        self._prometheus.take(await answer.text(), self._clock().timestamp())
            self._prometheus.evaluate(self._clock().timestamp())
            await asyncio.sleep(self._plan.scrape_seconds)

    # Alertmanager's part ------------------------------------------------------------------------------------------

    async def _tell_forever(self, http: aiohttp.ClientSession, receiver: Receiver) -> None:
        told: GroupedAlert | None = None
        while True:
            alert = self._prometheus.alert
            if alert is None or not _is_news(alert, told):
                await asyncio.sleep(LOOK_SECONDS)
                continue
            if alert.status == "firing":
                await asyncio.sleep(self._plan.group_wait_seconds)
            if await self._deliver(http, receiver, alert):
                told = alert
            await asyncio.sleep(self._plan.group_interval_seconds)

    async def _deliver(self, http: aiohttp.ClientSession, receiver: Receiver, alert: GroupedAlert) -> bool:
        """One flush: whether it was taken. A refusal ends the flush; the next one sends it again."""
        pause = FIRST_RETRY_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(self._plan.group_interval_seconds, SHORTEST_FLUSH_SECONDS)):
                while True:
                    status = await _post(http, receiver, alert)
                    if status is not None and status < 500 and status not in receiver.retried:
                        return 200 <= status < 300
                    await asyncio.sleep(pause)
                    pause *= RETRY_GROWTH
        return False

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response(text="OK")

    async def _index(self, _: web.Request) -> web.Response:
        alert = self._prometheus.alert
        state = "nothing yet" if alert is None else f"{alert.labels['alertname']} {alert.status}"
        return web.Response(text=f"Plays Alertmanager's part in the demo. Alert: {state}\n")


def _is_news(alert: GroupedAlert, told: GroupedAlert | None) -> bool:
    """An end is told only to those who were told of the beginning."""
    knows_this_one = told is not None and told.starts_at == alert.starts_at
    if alert.status == "firing":
        return not knows_this_one
    return knows_this_one and told is not None and told.status == "firing"


async def _post(http: aiohttp.ClientSession, receiver: Receiver, alert: GroupedAlert) -> int | None:
    """The status, None where there was no answer."""
    try:
        async with http.post(receiver.url, data=receiver.body_of(alert), headers=receiver.headers) as answer:
            return answer.status
    except aiohttp.ClientError:
        return None


def _app(routes: Iterable[web.RouteDef]) -> web.Application:
    app = web.Application()
    app.add_routes(routes)
    return app
