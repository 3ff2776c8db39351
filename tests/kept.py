"""A daemon in this process that was told of an alert, and a receiver of its reports: for those who ask afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from responder import app, wiring
from responder.app import Running
from responder.demo.local_server import LocalServer
from responder.printing import printing
from responder.settings import load_settings
from responder.telemetry import Metrics, set_up_log

PACK = Path(__file__).parent / "faults" / "pack.yaml"
WEBHOOK_TOKEN = "token-of-the-webhook"
URL_SECRET = "canary-of-the-report-webhook"
GROUP_KEY = '{}:{alertname="KilledNobody", service="checkout"}'
FIRING = {
    "status": "firing",
    "labels": {"alertname": "KilledNobody", "service": "checkout", "password": "canary-5519"},
    "annotations": {"summary": "down"},
    "startsAt": "2026-11-21T02:51:38.961Z",
}
BAD = {"status": "smouldering", "labels": {"alertname": "KilledLater"}, "startsAt": "2026-11-21T02:51:38.961Z"}


@dataclass
class Kept:
    """`posts`: bodies of reports as they came; a test may say which `status` they are answered with."""

    database: str
    daemon: Running
    http: aiohttp.ClientSession
    posts: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    status: int = 204

    async def post(self, *alerts: dict[str, Any], group: str | None = GROUP_KEY) -> dict[str, Any]:
        """One webhook of Alertmanager; the answer."""
        body = {"version": "4", "groupKey": group, "status": "firing", "alerts": list(alerts)}
        headers = {"Authorization": f"Bearer {WEBHOOK_TOKEN}"}
        async with self.http.post(f"{self.daemon.url}/webhooks/alertmanager", json=body, headers=headers) as answer:
            assert answer.status == 202
            told: dict[str, Any] = await answer.json()
            return told

    async def report(self, number: int = 1) -> None:
        """Wait until so many reports have come, and are marked as delivered."""
        async with asyncio.timeout(30):
            while len(self.posts) < number or await self._under_way():
                await asyncio.sleep(0.02)

    async def _under_way(self) -> bool:
        async with self.daemon.desk.store.connection() as connection:
            return bool(await connection.fetchval("select exists (select 1 from deliveries where state = 'sending')"))

    async def get(self, path: str, **headers: str) -> tuple[int, str, str]:
        """Status, media type, text."""
        async with self.http.get(self.daemon.url + path, headers=headers) as answer:
            return answer.status, answer.content_type, await answer.text()

    async def json(self, path: str, expect: int = 200) -> Any:
        status, kind, text = await self.get(path)
        assert (status, kind) == (expect, "application/json" if expect < 400 else "application/problem+json"), text
        return json.loads(text)

    async def take(self, request: web.Request) -> web.Response:
        self.posts.append(await request.json())
        self.keys.append(request.headers["Idempotency-Key"])
        return web.Response(status=self.status)


@asynccontextmanager
async def kept_in(database: str, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[Kept]:
    """With the rules of the fault tests and a target that is down."""
    async with AsyncExitStack() as stack:
        made: list[Kept] = []
        receiver = web.Application()

        async def take(request: web.Request) -> web.Response:
            return await made[0].take(request)

        receiver.router.add_post(f"/{URL_SECRET}", take)
        server = LocalServer(receiver)
        await server.start()
        stack.push_async_callback(server.stop)
        monkeypatch.setenv("TARGET_URL", f"{server.url}/down")
        wanted = load_settings(
            {},
            database_url=database,
            listen="127.0.0.1:0",
            alertmanager_tokens=WEBHOOK_TOKEN,
            name="test",
            report_stdout=False,
            report_webhook_url=f"{server.url}/{URL_SECRET}",
            **({"rules": PACK} | settings),
        )
        loaded, metrics = wiring.load_rules(wanted), Metrics()
        redactor = wiring.redactor_of(wanted, loaded.packs, metrics)
        set_up_log(as_json=True, level="error", redact=redactor.text)
        daemon = await stack.enter_async_context(app.running(wanted, loaded, redactor, metrics, printing()))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        made.append(Kept(database=database, daemon=daemon, http=http))
        yield made[0]
