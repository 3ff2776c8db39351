"""`severity`: the users' levels and the questions that choose among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from responder.model.matchers import doubt_of, parse_line, why_never
from responder.model.pack import Bound, Conditions, MatcherLine, Matrix, Question, SeverityScheme
from responder.rules.bounds import one_sided, parse_bound
from responder.rules.complaints import At, Complaints, suggestion, what_is
from responder.rules.entries import complain_of_mark
from responder.rules.looked_at import RESERVED, Signals
from responder.rules.matrix import warn_of_matrix
from responder.rules.promises import Promises
from responder.rules.questions import Breaches, warn_of_questions
from responder.rules.sections import Written
from responder.rules.shapes import ByVerdictShape, ColumnsShape, MatrixShape, QuestionShape, SeverityShape, ThenShape

VERDICTS = ("critical", "warning", "pending", "unknown", "clear")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What questions may name. `givers`: a mark → a check that gives it, of all checks there are; `breaches`: what
    rules say of readings."""

    signals: Signals
    rules: frozenset[str]
    marks: frozenset[str]
    givers: Mapping[str, str]
    breaches: Breaches


def scheme_of(
    written: Written[SeverityShape] | None, known: Known, promises: Promises, complaints: Complaints
) -> SeverityScheme:
    """The scheme as written, or P1 to P4 without questions."""
    if written is None:
        return SeverityScheme()
    shape, at = written.shape, written.at
    levels = tuple(shape.levels) if shape.levels else SeverityScheme().levels
    if shape.levels is not None and not shape.levels:
        complaints.error(at / "levels", "expected at least one level, gravest first, got none")
    # Something was taken away here: if no levels are left, it may have been they.
    doubtful = (at / "levels").loc in at.document.cut or (at.loc in at.document.cut and shape.levels is None)
    reader = _Questions(SeverityScheme(levels=levels), known, complaints, doubtful=doubtful)
    questions = [reader.question(it, at / "decide" / index) for index, it in enumerate(shape.decide)]
    otherwise = reader.by_verdict(shape.otherwise, at / "otherwise") if shape.otherwise else {}
    scheme = SeverityScheme(
        levels=levels,
        decide=tuple(questions),
        matrix=reader.matrix(shape.matrix, at / "matrix") if shape.matrix else None,
        otherwise=otherwise,
        hold_seconds=shape.hold,
        promises={name: promises.of_level(it, at / "levels" / name) for name, it in (shape.levels or {}).items()},
    )
    warn_of_questions(scheme, known.breaches, at / "decide", complaints)
    return scheme


class _Questions:
    def __init__(self, scheme: SeverityScheme, known: Known, complaints: Complaints, *, doubtful: bool) -> None:
        self._scheme, self._known, self._complaints = scheme, known, complaints
        self._doubtful = doubtful  # some levels could not be read: any name may be one

    def question(self, shape: QuestionShape, at: At) -> Question:
        then = shape.then
        by_verdict = then if isinstance(then, ThenShape) else None
        return Question(
            ask=shape.ask,
            when=self._any_of(shape.when, at / "when"),
            unknown_is_yes=shape.unknown,
            level=self._level(then, at / "then") if isinstance(then, str) else None,
            by_verdict=self.by_verdict(by_verdict, at / "then") if by_verdict else {},
            at_least=self._level(by_verdict.at_least, at / "then" / "at_least") if by_verdict else None,
            at_most=self._level(by_verdict.at_most, at / "then" / "at_most") if by_verdict else None,
        )

    def by_verdict(self, shape: ByVerdictShape, at: At) -> dict[str, str]:
        """The levels of a mapping by verdict; a graver verdict with a milder level is warned of."""
        named = {key: getattr(shape, key) for key in VERDICTS if getattr(shape, key) is not None}
        bounds = isinstance(shape, ThenShape) and (shape.at_least or shape.at_most)
        if bounds and named:
            self._complaints.error(
                at, "found levels by verdict beside `at_least` or `at_most`; expected one of the two"
            )
        if not bounds and not named:
            self._complaints.error(at, "expected a level, levels by verdict, `at_least` or `at_most`, got nothing")
        for key, level in named.items():
            self._level(level, at / key)
        chain = ("critical", "warning", "pending", "clear")  # unknown may well count for more than pending
        ranks = [(key, self._scheme.rank(self._scheme.level_for(named, key))) for key in chain]
        for (graver, high), (milder, low) in pairwise(ranks):
            if named and high > low:
                why = f"{graver} gives a milder level than {milder}: a graver reading lowers the severity"
                self._complaints.warn(at, why)
        return named

    def matrix(self, shape: MatrixShape, at: At) -> Matrix | None:
        """The matrix, or None when its columns cannot be read."""
        bounds = self._cells(shape.columns, at / "columns")
        for row, levels in shape.rows.items():
            for index, level in enumerate(levels):
                self._level(level, at / "rows" / row / index)
            if len(levels) != len(bounds):
                expected = f"expected {len(bounds)} levels, one for each of `cells`, got {len(levels)}"
                self._complaints.error(at / "rows" / row, f"`{row}`: {expected}")
        if not shape.rows:
            self._complaints.error(at / "rows", "expected at least one row, got none")
        if not bounds or None in bounds or any(len(levels) != len(bounds) for levels in shape.rows.values()):
            return None
        rows = {row: tuple(levels) for row, levels in shape.rows.items()}
        matrix = Matrix(signal=shape.columns.signal, cells=tuple(it for it in bounds if it), rows=rows)
        warn_of_matrix(matrix, self._scheme, at, self._complaints)
        return matrix

    def _cells(self, shape: ColumnsShape, at: At) -> list[Bound | None]:
        signals = self._known.signals
        if shape.signal not in signals.measured:
            if shape.signal not in signals.refused:
                self._complaints.unknown(at / "signal", "signal", shape.signal, signals.names())
            return [None for _ in shape.cells]
        return [self._bound(shape.signal, it, at / "cells" / index) for index, it in enumerate(shape.cells)]

    def _level(self, name: str | None, at: At) -> str | None:
        if name is not None and name not in self._scheme.levels and not self._doubtful:
            self._complaints.error(at, f"unknown level `{name}`{suggestion(name, self._scheme.levels)}")
        return name

    def _any_of(self, when: Any, at: At) -> tuple[Conditions, ...]:
        parts = [(when, at)] if isinstance(when, Mapping) else [(it, at / index) for index, it in enumerate(when)]
        if not parts or not all(part for part, _ in parts):
            self._complaints.error(at, 'expected a condition such as `error_rate: "> 50%"`, got nothing')
        return tuple(self._all_of(part, where) for part, where in parts)

    def _all_of(self, part: Mapping[str, Any], at: At) -> Conditions:
        bounds = [(name, self._bound(name, value, at / name)) for name, value in part.items() if name not in RESERVED]
        rules = self._names(part, "rule", at)
        marks = self._names(part, "mark", at)
        for name in rules:
            if name not in self._known.rules:
                self._complaints.unknown(at / "rule", "rule", name, self._known.rules)
        for name in marks:
            if name not in self._known.marks:
                self._mark(name, at / "mark")
        return Conditions(
            signals=tuple((name, bound) for name, bound in bounds if bound is not None),
            labels=self._lines(part, "labels", at),
            every=self._lines(part, "every", at),
            rules=rules,
            marks=marks,
        )

    def _mark(self, name: str, at: At) -> None:
        if name in self._known.givers:
            giver = self._known.givers[name]
            self._complaints.warn(
                at, f"no rule of this pack asks a check that gives the mark `{name}`, such as `{giver}`"
            )
        else:
            complain_of_mark(name, at, self._known.marks, self._known.givers, self._complaints)

    def _bound(self, name: str, value: Any, at: At) -> Bound | None:
        signals = self._known.signals
        if name in signals.refused:
            return None
        if name not in signals.measured:
            self._complaints.unknown(at, "signal", name, (*signals.names(), *RESERVED), key=True)
            return None
        if not isinstance(value, str):
            self._complaints.error(at, f'`{name}`: expected a bound such as "> 5%", got {what_is(value)}')
            return None
        try:
            bound = parse_bound(value, signals.measured[name])
        except ValueError as wrong:
            self._complaints.error(at, f"`{name}`: {wrong}")
            return None
        if why := one_sided(bound, signals.measured[name]):
            self._complaints.warn(at, why)
        return bound

    def _lines(self, part: Mapping[str, Any], key: str, at: At) -> tuple[MatcherLine, ...]:
        return lines_of(self._names(part, key, at), at / key, self._complaints)

    def _names(self, part: Mapping[str, Any], key: str, at: At) -> tuple[str, ...]:
        if key not in part:
            return ()
        value = part[key]
        names = [value] if isinstance(value, str) else value
        if isinstance(names, list) and names and all(isinstance(it, str) and it for it in names):
            return tuple(names)
        self._complaints.error(at / key, f"`{key}`: expected text or a list of texts, got {what_is(value or None)}")
        return ()


def lines_of(texts: tuple[str, ...], at: At, complaints: Complaints) -> tuple[MatcherLine, ...]:
    """Matchers, line by line; what is wrong is noted at its line, and so is what no alert can fit."""
    lines: list[MatcherLine] = []
    for index, text in enumerate(texts):
        try:
            lines.append(line := parse_line(text))
        except ValueError as wrong:
            complaints.error(at / index, f"`{at.name}`: {wrong}")
            continue
        quotes_missing = text.count('"') < 2 * len(line.matchers)
        if quotes_missing and (doubt := doubt_of(text)):
            complaints.warn(at / index, doubt)
    never = [(index, why) for index, line in enumerate(lines) if (why := why_never(line))]
    for index, why in never if len(lines) == len(texts) else ():
        if len(never) == len(lines):
            complaints.error(at / index, f"`{at.name}`: no alert can fit this: {why}")
        else:
            complaints.warn(at / index, f"no alert can fit this line: {why}")
    return tuple(lines)
