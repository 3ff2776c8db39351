"""What is told of an incident that responder itself fails on, each time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from responder.work.look import Look
from tests.work.conftest import World

Start = Callable[..., Awaitable[World]]


async def _fails(*_: Any) -> None:
    raise RuntimeError("poison")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responder.report.compare.BETWEEN_EDITS", timedelta(0))
    monkeypatch.setattr("responder.work.work.AGAIN_SECONDS", (0.1,))
    monkeypatch.setattr("responder.work.link.LOOK_AT_SECONDS", tuple(range(60)))


async def test_one_that_is_over_before_pagerduty_shows_it_gets_its_note_all_the_same(
    world: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Look, "read", _fails)
    it = await world()
    await it.post()
    await it.until(lambda: it.events("incident.not_examined"))
    await it.post(status="resolved")
    await it.until(lambda: it.events("incident.not_examined")[1:])
    incident = await it.page()
    await it.until(lambda: it.notes(incident))

    (note,) = it.notes(incident)
    assert "Resolved · responder failed to examine this incident; its alerts: ApiDown" in note
    assert len(it.events("incident.not_examined")) == 2


async def test_what_was_found_before_it_failed_stays_with_its_severity(
    world: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = await world()
    incident = await it.page()
    await it.post()
    await it.until(lambda: it.notes(incident))
    await it.until(lambda: it.events("alert.handled"))
    monkeypatch.setattr(Look, "read", _fails)
    await it.post(status="resolved")
    await it.until(lambda: "Resolved" in it.notes(incident)[0])

    (note,) = it.notes(incident)
    assert note.startswith("P1 · Resolved · responder failed to examine this incident")
    assert "  1. HTTP 503 in" in note
    assert await it.rows("select severity, jsonb_array_length(severities) > 0 from incidents") == [("P1", True)]


async def test_its_page_says_so_too(world: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Look, "read", _fails)
    it = await world()
    incident = await it.page()
    await it.post()
    await it.until(lambda: it.notes(incident))

    async with it.http.get(f"{it.daemon.url}/incidents/inc-0001") as answer:
        page = await answer.text()

    assert answer.status == 200
    assert "responder failed to examine this incident; its alerts: ApiDown" in page
    assert "Decided by nothing: responder failed" in page
