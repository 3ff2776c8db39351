"""One TEST incident from a webhook to every sink and back: posted as Alertmanager posts, followed in the store."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp

from responder.errors import Unreachable, UsageError
from responder.model.incident import DRILL
from responder.settings import Settings, revealed
from responder.store import look_up
from responder.store.look_up import One
from responder.store.store import Store

SUMMARY = "TEST: a drill of responder; nothing is wrong, nothing is to be done"
ENQUEUE = "/v2/enqueue"  # https://developer.pagerduty.com/docs/send-alert-event
LOOK_SECONDS = 0.2
POST_WITHIN_SECONDS = 10.0
ON_THEIR_WAY = frozenset({"due", "sending", "uncertain"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """`number` tells one drill from another; `routing_key`: of a PagerDuty service that is to be paged, else empty."""

    number: str
    labels: Mapping[str, str]
    began: datetime
    url: str
    routing_key: str = ""

    @property
    def group_key(self) -> str:
        """As Alertmanager spells it; another one each time, so that no drill reopens a former one."""
        return f'{{}}:{{{DRILL}="{self.number}"}}'

    def body(self, *, ended: datetime | None = None) -> dict[str, Any]:
        """The webhook: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config"""
        status = "firing" if ended is None else "resolved"
        alert = {
            "status": status,
            "labels": {**self.labels, DRILL: self.number},
            "annotations": {"summary": SUMMARY},
            "startsAt": self.began.isoformat(),
            "endsAt": ended.isoformat() if ended else "0001-01-01T00:00:00Z",
        }
        return {"version": "4", "groupKey": self.group_key, "status": status, "alerts": [alert]}

    def event(self, action: str) -> dict[str, Any]:
        """What Alertmanager's PagerDuty notifier sends beside it, by the same key."""
        key = hashlib.sha256(self.group_key.encode()).hexdigest()
        payload = {"summary": SUMMARY, "source": "responder drill", "severity": "info"}
        return {"routing_key": self.routing_key, "event_action": action, "dedup_key": key, "payload": payload}


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """The incident as it was when nothing was on its way any more, or the time was over."""

    slug: str
    found: One

    @property
    def is_settled(self) -> bool:
        """Whether there is a whole report, and nothing is on its way to any sink."""
        report = self.found.report
        return report is not None and report.complete and not self._any(ON_THEIR_WAY)

    @property
    def is_told(self) -> bool:
        """Whether every sink that could show it does."""
        return self.is_settled and not self._any(frozenset({"failed"}))

    def _any(self, states: frozenset[str]) -> bool:
        return any(it["state"] in states for it in self.found.deliveries)

    def seconds(self, row: Mapping[str, Any]) -> float | None:
        """From the acceptance of the webhook to the first time that this sink showed it, by the database's clock."""
        first: datetime | None = row["first_at"]
        return None if first is None else (first - self.found.summary["opened_at"]).total_seconds()


async def begin(drill: Drill, settings: Settings) -> str:
    """Page (where there is a key), then post; the incident's slug. Raises UsageError, Unreachable."""
    if drill.routing_key:
        await _event(drill, settings, "trigger")
    told = await _webhook(drill, settings, drill.body())
    if not told["incidents"]:
        raise UsageError(f"the daemon took no incident up: {json.dumps(told)}; does `intake.ignore` name these labels?")
    return str(told["incidents"][0])


async def end(drill: Drill, settings: Settings, now: datetime) -> None:
    """Say that it is over, to whoever was told that it began."""
    await _webhook(drill, settings, drill.body(ended=now))
    if drill.routing_key:
        await _event(drill, settings, "resolve")


async def follow(
    store: Store, slug: str, *, within_seconds: float, is_paged: bool, told: Callable[[One], None]
) -> Followed:
    """Wait until every sink shows it. What waits for a PagerDuty incident is waited for only if one `is_paged`."""
    until = asyncio.get_running_loop().time() + within_seconds
    number = await look_up.number_of(store, slug)
    assert number is not None
    while True:
        found = await look_up.one(store, number)
        assert found is not None
        told(found)
        followed = Followed(slug=slug, found=found)
        waits = is_paged and any(it["state"] == "waiting" for it in found.deliveries)
        if (followed.is_settled and not waits) or asyncio.get_running_loop().time() >= until:
            return followed
        await asyncio.sleep(LOOK_SECONDS)


async def _webhook(drill: Drill, settings: Settings, body: Mapping[str, Any]) -> Mapping[str, Any]:
    where = f"{drill.url}/webhooks/alertmanager"
    status, told = await _post(where, body, _credential(settings))
    if status != 202 or not isinstance(told, dict):
        detail = told.get("detail", "") if isinstance(told, dict) else ""
        raise Unreachable(f"{where}: HTTP {status} {detail}".rstrip())
    return told


async def _event(drill: Drill, settings: Settings, action: str) -> None:
    where = f"{settings.pagerduty_events_url.rstrip('/')}{ENQUEUE}"
    status, _ = await _post(where, drill.event(action), {})
    if status != 202:
        raise Unreachable(f"{where}: HTTP {status}, expected 202; is --routing-key that of a service's integration?")


def _credential(settings: Settings) -> Mapping[str, str]:
    """What the daemon expects of Alertmanager, from the same settings."""
    tokens = revealed(settings.alertmanager_tokens)
    if tokens:
        return {"Authorization": f"Bearer {tokens[0]}"}
    if settings.alertmanager_username:
        password = settings.alertmanager_password.get_secret_value()
        return {"Authorization": aiohttp.BasicAuth(settings.alertmanager_username, password).encode()}
    if settings.allow_unauthenticated_webhooks:
        return {}
    raise UsageError("a drill posts as Alertmanager does: RESPONDER_ALERTMANAGER_TOKENS is not set")


async def _post(url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, Any]:
    limit = aiohttp.ClientTimeout(total=POST_WITHIN_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit, trust_env=False) as http,
            http.post(url, json=body, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.json(content_type=None)
    except ValueError:
        return answer.status, None
    except (aiohttp.ClientError, TimeoutError, OSError) as why:
        raise Unreachable(f"{url}: {type(why).__name__}; is the daemon running there? --url says where") from None


def labels_of(words: Sequence[str]) -> dict[str, str]:
    """`service=payments` …; an alert's name of its own unless one is given. Raises UsageError."""
    labels = {"alertname": "ResponderDrill", "severity": "info"}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"{word}: expected label=value, such as alertname=HighErrorRate")
        labels[name] = value
    return labels
