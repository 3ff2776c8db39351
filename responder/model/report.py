"""What we tell people about an incident; sinks render it, nothing here is text for one of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from responder.model.assessment import Assessment
from responder.model.finding import Finding, Outcome
from responder.model.verdict import RuleVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What a person may do next; responder never runs it. `run` is empty when a name for it was not found."""

    do: str
    run: str = ""
    caution: str = ""
    see: str = ""
    phase: str = "now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointed:
    """One line of "Look here first" and its neighbours: the text, and the name of the finding it comes from."""

    text: str
    check: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report, complete or not, of an incident at one moment.

    `title`: the gravest rule's summary with its reading. `why`: how the severity came about, one entry an answer.
    `look_first`, `also`, `healthy`: findings' lines, ranked.
    `could_not_look`: the reason as text, what as `check`. `still_looking`: names of checks without an answer yet.
    `asked`/`answered`: how many checks there were and how many answered with what they saw.
    `verdicts`: gravest first. `events`: what changed since the first report, newest last ("P1 → P2 at 03:31").
    `flaps`: how often it came back of late, 0 for what does not come and go.
    """

    slug: str
    state: str
    title: str
    summary: str
    severity: str
    severity_rank: int
    assessment: Assessment
    verdicts: tuple[RuleVerdict, ...]
    findings: tuple[Finding, ...]
    look_first: tuple[Pointed, ...]
    also: tuple[Pointed, ...]
    healthy: tuple[Pointed, ...]
    could_not_look: tuple[Pointed, ...]
    still_looking: tuple[str, ...]
    suggestions: tuple[Suggestion, ...]
    runbook: str
    page_url: str
    at: datetime
    time_zone: str
    opened_at: datetime
    onset: datetime
    resolved_at: datetime | None
    asked: int
    answered: int
    took_seconds: float
    alerts_firing: int
    alerts_total: int
    alert_names: tuple[str, ...]
    why: tuple[str, ...] = ()
    private: bool = False
    events: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    flaps: int = 0

    @property
    def nothing_first(self) -> str:
        """What stands in the place of the lines of "Look here first" when there are none."""
        wrong = any(it.outcome is Outcome.UNHEALTHY for it in self.findings)
        return "Nothing points at a cause" if wrong else "Nothing unhealthy"

    @property
    def complete(self) -> bool:
        """Whether every check has answered or was given up."""
        return not self.still_looking
