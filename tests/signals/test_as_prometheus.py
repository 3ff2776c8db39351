"""A bound on a Prometheus signal says what an alerting rule with that expression and `for` says, at every evaluation.

Both are given the same hours of samples, with gaps, resets, NaN, stale series and sparse scrapes: promtool evaluates
the rules, and is told to expect what we say; the readings come from a real Prometheus.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from responder.clients.doors import Doors
from responder.clients.prometheus import PrometheusDoor, Series
from responder.model.pack import Bound, Signal, Target
from responder.model.reading import AnyReading, Sample
from responder.model.sources import PrometheusSource
from responder.model.verdict import Breach, Level, Pending, Verdict
from responder.model.window import judge
from responder.signals.read import read
from tests.signals.recorded import SCRAPED_EVERY, Labels, Values, in_promtools_words, remember, written
from tests.systems.plugin import System, program

START = datetime(2026, 11, 20, tzinfo=UTC)
HOURS = 4
SCRAPES = HOURS * 3600 // SCRAPED_EVERY
STEP = 15.0  # the interval of the rule's group, and the `step` of the signal
TARGET = Target(name="prometheus", kind="prometheus", address="http://127.0.0.1:1")

pytestmark = pytest.mark.system


@dataclass(frozen=True, kw_only=True)
class Case:
    """One rule: `query operator number`, for so many seconds."""

    name: str
    query: str
    operator: str
    number: float
    seconds: float

    @property
    def bound(self) -> Bound:
        return Bound(operator=self.operator, number=self.number, for_seconds=self.seconds, text="")


CASES = [
    Case(name="gauge", query="queue", operator=">", number=5, seconds=120),
    Case(name="at-once", query="queue", operator=">=", number=5, seconds=0),
    Case(name="one-step", query="queue", operator="<", number=4, seconds=15),
    Case(name="no-multiple", query="queue", operator=">", number=3, seconds=100),
    Case(name="hours", query="up", operator=">=", number=0, seconds=5400),
    Case(name="sparse", query="sparse", operator=">", number=5, seconds=300),
    Case(name="rate", query="rate(requests_total[1m])", operator=">", number=1.5, seconds=90),
    Case(name="increase", query="sum(increase(requests_total[5m]))", operator=">", number=600, seconds=60),
    Case(
        name="share",
        query="100 * sum(rate(errors_total[1m])) / sum(rate(calls_total[1m]))",
        operator=">",
        number=10,
        seconds=60,
    ),
    Case(name="rollout", query="max by (pod) (memory)", operator=">", number=5, seconds=120),
    Case(name="down", query="up", operator="==", number=0, seconds=45),
    Case(name="not-equal", query="up", operator="!=", number=1, seconds=30),
]


def hours(seed: int) -> dict[Labels, Values]:
    """What was scraped in four hours, of each series one value every 15 s."""
    chance = random.Random(seed)
    first = chance.randrange(SCRAPES // 4, SCRAPES // 2)
    return {
        (("__name__", "queue"),): list(_disturbed(chance, list(_walk(chance)))),
        (("__name__", "sparse"),): [it if index % 5 == 0 else None for index, it in enumerate(_walk(chance))],
        (("__name__", "requests_total"),): list(_disturbed(chance, list(_counter(chance, 60)))),
        (("__name__", "errors_total"),): list(_gaps(chance, list(_counter(chance, 3)))),
        (("__name__", "calls_total"),): list(_gaps(chance, list(_counter(chance, 20)))),
        (("__name__", "memory"), ("pod", "one")): [*list(_walk(chance))[:first], "stale"],
        (("__name__", "memory"), ("pod", "two")): [None] * (first + 1) + list(_walk(chance))[first + 1 :],
        (("__name__", "up"),): [0.0 if it > 6 else 1.0 for it in _walk(chance)],
    }


def _walk(chance: random.Random) -> Iterator[float]:
    """Around 5, and now and then exactly there."""
    value = 5.0
    for _ in range(SCRAPES):
        value += chance.choice((-1.0, 0.0, 0.0, 0.0, 1.0)) - (value - 5) * 0.05
        yield float(round(value)) if chance.random() < 0.6 else value


def _counter(chance: random.Random, most: int) -> Iterator[float]:
    """Grows in spells, stands still in others, begins anew now and then."""
    value, busy = 0.0, True
    for _ in range(SCRAPES):
        busy = busy if chance.random() > 0.05 else not busy
        value = 0.0 if chance.random() < 0.01 else value + (chance.randrange(most) if busy else 0)
        yield value


def _disturbed(chance: random.Random, values: list[float]) -> Iterator[float | str | None]:
    """With gaps shorter and longer than Prometheus looks back, NaN, and series that go stale and come back."""
    left = 0
    for it in _gaps(chance, values):
        if left:
            left -= 1
            yield None
        elif chance.random() < 0.01:
            left = chance.choice((0, 3, 30))
            yield "stale"
        else:
            yield math.nan if chance.random() < 0.01 else it


def _gaps(chance: random.Random, values: list[float]) -> Iterator[float | None]:
    left = 0
    for it in values:
        left = left - 1 if left else chance.choice((1, 4, 30)) if chance.random() < 0.02 else 0
        yield None if left else it


class Remembered:
    """What a real Prometheus answers to a query at every step, asked for once; each reading takes its part of it."""

    def __init__(self, door: PrometheusDoor) -> None:
        self._door = door
        self._known: dict[str, tuple[Series, ...]] = {}

    async def range(self, query: str, start: datetime, end: datetime, step_seconds: float) -> tuple[Series, ...]:
        assert step_seconds == STEP
        if query not in self._known:
            self._known[query] = await self._all(query)
        cut = (
            Series(labels=it.labels, samples=tuple(one for one in it.samples if start <= one.at <= end))
            for it in self._known[query]
        )
        return tuple(it for it in cut if it.samples)

    async def _all(self, query: str) -> tuple[Series, ...]:
        found: dict[str, tuple[dict[str, str], list[Sample]]] = {}
        for hour in range(-1, HOURS):
            begins = START + timedelta(hours=hour)
            for it in await self._door.range(query, begins, begins + timedelta(seconds=3600 - STEP), STEP):
                found.setdefault(it.shown, (dict(it.labels), []))[1].extend(it.samples)
        return tuple(Series(labels=labels, samples=tuple(samples)) for labels, samples in found.values())


class RememberedDoors(Doors):
    """Doors to one Prometheus."""

    def __init__(self, door: PrometheusDoor) -> None:
        super().__init__({})
        self._remembered = Remembered(door)

    def prometheus(self, target: Target) -> PrometheusDoor:
        return cast(PrometheusDoor, self._remembered)


async def reading_at(step: int, case: Case, doors: Doors, target: Target = TARGET) -> AnyReading:
    """As the daemon reads it at that moment."""
    source = PrometheusSource(target=target.name, query=case.query, step_seconds=STEP)
    signal = Signal(name="it", unit="count", source=source)
    now = START + timedelta(seconds=step * STEP)
    found = await read({signal: case.seconds}, [], {target.name: target}, doors, now, within_seconds=10)
    return found["it"][0]


def rules() -> str:
    return json.dumps(
        {
            "groups": [
                {
                    "name": "all",
                    "rules": [
                        {
                            "alert": it.name,
                            "expr": f"{it.query} {it.operator} {it.number}",
                            "for": f"{it.seconds:.0f}s",
                        }
                        for it in CASES
                    ],
                }
            ]
        }
    )


def expected(case: Case, step: int, verdict: Verdict) -> dict[str, Any]:
    """That the alert is in the state that our verdict says; unknown is no state of an alert, and no alert is none."""
    state = {Breach: "firing", Pending: "pending"}.get(type(verdict))
    labels = f'{{alertname="{case.name}", alertstate="{state}"}}'
    return {
        "expr": f'max by (alertname, alertstate) (ALERTS{{alertname="{case.name}"}})',
        "eval_time": f"{step * STEP:.0f}s",
        "exp_samples": [{"labels": labels, "value": 1}] if state else [],
    }


@pytest.fixture(scope="module")
def server(prometheus_server: Callable[..., System]) -> System:
    return prometheus_server(arguments=["--web.enable-remote-write-receiver"])


def promtool(
    series: dict[Labels, Values], tests: list[dict[str, Any]], folder: Path
) -> subprocess.CompletedProcess[str]:
    (folder / "rules.yml").write_text(rules())
    given = [{"series": written(labels), "values": in_promtools_words(values)} for labels, values in series.items()]
    test = {"interval": f"{SCRAPED_EVERY}s", "input_series": given, "promql_expr_test": tests}
    content = {"rule_files": ["rules.yml"], "evaluation_interval": f"{STEP:.0f}s", "tests": [test]}
    (folder / "test.yml").write_text(json.dumps(content))
    command = [program("promtool", "apt-get install prometheus"), "test", "rules", "test.yml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


async def test_every_verdict_is_the_state_of_the_alert(server: System, doors: Doors, tmp_path: Path) -> None:
    series = hours(seed=7)
    remember(server.address, series, START)
    target = Target(name="prometheus", kind="prometheus", address=server.address, per_minute=6000)
    remembered = RememberedDoors(doors.prometheus(target))

    tests, said = [], Counter[str]()
    for case in CASES:
        for step in range(SCRAPES):
            verdict = judge(case.bound, Level.CRITICAL, await reading_at(step, case, remembered))
            said[f"{case.name} {verdict.word}"] += 1
            tests.append(expected(case, step, verdict))
    for step in range(0, SCRAPES, 97):  # and what was taken in parts is what is read at that moment
        at_once = await reading_at(step, CASES[0], doors, target)
        assert repr(at_once) == repr(await reading_at(step, CASES[0], remembered))  # NaN is not equal to itself

    told = promtool(series, tests, tmp_path)

    assert told.returncode == 0, told.stdout[-2000:] + told.stderr[-4000:]
    often = {name for name, times in said.items() if times >= 5}
    assert {f"{it.name} breach" for it in CASES} <= often, said
    assert {f"{it} {word}" for it in ("gauge", "rate", "share") for word in ("pending", "clear", "unknown")} <= often
