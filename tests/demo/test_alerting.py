"""A broken service becomes a webhook and an incident that belong together, really and played."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from responder.demo.alerting import Alerting
from responder.demo.alerting_plan import ERROR_RATIO, Plan
from responder.demo.alerting_played import PlayedAlerting
from responder.demo.alerting_real import installed
from responder.demo.child import Child, free_port
from responder.demo.local_server import LocalServer, wall_clock
from responder.demo.pagerduty import StandInPagerDuty
from responder.demo.sample_service import SampleService
from responder.errors import ResponderError, UsageError

TOKEN = "token-of-the-webhook"
needs_both = pytest.mark.skipif(installed() is None, reason="prometheus and alertmanager are not installed")


class WebhookReceiver:
    """Takes webhooks and writes them down; answers what it is told to, then 202."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[int] = []
        app = web.Application()
        app.add_routes([web.post("/webhooks/alertmanager", self._take)])
        self.server = LocalServer(app)

    @property
    def url(self) -> str:
        return f"{self.server.url}/webhooks/alertmanager"

    async def _take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        self.headers.append(dict(request.headers))
        return web.Response(status=self.answers.pop(0) if self.answers else 202)


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    taking = WebhookReceiver()
    await taking.server.start()
    yield taking
    await taking.server.stop()


@pytest.fixture
async def service() -> AsyncIterator[SampleService]:
    running = await SampleService.start()
    yield running
    await running.stop()


async def alerting(
    service: SampleService, receiver: WebhookReceiver, pagerduty: StandInPagerDuty, *, real: bool
) -> Alerting:
    return await Alerting.start(
        sample_url=service.url,
        webhook_url=receiver.url,
        webhook_token=TOKEN,
        events_url=pagerduty.events_url,
        real=real,
    )


async def from_breaking_to_mending(
    running: Alerting, service: SampleService, receiver: WebhookReceiver, pagerduty: StandInPagerDuty, until: Any
) -> None:
    """Break the service, wait until both are told, mend it, wait until both are told."""
    service.break_it()
    await until(lambda: receiver.bodies and pagerduty.account.incidents, 60)
    service.mend()
    incident = next(iter(pagerduty.account.incidents.values()))
    await until(lambda: receiver.bodies[-1]["status"] == incident.status == "resolved", 60)


def check_what_came(running: Alerting, receiver: WebhookReceiver, pagerduty: StandInPagerDuty) -> None:
    first, last = receiver.bodies[0], receiver.bodies[-1]
    assert first["groupKey"] == '{}:{alertname="HighErrorRate", service="payments"}'
    assert first["externalURL"] == running.alertmanager_url
    assert first["commonLabels"] == {"alertname": "HighErrorRate", "service": "payments", "severity": "critical"}
    assert [first["status"], last["status"]] == ["firing", "resolved"]
    assert first["alerts"][0]["fingerprint"] == last["alerts"][0]["fingerprint"]
    assert receiver.headers[0]["Authorization"] == f"Bearer {TOKEN}"
    assert receiver.headers[0]["User-Agent"].startswith("Alertmanager/0.")
    keys = [alert.key for incident in pagerduty.account.incidents.values() for alert in incident.alerts]
    assert keys == [hashlib.sha256(first["groupKey"].encode()).hexdigest()]


async def query(http: aiohttp.ClientSession, running: Alerting) -> float:
    asked = {"query": ERROR_RATIO}
    async with http.get(f"{running.prometheus_url}/api/v1/query", params=asked) as answer:
        said = await answer.json()
    return float(said["data"]["result"][0]["value"][1])


@pytest.mark.system
@needs_both
async def test_real_alerts_reach_both_and_belong_together(
    service: Any, receiver: Any, pagerduty: Any, until: Any, http: Any, pagerduty_contract: Any
) -> None:
    running = await alerting(service, receiver, pagerduty, real=True)
    try:
        await from_breaking_to_mending(running, service, receiver, pagerduty, until)

        assert running.real
        check_what_came(running, receiver, pagerduty)
        assert 0 <= await query(http, running) < 0.1
        for event in pagerduty.asked("POST /v2/enqueue"):
            pagerduty_contract.check(event)
    finally:
        await running.stop()


async def test_played_alerts_reach_both_and_belong_together(
    service: Any,
    receiver: Any,
    pagerduty: Any,
    until: Any,
    http: Any,
    captured: Any,
    shape: Any,
    pagerduty_contract: Any,
) -> None:
    running = await alerting(service, receiver, pagerduty, real=False)
    try:
        await from_breaking_to_mending(running, service, receiver, pagerduty, until)

        assert not running.real
        check_what_came(running, receiver, pagerduty)
        assert 0 <= await query(http, running) < 0.1
        assert len(receiver.bodies) == len(pagerduty.asked("POST /v2/enqueue")) == 2
    finally:
        await running.stop()

    for number, name in enumerate(("v0.25.0_firing_1.json", "v0.25.0_resolved.json")):
        webhook, event = receiver.bodies[number], pagerduty.asked("POST /v2/enqueue")[number]
        like_this = captured(f"alertmanager/webhooks/{name}")
        assert list(webhook) == list(like_this)
        assert without_labels(shape(webhook)) == without_labels(shape(like_this))
        assert shape(event.json) == shape(captured(f"alertmanager/pagerduty-events/{name}"))
        pagerduty_contract.check(event)


def without_labels(body: dict[str, Any]) -> dict[str, Any]:
    """Which labels and annotations there are is the alert's own affair."""
    labels = ("labels", "annotations", "groupLabels", "commonLabels", "commonAnnotations")
    return {
        key: [without_labels(it) for it in value] if isinstance(value, list) else value
        for key, value in body.items()
        if key not in labels
    }


async def test_the_played_side_sends_again_what_was_not_taken(
    service: Any, receiver: Any, pagerduty: Any, until: Any
) -> None:
    receiver.answers = [503, 500, 429, 202]
    pagerduty.fault("POST /v2/enqueue", "reset", times=2)
    service.break_it()

    running = await alerting(service, receiver, pagerduty, real=False)
    try:
        await until(lambda: len(receiver.bodies) == 4 and pagerduty.account.incidents, 60)
        await asyncio.sleep(2.5)  # one group interval more
    finally:
        await running.stop()

    assert len(receiver.bodies) == 4
    assert receiver.bodies[0] == receiver.bodies[3]
    assert len(pagerduty.asked("POST /v2/enqueue")) == 3


async def test_the_played_side_tries_again_after_5xx_within_the_same_flush(
    service: Any, receiver: Any, pagerduty: Any, until: Any
) -> None:
    receiver.answers = [503, 500]
    pagerduty.fault("POST /v2/enqueue", "status", status=429)
    plan = Plan(
        sample_url=service.url,
        webhook_url=receiver.url,
        webhook_token=TOKEN,
        events_url=pagerduty.events_url,
        group_interval_seconds=600,  # the next flush is never seen here
    )
    service.break_it()

    running = await PlayedAlerting.start(plan, {}, wall_clock)
    try:
        await until(lambda: len(receiver.bodies) == 3 and pagerduty.account.incidents, 60)
    finally:
        await running.stop()


async def test_the_played_side_lives_through_a_service_that_is_gone(receiver: Any, pagerduty: Any, until: Any) -> None:
    service = await SampleService.start()
    running = await alerting(service, receiver, pagerduty, real=False)
    service.break_it()
    await until(lambda: receiver.bodies, 60)

    await service.stop()
    await until(lambda: receiver.bodies[-1]["status"] == "resolved", 60)

    await running.stop()


async def test_what_is_not_installed_is_said_with_the_way_out(
    service: Any, receiver: Any, pagerduty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(UsageError, match="expected both on the PATH"):
        await alerting(service, receiver, pagerduty, real=True)
    played = await Alerting.start(
        sample_url=service.url, webhook_url=receiver.url, webhook_token=TOKEN, events_url=pagerduty.events_url
    )
    assert not played.real
    await played.stop()


async def test_a_child_that_dies_is_started_again_and_ends_with_all_its_own(
    tmp_path: Any, http: aiohttp.ClientSession, until: Any
) -> None:
    port = free_port()
    log = tmp_path / "child.log"
    server = f"python3 -m http.server --bind 127.0.0.1 {port} & echo $! >> {tmp_path}/pids; wait"
    url = f"http://127.0.0.1:{port}/"
    child = await Child.start(["sh", "-c", server], log=log, ready_url=url)

    def pids() -> list[int]:
        return [int(line) for line in (tmp_path / "pids").read_text().split()]

    os.kill(pids()[0], 9)
    await until(lambda: len(pids()) >= 2 and is_alive(pids()[-1]))
    await child.stop()

    await until(lambda: not any(is_alive(pid) for pid in pids()))


async def test_a_child_that_never_gets_ready_is_said_with_its_last_words(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.demo.child.READY_SECONDS", 0.5)
    url = f"http://127.0.0.1:{free_port()}/"

    with pytest.raises(ResponderError, match=r"sh: expected http://.* it last said: no such flag"):
        await Child.start(["sh", "-c", "echo no such flag"], log=tmp_path / "log", ready_url=url)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
