"""What no webhook brought is found by asking, and nothing is settled by an answer that cannot be trusted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from responder.errors import UsageError
from responder.incidents import reconcile as decide
from responder.intake.fingerprint import fingerprint_of
from responder.model.alert import AlertStatus, Webhook
from responder.settings import load_settings
from responder.store import reconcile as asked
from tests.contracts.pagerduty_openapi import PagerDutyContract
from tests.systems.plugin import System
from tests.systems.servers import Handler
from tests.work.conftest import LABELS, PACK, WEBHOOK_TOKEN, World

Start = Callable[..., Awaitable[World]]
Serve = Callable[[Handler], Awaitable[str]]
BY_TITLE = PACK.replace("match: ['alertname=\"ApiDown\"']", "match: ['pagerduty_service=~\".+\"']")
CONFIG = """
route: {receiver: us, group_by: [alertname, service], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}
receivers:
  - name: us
    webhook_configs:
      - {url: "%s/webhooks", http_config: {authorization: {credentials: "%s"}}}
"""


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes become nothing, but for the one that a test is about; asking goes on all the time."""
    monkeypatch.setattr("responder.work.reconcile.EVERY_SECONDS", 0.2)
    monkeypatch.setattr("responder.report.compare.BETWEEN_EDITS", timedelta(0))
    for name in ("UP_FOR", "QUIET_FOR", "ABSENT_FOR", "GRACE"):
        monkeypatch.setattr(decide, name, timedelta(0))


async def lines(it: World) -> list[str]:
    return [what for (what,) in await it.rows("select what from timeline order by id")]


async def once(is_so: Callable[[], Awaitable[Any]], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await is_so():
            await asyncio.sleep(0.05)


async def rounds(it: World, whom: str, number: int = 3) -> None:
    """Wait until it was asked so many times more."""
    seen = {at for (at,) in await it.rows(f"select at from asked where whom = '{whom}'")}
    before = len(seen)
    async with asyncio.timeout(30):
        while len(seen) < before + number:
            seen |= {at for (at,) in await it.rows(f"select at from asked where whom = '{whom}'")}
            await asyncio.sleep(0.02)


@dataclass
class Way:
    """Between Alertmanager and responder: `lets` through webhooks of these statuses; the API is at `address`."""

    address: str = ""
    webhooks_to: str = ""
    lets: set[str] = field(default_factory=lambda: {"firing", "resolved"})
    swallowed: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/api/"):
            return await self._forward(request, f"{self.address}{request.path_qs}")
        status = (await request.json())["status"]
        if status not in self.lets:
            self.swallowed.append(status)
            return web.Response()
        return await self._forward(request, f"{self.webhooks_to}/webhooks/alertmanager")

    async def _forward(self, request: web.Request, url: str) -> web.StreamResponse:
        body = await request.read()
        headers = {name: it for name, it in request.headers.items() if name in ("Authorization", "Content-Type")}
        with suppress(aiohttp.ClientError):
            async with aiohttp.request(request.method, url, data=body, headers=headers) as it:
                return web.Response(status=it.status, body=await it.read(), headers={"Date": it.headers["Date"]})
        return web.Response(status=502)


@dataclass
class Alerting:
    """A real Alertmanager that tells one daemon."""

    world: World
    way: Way
    start_one: Callable[[], System]
    system: System

    async def fire(self, *, over: bool = False) -> None:
        alert: dict[str, Any] = {"labels": LABELS, "annotations": {"summary": "down"}}
        if over:
            alert["endsAt"] = datetime.now(UTC).isoformat()
        else:
            alert |= {"startsAt": datetime.now(UTC).isoformat()}
            alert |= {"endsAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
        async with self.world.http.post(f"{self.system.address}/api/v2/alerts", json=[alert]) as answer:
            assert answer.status == 200

    async def silence(self) -> None:
        now = datetime.now(UTC)
        body = {
            "matchers": [{"name": "alertname", "value": LABELS["alertname"], "isRegex": False}],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "t",
            "comment": "t",
        }
        async with self.world.http.post(f"{self.system.address}/api/v2/silences", json=body) as answer:
            assert answer.status == 200

    def restart(self) -> None:
        """It comes back at the same address, and has forgotten its alerts."""
        self.system.stop()
        self.system = self.start_one()
        self.way.address = self.system.address


@pytest.fixture
async def alerting(
    world: Start, serve: Serve, alertmanager_server: Callable[..., System]
) -> Callable[[], Awaitable[Alerting]]:
    """Everything running, with one firing alert that responder was told of."""

    async def start() -> Alerting:
        way = Way()
        url = await serve(way.handle)
        it = await world(pagerduty=False, alertmanager_urls=url)
        way.webhooks_to = it.daemon.url

        def start_one() -> System:
            return alertmanager_server(CONFIG % (url, WEBHOOK_TOKEN))

        system = start_one()
        way.address = system.address
        made = Alerting(it, way, start_one, system)
        await made.fire()
        await once(it.incidents)
        return made

    return start


@pytest.mark.system
async def test_an_alert_whose_resolve_was_lost_is_settled_by_asking(
    alerting: Callable[[], Awaitable[Alerting]],
) -> None:
    it = await alerting()
    await rounds(it.world, "alertmanager/default")
    still_open = await it.world.incidents()
    it.way.lets = {"firing"}
    await it.fire(over=True)
    await once(lambda: it.world.rows("select 1 from incidents where state = 'resolved'"))
    found = await lines(it.world)
    await it.world.until(lambda: it.way.swallowed)  # the resolve was really sent, and really lost

    assert still_open == [("inc-0001", "open")]
    assert "found by asking Alertmanager: 1 alert not there any more, though no resolve came" in found
    assert "resolved: no alert of it fires any more" in found
    assert await it.world.rows("select status from alerts") == [(int(AlertStatus.RESOLVED),)]
    assert [e["whom"] for e in it.world.events("reconciling.found")] == ["alertmanager/default"]
    assert it.world.events("work.failed") == []


@pytest.mark.system
async def test_a_silenced_alert_still_fires(alerting: Callable[[], Awaitable[Alerting]]) -> None:
    it = await alerting()
    await it.silence()
    await rounds(it.world, "alertmanager/default", 5)

    assert await it.world.incidents() == [("inc-0001", "open")]
    assert it.world.events("reconciling.found") == []


@pytest.mark.system
async def test_an_alertmanager_that_was_restarted_lately_settles_nothing(
    alerting: Callable[[], Awaitable[Alerting]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "UP_FOR", timedelta(minutes=10))
    it = await alerting()
    it.restart()
    await rounds(it.world, "alertmanager/default", 5)
    kept = await it.world.incidents()
    (outcome,) = [o for o in await asked.outcomes(it.world.daemon.desk.store) if o.whom == "alertmanager/default"]
    said = [e["why"] for e in it.world.events("reconciling.failed")]
    monkeypatch.setattr(decide, "UP_FOR", timedelta(0))  # as if ten minutes had gone by

    await once(lambda: it.world.rows("select 1 from incidents where state = 'resolved'"))
    assert kept == [("inc-0001", "open")]
    assert outcome.why.startswith("no Alertmanager that answers has been up for ten minutes")
    assert sum(why.startswith("no Alertmanager that answers") for why in said) == 1  # once, not each time


def test_peers_of_a_source_are_written_one_after_the_other() -> None:
    given = "http://a:9093, http://b:9093/am, eu=https://user:canary-77@c:9093"
    settings = load_settings({}, alertmanager_urls=given)

    assert settings.alertmanagers == {
        "default": ("http://a:9093", "http://b:9093/am"),
        "eu": ("https://user:canary-77@c:9093",),
    }
    assert settings.secret_values() == ["canary-77"]  # links to Alertmanager in reports stay whole


@pytest.mark.parametrize("given", ["a:9093", "EU=http://a:9093", "http://a:9093?x=1", "ftp://a", "http://"])
def test_what_is_no_address_of_alertmanager_stops_the_start_and_is_not_repeated(given: str) -> None:
    with pytest.raises(UsageError, match=r"RESPONDER_ALERTMANAGER_URLS: entry 1: expected http://host:9093") as said:
        load_settings({}, alertmanager_urls=given)
    assert f'"{given}"' not in str(said.value)


def saying(*fingerprints: str, code: int = 200) -> Handler:
    """An Alertmanager that has been up for a day and has these alerts."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if code != 200:
            return web.Response(status=code)
        if request.path.endswith("/alerts"):
            return web.json_response([{"fingerprint": it} for it in fingerprints])
        up = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        return web.json_response({"cluster": {"status": "ready"}, "uptime": up})

    return answer


async def test_nothing_is_settled_while_nobody_answers_which_is_said_once(world: Start, serve: Serve) -> None:
    first, second = await serve(saying(code=503)), "http://127.0.0.1:1"
    it = await world(pagerduty=False, alertmanager_urls=f"{first},default={second}")
    await it.post()
    await rounds(it, "alertmanager/default", 4)

    assert await it.incidents() == [("inc-0001", "open")]
    (said,) = it.events("reconciling.failed")
    assert f"{first}/api/v2/alerts answered 503" in said["why"]
    assert "http://127.0.0.1:1: connection refused" in said["why"]


async def test_an_alert_that_one_of_the_peers_has_still_fires(world: Start, serve: Serve) -> None:
    peers = [await serve(saying()), await serve(saying(fingerprint_of(LABELS)))]
    it = await world(pagerduty=False, alertmanager_urls=",".join(peers))
    await it.post()
    await rounds(it, "alertmanager/default", 4)

    assert await it.incidents() == [("inc-0001", "open")]
    assert it.events("reconciling.failed") == []


async def test_a_peer_that_is_away_does_not_keep_the_others_from_knowing(world: Start, serve: Serve) -> None:
    it = await world(pagerduty=False, alertmanager_urls=f"{await serve(saying())},http://127.0.0.1:1")
    await it.post()
    await once(lambda: it.rows("select 1 from incidents where state = 'resolved'"))

    assert [e["why"] for e in it.events("reconciling.failed")] == ["http://127.0.0.1:1: connection refused"]


@pytest.mark.parametrize("name", ["QUIET_FOR", "ABSENT_FOR"])
async def test_a_resolve_is_given_its_time_to_come(
    world: Start, serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(decide, name, timedelta(seconds=4))
    it = await world(pagerduty=False, alertmanager_urls=await serve(saying()))
    await it.post()
    await asyncio.sleep(2)
    early = await it.incidents()
    await once(lambda: it.rows("select 1 from incidents where state = 'resolved'"))

    assert early == [("inc-0001", "open")]


async def test_other_sources_and_addresses_in_webhooks_are_never_asked(world: Start, serve: Serve) -> None:
    stranger: list[str] = []

    async def remember(request: web.Request) -> web.StreamResponse:
        stranger.append(request.path)
        return web.json_response([])

    url = await serve(remember)
    it = await world(pagerduty=False, alertmanager_urls=f"eu={await serve(saying())}")
    alert = {"status": "firing", "labels": LABELS, "startsAt": "2026-11-21T02:51:38Z", "generatorURL": url}
    body = {"version": "4", "groupKey": "g", "externalURL": url, "alerts": [alert]}
    for path in ("alertmanager", "alertmanager/eu"):
        headers = {"Authorization": f"Bearer {WEBHOOK_TOKEN}"}
        async with it.http.post(f"{it.daemon.url}/webhooks/{path}", json=body, headers=headers) as answer:
            assert answer.status == 202
    await once(lambda: it.rows("select 1 from incidents where state = 'resolved'"))
    await asyncio.sleep(1)

    assert await it.incidents() == [("inc-0001", "open"), ("inc-0002", "resolved")]
    assert stranger == []
    assert it.events("work.failed") == []


async def test_an_alert_that_began_anew_while_it_was_asked_about_goes_on(
    world: Start, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the answer and its taking in, a webhook says that the alert started again, before that very moment."""
    it = await world(pagerduty=False, alertmanager_urls=await serve(saying()))
    door = it.daemon.desk.accept
    held: list[Webhook] = []

    async def late(webhook: Webhook) -> Any:
        if webhook.asked and not held:
            held.append(webhook)
            await it.post(starts="2026-11-21T02:55:00Z")
        return await door(webhook)

    monkeypatch.setattr(decide, "QUIET_FOR", timedelta(seconds=1))
    it.daemon.desk.accept = late
    await it.post()
    await it.until(lambda: held)
    monkeypatch.setattr(decide, "QUIET_FOR", timedelta(hours=1))
    await asyncio.sleep(1)

    assert await it.incidents() == [("inc-0001", "open")]
    assert await it.rows("select status from alerts") == [(int(AlertStatus.FIRING),)]
    assert not [line for line in await lines(it) if "found by asking" in line]


async def test_it_is_asked_once_a_minute_however_often_it_starts(
    world: Start, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_at: list[str] = []

    async def remember(request: web.Request) -> web.StreamResponse:
        asked_at.append(request.path)
        return await saying("0" * 16)(request)

    monkeypatch.setattr(decide, "ABSENT_FOR", timedelta(hours=1))
    it = await world(pagerduty=False, alertmanager_urls=await serve(remember))
    quiet = len(asked_at)
    await it.post()
    monkeypatch.setattr("responder.work.reconcile.EVERY_SECONDS", 60.0)
    async with it.daemon.desk.store.connection() as connection:
        for _ in range(20):  # each replica asks for the work when it starts
            await connection.execute(
                "update work set due_at = now() where kind = 'ask_alertmanager' and not held and due_at > now()"
            )
            await connection.execute("select pg_notify('responder_work', '')")
            await asyncio.sleep(0.1)

    assert quiet == 0  # nothing to ask about
    assert asked_at.count("/api/v2/alerts") <= 2  # one of them from before the minute


# PagerDuty ----------------------------------------------------------------------------------------------------


async def linked(it: World) -> str:
    """An incident of ours with its PagerDuty incident, and the note on it."""
    await it.post()
    incident = await it.page()
    await it.until(lambda: it.notes(incident))
    return incident


async def test_what_people_did_at_pagerduty_unheard_is_taken_in(
    world: Start, pagerduty_contract: PagerDutyContract
) -> None:
    it = await world()  # no webhooks at all
    incident = await linked(it)
    it.pagerduty.acknowledge(incident)
    await once(lambda: it.rows("select 1 from incidents where acknowledged_by = 'Alex Oncall'"))
    it.pagerduty.resolve(incident)
    await once(lambda: it.rows("select 1 from incidents where state = 'resolved'"))
    found = await lines(it)

    assert "acknowledged by Alex Oncall, found by asking PagerDuty" in found
    assert "resolved, found by asking PagerDuty" in found
    assert await it.rows("select settled_by from incidents") == [("PagerDuty",)]
    assert await it.rows("select status from alerts") == [(int(AlertStatus.FIRING),)]
    for request in it.pagerduty.requests:
        pagerduty_contract.check(request)
    assert it.events("work.failed") == []


async def test_a_merge_that_was_not_heard_of_folds_as_its_webhook_would(world: Start) -> None:
    it = await world()
    first = await linked(it)
    await it.post(group="h", service="worker")
    second = await it.page("h", service="0" * 31 + "2")
    await it.until(lambda: it.notes(second))
    it.pagerduty.merge(second, first)

    await once(lambda: it.rows("select 1 from incidents where state = 'folded'"))
    assert await it.incidents() == [("inc-0001", "open")]


async def test_a_webhook_that_comes_after_all_changes_nothing(world: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    it = await world(webhooks=True)
    (subscription,) = it.pagerduty.webhooks.subscriptions.values()
    incident = await linked(it)
    it.pagerduty.fault("GET /incidents", "status", status=503, times=None)  # nothing is found for now
    key, subscription.url = subscription.url, "http://127.0.0.1:1/webhooks/pagerduty"
    it.pagerduty.resolve(incident)
    it.pagerduty._front.faults.clear()
    await once(lambda: it.rows("select 1 from incidents where state = 'resolved'"))
    subscription.url = key
    await it.until(lambda: [d for d in it.pagerduty.deliveries if d.event_type == "incident.resolved" and d.status])

    last = [e for e in it.events("webhook.accepted") if e["kind"] == "pagerduty"][-1]
    assert (last["stale"], last["accepted"]) == (1, 0)
    assert await it.incidents() == [("inc-0001", "resolved")]


async def test_incidents_of_a_time_without_webhooks_are_found_and_older_ones_are_not(
    world: Start, pagerduty_contract: PagerDutyContract
) -> None:
    it = await world(BY_TITLE, webhooks=True)
    (subscription,) = it.pagerduty.webhooks.subscriptions.values()
    await once(lambda: it.rows("select 1 from asked where whom = 'pagerduty/since/account'"))
    await asyncio.sleep(1.1)  # PagerDuty's times are whole seconds
    subscription.active = False
    await it.until(lambda: [e for e in it.events("subscription.changed") if not e["active"]])
    before = it.pagerduty.create_incident("Was there before us")
    it.pagerduty.account.incidents[before].created_at -= timedelta(days=1)
    missed = it.pagerduty.create_incident("Customers report failing checkouts")
    await it.until(lambda: it.notes(missed))
    metrics = await it.get("/metrics")

    assert await it.incidents() == [("inc-0001", "open")]
    assert "found by asking PagerDuty" in await lines(it)
    assert (it.notes(before), len(it.notes(missed))) == ([], 1)
    assert f'responder_pagerduty_subscription_active{{subscription="{subscription.id}"}} 0.0' in metrics
    (kept,) = await asked.subscriptions(it.daemon.desk.store)
    assert (kept.id, kept.active, kept.scope.name) == (subscription.id, False, "account")
    for request in it.pagerduty.requests:
        pagerduty_contract.check(request)
    assert it.events("work.failed") == []


async def test_incidents_that_our_subscription_is_not_about_are_not_ours_to_find(world: Start) -> None:
    it = await world(BY_TITLE, webhooks=True)
    (subscription,) = it.pagerduty.webhooks.subscriptions.values()
    other = it.pagerduty.add_service("search", "0" * 31 + "3")
    subscription.filter_type, subscription.filter_id = "service_reference", it.pagerduty.account.default_service.id
    await once(lambda: it.rows("select 1 from asked where whom like 'pagerduty/since/service/%'"))
    await asyncio.sleep(1.1)
    subscription.active = False
    theirs = it.pagerduty.create_incident("Not for us", service=other)
    ours = it.pagerduty.create_incident("For us")
    await it.until(lambda: it.notes(ours))

    assert it.notes(theirs) == []
    assert len(await it.incidents()) == 1


async def test_without_a_subscription_that_leads_here_nothing_is_found(world: Start) -> None:
    it = await world(BY_TITLE, webhooks=True, public_url="https://another.example")
    (subscription,) = it.pagerduty.webhooks.subscriptions.values()
    subscription.active = False
    await rounds(it, "pagerduty")
    await asyncio.sleep(1.1)
    it.pagerduty.create_incident("Told to somebody else")
    await rounds(it, "pagerduty", 5)

    assert await it.incidents() == []
    assert [e["why"] for e in it.events("reconciling.failed")] == ["no webhook subscription leads here"]
    assert 'responder_pagerduty_subscription_active{subscription="none"} 0.0' in await it.get("/metrics")


async def test_a_pagerduty_that_cannot_be_asked_is_said_once_and_when_it_can_again(world: Start) -> None:
    it = await world()
    incident = await linked(it)
    it.pagerduty.fault("GET /incidents", "status", status=500, times=None)
    await it.until(lambda: it.events("reconciling.failed"))
    it.pagerduty.resolve(incident)
    await rounds(it, "pagerduty")
    kept = await it.incidents()
    it.pagerduty._front.faults.clear()
    await once(lambda: it.rows("select 1 from incidents where state = 'resolved'"))

    assert kept == [("inc-0001", "open")]
    assert len(it.events("reconciling.failed")) == 1
    await it.until(lambda: it.events("reconciling.works_again"))
