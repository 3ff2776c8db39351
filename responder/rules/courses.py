"""What a test says of a signal over time, and what could be read of it at a moment of the virtual clock."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from responder.model.pack import Signal
from responder.model.quantities import UNITS, convert, parse_duration, parse_number
from responder.model.reading import AnyReading, NoReading, Reading, Sample
from responder.model.rehearsal import Course
from responder.rules.bounds import Measured
from responder.rules.complaints import At, Complaints, what_is
from responder.rules.reading_shapes import read_shape
from responder.rules.rehearsal_shapes import SeriesShape

UNKNOWN = "unknown"
LONG_BEFORE = -1e9  # seconds: longer than any `for` that makes sense, and still a moment that a calendar has
_FOR = re.compile(r"(?P<value>.*\S)\s+for\s+(?P<duration>.+)", re.DOTALL)


def measured(signal: Signal) -> Measured:
    """What a reading needs to know of its signal."""
    return Measured(name=signal.name, unit=signal.unit, noun=signal.noun)


def course_of(value: Any, signal: Measured, at_seconds: float, at: At, complaints: Complaints) -> Course | None:
    """`7%`, `7% for 3m`, `unknown`, or a series, said at a moment; None, with a complaint, for anything else."""
    try:
        if isinstance(value, str):
            return _held(value, signal, at_seconds)
        if isinstance(value, Mapping):
            shape = read_shape(SeriesShape, value, at, complaints)
            return _series(shape, signal, at_seconds) if shape is not None else None
    except ValueError as wrong:
        complaints.error(at, f"`{signal.name}`: {wrong}")
        return None
    expected = 'expected a reading such as 7%, "7% for 3m", unknown, or {every: 30s, values: [0, 2, 7], unit: "%"}'
    complaints.error(at, f"`{signal.name}`: {expected}, got {what_is(value)}")
    return None


def _held(text: str, signal: Measured, at_seconds: float) -> Course:
    """A value that has held since long before, or for as long as it says: then it was clear of any bound before."""
    parts = _FOR.fullmatch(text)
    if parts is None:
        return Course(points=((LONG_BEFORE, _value(text, signal)),), text=text)
    since = at_seconds - parse_duration(parts["duration"])
    return Course(points=((LONG_BEFORE, None), (since, _value(parts["value"], signal))), text=text)


def _series(shape: SeriesShape, signal: Measured, at_seconds: float) -> Course:
    if shape.every <= 0:
        raise ValueError("`every`: expected more than 0 s")
    values = [_in_unit(it, shape.unit, signal) for it in shape.values]
    first = at_seconds - shape.every * (len(values) - 1) if shape.from_ is None else _moment(shape.from_)
    points = tuple((first + shape.every * index, value) for index, value in enumerate(values))
    return Course(points=points, text=f"{len(values)} values, one every {shape.every:g} s, the last {shape.values[-1]}")


def _moment(text: str) -> float:
    sign = -1 if text.startswith("-") else 1
    return sign * parse_duration(text.lstrip("+-"))


def _in_unit(value: Any, unit: str | None, signal: Measured) -> float | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"`values`: expected numbers or unknown, got {what_is(value)}")
    if unit is None or value.strip() == UNKNOWN:
        return _value(value, signal)
    if unit in UNITS:
        try:
            return convert(float(value), unit, signal.unit)
        except ValueError as wrong:
            raise ValueError(f"`values`: {wrong}") from None
    return _value(f"{value}{'' if unit.startswith('%') else ' '}{unit}" if unit.strip() else value, signal)


def _value(text: str, signal: Measured) -> float | None:
    return None if text.strip() == UNKNOWN else parse_number(text, signal.unit, signal.noun)


def reading_at(
    name: str, course: Course | None, labels: Mapping[str, str], first: datetime, now: datetime
) -> AnyReading:
    """What is read at `now`, with its past; `first`: when the first alert came.

    A sample stands wherever the value changes, so that a `for` counts from exactly there, and none in between: the
    value holds until the next one.
    """
    at = (now - first).total_seconds()
    there = tuple(labels.items())
    if course is None:
        return NoReading(signal=name, why="this test does not say what it reads", at=now, labels=there)
    past = [it for it in course.points if it[0] <= at]
    samples = tuple(Sample(at=_moment_of(seconds, first), value=value) for seconds, value in past)
    value = past[-1][1] if past else None
    if value is None:
        return NoReading(signal=name, why="unknown in this test", at=now, past=samples, labels=there)
    return Reading(signal=name, value=value, at=now, past=samples, origin="this test", labels=there)


def changes_after(courses: Sequence[Course], after_seconds: float) -> list[float]:
    """When a value changes later on, in seconds since the first alert."""
    return [seconds for course in courses for seconds, _ in course.points if seconds > after_seconds]


def _moment_of(seconds: float, first: datetime) -> datetime:
    return first + timedelta(seconds=seconds)
