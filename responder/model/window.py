"""How long a reading has been over a bound: `for`, as Prometheus counts it.

Rules and questions judge by the same window, so it lives beside the model that both read. As in Prometheus
(https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/), every step must be present and over the
bound; a missing step or NaN restarts the window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.model.growth import TOLERANCE, grown_in, is_gap
from responder.model.pack import Bound
from responder.model.quantities import show_duration
from responder.model.reading import AnyReading, NoReading, Reading, Sample
from responder.model.verdict import Breach, Clear, Level, Pending, Unknown, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An unbroken run of samples over a bound, up to the newest. `whole`: it is all that was read."""

    since: datetime
    until: datetime
    whole: bool


def reason_unknown(reading: AnyReading) -> str | None:
    """Why a reading says nothing, None when it does: there is none, or it is NaN, which of counters says nothing."""
    match reading:
        case NoReading(why=why):
            return why
        case Reading(value=value, measure="value") if math.isnan(value):
            return f"{reading.origin or reading.signal} gave NaN"
        case Reading():
            return None


def judge(bound: Bound, level: Level, reading: AnyReading) -> Verdict:
    """What one bound says of one reading: breach, pending, clear or unknown."""
    if isinstance(reading, Reading) and reading.measure != "value":
        return _judge_growth(bound, level, reading)
    why = reason_unknown(reading)
    if why is not None:
        return Unknown(why=why)
    assert isinstance(reading, Reading)
    run = run_over(bound, reading)
    if run is None:
        return Clear()
    if run.until - run.since + TOLERANCE >= timedelta(seconds=bound.for_seconds):
        return Breach(level=level, since=run.since, at_least=run.whole)
    due = run.since + timedelta(seconds=bound.for_seconds)
    return Pending(level=level, since=run.since, needed_seconds=bound.for_seconds, due=due)


def _judge_growth(bound: Bound, level: Level, reading: Reading) -> Verdict:
    """Pending until samples cover the window, whatever grew so far: half a window says nothing of the whole."""
    grown = grown_in(bound, reading)
    if not grown.is_covered:
        due = grown.since + timedelta(seconds=grown.needed_seconds)
        return Pending(level=level, since=grown.since, needed_seconds=grown.needed_seconds, due=due)
    if math.isnan(grown.value):
        return Unknown(why=f"nothing was counted within {show_duration(grown.needed_seconds)}: a share of nothing")
    if not bound.holds(grown.value):
        return Clear()
    return Breach(level=level, since=grown.since, at_least=True)


def run_over(bound: Bound, reading: Reading) -> Run | None:
    """The run of samples over the bound that ends with this reading; None when it is not over it."""
    if reading.measure != "value":
        grown = grown_in(bound, reading)
        is_over = grown.is_covered and bound.holds(grown.value)
        return Run(since=grown.since, until=grown.until, whole=True) if is_over else None
    if not bound.holds(reading.value):
        return None
    samples = _with_newest(reading)
    start = len(samples) - 1
    while start > 0:
        former = samples[start - 1]
        if is_gap(former, samples[start], reading.step_seconds) or not _is_over(bound, former):
            break
        start -= 1
    return Run(since=samples[start].at, until=samples[-1].at, whole=start == 0)


def _with_newest(reading: Reading) -> Sequence[Sample]:
    newest = Sample(at=reading.at, value=reading.value)
    past = reading.past
    return (*past, newest) if not past or past[-1].at < reading.at else past


def _is_over(bound: Bound, sample: Sample) -> bool:
    return sample.value is not None and not math.isnan(sample.value) and bound.holds(sample.value)
