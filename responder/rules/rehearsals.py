"""From `*.test.yaml` to the tests of one pack: every name held against the pack, every mistake at its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from responder.model.alert import AlertStatus
from responder.model.catalogue import Catalogue
from responder.model.finding import Outcome
from responder.model.located_yaml import read
from responder.model.pack import Pack, Position
from responder.model.quantities import parse_duration
from responder.model.rehearsal import ANY, REST, Course, Expected, GivenAlert, GivenFinding, Rehearsal, Step
from responder.rules.complaints import At, Complaints, Problem, what_is
from responder.rules.courses import course_of, measured
from responder.rules.packs import text_of
from responder.rules.reading_shapes import complain, read_shape
from responder.rules.rehearsal_shapes import (
    AlertShape,
    ExpectedShape,
    ExpectShape,
    FindingShape,
    GivenShape,
    RehearsalFileShape,
    RehearsalShape,
    StepShape,
)
from responder.rules.stamp import TEST_ENDING

# A Tuesday, at noon: inside the office hours of Europe, and of the east of America.
CLOCK = datetime(2026, 3, 3, 12, tzinfo=UTC)
PROMISES = ("acknowledge", "respond", "update", "customer update")
NOTHING = "none"  # a value that is not there: no pack, no severity
SECONDS = frozenset({"falls_in", "due"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsals:
    """The tests of one file; none where it holds a mistake."""

    tests: tuple[Rehearsal, ...]
    problems: tuple[Problem, ...]


def load_rehearsals(file: Path, pack: Pack, catalogue: Catalogue) -> Rehearsals:
    """The tests that a file holds; never raises, whatever is written there."""
    complaints = Complaints()
    if not file.name.endswith(TEST_ENDING):
        here, _, _ = file.name.partition(".test.")
        at = Position(file=file.as_posix(), line=1, column=1)
        complaints.mistake(at, f"tests of rules end in {TEST_ENDING}; expected the name {here}{TEST_ENDING}")
        return Rehearsals(tests=(), problems=complaints.problems)
    text = text_of(file, complaints)
    return parse_rehearsals(text or "", file.as_posix(), pack, catalogue, complaints)


def parse_rehearsals(
    text: str, file: str, pack: Pack, catalogue: Catalogue, complaints: Complaints | None = None
) -> Rehearsals:
    """The tests that a text says."""
    complaints = complaints or Complaints()
    document, mistakes = read(text, file)
    for it in mistakes:
        line = document.lines[it.position.line - 1] if it.position.line <= len(document.lines) else ""
        complaints.mistake(it.position, it.text, line)
    tests: tuple[Rehearsal, ...] = ()
    if not complaints.problems:
        shape = _shape(At(document=document), complaints)
        tests = _File(pack, catalogue, complaints).tests(shape, At(document=document)) if shape else ()
    return Rehearsals(tests=() if complaints.problems else tests, problems=complaints.problems)


def _shape(at: At, complaints: Complaints) -> RehearsalFileShape | None:
    if not isinstance(at.document.value, Mapping):
        complaints.error(at, f"expected `tests:`, got {what_is(at.document.value)}")
        return None
    try:
        return RehearsalFileShape.model_validate(at.document.value)
    except ValidationError as wrong:
        for details in wrong.errors(include_url=False, include_context=True):
            complain(RehearsalFileShape, details, at, complaints)
    return None


class _File:
    def __init__(self, pack: Pack, catalogue: Catalogue, complaints: Complaints) -> None:
        self._pack, self._complaints = pack, complaints
        self._names = _Names(pack, catalogue)

    def tests(self, shape: RehearsalFileShape, at: At) -> tuple[Rehearsal, ...]:
        """Every test, each name once."""
        given = shape.given or GivenShape()
        tests = [self._test(it, given, at / "tests" / index, at / "given") for index, it in enumerate(shape.tests)]
        first: dict[str, Rehearsal] = {}
        for index, it in enumerate(tests):
            if first.setdefault(it.name, it) is not it:
                there = first[it.name].written_at
                self._complaints.error(
                    at / "tests" / index / "name", f"found the test `{it.name}` twice; first at {there}"
                )
        if not tests:
            self._complaints.error(at / "tests", "expected at least one test, got none")
        return tuple(tests)

    def _test(self, shape: RehearsalShape, given: GivenShape, at: At, above: At) -> Rehearsal:
        start = Step(
            at_seconds=0.0,
            written_at=at.value,
            alerts=self._alerts(shape.alerts, at / "alerts") or self._alerts(given.alerts, above / "alerts"),
            readings={
                **self._readings(given.readings, 0.0, above / "readings"),
                **self._readings(shape.readings, 0.0, at / "readings"),
            },
            findings={
                **self._findings(given.findings, above / "findings"),
                **self._findings(shape.findings, at / "findings"),
            },
            acknowledged=shape.acknowledged,
            expect=self._expect(shape.expect, at / "expect"),
        )
        steps = [start, *(self._step(it, at / "then" / index) for index, it in enumerate(shape.then))]
        self._check_order(shape, at)
        return Rehearsal(
            name=shape.name,
            written_at=at.value,
            steps=tuple(steps),
            watch=self._watched(shape, start, at),
            clock=self._clock(shape.clock, at / "clock") or self._clock(given.clock, above / "clock") or CLOCK,
        )

    def _step(self, shape: StepShape, at: At) -> Step:
        return Step(
            at_seconds=shape.at,
            written_at=at.value,
            alerts=self._alerts(shape.alerts, at / "alerts"),
            readings=self._readings(shape.readings, shape.at, at / "readings"),
            findings=self._findings(shape.findings, at / "findings"),
            acknowledged=shape.acknowledged,
            resolved=shape.resolved,
            expect=self._expect(shape.expect, at / "expect"),
        )

    def _check_order(self, shape: RehearsalShape, at: At) -> None:
        former = 0.0
        for index, step in enumerate(shape.then):
            if step.at < former:
                self._complaints.error(at / "then" / index / "at", "the clock goes on; expected a later moment")
            former = step.at

    def _watched(self, shape: RehearsalShape, start: Step, at: At) -> str:
        if shape.watch is None:
            if not start.alerts:
                self._complaints.error(at / "alerts", "expected at least one alert, or `watch` with a rule, got none")
            return ""
        if start.alerts:
            self._complaints.error(at / "watch", "found `watch` beside alerts; expected one of the two", key=True)
        if shape.watch not in self._names.rules:
            self._complaints.unknown(at / "watch", "rule", shape.watch, self._names.rules)
        return shape.watch

    def _clock(self, text: str | None, at: At) -> datetime | None:
        if text is None:
            return None
        try:
            clock = datetime.fromisoformat(text)
        except ValueError:
            clock = None
        if clock is None or clock.tzinfo is None:
            self._complaints.error(at, f"expected a moment with its zone such as 2026-03-03T12:00:00Z, got {text}")
            return None
        return clock.astimezone(UTC)

    def _alerts(self, found: Iterable[Any], at: At) -> tuple[GivenAlert, ...]:
        alerts = (self._alert(it, at / index) for index, it in enumerate(found))
        return tuple(it for it in alerts if it is not None)

    def _alert(self, value: Any, at: At) -> GivenAlert | None:
        """Labels alone, or an alert with more; `source` among labels is whose alert it is, too."""
        if not isinstance(value, Mapping):
            self._complaints.error(at, f"expected an alert such as {{alertname: HighErrorRate}}, got {what_is(value)}")
            return None
        whole = value if isinstance(value.get("labels"), Mapping) else {"labels": value}
        where = at if whole is value else At(document=at.document, loc=at.loc)
        shape = read_shape(AlertShape, whole, where, self._complaints)
        if shape is None:
            return None
        return GivenAlert(
            labels=shape.labels,
            annotations=shape.annotations,
            status=AlertStatus.RESOLVED if shape.status == "resolved" else AlertStatus.FIRING,
            source=shape.source or shape.labels.get("source", ""),
        )

    def _readings(self, found: Mapping[str, Any], at_seconds: float, at: At) -> dict[str, Course]:
        courses: dict[str, Course] = {}
        for name, value in found.items():
            signal = self._pack.signals.get(name)
            if signal is None:
                self._complaints.unknown(at / name, "signal", name, self._pack.signals, key=True)
                continue
            course = course_of(value, measured(signal), at_seconds, at / name, self._complaints)
            if course is not None:
                courses[name] = course
        return courses

    def _findings(self, found: Mapping[str, FindingShape], at: At) -> dict[str, GivenFinding]:
        return {name: self._finding(name, shape, at / name) for name, shape in found.items()}

    def _finding(self, name: str, shape: FindingShape, at: At) -> GivenFinding:
        if not self._names.is_check(name):
            self._complaints.unknown(at, "check", name, self._names.checks, key=True)
        for index, mark in enumerate(shape.marks):
            known = self._names.marks_of(name)
            if known is not None and mark not in known:
                self._complaints.unknown(at / "marks" / index, f"mark of {name}", mark, known)
        outcome = Outcome(shape.outcome) if shape.outcome else Outcome.UNHEALTHY if shape.marks else Outcome.HEALTHY
        return GivenFinding(
            marks=tuple(shape.marks),
            found=shape.found,
            outcome=outcome,
            headline=shape.headline or "",
            details=shape.details or "",
        )

    def _expect(self, shape: ExpectShape | None, at: At) -> tuple[Expected, ...]:
        if shape is None:
            return ()
        there = self._expected(shape, at, absent=False)
        return (*there, *(self._expected(shape.no, at / "no", absent=True) if shape.no else ()))

    def _expected(self, shape: ExpectedShape, at: At, *, absent: bool) -> list[Expected]:
        expected = []
        for key in type(shape).model_fields:
            if key == "no" or key not in shape.model_fields_set:
                continue
            value = NOTHING if getattr(shape, key) is None else getattr(shape, key)
            where = at / key
            self._check_names(key, value, where)
            line = where.document.lines[where.key.line - 1]
            expected.append(
                Expected(key=key, value=self._value(key, value, where), at=where.key, line=line, absent=absent)
            )
        return expected

    def _value(self, key: str, value: Any, at: At) -> Any:
        if key not in SECONDS or isinstance(value, list) or value == NOTHING:
            return value
        if isinstance(value, Mapping):
            return {name: self._seconds(text, at / name) for name, text in value.items()}
        return self._seconds(value, at)

    def _seconds(self, text: str, at: At) -> float | str:
        if text == ANY:
            return text
        try:
            return parse_duration(text)
        except ValueError as wrong:
            self._complaints.error(at, f"`{at.name}`: {wrong}")
            return text

    def _check_names(self, key: str, value: Any, at: At) -> None:
        """A name that the pack does not have is a slip, not a failure."""
        if key == "diagnostics" and isinstance(value, list):
            self._check_checks(value, at)
        kind, known = self._names.of(key)
        if known is None or (key == "verdict" and isinstance(value, str)):
            return
        names = value if isinstance(value, list | Mapping) else [value]
        for index, name in enumerate(names):
            if name in (*known, ANY, REST, NOTHING):
                continue
            place = at / name if isinstance(value, Mapping) else at / index
            self._complaints.unknown(place, kind, name, known, key=isinstance(value, Mapping))

    def _check_checks(self, names: list[str], at: At) -> None:
        for index, name in enumerate(names):
            if name not in (ANY, REST, NOTHING) and not self._names.is_check(name):
                self._complaints.unknown(at / index, "check", name, self._names.checks)


class _Names:
    """What a test may speak of."""

    def __init__(self, pack: Pack, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        entries = [entry for rule in pack.rules for entry in rule.diagnose]
        self._called = {it.name: it.check for it in entries if it.name}
        self.rules = [it.name for it in pack.rules]
        self.checks = [*catalogue, *self._called]
        questions = [it.ask for it in pack.severity.decide]
        suggestions = list(dict.fromkeys(it.do for rule in pack.rules for it in rule.suggest))
        promises = pack.severity.promises.values()
        owed = [*PROMISES, *dict.fromkeys(paper.name for it in promises for paper in it.deadlines)]
        self._known: dict[str, tuple[str, list[str]]] = {
            "rules": ("rule", self.rules),
            "verdict": ("rule", self.rules),
            "severity": ("level", list(pack.severity.levels)),
            "decided_by": ("question", [*questions, "matrix", "otherwise"]),
            "answers": ("question", questions),
            "suggest": ("suggestion", suggestions),
            "notified": ("contact", list(pack.people.contacts)),
            "due": ("promise", owed),
            "overdue": ("promise", owed),
        }

    def of(self, key: str) -> tuple[str, list[str] | None]:
        """What the names under a key of `expect` are, and all there are; None where they are free."""
        return self._known.get(key, ("", None))

    def is_check(self, name: str) -> bool:
        """`http.status`, `http.status(api)`, or the name of an entry."""
        return name in self.checks or name.partition("(")[0] in self.checks

    def marks_of(self, name: str) -> list[str] | None:
        """The marks that a check may give; None where it is not known."""
        check = self._called.get(name, name.partition("(")[0])
        spec = self._catalogue.get(check)
        return sorted(spec.marks) if spec else None
