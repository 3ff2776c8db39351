"""How often, and how many at once, one target may be asked, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum

from aiolimiter import AsyncLimiter

from responder.clients.breaker import GIVEN_UP, Breaker
from responder.errors import CouldNotLook, Refused


class Answered(StrEnum):
    """What came of one question: `refused` is an answer too, "no"."""

    ANSWERED = "answered"
    REFUSED = "refused"
    NO_ANSWER = "no answer"


@dataclass(slots=True, kw_only=True)
class Tally:
    """What this process asked of one target. Times are of the loop's clock.

    `asked`: questions since it was last written down; `waiting`: who waits for a turn now. `why`: of no answer.
    """

    asked: int = 0
    waiting: int = 0
    outcome: Answered | None = None
    why: str = ""
    at: float = 0.0
    answered_at: float | None = None

    @contextmanager
    def waits(self) -> Iterator[None]:
        """Around waiting for a turn."""
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    @contextmanager
    def asks(self) -> Iterator[None]:
        """Around one question."""
        began = asyncio.get_running_loop().time()
        self.asked += 1
        try:
            yield
        except Refused as no:
            self._note(Answered.REFUSED, str(no))
            raise
        except CouldNotLook as silent:
            self._note(Answered.NO_ANSWER, str(silent))
            raise
        except asyncio.CancelledError:
            if self.answered_at is None or self.answered_at < began:  # else another question's answer was enough
                self._note(Answered.NO_ANSWER, GIVEN_UP)
            raise
        else:
            self._note(Answered.ANSWERED, "")

    def _note(self, outcome: Answered, why: str) -> None:
        self.outcome, self.why, self.at = outcome, why, asyncio.get_running_loop().time()
        if outcome is not Answered.NO_ANSWER:
            self.answered_at = self.at


class Budget:
    """Turns at one target: at most `concurrency` at once and `per_minute` in a minute, none while it is left alone;
    `tally`: where they are counted.

    Waiting for a turn counts into the caller's deadline; no deadline is kept here.
    """

    def __init__(
        self, *, concurrency: int, per_minute: int, tally: Tally | None = None, breaker: Breaker | None = None
    ) -> None:
        self._at_once = asyncio.Semaphore(concurrency)
        self._rate = AsyncLimiter(per_minute, 60.0)
        self._tally = tally or Tally()
        self._breaker = breaker or Breaker()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it; raises Unreachable while the target is left alone."""
        with self._tally.waits():
            await self._breaker.admit()
            await self._at_once.acquire()
        try:
            with self._tally.waits():
                await self._breaker.admit()  # others may have waited in vain meanwhile
                await self._rate.acquire()
                await self._breaker.admit()  # nothing may come between this and what follows
            with self._breaker.asks(), self._tally.asks():
                yield
        finally:
            self._at_once.release()
