"""How grave an incident is in the users' own scheme: their questions in their order, every answer kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from responder.model.assessment import BY_A_PERSON, Answer, Assessment, Said
from responder.model.growth import measured
from responder.model.pack import Bound, Conditions, MatcherLine, Question, SeverityScheme
from responder.model.quantities import show_duration, show_value
from responder.model.reading import AnyReading, Reading
from responder.model.verdict import Breach, Level, RuleVerdict, Unknown, key_of, rank
from responder.model.window import judge
from responder.severity.matrix import cells_of

MATRIX, OTHERWISE = "matrix", "otherwise"

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What questions are answered from. `marks` None while checks are still running."""

    verdicts: Sequence[RuleVerdict]
    readings: Mapping[str, Sequence[AnyReading]]
    alerts_labels: Sequence[Labels]
    marks: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer to a part of a question, and what gave it."""

    said: Said
    because: str


def decide(
    scheme: SeverityScheme,
    verdicts: Sequence[RuleVerdict],
    readings: Mapping[str, Sequence[AnyReading]],
    alerts_labels: Sequence[Labels],
    marks: frozenset[str] | None,
    past: Sequence[tuple[datetime, str]],
    now: datetime,
) -> Assessment:
    """The severity now.

    `alerts_labels`: of the firing alerts. `marks`: of all findings, None while they are not all there.
    `past`: (when, raw level) of former assessments, in order of time: the severity falls only after `hold`.
    """
    evidence = Evidence(verdicts=verdicts, readings=readings, alerts_labels=alerts_labels, marks=marks)
    gravest = key_of(min((it.verdict for it in verdicts), key=rank, default=Unknown(why="no rule")))
    answers: list[Answer] = []
    floors: list[tuple[int, str]] = []
    caps: list[tuple[int, str]] = []
    base, because = _without_questions(scheme, evidence, gravest)
    for question in scheme.decide:
        answer, level = _ask(question, evidence, scheme, gravest)
        answers.append(answer)
        if level is not None:
            base = (scheme.rank(level), question.ask)
            break
        if answer.result:
            floors += [(scheme.rank(question.at_least), question.ask)] if question.at_least else []
            caps += [(scheme.rank(question.at_most), question.ask)] if question.at_most else []
    position, decided_by = _bounded(base, floors, caps)
    raw = scheme.levels[position]
    level, falls_at = _hold(scheme, raw, past, now)
    return Assessment(
        level=level,
        raw=raw,
        rank=scheme.rank(level),
        decided_by=decided_by,
        answers=tuple(answers),
        because=because if decided_by == MATRIX else "",
        held=f"rules say {raw}; falls in {show_duration((falls_at - now).total_seconds())}" if falls_at else "",
        falls_at=falls_at,
    )


def as_a_person_said(assessment: Assessment, scheme: SeverityScheme, priority: str, who: str) -> Assessment:
    """The priority that a person gave the incident wins, where it is one of the scheme's levels."""
    if priority not in scheme.levels or priority == assessment.level:
        return assessment
    decided_by = f"{who or 'a person'}{BY_A_PERSON}{assessment.level}"
    place = scheme.rank(priority)
    return replace(assessment, level=priority, rank=place, decided_by=decided_by, held="", falls_at=None, because="")


def _without_questions(scheme: SeverityScheme, evidence: Evidence, gravest: str) -> tuple[tuple[int, str], str]:
    """Rank, what decided it and why, when no question gives a level: the gravest cell of the matrix, or `otherwise`."""
    otherwise = ((scheme.rank(scheme.level_for(scheme.otherwise, gravest)), OTHERWISE), "")
    if scheme.matrix is None:
        return otherwise
    cells = cells_of(scheme.matrix, evidence.verdicts, evidence.readings)
    places = [((scheme.rank(it.level), MATRIX), it.because) if it.level else otherwise for it in cells]
    return min(places, key=lambda it: it[0], default=otherwise)


def _bounded(
    base: tuple[int, str], floors: Iterable[tuple[int, str]], caps: Iterable[tuple[int, str]]
) -> tuple[int, str]:
    """Rank and what decided it: floors raise, caps lower, caps win; one that changes nothing decides nothing."""
    position, decided_by = base
    for floor, ask in floors:
        if floor < position:
            position, decided_by = floor, ask
    for cap, ask in caps:
        if cap > position:
            position, decided_by = cap, ask
    return position, decided_by


def _ask(question: Question, evidence: Evidence, scheme: SeverityScheme, gravest: str) -> tuple[Answer, str | None]:
    """The answer, and the level that ends the questions, if it gives one."""
    said = _any_of([_all_of(_parts(part, evidence)) for part in question.when])
    counted_as = (Said.YES if question.unknown_is_yes else Said.NO) if said.said is Said.UNKNOWN else said.said
    level, result = None, ""
    if counted_as is Said.YES:
        level = question.level or (scheme.level_for(question.by_verdict, gravest) if question.by_verdict else None)
        bounds = (("at least", question.at_least), ("at most", question.at_most))
        result = level or " and ".join(f"{words} {name}" for words, name in bounds if name)
    answer = Answer(ask=question.ask, said=said.said, because=said.because, counted_as=counted_as, result=result)
    return answer, level


def _all_of(parts: Sequence[_Said]) -> _Said:
    """One no is no; else one unknown is unknown."""
    for decisive in (Said.NO, Said.UNKNOWN):
        found = [it for it in parts if it.said is decisive]
        if found:
            return _Said(decisive, found[0].because)
    return _Said(Said.YES, _joined(parts))


def _any_of(parts: Sequence[_Said]) -> _Said:
    """One yes is yes; else one unknown is unknown."""
    for decisive in (Said.YES, Said.UNKNOWN):
        found = [it for it in parts if it.said is decisive]
        if found:
            return found[0]
    return _Said(Said.NO, _joined(parts))


def _joined(parts: Sequence[_Said]) -> str:
    return ", ".join(dict.fromkeys(it.because for it in parts if it.because))


def _parts(part: Conditions, evidence: Evidence) -> list[_Said]:
    """One answer for each condition that was named."""
    answers = [_signal(name, bound, evidence.readings.get(name, ())) for name, bound in part.signals]
    if part.labels:
        answers.append(_any_alert(part.labels, evidence.alerts_labels))
    if part.every:
        answers.append(_every_alert(part.every, evidence.alerts_labels))
    if part.rules:
        answers.append(_any_of([_rule(name, evidence.verdicts) for name in part.rules]))
    if part.marks:
        answers.append(_any_of([_mark(mark, evidence.marks) for mark in part.marks]))
    return answers


def _signal(name: str, bound: Bound, readings: Sequence[AnyReading]) -> _Said:
    if not readings:
        return _Said(Said.UNKNOWN, f"{name} was not read")
    return _any_of([_one_reading(bound, it) for it in readings])


def _one_reading(bound: Bound, reading: AnyReading) -> _Said:
    verdict = judge(bound, Level.CRITICAL, reading)
    if isinstance(verdict, Unknown) or not isinstance(reading, Reading):
        return _Said(Said.UNKNOWN, verdict.why if isinstance(verdict, Unknown) else "")
    shown = show_value(measured(bound, reading).value, bound.unit, bound.noun)
    return _Said(Said.YES if isinstance(verdict, Breach) else Said.NO, shown)


def _any_alert(lines: Sequence[MatcherLine], alerts: Sequence[Labels]) -> _Said:
    for labels in alerts:
        for line in lines:
            if line.holds(labels):
                return _Said(Said.YES, _values(line, [labels]))
    return _Said(Said.NO, ", ".join(dict.fromkeys(_values(line, alerts) for line in lines)))


def _every_alert(lines: Sequence[MatcherLine], alerts: Sequence[Labels]) -> _Said:
    others = [labels for labels in alerts if not any(line.holds(labels) for line in lines)]
    # Of no alert at all nothing can be said, least of all something that caps the severity.
    said = Said.NO if others or not alerts else Said.YES
    return _Said(said, _values(lines[0], others[:1] or alerts))


def _values(line: MatcherLine, alerts: Sequence[Labels]) -> str:
    """`service=payments` for each label that the line names, as the alerts have it; three values at most."""
    names = dict.fromkeys(it.label for it in line.matchers)
    texts = []
    for name in names:
        values = list(dict.fromkeys(labels[name] for labels in alerts if labels.get(name)))
        more = ", …" if len(values) > 3 else ""
        texts.append(f"{name}={', '.join(values[:3])}{more}" if values else f"no label {name}")
    return ", ".join(texts)


def _rule(name: str, verdicts: Sequence[RuleVerdict]) -> _Said:
    """In breach is yes, could not be known is unknown; pending and unmatched are no."""
    found = next((it.verdict for it in verdicts if it.rule == name), None)
    match found:
        case None:
            return _Said(Said.NO, f"{name}: no alert")
        case Unknown(why=why):
            return _Said(Said.UNKNOWN, f"{name}: {why}")
        case Breach():
            return _Said(Said.YES, f"{name}: {found.level}")
        case _:
            return _Said(Said.NO, f"{name}: {found.word}")


def _mark(mark: str, marks: frozenset[str] | None) -> _Said:
    if marks is None:
        return _Said(Said.UNKNOWN, "checks are still running")
    return _Said(Said.YES, mark) if mark in marks else _Said(Said.NO, f"no {mark}")


def _hold(
    scheme: SeverityScheme, raw: str, past: Sequence[tuple[datetime, str]], now: datetime
) -> tuple[str, datetime | None]:
    """The gravest level of the last `hold`, and until when it holds, None when nothing is held.

    A former level was in force until the next assessment said otherwise, however long ago it was made.
    """
    hold = timedelta(seconds=scheme.hold_seconds)
    made = sorted((it for it in past if it[1] in scheme.levels and it[0] <= now), key=lambda it: it[0])
    ends = [*(when for when, _ in made[1:]), now]
    recent = [(scheme.rank(level), end) for (_, level), end in zip(made, ends, strict=False) if end > now - hold]
    gravest = min((position for position, _ in recent), default=scheme.rank(raw))
    if gravest >= scheme.rank(raw):
        return raw, None
    return scheme.levels[gravest], max(end for position, end in recent if position == gravest) + hold
