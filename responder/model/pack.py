"""A pack of rules, read and checked: what rule files say once names are resolved and units converted.

`rules/parse.py` makes these from YAML; every other step only reads them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from responder.model.catalogue import Parameters
from responder.model.intake import Intake
from responder.model.people import LevelPromises, Notify, People
from responder.model.rule_index import RuleIndex
from responder.model.sources import HttpSource as HttpSource
from responder.model.sources import JsonSource as JsonSource
from responder.model.sources import PrometheusSource as PrometheusSource
from responder.model.sources import Source, Unit
from responder.model.verdict import Level

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}

# `critical` falls back too: a graver verdict is never milder than the one that a mapping names.
_FALLBACKS = {
    "critical": ("critical", "warning", "pending", "unknown"),
    "warning": ("warning", "critical"),
    "pending": ("pending", "warning", "critical"),
    "unknown": ("unknown", "warning", "critical"),
    "clear": ("clear",),
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Position:
    """Where something is written; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """One Alertmanager matcher; a label that is not there counts as the empty string."""

    label: str
    operator: Literal["=", "!=", "=~", "!~"]
    value: str
    fits: Callable[[str], bool] = field(compare=False, repr=False)

    @property
    def shown(self) -> str:
        """`service="api"`."""
        return f'{self.label}{self.operator}"{self.value}"'

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels satisfy it."""
        return self.fits(labels.get(self.label, ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class MatcherLine:
    """All of its matchers; a list of lines is any of them. `text` as written."""

    matchers: tuple[Matcher, ...]
    text: str

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels satisfy every matcher."""
        return all(matcher.holds(labels) for matcher in self.matchers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """`> 5% for 2m`: `number` in the signal's unit, `for_seconds` 0 when it need not last; `text` as written.

    `unit` and `noun` are the signal's, so that a value can be shown beside the bound."""

    operator: str
    number: float
    for_seconds: float
    text: str
    unit: Unit = "count"
    noun: str = ""

    def holds(self, value: float) -> bool:
        """Whether a value is over the bound, as read, not as shown."""
        return OPERATORS[self.operator](value, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The bounds of one rule on one signal."""

    signal: str
    warning: Bound | None = None
    critical: Bound | None = None
    resolve: Bound | None = None

    def over(self) -> tuple[tuple[Level, Bound], ...]:
        """The bounds that can be breached, gravest first."""
        both = ((Level.CRITICAL, self.critical), (Level.WARNING, self.warning))
        return tuple((level, bound) for level, bound in both if bound is not None)

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """Every bound that is written."""
        return tuple(it for it in (self.warning, self.critical, self.resolve) if it is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """The name of a measurable thing. `noun` follows the number (`500 waiting`)."""

    name: str
    unit: Unit
    source: Source
    noun: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What may be looked at. `address` and `headers` as written, `${NAME}` not yet replaced. `flavour`: whose kind of
    status page it is, empty for other kinds."""

    name: str
    kind: str
    address: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    concurrency: int = 2
    per_minute: int = 60
    flavour: str = ""
    allow: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of `diagnose`. `target`: a target's name, None where a check needs none; `target_label`: the label
    whose value chooses it; `when`: the rule's breach that asks for it; `name`: `as`, else empty."""

    check: str
    parameters: Parameters
    target: str | None = None
    target_label: str | None = None
    when: Level | None = None
    timeout_seconds: float | None = None
    excerpts: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggest:
    """What a person may do next, if all marks of `when` were found."""

    do: str
    run: str = ""
    when: tuple[str, ...] = ()
    caution: str = ""
    see: str = ""
    phase: Literal["now", "verify", "after"] = "now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. Without `thresholds` the alert is the evidence, with `level` or by its label `severity`.

    `watch_seconds`: how often it is looked
    at without an alert, None when it waits for one; `labels`: of the incident that it then opens; `page`: such an
    incident also goes to PagerDuty. `notify` is added to what the level promises."""

    name: str
    written_at: Position
    summary: str = ""
    match: tuple[MatcherLine, ...] = ()
    thresholds: tuple[Thresholds, ...] = ()
    level: Level | None = None
    combine: Literal["any", "all"] = "any"
    default: bool = False
    runbook: str = ""
    diagnose: tuple[Entry, ...] = ()
    suggest: tuple[Suggest, ...] = ()
    private: bool = False
    notify: tuple[Notify, ...] = ()
    watch_seconds: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    page: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether any of its lines holds."""
        return any(line.holds(labels) for line in self.match)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """All of these must hold: each bound; a line of `labels` for any firing alert, of `every` for all of them; any of
    `rules` in breach; any of `marks` found."""

    signals: tuple[tuple[str, Bound], ...] = ()
    labels: tuple[MatcherLine, ...] = ()
    every: tuple[MatcherLine, ...] = ()
    rules: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of `decide`. `when`: any of these. One of `level`, `by_verdict`, `at_least`/`at_most` is given."""

    ask: str
    when: tuple[Conditions, ...]
    unknown_is_yes: bool = False
    level: str | None = None
    by_verdict: Mapping[str, str] = field(default_factory=dict)
    at_least: str | None = None
    at_most: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Rows by impact, columns by a signal: the first of `cells` that holds is the column, unknown takes the last.
    `impacts`: rule → verdict (critical, warning) → row."""

    signal: str
    cells: tuple[Bound, ...]
    rows: Mapping[str, tuple[str, ...]]
    impacts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def row_of(self, rule: str, verdict: str) -> str | None:
        """The row of a rule's verdict; the other verdict's where only that one has a row, None where none has."""
        impact = self.impacts.get(rule, {})
        return next((impact[key] for key in _FALLBACKS.get(verdict, ()) if key in impact), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityScheme:
    """The users' own scheme: names, gravest first; the questions in order; the matrix after them; what holds
    otherwise; what each level asks of people."""

    levels: tuple[str, ...] = ("P1", "P2", "P3", "P4")
    decide: tuple[Question, ...] = ()
    matrix: Matrix | None = None
    otherwise: Mapping[str, str] = field(default_factory=dict)
    hold_seconds: float = 600.0
    promises: Mapping[str, LevelPromises] = field(default_factory=dict)

    @property
    def lowest(self) -> str:
        """The mildest level."""
        return self.levels[-1]

    def rank(self, level: str) -> int:
        """Place in the order of gravity, 0 the gravest; a name that is none of the levels is the mildest."""
        return self.levels.index(level) if level in self.levels else len(self.levels) - 1

    def level_for(self, by_verdict: Mapping[str, str], verdict: str) -> str:
        """The level of a verdict's key (critical, warning, pending, unknown, clear); missing keys fall back.

        Without any key, critical is the second level and warning the third: the first is for what questions find.
        """
        if not by_verdict:
            by_verdict = {"critical": self.levels[:2][-1], "warning": self.levels[:3][-1]}
        keys = _FALLBACKS.get(verdict, ())
        return next((by_verdict[key] for key in keys if key in by_verdict), self.lowest)


class Rules(tuple[Rule, ...]):
    """The rules of a pack, as written, with an index of which may match an alert."""

    @cached_property
    def by_label(self) -> RuleIndex:
        """Made when it is first asked."""
        return RuleIndex(self)

    @cached_property
    def defaults(self) -> tuple[Rule, ...]:
        """What is there for alerts that no other rule matches."""
        return tuple(rule for rule in self if rule.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One pack, whole. `covers`: its `for`, empty when it takes what no other takes. `files`: name → text, what
    its `hash` (SHA-256) was taken from. `intake`: holds for all packs together, unlike its `ignore`."""

    name: str
    hash: bytes
    files: Mapping[str, str]
    covers: tuple[MatcherLine, ...] = ()
    time_zone: str = "UTC"
    targets: Mapping[str, Target] = field(default_factory=dict)
    signals: Mapping[str, Signal] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    severity: SeverityScheme = field(default_factory=SeverityScheme)
    people: People = field(default_factory=People)
    ignore: tuple[MatcherLine, ...] = ()
    intake: Intake = field(default_factory=Intake)
