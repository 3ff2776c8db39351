"""All that was learnt about an incident → one Report; the same facts give the same one, whatever order they come in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from responder.model.assessment import Assessment
from responder.model.finding import Finding, Outcome
from responder.model.incident import Incident, IncidentState
from responder.model.pack import Pack
from responder.model.quantities import show_duration
from responder.model.report import Pointed, Report
from responder.model.verdict import Clear, RuleVerdict, SignalVerdict, Unknown
from responder.report.began import began_at
from responder.report.events import events_since
from responder.report.rank import asked_of_several, healthy_lines, in_order, name_in, rank_clues, shortened
from responder.report.suggest import suggestions_of
from responder.report.weigh import Scales
from responder.report.wording import (
    alerts_line,
    decisive,
    gravest_first,
    reading_shown,
    rule_of,
    short_reason,
    signal_words,
    verdict_line,
    why_of,
    with_readings_shown,
)

TEST = "TEST · "
TITLE_MOST = 300  # characters; a label value may be as long as its sender likes


def compose(
    *,
    incident: Incident,
    pack: Pack,
    verdicts: Sequence[RuleVerdict],
    assessment: Assessment,
    findings: Sequence[Finding],
    still_looking: Sequence[str],
    left_out: Sequence[tuple[str, str]],
    asked: int,
    took_seconds: float,
    former: Report | None,
    page_url: str,
    now: datetime,
    notices: Sequence[str] = (),
) -> Report:
    """What people are told now.

    `left_out`: names of checks that could not be asked at all, with the reason. `former`: the last report of this
    incident, for what changed since; None for the first.
    """
    resolved = incident.state is IncidentState.RESOLVED
    verdicts = with_readings_shown(gravest_first(verdicts, pack), pack)
    onset = began_at(incident, pack, verdicts, findings, former)
    labels = [it.alert.labels for it in incident.alerts]
    scales = Scales.of(findings, onset=onset, labels=labels)
    findings = in_order(findings, scales)
    rules = [rule for rule in (rule_of(it, pack) for it in verdicts) if rule is not None]
    assessment = _kept(assessment, former, resolved=resolved)
    reads_clear = bool(verdicts) and all(isinstance(it.verdict, Clear) for it in verdicts)
    clues = rank_clues(findings, scales, reads_clear=reads_clear, resolved=resolved)
    report = Report(
        slug=incident.slug,
        state=incident.state.value,
        title=shortened(f"{TEST if incident.is_drill else ''}{_title(incident, pack, verdicts, now)}", TITLE_MOST),
        private=any(rule.private for rule in rules),
        summary=rules[0].summary or rules[0].name if rules else "",
        severity=assessment.level,
        severity_rank=assessment.rank,
        assessment=assessment,
        why=why_of(assessment, verdicts[0] if verdicts else None),
        verdicts=verdicts,
        findings=findings,
        look_first=clues.first,
        also=(*_other_breaches(incident, pack, verdicts, now), *clues.also),
        healthy=healthy_lines(findings),
        could_not_look=_could_not_look(findings, left_out, verdicts),
        still_looking=tuple(sorted(set(still_looking))),
        suggestions=suggestions_of(rules, findings, incident.evidence, resolved=resolved),
        runbook=rules[0].runbook if rules else "",
        page_url=page_url,
        at=now,
        time_zone=pack.time_zone,
        opened_at=incident.opened_at,
        onset=onset,
        resolved_at=incident.resolved_at if resolved else None,
        asked=asked,
        answered=sum(it.outcome is not Outcome.INCONCLUSIVE for it in findings),
        took_seconds=took_seconds,
        alerts_firing=len(incident.firing) + incident.more_firing,
        alerts_total=len(incident.alerts) + incident.more_alerts,
        alert_names=tuple(sorted({it.alert.name for it in incident.alerts})),
        notices=tuple(notices),
    )
    return replace(report, events=events_since(former, report, _reading(verdicts, pack)))


def _kept(assessment: Assessment, former: Report | None, *, resolved: bool) -> Assessment:
    """A resolved incident keeps the severity it had: "P4, resolved" would hide that people were woken for a P1."""
    if not resolved or former is None:
        return assessment
    return min(former.assessment, assessment, key=lambda it: it.rank)


def _title(incident: Incident, pack: Pack, verdicts: Sequence[RuleVerdict], now: datetime) -> str:
    line = (
        verdict_line(verdicts[0], incident=incident, pack=pack, now=now) if verdicts else alerts_line(incident.evidence)
    )
    if incident.state is not IncidentState.RESOLVED:
        return line
    ended = incident.resolved_at or now
    return f"Resolved after {show_duration((ended - incident.opened_at).total_seconds())} · {line}"


def _reading(verdicts: Sequence[RuleVerdict], pack: Pack) -> str:
    """`error rate 0.8 %`: what an event of changed severity tells beside it."""
    signal = decisive(verdicts[0]) if verdicts else None
    if signal is None or isinstance(signal.verdict, Unknown):
        return ""
    return f"{signal_words(signal.signal)} {reading_shown(signal, pack)}"


def _other_breaches(
    incident: Incident, pack: Pack, verdicts: Sequence[RuleVerdict], now: datetime
) -> tuple[Pointed, ...]:
    """What the rules behind the title's say, unless all is clear or could not be read."""
    others = [it for it in verdicts[1:] if not isinstance(it.verdict, Clear | Unknown)]
    return tuple(
        Pointed(text=shortened(verdict_line(it, incident=incident, pack=pack, now=now)), check=f"rule {it.rule}")
        for it in others
    )


def _could_not_look(
    findings: Sequence[Finding], left_out: Iterable[tuple[str, str]], verdicts: Sequence[RuleVerdict]
) -> tuple[Pointed, ...]:
    """Everything that has no answer, with the reason; said aloud, never taken for healthy."""
    several = asked_of_several(findings)
    gave_none = [(name_in(it, several), it.headline) for it in findings if it.outcome is Outcome.INCONCLUSIVE]
    unread = [(f"signal {it.signal}", _why_unread(it)) for it in _unread(verdicts)]
    every = sorted(set(gave_none) | set(left_out) | set(unread))
    return tuple(Pointed(text=shortened(why), check=shortened(name)) for name, why in every)


def _unread(verdicts: Sequence[RuleVerdict]) -> list[SignalVerdict]:
    """Signals without a reading, except one whose reason the title already tells in full."""
    told = decisive(verdicts[0]) if verdicts else None
    return [
        it
        for verdict in verdicts
        for it in verdict.signals
        if isinstance(it.verdict, Unknown) and (it is not told or short_reason(it.verdict.why) != it.verdict.why)
    ]


def _why_unread(signal: SignalVerdict) -> str:
    assert isinstance(signal.verdict, Unknown)
    labels = ", ".join(f"{name}={value}" for name, value in sorted(signal.reading.labels))
    return f"{signal.verdict.why}{f'; {labels}' if labels else ''}"
