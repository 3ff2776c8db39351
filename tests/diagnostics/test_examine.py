import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog.testing

from responder.clients.doors import Doors
from responder.clients.locate import LOGGING_VARIABLE, RUN_VARIABLE
from responder.clients.pagerduty_around import Account
from responder.diagnostics.catalogue import catalogue
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.examine import Examination
from responder.diagnostics.plan import Ask
from responder.errors import Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from tests.diagnostics.test_diagnostic import asked, target_at

NOW = datetime(2026, 11, 20, 3, 14, tzinfo=UTC)
TARGET = Target(name="api", kind="http", address="http://127.0.0.1:1")


class Fake:
    """Does what it is told; counts how often it was asked."""

    target_kind = "http"
    question = "?"
    parameters = Parameters
    marks: frozenset[str] = frozenset()

    def __init__(self, does: Callable[[], Awaitable[None]]) -> None:
        self.name = "fake"
        self.does = does
        self.asked = 0

    async def examine(self, target: Target, parameters: Any, doors: Doors) -> Finding:
        self.asked += 1
        await self.does()
        return Finding(check="fake", target=target.name, outcome=Outcome.HEALTHY, headline="fine")


async def fine() -> None:
    pass


async def stuck() -> None:
    await asyncio.Event().wait()


async def unreachable() -> None:
    raise Unreachable("http://127.0.0.1:1: connection refused")


async def bug() -> None:
    raise KeyError("oops")


async def stubborn() -> None:
    """Ignores being cancelled until it is let go."""
    until = asyncio.get_running_loop().time() + 2
    while asyncio.get_running_loop().time() < until:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue


def ask(check: str, **more: Any) -> Ask:
    return Ask(name=f"{check}(api)", check=check, target=TARGET, parameters=Parameters(), subject="api", **more)


class Told(list[Finding]):
    """What `on_finding` was called with."""

    async def __call__(self, finding: Finding) -> None:
        self.append(finding)


def examination(told: Callable[[Finding], Awaitable[None]], *asks: Ask, **more: Any) -> Examination:
    doing = {"fine": fine, "stuck": stuck, "unreachable": unreachable, "bug": bug, "stubborn": stubborn}
    checks: dict[str, Diagnostic] = {name: Fake(does) for name, does in doing.items()}
    given: dict[str, Any] = {"catalogue": checks, "timeout_seconds": 10.0, "clock": lambda: NOW} | more
    return Examination(asks, doors=Doors({}), on_finding=told, **given)


async def test_every_question_gets_its_answer_in_its_place() -> None:
    told = Told()
    asks = [ask("unreachable"), ask("bug"), ask("fine"), ask("nowhere")]

    async with examination(told, *asks) as it:
        await it.wait(5)

    assert [(found.outcome, found.headline) for found in it.findings] == [
        (Outcome.INCONCLUSIVE, "http://127.0.0.1:1: connection refused"),
        (Outcome.INCONCLUSIVE, "bug in bug: KeyError: 'oops'"),
        (Outcome.HEALTHY, "fine"),
        (Outcome.INCONCLUSIVE, "this version has no check nowhere"),
    ]
    assert it.still_looking == ()
    assert {found.asked_at for found in it.findings} == {NOW}
    assert sorted(told, key=str) == sorted(it.findings, key=str)


async def test_a_stuck_one_is_given_up_at_its_own_deadline_and_the_others_still_speak() -> None:
    told = Told()

    async with examination(told, ask("stuck", timeout_seconds=0.05), ask("fine"), timeout_seconds=5) as it:
        await it.wait(5)

    assert [found.headline for found in it.findings] == ["no answer within 0.05 s", "fine"]
    assert it.findings[0].outcome is Outcome.INCONCLUSIVE
    assert 0.05 <= it.findings[0].took_seconds < 1
    assert [found.headline for found in told] == ["fine", "no answer within 0.05 s"]


async def test_what_has_no_answer_when_the_report_is_due_is_named() -> None:
    told = Told()

    async with examination(told, ask("stuck"), ask("fine")) as it:
        await it.wait(0.1)
        due = it.findings, it.still_looking

    assert ([found.headline for found in due[0]], due[1]) == (["fine"], ("stuck(api)",))
    assert [found.headline for found in told] == ["fine"]


async def test_one_that_ignores_its_cancellation_does_not_hold_up_the_report() -> None:
    told, loop = Told(), asyncio.get_running_loop()
    started = loop.time()

    with structlog.testing.capture_logs() as logs:
        async with examination(told, ask("stubborn", timeout_seconds=0.05)) as it:
            await it.wait(5)
            answered = loop.time() - started
        left = loop.time() - started

    assert [found.headline for found in it.findings] == ["no answer within 0.05 s"]
    assert answered < 0.5
    assert left < 1.5
    assert [log["event"] for log in logs] == ["diagnostic.finished", "diagnostic.ignores_cancellation"]
    await asyncio.sleep(1.5)  # it ends by itself; nothing is left for the loop to complain of


async def test_leaving_the_block_cancels_what_still_runs() -> None:
    before = asyncio.all_tasks()

    async with examination(Told(), ask("stuck")) as it:
        await asyncio.sleep(0)
        assert asyncio.all_tasks() != before

    assert it.still_looking == ("stuck(api)",)
    assert asyncio.all_tasks() == before


async def test_being_cancelled_passes_through_and_leaves_nothing_behind() -> None:
    async def look() -> None:
        async with examination(Told(), ask("stuck")) as it:
            await it.wait(60)

    before = asyncio.all_tasks()
    looking = asyncio.get_running_loop().create_task(look())
    await asyncio.sleep(0.05)
    looking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await looking
    assert asyncio.all_tasks() == before


async def test_what_an_earlier_run_found_is_not_asked_again() -> None:
    told = Told()
    checks = {"fine": Fake(fine), "old": Fake(fine)}
    before = Finding(check="old", target="api", subject="api", outcome=Outcome.UNHEALTHY, headline="seen before")
    stranger = Finding(check="other", target="api", outcome=Outcome.HEALTHY, headline="of another plan")

    async with examination(told, ask("fine"), ask("old"), catalogue=checks, already=[stranger, before]) as it:
        await it.wait(5)

    assert [found.headline for found in it.findings] == ["fine", "seen before"]
    assert [found.headline for found in told] == ["fine"]
    assert (checks["fine"].asked, checks["old"].asked) == (1, 0)


async def test_nothing_to_ask_is_done_at_once() -> None:
    async with examination(Told()) as it:
        await it.wait(60)

    assert (it.findings, it.still_looking) == ((), ())


async def test_what_cannot_be_written_down_comes_out_of_the_wait() -> None:
    async def full(_: Finding) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        async with examination(full, ask("fine"), ask("stuck")) as it:
            await it.wait(60)


async def test_a_name_that_was_given_goes_with_the_finding() -> None:
    async with examination(Told(), ask("fine", called="front door")) as it:
        await it.wait(5)

    assert it.findings[0].name == "front door"


async def test_each_end_is_logged_with_its_outcome() -> None:
    with structlog.testing.capture_logs() as logs:
        async with examination(Told(), ask("fine")) as it:
            await it.wait(5)

    assert [(log["event"], log["diagnostic"], log["outcome"]) for log in logs] == [
        ("diagnostic.finished", "fine(api)", "healthy")
    ]


async def test_a_server_that_hangs_costs_only_its_deadline(
    raw_server: Callable[[bytes | None], Awaitable[int]],
) -> None:
    port, checks = await raw_server(None), catalogue()
    asks = [
        Ask(name=check, check=check, target=target_at(it, f"127.0.0.1:{port}")[0], parameters=asked(it))
        for check, it in checks.items()
    ]
    at = f"http://127.0.0.1:{port}"
    elsewhere = dict.fromkeys(("GITHUB_API_URL", RUN_VARIABLE, LOGGING_VARIABLE), at)
    doors, told = Doors({"TOKEN": "t0ken", **elsewhere}, Account(token="t0ken", url=at)), Told()
    await doors.prepare(it.target for it in asks if it.target is not None)  # as at the start of the daemon
    loop = asyncio.get_running_loop()
    started = loop.time()

    async with Examination(asks, checks, doors, timeout_seconds=0.3, clock=lambda: NOW, on_finding=told) as it:
        await it.wait(30)
        took = loop.time() - started
    await doors.close()

    assert {found.headline for found in it.findings} == {"no answer within 0.3 s"}
    assert len(it.findings) == len(checks)
    assert took < 3.0  # one after the other they would take over ten
