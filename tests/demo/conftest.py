"""What the demo's tests share: a stand-in PagerDuty, a client, and events as Alertmanager sends them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from responder.demo.pagerduty_account import BOT_EMAIL

KEY = "2c214e69c4c57320756c8ba5c3eb304ed9aa8d296d53afccd82ea40172143fca"
CONTRACTS = Path(__file__).parents[2].parent / "shared" / "contracts"
HEADERS = {
    "Authorization": f"Token token={TOKEN}",
    "Accept": "application/vnd.pagerduty+json;version=2",
    "Content-Type": "application/json",
    "From": BOT_EMAIL,
}


class Caller:
    """Asks the stand-in as responder does."""

    def __init__(self, http: aiohttp.ClientSession, pagerduty: StandInPagerDuty) -> None:
        self.http = http
        self.pagerduty = pagerduty

    async def ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> tuple[int, Any]:
        """Status and JSON, None for an empty answer. `headers` replaces the usual ones."""
        used = HEADERS if headers is None else headers
        async with self.http.request(method, self.pagerduty.url + path, headers=used, **more) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def note(self, incident: str, content: str = "findings") -> tuple[int, Any]:
        """Write a note."""
        return await self.ask("POST", f"/incidents/{incident}/notes", json={"note": {"content": content}})

    async def event(self, action: str = "trigger", key: str = KEY, **other: Any) -> tuple[int, Any]:
        """Send an event as Alertmanager does."""
        event = {
            "routing_key": "0" * 31 + "1",
            "dedup_key": key,
            "event_action": action,
            "payload": {
                "summary": "[FIRING:1] TargetDown prod-eu1",
                "source": "Alertmanager",
                "severity": "error",
                "custom_details": {"num_firing": "1"},
            },
            "client": "Alertmanager",
            "client_url": "http://alertmanager.example.com:9093/#/alerts?receiver=both",
            **other,
        }
        return await self.ask("POST", "/v2/enqueue", headers={"Content-Type": "application/json"}, json=event)

    async def incident(self, key: str = KEY) -> str:
        """Have an incident made by an event, and give its id."""
        assert (await self.event(key=key))[0] == 202
        await until(lambda: any(it.open_alert(key) for it in self.pagerduty.account.incidents.values()))
        return next(it.id for it in self.pagerduty.account.incidents.values() if it.open_alert(key))


@pytest.fixture
async def pagerduty() -> AsyncIterator[StandInPagerDuty]:
    """A stand-in whose events take no time."""
    server = await StandInPagerDuty.start(event_delay_seconds=0)
    yield server
    await server.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the usual kind."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def caller(http: aiohttp.ClientSession, pagerduty: StandInPagerDuty) -> Caller:
    """Asks the stand-in as responder does."""
    return Caller(http, pagerduty)


@pytest.fixture(name="until")
def until_() -> Callable[..., Awaitable[None]]:
    """Waits for something to become true."""
    return until


async def until(is_so: Callable[[], Any], within_seconds: float = 20) -> None:
    """Wait for something to become true; fail when it does not in time."""
    async with asyncio.timeout(within_seconds):
        while not is_so():
            await asyncio.sleep(0.01)


@pytest.fixture
def captured() -> Callable[[str], Any]:
    """Reads a captured body, by its path below the contracts."""

    def read(name: str) -> Any:
        if not (CONTRACTS / name).is_file():
            pytest.skip(f"no captured {name} at {CONTRACTS}")
        return json.loads((CONTRACTS / name).read_text("utf-8"))

    return read


def shape(value: Any) -> Any:
    """The keys and types of a JSON value, without its values; lists by their first item."""
    if isinstance(value, dict):
        return {key: shape(it) for key, it in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


@pytest.fixture(name="shape")
def shape_() -> Callable[[Any], Any]:
    """The keys and types of a JSON value."""
    return shape
