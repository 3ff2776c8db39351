"""The whole path: a service breaks, Alertmanager tells responder and PagerDuty, and the note is on the incident."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from responder.demo.alerting import Alerting
from responder.demo.alerting_plan import ERROR_RATIO
from responder.demo.alerting_real import installed
from responder.demo.pagerduty import StandInPagerDuty
from responder.demo.pagerduty_account import PagedIncident
from responder.demo.played_prometheus import History, error_ratio
from responder.demo.sample_service import SampleService
from tests.contracts.pagerduty_openapi import PagerDutyContract
from tests.faults.daemon import Daemon
from tests.faults.world import WEBHOOK_TOKEN, Case, World, ours, until

PACK = Path(__file__).parent / "pack"
REQUESTS = 'sum(rate(http_requests_total{service="payments"}[5s]))'


def percent(history: History, at: float) -> float | None:
    ratio = error_ratio(history, at)
    return None if ratio is None else 100 * ratio


def requests_a_second(history: History, at: float) -> float | None:
    return history.rate("http_requests_total", at, 5, is_payments)


def is_payments(labels: Mapping[str, str]) -> bool:
    return labels.get("service") == "payments"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Everything that runs."""

    pagerduty: StandInPagerDuty
    service: SampleService
    daemon: Daemon

    @property
    def incident(self) -> PagedIncident:
        """The one that there is."""
        [incident] = self.pagerduty.account.incidents.values()
        return incident

    def note(self) -> str:
        """The text of the one note; empty while there is none."""
        incidents = self.pagerduty.account.incidents.values()
        texts = [text for incident in incidents for text in ours(incident)]
        assert len(texts) <= 1, texts
        return "".join(texts)


@asynccontextmanager
async def stage(*, real: bool, webhooks: bool = False) -> AsyncIterator[Stage]:
    """The service is healthy, somebody watches it, and the daemon is told where; `webhooks`: by PagerDuty as well."""
    async with World.opened() as world:
        service = await SampleService.start()
        daemon = await world.daemon(RULES=str(PACK), PUBLIC_URL="https://responder.example")
        if webhooks:
            secret = world.pagerduty.subscribe(f"{daemon.url}/webhooks/pagerduty").secret
            daemon.environment = {**daemon.environment, "RESPONDER_PAGERDUTY_WEBHOOK_SECRETS": secret}
        alerting = await Alerting.start(
            sample_url=service.url,
            webhook_url=f"{daemon.url}/webhooks/alertmanager",
            webhook_token=WEBHOOK_TOKEN,
            events_url=world.pagerduty.events_url,
            queries={f"100 * {ERROR_RATIO}": percent, REQUESTS: requests_a_second},
            real=real,
        )
        try:
            daemon.environment = {
                **daemon.environment,
                "PROMETHEUS_URL": alerting.prometheus_url,
                "SERVICE_URL": service.url,
            }
            await world.start(daemon)
            await asyncio.sleep(6)  # what the rate is taken over
            yield Stage(pagerduty=world.pagerduty, service=service, daemon=daemon)
        finally:
            await alerting.stop()
            await service.stop()


async def check_the_note_of_a_broken_service(playing: Stage) -> None:
    """Break it; one note on exactly its incident says how bad it is, why that matters, and what is broken."""
    playing.service.break_it()
    await until(lambda: "(critical: > 5 % for 5s; breached for" in playing.note(), else_tell=playing.note)

    first, *rest = playing.note().splitlines()
    value = re.match(r"P1 · API error rate (\d+(?:\.\d+)?) %", first)
    assert value is not None, first
    assert 5 < float(value[1]) < 10
    why = next(it for it in rest if it.startswith("Why P1: "))
    assert '"Are > 50 % of requests failing?" no' in why
    assert '"Is payment processing affected?" YES (service=payments) → P1' in why
    look_first = rest[rest.index("Look here first") + 1]
    assert re.search(r"HTTP 503 .*at /health", look_first)
    assert "Runbook https://runbooks.example.com/HighErrorRate" in playing.note()
    assert re.search(r"Full report https://responder\.example/incidents/inc-\w{4}\b", playing.note())
    assert re.search(r"\[responder:faults:inc-\w{4}\]$", playing.note())
    assert playing.incident.notes[0].content == playing.note()


def check_every_request(playing: Stage, contract: PagerDutyContract) -> None:
    """PagerDuty's own description allows all of it, Alertmanager's events included."""
    assert playing.pagerduty.requests
    for request in playing.pagerduty.requests:
        contract.check(request)


def check_that_nothing_fed_on_itself(playing: Stage, *, webhooks: bool) -> None:
    """Our own note came back as an event and started nothing; each event is accounted for as one."""
    told = [it for it in playing.daemon.events("webhook.accepted") if it["kind"] == "pagerduty"]
    counts = ("accepted", "duplicates", "stale", "ignored", "quarantined")
    print({it.method + " " + it.path: None for it in playing.pagerduty.requests}, len(playing.pagerduty.requests))

    assert {it.status for it in playing.pagerduty.deliveries} == ({202} if webhooks else set())
    assert [sum(it[name] for name in counts) for it in told] == [1] * len(playing.pagerduty.deliveries)
    assert sum(it["ignored"] for it in told) == (1 if webhooks else 0)
    assert {slug for it in told for slug in it["incidents"]} <= {"inc-0001", "inc-0002"}


@pytest.mark.system
@pytest.mark.timeout(300)
@pytest.mark.skipif(installed() is None, reason="prometheus and alertmanager are not installed")
@pytest.mark.parametrize("webhooks", [False, True], ids=["webhooks off", "webhooks on"])
async def test_a_real_alert_becomes_one_note_that_says_in_the_end_that_it_is_over(
    pagerduty_contract: PagerDutyContract, webhooks: bool
) -> None:
    async with stage(real=True, webhooks=webhooks) as playing:
        await check_the_note_of_a_broken_service(playing)
        [note] = playing.incident.notes

        playing.service.mend()
        await until(lambda: playing.incident.status == "resolved")
        await until(lambda: "Resolved after" in playing.note(), 100)  # at most one edit a minute

        assert playing.incident.notes == [note]
        check_that_nothing_fed_on_itself(playing, webhooks=webhooks)
        assert "503" not in playing.note()
        assert [it.method for it in playing.pagerduty.requests if it.path.endswith("/notes")] == ["POST"]
        check_every_request(playing, pagerduty_contract)
        assert playing.daemon.events("work.failed") == []


@pytest.mark.timeout(120)
async def test_a_played_alert_becomes_one_note(pagerduty_contract: PagerDutyContract) -> None:
    async with stage(real=False) as playing:
        await check_the_note_of_a_broken_service(playing)

        assert len(playing.incident.notes) == 1
        check_every_request(playing, pagerduty_contract)
        assert playing.daemon.events("work.failed") == []


async def test_a_group_that_paged_nobody_is_reported_elsewhere_and_says_what_it_waits_for() -> None:
    """A tee route with other matchers has another groupKey: there is no PagerDuty incident by that key."""
    async with World.opened() as world:
        daemon = await world.daemon(REPORT_STDOUT="true")
        await world.start(daemon)
        paged = await world.page(Case(name="KilledTee", service="the-paging-route"))

        assert await world.post(daemon, Case(name="KilledTee", service="the-tee-route")) == 202
        await until(lambda: "[responder:faults:inc-" in daemon.out)
        slug = re.findall(r"\[responder:faults:(inc-\w+)\]", daemon.out)[0]
        waits = re.compile(r"waiting for a PagerDuty incident, last looked \d\d:\d\d")
        await until(lambda: daemon.events("report.composed"))
        page = await shown(world, daemon, f"/incidents/{slug}", waits)

        assert "(KilledTee: 1 alert firing)" in daemon.out
        assert "KilledTee" in page
        assert waits.search(page)
        assert paged.notes == []
        looked = world.pagerduty.asked("GET /incidents")
        assert {dict(it.query)["incident_key"] for it in looked} == {
            Case(name="KilledTee", service="the-tee-route").dedup_key
        }
        assert world.pagerduty.asked("POST /incidents/*") == []


async def shown(world: World, daemon: Daemon, path: str, wanted: re.Pattern[str]) -> str:
    """A page, once it says what is wanted; as it is after ten seconds otherwise."""
    for _ in range(100):
        async with world.http.get(f"{daemon.url}{path}") as answer:
            page = await answer.text()
        if wanted.search(page):
            break
        await asyncio.sleep(0.1)
    return page
