"""Which of all findings and dated changes a person should look at first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from responder.model.finding import Change, Finding, Outcome
from responder.model.quantities import show_duration
from responder.model.report import Pointed

LOOK_FIRST_MOST = 3  # what fits on a phone beside the title
LOOK_FIRST_FROM = 50.0  # an unhealthy finding of ordinary gravity, or a change within the hour before the onset
LINE_MOST = 500  # characters of one line; the finding itself stays whole
HALF_SCORE_SECONDS = 3600.0  # a change this long before the onset tells half as much as one right before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Clue:
    """One line that may lead to the cause. `score`: 0 to 100, higher goes first; below 0 for what came after onset."""

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


def rank_clues(findings: Iterable[Finding], *, onset: datetime, resolved: bool = False) -> Ranked:
    """Unhealthy findings, graver first, among changes, closer before the onset first; changes after it come last.

    Something is always first when anything points at a cause. Of a resolved incident: what is still unhealthy first.
    """
    clues = clues_in(findings, onset)
    if resolved:
        chosen = [clue for clue in clues if not clue.is_change][:LOOK_FIRST_MOST]
    else:
        before = [clue for clue in clues if clue.score >= 0]
        chosen = [clue for clue in before if clue.score >= LOOK_FIRST_FROM][:LOOK_FIRST_MOST] or before[:1]
    rest = [clue for clue in clues if clue not in chosen]
    return Ranked(first=tuple(it.pointed for it in chosen), also=tuple(it.pointed for it in rest))


def clues_in(findings: Iterable[Finding], onset: datetime) -> list[Clue]:
    """Every line once, most telling first, whatever order the findings come in."""
    findings = tuple(findings)
    several = asked_of_several(findings)
    clues = [clue for it in findings for clue in _clues_of(it, headline_in(it, several), onset)]
    once: dict[str, Clue] = {}
    for clue in sorted(clues, key=lambda it: (-it.score, it.text, it.check)):
        once.setdefault(clue.text, clue)  # equal lines are one change that two checks report
    return list(once.values())


def in_order(findings: Iterable[Finding], onset: datetime) -> tuple[Finding, ...]:
    """All findings, the most telling first: unhealthy and dated, then healthy, then those that could not look."""

    def key(finding: Finding) -> tuple[float, str, str, str]:
        score = max((it.score for it in _clues_of(finding, finding.headline, onset)), default=None)
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


def _clues_of(finding: Finding, headline: str, onset: datetime) -> list[Clue]:
    clues = [
        Clue(text=change_line(it, onset), check=finding.name, score=_closeness(it, onset), is_change=True)
        for it in finding.changes
    ]
    if finding.outcome is Outcome.UNHEALTHY and not _says_the_same(finding):
        clues.append(Clue(text=headline, check=finding.name, score=float(min(max(finding.gravity, 0), 100))))
    return clues


def _says_the_same(finding: Finding) -> bool:
    """A check whose headline is its change would be told twice."""
    return any(finding.headline.startswith(it.what.partition(": ")[0]) for it in finding.changes if it.what)


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


def _closeness(change: Change, onset: datetime) -> float:
    seconds = (onset - change.at).total_seconds()
    return seconds if seconds < 0 else 100.0 * 0.5 ** (seconds / HALF_SCORE_SECONDS)
