"""What a daemon under fault needs around it: a stand-in PagerDuty, a target, a sender that does not give up."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from responder.demo.alertmanager_bodies import Group, GroupedAlert, event_body, webhook_body
from responder.demo.local_server import LocalServer
from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from responder.demo.pagerduty_account import BOT_EMAIL, PagedIncident
from tests.faults.daemon import Daemon, Strike

PACK = Path(__file__).parent / "pack.yaml"
WEBHOOK_TOKEN = "token-of-the-webhook"
ROUTING_KEY = "0" * 31 + "1"
AGAIN_SECONDS = 0.3
GROUP = Group(
    receiver="responder-and-pagerduty",
    group_by=("alertname", "service"),
    external_url="http://alertmanager.example.com:9093",
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One alert, alone in its group: what Alertmanager says of it to responder and to PagerDuty."""

    name: str
    service: str = "checkout"
    severity: str = "critical"
    ends_at: datetime | None = None

    @property
    def alert(self) -> GroupedAlert:
        return GroupedAlert(
            labels={"alertname": self.name, "service": self.service, "severity": self.severity},
            annotations={"summary": f"{self.name} is on"},
            starts_at=datetime(2026, 11, 21, 3, 12, tzinfo=UTC),
            ends_at=self.ends_at,
            generator_url="http://prometheus.example.com:9090/graph",
        )

    @property
    def body(self) -> bytes:
        return webhook_body(GROUP, self.alert)

    @property
    def event(self) -> bytes:
        return event_body(GROUP, self.alert, ROUTING_KEY)

    @property
    def dedup_key(self) -> str:
        return hashlib.sha256(GROUP.key_of(self.alert).encode()).hexdigest()


@dataclass(kw_only=True)
class World:
    """Open it with `opened`. `slow_seconds`: how long the target's /slow takes at least, and until `slow_until` is so;
    `up`: whether it is well otherwise."""

    pagerduty: StandInPagerDuty
    target: LocalServer
    http: aiohttp.ClientSession
    slow_seconds: float = 0.0
    slow_until: Callable[[], bool] = lambda: True
    up: bool = False
    daemons: list[Daemon] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncIterator[World]:
        """Everything, ended with the block, the daemons first."""
        pagerduty = await StandInPagerDuty.start(event_delay_seconds=0)
        app = web.Application()
        target = LocalServer(app)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
            world = cls(pagerduty=pagerduty, target=target, http=http)
            app.add_routes([web.get("/{path}", world._look)])
            await target.start()
            try:
                yield world
            finally:
                await asyncio.gather(*(asyncio.to_thread(it.clean_up) for it in world.daemons))
                await target.stop()
                await pagerduty.stop()

    async def _look(self, request: web.Request) -> web.Response:
        if request.path == "/slow":
            await asyncio.sleep(self.slow_seconds)
            while not self.slow_until():
                await asyncio.sleep(0.05)
        return web.Response(status=200 if request.path == "/slow" or self.up else 503)

    async def daemon(self, *, seed: Path | None = None, **more: str | None) -> Daemon:
        """One that reports to the stand-in; not started yet. `more`: settings such as DATABASE_URL, None for none."""
        ours = {
            "NAME": "faults",
            "RULES": str(PACK),
            "ALERTMANAGER_TOKENS": WEBHOOK_TOKEN,
            "PAGERDUTY_TOKEN": TOKEN,
            "PAGERDUTY_FROM": BOT_EMAIL,
            "PAGERDUTY_URL": self.pagerduty.url,
            **more,
        }
        given = {f"RESPONDER_{name}": value for name, value in ours.items() if value is not None}
        environment = given | {"TARGET_URL": self.target.url}
        made = await asyncio.to_thread(Daemon.made, environment, seed=seed)
        self.daemons.append(made)
        return made

    async def start(self, daemon: Daemon, strike: Strike | None = None) -> float:
        """Start it; seconds until it was ready."""
        return await asyncio.to_thread(daemon.start, strike)

    async def page(self, case: Case) -> PagedIncident:
        """What Alertmanager tells PagerDuty: the incident is there when this returns."""
        async with self.http.post(self.pagerduty.events_url, data=case.event) as answer:
            assert answer.status == 202
        await until(lambda: self._paged(case))
        return self._paged(case)[0]

    def _paged(self, case: Case) -> list[PagedIncident]:
        return [it for it in self.pagerduty.account.incidents.values() if it.has_key(case.dedup_key)]

    async def post(self, daemon: Daemon, case: Case) -> int | None:
        """What Alertmanager tells responder, once: the status, None when there was no answer."""
        headers = {"Authorization": f"Bearer {WEBHOOK_TOKEN}", "Content-Type": "application/json"}
        try:
            async with self.http.post(f"{daemon.url}/webhooks/alertmanager", data=case.body, headers=headers) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def tell(self, daemon: Daemon, case: Case, within_seconds: float = 150) -> None:
        """The same, again and again until it is taken, as Alertmanager does after connection errors and 5xx."""
        async with asyncio.timeout(within_seconds):
            while (status := await self.post(daemon, case)) != 202:
                assert status is None or status >= 500, f"the sender would not repeat this: {status}"
                await asyncio.sleep(AGAIN_SECONDS)

    async def mend(self) -> None:
        """Have PagerDuty do nothing wrong any more."""
        async with self.http.post(f"{self.pagerduty.url}/_fault", json={"do": "clear"}) as answer:
            assert answer.status == 200

    def note_requests(self, incident: PagedIncident) -> list[str]:
        """What was asked about the notes of one incident: GET, POST, PUT, DELETE in their order."""
        return [it.method for it in self.pagerduty.requests if it.path.startswith(f"/incidents/{incident.id}/notes")]


def ours(incident: PagedIncident) -> list[str]:
    """The texts of our notes."""
    return [note.content for note in incident.notes if "[responder:" in note.content]


def noted(incident: PagedIncident) -> bool:
    return bool(ours(incident))


async def until(
    is_so: Callable[[], Any],
    within_seconds: float = 150,
    *,
    every_seconds: float = 0.01,
    else_tell: Callable[[], str] = lambda: "",
) -> float:
    """Wait for something to become true; the moment when it was, by the wall clock. Fails when it does not in time.

    `is_so` may be asynchronous.
    """
    end = time.monotonic() + within_seconds
    while not (await found if inspect.isawaitable(found := is_so()) else found):
        assert time.monotonic() < end, f"did not happen within {within_seconds:g} s: {else_tell()}"
        await asyncio.sleep(every_seconds)
    return time.time()


def moment(event: Mapping[str, Any]) -> float:
    """When an event was logged, by the wall clock."""
    return datetime.fromisoformat(event["timestamp"]).timestamp()
