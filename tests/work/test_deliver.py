"""What a sink refused or put off is tried again, when it or whoever could mend it has had time to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from responder.printing import printing
from responder.store.work import Claimed
from responder.work.deliver import deliver
from tests.work.conftest import World
from tests.work.test_order_of_events import one_note, settled

Start = Callable[..., Awaitable[World]]


async def test_an_edit_that_was_refused_is_made_later(world: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responder.report.compare.BETWEEN_EDITS", timedelta(0))
    monkeypatch.setattr("responder.delivery.send.REFUSED_AGAIN_SECONDS", 2.0)
    monkeypatch.setattr("responder.work.deliver.REFUSED_AGAIN_SECONDS", 2.0)
    it = await world()
    incident = await it.page()
    await it.post()
    before = await one_note(it, incident)
    it.pagerduty.fault("PUT /incidents/*/notes/*", "status", status=400, times=2)  # whole, and short
    it.target.status = 200
    await it.post(cluster="another")
    await it.until(lambda: it.events("delivery.refused"))
    await it.until(lambda: it.notes(incident) != [before])
    await settled(it)

    assert before.startswith("P1")
    assert len(it.pagerduty.asked("PUT *")) == 3
    assert await it.rows("select state from deliveries") == [("visible",)]


async def test_one_that_is_asked_for_meanwhile_is_still_made_later(world: Start) -> None:
    it = await world()
    incident = await it.page()
    it.pagerduty.fault("POST /incidents/*/notes", "status", status=400, times=2)
    await it.post()
    await it.until(lambda: it.events("delivery.refused"))
    (row,) = (await it.rows("select id from deliveries"))[0]

    after = await deliver(Claimed(id=0, kind="", key=str(row), attempt=10**6, failures=0), it.daemon.desk)

    assert after.in_seconds is not None
    assert 800 < after.in_seconds <= 900
    assert "answered 400" in after.waits_for
    assert it.notes(incident) == []


async def test_a_report_that_standard_output_refused_is_not_called_shown(
    world: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    it = await world(pagerduty=False, report_stdout=True)
    monkeypatch.setattr(it.daemon.desk.sinks["stdout"], "_write", printing(writing))
    await it.post()
    await it.until(lambda: it.events("delivery.refused"))
    await settled(it)
    os.close(writing)

    assert await it.rows("select state, why, delivered_at from deliveries") == [
        ("failed", "standard output refused it: Broken pipe", None)
    ]


async def test_the_newest_text_is_written_on_the_elder_of_two(world: Start) -> None:
    it = await world()
    incident = await it.page()
    it.pagerduty.fault("POST /incidents/*/notes", "reset", store=False)
    await it.post()
    await it.until(lambda: it.events("delivery.sent"))
    (said,) = it.notes(incident)
    elder = it.pagerduty.add_note(incident, f"stored late {said[said.rindex('[responder:') :]}")
    elder.created_at -= timedelta(minutes=5)
    it.pagerduty.account.incidents[incident].notes.sort(key=lambda note: note.created_at)
    await it.rows("update deliveries set delivered_at = now() - interval '1 minute' returning 1")
    (row,) = (await it.rows("select id from deliveries"))[0]

    found, again = [
        await deliver(Claimed(id=0, kind="", key=str(row), attempt=10**6 + n, failures=0), it.daemon.desk)
        for n in range(2)
    ]

    assert (found.in_seconds, again.in_seconds) == (0.0, None)
    assert it.notes(incident) == [said]


async def test_what_asks_meanwhile_does_not_hurry_a_sink_that_asked_for_time(world: Start) -> None:
    it = await world()
    await it.page()
    it.pagerduty.fault("POST /incidents/*/notes", "status", status=401, times=None)
    await it.post()
    await it.until(lambda: it.events("delivery.postponed"))
    resting: list[tuple[str, dict[str, Any]]] = []
    async with asyncio.timeout(30):
        while not resting:
            resting = await it.rows("select key, payload from work where kind = 'deliver:pagerduty_note' and not held")
    key, payload = resting[0]

    def asked(n: int, **more: object) -> Claimed:
        return Claimed(id=0, kind="", key=key, attempt=10**6 + n, failures=0, payload=payload | more)

    again_at, rank, why = payload["failed"]
    sent = [len(it.pagerduty.asked("POST *"))]
    hurried = await deliver(asked(0), it.daemon.desk)
    sent.append(len(it.pagerduty.asked("POST *")))
    await deliver(asked(1, failed=[again_at, rank + 1, why]), it.daemon.desk)  # it was milder when it failed
    sent.append(len(it.pagerduty.asked("POST *")))

    assert hurried.in_seconds is not None
    assert 0 < hurried.in_seconds <= 60
    assert (hurried.waits_for, sent) == (why, [sent[0], sent[0], sent[0] + 1])
