"""A test of rules out of what was recorded of a real incident: its alerts, what each look read and found, and what was
decided from it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import dropwhile, pairwise
from typing import Any

import yaml

from responder.model.alert import Alert, AlertStatus
from responder.model.finding import Finding
from responder.model.pack import Pack
from responder.model.reading import AnyReading, NoReading, Reading, Sample
from responder.model.report import Report
from responder.model.verdict import key_of
from responder.rules.courses import UNKNOWN

STEP_WITHOUT_ONE = 15.0
MOST_VALUES = 60
LATE = 1.5  # steps after which the sample before says nothing of a moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One recorded look. `alerts`: those that are new or have changed since the one before; `report`: what is decided
    from it; `lost`: keys of `expect` that do not come about in a test."""

    at: datetime
    alerts: Sequence[Alert]
    readings: Mapping[str, Sequence[AnyReading]]
    findings: Sequence[Finding]
    report: Report
    lost: frozenset[str] = frozenset()

    @property
    def decided(self) -> dict[str, Any]:
        """What was decided, by the keys of `expect`."""
        return {
            "rules": [it.rule for it in self.report.verdicts],
            "verdict": {it.rule: key_of(it.verdict) for it in self.report.verdicts},
            "severity": self.report.severity,
            "decided_by": self.report.assessment.decided_by,
            "diagnostics": [it.name for it in self.findings],
            "suggest": list(dict.fromkeys(it.do for it in self.report.suggestions)),
        }


def recorded(slug: str, looks: Sequence[Look], pack: Pack) -> str:
    """The text of a test file: the first look, then what was different in the later ones."""
    first = looks[0]
    test = {"name": slug, "clock": first.at.isoformat(timespec="seconds"), **_first(first, pack)}
    later = [
        {"at": f"{(look.at - first.at).total_seconds():.0f}s", **_later(look, before, pack)}
        for before, look in pairwise(looks)
    ]
    test |= {"then": later} if later else {}
    text = yaml.safe_dump({"tests": [test]}, sort_keys=False, allow_unicode=True, width=120)
    return "".join(f"# {line}\n" for it in _head(slug, looks, pack) for line in textwrap.wrap(it, 117)) + text


def _head(slug: str, looks: Sequence[Look], pack: Pack) -> Iterator[str]:
    yield f"{slug} as looked at from {looks[0].at:%F %T} UTC on, by the rules of {pack.name}. Texts are redacted."
    unread = [it for it in pack.signals if not any(look.readings.get(it) for look in looks)]
    if unread:
        yield f"Not recorded, so unknown here: {', '.join(unread)}."
    for look in looks:
        for key in sorted(look.lost):
            yield f"At {look.at:%T} it was {key} {_shown(look.decided[key])}, which this alone does not bring about."


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {it}" for name, it in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


def _first(look: Look, pack: Pack) -> dict[str, Any]:
    return {
        "alerts": [_alert(it) for it in look.alerts],
        "readings": dict(_readings(look, pack)),
        "findings": _findings(look),
        "expect": {key: value for key, value in look.decided.items() if key not in look.lost},
    }


def _later(look: Look, before: Look, pack: Pack) -> dict[str, Any]:
    """What has changed; what is the same goes on. A series does not: it is one of that moment."""
    whole, former = _first(look, pack), _first(before, pack)
    whole["readings"] = {
        name: it for name, it in whole["readings"].items() if isinstance(it, dict) or former["readings"].get(name) != it
    }
    whole["findings"] = {name: it for name, it in whole["findings"].items() if former["findings"].get(name) != it}
    whole["expect"] = {key: value for key, value in whole["expect"].items() if before.decided[key] != value}
    return {key: it for key, it in whole.items() if it}


def _alert(alert: Alert) -> dict[str, Any]:
    labels = {name: value for name, value in sorted(alert.labels.items()) if name != "source"}
    whole: dict[str, Any] = {"labels": labels, "source": alert.labels.get("source", "alertmanager")}
    if alert.status is AlertStatus.RESOLVED:
        whole["status"] = alert.status.word
    return whole | ({"annotations": dict(alert.annotations)} if alert.annotations else {})


def _findings(look: Look) -> dict[str, Any]:
    return {it.name: _finding(it) for it in look.findings}


def _finding(finding: Finding) -> dict[str, Any]:
    told = {"outcome": str(finding.outcome), "headline": finding.headline}
    marks = {"marks": list(finding.marks)} if finding.marks else {}
    return told | marks | ({"found": dict(finding.found)} if finding.found else {})


def _readings(look: Look, pack: Pack) -> Iterator[tuple[str, Any]]:
    """Of each signal the reading that decided, with as much of its past as bounds ask for."""
    deciding = {it.signal: it.reading for verdict in reversed(look.report.verdicts) for it in verdict.signals}
    for name, several in look.readings.items():
        if several and name in pack.signals:
            yield name, _reading(deciding.get(name, several[0]), _longest(pack, name))


def _reading(reading: AnyReading, window: timedelta) -> Any:
    if isinstance(reading, NoReading):
        return UNKNOWN
    if reading.measure != "value" or len(reading.past) < 2:
        return _number(reading.value)
    step = timedelta(seconds=reading.step_seconds or STEP_WITHOUT_ONE)
    # Before its first value a series is unknown anyway.
    values = list(dropwhile(UNKNOWN.__eq__, _values(reading, step, min(window // step + 2, MOST_VALUES))))
    if len(values) > 1 and len(set(values)) == 1 and reading.past[0].at <= reading.at - window:
        return values[0]
    return {"every": f"{step.total_seconds():g}s", "values": values}


def _values(reading: Reading, step: timedelta, number: int) -> Iterator[str]:
    """The newest `number` of them, a step apart, oldest first."""
    for back in range(number - 1, 0, -1):
        yield _at(reading.past, reading.at - step * back, step)
    yield _number(reading.value)


def _at(past: Sequence[Sample], moment: datetime, step: timedelta) -> str:
    sample = next((it for it in reversed(past) if it.at <= moment), None)
    if sample is None or sample.value is None or moment - sample.at > LATE * step:
        return UNKNOWN
    return _number(sample.value)


def _longest(pack: Pack, signal: str) -> timedelta:
    """The longest `for` that any bound holds it to."""
    bounds = (bound for rule in pack.rules for it in rule.thresholds if it.signal == signal for bound in it.bounds)
    return timedelta(seconds=max((it.for_seconds for it in bounds), default=0.0))


def _number(value: float) -> str:
    """In the signal's own unit, exactly."""
    return UNKNOWN if math.isnan(value) else f"{value:.15g}"
