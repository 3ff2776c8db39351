"""A check that looks around the PagerDuty incident waits for it to be linked, and then its changes lead the report."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tests.work.conftest import PACK, World

Start = Callable[..., Awaitable[World]]
PACK_AROUND = PACK.replace(
    "diagnose: [http.status: {paths: [/health]}]",
    "diagnose: [http.status: {paths: [/health]}, pagerduty.changes]\n"
    '    suggest: [{do: See it, run: "open {{ found.link }}", when: recent_rollout}]',
)


@pytest.fixture(autouse=True)
def _edits_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responder.report.compare.BETWEEN_EDITS", timedelta(0))
    monkeypatch.setattr("responder.work.look.LOOK_AGAIN_SECONDS", 0.5)
    monkeypatch.setattr("responder.work.look.SELDOM_SECONDS", 0.5)


async def test_the_change_before_the_onset_is_in_the_note_once_the_incident_is_linked(world: Start) -> None:
    it = await world(PACK_AROUND)
    it.pagerduty.add_change("Deploy 2.15.0", source="ci", link="https://ci.example/42", minutes_ago=3)
    paged = await it.page()

    await it.post(starts=f"{it.pagerduty.account.incidents[paged].created_at:%Y-%m-%dT%H:%M:%SZ}")

    await it.until(lambda: any("Change of payments" in note for note in it.notes(paged)))
    (note,) = it.notes(paged)
    assert "Change of payments, 3m" in note
    assert " before onset: Deploy 2.15.0, by ci" in note
    assert "open https://ci.example/42" in note
    assert {request.method for request in it.pagerduty.asked("* /services/*")} == {"GET"}


async def test_without_a_pagerduty_incident_it_is_said_that_none_is_linked(world: Start) -> None:
    it = await world(PACK_AROUND, report_stdout=True)

    await it.post()

    await it.until(lambda: it.printed)
    assert "pagerduty.changes (no PagerDuty incident is linked yet)" in it.printed[0]
