"""The target stores what it is sent and then hangs, resets, breaks or answers rubbish: still there is one report.

Many incidents in one daemon, each with its own misfortune; the faults meet the first request of each and no later one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pytest

from responder.demo.pagerduty_account import PagedIncident
from responder.store.store import POOL_SIZE
from tests.faults.daemon import Daemon, Strike
from tests.faults.oracle import Open, Tally, check_nothing_is_left_open, check_one_note
from tests.faults.receiver import Receiver, Way
from tests.faults.sizes import size
from tests.faults.stores import EMBEDDED, GIVEN, Stores, both
from tests.faults.world import Case, World, noted, until

RUNS = size(full=50, short=2)  # of each way, at each target, on each store
AT_ONCE = 20  # incidents; PagerDuty is asked at most 900 times a minute
KILLED_AT_ONCE = 8  # posts that hang when the daemon is killed: as many as one queue does side by side
WAVES = size(full=7, short=1)
UNSURE_SECONDS = 8.0  # longer than we wait for an answer

STORED: dict[str, dict[str, Any]] = {
    "it hangs": {"do": "hang", "seconds": UNSURE_SECONDS},
    "it resets the connection": {"do": "reset"},
    "it answers 500": {"do": "status", "status": 500},
    "it answers 200 with HTML": {"do": "garbage"},
    "it answers 201 with HTML": {"do": "status", "status": 201, "body": "<html>It works!</html>"},
    "it answers half of the JSON": {"do": "cut"},
}
LATE: dict[str, dict[str, Any]] = {"it is stored when we have given up": {"do": "slow", "seconds": UNSURE_SECONDS}}
ENDLESS = 5 * 60.0

pytestmark = [pytest.mark.faults, pytest.mark.timeout(size(full=2 * 3600, short=600))]


def cases_of(ways: Sequence[str]) -> list[tuple[Case, str]]:
    """RUNS of each way, mixed."""
    return [(Case(name=f"KilledFate{n:03d}"), way) for n, way in enumerate(list(ways) * RUNS)]


def in_waves(cases: Sequence[tuple[Case, str]]) -> Iterator[list[tuple[Case, str]]]:
    rest = iter(cases)
    while some := list(islice(rest, AT_ONCE)):
        yield some


async def watched(world: World, store: Mapping[str, Any], **more: str | None) -> tuple[Daemon, Open]:
    """A daemon that runs and can be asked what it holds open, and what it held at the beginning."""
    daemon = await world.daemon(**store, **more)
    await world.start(daemon, Strike())
    return daemon, await Open.of(daemon)


@pytest.mark.parametrize("kind", both(short=GIVEN))
async def test_a_note_that_was_stored_and_not_answered_is_found_again(stores: Stores, kind: str) -> None:
    ways = {**{way: {**it, "store": True} for way, it in STORED.items()}, **LATE}
    tally = Tally(name=f"PagerDuty stores a note and the answer is lost, {kind}", stated=RUNS * len(ways))
    async with stores.one(kind) as store, World.opened() as world:
        daemon, before = await watched(world, store, FIRST_REPORT_WITHIN="5m")
        seen: list[tuple[Case, str, PagedIncident]] = []
        for wave in in_waves(cases_of(list(ways))):
            paged = [(case, way, await world.page(case)) for case, way in wave]
            for _, way, incident in paged:
                world.pagerduty.fault(f"POST /incidents/{incident.id}/notes", **ways[way])
            await asyncio.gather(*(world.tell(daemon, case) for case, _, _ in paged))
            await until(
                lambda paged=paged: all(is_settled(world, it) for *_, it in paged),
                else_tell=lambda: daemon.log[-5000:],
                every_seconds=0.2,
            )
            seen += paged
        await until(
            lambda: all(is_verified(world, it) for *_, it in seen),
            120,
            every_seconds=0.5,
            else_tell=lambda: str([(case.name, way, world.note_requests(it)) for case, way, it in seen]),
        )

        for case, way, incident in seen:
            requests = world.pagerduty.asked(f"POST /incidents/{incident.id}/notes")
            tally.count(fell=bool(requests[0].fault))
            assert len(requests) <= (2 if way in LATE else 1), (way, case)  # late, it may still come before we look
            check_one_note(case, incident)
        assert daemon.events("work.failed") == []
        await check_nothing_is_left_open(daemon, before, most_sessions=POOL_SIZE)
        tally.check()


def is_settled(world: World, incident: PagedIncident) -> bool:
    """Posted, and read back."""
    return noted(incident) and "GET" in world.note_requests(incident)


def is_verified(world: World, incident: PagedIncident) -> bool:
    """It was listed before an edit or a second post and behind it, after that post at once and later: what is there
    then stays."""
    asked = world.note_requests(incident)
    is_calm = asked[-1] in ("GET", "DELETE") or asked[-2:] == ["DELETE", "PUT"]  # the newest text on the elder one
    return asked.count("GET") >= 1 + asked.count("POST") and is_calm


@pytest.mark.parametrize("kind", both(short=EMBEDDED))
async def test_an_edit_that_was_stored_and_not_answered_is_made_again(stores: Stores, kind: str) -> None:
    tally = Tally(name=f"PagerDuty stores an edit and the answer is lost, {kind}", stated=RUNS * len(STORED))
    async with stores.one(kind) as store, World.opened() as world:
        daemon, before = await watched(world, store, FIRST_REPORT_WITHIN="1s", DIAGNOSTIC_TIMEOUT="150s")
        seen: list[tuple[Case, PagedIncident]] = []
        for wave in in_waves(cases_of(list(STORED))):
            paged = [(case, way, await world.page(case)) for case, way in wave]
            world.slow_until = lambda paged=paged: all(noted(it) for *_, it in paged)  # the rest of it comes as an edit
            for _, way, incident in paged:
                world.pagerduty.fault(f"PUT /incidents/{incident.id}/notes/*", store=True, **STORED[way])
            await asyncio.gather(*(world.tell(daemon, case) for case, _, _ in paged))
            await until(
                lambda paged=paged: all(world.note_requests(it).count("PUT") >= 2 for *_, it in paged),
                else_tell=lambda: daemon.log[-5000:],
                every_seconds=0.2,
            )
            seen += [(case, incident) for case, _, incident in paged]
        await asyncio.sleep(2)  # for one more, if there were one

        for case, incident in seen:
            edits = world.pagerduty.asked(f"PUT /incidents/{incident.id}/notes/*")
            tally.count(fell=bool(edits[0].fault))
            assert world.note_requests(incident) == ["POST", "PUT", "PUT"], case
            check_one_note(case, incident)
            assert "Still looking" not in incident.notes[0].content
        assert daemon.events("work.failed") == []
        await check_nothing_is_left_open(daemon, before, most_sessions=POOL_SIZE)
        tally.check()


@pytest.mark.parametrize("kind", both(short=GIVEN))
async def test_a_report_webhook_that_was_stored_and_not_answered_is_repeated_under_its_key(
    stores: Stores, kind: str
) -> None:
    ways: tuple[Way, ...] = ("hang", "reset", "status", "rubbish", "html")
    tally = Tally(name=f"a report webhook is stored and the answer is lost, {kind}", stated=RUNS * (len(ways) - 1))
    async with stores.one(kind) as store, World.opened() as world, Receiver.opened() as receiver:
        daemon, before = await watched(
            world, store, FIRST_REPORT_WITHIN="5m", REPORT_WEBHOOK_URL=receiver.url, PAGERDUTY_TOKEN=None
        )
        cases = cases_of(ways)
        for wave in in_waves(cases):
            receiver.ways.update({case.name: way for case, way in wave})  # type: ignore[misc]
            await asyncio.gather(*(world.tell(daemon, case) for case, _ in wave))
            await until(
                lambda wave=wave: all(len(receiver.of(case.name)) >= expected_posts(way) for case, way in wave),
                else_tell=lambda: daemon.log[-5000:],
                every_seconds=0.2,
            )
        await asyncio.sleep(2)  # for one more, if there were one

        for case, way in cases:
            posts = receiver.of(case.name)
            tally.count(fell=way != "html")
            assert len(posts) == expected_posts(way), (case, way)
            check_one_report(case, receiver)
        assert daemon.events("work.failed") == []
        await check_nothing_is_left_open(daemon, before, most_sessions=POOL_SIZE)
        tally.check()


def expected_posts(way: str) -> int:
    return 1 if way == "html" else 2


def check_one_report(case: Case, receiver: Receiver) -> None:
    """A receiver that takes a key once has one report of this alert, and it is whole."""
    posts = receiver.of(case.name)
    assert len({it.key for it in posts}) == len({it.marker for it in posts}) == 1, posts
    assert all(it.key.startswith(f"{it.marker}:") for it in posts)
    assert {it.body["complete"] for it in posts} == {True}


@pytest.mark.parametrize("kind", both(short=EMBEDDED))
async def test_a_daemon_that_is_killed_while_the_stored_post_hangs_posts_nothing_twice(
    stores: Stores, kind: str
) -> None:
    """Both sinks hang on what they have stored, and nobody is left who knows of it but the ledger."""
    tally = Tally(name=f"kill -9 while a stored post hangs, {kind}", stated=2 * WAVES * KILLED_AT_ONCE)
    async with stores.one(kind) as store, World.opened() as world, Receiver.opened() as receiver:
        daemon = await world.daemon(FIRST_REPORT_WITHIN="5m", REPORT_WEBHOOK_URL=receiver.url, **store)
        await world.start(daemon)
        seen: list[tuple[Case, PagedIncident]] = []
        for wave in range(WAVES):
            cases = [Case(name=f"KilledHanging{wave:02d}x{n}") for n in range(KILLED_AT_ONCE)]
            paged = [(case, await world.page(case)) for case in cases]
            for case, incident in paged:
                receiver.ways[case.name] = "hang"
                path = f"POST /incidents/{incident.id}/notes"
                world.pagerduty.fault(path, "hang", store=True, seconds=ENDLESS)
            await asyncio.gather(*(world.tell(daemon, case) for case in cases))
            await until(lambda paged=paged: all(noted(it) and receiver.of(case.name) for case, it in paged))
            await asyncio.to_thread(daemon.kill)
            for case, incident in paged:
                [asked] = world.pagerduty.asked(f"POST /incidents/{incident.id}/notes")
                tally.count(fell=asked.answered is None and noted(incident))
                tally.count(fell=len(receiver.of(case.name)) == 1)
            await world.start(daemon)
            await until(
                lambda paged=paged: all(
                    is_settled(world, it) and len(receiver.of(case.name)) > 1 for case, it in paged
                ),
                else_tell=lambda: daemon.log[-5000:],
                every_seconds=0.1,
            )
            seen += paged
        await asyncio.sleep(2)  # for one more, if there were one

        for case, incident in seen:
            check_one_note(case, incident)
            assert world.note_requests(incident).count("POST") == 1, case
            check_one_report(case, receiver)
            assert len(receiver.of(case.name)) == 2, case
        assert daemon.events("work.failed") == []
        tally.check()
