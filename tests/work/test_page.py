"""A watched rule with `page: true`: one incident at PagerDuty for each of ours, and one of ours for each of theirs."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from responder.store import watches
from responder.store.work import Claimed
from responder.work.page import page
from tests.contracts.pagerduty_openapi import PagerDutyContract
from tests.work.conftest import ROUTING_KEY, World
from tests.work.test_respond import Start
from tests.work.test_watch import PACK, WATCH, look, look_at_incident, started, until

PAGING = PACK.replace(
    "    watch: 5s\n", "    watch: 5s\n    page: true\n    runbook: https://runbooks.example.com/api\n"
)
KEY = hashlib.sha256(b"[responder:test:inc-0001]").hexdigest()
ENQUEUE = "/v2/enqueue"


async def in_breach(world: Start, pack: str = PAGING, **settings: Any) -> World:
    """With its incident, inc-0001."""
    it = await started(world, pack, **{"pagerduty_routing_key": ROUTING_KEY, "webhooks": True} | settings)
    it.target.status = 503
    await look(it)
    return it


def sent(it: World) -> list[str]:
    """What events did, in order; none may be for another key."""
    events = [record.json for record in it.pagerduty.requests if record.path == ENQUEUE]
    assert {(event["dedup_key"], event["routing_key"]) for event in events} <= {(KEY, ROUTING_KEY)}
    return [event["event_action"] for event in events]


def paged(it: World) -> list[str]:
    """The states of PagerDuty's incidents, oldest first."""
    return [incident.status for incident in it.pagerduty.account.incidents.values()]


def notes(it: World) -> list[str]:
    return [note.content for incident in it.pagerduty.account.incidents.values() for note in incident.notes]


async def delivery(it: World) -> tuple[Any, ...]:
    found = await it.rows("select state, why, shown_state from deliveries where sink = 'pagerduty_event'")
    assert len(found) == 1
    return found[0]


async def settled(it: World) -> None:
    it.target.status = 200
    await until(it, lambda: it.rows("select 1 from incidents where state = 'resolved' and id = 1"))


async def test_it_is_opened_noted_on_taken_on_and_resolved(world: Start, pagerduty_contract: PagerDutyContract) -> None:
    it = await in_breach(world)
    await it.until(lambda: notes(it))
    incident = next(iter(it.pagerduty.account.incidents.values()))
    trigger = next(record for record in it.pagerduty.requests if record.path == ENQUEUE)

    pagerduty_contract.check(trigger)
    assert trigger.json["payload"] == {
        "summary": incident.title,
        "source": "responder:test:inc-0001",
        "severity": "critical",
        "timestamp": trigger.json["payload"]["timestamp"],
        "custom_details": {"incident": "inc-0001", "severity": "P1"},
    }
    assert trigger.json["links"] == [{"href": "https://runbooks.example.com/api", "text": "Runbook"}]
    assert incident.title.startswith("P1 · API does not answer: serving 0 % (critical: < 1 %")
    assert incident.title.endswith(" [responder:test:inc-0001]")
    assert "[responder:test:inc-0001]" in notes(it)[0]

    it.pagerduty.acknowledge(incident.id)
    await until(it, lambda: it.rows("select 1 from incidents where id = 1 and acknowledged_at is not null"))
    await settled(it)
    await it.until(lambda: "resolved" in paged(it))

    assert sent(it) == ["trigger", "resolve"]  # and never an acknowledge
    for record in it.pagerduty.requests:
        if record.path == ENQUEUE:
            pagerduty_contract.check(record)
    assert paged(it) == ["resolved"]
    assert (await it.rows("select slug, state from incidents")) == [("inc-0001", "resolved")]
    assert (await it.rows("select count(*) from alerts"))[0] == (0,)  # what we opened tells us nothing


async def test_its_webhook_joins_it_without_a_key_to_read_by(world: Start) -> None:
    it = await in_breach(world, pagerduty=False)
    await it.until(lambda: [w for w in it.events("webhook.accepted") if w["kind"] == "pagerduty"])

    links = await it.rows("select kind, incident, state from links where kind = 'pagerduty'")
    assert links == [("pagerduty", 1, "triggered")]
    assert [slug for slug, _ in await it.incidents()] == ["inc-0001"]
    assert await it.rows("select slug from incidents where state = 'folded'") == []


async def test_without_its_webhook_it_is_found_by_its_key(world: Start) -> None:
    it = await in_breach(world, webhooks=False)
    await it.until(lambda: notes(it))

    assert it.events("incident.linked")[0]["incident"] == "inc-0001"
    assert (sent(it), len(notes(it)), len(await it.incidents())) == (["trigger"], 1, 1)


async def test_whatever_else_is_new_pages_nobody_again(world: Start) -> None:
    it = await in_breach(world)
    await it.until(lambda: notes(it))
    await it.rows("update deliveries set digest = null, severity_rank = 9 where sink = 'pagerduty_event' returning id")
    for _ in range(3):
        before = len(it.events("report.composed"))
        await look_at_incident(it)
        await it.until(lambda before=before: len(it.events("report.composed")) > before)
    row = (await it.rows("select id from deliveries where sink = 'pagerduty_event'"))[0][0]
    for attempt in range(2):
        due = Claimed(id=0, kind="deliver:pagerduty_event", key=str(row), attempt=10**6 + attempt, failures=0)
        await page(due, it.daemon.desk)

    assert sent(it) == ["trigger"]


async def test_what_begins_again_pages_again_under_the_same_key(world: Start) -> None:
    it = await in_breach(world)
    await it.until(lambda: notes(it))
    await settled(it)
    await it.until(lambda: paged(it) == ["resolved"])
    await look(it)
    it.target.status = 503
    await look(it)
    await it.until(lambda: len(paged(it)) == 2)

    assert sent(it) == ["trigger", "resolve", "trigger"]
    assert paged(it) == ["resolved", "triggered"]
    assert await it.incidents() == [("inc-0001", "open")]


async def test_what_begins_again_is_noted_on_where_only_asking_tells_of_it(world: Start) -> None:
    """That the first one is resolved was never told: it must not stand for the second one."""
    it = await in_breach(world, webhooks=False)
    await it.until(lambda: notes(it))
    await settled(it)
    await it.until(lambda: paged(it) == ["resolved"])
    await look(it)
    it.target.status = 503
    await look(it)
    await it.until(lambda: len(notes(it)) == 2)

    first, second = it.pagerduty.account.incidents.values()
    assert (len(first.notes), len(second.notes)) == (1, 1)
    assert await it.incidents() == [("inc-0001", "open")]


async def test_who_may_have_resolved_it_pages_again_when_it_begins_again(
    world: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.work.page.AGAIN_SECONDS", (600.0,))
    it = await in_breach(world)
    await it.until(lambda: notes(it))
    it.pagerduty.fault(f"POST {ENQUEUE}", "status", status=500, store=True, times=None)
    await settled(it)
    await it.until(lambda: it.events("page.uncertain"))
    await look(it)
    it.target.status = 503
    await look(it)
    await it.until(lambda: len(paged(it)) == 2)

    assert paged(it) == ["resolved", "triggered"]


@pytest.mark.parametrize("stored", [True, False])
async def test_who_dies_between_the_trigger_and_its_mark_pages_once(stored: bool, world: Start) -> None:
    """The ledger says `sending`, as a kill -9 leaves it: whoever goes on sends the same key, and PagerDuty knows it."""
    it = await in_breach(world)
    await it.until(lambda: it.events("page.triggered"))
    await it.until(lambda: len(paged(it)) == 1)
    if not stored:
        it.pagerduty.account.incidents.clear()
    lost = "update deliveries set state = 'sending', foreign_id = null, shown_state = null, first_at = null"
    (row,) = (await it.rows(f"{lost} where sink = 'pagerduty_event' returning id"))[0]
    due = Claimed(id=0, kind="deliver:pagerduty_event", key=str(row), attempt=10**6, failures=0)
    await page(due, it.daemon.desk)

    await it.until(lambda: len(paged(it)) == 1)
    assert sent(it) == ["trigger", "trigger"]
    assert (await delivery(it))[::2] == ("visible", "open")
    assert await it.incidents() == [("inc-0001", "open")]


async def test_it_is_resolved_also_where_nobody_knows_whether_the_trigger_arrived(world: Start) -> None:
    it = await in_breach(world)
    await it.until(lambda: it.events("page.triggered"))
    await settled(it)
    await it.until(lambda: it.events("page.resolved"))
    lost = "update deliveries set state = 'sending', foreign_id = null, shown_state = null"
    (row,) = (await it.rows(f"{lost} where sink = 'pagerduty_event' returning id"))[0]
    await page(Claimed(id=0, kind="", key=str(row), attempt=10**6, failures=0), it.daemon.desk)

    assert sent(it) == ["trigger", "resolve", "resolve"]


async def test_what_is_over_before_it_was_sent_pages_nobody(world: Start) -> None:
    it = await in_breach(world)
    await it.until(lambda: it.events("page.triggered"))
    await settled(it)
    await it.until(lambda: it.events("page.resolved"))
    unsent = "update deliveries set state = 'due', foreign_id = null, shown_state = null"
    (row,) = (await it.rows(f"{unsent} where sink = 'pagerduty_event' returning id"))[0]
    await page(Claimed(id=0, kind="", key=str(row), attempt=10**6, failures=0), it.daemon.desk)

    assert sent(it) == ["trigger", "resolve"]
    assert await delivery(it) == ("none", "it was over before anybody was paged", None)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"do": "status", "status": 500, "store": True}, "uncertain"),
        ({"do": "reset", "store": True}, "uncertain"),
        ({"do": "status", "status": 429, "headers": {"Retry-After": "1"}}, "postponed"),
    ],
)
async def test_what_fails_is_sent_once_more_and_pages_once(fault: dict[str, Any], outcome: str, world: Start) -> None:
    it = await started(world, PAGING, pagerduty_routing_key=ROUTING_KEY)
    it.pagerduty.fault(f"POST {ENQUEUE}", **fault)
    it.target.status = 503
    await look(it)
    await it.until(lambda: it.events("page.triggered"))
    await it.until(lambda: paged(it))

    assert len(it.events(f"page.{outcome}")) == 1
    assert set(sent(it)) == {"trigger"}
    assert paged(it) == ["triggered"]


async def test_what_is_refused_is_said(world: Start) -> None:
    it = await started(world, PAGING, pagerduty_routing_key="too-short-a-key")
    it.target.status = 503
    await look(it)
    await it.until(lambda: it.events("page.refused"))

    state, why, _ = await delivery(it)
    assert state == "failed"
    assert "answered 400 (Length of 'routing_key' is incorrect (should be 32 characters))" in why
    assert it.events("page.refused")[0]["level"] == "error"

    (row,) = (await it.rows("select id from deliveries where sink = 'pagerduty_event'"))[0]
    after = await page(Claimed(id=0, kind="", key=str(row), attempt=10**6, failures=0), it.daemon.desk)
    assert after.in_seconds is not None  # not over: somebody may mend the key
    assert 800 < after.in_seconds <= 900


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"pagerduty_routing_key": None}, "RESPONDER_PAGERDUTY_ROUTING_KEY is not set: nobody is paged"),
        ({"shadow": True}, "RESPONDER_SHADOW is on: nobody is paged"),
    ],
)
async def test_where_nobody_can_be_paged_it_is_said(settings: dict[str, Any], why: str, world: Start) -> None:
    it = await in_breach(world, **settings)
    await it.until(lambda: it.events("report.composed"))

    assert it.events("watch.not_paged")[0]["why"] == why
    assert (sent(it), paged(it)) == ([], [])
    assert (await delivery(it))[:2] == ("none", why)
    assert why in await it.get("/incidents/inc-0001")


async def test_a_rule_that_does_not_ask_for_it_pages_nobody(world: Start) -> None:
    it = await in_breach(world, PACK)
    await it.until(lambda: it.events("report.composed"))

    assert await it.rows("select 1 from deliveries where sink = 'pagerduty_event'") == []
    assert (sent(it), it.events("watch.not_paged")) == ([], [])


async def test_what_pagerduty_has_called_people_for_already_is_not_paged_again(world: Start) -> None:
    it = await started(world, PAGING, pagerduty_routing_key=ROUTING_KEY)
    it.target.status = 503
    await it.post()
    await it.page()
    await it.until(lambda: it.events("incident.linked"))
    await look(it)

    assert it.events("watch.breached")[0]["incident"] == "inc-0001"
    assert await it.rows("select 1 from deliveries where sink = 'pagerduty_event'") == []


async def test_what_is_private_is_kept_from_pagerduty(world: Start) -> None:
    it = await in_breach(world, PAGING.replace("    page: true\n", "    page: true\n    private: true\n"))
    await it.until(lambda: it.events("report.composed"))
    await until(it, lambda: it.rows("select 1 from deliveries where sink = 'pagerduty_event' and state = 'withheld'"))

    assert sent(it) == []


async def test_what_folds_into_an_elder_incident_is_resolved_with_that(world: Start) -> None:
    it = await started(world, PAGING, pagerduty_routing_key=ROUTING_KEY)
    it.target.status = 503
    await it.post(alertname="Other")
    await it.until(lambda: it.events("alert.handled"))
    await look(it)
    await it.until(lambda: it.events("page.triggered"))
    await watches.join(it.daemon.desk.store, 1, WATCH, ask_pagerduty=False)

    assert await it.rows("select incident, state from deliveries where sink = 'pagerduty_event'") == [(1, "visible")]
    assert await it.rows("select incident from links where kind = 'page'") == [(1,)]


async def test_a_title_that_names_a_page_with_an_answer_is_an_incident_of_its_own(world: Start) -> None:
    it = await in_breach(world)
    await it.until(lambda: notes(it))

    it.pagerduty.create_incident("Disk is full [responder:test:inc-0001]")
    await until(it, lambda: it.rows("select 1 from links where kind = 'pagerduty' having count(*) = 2"))

    links = await it.rows("select count(*) from links where kind = 'pagerduty' and incident = 1")
    assert links == [(1,)]
    assert [slug for slug, _ in await it.incidents()] == ["inc-0001", "inc-0002"]
