"""PagerDuty takes some notes never, in ten shapes of "no": each is told, put aside and counted, and delays no other."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from responder.demo.pagerduty_account import PagedIncident
from tests.faults.daemon import Daemon
from tests.faults.oracle import check_one_note
from tests.faults.sizes import size
from tests.faults.world import Case, World, noted, until

RUNS = size(full=10, short=1)  # of each shape
IN_TIME_SECONDS = 15.0 + 5.0  # FIRST_REPORT_WITHIN, from the sender's side and on a busy machine
ASKED_A_SECOND = 900 / 60  # that is PagerDuty's rate, which refused ones take their part of


def said(message: str, *errors: str) -> str:
    return json.dumps({"error": {"message": message, "code": 2001, "errors": list(errors)}})


# status, body, and what a person is told of it
SHAPES: dict[str, tuple[int, str, str]] = {
    "nothing at all": (400, "", "PagerDuty answered 400"),
    "HTML": (400, "<html><h1>400 Bad Request</h1></html>", "PagerDuty answered 400"),
    "a list of errors": (
        400,
        said("Invalid Input Provided", "Content is too long (maximum is 65535 characters)"),
        "PagerDuty answered 400 (Invalid Input Provided: Content is too long (maximum is 65535 characters))",
    ),
    "an error that is a text": (400, '{"error": "no"}', "PagerDuty answered 400"),
    "JSON of another kind": (400, "[[], null]", "PagerDuty answered 400"),
    "nine megabytes": (400, "x" * 9_000_000, "PagerDuty answered 400"),
    "404, as for a team that the key may not see": (
        404,
        '{"error": {"message": "Not Found", "code": 2100}}',
        "PagerDuty answered 404 (Not Found)",
    ),
    "410": (410, said("Gone"), "PagerDuty answered 410 (Gone)"),
    "413 from something before it": (413, "<html>Too Large</html>", "PagerDuty answered 413"),
    "422": (422, said("Unprocessable", "content", "note"), "PagerDuty answered 422 (Unprocessable: content: note)"),
}

pytestmark = [pytest.mark.faults, pytest.mark.timeout(size(full=1800, short=600))]


async def test_what_is_refused_is_tried_short_put_aside_and_told_and_others_are_in_time(seed: Path) -> None:
    async with World.opened() as world:
        daemon = await world.daemon(seed=seed, API_OPEN="true")
        await world.start(daemon)
        shapes = list(SHAPES) * RUNS
        refused = {shape: [] for shape in SHAPES}
        for number, shape in enumerate(shapes):
            case = Case(name=f"KilledRefused{number:03d}")
            incident = await world.page(case)
            refuse(world, incident, shape)
            refused[shape].append((case, incident))
        others = [Case(name=f"KilledOther{number:03d}") for number in range(len(shapes))]
        paged = {case: await world.page(case) for case in others}

        first, rest = others[: len(others) // 2], others[len(others) // 2 :]
        unlucky = [case for several in refused.values() for case, _ in several]
        late = await asyncio.gather(
            *(seconds_to_note(world, daemon, it, paged[it]) for it in first),
            *(world.tell(daemon, it) for it in unlucky),
        )
        late += await asyncio.gather(*(seconds_to_note(world, daemon, it, paged[it]) for it in rest))
        await until(lambda: len(daemon.events("delivery.refused")) >= len(shapes), else_tell=lambda: daemon.log[-5000:])

        told = {it["object"]: it for it in daemon.events("delivery.refused")}
        for shape, several in refused.items():
            for case, incident in several:
                assert incident.notes == [], case
                assert world.note_requests(incident) == ["POST", "POST"], (shape, case)  # whole, and short
                assert (told[incident.id]["why"], told[incident.id]["level"]) == (SHAPES[shape][2], "error")
                assert await deliveries(world, daemon, told[incident.id]["incident"]) == [("failed", SHAPES[shape][2])]
        for case, incident in paged.items():
            check_one_note(case, incident)
        assert len(told) == len(daemon.events("delivery.refused")) == len(shapes)
        assert await metric(world, daemon, "responder_reports_total", outcome="refused") == len(shapes)
        assert await metric(world, daemon, "responder_deliveries_pending") == 0
        assert daemon.events("work.failed") == []
        print(f"the slowest of {len(others)} others came after {max(filter(None, late)):.1f} s")
        assert max(filter(None, late)) <= IN_TIME_SECONDS + len(world.pagerduty.requests) / ASKED_A_SECOND

        await mended_and_changed(world, daemon, *refused["a list of errors"][0])


def refuse(world: World, incident: PagedIncident, shape: str) -> None:
    status, body, _ = SHAPES[shape]
    world.pagerduty.fault(f"POST /incidents/{incident.id}/notes", "status", status=status, body=body, times=None)


async def mended_and_changed(world: World, daemon: Daemon, case: Case, incident: PagedIncident) -> None:
    """What was refused is tried again as soon as there is something new to say."""
    async with world.http.post(f"{world.pagerduty.url}/_fault", json={"do": "clear"}) as answer:
        assert answer.status == 200
    await world.tell(daemon, replace(case, ends_at=datetime(2026, 11, 21, 3, 30, tzinfo=UTC)))
    await until(lambda: noted(incident), else_tell=lambda: daemon.log[-5000:])
    assert len(incident.notes) == 1


async def test_a_note_that_is_too_long_for_it_is_shown_in_a_short_form(seed: Path) -> None:
    async with World.opened() as world:
        daemon = await world.daemon(seed=seed)
        await world.start(daemon)
        case = Case(name="KilledTooLong")
        incident = await world.page(case)
        world.pagerduty.fault(f"POST /incidents/{incident.id}/notes", "status", status=413)

        await world.tell(daemon, case)
        await until(lambda: noted(incident), else_tell=lambda: daemon.log[-5000:])
        await until(lambda: daemon.events("delivery.sent"))

        check_one_note(case, incident)
        assert "shortened: PagerDuty refused the whole text" in incident.notes[0].content
        assert world.note_requests(incident) == ["POST", "POST"]
        assert [it["why"] for it in daemon.events("delivery.shortened")] == [
            "PagerDuty answered 413 (An internal error has occurred. PagerDuty team has been notified.)"
        ]


async def seconds_to_note(world: World, daemon: Daemon, case: Case, incident: PagedIncident) -> float:
    """From the 202 to the note."""
    await world.tell(daemon, case)
    loop = asyncio.get_running_loop()
    told_at = loop.time()
    await until(lambda: noted(incident), else_tell=lambda: f"{case}\n{daemon.log[-5000:]}", every_seconds=0.05)
    return loop.time() - told_at


async def deliveries(world: World, daemon: Daemon, slug: str) -> list[tuple[str, str]]:
    """State and reason of each, as a person is told them."""
    async with world.http.get(f"{daemon.url}/api/v1/incidents/{slug}") as answer:
        assert answer.status == 200
        found: list[dict[str, Any]] = (await answer.json())["deliveries"]
        return [(it["state"], it["why"]) for it in found]


async def metric(world: World, daemon: Daemon, name: str, **labels: str) -> float:
    """The sum of the samples of this name with these labels."""
    async with world.http.get(f"{daemon.url}/metrics") as answer:
        lines = re.findall(rf"^{name}{{(.*)}} (\S+)$", await answer.text(), re.MULTILINE)
    return sum(float(value) for said, value in lines if all(f'{it}="{labels[it]}"' in said for it in labels))
