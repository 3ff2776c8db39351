"""One question to one target is asked once, whoever else wants to know it at that moment; all get the one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from responder.clients.doors import as_written
from responder.diagnostics.plan import Ask
from responder.model.finding import Finding

JOINED_SECONDS = 5.0  # who comes later asks anew: what has not answered for so long may be stuck on its way
MOST_KEPT = 1_000

Key = tuple[object, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class Question:
    """One that was asked. `began` by the loop's clock; `wanted_by`: how many wait for it now."""

    answer: asyncio.Task[Finding]
    began: float
    wanted_by: int = 0

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """While somebody wants the answer it is looked for; when the last one leaves it is given up."""
        self.wanted_by += 1
        try:
            yield
        finally:
            self.wanted_by -= 1
            if not self.wanted_by:
                self.answer.cancel()


@dataclass(slots=True)
class Shared:
    """The questions of one process that are open or were answered lately, the oldest first."""

    _questions: dict[Key, Question] = field(default_factory=dict)

    def question(
        self,
        ask: Ask,
        look: Callable[[], Awaitable[Finding]],
        *,
        clock: Callable[[], datetime],
        answered_within_seconds: float,
    ) -> Question:
        """The one that is open, or was asked and answered within so many seconds, else a new one by `look`. Its
        finding says when it was asked and how long that took."""
        key, now = _key(ask), asyncio.get_running_loop().time()
        self._forget(now)
        former = self._questions.get(key)
        if former is not None and _still_good(former, now, answered_within_seconds):
            return former
        self._questions.pop(key, None)
        # Not in a TaskGroup: it may outlive the one who asked it first, for the others.
        answer = asyncio.get_running_loop().create_task(_dated(look, clock()), name=ask.name)
        answer.add_done_callback(_heard)
        self._questions[key] = Question(answer=answer, began=now)
        return self._questions[key]

    def _forget(self, now: float) -> None:
        while self._questions:
            key, oldest = next(iter(self._questions.items()))
            if now - oldest.began <= JOINED_SECONDS and len(self._questions) < MOST_KEPT:
                return
            del self._questions[key]


def _still_good(question: Question, now: float, answered_within_seconds: float) -> bool:
    if question.answer.cancelled() or question.answer.cancelling():
        return False
    if not question.answer.done():
        return now - question.began <= JOINED_SECONDS
    return answered_within_seconds > 0 and now - question.began <= answered_within_seconds


async def _dated(look: Callable[[], Awaitable[Finding]], asked_at: datetime) -> Finding:
    loop = asyncio.get_running_loop()
    began = loop.time()
    return replace(await look(), asked_at=asked_at, took_seconds=loop.time() - began)


def _heard(answer: asyncio.Task[Finding]) -> None:
    if not answer.cancelled():
        answer.exception()  # where everybody has left nobody asks for it, and asyncio need not complain


def _key(ask: Ask) -> Key:
    """The same check of the same target with the same parameters; names of entries do not matter."""
    target = ask.target
    where = () if target is None else (target.kind, target.flavour, *as_written(target))
    return (ask.check, type(ask.parameters), ask.parameters.model_dump_json(), where)
