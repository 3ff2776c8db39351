"""Somebody is called each minute while nothing is overdue, and is not called while anything is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from aiohttp import web

from responder.work import heartbeat
from tests.systems.servers import Handler
from tests.work.conftest import World

Start = Callable[..., Awaitable[World]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_SECONDS", 0.2)
    monkeypatch.setattr(heartbeat, "MARGIN", timedelta(seconds=1))


class Listener:
    """Counts what it hears; answers with `status`."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.status = 200

    async def answer(self, request: web.Request) -> web.Response:
        self.heard.append(request.path)
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})


async def test_it_beats_until_a_report_is_late_and_again_once_it_is_there(world: Start, serve: Serve) -> None:
    listener = Listener()
    it = await world(heartbeat_url=f"{await serve(listener.answer)}/ping", first_report_within="1s")
    await it.until(lambda: len(listener.heard) >= 2)
    incident = await it.page()
    it.pagerduty.fault("POST /incidents/*/notes", "status", status=500, times=None)
    await it.post()
    await it.until(lambda: it.events("work.overdue"))
    await asyncio.sleep(0.5)
    before = len(listener.heard)
    await asyncio.sleep(1.5)
    while_late = len(listener.heard) - before
    it.pagerduty._front.faults.clear()
    await it.until(lambda: it.notes(incident), 90)
    await it.until(lambda: len(listener.heard) >= before + 2)

    assert while_late == 0
    assert [e["incidents"] for e in it.events("work.overdue")] == [["inc-0001"]]  # said once
    assert len(it.events("work.no_longer_overdue")) == 1
    assert it.events("work.failed") == []


async def test_a_failing_listener_is_said_once_and_no_redirect_is_followed(world: Start, serve: Serve) -> None:
    listener = Listener()
    listener.status = 302
    it = await world(pagerduty=False, heartbeat_url=f"{await serve(listener.answer)}/ping/canary-uuid")
    await it.until(lambda: len(listener.heard) >= 4)
    listener.status = 204
    await it.until(lambda: it.events("heartbeat.sent"))

    assert set(listener.heard) == {"/ping/canary-uuid"}
    assert [e["why"] for e in it.events("heartbeat.failed")] == ["heartbeat: answered 302; expected 2xx"]
    assert "canary-uuid" not in str(it.said)


async def test_without_an_address_it_is_audited_all_the_same(world: Start) -> None:
    it = await world(first_report_within="1s")
    incident = await it.page()
    it.pagerduty.fault("POST /incidents/*/notes", "status", status=500, times=None)
    await it.post()
    await it.until(lambda: it.events("work.overdue"))
    it.pagerduty._front.faults.clear()
    await it.until(lambda: it.notes(incident), 90)
    await it.until(lambda: it.events("work.no_longer_overdue"))
