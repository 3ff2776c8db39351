"""One incident's look, timed: all checks of a kind at once, by new doors and then by the same ones, and what it cost.

Connections and questions are counted by the target itself where it can tell; where not, on our side.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from responder.clients.doors import Doors
from responder.diagnostics.catalogue import catalogue
from responder.diagnostics.examine import examined
from responder.diagnostics.plan import Ask
from responder.model.finding import Finding
from responder.model.pack import Target
from tests.diagnostics.test_diagnostic import asked

WARM = 5
LOOK_SECONDS = 30.0
PER_MINUTE = 6_000  # instead of 60: the wait for a turn would be what is measured after the first look


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """So far, by the target. `connections` None: it cannot tell. `unit`: what was sent."""

    sent: int
    unit: str
    connections: int | None = None


Tell = Callable[[], Awaitable[Counts]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one look. `cpu_seconds`: of this process, with what stands in for a target in it. `turns`: how many of the
    target's `per_minute` it took."""

    seconds: float
    cpu_seconds: float
    connections: int
    sent: int
    turns: int


def asks_of(kind: str, target: Target, *, only: Sequence[str] = (), but: Sequence[str] = (), **given: Any) -> list[Ask]:
    """Every check of the kind, or these; with `given` parameters where a check has them."""
    asks = []
    for name, it in catalogue().items():
        if it.target_kind == kind and name not in but and (not only or name in only):
            more = {key: value for key, value in given.items() if key in it.parameters.model_fields}
            parameters = it.parameters(**asked(it).model_dump() | more) if more else asked(it)
            asks.append(Ask(name=name, check=name, target=target, parameters=parameters))
    return asks


async def looked(system: str, asks: Sequence[Ask], tell: Tell, doors: Doors | None = None) -> dict[str, Any]:
    """One row: a first look and five more. `doors`: new ones, where they must know something."""
    doors = doors or Doors({})
    target = asks[0].target
    assert target is not None
    await doors.prepare([target])  # as the daemon does when rules are loaded
    with _connections() as opened:
        try:
            costs = []
            for _ in range(1 + WARM):
                cost, findings = await _look(asks, doors, target, tell, opened)
                costs.append(cost)
        finally:
            await doors.close()
    counts = await tell()
    return {
        "system": system,
        "checks": len(asks),
        "could_not_look": {it.check: it.headline for it in findings if it.outcome == "inconclusive"},
        "first_ms": costs[0].seconds * 1000,
        "warm_ms": statistics.median(it.seconds for it in costs[1:]) * 1000,
        "warm_cpu_ms": statistics.median(it.cpu_seconds for it in costs[1:]) * 1000,
        "connections": (costs[0].connections, max(it.connections for it in costs[1:])),
        "connections_told": counts.connections is not None,
        "sent": (costs[0].sent, max(it.sent for it in costs[1:])),
        "unit": counts.unit,
        "turns": costs[0].turns,
    }


async def _look(
    asks: Sequence[Ask], doors: Doors, target: Target, tell: Tell, opened: Counter[int]
) -> tuple[Cost, tuple[Finding, ...]]:
    before, ours, turns = await tell(), opened.total(), doors.tally(target).asked
    loop = asyncio.get_running_loop()
    began, cpu = loop.time(), time.process_time()
    findings = await examined(
        asks, catalogue(), doors, timeout_seconds=LOOK_SECONDS, clock=lambda: datetime.now(UTC), on_finding=_kept
    )
    seconds, cpu, ours = loop.time() - began, time.process_time() - cpu, opened.total() - ours
    after = await tell()
    told = None if after.connections is None or before.connections is None else after.connections - before.connections
    return Cost(
        seconds=seconds,
        cpu_seconds=cpu,
        connections=ours if told is None else told,
        sent=after.sent - before.sent,
        turns=doors.tally(target).asked - turns,
    ), findings


async def _kept(_: Finding) -> None:
    """The daemon writes it into its store here."""


@contextmanager
def _connections() -> Iterator[Counter[int]]:
    """Connections that this loop opens; whatever makes them, asyncio connects the socket."""
    loop = asyncio.get_running_loop()
    opened: Counter[int] = Counter()
    connect = loop.sock_connect

    async def counted(sock: Any, address: Any) -> None:
        opened[address[1]] += 1
        await connect(sock, address)

    loop.sock_connect = counted  # type: ignore[method-assign]
    try:
        yield opened
    finally:
        del loop.sock_connect
