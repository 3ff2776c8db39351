"""Each way of doing wrong, as a client sees it."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

NOTES = "POST /incidents/*/notes"


def notes_of(pagerduty: Any, incident: str) -> list[str]:
    return [note.content for note in pagerduty.account.incidents[incident].notes]


@pytest.mark.parametrize("store", [False, True])
async def test_hanging_ends_without_an_answer(caller: Any, pagerduty: Any, store: bool) -> None:
    incident = await caller.incident()
    pagerduty.fault(NOTES, "hang", store=store)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await caller.note(incident)

    assert notes_of(pagerduty, incident) == (["findings"] if store else [])
    assert [it.answered for it in pagerduty.asked(NOTES)] == [None]


async def test_hanging_for_a_while_ends_with_a_dropped_connection(caller: Any, pagerduty: Any) -> None:
    incident = await caller.incident()
    pagerduty.fault(NOTES, "hang", seconds=0.05)

    with pytest.raises(aiohttp.ClientConnectionError):
        await caller.note(incident)


@pytest.mark.parametrize("store", [False, True])
async def test_a_reset_drops_the_connection_and_the_next_request_works(
    caller: Any, pagerduty: Any, store: bool
) -> None:
    incident = await caller.incident()
    pagerduty.fault(NOTES, "reset", store=store)

    with pytest.raises(aiohttp.ClientConnectionError):
        await caller.note(incident, "first")
    status, _ = await caller.note(incident, "second")

    assert status == 200
    assert notes_of(pagerduty, incident) == (["first", "second"] if store else ["second"])
    assert [(it.fault, it.answered) for it in pagerduty.asked(NOTES)] == [("reset", None), ("", 200)]


@pytest.mark.parametrize("store", [False, True])
async def test_half_an_answer_is_seen_as_such(caller: Any, pagerduty: Any, store: bool) -> None:
    incident = await caller.incident()
    pagerduty.fault(NOTES, "cut", store=store)

    with pytest.raises(aiohttp.ClientPayloadError):
        await caller.note(incident)

    assert notes_of(pagerduty, incident) == (["findings"] if store else [])


@pytest.mark.parametrize("store", [False, True])
async def test_a_status_comes_with_what_pagerduty_says_at_it(caller: Any, pagerduty: Any, store: bool) -> None:
    incident = await caller.incident()
    pagerduty.fault(NOTES, "status", status=500, store=store, times=2)

    answers = [await caller.note(incident, text) for text in ("first", "second", "third")]

    said = {"error": {"message": "An internal error has occurred. PagerDuty team has been notified.", "code": 2000}}
    assert answers[:2] == [(500, said), (500, said)]
    assert answers[2][0] == 200
    assert notes_of(pagerduty, incident) == (["first", "second", "third"] if store else ["third"])


async def test_429_comes_with_headers_or_without_anything(caller: Any, http: Any, pagerduty: Any) -> None:
    pagerduty.fault("GET /users/me", "status", status=429, headers={"ratelimit-reset": "20"})
    pagerduty.fault("GET /users/me", "status", status=429, body="")

    answers = []
    for _ in range(2):
        async with http.get(f"{pagerduty.url}/users/me") as answer:
            answers.append((answer.status, answer.headers.get("ratelimit-reset"), await answer.text()))

    assert answers == [
        (429, "20", '{"error": {"message": "Rate Limit Exceeded", "code": 2020}}'),
        (429, None, ""),
    ]


@pytest.mark.parametrize("store", [False, True])
async def test_garbage_is_200_and_no_json(caller: Any, http: Any, pagerduty: Any, store: bool) -> None:
    incident = await caller.incident()
    pagerduty.fault(NOTES, "garbage", store=store)

    with pytest.raises(ValueError, match="Expecting value"):
        await caller.note(incident)

    assert notes_of(pagerduty, incident) == (["findings"] if store else [])


async def test_slow_answers_after_its_time(caller: Any, pagerduty: Any) -> None:
    incident = await caller.incident()
    pagerduty.fault(NOTES, "slow", seconds=0.2)
    loop = asyncio.get_running_loop()
    began = loop.time()

    status, _ = await caller.note(incident)

    assert status == 200
    assert loop.time() - began >= 0.2
    assert notes_of(pagerduty, incident) == ["findings"]


@pytest.mark.parametrize("store", [False, True])
async def test_slow_stores_before_or_after_its_wait(caller: Any, pagerduty: Any, until: Any, store: bool) -> None:
    incident = await caller.incident()
    pagerduty.fault(NOTES, "slow", seconds=0.4, store=store)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.15):
            await caller.note(incident)

    assert notes_of(pagerduty, incident) == (["findings"] if store else [])
    await until(lambda: notes_of(pagerduty, incident) == ["findings"])


async def test_paused_it_refuses_connections_and_comes_back_at_the_same_address(caller: Any, pagerduty: Any) -> None:
    incident, url = await caller.incident(), pagerduty.url

    await pagerduty.pause()
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await caller.note(incident)  # over the connection that was open
    with pytest.raises(aiohttp.ClientConnectorError):
        await caller.note(incident)  # over a new one
    await pagerduty.resume()

    assert (await caller.note(incident))[0] == 200
    assert pagerduty.url == url


async def test_pausing_twice_and_stopping_while_paused_does_no_harm(pagerduty: Any) -> None:
    await pagerduty.pause()
    await pagerduty.pause()


async def test_another_process_tells_it_by_http(caller: Any, pagerduty: Any, until: Any) -> None:
    incident = await caller.incident()

    told = await caller.ask("POST", "/_fault", json={"match": NOTES, "do": "status", "status": 502, "times": None})
    failed = [(await caller.note(incident))[0] for _ in range(3)]
    await caller.ask("POST", "/_fault", json={"do": "clear"})
    works, _ = await caller.note(incident)
    wrong = await caller.ask("POST", "/_fault", json={"match": NOTES, "do": "explode"})
    incomplete = await caller.ask("POST", "/_fault", json={"do": "hang"})

    assert told == (200, {"ok": True})
    assert (failed, works) == ([502, 502, 502], 200)
    assert wrong[0] == incomplete[0] == 400
    assert "expected one of hang, reset, cut, status, garbage, slow, got 'explode'" in wrong[1]["error"]["message"]


async def test_another_process_can_have_it_away_for_a_while(caller: Any, pagerduty: Any) -> None:
    incident = await caller.incident()
    await caller.ask("POST", "/_fault", json={"do": "pause", "seconds": 0.3})

    refused = 0
    while True:
        try:
            status, _ = await caller.note(incident)
            break
        except aiohttp.ClientConnectionError:
            refused += 1
            await asyncio.sleep(0.02)

    assert status == 200
    assert refused > 0
