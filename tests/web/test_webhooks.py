"""How long a sender waits, whatever takes the time: one deadline, from when its body is complete."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from aiohttp import web

from responder.intake.alertmanager import Alertmanager
from responder.intake.source import Credentials
from responder.model.alert import Accepted, Webhook
from responder.redaction.redact import Redactor
from responder.rules.in_force import RulesInForce
from responder.rules.packs import Loaded
from responder.store.accept import ANSWER_WITHIN_SECONDS, Acceptor
from responder.telemetry import Metrics
from responder.web import webhooks
from responder.web.room import PARSED_IN_A_THREAD_BYTES, Room
from responder.web.webhooks import Reception, Refused, receive
from tests.conftest import START
from tests.systems.plugin import LOOPBACK

SMALL = json.dumps({"groupKey": "g", "alerts": []}).encode()
LARGE = json.dumps({"groupKey": "g", "alerts": [], "more": "x" * PARSED_IN_A_THREAD_BYTES}).encode()


@dataclass
class Door:
    """Stands in for the store; `taken`: what each webhook was said to be in bytes, and the time it was given."""

    taken: list[tuple[int, float]] = field(default_factory=list)

    async def accept(self, _: Webhook, *, size: int, within_seconds: float) -> Accepted:
        self.taken.append((size, within_seconds))
        return Accepted()


@dataclass
class Receiving:
    """One address for Alertmanager's webhook."""

    url: str
    door: Door
    room: Room

    async def post(self, body: bytes) -> tuple[int, str, str | None]:
        """Status, text and `Retry-After`."""
        async with aiohttp.ClientSession() as http, http.post(self.url, data=body) as answer:
            return answer.status, await answer.text(), answer.headers.get("Retry-After")


@pytest.fixture
async def receiving() -> AsyncIterator[Receiving]:
    door, room = Door(), Room()
    rules = RulesInForce.begin(Path("rules"), Loaded(packs=(), problems=(), warnings=()), START)
    reception = Reception(
        sources={"alertmanager": Alertmanager()},
        credentials={"alertmanager": Credentials(allow_unauthenticated=True)},
        acceptor=cast(Acceptor, door),
        redactor=Redactor(),
        metrics=Metrics(),
        arrange=lambda it: (it, *it.others),
        rules=rules,
        ourselves=(),
        max_body_bytes=1024 * 1024,
        room=room,
    )

    async def answer(request: web.Request) -> web.Response:
        try:
            await receive(request, reception)
        except Refused as refused:
            return web.Response(status=refused.status, text=str(refused), headers=refused.extra)
        return web.Response(status=202)

    app = web.Application(client_max_size=1024 * 1024)
    app.router.add_post("/webhooks/{kind}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, 0).start()
    yield Receiving(f"http://{LOOPBACK}:{runner.addresses[0][1]}/webhooks/alertmanager", door, room)
    await runner.cleanup()


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`slowly(0.2)`: reading a body takes so many seconds at least."""
    parse = Alertmanager.parse

    def slow_down(seconds: float) -> None:
        def slow(*given: object) -> Webhook:
            time.sleep(seconds)
            return parse(*given)  # type: ignore[arg-type]

        monkeypatch.setattr(Alertmanager, "parse", slow)

    return slow_down


@pytest.mark.parametrize("body", [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large")])
async def test_the_store_is_told_the_size_and_given_what_reading_left_of_the_time(
    receiving: Receiving, slowly: Callable[[float], None], body: bytes
) -> None:
    slowly(0.2)

    status, _, _ = await receiving.post(body)

    ((size, within_seconds),) = receiving.door.taken
    assert (status, size) == (202, len(body))
    assert 0 < within_seconds <= ANSWER_WITHIN_SECONDS - 0.2


@pytest.mark.parametrize("body", [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large")])
async def test_a_body_whose_reading_took_all_of_the_time_comes_again_and_nothing_of_it_is_kept(
    receiving: Receiving, slowly: Callable[[float], None], monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr(webhooks, "ANSWER_WITHIN_SECONDS", 0.1)
    slowly(0.11)

    assert await receiving.post(body) == (503, "not read within 0 s", webhooks.RETRY_AFTER_SECONDS)
    assert receiving.door.taken == []


async def test_a_large_body_waits_for_its_turn_no_longer_than_for_its_answer(
    receiving: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "ANSWER_WITHIN_SECONDS", 0.1)
    async with asyncio.timeout(20), receiving.room.parsing(1, float("inf")):
        answer = await receiving.post(LARGE)

    assert answer == (503, "other large bodies were parsed all the while", webhooks.RETRY_AFTER_SECONDS)
    assert receiving.door.taken == []
