"""What a signal showed: a value with its recent past, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Measure = Literal["value", "rate", "increase", "ratio"]
Counts = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One step of a window; `value` None where nothing was there, NaN as NaN.

    `counts`: of counters what each series stood at, by selector. `grown`: by how much those grew since the window's
    first sample; what is judged, once samples stand in a row.
    """

    at: datetime
    value: float | None
    counts: tuple[Counts, ...] = ()
    grown: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One number, in the unit of its signal.

    `labels`: the label values that stood in its query, empty for most.
    `past`: samples in order of time ending with this one, `step_seconds` apart; what a `for` is judged by.
    `origin`: the query or address that gave it, for people.
    `measure`: unless it is `value`, what a bound is held against is what the counters grew by over its window, times
    `scale`; see `window.measured`.
    """

    signal: str
    value: float
    at: datetime
    past: tuple[Sample, ...] = ()
    step_seconds: float = 0.0
    origin: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    measure: Measure = "value"
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReading:
    """A signal that could not be read, and why; never counted as clear."""

    signal: str
    why: str
    at: datetime
    past: tuple[Sample, ...] = ()
    step_seconds: float = 0.0
    origin: str = ""
    labels: tuple[tuple[str, str], ...] = ()


AnyReading = Reading | NoReading
