"""Series of Prometheus as curves of a chart, and the hour as words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from responder.clients.prometheus import Series
from responder.diagnostics.text import number, shortened
from responder.model.finding import Chart, Curve
from responder.model.reading import Sample

MOST_CURVES = 8
STEPS = 100
SHORTEST_STEP_SECONDS = 5


def step_of(range_seconds: float) -> int:
    """About a hundred points, in whole seconds."""
    return max(SHORTEST_STEP_SECONDS, math.ceil(range_seconds / STEPS))


def chart(several: Sequence[Series], step_seconds: int) -> Chart:
    """The first eight curves, with a gap where samples are missing."""
    return Chart(
        curves=tuple(
            Curve(name=shortened(it.shown) if it.labels else "", points=_points(it.samples, step_seconds))
            for it in several[:MOST_CURVES]
        ),
        cut=f"cut at {MOST_CURVES} of {len(several)} curves" if len(several) > MOST_CURVES else "",
    )


def _points(samples: Sequence[Sample], step_seconds: int) -> tuple[tuple[float, float | None], ...]:
    points: list[tuple[float, float | None]] = []
    for it in samples:
        at = it.at.timestamp()
        if points and at - points[-1][0] > 1.5 * step_seconds:
            points.append((points[-1][0] + step_seconds, None))
        points.append((at, it.value if it.value is not None and math.isfinite(it.value) else None))
    return tuple(points)


def known(samples: Sequence[Sample]) -> list[tuple[datetime, float]]:
    """The samples that are numbers."""
    return [(it.at, it.value) for it in samples if it.value is not None and math.isfinite(it.value)]


def clock(at: datetime) -> str:
    """`03:12 UTC`."""
    return f"{at:%H:%M} UTC"


def in_words(series: Series, lasted: str) -> str:
    """`0.073 now, 0.001 to 0.09 in the last 1h, highest at 03:09 UTC`."""
    values = known(series.samples)
    if not values:
        return f"no number in the last {lasted}"
    lowest, highest = min(it for _, it in values), max(it for _, it in values)
    now = number(values[-1][1])
    if lowest == highest:
        return f"{now} now, the same for the last {lasted}"
    peak = next(at for at, it in values if it == highest)
    return f"{now} now, {number(lowest)} to {number(highest)} in the last {lasted}, highest at {clock(peak)}"
