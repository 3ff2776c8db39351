"""Leaves a target alone for a while after it has let us wait in vain several times in a row.

What answers "no" at once, or refuses the connection, costs nobody anything and is asked each time: that it is back is
then seen at once. What hangs, or cannot be reached, would take the time of every look that follows.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from responder.clients.network import NoAnswer
from responder.errors import Unreachable

FAILURES = 3  # in a row
PAUSE_SECONDS = 30.0
WAITED_SECONDS = 1.0  # what was given up sooner says nothing about the target
GIVEN_UP = "given up before it answered: its time was over"


def loop_time() -> float:
    """Seconds by the running loop's clock."""
    return asyncio.get_running_loop().time()


class Breaker:
    """What became of the latest questions to one target. `clock`: seconds that only go forward."""

    def __init__(self, clock: Callable[[], float] = loop_time) -> None:
        self._clock = clock
        self._failures = 0
        self._last: Unreachable = Unreachable("")
        self._asked_again_at = -math.inf
        self._failed_at = -math.inf
        self._first: asyncio.Event | None = None  # set once the one that goes first after a pause has gone

    async def admit(self) -> None:
        """Wait for what becomes of the one that goes first after a pause, then raise as `check` does."""
        while self._first is not None:
            await self._first.wait()
        self.check()

    def check(self) -> None:
        """Raise Unreachable, or NoAnswer where that was the last failure, while the target is left alone."""
        left = self._asked_again_at - self._clock()
        if self._failures >= FAILURES and left > 0:
            why = f"not asked for {math.ceil(left)} s more after {self._failures} failures in a row, the last: "
            raise type(self._last)(why + str(self._last))

    @contextmanager
    def asks(self) -> Iterator[None]:
        """Around one question, once it was admitted. After the pause one goes first, and the others wait for what
        becomes of it."""
        self.check()
        began = self._clock()
        first = asyncio.Event() if self._failures >= FAILURES else None
        if first is not None:
            self._first, self._asked_again_at = first, began + PAUSE_SECONDS
        try:
            yield
        except Unreachable as silent:
            self._heard_nothing(silent, began) if self._counts(silent, began) else self._heard()
            raise
        except asyncio.CancelledError:
            if self._clock() - began >= WAITED_SECONDS:
                self._heard_nothing(Unreachable(GIVEN_UP), began)
            elif self._failures >= FAILURES:
                self._asked_again_at = began  # it was not tried; the next one may
            raise
        except Exception:  # whatever it says, and be it a bug of ours: the target did not let us wait
            self._heard()
            raise
        else:
            self._heard()
        finally:
            if first is not None:
                self._first = None
                first.set()

    def _counts(self, silent: Unreachable, began: float) -> bool:
        return not isinstance(silent, NoAnswer) or self._clock() - began >= WAITED_SECONDS

    def _heard(self) -> None:
        self._failures = 0

    def _heard_nothing(self, why: Unreachable, began: float) -> None:
        if self._failed_at > began:
            return  # those that were asked at once are one failure, which may be ours: a process that stood still
        self._failures += 1
        self._failed_at = self._clock()
        self._last = NoAnswer(str(why)) if isinstance(why, NoAnswer) else Unreachable(str(why))
        self._asked_again_at = self._clock() + PAUSE_SECONDS
