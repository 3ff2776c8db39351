"""`intake.ignore` holds whoever tells of an alert, and never keeps open what was accepted before the line was there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from responder.model.matchers import parse_line
from tests.work.conftest import PACK, World
from tests.work.test_order_of_events import settled
from tests.work.test_receiving import event, posted, signed

Start = Callable[..., Awaitable[World]]
SECRET = "signing-secret-of-the-tests"
IGNORING = """intake: {ignore: ['cluster="staging"', 'title="Checkout fails"']}\n"""


async def test_an_incident_of_pagerduty_that_is_ignored_opens_nothing_and_is_counted_once(world: Start) -> None:
    it = await world(PACK + IGNORING, pagerduty=False, pagerduty_webhook_secrets=SECRET)
    answers = []
    for body in (event(), event("incident.acknowledged", 2, status="acknowledged"), event(number=3, title="Another")):
        _, answer, _ = await posted(it, "pagerduty", body, signed(body))
        answers.append((answer["ignored"], answer["accepted"]))
    await settled(it)

    assert answers == [(1, 0), (1, 0), (0, 1)]
    assert len(await it.incidents()) == 1


async def test_alerts_that_pagerduty_holds_and_that_are_ignored_are_not_reported(world: Start) -> None:
    it = await world(PACK + IGNORING, webhooks=True)
    ignored = await it.page("one", cluster="staging")
    await it.until(lambda: it.pagerduty.asked(f"GET /incidents/{ignored}/alerts"))
    told = await it.post(group="two", cluster="staging")
    wanted = await it.page("two", cluster="production")
    await it.post(group="two", cluster="production")
    await it.until(lambda: it.notes(wanted))
    await settled(it)
    timeline = [what for (what,) in await it.rows("select what from timeline")]

    assert (told["ignored"], told["accepted"]) == (1, 0)
    assert it.notes(ignored) == []
    assert await it.rows("select distinct labels->>'cluster' from alerts") == [("production",)]
    assert [it for it in timeline if "intake.ignore" in it]


async def test_what_was_accepted_before_it_was_to_be_ignored_still_ends(
    world: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.report.compare.BETWEEN_EDITS", timedelta(0))
    it = await world(PACK, pagerduty=False)
    await it.post(cluster="staging")
    rules = it.daemon.desk.rules
    rules.packs = tuple(replace(pack, ignore=(parse_line('cluster="staging"'),)) for pack in rules.packs)
    again = await it.post(cluster="staging", starts="2026-11-21T02:52:38.961Z")
    unknown = await it.post(cluster="staging", region="never heard of", status="resolved")
    ended = await it.post(cluster="staging", status="resolved")

    assert [(told["ignored"], told["accepted"]) for told in (again, unknown, ended)] == [(1, 0), (1, 0), (0, 1)]
    assert await it.incidents() == [("inc-0001", "resolved")]
