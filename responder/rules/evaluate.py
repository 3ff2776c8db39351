"""What a rule says now: its bounds held against the readings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from responder.model.alert import Alert, AlertStatus
from responder.model.growth import measured
from responder.model.pack import Rule, Thresholds
from responder.model.quantities import show_value
from responder.model.reading import AnyReading, NoReading, Reading
from responder.model.verdict import (
    Breach,
    Clear,
    Level,
    Pending,
    RuleVerdict,
    SignalVerdict,
    Unknown,
    Verdict,
    rank,
)
from responder.model.window import judge, reason_unknown, run_over

CRITICAL_LABELS = frozenset({"critical", "page"})
NOT_KNOWN_YET = "not known yet"  # of counters there is nothing to say before the second sample


def evaluate(
    rule: Rule,
    readings: Mapping[str, Sequence[AnyReading]],
    alerts: Sequence[Alert],
    former: RuleVerdict | None,
    now: datetime,
) -> RuleVerdict:
    """The verdict of one rule.

    `readings`: signal → one reading, or one for each label value; a signal that is not there is unknown.
    `former`: the rule's last verdict that was not unknown, for what holds until `resolve`; None for the first.
    """
    if not rule.thresholds:
        return RuleVerdict(rule=rule.name, verdict=_by_alerts(rule, alerts))
    by_signal = {it.signal: it for it in former.signals} if former else {}
    signals = [_signal(it, readings.get(it.signal, ()), by_signal.get(it.signal), now) for it in rule.thresholds]
    signals.sort(key=lambda it: rank(it.verdict))
    deciding = max(signals, key=lambda it: _mildness(it.verdict)) if rule.combine == "all" else signals[0]
    return RuleVerdict(rule=rule.name, verdict=deciding.verdict, signals=tuple(signals))


def _mildness(verdict: Verdict) -> int:
    """The order for `combine: all`, where unknown outranks clear: nothing is known to be missing."""
    return {3: 4, 4: 3}.get(rank(verdict), rank(verdict))


def _by_alerts(rule: Rule, alerts: Sequence[Alert]) -> Verdict:
    """The alert itself is the evidence: breach while one that the rule matches is firing."""
    firing = [it for it in alerts if it.status is AlertStatus.FIRING]
    mine = firing if rule.default or not rule.match else [it for it in firing if rule.matches(it.labels)]
    if not mine:
        return Clear()
    critical = any(it.labels.get("severity") in CRITICAL_LABELS for it in mine)
    return Breach(level=rule.level or (Level.CRITICAL if critical else Level.WARNING))


def _signal(
    thresholds: Thresholds, readings: Sequence[AnyReading], former: SignalVerdict | None, now: datetime
) -> SignalVerdict:
    """The gravest verdict of all readings of one signal, in the order given where two are as grave."""
    if not readings:
        readings = (NoReading(signal=thresholds.signal, why=f"{thresholds.signal} was not read", at=now),)
    verdicts = [_reading(thresholds, it, former if _same_series(former, it) else None) for it in readings]
    return min(verdicts, key=lambda it: rank(it.verdict))


def _same_series(former: SignalVerdict | None, reading: AnyReading) -> bool:
    return former is not None and former.reading.labels == reading.labels


def _reading(thresholds: Thresholds, reading: AnyReading, former: SignalVerdict | None) -> SignalVerdict:
    judged = [(judge(bound, level, reading), bound) for level, bound in thresholds.over()]
    verdict, bound = min(judged, key=lambda it: rank(it[0]))
    text = bound.text if not isinstance(verdict, Clear) else judged[-1][1].text
    if thresholds.resolve is not None and former is not None and isinstance(former.verdict, Breach):
        verdict, text = _until_resolved(thresholds, reading, former.verdict, verdict, text)
    verdict = _since_before(verdict, reading, former)
    shown = ""
    if isinstance(reading, Reading):
        reading = measured(bound, reading)
        unknown = reading.measure != "value" and math.isnan(reading.value)
        shown = NOT_KNOWN_YET if unknown else show_value(reading.value, bound.unit, bound.noun)
    return SignalVerdict(signal=thresholds.signal, verdict=verdict, reading=reading, bound=text, shown=shown)


def pending_beyond(thresholds: Thresholds, judged: SignalVerdict) -> tuple[Pending, str] | None:
    """The graver bound, as written, that a breach of a milder one is over as well, only not for long enough yet."""
    if not isinstance(judged.verdict, Breach):
        return None
    for level, bound in thresholds.over():
        if level == judged.verdict.level:
            return None
        verdict = judge(bound, level, judged.reading)
        if isinstance(verdict, Pending):
            return verdict, bound.text
    return None


def _until_resolved(
    thresholds: Thresholds, reading: AnyReading, was: Breach, verdict: Verdict, text: str
) -> tuple[Verdict, str]:
    """After a breach: over `warning` again is warning at once, and only `resolve` makes it clear."""
    if isinstance(verdict, Breach | Unknown) or reason_unknown(reading) is not None or thresholds.resolve is None:
        return verdict, text
    assert isinstance(reading, Reading)
    warning, resolve = thresholds.warning, thresholds.resolve
    if warning is not None and (run := run_over(warning, reading)) is not None:
        return Breach(level=Level.WARNING, since=run.since, at_least=run.whole), warning.text
    if isinstance(judge(resolve, Level.WARNING, reading), Breach) and not isinstance(verdict, Pending):
        return Clear(), resolve.text
    return was, resolve.text


def _since_before(verdict: Verdict, reading: AnyReading, former: SignalVerdict | None) -> Verdict:
    """A breach that fills all that was read began earlier, if the former look lies inside what was read."""
    if not (isinstance(verdict, Breach) and verdict.at_least and verdict.since and former is not None):
        return verdict
    was = former.verdict
    if isinstance(was, Breach | Pending) and was.since and was.since < verdict.since <= former.reading.at <= reading.at:
        return Breach(level=verdict.level, since=was.since, at_least=isinstance(was, Breach) and was.at_least)
    return verdict
