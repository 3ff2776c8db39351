"""How much each line tells of the cause: dated changes by closeness before the onset, unhealthy findings by gravity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.model.finding import Change, Finding, Outcome
from responder.report.touch import Failing, Touch, names_in, names_of, touches

# Of a change right before the onset: more than the gravest finding has, for what is unhealthy is what it made.
CHANGE_MOST = 120.0
HALF_SCORE_SECONDS = 3600.0  # a change this long before the onset tells half as much as one right before it
OLD_TROUBLE_SECONDS = 6 * 3600.0  # half of what trouble may lose that was there for so long without an alert
OURS, OPEN, NEIGHBOUR, ELSEWHERE = 1.1, 1.0, 0.6, 0.3  # what a change tells, by what it touches
SEEN_FROM_OUTSIDE = "failing"  # the mark of a check that says that something fails, and not why
SAID_AGAIN = 0.7  # what such a finding tells of the very thing that the alert is about


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """What lines are held against: when it began, what each change tells by what it touches (by its id), and which
    findings are on what the failing thing depends on. Made for some findings, they weigh these only."""

    onset: datetime
    touching: Mapping[int, float]
    dependencies: frozenset[str]

    @classmethod
    def of(cls, findings: Sequence[Finding], *, onset: datetime, labels: Sequence[Mapping[str, str]] = ()) -> Scales:
        """`labels`: of the incident's alerts."""
        failing = Failing.of(labels, findings)
        changes = [change for it in findings for change in it.changes]
        found = touches(changes, failing, onset - timedelta(seconds=2 * HALF_SCORE_SECONDS), onset)
        return cls(
            onset=onset,
            touching={id(it): _touching(it, found[id(it)], failing) for it in changes},
            dependencies=_dependencies(findings, failing),
        )

    def of_change(self, change: Change) -> float:
        """0 to 132; below 0 for what came after the onset, which is no cause."""
        seconds = (self.onset - change.at).total_seconds()
        if seconds < 0:
            return seconds
        return CHANGE_MOST * change.weight * self.touching[id(change)] * _left(seconds / HALF_SCORE_SECONDS)

    def of_trouble(self, finding: Finding) -> float:
        """0 to 100, of an unhealthy finding. What an alert says already, and what was there long before it, less."""
        score = float(min(max(finding.gravity, 0), 100))
        if SEEN_FROM_OUTSIDE in finding.marks and finding.name not in self.dependencies:
            score *= SAID_AGAIN
        return score * (0.5 + 0.5 * _left(self._older_by(finding) / OLD_TROUBLE_SECONDS))

    def _older_by(self, finding: Finding) -> float:
        """Seconds that trouble was there before the onset; 0 where it came later, or nobody knows."""
        began = [it.at for it in finding.changes]
        if finding.lasted_seconds is not None and finding.asked_at is not None:
            began.append(finding.asked_at - timedelta(seconds=finding.lasted_seconds))
        return max(0.0, (self.onset - max(began, default=self.onset)).total_seconds())


def _touching(change: Change, touch: Touch, failing: Failing) -> float:
    match touch:
        case Touch.OURS:
            share = failing.share_named(names_in(change))
            return max(NEIGHBOUR, ELSEWHERE + share * (OURS - ELSEWHERE)) if share else OPEN
        case Touch.OPEN:
            return OPEN
        case Touch.NEIGHBOUR:
            return NEIGHBOUR
        case Touch.ELSEWHERE:
            return ELSEWHERE


def _dependencies(findings: Sequence[Finding], failing: Failing) -> frozenset[str]:
    """Names of findings on what is not the failing thing itself, where another one is on that."""
    outside = [it for it in findings if SEEN_FROM_OUTSIDE in it.marks and it.outcome is Outcome.UNHEALTHY]
    others = [it for it in outside if not failing.share_named(names_of(it))]
    return frozenset(it.name for it in others) if len(others) < len(outside) else frozenset()


def _left(halves: float) -> float:
    """What is left of 1 after so many times by half."""
    return math.pow(0.5, halves)
