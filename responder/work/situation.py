"""What is decided about one incident at one moment, from facts alone: no clock, store or network.

The daemon, `explain` and the tests of rules all decide here, so that the same facts lead to the same decision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.diagnostics.plan import Plan, plan
from responder.model.alert import Alert
from responder.model.assessment import Assessment
from responder.model.finding import Finding
from responder.model.incident import PAGERDUTY, Incident, IncidentState
from responder.model.pack import Bound, Pack, Rule
from responder.model.reading import AnyReading
from responder.model.report import Report
from responder.model.verdict import Level, Pending, RuleVerdict, Unknown
from responder.model.window import judge
from responder.report.compose import compose
from responder.rules.evaluate import evaluate
from responder.rules.match import matching
from responder.severity.decide import as_a_person_said, decide

Readings = Mapping[str, Sequence[AnyReading]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What one look starts from. `former`: the last report; `known`: of each rule the last verdict that was not
    unknown; `severities`: (when, raw level) of former looks, in order of time; `watched`: the rule that opened the
    incident without an alert, empty for others."""

    pack: Pack
    incident: Incident
    now: datetime
    former: Report | None = None
    known: Sequence[RuleVerdict] = ()
    severities: Sequence[tuple[datetime, str]] = ()
    watched: str = ""

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """What rules are held against."""
        return self.incident.evidence

    @property
    def labels(self) -> list[Mapping[str, str]]:
        """Their labels; where there is no alert, those that the watched rule gives the incident."""
        given = [it.labels for it in self.pack.rules if it.name == self.watched and it.labels]
        return [alert.labels for alert in self.alerts] or given

    def rules(self) -> tuple[Rule, ...]:
        """The rules for what fires; of an incident that was reported, else for all its alerts, so that it is followed
        to its end, and those of its report where its alerts are another incident's by now. The rule that opened it
        without an alert always counts."""
        found = matching(self.pack.rules, [it.labels for it in self.alerts])
        if self.watched:
            return tuple(it for it in self.pack.rules if it in found or it.name == self.watched)
        if found or self.former is None:
            return found
        if not self.incident.alerts:
            told = {it.rule for it in self.former.verdicts}
            return tuple(it for it in self.pack.rules if it.name in told)
        return matching(self.pack.rules, [it.alert.labels for it in self.incident.alerts])

    def former_verdict(self, rule: Rule) -> RuleVerdict | None:
        """What the last look that knew said of this rule; in between, nothing could be read."""
        return next((it for it in self.known if it.rule == rule.name), None)

    def verdicts(self, rules: Sequence[Rule], readings: Readings) -> list[RuleVerdict]:
        """What each rule says, in the order given."""
        return [evaluate(rule, readings, self.alerts, self.former_verdict(rule), self.now) for rule in rules]

    def plan(self, rules: Sequence[Rule], verdicts: Sequence[RuleVerdict]) -> Plan:
        """Which checks to ask. At the resolution the same are asked once more, to say what is still unhealthy."""
        if self.former is not None and self.incident.state is IncidentState.RESOLVED:
            verdicts = [self.former_verdict(rule) or it for rule, it in zip(rules, verdicts, strict=True)]
        paged = sorted((it for it in self.incident.links if it.kind == PAGERDUTY), key=lambda it: not it.is_open)
        return plan(
            self.pack,
            list(zip(rules, verdicts, strict=True)),
            self.labels,
            onset=self.incident.onset,
            pagerduty=[it.external_id for it in paged],
        )

    def assess(self, verdicts: Sequence[RuleVerdict], readings: Readings, marks: frozenset[str] | None) -> Assessment:
        """The severity; `marks` None while checks are still running."""
        scheme = self.pack.severity
        assessment = decide(scheme, verdicts, readings, self.labels, marks, self.severities, self.now)
        return as_a_person_said(assessment, scheme, self.incident.priority, self.incident.priority_by)

    def report(
        self,
        verdicts: Sequence[RuleVerdict],
        assessment: Assessment,
        plan: Plan,
        findings: Sequence[Finding],
        *,
        at: datetime,
        still_looking: Sequence[str] = (),
        page_url: str = "",
        notices: Sequence[str] = (),
    ) -> Report:
        """What people are told of it. `at`: by the clock that people are shown."""
        return compose(
            incident=self.incident,
            pack=self.pack,
            verdicts=verdicts,
            assessment=assessment,
            findings=findings,
            still_looking=still_looking,
            left_out=plan.left_out,
            asked=len(plan.asks) + len(plan.left_out),
            took_seconds=max((it.took_seconds for it in findings), default=0.0),
            former=self.former,
            page_url=page_url,
            now=at,
            notices=notices,
        )

    def known_after(self, verdicts: Sequence[RuleVerdict]) -> list[RuleVerdict]:
        """`known` of the next look."""
        known = {it.rule: it for it in self.known}
        return list((known | {it.rule: it for it in verdicts if not isinstance(it.verdict, Unknown)}).values())

    def severities_after(self, assessment: Assessment) -> list[tuple[datetime, str]]:
        """`severities` of the next look: those that `hold` may still ask for. One counts until the next was made,
        so that looks may be far apart."""
        since = self.now - timedelta(seconds=self.pack.severity.hold_seconds)
        ends = [*(at for at, _ in self.severities[1:]), self.now]
        held = [it for it, end in zip(self.severities, ends, strict=False) if end >= since]
        return [*held, (self.now, assessment.raw)]

    def decided_at(self, rules: Sequence[Rule], readings: Readings) -> Iterator[datetime]:
        """When what a bound of these rules, or of a question, says of the present readings will have changed by time
        alone: it is over, and not yet for long enough."""
        for name, bound in self._bounds(rules):
            for reading in readings.get(name, ()):
                judged = judge(bound, Level.CRITICAL, reading)
                if isinstance(judged, Pending):
                    yield judged.due

    def _bounds(self, rules: Sequence[Rule]) -> Iterator[tuple[str, Bound]]:
        for rule in rules:
            for it in rule.thresholds:
                yield from ((it.signal, bound) for bound in it.bounds)
        for question in self.pack.severity.decide:
            for part in question.when:
                yield from part.signals
        if (matrix := self.pack.severity.matrix) is not None:
            yield from ((matrix.signal, cell) for cell in matrix.cells)
