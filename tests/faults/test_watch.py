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
