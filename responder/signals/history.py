"""Our own earlier samples put before a reading, for sources that keep no past themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from responder.model.growth import growing, is_gap
from responder.model.reading import AnyReading, Reading, Sample


def with_history(reading: AnyReading, samples: Sequence[Sample]) -> AnyReading:
    """The reading with `samples` before it, in order of time, each moment once, nothing later than the reading.

    Where two samples are further apart than a step and what one may be late, one without a value stands between them:
    a missing sample restarts the window. A reading that failed ends with a sample without a value.
    """
    own = reading.past or (Sample(at=reading.at, value=reading.value if isinstance(reading, Reading) else None),)
    by_time = {it.at: it for it in (*samples, *own) if it.at <= reading.at}
    ordered = [by_time[at] for at in sorted(by_time)]
    past = _with_gaps(ordered, reading.step_seconds)
    return replace(reading, past=tuple(growing(tuple(past)) if _counts(reading) else past))


def _counts(reading: AnyReading) -> bool:
    return isinstance(reading, Reading) and reading.measure != "value"


def _with_gaps(samples: Sequence[Sample], step_seconds: float) -> Iterator[Sample]:
    step = timedelta(seconds=step_seconds)
    for earlier, later in zip((None, *samples), samples, strict=False):
        if earlier is not None and is_gap(earlier, later, step_seconds):
            yield Sample(at=earlier.at + step, value=None)
        yield later
