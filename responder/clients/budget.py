"""How often, and how many at once, one target may be asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiolimiter import AsyncLimiter


class Budget:
    """Turns at one target: at most `concurrency` at once and `per_minute` in a minute.

    Waiting for a turn counts into the caller's deadline; no deadline is kept here.
    """

    def __init__(self, *, concurrency: int, per_minute: int) -> None:
        self._at_once = asyncio.Semaphore(concurrency)
        self._rate = AsyncLimiter(per_minute, 60.0)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it."""
        async with self._at_once:
            await self._rate.acquire()
            yield
