"""Three replicas watch the same rule on one database, and the one that opens the incident is killed as it does:
there is one incident, and one first report."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web

from responder.demo.local_server import LocalServer
from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from responder.demo.pagerduty_account import BOT_EMAIL
from tests.faults.daemon import Daemon, Strike

REPLICAS = 3
WITHIN_SECONDS = 60
RULES = """
targets: {api: {http: "${TARGET_URL}", per_minute: 6000}}
signals: {serving: {unit: percent, http: {target: api, up: [/health]}}}
rules: [{name: api-watch, watch: 5s, labels: {service: api}, thresholds: {serving: {critical: "< 1%"}}}]
"""

pytestmark = pytest.mark.faults


@dataclass
class Elsewhere:
    """The target, and where reports go."""

    status: int = 200
    posts: list[dict[str, Any]] = field(default_factory=list)

    async def health(self, _: web.Request) -> web.Response:
        return web.Response(status=self.status)

    async def take(self, request: web.Request) -> web.Response:
        self.posts.append(await request.json())
        return web.Response(status=204)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        application = web.Application()
        application.add_routes([web.get("/health", self.health), web.post("/reports", self.take)])
        server = LocalServer(application)
        await server.start()
        yield server.url
        await server.stop()


@pytest.mark.parametrize("event", ["watch.committing", "watch.breached"])
async def test_a_breach_that_all_see_is_one_incident_though_one_of_them_dies(
    event: str, embedded_database: str, tmp_path: Path
) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    elsewhere = Elsewhere()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(elsewhere.served())
        environment = {
            "TARGET_URL": url,
            "RESPONDER_RULES": str(tmp_path / "rules.yaml"),
            "RESPONDER_DATABASE_URL": embedded_database,
            "RESPONDER_REPORT_WEBHOOK_URL": f"{url}/reports",
            "RESPONDER_REPORT_STDOUT": "false",
            "RESPONDER_API_OPEN": "true",
        }
        replicas = [Daemon.made(environment) for _ in range(REPLICAS)]
        for it in replicas:
            stack.callback(it.clean_up)
        await asyncio.gather(*(asyncio.to_thread(it.start, Strike(event=event)) for it in replicas))
        elsewhere.status = 503

        async with asyncio.timeout(WITHIN_SECONDS):
            while not any(it.process is not None and it.process.poll() is not None for it in replicas):
                await asyncio.sleep(0.05)
            for it in replicas:
                if it.process is not None and it.process.poll() is not None:
                    await asyncio.to_thread(it.start)
            while not elsewhere.posts:
                await asyncio.sleep(0.05)
        await asyncio.sleep(6)  # each of them looks once more

        connection = await asyncpg.connect(embedded_database)
        stack.push_async_callback(connection.close)
        incidents = await connection.fetch("select slug, state from incidents")
        links = await connection.fetch("select kind, external_id, state from links")
    assert [it["state"] for it in incidents] == ["open"]
    assert [tuple(it) for it in links] == [("watch", "api-watch", "breach")]
    assert {it["incident"] for it in elsewhere.posts} == {incidents[0]["slug"]}


@pytest.mark.parametrize("event", ["delivery.sending", "delivery.posted", "page.triggered"])
async def test_who_pages_and_dies_has_paged_once(event: str, embedded_database: str, tmp_path: Path) -> None:
    """Before the first byte of the trigger, between the trigger and its mark, and after the mark."""
    (tmp_path / "rules.yaml").write_text(RULES.replace("watch: 5s,", "watch: 5s, page: true,"))
    elsewhere = Elsewhere()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(elsewhere.served())
        pagerduty = await StandInPagerDuty.start(event_delay_seconds=0)
        stack.push_async_callback(pagerduty.stop)
        daemon = Daemon.made(
            {
                "TARGET_URL": url,
                "RESPONDER_RULES": str(tmp_path / "rules.yaml"),
                "RESPONDER_DATABASE_URL": embedded_database,
                "RESPONDER_PAGERDUTY_TOKEN": TOKEN,
                "RESPONDER_PAGERDUTY_FROM": BOT_EMAIL,
                "RESPONDER_PAGERDUTY_URL": pagerduty.url,
                "RESPONDER_PAGERDUTY_EVENTS_URL": pagerduty.url,
                "RESPONDER_PAGERDUTY_ROUTING_KEY": "1" * 32,
                "RESPONDER_REPORT_STDOUT": "false",
            }
        )
        stack.callback(daemon.clean_up)
        await asyncio.to_thread(daemon.start, Strike(event=event))
        elsewhere.status = 503

        def noted() -> list[str]:
            return [note.content for it in pagerduty.account.incidents.values() for note in it.notes]

        def keys() -> list[str]:
            return [it.json["dedup_key"] for it in pagerduty.requests if it.path == "/v2/enqueue"]

        sent = 2 if event == "delivery.posted" else 1
        async with asyncio.timeout(WITHIN_SECONDS):
            while daemon.process is None or daemon.process.poll() is None:
                await asyncio.sleep(0.05)
            await asyncio.to_thread(daemon.start)
            while not noted() or len(keys()) < sent:
                await asyncio.sleep(0.05)
        assert len(pagerduty.account.incidents) == 1
        assert len(noted()) == 1
        assert (len(keys()), len(set(keys()))) == (sent, 1)
