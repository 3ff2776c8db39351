"""One number by a query, with its past, in one range query that ends now."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.clients.doors import Doors
from responder.clients.prometheus import PrometheusDoor, Series
from responder.clients.promql import escaped, why_not_fillable
from responder.model.reading import AnyReading, NoReading, Reading, Sample
from responder.model.sources import PrometheusSource
from responder.model.template import fill
from responder.signals.signal import Wanted

STEP_WITHOUT_FOR = 15.0
SHORTEST_STEP = 5.0
LONGEST_STEP = 30.0
SHORTEST_WINDOW = 15 * 60.0
MAX_STEPS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The moments of a window, `steps` + 1 of them, the last one `end`."""

    end: datetime
    step_seconds: float
    steps: int

    @property
    def start(self) -> datetime:
        """The first moment."""
        return self.at(0)

    def at(self, step: int) -> datetime:
        """The moment of a step, counted from 0."""
        return self.end - timedelta(seconds=self.step_seconds * (self.steps - step))

    def place_of(self, moment: datetime) -> int:
        """The step that a moment belongs to; Prometheus gives back milliseconds."""
        return round((moment - self.start).total_seconds() / self.step_seconds)


def grid_for(fors: Sequence[float], step_seconds: float | None, now: datetime) -> Grid:
    """The window: 1.5 times the longest `for`, at least 15 minutes, in steps of a tenth of the shortest `for` (5 to
    30 s, 15 s without one). At most 500 steps: the window is shortened first, never below the longest `for`, then
    the steps are made longer."""
    longest = max(fors, default=0.0)
    step = step_seconds or _step(fors)
    window = max(1.5 * longest, SHORTEST_WINDOW)
    if window / step > MAX_STEPS - 1:
        window = max(longest + step, (MAX_STEPS - 1) * step)
    steps = math.ceil(window / step)
    if steps > MAX_STEPS - 1:
        step = float(math.ceil(window / (MAX_STEPS - 1)))
        steps = math.ceil(window / step)
    end = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return Grid(end=end, step_seconds=step, steps=steps)


async def read_prometheus(wanted: Wanted, doors: Doors) -> AnyReading:
    """The newest step is the value; a missing newest step, NaN and several series are no reading."""
    source = wanted.signal.source
    assert isinstance(source, PrometheusSource)
    for text in (source.query, source.present or ""):
        why = why_not_fillable(text)
        if why:
            return NoReading(signal=wanted.signal.name, why=f"the query cannot be filled: {why}", at=wanted.now)
    door = doors.prometheus(wanted.target)
    grid = grid_for(wanted.fors, source.step_seconds, wanted.now)
    query = _filled(source.query, wanted.labels)
    series = await door.range(query, grid.start, grid.end, grid.step_seconds)
    values, several = _one_series(series, grid)
    if source.empty is not None and source.present and not several and None in values:
        present = await _steps_present(door, _filled(source.present, wanted.labels), grid)
        values = [source.empty if value is None and step in present else value for step, value in enumerate(values)]
    return _judged(wanted, grid, query, values, several, series)


def _judged(
    wanted: Wanted, grid: Grid, query: str, values: list[float | None], several: str, series: tuple[Series, ...]
) -> AnyReading:
    past = tuple(Sample(at=grid.at(step), value=value) for step, value in enumerate(values))
    warnings = [warning for it in series for warning in it.warnings][:1]
    origin = query + (f" (Prometheus warned: {warnings[0]})" if warnings else "")
    value, name, labels = values[-1], wanted.signal.name, tuple(wanted.labels.items())
    if several:
        why = several
    elif value is None:
        why = "no samples" if all(it is None for it in values) else "no sample at the newest step"
    elif math.isnan(value):
        why = f"{wanted.target.name} gave NaN"
    else:
        return Reading(
            signal=name,
            value=value,
            at=grid.end,
            past=past,
            step_seconds=grid.step_seconds,
            origin=origin,
            labels=labels,
        )
    return NoReading(
        signal=name, why=why, at=grid.end, past=past, step_seconds=grid.step_seconds, origin=origin, labels=labels
    )


def _step(fors: Sequence[float]) -> float:
    if not fors:
        return STEP_WITHOUT_FOR
    return max(SHORTEST_STEP, min(min(fors) / 10, LONGEST_STEP))


def _filled(query: str, labels: Mapping[str, str]) -> str:
    return fill(query, {"labels": labels}, escaped)


def _one_series(series: tuple[Series, ...], grid: Grid) -> tuple[list[float | None], str]:
    """A value or None for each step, and the complaint when there are several series now.

    A series that ended within the window (a rollout gives new labels) is not part of the one that is there now, as
    in Prometheus, where an alert's `for` belongs to one set of labels.
    """
    nothing: list[float | None] = [None] * (grid.steps + 1)
    by_step = [(it, _by_step(it, grid)) for it in series]
    now = [(it, values) for it, values in by_step if values[-1] is not None]
    if len(now) > 1:
        two = ", ".join(sorted(it.shown for it, _ in now)[:2])
        return nothing, f"{len(now)} series, expected one: {two}" + (", …" if len(now) > 2 else "")
    if now:
        return now[0][1], ""
    return (by_step[0][1] if len(by_step) == 1 else nothing), ""


def _by_step(series: Series, grid: Grid) -> list[float | None]:
    values: list[float | None] = [None] * (grid.steps + 1)
    for sample in series.samples:
        step = grid.place_of(sample.at)
        if 0 <= step <= grid.steps:
            values[step] = sample.value
    return values


async def _steps_present(door: PrometheusDoor, query: str, grid: Grid) -> set[int]:
    series = await door.range(query, grid.start, grid.end, grid.step_seconds)
    return {grid.place_of(sample.at) for it in series for sample in it.samples}
