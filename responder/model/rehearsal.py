"""A test of rules as its file says it: what fires, what is read and found, and what must come of it, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from responder.model.alert import AlertStatus
from responder.model.finding import Outcome
from responder.model.pack import Position

REST, ANY = "...", "*"  # as the last entry of a list: more is allowed; in place of a value: any


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A signal over time: (seconds since the first alert, value from then on), in order of time. A value of None is
    no reading; so is what lies before the first point. `text`: as written."""

    points: tuple[tuple[float, float | None], ...]
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAlert:
    """One alert; `source` None: Alertmanager's."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    status: AlertStatus = AlertStatus.FIRING
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenFinding:
    """What a check answers, by the check's name or by the whole name of the entry."""

    marks: tuple[str, ...] = ()
    found: Mapping[str, str] = field(default_factory=dict)
    outcome: Outcome = Outcome.HEALTHY
    headline: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One line of `expect`. `key`: of what; `value`: text, a list of texts, a mapping from texts to texts, seconds or
    a bool; `absent`: it stands under `no`, and must not be there."""

    key: str
    value: Any
    at: Position
    line: str
    absent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What happens at a moment, and what must be so then. `at_seconds`: since the first alert."""

    at_seconds: float
    written_at: Position
    alerts: tuple[GivenAlert, ...] = ()
    readings: Mapping[str, Course] = field(default_factory=dict)
    findings: Mapping[str, GivenFinding] = field(default_factory=dict)
    acknowledged: bool = False
    resolved: bool = False
    expect: tuple[Expected, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """One test. `watch`: the rule that opens the incident where no alert does; `clock`: when the first alert comes."""

    name: str
    written_at: Position
    steps: tuple[Step, ...]
    watch: str = ""
    clock: datetime
