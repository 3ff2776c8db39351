"""A daemon in this process, on a database of its own, with a stand-in PagerDuty and a target that can misbehave."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from responder import app, wiring
from responder.app import Running
from responder.demo.local_server import LocalServer
from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from responder.demo.pagerduty_account import BOT_EMAIL
from responder.settings import load_settings
from responder.telemetry import Metrics, set_up_log
from tests.faults.daemon import lasting_port

WEBHOOK_TOKEN = "webhook-token-of-the-tests"
ROUTING_KEY = "0" * 31 + "1"
LABELS = {"alertname": "ApiDown", "service": "api"}
PACK = """
targets:
  api: {http: "${TARGET_URL}", headers: {X-Token: "${TARGET_TOKEN}"}}
signals:
  serving: {unit: percent, http: {up: [/health]}}
rules:
  - name: down
    summary: API does not answer
    match: ['alertname="ApiDown"']
    thresholds: {serving: {critical: "< 1%"}}
    diagnose: [http.status: {paths: [/health]}]
severity:
  hold: 1s
  decide:
    - {ask: "Is the API completely down?", when: {serving: "< 1%"}, then: P1}
  otherwise: {critical: P2, warning: P3, pending: P3, unknown: P3, clear: P4}
"""


class Target:
    """A service that answers as it is told: `status`, after `seconds`."""

    def __init__(self) -> None:
        self.status = 503
        self.seconds = 0.0
        self.asked: list[str] = []
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        self.server = LocalServer(application)

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        await asyncio.sleep(self.seconds)
        return web.Response(status=self.status, text="{}")


@dataclass
class World:
    """Everything around one daemon, and what a person would do to it."""

    pagerduty: StandInPagerDuty
    target: Target
    daemon: Running
    http: aiohttp.ClientSession
    said: list[dict[str, Any]]
    printed: list[str] = field(default_factory=list)

    async def post(
        self,
        *,
        status: str = "firing",
        group: str = "g",
        expect: int = 202,
        starts: str = "2026-11-21T02:51:38.961Z",
        **labels: str,
    ) -> dict[str, Any]:
        """One Alertmanager webhook with one alert."""
        alert = {
            "status": status,
            "labels": LABELS | labels,
            "annotations": {"summary": "down"},
            "startsAt": starts,
            "endsAt": "2026-11-21T02:59:00Z" if status == "resolved" else "0001-01-01T00:00:00Z",
        }
        body = {"version": "4", "groupKey": group, "status": status, "truncatedAlerts": 0, "alerts": [alert]}
        headers = {"Authorization": f"Bearer {WEBHOOK_TOKEN}"}
        async with self.http.post(f"{self.daemon.url}/webhooks/alertmanager", json=body, headers=headers) as answer:
            text = await answer.text()
            assert answer.status == expect, text
            told: dict[str, Any] = json.loads(text)
            return told

    async def page(
        self, group: str = "g", *, action: str = "trigger", service: str = ROUTING_KEY, **labels: str
    ) -> str:
        """Have the same group open an incident in PagerDuty, as Alertmanager 0.25 words it; its id."""
        key = hashlib.sha256(group.encode()).hexdigest()
        listed = "".join(f" - {name} = {value}\n" for name, value in (LABELS | labels).items())
        event = {
            "routing_key": service,
            "event_action": action,
            "dedup_key": key,
            "client": "Alertmanager",
            "client_url": "http://alertmanager.example.com:9093/#/alerts?receiver=both",
            "payload": {
                "summary": "[FIRING:1] ApiDown",
                "source": "Alertmanager",
                "severity": "error",
                "custom_details": {
                    "firing": f"Labels:\n{listed}Annotations:\n - summary = down\nSource: http://p.example.com\n",
                    "num_firing": "1",
                    "num_resolved": "0",
                    "resolved": "",
                },
            },
        }
        async with self.http.post(self.pagerduty.events_url, json=event) as answer:
            assert answer.status == 202
        if action == "resolve":
            return ""
        await self.until(lambda: any(it.open_alert(key) for it in self.pagerduty.account.incidents.values()))
        return next(it.id for it in self.pagerduty.account.incidents.values() if it.open_alert(key))

    def notes(self, incident: str) -> list[str]:
        return [note.content for note in self.pagerduty.account.incidents[incident].notes]

    async def get(self, path: str) -> str:
        async with self.http.get(self.daemon.url + path) as answer:
            return await answer.text()

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.daemon.desk.store.connection() as connection:
            return [tuple(row) for row in await connection.fetch(query)]

    async def incidents(self) -> list[tuple[str, str]]:
        """(slug, state), oldest first, without those that were folded."""
        found = await self.rows("select slug, state from incidents where state <> 'folded' order by id")
        return [(slug, state) for slug, state in found]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [it for it in self.said if it["event"] == name]

    @staticmethod
    async def until(is_so: Callable[[], Any], seconds: float = 30) -> None:
        async with asyncio.timeout(seconds):
            while not is_so():
                await asyncio.sleep(0.02)


@pytest.fixture
async def world(
    embedded_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Any]]:
    """`await world(pack=…, shadow=True)`: everything running."""
    async with AsyncExitStack() as stack:

        async def start(
            pack: str = PACK,
            *,
            pagerduty: bool = True,
            webhooks: bool = False,
            account_key: bool = False,
            answers: int = 503,
            **settings: Any,
        ) -> World:
            (tmp_path / "rules.yaml").write_text(pack)
            account = await StandInPagerDuty.start(
                account_key=account_key, event_delay_seconds=0, webhook_retry_seconds=(0.2, 0.5)
            )
            stack.push_async_callback(account.stop)
            listen = f"127.0.0.1:{lasting_port()}" if webhooks else "127.0.0.1:0"
            if webhooks:
                subscription = account.subscribe(f"http://{listen}/webhooks/pagerduty")
                settings = {"pagerduty_webhook_secrets": subscription.secret} | settings
            target = Target()
            target.status = answers
            await target.server.start()
            stack.push_async_callback(target.server.stop)
            monkeypatch.setenv("TARGET_URL", target.server.url)
            monkeypatch.setenv("TARGET_TOKEN", "canary-target-token-81")
            given = (
                {"pagerduty_token": TOKEN, "pagerduty_from": BOT_EMAIL, "pagerduty_url": account.url}
                if pagerduty
                else {}
            )
            made = load_settings(
                {},
                rules=tmp_path / "rules.yaml",
                database_url=embedded_database,
                listen=listen,
                alertmanager_tokens=WEBHOOK_TOKEN,
                name="test",
                pagerduty_events_url=account.url,
                **({"report_stdout": False} | given | settings),
            )
            said: list[dict[str, Any]] = []
            printed: list[str] = []

            async def write(text: str, _: float) -> None:
                printed.append(text)

            loaded, metrics = wiring.load_rules(made), Metrics()
            redactor = wiring.redactor_of(made, loaded.packs, metrics)
            set_up_log(as_json=True, level="debug", redact=redactor.text, also=said.append)
            daemon = await stack.enter_async_context(app.running(made, loaded, redactor, metrics, write))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return World(pagerduty=account, target=target, daemon=daemon, http=http, said=said, printed=printed)

        yield start
