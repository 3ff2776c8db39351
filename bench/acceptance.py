"""Rounds of load, one server after the other, while the others are kept from the cores."""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from load import Plan
from processes import Server, cpu_seconds

LOAD = Path(__file__).with_name("load.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A server that takes part. `pids`: its processes, for their CPU; `keeps`: each body must be a new one."""

    server: Server
    path: str
    token: str
    form: str
    keeps: bool
    pids: Callable[[], Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`counts`: the most bodies of a round by their number of alerts, so that they fit into memory."""

    rounds: int
    seconds: float
    connections: int
    counts: dict[int, int]


@dataclass(slots=True)
class Numbers:
    """Group numbers that were not used yet."""

    next: int = 1

    def take(self, count: int) -> int:
        """The first of `count` new ones."""
        first, self.next = self.next, self.next + count
        return first


@dataclass(slots=True)
class Measured:
    """Results by contender and number of alerts, a list over rounds; `taken`: every 2xx, those of the warm-up too."""

    rounds: dict[str, dict[int, list[dict[str, Any]]]] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, alerts: int, result: dict[str, Any]) -> None:
        """One more round."""
        self.rounds.setdefault(name, {}).setdefault(alerts, []).append(result)
        self.count(name, result)

    def count(self, name: str, result: dict[str, Any]) -> None:
        """What was taken in, measured or not."""
        self.taken[name] = self.taken.get(name, 0) + result["answered"] - result["not_taken"]

    def median(self, name: str, alerts: int, what: str) -> float:
        """Over rounds; 0 where there was none."""
        return statistics.median([it[what] for it in self.rounds.get(name, {}).get(alerts, [])] or [0.0])

    def ratio(self, name: str, other: str, alerts: int, what: str) -> float:
        """Median of the ratios of the same round, so that a slow minute of the machine hits both."""
        ours, theirs = (self.rounds.get(it, {}).get(alerts, []) for it in (name, other))
        ratios = [one[what] / two[what] for one, two in zip(ours, theirs, strict=True) if two[what]] if theirs else []
        return statistics.median(ratios or [0.0])


def measure(
    contenders: Sequence[Contender], bounds: Bounds, numbers: Numbers, progress: Callable[[str], None]
) -> Measured:
    """All rounds: each contender in turn with 1-alert bodies, then each with 50-alert bodies, and again."""
    measured = Measured()
    for contender in contenders:  # what is loaded, compiled or cached at the first request is not measured
        warm_up = _one(contender, contenders, bounds, numbers, alerts=1, seconds=1.0)
        measured.count(contender.server.name, warm_up)
    for at in range(bounds.rounds):
        for alerts in bounds.counts:
            for contender in contenders:
                result = _one(contender, contenders, bounds, numbers, alerts=alerts, seconds=bounds.seconds)
                measured.add(contender.server.name, alerts, result)
                progress(
                    f"round {at + 1}/{bounds.rounds}, {alerts:2d}-alert bodies, {contender.server.name}: "
                    f"{result['per_second']:.0f}/s, p99 {result['p99_ms']:.1f} ms"
                )
    return measured


def send(plan: Plan) -> dict[str, Any]:
    """Run a plan in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(LOAD), json.dumps(asdict(plan))], stdout=subprocess.PIPE, check=True, timeout=300
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _one(
    contender: Contender,
    contenders: Sequence[Contender],
    bounds: Bounds,
    numbers: Numbers,
    *,
    alerts: int,
    seconds: float,
) -> dict[str, Any]:
    count = bounds.counts[alerts]
    plan = Plan(
        port=contender.server.port,
        path=contender.path,
        token=contender.token,
        alerts=alerts,
        first=numbers.take(count) if contender.keeps else 1,
        count=count,
        seconds=seconds,
        connections=bounds.connections,
        form=contender.form,
        cycle=not contender.keeps,
    )
    with contextlib.ExitStack() as paused:
        for other in contenders:
            if other is not contender and other.keeps:  # the reference does nothing unless it is asked
                paused.enter_context(other.server.paused())
        before = {pid: cpu_seconds([pid]) for pid in contender.pids()}
        result = send(plan)
        after = sum(cpu_seconds([pid]) - before.get(pid, 0.0) for pid in contender.pids())
    result["server_cpu_ms"] = after * 1000 / max(result["answered"], 1)
    result["not_taken"] = sum(number for status, number in result["statuses"].items() if status[0] != "2")
    return result
