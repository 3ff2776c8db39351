"""What came of a look, by the keys of `expect`, and why: what a test of rules is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from responder.diagnostics.plan import Ask, Plan
from responder.model.assessment import Answer
from responder.model.pack import Pack, Rule
from responder.model.quantities import show_duration
from responder.model.rehearsal import ANY
from responder.model.report import Report
from responder.model.verdict import RuleVerdict, key_of, rank
from responder.people.promises import History, Told, has_channel, owed, told
from responder.report.suggest import CUT
from responder.report.wording import verdict_line
from responder.rules.expectations import Came, Named
from responder.work.situation import Readings, Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One look of the play."""

    situation: Situation
    rules: tuple[Rule, ...]
    readings: Readings
    verdicts: tuple[RuleVerdict, ...]
    plan: Plan
    report: Report


_NOTHING: Mapping[str, object] = {
    **dict.fromkeys(("rules", "diagnostics", "could_not_look", "marks", "suggest", "notified", "overdue"), ()),
    **{key: {} for key in ("verdict", "answers", "due")},
    **dict.fromkeys(("severity", "decided_by", "title", "summary", "runbook", "falls_in")),
    **dict.fromkeys(("private", "channel"), False),
}


def nothing_came(pack: Pack | None, values: Mapping[str, object]) -> Came:
    """No rule was looked at. `values`: what is known of the incident all the same."""
    there = {**_NOTHING, **values}
    return Came(values=there, why=_why_nothing(pack, there))


def came(looked: Looked, values: Mapping[str, object], history: History) -> Came:
    """Everything that a look decided, and what people were promised by then."""
    pack, now = looked.situation.pack, looked.situation.now
    sent = told(pack, history, now)
    there = {**_NOTHING, **values, **_values(looked, now), **_promised(pack, history, sent, now)}
    began = looked.situation.incident.opened_at
    lines = [f"{show_duration((it.at - began).total_seconds())} {it.contact}: {it.step}" for it in sent]
    return Came(values=there, why={**_why(looked), "notified": lines})


def names_of(ask: Ask) -> tuple[str, ...]:
    """Every name by which a check that is asked may be meant."""
    target = f"{ask.check}({ask.target.name})" if ask.target else ask.check
    return tuple(it for it in (ask.called, target, ask.check) if it)


def _named_with_target(name: str) -> Named:
    return Named(name, frozenset({name.partition("(")[0]}))


def _values(looked: Looked, now: datetime) -> dict[str, object]:
    report = looked.report
    falls_at = report.assessment.falls_at
    gravest = min((it.verdict for it in looked.verdicts), key=rank)
    return {
        "rules": tuple(Named(rule.name) for rule in looked.rules),
        "verdict": {it.rule: key_of(it.verdict) for it in looked.verdicts} | {ANY: key_of(gravest)},
        "severity": report.severity,
        "decided_by": report.assessment.decided_by,
        "answers": {it.ask: str(it.said) for it in report.assessment.answers},
        "diagnostics": tuple(Named(it.name, frozenset(names_of(it))) for it in looked.plan.asks),
        "could_not_look": tuple(
            Named(it.check, frozenset({it.check.partition("(")[0]})) for it in report.could_not_look
        ),
        "marks": tuple(Named(it) for it in sorted({mark for one in report.findings for mark in one.marks})),
        "suggest": tuple(Named(it.do, frozenset({it.do.rpartition(CUT)[0]})) for it in report.suggestions),
        "title": report.title,
        "summary": report.summary,
        "runbook": report.runbook or None,
        "private": report.private,
        "falls_in": (falls_at - now).total_seconds() if falls_at else None,
    }


def _promised(pack: Pack, history: History, sent: Sequence[Told], now: datetime) -> dict[str, object]:
    due = owed(pack, history, now)
    return {
        "notified": tuple(Named(name) for name in dict.fromkeys(it.contact for it in sent)),
        "channel": has_channel(pack, history),
        "due": {it.name: (it.at - now).total_seconds() for it in due if it.at is not None and it.at > now},
        "overdue": tuple(Named(it.name) for it in due if it.at is not None and it.at <= now),
    }


def _why_nothing(pack: Pack | None, values: Mapping[str, object]) -> dict[str, list[str]]:
    if values["ignored"]:
        why = "intake.ignore of the pack names this alert"
    elif pack is None:
        why = "no pack's `for` holds for the labels of the first alert"
    else:
        why = f"no rule of the pack {pack.name} matches, and it has no default rule"
    return {key: [why] for key in values}


def _why(looked: Looked) -> dict[str, list[str]]:
    situation, report = looked.situation, looked.report
    incident, pack, now = situation.incident, situation.pack, situation.now
    verdicts = [verdict_line(it, incident=incident, pack=pack, now=now) for it in report.verdicts]
    decided = [*map(_answered, report.assessment.answers), f"{report.assessment.decided_by} → {report.assessment.raw}"]
    decided += [report.assessment.held] if report.assessment.held else []
    return {
        "rules": [_matched(rule, situation.labels) for rule in looked.rules],
        "verdict": verdicts,
        "severity": [*verdicts, *decided],
        "decided_by": decided,
        "answers": decided,
        "falls_in": decided,
        "diagnostics": [f"{name}: {why}" for name, why in looked.plan.left_out],
        "suggest": [f"marks found: {', '.join(_marks(report)) or 'none'}"],
    }


def _answered(answer: Answer) -> str:
    because = f" ({answer.because})" if answer.because else ""
    return f'"{answer.ask}" {answer.said}{because}' + (f" → {answer.result}" if answer.result else "")


def _matched(rule: Rule, labels: Sequence[Mapping[str, str]]) -> str:
    lines = [line.text for line in rule.match if any(line.holds(it) for it in labels)]
    return f"{rule.name}: {' or '.join(lines) or 'default'}"


def _marks(report: Report) -> list[str]:
    return sorted({mark for one in report.findings for mark in one.marks})
