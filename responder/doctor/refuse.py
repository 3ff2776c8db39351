"""RESPONDER_REFUSE_WRITE_ACCESS: nothing is looked at through credentials that could change it.

At the start they are asked, and one that can write ends it. What cannot be asked then is no reason not to start: a
responder that waits for the thing that is down is of no use. It is asked again until it answers, and so is what a
reload brings; what turns out to be able to write is not looked at any more until it is not.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from responder.clients.doors import Doors, as_written
from responder.doctor.targets import Judged, all_targets, judge
from responder.errors import NotConfigured, UsageError
from responder.model.pack import Pack

START_WITHIN_SECONDS = 5.0
AGAIN_SECONDS = 30.0  # what did not answer, and what is shut
SELDOM_SECONDS = 3600.0  # grants change, too
LOOK_SECONDS = 2.0  # for what a reload brought
log = structlog.get_logger(__name__)

Key = tuple[object, ...]


@dataclass(slots=True, kw_only=True)
class WriteAccess:
    """Of one daemon. `looked_through`: the doors of its checks, which are shut to what can write. It asks by doors of
    its own."""

    clock: Callable[[], datetime]
    looked_through: Doors | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _due: dict[Key, float] = field(default_factory=dict)
    _shut: dict[Key, str] = field(default_factory=dict)

    async def refuse(self, packs: tuple[Pack, ...]) -> None:
        """Raises UsageError that names every grant by which any target could be changed, and the cure."""
        found = await self._judged(packs, within_seconds=START_WITHIN_SECONDS)
        told = [
            f"target {it.name}: {', '.join(it.access.writes)}; {it.access.cure}"
            for it in found
            if it.access is not None and it.access.writes
        ]
        if told:
            raise UsageError("RESPONDER_REFUSE_WRITE_ACCESS: these credentials can write:\n" + "\n".join(told))

    async def watch(self, packs: Callable[[], tuple[Pack, ...]]) -> None:
        """Go on asking, for as long as the daemon runs; shut the doors to what can write."""
        while True:
            await self._judged(packs(), within_seconds=START_WITHIN_SECONDS)
            if self.looked_through is not None:
                self.looked_through.shut = dict(self._shut)
            await asyncio.sleep(LOOK_SECONDS)

    async def _judged(self, packs: tuple[Pack, ...], *, within_seconds: float) -> list[Judged]:
        now = asyncio.get_running_loop().time()
        due = [(pack, it) for pack, it in all_targets(packs) if self._due.get(as_written(it), 0.0) <= now]
        doors = Doors(self.environment)
        try:
            found = await asyncio.gather(
                *(judge(pack, it, doors, self.clock, within_seconds=within_seconds) for pack, it in due)
            )
        finally:
            await doors.close()
        for it in found:
            self._note(it, now)
        return found

    def _note(self, it: Judged, now: float) -> None:
        key = as_written(it.target)
        first = key not in self._due
        settled = it.access is not None and not it.access.writes
        self._due[key] = now + (SELDOM_SECONDS if settled else AGAIN_SECONDS)
        if it.access is not None and it.access.writes:
            if key not in self._shut:
                log.error("access.refused", target=it.name, grants=list(it.access.writes), cure=it.access.cure)
            self._shut[key] = f"its credentials can write ({', '.join(it.access.writes)}), which is refused here"
        elif it.access is not None and key in self._shut:
            del self._shut[key]
            log.info("access.accepted", target=it.name)
        elif first and it.access is None and not isinstance(it.why, NotConfigured):
            log.warning("access.not_asked", target=it.name, why=str(it.why), again_seconds=AGAIN_SECONDS)
        elif first and it.access is not None and it.access.not_known:
            log.warning("access.not_known", target=it.name, why=it.access.not_known)
