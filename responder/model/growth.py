"""By how much counters grew over a bound's window, from samples that were taken one by one.

The window of `> 30% for 5m` is those five minutes: what grew in them is held against the bound, once samples cover
them without a gap. A bound without `for` takes what grew since the former sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from responder.model.pack import Bound
from responder.model.reading import Counts, Measure, Reading, Sample

MISSING_AFTER_STEPS = 1.9  # two samples further apart than this have a missing one between them; one may be late
TOLERANCE = timedelta(milliseconds=1)  # Prometheus' timestamps are whole milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """What is known of one window. `value` NaN while there is nothing to say: one sample, or a share of nothing."""

    value: float
    since: datetime
    until: datetime
    needed_seconds: float

    @property
    def is_covered(self) -> bool:
        """Whether samples reach over the whole window."""
        return self.until - self.since + TOLERANCE >= timedelta(seconds=self.needed_seconds)


def is_gap(earlier: Sample, later: Sample, step_seconds: float) -> bool:
    """Whether a sample is missing between two."""
    return step_seconds > 0 and later.at - earlier.at > timedelta(seconds=step_seconds * MISSING_AFTER_STEPS)


def grown_in(bound: Bound, reading: Reading) -> Grown:
    """What counters grew by over the window that this bound asks for, as far as samples reach without a gap."""
    needed = bound.for_seconds or reading.step_seconds
    run = _unbroken(reading)
    newest = run[-1]
    covering = [it for it in run if newest.at - it.at + TOLERANCE >= timedelta(seconds=needed)]
    first = covering[-1] if covering else run[0]
    grown = tuple(later - earlier for earlier, later in zip(first.grown, newest.grown, strict=True))
    seconds = (newest.at - first.at).total_seconds()
    value = _measure(reading.measure, grown, seconds) * reading.scale
    return Grown(value=value, since=first.at, until=newest.at, needed_seconds=needed)


def measured(bound: Bound, reading: Reading) -> Reading:
    """The reading with the value that this bound is held against; of what is no counter, itself."""
    return reading if reading.measure == "value" else replace(reading, value=grown_in(bound, reading).value)


def growing(samples: Sequence[Sample]) -> Iterator[Sample]:
    """The same samples with what each had grown by since the last gap, instead of what each series stood at."""
    former: Sample | None = None
    total: tuple[float, ...] = ()
    for it in samples:
        if it.value is None or not it.counts:
            former, total = None, ()
            yield replace(it, value=None, counts=())
            continue
        if former is None or len(former.counts) != len(it.counts):
            total = (0.0,) * len(it.counts)
        else:
            total = tuple(
                sofar + _increase(before, now)
                for sofar, before, now in zip(total, former.counts, it.counts, strict=True)
            )
        former = it
        yield replace(it, counts=(), grown=total)


def _unbroken(reading: Reading) -> Sequence[Sample]:
    """The samples up to the newest between which none is missing."""
    past, step = reading.past, reading.step_seconds
    start = len(past) - 1
    while start > 0 and past[start - 1].value is not None and not is_gap(past[start - 1], past[start], step):
        start -= 1
    return past[start:]


def _increase(before: Counts, now: Counts) -> float:
    """A counter that stands lower began anew, one that was not there before began at nothing."""
    grown = ((value, value - before.get(series, 0.0)) for series, value in now.items())
    return math.fsum(value if more < 0 else more for value, more in grown)


def _measure(measure: Measure, grown: Sequence[float], seconds: float) -> float:
    if seconds <= 0:
        return math.nan
    if measure == "ratio":
        part, whole = grown
        return part / whole if whole else math.nan
    return grown[0] / seconds if measure == "rate" else grown[0]
