"""Which of all findings and dated changes a person should look at first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from responder.model.finding import Change, Finding, Outcome
from responder.model.quantities import show_duration
from responder.model.report import Pointed
from responder.report.weigh import Scales

LOOK_FIRST_MOST = 3  # what fits on a phone beside the title
LOOK_FIRST_FROM = 50.0  # an unhealthy finding of ordinary gravity, or a change within the hour before the onset
ONLY_CLUE_FROM = 30.0  # where nothing tells as much: a change of the last two hours, other alerts that fire
LINE_MOST = 500  # characters of one line; the finding itself stays whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Clue:
    """One line that may lead to the cause. `score`: 0 to 132, higher goes first; below 0 for what came after onset.

    `is_change`: it is no more than that; a vendor's incident that goes on is also what is wrong now.
    """

    text: str
    check: str
    score: float
    is_change: bool = False

    @property
    def pointed(self) -> Pointed:
        """The line as it stands in a report."""
        return Pointed(text=shortened(self.text), check=self.check)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """Clues in two parts: what to look at first, and what else."""

    first: tuple[Pointed, ...]
    also: tuple[Pointed, ...]


def rank_clues(
    findings: Sequence[Finding], scales: Scales, *, reads_clear: bool = False, resolved: bool = False
) -> Ranked:
    """Unhealthy findings, graver first, among changes, closer before the onset first; changes after it come last.

    `reads_clear`: every signal does, so that no change has caused anything that can be seen. Of a resolved incident:
    what is still unhealthy first.
    """
    clues = clues_in(findings, scales)
    may_be = [clue for clue in clues if not clue.is_change] if resolved or reads_clear else clues
    if resolved:
        chosen = may_be[:LOOK_FIRST_MOST]
    else:
        chosen = _first_of([clue for clue in may_be if clue.score >= LOOK_FIRST_FROM])
        only = [] if reads_clear else may_be[:1]
        chosen = chosen or [clue for clue in only if clue.score >= ONLY_CLUE_FROM]
    rest = [clue for clue in clues if clue not in chosen]
    return Ranked(first=tuple(it.pointed for it in chosen), also=tuple(it.pointed for it in rest))


def _first_of(clues: list[Clue]) -> list[Clue]:
    """The most telling; what is wrong now has one of the lines, however much was changed."""
    wrong = [clue for clue in clues[LOOK_FIRST_MOST:] if not clue.is_change]
    chosen = clues[:LOOK_FIRST_MOST]
    return [*chosen[:-1], wrong[0]] if wrong and all(clue.is_change for clue in chosen) else chosen


def clues_in(findings: Sequence[Finding], scales: Scales) -> list[Clue]:
    """Every line once, most telling first, whatever order the findings come in."""
    several = asked_of_several(findings)
    clues = [clue for it in findings for clue in _clues_of(it, headline_in(it, several), scales)]
    once: dict[str, Clue] = {}
    for clue in sorted(clues, key=lambda it: (-it.score, it.text, it.check)):
        once.setdefault(clue.text, clue)  # equal lines are one change that two checks report
    return list(once.values())


def in_order(findings: Sequence[Finding], scales: Scales) -> tuple[Finding, ...]:
    """All findings, the most telling first: unhealthy and dated, then healthy, then those that could not look."""

    def key(finding: Finding) -> tuple[float, str, str, str]:
        score = max((it.score for it in _clues_of(finding, finding.headline, scales)), default=None)
        quiet = math.inf if finding.outcome is Outcome.INCONCLUSIVE else 1e12
        return (quiet if score is None else -score, finding.name, finding.headline, finding.details)

    return tuple(sorted(findings, key=key))


def healthy_lines(findings: Iterable[Finding]) -> tuple[Pointed, ...]:
    """One short line for each healthy finding that has no dated change to tell."""
    findings = tuple(findings)
    several = asked_of_several(findings)
    chosen = [it for it in findings if it.outcome is Outcome.HEALTHY and not it.changes]
    lines = [Pointed(text=shortened(headline_in(it, several)), check=it.name) for it in chosen]
    return tuple(sorted(lines, key=lambda it: (it.check, it.text)))


def asked_of_several(findings: Iterable[Finding]) -> frozenset[str]:
    """Checks that were asked of more than one target or value; only these need theirs named."""
    counts = Counter(it.check for it in findings)
    return frozenset(check for check, times in counts.items() if times > 1)


def headline_in(finding: Finding, several: frozenset[str]) -> str:
    """The headline, with the entry's own name before it, or its target where its check is one of `several`, unless
    the headline says it already."""
    about = finding.called or finding.subject or finding.target
    wanted = finding.called or finding.check in several
    said = not wanted or about.casefold() in finding.headline.casefold()
    return finding.headline if said else f"{about}: {finding.headline}"


def name_in(finding: Finding, several: frozenset[str]) -> str:
    """The check's name alone where that is clear, as rule files name checks."""
    return finding.name if finding.called or finding.check in several else finding.check


def shortened(text: str, most: int = LINE_MOST) -> str:
    """At most so many characters; the cut is visible."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _clues_of(finding: Finding, headline: str, scales: Scales) -> list[Clue]:
    clues = [
        Clue(text=change_line(it, scales.onset), check=finding.name, score=scales.of_change(it), is_change=True)
        for it in finding.changes
    ]
    if finding.outcome is not Outcome.UNHEALTHY:
        return clues
    trouble = Clue(text=headline, check=finding.name, score=scales.of_trouble(finding))
    same = [clue for clue, it in zip(clues, finding.changes, strict=True) if _says_the_same(finding.headline, it)]
    if any(clue.score >= trouble.score for clue in same):
        return [replace(clue, is_change=clue not in same) for clue in clues]
    return [*(clue for clue in clues if clue not in same), trouble]


def _says_the_same(headline: str, change: Change) -> bool:
    """A check whose headline is its change would be told twice."""
    lead, _, rest = change.what.casefold().partition(": ")
    said = headline.casefold()
    return bool(lead) and (said.startswith(lead) or bool(rest and said.endswith(rest)))


def change_line(change: Change, onset: datetime) -> str:
    """`Rollout api rev 42, 3m50s before onset: image 2.14.0 → 2.15.0, by ci`."""
    what, colon, rest = change.what.partition(": ")
    by = f", by {change.by}" if change.by else ""
    return f"{what}, {_distance(change.at, onset)}{colon}{rest}{by}"


def _distance(at: datetime, onset: datetime) -> str:
    seconds = (onset - at).total_seconds()
    if abs(seconds) < 0.5:
        return "at onset"
    return f"{show_duration(abs(seconds))} {'before' if seconds > 0 else 'after'} onset"
