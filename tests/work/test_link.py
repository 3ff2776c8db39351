"""Links follow PagerDuty also where no webhook tells of it, and however long it cannot be asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from responder.clients.pagerduty import LOOK_UP_TURN_SECONDS, PagerDutyApi
from responder.demo.pagerduty import TOKEN
from responder.store.work import Claimed
from responder.work.link import link
from tests.contracts.pagerduty_openapi import PagerDutyContract
from tests.work.conftest import World
from tests.work.test_measured import value
from tests.work.test_order_of_events import SECOND_SERVICE, marker, one_note, settled

Start = Callable[..., Awaitable[World]]
AGAIN = "2026-11-21T03:51:38.961Z"


@pytest.fixture(autouse=True)
def _edits_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responder.report.compare.BETWEEN_EDITS", timedelta(0))


async def ended(it: World, incident: str) -> None:
    """The group is resolved on both sides, and its note says so."""
    await it.page(action="resolve")
    await it.post(status="resolved")
    await it.until(lambda: "Resolved after" in it.notes(incident)[0])


async def test_a_second_pagerduty_incident_soon_after_is_found_without_webhooks(world: Start) -> None:
    """The first one is resolved by then, which only the reading that comes before the search can tell."""
    it = await world()
    first = await it.page()
    await it.post()
    await one_note(it, first)
    await ended(it, first)
    second = await it.page()
    await it.post(starts=AGAIN)
    note = await one_note(it, second)

    assert await it.incidents() == [("inc-0001", "open")]
    assert "continues inc-0001" in note
    assert await it.rows("select external_id, state from links where kind = 'pagerduty' order by id") == [
        (first, "resolved"),
        (second, "triggered"),
    ]
    assert await value(it, "responder_first_report_seconds_count") == 1


async def test_an_outage_longer_than_the_looks_loses_no_note(world: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responder.work.link.LOOK_AT_SECONDS", (0, 0.2, 0.4, 0.6))
    monkeypatch.setattr("responder.work.link.EACH_MINUTE", 2)
    it = await world()
    it.pagerduty.fault("GET /incidents", "status", status=401, times=8)
    incident = await it.page()
    await it.post()
    await it.rows("update incidents set opened_at = now() - interval '2 days' returning id")
    await one_note(it, incident)

    assert len(it.pagerduty.asked("GET /incidents")) > 8


async def test_an_incident_that_cannot_be_read_hides_no_other(world: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responder.work.link.LOOK_AT_SECONDS", (0, *range(1, 60)))
    it = await world()
    it.pagerduty.add_service("second", SECOND_SERVICE)
    first = await it.page()
    await it.page(service=SECOND_SERVICE)
    second = next(id_ for id_ in it.pagerduty.account.incidents if id_ != first)
    await it.post()
    await it.until(lambda: it.notes(first) and it.notes(second))
    await settled(it)
    await it.page(action="resolve")
    await it.page(action="resolve", service=SECOND_SERVICE)
    await it.post(status="resolved")
    await it.until(lambda: "Resolved after" in it.notes(first)[0] and "Resolved after" in it.notes(second)[0])
    it.pagerduty.fault(f"GET /incidents/{first}", "status", status=403, times=None)
    it.pagerduty.fault(f"GET /incidents/{second}", "status", status=403, times=1)
    third = await it.page()
    await it.post(starts=AGAIN)
    await it.until(lambda: it.notes(third))

    assert marker(it.notes(third)[0]) == "inc-0001"


async def test_who_took_it_on_before_it_was_found_is_known(world: Start, pagerduty_contract: PagerDutyContract) -> None:
    it = await world()
    incident = await it.page()
    it.pagerduty.acknowledge(incident)
    await it.post()
    await one_note(it, incident)
    (raw,) = it.pagerduty.state()["incidents"]
    lines = await it.rows("select what from timeline where what like 'acknowledged%'")

    assert await it.rows("select acknowledged_by, acknowledged_at from incidents") == [
        ("Alex Oncall", datetime.fromisoformat(raw["last_status_change_at"]))
    ]
    assert lines == [("acknowledged by Alex Oncall, found by asking PagerDuty",)]
    for request in it.pagerduty.requests:
        pagerduty_contract.check(request)


@pytest.mark.parametrize(
    ("most", "asked"),
    [
        pytest.param(1000, [None, "100"], id="on a later page"),
        pytest.param(100, [None, "key"], id="behind what is read"),
    ],
)
async def test_a_group_is_found_in_an_incident_of_more_than_a_hundred_alerts(
    world: Start,
    monkeypatch: pytest.MonkeyPatch,
    pagerduty_contract: PagerDutyContract,
    most: int,
    asked: list[str | None],
) -> None:
    for reader in ("responder.clients.pagerduty", "responder.work.link"):
        monkeypatch.setattr(f"{reader}.MOST_ALERTS", most)
    it = await world()
    it.pagerduty.account.default_service.groups_alerts = True
    incident = await it.page("another group")
    alerts = it.pagerduty.account.incidents[incident].alerts
    alerts += [replace(alerts[0], id=f"P{number}", key=f"storm-{number}") for number in range(110)]
    assert await it.page() == incident
    await it.post()
    await one_note(it, incident)
    queries = [dict(request.query) for request in it.pagerduty.asked("GET /incidents/*/alerts")]

    assert [("key" if "alert_key" in query else query.get("offset")) for query in queries[:2]] == asked
    assert [(line["pagerduty"], line["at"]) for line in it.events("pagerduty.alerts_cut")][:1] == (
        [(incident, 100)] if most == 100 else []
    )
    for request in it.pagerduty.requests:
        pagerduty_contract.check(request)


class NoTurn:
    """As the shared rate in a storm."""

    async def take(self, *, within: float) -> float:
        return within + 2

    async def pause(self, seconds: float) -> None:
        raise AssertionError


async def test_without_a_turn_no_look_is_used_up_and_no_other_is_begun_meanwhile(world: Start) -> None:
    it = await world()
    incident = await it.page()
    await it.post()
    await one_note(it, incident)
    api = PagerDutyApi(token=TOKEN, url=it.pagerduty.url, turns=NoTurn())
    row = Claimed(id=0, kind="link", key="1", attempt=1, failures=0, payload={"looks": 3, "once_more": True})

    after = await link(row, replace(it.daemon.desk, pagerduty=api))
    await api.close()

    assert after.payload == {"looks": 3, "once_more": True}
    assert after.in_seconds is not None
    assert after.in_seconds <= after.rests == pytest.approx(LOOK_UP_TURN_SECONDS + 2)
