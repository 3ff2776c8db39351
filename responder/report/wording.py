"""How verdicts and answers are said in one line: the title, its reading with the bound, and why this severity."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from responder.model.alert import Alert, AlertStatus
from responder.model.assessment import BY_A_PERSON, Answer, Assessment, Said
from responder.model.cut import cut
from responder.model.incident import Incident
from responder.model.pack import Pack, Rule
from responder.model.quantities import show_duration, show_value
from responder.model.reading import NoReading
from responder.model.verdict import Breach, Clear, Pending, RuleVerdict, SignalVerdict, Unknown, key_of, rank

YEAR_SECONDS = 366 * 86400.0
REASON_MOST = 60  # characters of why there is no reading, in a title; the whole stands under "Could not look"
_ADDRESS = re.compile(r"^(?:[a-z]+://\S+|\S+:\d+): ")
NAMES_MOST = 3  # alert names in a title; the page has them all
_SAID = {Said.YES: "YES", Said.NO: "no", Said.UNKNOWN: "unknown"}


def gravest_first(verdicts: Iterable[RuleVerdict], pack: Pack) -> tuple[RuleVerdict, ...]:
    """By gravity; ties by the file and line where the rule is written, then by name."""
    written = {rule.name: rule.written_at for rule in pack.rules}

    def key(it: RuleVerdict) -> tuple[int, bool, str, int, str]:
        place = written.get(it.rule)
        return (rank(it.verdict), place is None, place.file if place else "", place.line if place else 0, it.rule)

    return tuple(sorted(verdicts, key=key))


def with_readings_shown(verdicts: Iterable[RuleVerdict], pack: Pack) -> tuple[RuleVerdict, ...]:
    """The same with every reading's text set, so that no sink needs to know of units."""
    return tuple(
        replace(rule, signals=tuple(replace(it, shown=reading_shown(it, pack)) for it in rule.signals))
        for rule in verdicts
    )


def rule_of(verdict: RuleVerdict, pack: Pack) -> Rule | None:
    """The rule that a verdict is of; None when the pack does not have it."""
    return next((rule for rule in pack.rules if rule.name == verdict.rule), None)


def decisive(verdict: RuleVerdict) -> SignalVerdict | None:
    """The signal whose verdict is the rule's, the first of equals; None when the alert is the evidence."""
    gravity = rank(verdict.verdict)
    return min(verdict.signals, key=lambda it: abs(rank(it.verdict) - gravity), default=None)


def verdict_line(verdict: RuleVerdict, *, incident: Incident, pack: Pack, now: datetime) -> str:
    """`API error rate 7.3 % (critical: > 5 % for 2m; breached for 4m10s)`, or the alerts where they are evidence."""
    rule = rule_of(verdict, pack)
    summary = (rule.summary if rule else "") or verdict.rule
    signal = decisive(verdict)
    if signal is not None:
        return signal_line(signal, summary=summary, over=_is_over(signal, rule), pack=pack, now=now)
    if isinstance(verdict.verdict, Unknown):
        return f"{summary} could not be judged: {short_reason(verdict.verdict.why)}"
    matched = tuple(it for it in incident.evidence if rule is not None and rule.matches(it.labels)) or incident.evidence
    firing = len(incident.firing) + incident.more_firing
    counted = alerts_line(matched, of=firing if incident.more_firing else None)
    return f"{rule.summary} ({counted})" if rule and rule.summary else counted


def signal_line(signal: SignalVerdict, *, summary: str, over: bool, pack: Pack, now: datetime) -> str:
    """One reading beside its bound; an unknown one says in a few words why it could not be read.

    `over`: the bound is one to be over, rather than the one that ends a breach.
    """
    subject = _with_signal(summary, signal.signal)
    labels = "".join(f"; {name}={value}" for name, value in sorted(signal.reading.labels))
    verdict = signal.verdict
    if isinstance(verdict, Unknown):
        return f"{subject} could not be read: {short_reason(verdict.why)}{labels}"
    word, since = ("clear", "") if isinstance(verdict, Clear) else (str(verdict.level), _since(verdict, now))
    bound = _bound_words(signal.bound, is_clear=isinstance(verdict, Clear), over=over)
    return f"{subject} {reading_shown(signal, pack)} ({word}{bound}{since}{labels})"


def short_reason(why: str) -> str:
    """Why in a few words: without the address that was asked and the server's code, the first clause of a long one.

    >>> short_reason("http://api:8080: no answer")
    'no answer'
    """
    said = _ADDRESS.sub("", why).partition(" (SQLSTATE")[0]
    return said if len(said) <= REASON_MOST else cut(re.split("[;:] ", said)[0], REASON_MOST)


def _bound_words(bound: str, *, is_clear: bool, over: bool) -> str:
    """`: > 5 % for 2m` in breach, `: not > 5 % for 2m` when clear; of `resolve`: `; not yet < 1 %`, then `: < 1 %`."""
    if not bound:
        return ""
    shown = bound_shown(bound)
    if over:
        return f": not {shown}" if is_clear else f": {shown}"
    return f": {shown}" if is_clear else f"; not yet {shown}"


def _is_over(signal: SignalVerdict, rule: Rule | None) -> bool:
    """Whether the bound that decided is `warning` or `critical`, not `resolve`."""
    bounds = [it.resolve.text for it in rule.thresholds if it.signal == signal.signal and it.resolve] if rule else []
    return signal.bound not in bounds


def reading_shown(signal: SignalVerdict, pack: Pack) -> str:
    """The number as people read it."""
    if signal.shown or isinstance(signal.reading, NoReading):
        return signal.shown or "no reading"
    written = pack.signals.get(signal.signal)
    unit, noun = (written.unit, written.noun) if written else ("count", "")
    return show_value(signal.reading.value, unit, noun)


def bound_shown(bound: str) -> str:
    """`> 5% for 2m` as readings are shown: `> 5 % for 2m`."""
    return re.sub(r"(?<=[0-9])%", " %", bound)


def signal_words(signal: str) -> str:
    """`error_rate` as people say it: `error rate`."""
    return re.sub(r"[_-]+", " ", signal).strip()


def alerts_line(alerts: Sequence[Alert], *, of: int | None = None) -> str:
    """`TargetDown: 2 alerts firing`; `of`: how many fire in all, where they are too many to be looked at."""
    firing = sum(it.status is AlertStatus.FIRING for it in alerts)
    count, state = (firing, "firing") if firing else (len(alerts), "resolved")
    names = sorted({it.name for it in alerts})
    more = f" and {len(names) - NAMES_MOST} more" if len(names) > NAMES_MOST else ""
    number = f"{count}" if of is None else f"at least {count} of {of}"
    counted = f"{number} alert{'' if number == '1' else 's'} {state}"
    return f"{', '.join(names[:NAMES_MOST])}{more}: {counted}" if names else counted


def why_of(assessment: Assessment, gravest: RuleVerdict | None) -> tuple[str, ...]:
    """Each answered question with its because, up to the last that had a say; then what decided, if no question did."""
    asked = [it.ask for it in assessment.answers]
    had_say = [n for n, it in enumerate(assessment.answers, 1) if it.result or it.ask == assessment.decided_by]
    by_question = assessment.decided_by in asked
    shown = assessment.answers[: max(had_say, default=0)] if by_question else assessment.answers
    words = [_answer_line(it) for it in shown]
    if not by_question:
        words.append(_decided_line(assessment, gravest))
    return tuple(words + ([assessment.held] if assessment.held else []))


def _answer_line(answer: Answer) -> str:
    counted = f"counted as {answer.counted_as}" if answer.said is Said.UNKNOWN else ""
    reasons = "; ".join(it for it in (answer.because, counted) if it)
    because = f" ({reasons})" if reasons else ""
    return f'"{answer.ask}" {_SAID[answer.said]}{because}{f" → {answer.result}" if answer.result else ""}'


def _decided_line(assessment: Assessment, gravest: RuleVerdict | None) -> str:
    verdict = key_of(gravest.verdict) if gravest else "no rule matched"
    if BY_A_PERSON in assessment.decided_by:
        return f"set by {assessment.decided_by}"
    return f"decided by {assessment.decided_by} ({assessment.because or verdict} → {assessment.raw})"


def _with_signal(summary: str, signal: str) -> str:
    """The signal is named unless the summary already does."""
    words = signal_words(signal)
    said = set(re.findall(r"[a-z0-9]+", summary.lower()))
    return summary if set(re.findall(r"[a-z0-9]+", words.lower())) <= said else f"{summary}: {words}"


def _since(verdict: Breach | Pending, now: datetime) -> str:
    if verdict.since is None:
        return ""
    seconds = max(0.0, (now - verdict.since).total_seconds())
    if isinstance(verdict, Pending):
        so_far = show_duration(min(seconds, verdict.needed_seconds))
        return f"; pending: {so_far} of {show_duration(verdict.needed_seconds)}"
    if verdict.at_least and seconds < 1:  # nobody has looked before
        return ""
    if seconds > YEAR_SECONDS:  # as in a test of rules that says what is read, and not since when
        return "; breached for more than a year"
    return f"; breached for {'at least ' if verdict.at_least else ''}{show_duration(seconds)}"
