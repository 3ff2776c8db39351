"""A test of Grafana's contact point ends by itself, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from responder.wiring import clock
from tests.work.conftest import PACK, World

Start = Callable[..., Awaitable[World]]
TOKEN = "grafana-token-of-the-tests"
ANY = PACK.replace("match: ['alertname=\"ApiDown\"']", "match: ['alertname=~\".+\"']")


async def posted(it: World, group: str, starts: datetime, **labels: str) -> None:
    never = "0001-01-01T00:00:00Z"
    alert = {"status": "firing", "labels": labels, "startsAt": starts.isoformat(), "endsAt": never, "values": None}
    body = {"version": "1", "groupKey": group, "status": "firing", "alerts": [alert]}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with it.http.post(f"{it.daemon.url}/webhooks/grafana", json=body, headers=headers) as answer:
        assert answer.status == 202


async def test_a_test_of_a_contact_point_is_over_after_five_minutes(
    world: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.work.stated_end.EVERY_SECONDS", 0.1)
    monkeypatch.setattr("responder.report.compare.BETWEEN_EDITS", timedelta(0))
    it = await world(ANY, pagerduty=False, report_stdout=True, grafana_tokens=TOKEN)
    long_ago = datetime(2026, 11, 21, 3, tzinfo=UTC)
    await posted(it, '{}:{alertname="High latency"}', long_ago, alertname="High latency")
    await posted(it, "us-57c6d9296de2ad39-1763693460", clock(), alertname="TestAlert", instance="Grafana")
    await it.until(lambda: len(it.printed) == 2)
    ended_early = it.events("alert.ended_by_itself")
    await it.rows("update alerts set ends_at = now() - interval '1 s' where ends_at is not null returning link")
    await it.until(lambda: it.events("alert.ended_by_itself"))
    async with asyncio.timeout(30):
        while not any("Resolved" in text for text in it.printed):
            await asyncio.sleep(0.05)

    assert ended_early == []
    assert await it.incidents() == [("inc-0001", "open"), ("inc-0002", "resolved")]
    assert ("ended by itself: a test of a contact point, of which Grafana sends no end",) in await it.rows(
        "select what from timeline where incident = 2"
    )


async def test_one_that_was_settled_before_its_time_ends_all_the_same(
    world: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it fires for ever in what is over, which is never forgotten for its sake."""
    monkeypatch.setattr("responder.work.stated_end.EVERY_SECONDS", 0.1)
    it = await world(ANY, pagerduty=False, grafana_tokens=TOKEN)
    await posted(it, "us-57c6d9296de2ad39-1763693460", clock(), alertname="TestAlert", instance="Grafana")
    await it.until(lambda: it.events("report.composed"))
    await it.rows("update incidents set state = 'resolved', resolved_at = now(), settled_by = 'Alex' returning id")
    await it.rows("update alerts set ends_at = now() - interval '1 s' returning link")
    await it.until(lambda: it.events("alert.ended_by_itself"))

    assert await it.rows("select count(*) from alerts where status = 0") == [(0,)]
    assert await it.incidents() == [("inc-0001", "resolved")]
