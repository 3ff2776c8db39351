"""`/targets`: what is looked at and where reports go, each with what it waits for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from responder.clients.budget import GIVEN_UP
from responder.work.asked import write_down_once
from tests.kept import FIRING, URL_SECRET, Kept, kept_in

API = "/api/v1/targets"


@pytest.fixture
async def kept(embedded_database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kept]:
    async with kept_in(embedded_database, monkeypatch) as made:
        yield made


async def looked(kept: Kept) -> dict[str, Any]:
    await write_down_once(kept.daemon.desk)
    found: dict[str, Any] = await kept.json(API)
    return found


async def test_a_target_that_was_asked_says_what_came_of_it_and_how_often(kept: Kept) -> None:
    before = (await looked(kept))["targets"][0]
    await kept.post(FIRING)
    await kept.report()

    (after,) = (await looked(kept))["targets"]

    assert (before["outcome"], before["at"], before["asked_last_hour"]) == ("not asked yet", None, 0)
    assert (after["pack"], after["name"], after["kind"], after["outcome"], after["why"]) == (
        "faults",
        "api",
        "http",
        "answered",
        "",
    )
    assert after["asked_last_hour"] >= 3  # one for the signal, one a check
    assert after["address"].startswith("http://127.0.0.1:")
    assert "down" not in after["address"]  # its path
    assert (await looked(kept))["targets"][0]["asked_last_hour"] == after["asked_last_hour"]


async def test_it_is_shown_by_another_replica_too_and_the_newer_outcome_counts(kept: Kept) -> None:
    desk = kept.daemon.desk
    tally = desk.doors.tally(desk.packs[0].targets["api"])
    with pytest.raises(asyncio.CancelledError), tally.asks():
        raise asyncio.CancelledError
    await write_down_once(desk)
    silent = (await kept.json(API))["targets"][0]
    with tally.asks():
        pass
    async with desk.store.connection() as connection:  # another replica has heard no answer since
        await write_down_once(desk)
        await connection.execute("update target_looks set at = now() + interval '1 second', outcome = 'no answer'")
    with tally.asks():
        pass
    await write_down_once(desk)

    assert (silent["outcome"], silent["why"], silent["answered_at"]) == ("no answer", GIVEN_UP, None)
    (after,) = (await kept.json(API))["targets"]
    assert (after["outcome"], after["asked_last_hour"]) == ("no answer", 3)
    assert after["answered_at"] is not None


async def test_questions_that_wait_for_a_turn_are_counted(kept: Kept) -> None:
    desk = kept.daemon.desk
    with desk.doors.tally(desk.packs[0].targets["api"]).waits():
        _, _, page = await kept.get("/targets")

    assert "1 question waits for a turn in this process" in page
    assert "for a turn" not in (await kept.get("/targets"))[2]


async def test_a_sink_says_what_waits_since_when_and_why(kept: Kept) -> None:
    kept.status = 429
    await kept.post(FIRING)
    async with asyncio.timeout(30):
        while not (sink := (await looked(kept))["sinks"][0])["why"]:
            await asyncio.sleep(0.05)
    _, _, page = await kept.get("/targets")
    kept.status = 204
    await kept.report(len(kept.posts) + 1)

    assert (sink["sink"], sink["pending"], sink["delivered_at"]) == ("report_webhook", 1, None)
    assert "answered 429" in sink["why"]
    assert sink["pending_since"] is not None
    assert "answered 429" in page
    assert "1 waiting" in page
    (after,) = (await looked(kept))["sinks"]
    assert (after["pending"], after["pending_since"], after["why"]) == (0, None, "")
    assert after["delivered_at"] is not None
    assert URL_SECRET not in json.dumps(sink) + page


async def test_it_is_guarded_like_the_other_pages(kept: Kept) -> None:
    refused = [(await kept.get(path, Host="evil.example"))[0] for path in ("/targets", API)]

    assert refused == [403, 403]
