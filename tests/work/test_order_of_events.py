"""Alertmanager and PagerDuty tell of the same thing in any order: one incident, one note on each PagerDuty incident.

The rows of the table in which the order of events decides, in real time, seen from outside the daemon.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tests.work.conftest import PACK, World

Start = Callable[..., Awaitable[World]]
FIRST_SERVICE = "PF9KMXH"  # of the stand-in
SECOND_SERVICE = "0" * 31 + "2"
BY_TITLE = PACK.replace("match: ['alertname=\"ApiDown\"']", "match: ['pagerduty_service=~\".+\"']")


@pytest.fixture(autouse=True)
def _edits_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most one edit a minute would make these tests minutes long; it has tests of its own."""
    monkeypatch.setattr("responder.report.compare.BETWEEN_EDITS", timedelta(0))


def marker(note: str) -> str:
    return re.findall(r"\[responder:test:(inc-\w+)\]", note)[-1]


async def settled(it: World) -> None:
    """All webhooks are delivered, and no work is due or under way but what waits for its time."""
    async with asyncio.timeout(30):
        while it.pagerduty.webhooks.waiting or await it.rows(
            "select 1 from work where kind not in ('link', 'sweep') and (held or due_at <= now()) limit 1"
        ):
            await asyncio.sleep(0.05)


async def one_note(it: World, incident: str, slug: str = "inc-0001") -> str:
    """Wait for the only note on a PagerDuty incident and for calm; it is the report of that incident."""
    await it.until(lambda: it.notes(incident))
    await settled(it)
    (note,) = it.notes(incident)
    assert marker(note) == slug
    return note


@pytest.mark.parametrize("webhooks", [False, True], ids=["webhooks off", "webhooks on"])
async def test_alertmanager_then_pagerduty(world: Start, webhooks: bool) -> None:
    it = await world(webhooks=webhooks)
    other = await it.page("another group", alertname="Other")
    await it.post()
    await it.until(lambda: it.events("report.composed"))
    incident = await it.page()
    note = await one_note(it, incident)

    assert note.startswith("P1 · API does not answer: serving 0 %")
    assert it.notes(other) == []
    assert [state for _, state in await it.incidents()] == ["open"] * (2 if webhooks else 1)
    assert len(it.pagerduty.asked("POST /incidents/*/notes")) == 1


async def test_a_webhook_of_pagerduty_links_at_once(world: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responder.work.link.LOOK_AT_SECONDS", (0, 600, 1200))  # nothing else could
    it = await world(webhooks=True)
    await it.post()
    await it.until(lambda: it.pagerduty.asked("GET /incidents"))
    incident = await it.page()

    assert "[responder:test:inc-0001]" in await one_note(it, incident)
    assert await it.incidents() == [("inc-0001", "open")]


async def test_alertmanager_alone(world: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responder.work.link.LOOK_AT_SECONDS", (0, 1, 2))
    it = await world(report_stdout=True)
    await it.post()
    await it.until(lambda: it.printed)
    early = await it.rows("select state, why from deliveries where sink = 'pagerduty_note'")
    await it.until(lambda: len(it.pagerduty.asked("GET /incidents")) >= 3)
    await settled(it)
    async with asyncio.timeout(5):
        while "none" not in [state for state, _ in await it.rows("select state, why from deliveries")]:
            await asyncio.sleep(0.05)
    ((late, why),) = await it.rows("select state, why from deliveries where sink = 'pagerduty_note'")

    assert [state for state, _ in early] in ([], ["waiting"])
    assert early == [] or early[0][1].startswith("waiting for a PagerDuty incident, last looked ")
    assert (late, why.startswith("no PagerDuty incident, last looked ")) == ("none", True)
    assert await it.incidents() == [("inc-0001", "open")]


async def test_pagerduty_then_alertmanager(world: Start) -> None:
    it = await world(webhooks=True)
    incident = await it.page(cluster="as PagerDuty says")
    await it.until(lambda: it.pagerduty.asked(f"GET /incidents/{incident}/alerts"))
    await asyncio.sleep(1)
    looked_early = it.events("report.composed")
    told = await it.post(cluster="as Alertmanager says")
    await one_note(it, incident)

    assert looked_early == []  # it waited for what Alertmanager says itself
    assert told["incidents"] == ["inc-0001"]
    assert await it.incidents() == [("inc-0001", "open")]
    assert await it.rows("select labels->>'cluster' from alerts") == [("as Alertmanager says",)]


async def test_pagerduty_then_alertmanager_too_late(world: Start) -> None:
    """After two thirds of the time to the first report it goes on with what PagerDuty holds."""
    it = await world(webhooks=True, first_report_within="3s")
    incident = await it.page()
    first = await one_note(it, incident)
    waits = await it.rows("select labels->>'alertname', labels->>'source' from alerts")
    told = await it.post()
    await settled(it)

    assert first.startswith("P1 · API does not answer")
    assert waits == [("ApiDown", "pagerduty")]
    assert told["incidents"] == ["inc-0001"]
    assert await it.rows("select labels->>'source' from alerts") == [("alertmanager",)]
    assert len(it.notes(incident)) == 1


async def test_pagerduty_alone(world: Start) -> None:
    it = await world(BY_TITLE, webhooks=True)
    incident = it.pagerduty.create_incident("Customers report failing checkouts", urgency="low")
    note = await one_note(it, incident)
    ((labels,),) = await it.rows("select labels from alerts")

    assert note.startswith("P1 · API does not answer: serving 0 %")
    assert (labels["source"], labels["alertname"], labels["title"], labels["pagerduty_urgency"]) == (
        "pagerduty",
        "Customers report failing checkouts",
        "Customers report failing checkouts",
        "low",
    )
    assert labels["pagerduty_service"]
    assert labels["pagerduty_service_id"]


async def test_a_service_of_pagerduty_gets_the_labels_that_a_pack_gives_it(world: Start) -> None:
    pack = PACK.replace("match: ['alertname=\"ApiDown\"']", "match: ['namespace=\"carecircle\"']")
    services = f"intake: {{pagerduty: {{services: {{{FIRST_SERVICE}: {{namespace: carecircle}}}}}}}}\n"
    it = await world(pack + services, webhooks=True)

    await one_note(it, it.pagerduty.create_incident("Customers report failing checkouts"))


async def test_resolved_by_a_person_while_alerts_fire(world: Start) -> None:
    it = await world(webhooks=True)
    incident = await it.page()
    await it.post()
    await one_note(it, incident)
    it.pagerduty.resolve(incident)
    await it.until(lambda: "Resolved after" in it.notes(incident)[0])
    repeated = await it.post()
    await settled(it)
    after_the_repeat = await it.incidents()
    await it.post(starts="2036-11-21T02:51:38.961Z")

    assert "Alex Oncall resolved it at PagerDuty while 1 alert still fires." in it.notes(incident)[0]
    assert (repeated["duplicates"], repeated["accepted"]) == (1, 0)
    assert after_the_repeat == [("inc-0001", "resolved")]
    assert await it.incidents() == [("inc-0001", "open")]


async def test_a_new_pagerduty_incident_soon_after_reopens_and_gets_its_own_note(world: Start) -> None:
    it = await world(webhooks=True)
    first = await it.page()
    await it.post()
    await one_note(it, first)
    it.pagerduty.resolve(first)
    await it.until(lambda: "Resolved after" in it.notes(first)[0])
    second = await it.page()
    note = await one_note(it, second)

    assert second != first
    assert await it.incidents() == [("inc-0001", "open")]
    assert "continues inc-0001" in note
    assert len(it.notes(first)) == 1


async def test_much_later_it_is_a_new_incident_that_names_the_former(world: Start) -> None:
    it = await world(webhooks=True, reopen_within="0s")
    first = await it.page()
    await it.post()
    await one_note(it, first)
    await it.page(action="resolve")
    await it.post(status="resolved")
    await it.until(lambda: "Resolved after" in it.notes(first)[0])
    second = await it.page()
    await it.post(starts="2026-11-21T03:51:38.961Z")
    await it.until(lambda: it.notes(second))
    await settled(it)
    (note,) = it.notes(second)

    assert "continues inc-0001" in note
    assert [state for _, state in await it.incidents()] == ["resolved", "open"]
    assert len(it.notes(first)) == 1


async def test_both_had_been_opened_before_it_was_known(world: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """PagerDuty's REST API is away while its webhook and Alertmanager's come in: two, until it answers again."""
    monkeypatch.setattr("responder.work.link.LOOK_AT_SECONDS", (0, 1, 1, *range(4, 60)))
    it = await world(webhooks=True, first_report_within="2s")
    it.pagerduty.fault("GET /incidents*", "status", status=500, times=None)
    incident = await it.page()
    await it.post()
    await it.until(lambda: len(it.events("alert.handled")) >= 1)
    between = await it.incidents()
    async with it.http.post(f"{it.pagerduty.url}/_fault", json={"do": "clear"}) as answer:
        assert answer.status == 200
    await it.until(lambda: it.events("incident.folded"))
    note = await one_note(it, incident)

    assert between == [("inc-0001", "open"), ("inc-0002", "open")]
    assert await it.incidents() == [("inc-0001", "open")]
    assert "API does not answer" in note
    assert "inc-0001" in await it.get("/incidents/inc-0002")


@pytest.mark.parametrize("webhooks", [False, True], ids=["webhooks off", "webhooks on"])
async def test_pagerduty_groups_several_alerts_in_one_incident(world: Start, webhooks: bool) -> None:
    it = await world(webhooks=webhooks)
    it.pagerduty.group()
    incident = await it.page("one", cluster="a")
    await it.post(group="one", cluster="a")
    await one_note(it, incident)
    assert await it.page("two", cluster="b") == incident
    await it.post(group="two", cluster="b")
    await it.until(lambda: it.events("incident.folded"))
    note = await one_note(it, incident)
    firing = await it.rows("select count(*), count(distinct incident) from alerts where status = 0")

    assert await it.incidents() == [("inc-0001", "open")]
    assert firing == [(2, 1)]
    assert "API does not answer" in note


async def test_one_key_has_an_incident_at_each_of_two_services(world: Start) -> None:
    it = await world(webhooks=True)
    it.pagerduty.add_service("second", SECOND_SERVICE)
    first, second = await it.page(), ""
    await it.page(service=SECOND_SERVICE)
    second = next(id_ for id_ in it.pagerduty.account.incidents if id_ != first)
    await it.post()
    await it.until(lambda: it.notes(first) and it.notes(second))
    await settled(it)

    assert [len(it.notes(first)), len(it.notes(second))] == [1, 1]
    assert {marker(it.notes(first)[0]), marker(it.notes(second)[0])} == {"inc-0001"}
    assert await it.incidents() == [("inc-0001", "open")]


async def test_incidents_that_a_person_merges_go_on_as_one(world: Start) -> None:
    it = await world(webhooks=True)
    first, second = await it.page("one"), await it.page("two", cluster="b")
    await it.post(group="one")
    await it.post(group="two", cluster="b")
    await it.until(lambda: it.notes(first) and it.notes(second))
    await settled(it)
    before = {marker(it.notes(first)[0]), marker(it.notes(second)[0])}
    it.pagerduty.merge(second, first)
    await it.until(lambda: "Continued in" in it.notes(second)[0])
    await settled(it)
    survivor = marker(it.notes(first)[0])

    assert len(before) == 2
    assert [state for _, state in await it.incidents()] == ["open"]
    assert (len(it.notes(first)), len(it.notes(second))) == (1, 1)
    assert f"Continued in {survivor}" in it.notes(second)[0]


async def test_what_people_do_at_pagerduty_is_on_the_incident(world: Start) -> None:
    it = await world(webhooks=True)
    incident = await it.page()
    await it.post()
    await one_note(it, incident)
    it.pagerduty.acknowledge(incident)
    it.pagerduty.set_priority(incident, "P3")
    it.pagerduty.add_note(incident, "Rolled back checkout to 1.42.0")
    await it.until(lambda: it.notes(incident)[0].startswith("P3"))
    await settled(it)
    page = await it.get("/incidents/inc-0001")
    ((acknowledged,),) = await it.rows("select acknowledged_by from incidents where id = 1")

    assert "set by Alex Oncall at PagerDuty; rules say P1" in it.notes(incident)[0]
    assert acknowledged == "Alex Oncall"
    assert "Rolled back checkout to 1.42.0" in page


async def test_a_long_note_of_a_person_is_read_whole_and_a_long_one_of_ours_is_known(world: Start) -> None:
    it = await world(webhooks=True)
    incident = await it.page()
    await it.post()
    await one_note(it, incident)
    it.pagerduty.add_note(incident, "first words " + "x " * 4000)
    it.pagerduty.add_note(incident, "quoted " * 1000 + "[responder:staging:inc-0001]")
    await it.until(lambda: len(it.pagerduty.asked(f"GET /incidents/{incident}/notes")) >= 2)
    await settled(it)
    lines = [what for (what,) in await it.rows("select what from timeline order by id")]

    assert [it for it in lines if "first words" in it]
    assert not [it for it in lines if "quoted" in it]


async def test_our_own_writing_starts_nothing(world: Start) -> None:
    """The note comes back as an event: no look, no second note, no line; by each of the three guards alone as well."""
    it = await world(webhooks=True)
    incident = await it.page()
    await it.post()
    await one_note(it, incident)
    looks = len(it.events("report.composed"))
    await asyncio.sleep(1)
    answers = [row for (row,) in await it.rows("select outcome->'event' from webhooks where kind = 'pagerduty'")]
    annotated = [event["told"] for event in answers if event and event["type"] == "incident.annotated"]

    assert annotated == ["ignored"]
    assert len(it.events("report.composed")) == looks
    assert len(it.pagerduty.asked("POST /incidents/*/notes")) == 1
    assert not [what for (what,) in await it.rows("select what from timeline") if "wrote" in what]
