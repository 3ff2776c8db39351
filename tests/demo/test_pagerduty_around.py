"""What the stand-in tells around an incident has the shapes of PagerDuty's own description."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from tests.contracts.pagerduty_openapi import PagerDutyContract

HEADERS = {
    "Authorization": f"Token token={TOKEN}",
    "Accept": "application/vnd.pagerduty+json;version=2",
    "Content-Type": "application/json",
}


@pytest.fixture
async def pagerduty() -> AsyncIterator[StandInPagerDuty]:
    server = await StandInPagerDuty.start()
    server.add_service("ledger", "1" * 32)
    server.obey({"do": "add_change", "summary": "Deploy 2.15.0", "link": "https://ci.example/42", "minutes_ago": 4})
    server.resolve(server.create_incident("customers cannot pay"))
    server.create_incident("ledger is slow", service="ledger")
    yield server
    await server.stop()


@pytest.mark.parametrize(
    ("path", "listed"),
    [
        ("/services/PF9KMXH/change_events?since=2026-11-01T00:00:00Z", "change_events"),
        ("/incidents/{}/related_change_events", "change_events"),
        ("/incidents/{}/related_incidents?additional_details[]=incident", "related_incidents"),
        ("/incidents/{}/past_incidents?limit=5", "past_incidents"),
    ],
)
async def test_each_answer_is_one_that_pagerduty_describes(
    pagerduty: StandInPagerDuty, pagerduty_contract: PagerDutyContract, path: str, listed: str
) -> None:
    path = path.format(pagerduty.create_incident("customers cannot pay"))

    async with (
        aiohttp.ClientSession() as http,
        http.get(pagerduty.url + path, headers=HEADERS) as answer,
    ):
        body = await answer.json()

    assert (answer.status, len(body[listed])) == (200, 1)
    pagerduty_contract.check_response("GET", path.partition("?")[0], 200, body)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/services/PF9KMXH/change_events?since=2026-11-01T00:00:00%2B02:00", 400),
        ("/services/PNOBODY/change_events", 404),
        ("/incidents/QNOBODY/past_incidents", 404),
    ],
)
async def test_what_is_wrong_is_refused(pagerduty: StandInPagerDuty, path: str, status: int) -> None:
    async with aiohttp.ClientSession() as http, http.get(pagerduty.url + path, headers=HEADERS) as answer:
        assert answer.status == status
