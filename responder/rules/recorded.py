"""A test of rules out of what was recorded of a real incident: its alerts, the last readings and findings, and what was
decided from them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import yaml

from responder.model.alert import Alert
from responder.model.finding import Finding
from responder.model.pack import Pack
from responder.model.quantities import show_duration
from responder.model.reading import NoReading, Reading, Sample
from responder.model.report import Report
from responder.model.verdict import SignalVerdict, key_of
from responder.rules.courses import UNKNOWN

STEP_WITHOUT_ONE = 15.0
MOST_VALUES = 60
LATE = 1.5  # steps after which the sample before says nothing of a moment


def recorded(
    slug: str,
    alerts: Sequence[Alert],
    report: Report,
    pack: Pack,
    expect: Mapping[str, Any],
    lost: Sequence[tuple[str, Any]],
) -> str:
    """The text of a test file. `expect`: what is to come; `lost`: (key, what was decided then) of what cannot come from
    one moment alone, and is told in a comment."""
    test = {
        "name": slug,
        "clock": report.at.isoformat(timespec="seconds"),
        "alerts": [_alert(it) for it in alerts],
        "readings": dict(_readings(report, pack)),
        "findings": {it.name: _finding(it) for it in report.findings},
        "expect": dict(expect),
    }
    head = [f"{slug} as it was looked at on {report.at:%F at %T} UTC, by the rules of {pack.name}; texts are redacted."]
    unread = [it for it in pack.signals if it not in test["readings"]]
    head += [f"Not recorded, so unknown here: {', '.join(unread)}."] * bool(unread)
    head += [
        f"Then it was {key} {_shown(value)}; what came before that moment is not part of this test."
        for key, value in lost
    ]
    text = yaml.safe_dump({"tests": [test]}, sort_keys=False, allow_unicode=True, width=120)
    return "".join(f"# {line}\n" for it in head for line in textwrap.wrap(it, 117)) + text


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {it}" for name, it in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


def decided(report: Report) -> dict[str, Any]:
    """What was decided, by the keys of `expect`."""
    return {
        "rules": [it.rule for it in report.verdicts],
        "verdict": {it.rule: key_of(it.verdict) for it in report.verdicts},
        "severity": report.severity,
        "decided_by": report.assessment.decided_by,
        "diagnostics": [it.name for it in report.findings],
        "suggest": list(dict.fromkeys(it.do for it in report.suggestions)),
    }


def _alert(alert: Alert) -> dict[str, Any]:
    labels = {name: value for name, value in sorted(alert.labels.items()) if name != "source"}
    whole: dict[str, Any] = {"labels": labels, "source": alert.labels.get("source", "alertmanager")}
    return whole | ({"annotations": dict(alert.annotations)} if alert.annotations else {})


def _finding(finding: Finding) -> dict[str, Any]:
    told = {"outcome": str(finding.outcome), "headline": finding.headline}
    marks = {"marks": list(finding.marks)} if finding.marks else {}
    return told | marks | ({"found": dict(finding.found)} if finding.found else {})


def _readings(report: Report, pack: Pack) -> Iterator[tuple[str, Any]]:
    """Of each signal the reading that decided, with as much of its past as bounds ask for."""
    for verdict in report.verdicts:
        for it in verdict.signals:
            yield it.signal, _reading(it, _longest(pack, it.signal))


def _reading(verdict: SignalVerdict, window: timedelta) -> Any:
    reading = verdict.reading
    if isinstance(reading, NoReading):
        return UNKNOWN
    if reading.measure != "value" or len(reading.past) < 2:
        return _number(reading.value)
    step = timedelta(seconds=reading.step_seconds or STEP_WITHOUT_ONE)
    values = list(_values(reading, step, min(window // step + 2, MOST_VALUES)))
    if len(set(values)) == 1 and values[0] != UNKNOWN:
        return values[0]
    return {"every": show_duration(step.total_seconds()), "values": values}


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
