"""Plays a test of rules by a virtual clock: the same decisions as the daemon's, from facts that the test gives.

Between two steps the clock stops wherever something may change by time alone: a value, a bound that has held for
long enough, a severity that falls. So the daemon's looks are played, too, and what they leave behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from responder.diagnostics.plan import Ask
from responder.intake.arrange import arrange
from responder.intake.fingerprint import fingerprint_of
from responder.model.alert import Alert, AlertStatus, Webhook
from responder.model.finding import Finding, Outcome
from responder.model.incident import HeldAlert, Incident, IncidentState, slug_of
from responder.model.pack import Pack, Rule
from responder.model.reading import AnyReading, NoReading, Reading, Sample
from responder.model.rehearsal import Course, GivenAlert, GivenFinding, Rehearsal, Step
from responder.model.report import Report
from responder.model.sources import PayloadSource
from responder.model.verdict import Clear, RuleVerdict
from responder.people.promises import History
from responder.rules.courses import changes_after, reading_at
from responder.rules.expectations import Came, Failure, differences
from responder.rules.match import windows
from responder.rules.packs import is_ignored, pack_for
from responder.signals.history import with_history
from responder.signals.label_values import combinations
from responder.signals.payload import read_payload
from responder.work.came import Looked, came, names_of, nothing_came
from responder.work.situation import Situation

KINDS = ("alertmanager", "pagerduty", "grafana")  # other senders are generic ones, by their own name
REOPEN_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What came of a test. `rules`: those that it looked at."""

    failures: tuple[Failure, ...]
    rules: frozenset[str]


def rehearse(rehearsal: Rehearsal, pack: Pack) -> Rehearsed:
    """Everything that does not come as the test expects, where `pack` is the only one in force."""
    play = _Play(rehearsal, pack)
    return Rehearsed(failures=tuple(play.failures()), rules=frozenset(play.seen))


def fails(rehearsal: Rehearsal, pack: Pack) -> bool:
    """Whether anything does not come as the test expects; nothing after that is played."""
    return any(True for _ in _Play(rehearsal, pack).failures())


class _Play:
    def __init__(self, rehearsal: Rehearsal, pack: Pack) -> None:
        self._rehearsal, self._packs = rehearsal, (pack,)
        self._now = rehearsal.clock
        self._courses: dict[str, Course] = {}
        self._findings: dict[str, GivenFinding] = {}
        self._ignored = 0
        self.seen: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        """An incident of which nothing is known yet."""
        self._alerts: dict[str, HeldAlert] = {}
        self._pack: Pack | None = None
        self._opened_at = self._now
        self._acknowledged_at: datetime | None = None
        self._resolved_at: datetime | None = None
        self._clear_since: datetime | None = None
        self._former: Report | None = None
        self._known: Sequence[RuleVerdict] = ()
        self._severities: Sequence[tuple[datetime, str]] = ()
        self._looked: Looked | None = None
        self._levels: list[tuple[datetime, str]] = []
        self._matched: dict[str, datetime] = {}
        self._paged = False

    def failures(self) -> Iterator[Failure]:
        """All steps, one after the other."""
        for step in self._rehearsal.steps:
            self._go_on_until(self._rehearsal.clock + timedelta(seconds=step.at_seconds))
            self._take(step)
            self._look()
            yield from differences(step.expect, self._came(), self._rehearsal.name, step.at_seconds)

    def _go_on_until(self, end: datetime) -> None:
        """Look wherever time alone may change something; what happens at `end` itself comes first there."""
        while (moment := min(self._moments(), default=end)) < end:
            self._now = moment
            self._look()
        self._now = end

    def _moments(self) -> Iterator[datetime]:
        """When the next look may see something else."""
        after = (self._now - self._rehearsal.clock).total_seconds()
        for seconds in changes_after(list(self._courses.values()), after):
            yield self._rehearsal.clock + timedelta(seconds=seconds)
        if self._looked is None:
            return
        due = [*self._looked.situation.decided_at(self._looked.rules, self._looked.readings)]
        due += [it for it in (self._looked.report.assessment.falls_at, self._settles_at()) if it is not None]
        yield from (it for it in due if it > self._now)

    def _settles_at(self) -> datetime | None:
        """An incident without a firing alert is over when it was clear for as long as `hold`."""
        if self._clear_since is None or self._pack is None or self._resolved_at is not None:
            return None
        return self._clear_since + timedelta(seconds=self._pack.severity.hold_seconds)

    def _take(self, step: Step) -> None:
        self._courses |= step.readings
        self._findings |= step.findings
        for given in step.alerts:
            self._hold(self._arrived(given))
        if self._rehearsal.watch and self._pack is None:
            self._pack = self._packs[0]
        if step.acknowledged and self._acknowledged_at is None:
            self._acknowledged_at = self._now
        if (step.resolved or self._has_ended()) and self._resolved_at is None:
            self._resolved_at = self._now

    def _has_ended(self) -> bool:
        """Every alert has; what was opened by a watched rule goes on until that is clear."""
        resolved = [it.alert.status is AlertStatus.RESOLVED for it in self._alerts.values()]
        return bool(resolved) and all(resolved) and not self._rehearsal.watch

    def _arrived(self, given: GivenAlert) -> Alert:
        """The alert as intake hands it on."""
        labels = {name: value for name, value in given.labels.items() if name != "source"}
        alert = Alert(
            fingerprint=fingerprint_of(labels),
            status=given.status,
            starts_at=self._now,
            ends_at=self._now if given.status is AlertStatus.RESOLVED else None,
            labels=labels,
            annotations=given.annotations,
        )
        sender = given.source or KINDS[0]
        kind = sender if sender in KINDS else "generic"
        webhook = Webhook(kind=kind, source=sender, key=b"", alerts=(alert,))
        return arrange(webhook, self._packs[0].intake)[0].alerts[0]

    def _hold(self, alert: Alert) -> None:
        """The same labels are the same alert; what a pack ignores is not held, unless it was."""
        held = self._alerts.get(alert.fingerprint)
        if held is None and is_ignored(self._packs, alert.labels):
            self._ignored += 1
            return
        if alert.status is AlertStatus.FIRING and self._resolved_at is not None:
            self._again(self._resolved_at)
            held = self._alerts.get(alert.fingerprint)
        kind = alert.labels["source"]
        first = held.first_seen if held else self._now
        if held is not None and held.alert.status is AlertStatus.FIRING:
            alert = replace(alert, starts_at=held.alert.starts_at)
        self._alerts[alert.fingerprint] = HeldAlert(
            alert=alert, kind=kind, source="default", first_seen=first, last_seen=self._now
        )

    def _again(self, resolved_at: datetime) -> None:
        """What fires again soon goes on; later it is a new incident."""
        if self._now - resolved_at > REOPEN_WITHIN:
            self._begin()
        self._resolved_at = None

    def _incident(self) -> Incident:
        return Incident(
            id=1,
            slug=slug_of(1),
            state=IncidentState.OPEN if self._resolved_at is None else IncidentState.RESOLVED,
            pack=None,
            rule_set=None,
            severity=None,
            opened_at=self._opened_at,
            acknowledged_at=self._acknowledged_at,
            resolved_at=self._resolved_at,
            first_report_due=self._opened_at,
            run=1,
            continues=None,
            alerts=tuple(sorted(self._alerts.values(), key=_firing_first)),
            links=(),
        )

    def _look(self) -> None:
        """What the daemon does at a look, once all checks have answered."""
        self._looked = None
        if self._pack is None and self._alerts:
            first = min(self._alerts.values(), key=lambda it: (it.first_seen, it.alert.fingerprint))
            self._pack, self._opened_at = pack_for(self._packs, first.alert.labels), self._now
            self._paged = first.kind == "pagerduty"
        if self._pack is None:
            return
        if (settles_at := self._settles_at()) is not None and settles_at <= self._now:
            self._resolved_at = self._now
        situation = Situation(
            pack=self._pack,
            incident=self._incident(),
            now=self._now,
            former=self._former,
            known=self._known,
            severities=self._severities,
            watched=self._rehearsal.watch,
        )
        rules = situation.rules()
        if not rules:
            return
        self._looked = self._decide(situation, rules)

    def _decide(self, situation: Situation, rules: tuple[Rule, ...]) -> Looked:
        readings = self._read(situation, rules)
        verdicts = situation.verdicts(rules, readings)
        plan = situation.plan(rules, verdicts)
        findings = [_finding(ask, self._answer(ask), self._now) for ask in plan.asks]
        assessment = situation.assess(verdicts, readings, frozenset(mark for it in findings for mark in it.marks))
        report = situation.report(verdicts, assessment, plan, findings, at=self._now)
        self._former = report
        self._known, self._severities = situation.known_after(verdicts), situation.severities_after(assessment)
        self._note(rules, report)
        self._note_clear(situation, verdicts)
        return Looked(
            situation=situation,
            rules=rules,
            readings=readings,
            verdicts=tuple(verdicts),
            plan=plan,
            report=report,
        )

    def _note(self, rules: Sequence[Rule], report: Report) -> None:
        """What people are promised by."""
        self.seen |= {rule.name for rule in rules}
        for rule in rules:
            self._matched.setdefault(rule.name, self._now)
        is_over = self._resolved_at is not None and self._resolved_at < self._now
        if not is_over and (not self._levels or self._levels[-1][1] != report.severity):
            self._levels.append((self._now, report.severity))

    def _history(self) -> History:
        return History(
            levels=tuple(self._levels),
            rules=dict(self._matched),
            acknowledged_at=self._acknowledged_at,
            resolved_at=self._resolved_at,
            paged=self._paged,
        )

    def _note_clear(self, situation: Situation, verdicts: Sequence[RuleVerdict]) -> None:
        clear = all(isinstance(it.verdict, Clear) for it in verdicts) and not situation.incident.firing
        self._clear_since = (self._clear_since or self._now) if clear and self._rehearsal.watch else None

    def _read(self, situation: Situation, rules: Sequence[Rule]) -> dict[str, tuple[AnyReading, ...]]:
        """One reading for each combination of label values, as signals are read."""
        wanted = windows(situation.pack, rules)
        return {name: self._readings_of(situation, name) for name in wanted}

    def _readings_of(self, situation: Situation, name: str) -> tuple[AnyReading, ...]:
        """As the test says; of what an alert carries, where the test says nothing, as it stands there."""
        signal, course, first = situation.pack.signals[name], self._courses.get(name), self._rehearsal.clock
        if isinstance(signal.source, PayloadSource) and course is None:
            carried = read_payload(signal, situation.alerts, self._now, 0.0)
            return tuple(with_history(it, self._carried_since_opened(it)) for it in carried)
        chosen, unread = combinations(signal, situation.labels)
        return (
            *(reading_at(name, course, labels, first, self._now) for labels in chosen),
            *(NoReading(signal=name, why=why, at=self._now, labels=tuple(labels.items())) for why, labels in unread),
        )

    def _carried_since_opened(self, reading: AnyReading) -> list[Sample]:
        return [Sample(at=self._opened_at, value=reading.value)] if isinstance(reading, Reading) else []

    def _answer(self, ask: Ask) -> GivenFinding:
        """What the test says of a check, the most particular name first."""
        names = (ask.name, *names_of(ask))
        return next((self._findings[name] for name in names if name in self._findings), GivenFinding())

    def _came(self) -> Came:
        values: dict[str, object] = {
            "pack": self._pack.name if self._pack else None,
            "ignored": self._ignored > 0 and not self._alerts,
            "acknowledged": self._acknowledged_at is not None,
            "state": self._state(),
        }
        if self._looked is None:
            return nothing_came(self._pack, values)
        return came(self._looked, values, self._history())

    def _state(self) -> str | None:
        if not self._alerts and not self._rehearsal.watch:
            return None
        if self._resolved_at is not None:
            return "resolved"
        return "open" if self._acknowledged_at is None else "acknowledged"


def _firing_first(held: HeldAlert) -> tuple[AlertStatus, datetime, str]:
    return held.alert.status, held.alert.starts_at, held.alert.fingerprint


def _finding(ask: Ask, given: GivenFinding, now: datetime) -> Finding:
    headlines = {Outcome.HEALTHY: "healthy in this test", Outcome.INCONCLUSIVE: "could not look, in this test"}
    return Finding(
        check=ask.check,
        target=ask.target.name if ask.target else "",
        outcome=given.outcome,
        headline=given.headline or headlines.get(given.outcome, ", ".join(given.marks) or "unhealthy in this test"),
        details=given.details,
        marks=given.marks,
        found=given.found,
        asked_at=now,
        subject=ask.subject,
        called=ask.called,
    )
