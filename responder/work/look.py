"""One look at one incident: what it starts from, what each step leaves behind, when the next one is due."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog

from responder.clients.budget import Answered
from responder.diagnostics.examine import Examination
from responder.diagnostics.plan import Plan
from responder.incidents.flapping import flapping, turns_after
from responder.model.finding import Finding, Outcome
from responder.model.incident import WATCH, Incident, IncidentState
from responder.model.pack import Pack, Rule
from responder.model.verdict import Clear, RuleVerdict, key_of, rank
from responder.rules.match import matching
from responder.store import incidents
from responder.store.incidents import FINDING, READINGS, Seen
from responder.store.watches import Watch, join, note_clear
from responder.work.began_with import BeganWith, began_with
from responder.work.desk import OVER, Desk, Next
from responder.work.readings import Readings, ask_for_samples, take, wanted_by
from responder.work.situation import Situation

READ_WITHIN_SECONDS = 5.0
LOOK_AGAIN_SECONDS, SELDOM_SECONDS = 60.0, 300.0  # in its first hour; when it has been open for five
SELDOM_AFTER = 60.0  # a sixtieth of how long it has been open lies between two looks
EXAMINE_AGAIN_SECONDS = 300.0
SHARED_SECONDS = 5.0
STILL_TRUE_SECONDS = 120.0  # what an interrupted look learnt longer ago is learnt again
GRACE_SECONDS = 1.0
WAITS_FOR_ALERTS = "what its alerts say: PagerDuty was heard first"
log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Look:
    """`kept`: what an interrupted look had learnt already."""

    desk: Desk
    seen: Seen
    began_with: BeganWith
    kept: Mapping[str, Any]
    began: float
    took: dict[str, float] = field(default_factory=dict)
    plan: Plan | None = None
    clear_in: float | None = None
    notices: list[str] = field(default_factory=list)

    @classmethod
    async def begin(cls, desk: Desk, number: int) -> Look | None:
        """Load the incident and the rules that it started with; None when there is nothing to look at any more."""
        seen = await incidents.load(desk.store, number)
        if seen is None or seen.incident.state is IncidentState.FOLDED:
            return None
        began = asyncio.get_running_loop().time()
        rules = await began_with(desk, seen)
        notices = list(rules.notices)
        kept = await incidents.steps(desk.store, number, seen.incident.run, younger_than_seconds=STILL_TRUE_SECONDS)
        incident = seen.incident
        if incident.state is IncidentState.RESOLVED and incident.settled_by and incident.firing:
            firing = len(incident.firing) + incident.more_firing
            what = "alert still fires" if firing == 1 else "alerts still fire"
            notices.append(f"{incident.settled_by} resolved it at PagerDuty while {firing} {what}.")
        look = cls(desk=desk, seen=seen, began_with=rules, kept=kept, began=began, notices=notices)
        return look if await look._joined() else None

    async def _joined(self) -> bool:
        """Link the rules that watch what its alerts tell of; whether this incident is the one that goes on."""
        linked = {it.external_id for it in self.incident.links if it.kind == WATCH}
        if self.pack is None or not self.incident.firing or self.incident.state is not IncidentState.OPEN:
            return True
        for rule in matching(self.pack.rules, [it.labels for it in self.incident.firing]):
            if rule.watch_seconds is not None and rule.name not in linked:
                watch = Watch(pack=self.pack.name, rule=rule.name)
                ask_pagerduty = self.desk.pagerduty is not None
                goes_on = await join(self.desk.store, self.incident.id, watch, ask_pagerduty=ask_pagerduty)
                if goes_on != self.incident.id:
                    return False
        return True

    @property
    def pack(self) -> Pack | None:
        """None: no pack covers the incident, or `waits` for who can read its rules."""
        return self.began_with.pack

    @property
    def incident(self) -> Incident:
        """The incident as it was when the look began."""
        return self.seen.incident

    @property
    def now(self) -> datetime:
        """The moment of the look, by the database's clock."""
        return self.seen.now

    @property
    def situation(self) -> Situation:
        """What is known of it, for what decides from facts alone."""
        assert self.pack is not None
        return Situation(
            pack=self.pack,
            incident=self.incident,
            now=self.now,
            former=self.seen.former,
            known=self.seen.known,
            severities=self.seen.severities,
            watched=self.incident.watched,
        )

    @property
    def waits(self) -> Next | None:
        """For who can read its rules; or PagerDuty was heard first: its alerts' own webhook may come any second."""
        if self.began_with.waits is not None:
            return self.began_with.waits
        until = self.incident.awaits_until
        if until is None or self.seen.former is not None:
            return None
        seconds = (until - self.now).total_seconds()
        if not 0 < seconds <= self.desk.first_report_within_seconds:  # more: the database's clock was set back
            return None
        return Next(in_seconds=seconds, waits_for=WAITS_FOR_ALERTS)

    def rules(self) -> tuple[Rule, ...]:
        """The rules that are looked at; none where no pack covers the incident."""
        return self.situation.rules() if self.pack is not None else ()

    def verdicts(self, rules: Sequence[Rule], readings: Readings) -> list[RuleVerdict]:
        """What each rule says, in the order given."""
        return self.situation.verdicts(rules, readings)

    async def read(self, rules: Sequence[Rule]) -> Readings:
        """Every signal that the rules and the questions need, from the real sources."""
        assert self.pack is not None
        if "readings" in self.kept:
            return READINGS.validate_python(self.kept["readings"])
        started = self.desk.clock()
        wanted = wanted_by(self.pack, rules)
        within = min(READ_WITHIN_SECONDS, max(1.0, self.seconds_to_first_report()))
        readings = await take(
            self.desk,
            self.pack,
            self.incident.id,
            wanted,
            self.situation.labels,
            self.situation.alerts,
            self.now,
            within_seconds=within,
        )
        if self.incident.state is IncidentState.OPEN:
            await ask_for_samples(self.desk, self.incident.id, wanted)
        await self._keep("readings", READINGS.dump_python(readings, mode="json"))
        log.debug("readings.kept")
        self.took["read_seconds"] = (self.desk.clock() - started).total_seconds()
        self.desk.metrics.evaluation_seconds.observe(self.took["read_seconds"])
        return readings

    async def settles(self, verdicts: Sequence[RuleVerdict]) -> bool:
        """Whether this look ends what a rule held open by itself: all has been clear for as long as severity holds.

        It is told by the next look, before the severity has fallen: people were called for what it was.
        """
        if not self.incident.watched or self.incident.state is not IncidentState.OPEN:
            return False
        assert self.pack is not None
        self.clear_in = await note_clear(
            self.desk.store,
            self.incident.id,
            self.incident.run,
            is_clear=all(isinstance(it.verdict, Clear) for it in verdicts) and not self.incident.firing,
            at=self.now,
            hold_seconds=self.pack.severity.hold_seconds,
        )
        return self.clear_in == 0

    @asynccontextmanager
    async def examine(self, rules: Sequence[Rule], verdicts: Sequence[RuleVerdict]) -> AsyncIterator[Examination]:
        """Ask the checks of all rules at once; what was asked lately and is still true is not asked again."""
        former = self.seen.former
        self.plan = self.situation.plan(rules, verdicts)
        already = [FINDING.validate_python(it) for name, it in self.kept.items() if name.startswith("finding:")]
        if former is not None and not self._must_examine():
            already = list(former.findings)
        async with Examination(
            self.plan.asks,
            self.desk.diagnostics,
            self.desk.doors,
            timeout_seconds=self.desk.diagnostic_timeout_seconds,
            clock=self.desk.clock,
            on_finding=self._found,
            already=already,
            shared=self.desk.shared,
            # A first look takes what another incident has just been told; a later one wants to know what changed.
            answered_within_seconds=SHARED_SECONDS if former is None else 0.0,
        ) as examination:
            yield examination

    def _must_examine(self) -> bool:
        former = self.seen.former
        if former is None or self.kept:
            return True
        if self.incident.state is IncidentState.RESOLVED:
            return former.state != IncidentState.RESOLVED
        asked = [it.asked_at for it in former.findings if it.asked_at is not None]
        age = (self.desk.clock() - min(asked)).total_seconds() if asked else math.inf  # by the clock that dated them
        old = not 0 <= age < EXAMINE_AGAIN_SECONDS
        unsure = any(it.outcome is Outcome.INCONCLUSIVE for it in former.findings)
        return old or unsure or self.seen.examined != self._evidence()

    def _evidence(self) -> bytes:
        told = sorted(f"{it.fingerprint}{it.status}{it.starts_at.isoformat()}" for it in self.incident.evidence)
        return hashlib.sha256("".join(told).encode()).digest()

    async def _found(self, finding: Finding) -> None:
        await self._keep(f"finding:{finding.name}", FINDING.dump_python(finding, mode="json"))
        log.debug("finding.kept", diagnostic=finding.name)
        self.desk.metrics.diagnostics.labels(finding.check, str(finding.outcome)).inc()
        self.desk.metrics.diagnostic_seconds.labels(finding.check).observe(finding.took_seconds)
        if finding.target:
            self.desk.metrics.target_up.labels(finding.target).set(self._has_answered(finding))

    def _has_answered(self, finding: Finding) -> bool:
        """A target that says that there is no pod has answered, though the check could judge nothing."""
        asks = self.plan.asks if self.plan else ()
        target = next((it.target for it in asks if it.name == finding.name), None)
        came = self.desk.doors.tally(target).outcome if target else None
        judged = finding.outcome is not Outcome.INCONCLUSIVE  # "no answer at /" is a judgement, too
        return came is Answered.ANSWERED or (judged and came is not Answered.NO_ANSWER)

    def seconds_to_first_report(self) -> float:
        """What is left until the first report must leave; a later look has the same patience."""
        if self.seen.former is not None:
            return self.desk.first_report_within_seconds
        passed = asyncio.get_running_loop().time() - self.began  # since `now`, which is the database's clock
        left = (self.incident.first_report_due - self.now).total_seconds()
        return max(0.0, min(left, self.desk.first_report_within_seconds) - passed - GRACE_SECONDS)

    def seconds_to_give_up(self) -> float:
        """Longer than the longest deadline that a check was given; each gives up at its own."""
        longest = max((it.timeout_seconds or 0.0 for it in self.plan.asks), default=0.0) if self.plan else 0.0
        return max(longest, self.desk.diagnostic_timeout_seconds) + GRACE_SECONDS

    async def tell(
        self, verdicts: Sequence[RuleVerdict], readings: Readings, examination: Examination, *, last: bool
    ) -> None:
        """Decide the severity with what is known by now, compose the report, keep it and ask for its deliveries."""
        assert self.plan is not None
        situation, former = self.situation, self.seen.former
        marks = frozenset(mark for it in examination.findings for mark in it.marks)
        assessment = situation.assess(verdicts, readings, self._marks(marks, last=last))
        turned_at = turns_after(self.seen.turned_at, self.seen.known, verdicts, self.now)
        flaps = flapping(turned_at)
        report = situation.report(
            verdicts,
            assessment,
            self.plan,
            examination.findings,
            at=self.desk.clock(),
            still_looking=examination.still_looking,
            page_url=f"{self.desk.page_url}/incidents/{self.incident.slug}" if self.desk.page_url else "",
            notices=[*self.notices, *([f"It {flaps}."] if flaps else [])],
        )
        report = replace(report, flaps=len(turned_at) if flaps else 0)
        look = incidents.Look(
            report=report,
            assessment=report.assessment,
            severities=situation.severities_after(assessment),
            known=situation.known_after(verdicts),
            examined=self._evidence() if last else None,
            last=last,
            turned_at=turned_at,
        )
        if last and report.look_first[:1] != (former.look_first[:1] if former else ()) and report.look_first:
            await incidents.note(self.desk.store, self.incident.id, f"look here first: {report.look_first[0].text}")
        await incidents.save_look(self.desk.store, self.incident.id, self.incident.run, look, self.desk.told)
        log.info(
            "report.composed",
            incident=self.incident.slug,
            severity=report.severity,
            title=report.title,
            complete=report.complete,
        )

    def _marks(self, found: frozenset[str], *, last: bool) -> frozenset[str] | None:
        """Until all checks have answered a mark that is missing is not known to be missing, but those of the last
        look still stand."""
        if last or self.seen.former is None:
            return found if last else None
        return found | {mark for it in self.seen.former.findings for mark in it.marks}

    async def end(self, rules: Sequence[Rule], verdicts: Sequence[RuleVerdict], readings: Readings) -> Next:
        """Say that every new alert was handled; due again while the incident is open."""
        for it in verdicts:
            self.desk.metrics.evaluations.labels(it.rule, key_of(it.verdict)).inc()
        gravest = min((it.verdict for it in verdicts), key=rank)
        await self._say_handled(verdict=key_of(gravest), rules=[it.rule for it in verdicts])
        if self.incident.state is not IncidentState.OPEN:
            return OVER
        passed = asyncio.get_running_loop().time() - self.began  # what is due is so whatever the look took
        decided = ((at - self.now).total_seconds() - passed for at in self.situation.decided_at(rules, readings))
        clear = [self.clear_in] if self.clear_in is not None else []
        often = [it.watch_seconds for it in rules if it.watch_seconds is not None and self.incident.watched]
        seconds = min([self._routine_seconds(), *often, *decided, *clear])
        payload = self.began_with.payload
        return Next(in_seconds=max(seconds, 1.0), waits_for="looks again until resolved", payload=payload)

    def _routine_seconds(self) -> float:
        """What has been open for hours is looked at less often: news and timers bring the next look in any case."""
        open_for = (self.now - self.incident.opened_at).total_seconds()
        return min(max(open_for / SELDOM_AFTER, LOOK_AGAIN_SECONDS), SELDOM_SECONDS)

    async def end_without_rule(self) -> Next:
        """Stored, listed, counted; no report."""
        if await self._say_handled(verdict="", rules=[]):
            await incidents.note(
                self.desk.store, self.incident.id, "no rule matches and the pack has no default rule: no report"
            )
        return OVER

    async def _say_handled(self, *, verdict: str, rules: Sequence[str]) -> int:
        handled = await incidents.handled(self.desk.store, self.incident.id, self.now)
        for alert in handled:
            log.info(
                "alert.handled", incident=self.incident.slug, verdict=verdict, rules=list(rules), **alert, **self.took
            )
        return len(handled)

    async def _keep(self, name: str, outcome: Any) -> None:
        await incidents.save_step(self.desk.store, self.incident.id, self.incident.run, name, outcome)
