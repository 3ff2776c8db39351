"""What rules would have said of a recorded incident, decided by the daemon's own functions from what was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from responder.model.alert import AlertStatus
from responder.model.incident import HeldAlert, Incident
from responder.model.pack import Bound, Pack, Rule
from responder.model.reading import AnyReading, NoReading, Reading
from responder.model.verdict import RuleVerdict, key_of, rank
from responder.model.window import run_over
from responder.report.suggest import suggestions_of
from responder.rules.match import windows
from responder.store.recorded import Moment, Recorded
from responder.work.situation import Situation

NOT_RECORDED = "was not read then"
CHANGED = "is read in another way now: what that would have given was not recorded"


@dataclass(slots=True, kw_only=True)
class Said:
    """What a set of rules says of a whole incident. `rules`: rule → the gravest of its verdicts; `severity`: the
    gravest, with the question that decided; `unknown`: signal or check → why it cannot be told."""

    pack: str = ""
    rules: dict[str, str] = field(default_factory=dict)
    severity: str | None = None
    decided_by: str = ""
    checks: set[str] = field(default_factory=set)
    suggestions: set[str] = field(default_factory=set)
    unknown: dict[str, str] = field(default_factory=dict)


def replayed(recorded: Recorded, pack: Pack | None, then: Pack | None) -> Said:
    """Hold a pack against every recorded look. `then`: the pack whose readings were recorded, None where unknown."""
    if pack is None:
        return Said()
    replay = _Replay(pack=pack, then=then, said=Said(pack=pack.name))
    incident = recorded.incident
    first = Moment(at=_heard_at(incident), readings={}, findings=())
    for moment in recorded.moments or (first,):
        replay.look(as_it_was(incident, moment.at), moment)
    return replay.said


@dataclass(slots=True, kw_only=True)
class _Replay:
    """One pass over the looks of an incident."""

    pack: Pack
    then: Pack | None
    said: Said
    known: Sequence[RuleVerdict] = ()
    severities: Sequence[tuple[datetime, str]] = ()
    gravest: dict[str, int] = field(default_factory=dict)
    place: int | None = None

    def look(self, incident: Incident, moment: Moment) -> None:
        """What is decided at one recorded look, and what it leaves behind for the next, as in the daemon."""
        situation = Situation(
            pack=self.pack,
            incident=incident,
            now=moment.at,
            known=self.known,
            severities=self.severities,
            watched=incident.watched,
        )
        rules = situation.rules()
        if not rules:
            return
        readings = self._readings(rules, moment)
        verdicts = situation.verdicts(rules, readings)
        names = {it.name for it in situation.plan(rules, verdicts).asks}
        assessment = situation.assess(verdicts, readings, self._marks(names, moment))
        self.known = situation.known_after(verdicts)
        self.severities = situation.severities_after(assessment)
        for it in verdicts:
            self._note(it)
        if self.place is None or assessment.rank < self.place:
            self.place = assessment.rank
            self.said.severity, self.said.decided_by = assessment.level, assessment.decided_by
        self.said.checks |= names
        findings = [it for it in moment.findings if it.name in names]
        told = suggestions_of(rules, findings, situation.alerts, resolved=False)
        self.said.suggestions |= {it.do for it in told}

    def _note(self, verdict: RuleVerdict) -> None:
        place = rank(verdict.verdict)
        if place < self.gravest.get(verdict.rule, 99):
            self.gravest[verdict.rule] = place
            self.said.rules[verdict.rule] = key_of(verdict.verdict)

    def _readings(self, rules: Sequence[Rule], moment: Moment) -> dict[str, tuple[AnyReading, ...]]:
        """Those that were recorded and mean the same in this pack; the others are unknown, each with its reason."""
        found: dict[str, tuple[AnyReading, ...]] = {}
        for name, seconds in windows(self.pack, rules).items():
            why = self._why_not(name, moment)
            read = moment.readings.get(name, ()) if not why else ()
            if not why and (too_short := _too_short(read, self.pack, name, rules, max(seconds, default=0.0))):
                why = too_short
            if why:
                self.said.unknown[name] = why
                read = (NoReading(signal=name, why=f"{name} {why}", at=moment.at),)
            found[name] = read
        return found

    def _why_not(self, name: str, moment: Moment) -> str:
        if name not in moment.readings:
            return NOT_RECORDED
        if self.then is not None and self.then.signals.get(name) != self.pack.signals[name]:
            return CHANGED
        return ""

    def _marks(self, names: set[str], moment: Moment) -> frozenset[str] | None:
        """None where a check that these rules ask was not asked then: what it would have found is not known."""
        missing = names - {it.name for it in moment.findings}
        for it in missing if moment.findings or moment.readings else ():
            self.said.unknown[it] = "was not asked then"
        return None if missing else frozenset(mark for it in moment.findings if it.name in names for mark in it.marks)


def _too_short(read: Sequence[AnyReading], pack: Pack, name: str, rules: Sequence[Rule], seconds: float) -> str:
    """Why a bound that must last longer than what was read back then cannot be judged; empty when all can."""
    if not pack.signals[name].source.has_past:
        return ""
    for it in read:
        for bound in _bounds(rules, name):
            run = run_over(bound, it) if isinstance(it, Reading) else None
            if run and run.whole and (run.until - run.since).total_seconds() + it.step_seconds < bound.for_seconds:
                return f"was read for a shorter time than {seconds:g} s"
    return ""


def _bounds(rules: Sequence[Rule], name: str) -> list[Bound]:
    return [bound for rule in rules for it in rule.thresholds if it.signal == name for bound in it.bounds]


def _heard_at(incident: Incident) -> datetime:
    return max((it.first_seen for it in incident.alerts), default=incident.opened_at)


def as_it_was(incident: Incident, at: datetime) -> Incident:
    """With the alerts that had been heard of by then, firing unless they had ended."""
    return replace(incident, alerts=tuple(_alert_at(it, at) for it in incident.alerts if it.first_seen <= at))


def _alert_at(held: HeldAlert, at: datetime) -> HeldAlert:
    ended = held.alert.ends_at is not None and held.alert.status is AlertStatus.RESOLVED and held.alert.ends_at <= at
    status = AlertStatus.RESOLVED if ended else AlertStatus.FIRING
    return replace(held, alert=replace(held.alert, status=status))


def differences(then: Said, now: Said) -> Mapping[str, object]:
    """What is not the same, by theme; empty when all is."""
    found: dict[str, object] = {}
    if then.pack != now.pack:
        found["pack"] = [then.pack or None, now.pack or None]
    if then.severity != now.severity:
        found["severity"] = [then.severity, now.severity]
    elif then.decided_by != now.decided_by:
        found["decided_by"] = [then.decided_by, now.decided_by]
    rules = {
        name: [then.rules.get(name), now.rules.get(name)]
        for name in sorted({*then.rules, *now.rules})
        if then.rules.get(name) != now.rules.get(name)
    }
    if rules:
        found["rules"] = rules
    for theme in ("checks", "suggestions"):
        before, after = getattr(then, theme), getattr(now, theme)
        if before != after:
            found[theme] = {"more": sorted(after - before), "fewer": sorted(before - after)}
    return found
