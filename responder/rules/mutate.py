"""A pack with one thing changed: what no test of its rules notices, no test holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from responder.model.pack import Bound, Conditions, MatcherLine, Pack, Question, Rule, Thresholds
from responder.model.quantities import parse_number

_NUMBER = re.compile(r"(?P<before>\s*(?:>=|<=|==|!=|>|<)\s*)(?P<number>[-+]?[0-9]*\.?[0-9]+)(?P<after>.*)", re.DOTALL)
_FOR = re.compile(r"\s+for\s+.*", re.DOTALL)
BOUNDS = ("warning", "critical", "resolve")

Lines = tuple[MatcherLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """`what`: the change, for people; `at`: where it stands, as far as that is known; `rule`: the only one whose
    tests can tell, empty where any may."""

    what: str
    pack: Pack
    at: str = ""
    rule: str = ""


def mutants(pack: Pack, folder: Path) -> Iterator[Mutant]:
    """Every bound of the pack moved by one, up and down, and its `for` dropped; every matcher dropped; every two
    questions swapped. What it includes from packs outside of `folder` is theirs to test."""
    for index, rule in enumerate(pack.rules):
        if Path(rule.written_at.file).resolve().is_relative_to(folder.resolve()):
            for what, changed, alone in _of_rule(rule):
                rules = (*pack.rules[:index], changed, *pack.rules[index + 1 :])
                name = rule.name if alone else ""
                changed_pack = replace(pack, rules=rules)
                yield Mutant(what=f"rule {rule.name}: {what}", pack=changed_pack, at=str(rule.written_at), rule=name)
    yield from _of_scheme(pack)
    for what, lines in _matchers(pack.covers):
        yield Mutant(what=f"`for` of the pack: {what}", pack=replace(pack, covers=lines))
    for what, lines in _matchers(pack.ignore):
        yield Mutant(what=f"`intake.ignore`: {what}", pack=replace(pack, ignore=lines))


def _of_rule(rule: Rule) -> Iterator[tuple[str, Rule, bool]]:
    """(change, changed rule, whether only tests that this rule matches can tell)."""
    for index, thresholds in enumerate(rule.thresholds):
        for what, changed in _of_thresholds(thresholds):
            several = (*rule.thresholds[:index], changed, *rule.thresholds[index + 1 :])
            yield what, replace(rule, thresholds=several), True
    for what, lines in _matchers(rule.match):
        yield what, replace(rule, match=lines), False


def _of_thresholds(thresholds: Thresholds) -> Iterator[tuple[str, Thresholds]]:
    for key in BOUNDS:
        bound: Bound | None = getattr(thresholds, key)
        if bound is not None:
            for what, changed in _of_bound(bound):
                yield f"{thresholds.signal} {key} {what}", replace(thresholds, **{key: changed})  # type: ignore[arg-type]  # a key of BOUNDS takes a bound


def _of_bound(bound: Bound) -> Iterator[tuple[str, Bound]]:
    for text in _moved(bound.text):
        try:
            number = parse_number(_NUMBER.sub(r"\g<number>\g<after>", _FOR.sub("", text)), bound.unit, bound.noun)
        except ValueError:  # a unit that takes no such number
            continue
        yield f'"{bound.text}" moved to "{text}"', replace(bound, number=number, text=text)
    if bound.for_seconds:
        text = _FOR.sub("", bound.text)
        yield f'"{bound.text}" without its `for`', replace(bound, for_seconds=0.0, text=text)


def _moved(text: str) -> Iterator[str]:
    """The number one up and one down in the last place that is written: 5 → 6 and 4, 0.5 → 0.6 and 0.4."""
    parts = _NUMBER.fullmatch(text)
    if parts is None:
        return
    places = len(parts["number"].partition(".")[2])
    for step in (1, -1):
        number = round(float(parts["number"]) + step * 10.0**-places, places)
        yield f"{parts['before']}{number:.{places}f}{parts['after']}"


def _matchers(lines: Lines) -> Iterator[tuple[str, Lines]]:
    """Each matcher dropped: out of its line; with its line, where it stands alone; where that is the only line, what
    is left holds for everything."""
    for index, line in enumerate(lines):
        for left_out, matcher in enumerate(line.matchers):
            rest = (*line.matchers[:left_out], *line.matchers[left_out + 1 :])
            kept = (replace(line, matchers=rest),) if rest or len(lines) == 1 else ()
            what = f'`{matcher.label}{matcher.operator}"{matcher.value}"` dropped from `{line.text}`'
            yield what, (*lines[:index], *kept, *lines[index + 1 :])


def _of_scheme(pack: Pack) -> Iterator[Mutant]:
    scheme = pack.severity
    for what, questions in (*_changed(scheme.decide), *_swapped(scheme.decide)):
        yield Mutant(what=what, pack=replace(pack, severity=replace(scheme, decide=questions)))
    # The last cell takes what fits none, too: wherever its bound lies, nothing comes of it.
    for index, cell in enumerate(scheme.matrix.cells[:-1] if scheme.matrix else ()):
        assert scheme.matrix is not None
        for what, bound in _of_bound(cell):
            cells = (*scheme.matrix.cells[:index], bound, *scheme.matrix.cells[index + 1 :])
            matrix = replace(scheme.matrix, cells=cells)
            changed = replace(pack, severity=replace(scheme, matrix=matrix))
            yield Mutant(what=f"matrix: {scheme.matrix.signal} {what}", pack=changed)


def _changed(questions: tuple[Question, ...]) -> Iterator[tuple[str, tuple[Question, ...]]]:
    for index, question in enumerate(questions):
        for place, part in enumerate(question.when):
            for what, changed in _of_conditions(part):
                when = (*question.when[:place], changed, *question.when[place + 1 :])
                several = (*questions[:index], replace(question, when=when), *questions[index + 1 :])
                yield f'question "{question.ask}": {what}', several


def _of_conditions(part: Conditions) -> Iterator[tuple[str, Conditions]]:
    for index, (signal, bound) in enumerate(part.signals):
        for what, changed in _of_bound(bound):
            signals = (*part.signals[:index], (signal, changed), *part.signals[index + 1 :])
            yield f"{signal} {what}", replace(part, signals=signals)
    for what, lines in _matchers(part.labels):
        yield what, replace(part, labels=lines)
    for what, lines in _matchers(part.every):
        yield what, replace(part, every=lines)


def _swapped(questions: tuple[Question, ...]) -> Iterator[tuple[str, tuple[Question, ...]]]:
    """Every two, unless their order says nothing: floors and caps end nothing, and count alike wherever they stand."""
    for one, other in combinations(range(len(questions)), 2):
        if any(it.level or it.by_verdict for it in questions[one : other + 1]):
            several = list(questions)
            several[one], several[other] = several[other], several[one]
            yield f'questions "{questions[one].ask}" and "{questions[other].ask}" swapped', tuple(several)
