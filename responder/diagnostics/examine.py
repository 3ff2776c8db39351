"""Runs checks all at once and keeps their time: none holds up the others, and none the report."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Self

import structlog

from responder.clients.doors import Doors
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.plan import Ask, Plan
from responder.diagnostics.share import Shared
from responder.errors import CouldNotLook
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target

GRACE_SECONDS = 0.5  # for what was cancelled to close its connections; after that it is left behind
LATE_SECONDS = 1.0  # after its deadline a check that was given up is told
NO_TARGET = Target(name="", kind="", address="")

log = structlog.get_logger(__name__)


class Examination:
    """`async with Examination(…) as it: await it.wait(seconds)`, then `it.findings` and `it.still_looking`.

    `timeout_seconds`: for each check that says nothing else. `clock`: for `asked_at`. `on_finding`: called with each
    new finding, one at a time, in order of arrival; what it raises comes out of `wait` and out of the block.
    `already`: findings of an earlier run that was cut short; they are not asked again nor told again.
    `shared`: the questions of other examinations; one that is open is joined, and the answer to one that was asked
    within `answered_within_seconds` is taken; its finding says when that was.
    Leaving the block cancels what still runs, unless another examination wants to know it too.
    """

    def __init__(
        self,
        asks: Sequence[Ask],
        catalogue: Mapping[str, Diagnostic],
        doors: Doors,
        *,
        timeout_seconds: float = 10.0,
        clock: Callable[[], datetime],
        on_finding: Callable[[Finding], Awaitable[None]],
        already: Sequence[Finding] = (),
        shared: Shared | None = None,
        answered_within_seconds: float = 0.0,
    ) -> None:
        self._asks = asks
        self._catalogue = catalogue
        self._doors = doors
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._on_finding = on_finding
        self._shared = Shared() if shared is None else shared
        self._answered_within_seconds = answered_within_seconds
        names = {ask.name for ask in asks}
        self._found = {finding.name: finding for finding in already if finding.name in names}
        self._open = {ask.name for ask in asks if ask.name not in self._found}
        self._told_one_at_a_time = asyncio.Lock()
        self._over = asyncio.Event()
        self._failure: BaseException | None = None
        self._group = asyncio.TaskGroup()
        self._watching: list[asyncio.Task[None]] = []
        self._looking: set[asyncio.Task[Finding]] = set()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Answers so far, in the order of the questions."""
        return tuple(self._found[ask.name] for ask in self._asks if ask.name in self._found)

    @property
    def still_looking(self) -> tuple[str, ...]:
        """Names of the questions without an answer yet, in their order."""
        return tuple(ask.name for ask in self._asks if ask.name not in self._found)

    async def wait(self, seconds: float) -> None:
        """Return when every question is answered or given up, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._over.wait()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    async def __aenter__(self) -> Self:
        """Start all of them."""
        await self._group.__aenter__()
        waiting = [ask for ask in self._asks if ask.name in self._open]
        self._watching = [self._group.create_task(self._watch(ask)) for ask in waiting]
        if not waiting:
            self._over.set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel what still runs; wait a moment for it, not longer."""
        for task in self._watching:
            task.cancel()
        await self._group.__aexit__(None, None, None)
        given_up = {it for it in self._looking if it.cancelling()}
        if given_up:
            await asyncio.wait(given_up, timeout=GRACE_SECONDS)
        for left in given_up & self._looking:
            log.warning("diagnostic.ignores_cancellation", diagnostic=left.get_name())
        if self._failure is not None and error is None:
            raise self._failure

    async def _watch(self, ask: Ask) -> None:
        """One question from start to told."""
        loop = asyncio.get_running_loop()
        asked_at, started = self._clock(), loop.time()
        finding = replace(await self._answer(ask), subject=ask.subject, called=ask.called)
        if finding.asked_at is None:
            finding = replace(finding, asked_at=asked_at, took_seconds=loop.time() - started)
        self._found[ask.name] = finding
        log.info(
            "diagnostic.finished",
            diagnostic=ask.name,
            outcome=str(finding.outcome),
            took_seconds=round(finding.took_seconds, 3),
        )
        await self._tell(finding)
        self._open.discard(ask.name)
        if not self._open:
            self._over.set()

    async def _tell(self, finding: Finding) -> None:
        try:
            async with self._told_one_at_a_time:
                if self._failure is None:
                    await self._on_finding(finding)
        except Exception as failure:  # noqa: BLE001 - handed on by `wait` and by the end of the block
            self._failure = failure
            self._over.set()

    async def _answer(self, ask: Ask) -> Finding:
        """The finding; that there is none in time, none at all, or a bug is one too."""
        diagnostic = self._catalogue.get(ask.check)
        if diagnostic is None:
            return _could_not_look(ask, f"this version has no check {ask.check}")
        within = self._timeout_seconds if ask.timeout_seconds is None else ask.timeout_seconds
        question = self._shared.question(
            ask,
            partial(_look, ask, diagnostic, self._doors),
            clock=self._clock,
            answered_within_seconds=self._answered_within_seconds,
        )
        looking = question.answer
        self._looking.add(looking)
        looking.add_done_callback(self._looking.discard)
        with question.wanted():
            done, _ = await asyncio.wait({looking}, timeout=within)
        if not done:
            return _could_not_look(ask, f"no answer within {within:g} s")
        return _could_not_look(ask, "was given up") if looking.cancelled() else looking.result()


async def examined(
    asks: Sequence[Ask],
    catalogue: Mapping[str, Diagnostic],
    doors: Doors,
    *,
    timeout_seconds: float,
    clock: Callable[[], datetime],
    on_finding: Callable[[Finding], Awaitable[None]],
    shared: Shared | None = None,
) -> tuple[Finding, ...]:
    """Ask them all at once and wait until each has answered or is over its deadline."""
    longest = max([timeout_seconds, *(it.timeout_seconds or 0.0 for it in asks)])
    async with Examination(
        asks, catalogue, doors, timeout_seconds=timeout_seconds, clock=clock, on_finding=on_finding, shared=shared
    ) as examination:
        await examination.wait(longest + LATE_SECONDS)
        return examination.findings


def not_asked(plan: Plan) -> tuple[Finding, ...]:
    """What the plan had to leave out, each with its reason."""
    return tuple(
        Finding(check=name, target="", called=name, outcome=Outcome.INCONCLUSIVE, headline=why)
        for name, why in plan.left_out
    )


async def _look(ask: Ask, diagnostic: Diagnostic, doors: Doors) -> Finding:
    try:
        return await diagnostic.examine(ask.target or NO_TARGET, ask.parameters, doors)
    except CouldNotLook as reason:
        return _could_not_look(ask, str(reason))
    except Exception as bug:  # noqa: BLE001 - the one boundary: a bug in one must not cost the others
        return _could_not_look(ask, f"bug in {ask.check}: {type(bug).__name__}: {str(bug)[:200]}")


def _could_not_look(ask: Ask, why: str) -> Finding:
    return Finding(
        check=ask.check, target=ask.target.name if ask.target else "", outcome=Outcome.INCONCLUSIVE, headline=why
    )
