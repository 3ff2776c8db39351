"""What a signal showed: a value with its recent past, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One step of a window; `value` None where nothing was there, NaN as NaN."""

    at: datetime
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One number, in the unit of its signal.

    `labels`: the label values that stood in its query, empty for most.
    `past`: samples in order of time ending with this one, `step_seconds` apart; what a `for` is judged by.
    `origin`: the query or address that gave it, for people.
    """

    signal: str
    value: float
    at: datetime
    past: tuple[Sample, ...] = ()
    step_seconds: float = 0.0
    origin: str = ""
    labels: tuple[tuple[str, str], ...] = ()


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
