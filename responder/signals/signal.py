"""The seam of a signal: a name in, one reading or the reason why there is none out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from responder.clients.doors import Doors
from responder.model.pack import Signal, Target
from responder.model.reading import AnyReading, Reading, Sample
from responder.model.sources import Source, Unit
from responder.model.template import fill

MOST_IN_A_WINDOW = 480  # samples: a window of two hours in the usual steps; longer ones have longer steps

SCALE: dict[tuple[Unit, Unit], float] = {
    ("percent", "ratio"): 0.01,
    ("ratio", "percent"): 100.0,
    ("seconds", "milliseconds"): 1000.0,
    ("milliseconds", "seconds"): 0.001,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One number to read. `fors`: seconds of each of its bounds' `for`, above 0; `labels`: what stands for
    `{{ labels.x }}` this time; `within_seconds`: what is left for it."""

    signal: Signal
    target: Target
    fors: tuple[float, ...]
    now: datetime
    within_seconds: float
    labels: Mapping[str, str] = field(default_factory=dict)


class Reader(Protocol):
    """Reads one kind of source."""

    async def __call__(self, wanted: Wanted, doors: Doors) -> AnyReading:
        """Read once. Raises CouldNotLook when there is no answer; keeps no time, `read` does."""
        ...


def own_step(source: Source, fors: Sequence[float]) -> float:
    """Seconds between two samples of our own: `step`, or more where the longest window would hold too many of them."""
    return max(source.step_seconds or 0.0, float(math.ceil(max(fors, default=0.0) / MOST_IN_A_WINDOW)))


def converted(value: float, native: Unit, unit: Unit) -> float:
    """A value in the unit of its signal; units that do not fit each other are left to the check of rule files."""
    return value * SCALE.get((native, unit), 1.0)


def filled_path(path: str, wanted: Wanted) -> str:
    """The path with its labels' values, each as one part of it."""
    return fill(path, {"labels": wanted.labels}, lambda value: quote(value, safe=""))


def sampled(wanted: Wanted, value: float, origin: str) -> Reading:
    """A reading whose past is this one sample; `history` puts our own earlier ones before it."""
    return Reading(
        signal=wanted.signal.name,
        value=value,
        at=wanted.now,
        past=(Sample(at=wanted.now, value=value),),
        step_seconds=own_step(wanted.signal.source, wanted.fors),
        origin=origin,
        labels=tuple(wanted.labels.items()),
    )
