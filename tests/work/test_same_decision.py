"""The same facts lead to the same decision: in the daemon's looks, in `explain`, and in a test of rules.

The daemon's part is played by `respond` itself, look after look as it asks for the next one; only what reaches outside
(the store, the sources, the checks) answers from the facts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from responder.cli import explain as explaining
from responder.clients.doors import Doors
from responder.diagnostics.catalogue import specs
from responder.intake.fingerprint import fingerprint_of
from responder.model.alert import Alert, AlertStatus, Webhook
from responder.model.finding import Finding, Outcome
from responder.model.incident import HeldAlert, Incident, IncidentState
from responder.model.pack import Position
from responder.model.reading import AnyReading, NoReading, Reading, Sample
from responder.model.rehearsal import Course, Expected, GivenAlert, GivenFinding, Rehearsal, Step
from responder.model.verdict import key_of
from responder.rules.courses import LONG_BEFORE
from responder.rules.packs import pack_from_files
from responder.settings import Settings
from responder.signals.label_values import combinations
from responder.store import incidents
from responder.store.incidents import Seen
from responder.store.work import Claimed
from responder.telemetry import Metrics
from responder.work import look as looking
from responder.work.began_with import BeganWith
from responder.work.look import Look
from responder.work.rehearse import rehearse
from responder.work.respond import respond

CLOCK = datetime(2026, 3, 3, 12, tzinfo=UTC)
STEP = 30.0  # every moment of the facts is a multiple, so that samples stand where values change
PACK = pack_from_files(
    "p",
    {
        "pack.yaml": """
targets:
  prometheus: {prometheus: "http://prometheus:9090"}
  api: {http: "https://api.example.com"}
signals:
  error_rate: {unit: percent, prometheus: {query: 'rate{service="{{ labels.service }}"}', step: 30s}}
  serving: {unit: percent, http: {target: api, up: [/health]}}
rules:
  - name: errors
    match: ['alertname="Errors"']
    thresholds: {error_rate: {warning: "> 1% for 5m", critical: "> 5% for 2m", resolve: "< 0.5% for 5m"}}
    diagnose: [http.status: {paths: ["/{{ labels.service }}"], when: critical}]
    suggest: [{do: Restart it, when: failing}, {do: Look}]
  - {name: job, match: ['alertname="Job"'], level: warning, diagnose: [http.status: {paths: [/job]}]}
  - {name: rest, default: true}
severity:
  hold: 10m
  decide:
    - {ask: dev, when: {every: 'environment="dev"'}, then: {at_most: P3}}
    - {ask: down, when: {serving: "< 1%"}, unknown: yes, then: P1}
    - {ask: found, when: {mark: failing}, then: {at_least: P2}}
    - {ask: paid, when: [{labels: 'service="payments"'}], then: {critical: P1, warning: P2, clear: P4}}
  otherwise: {critical: P2, warning: P3, pending: P3, unknown: P3, clear: P4}
"""
    },
    specs(),
)

labels = st.fixed_dictionaries(
    {"alertname": st.sampled_from(["Errors", "Job", "Other"])},
    optional={"service": st.sampled_from(["api", "payments"]), "environment": st.sampled_from(["dev", "prod"])},
)
values = st.sampled_from([None, 0.0, 0.3, 0.7, 3.0, 7.0])
lasting = st.sampled_from([None, 0.0, 30.0, 90.0, 120.0, 240.0, 300.0, 330.0])
rates = st.tuples(values, lasting)
later = st.tuples(st.integers(1, 30).map(lambda it: it * STEP), st.none() | rates)


@dataclass(frozen=True)
class Facts:
    """`rates`: (at, value, for how long by then) of error_rate; between them it goes on."""

    alerts: tuple[Mapping[str, str], ...]
    rates: tuple[tuple[float, float | None, float | None], ...]
    serving: float | None
    failing: bool
    steps: tuple[float, ...]


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    first, moments = draw(rates), [0.0]
    said = [(0.0, *first)]
    for after, rate in draw(st.lists(later, max_size=3)):
        moments.append(moments[-1] + after)
        said += [(moments[-1], *rate)] if rate is not None else []
    alerts = draw(st.lists(labels, min_size=1, max_size=2, unique_by=lambda it: tuple(sorted(it.items()))))
    serving = draw(st.sampled_from([None, 0.0, 100.0]))
    return Facts(tuple(alerts), tuple(said), serving, draw(st.booleans()), tuple(moments))


def alerts_of(facts: Facts) -> tuple[Alert, ...]:
    return tuple(
        Alert(
            fingerprint=fingerprint_of(it),
            status=AlertStatus.FIRING,
            starts_at=CLOCK,
            ends_at=None,
            labels={**it, "source": "alertmanager"},
            annotations={},
        )
        for it in facts.alerts
    )


def readings_of(facts: Facts, alerts: Sequence[Alert], now: datetime) -> dict[str, tuple[AnyReading, ...]]:
    """As Prometheus would give them: one sample a step. What was before a value that has not lasted is over no bound
    that it is over, and over one that it is not."""
    at = (now - CLOCK).total_seconds()
    since, value, lasted = [it for it in facts.rates if it[0] <= at][-1]
    begin = -1e9 if lasted is None else since - lasted
    moments = [at - STEP * number for number in range(60, -1, -1)]
    before = 0.0 if value is not None and value > 1 else 50.0
    shown = {it: value if it >= begin else (None if value is None else before) for it in moments}
    past = tuple(Sample(at=CLOCK + timedelta(seconds=it), value=shown[it]) for it in moments)
    chosen, unread = combinations(PACK.signals["error_rate"], [it.labels for it in alerts])
    rate = [reading("error_rate", value, now, past, it) for it in chosen]
    rate += [NoReading(signal="error_rate", why=why, at=now, labels=tuple(it.items())) for why, it in unread]
    return {"error_rate": tuple(rate), "serving": (reading("serving", facts.serving, now, (), {}),)}


def reading(
    name: str, value: float | None, now: datetime, past: tuple[Sample, ...], labels: Mapping[str, str]
) -> AnyReading:
    there = tuple(labels.items())
    if value is None:
        return NoReading(signal=name, why="no samples", at=now, past=past, step_seconds=STEP, labels=there)
    return Reading(signal=name, value=value, at=now, past=past, step_seconds=STEP, labels=there)


def finding(facts: Facts, check: str, target: str) -> Finding:
    marks = ("failing",) if facts.failing else ()
    outcome = Outcome.UNHEALTHY if facts.failing else Outcome.HEALTHY
    return Finding(check=check, target=target, outcome=outcome, headline="as the facts say", marks=marks)


class Check:
    """A diagnostic that answers from the facts."""

    name = "http.status"

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    async def examine(self, target: Any, parameters: Any, doors: Any) -> Finding:
        return finding(self._facts, self.name, target.name)


class Daemon:
    """Looks at one incident whenever `respond` wants to, and keeps what the store would keep."""

    def __init__(self, facts: Facts, patch: pytest.MonkeyPatch) -> None:
        self._facts, self._alerts = facts, alerts_of(facts)
        self.now = CLOCK
        self.last: Any = None
        self.asked: list[str] = []
        self.desk: Any = SimpleNamespace(
            store=None, doors=Doors({}), diagnostics={"http.status": Check(facts)}, diagnostic_timeout_seconds=10.0,
            first_report_within_seconds=15.0, page_url="", told={}, shared=None, metrics=Metrics(),
            clock=lambda: self.now,
        )  # fmt: skip
        # A look takes no time by the clock that the daemon counts it with.
        patch.setattr(looking, "asyncio", SimpleNamespace(get_running_loop=lambda: SimpleNamespace(time=lambda: 0.0)))
        patch.setattr(Look, "begin", self._begin)
        patch.setattr(looking, "take", self._take)
        patch.setattr(looking, "ask_for_samples", nothing)
        for name in ("save_step", "note"):
            patch.setattr(incidents, name, nothing)
        patch.setattr(incidents, "handled", none)
        patch.setattr(incidents, "save_look", self._save)

    async def look(self) -> float | None:
        """Seconds until it wants to look again."""
        self.last = None
        due = await respond(Claimed(id=1, kind="respond", key="1", attempt=1, failures=0), self.desk)
        return due.in_seconds

    async def _begin(self, *_: Any) -> Look:
        self._look = Look(
            desk=self.desk,
            seen=self._seen(),
            began_with=BeganWith(pack=PACK),
            kept={},
            began=0.0,
        )
        return self._look

    def _seen(self) -> Seen:
        former = self.kept if hasattr(self, "kept") else None
        return Seen(
            incident=incident(self._alerts),
            former=former.report if former else None,
            severities=tuple(former.severities) if former else (),
            examined=former.examined if former else None,
            known=tuple(former.known) if former else (),
            now=self.now,
        )

    async def _take(self, *_: Any, **__: Any) -> Any:
        return readings_of(self._facts, self._alerts, self.now)

    async def _save(self, store: Any, number: int, run: int, look: incidents.Look, told: Any) -> None:
        self.kept = self.last = look
        assert self._look.plan is not None
        self.asked = [it.name for it in self._look.plan.asks]


async def nothing(*_: Any, **__: Any) -> None:
    """What the store would do."""


async def none(*_: Any) -> list[Any]:
    return []


def incident(alerts: Iterable[Alert]) -> Incident:
    held = [
        HeldAlert(alert=it, kind="alertmanager", source="default", first_seen=CLOCK, last_seen=CLOCK) for it in alerts
    ]
    return Incident(
        id=1, slug="inc-0001", state=IncidentState.OPEN, pack=None, rule_set=None, severity=None, opened_at=CLOCK,
        acknowledged_at=None, resolved_at=None, first_report_due=CLOCK, run=1, continues=None, links=(),
        alerts=tuple(sorted(held, key=lambda it: it.alert.fingerprint)),
    )  # fmt: skip


async def daemons_decisions(facts: Facts, patch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What it says at each step, having looked in between as it pleases."""
    daemon = Daemon(facts, patch)
    decisions: list[dict[str, Any]] = []
    due: float | None = None
    for moment in facts.steps:
        at = CLOCK + timedelta(seconds=moment)
        while due is not None and daemon.now + timedelta(seconds=due) < at:
            daemon.now += timedelta(seconds=due)
            due = await daemon.look()
        daemon.now = at
        due = await daemon.look()
        decisions.append(decided(daemon.last.report, daemon.asked, at))
    return decisions


def decided(report: Any, asked: Sequence[str], now: datetime) -> dict[str, Any]:
    falls_at = report.assessment.falls_at
    return {
        "rules": [it.rule for it in report.verdicts],
        "verdict": {it.rule: key_of(it.verdict) for it in report.verdicts},
        "severity": report.severity,
        "decided_by": report.assessment.decided_by,
        "answers": {it.ask: str(it.said) for it in report.assessment.answers},
        "diagnostics": list(asked),
        "suggest": [it.do for it in report.suggestions],
        "falls_in": (falls_at - now).total_seconds() if falls_at else "none",
    }


def as_a_test(facts: Facts, decisions: Sequence[Mapping[str, Any]]) -> Rehearsal:
    """The facts as a test says them, expecting what was decided."""
    at = Position(file="facts", line=1, column=1)
    rates = {since: (value, lasted) for since, value, lasted in facts.rates}
    steps = [
        Step(
            at_seconds=moment,
            written_at=at,
            alerts=() if number else tuple(GivenAlert(labels=it) for it in facts.alerts),
            readings={
                **({} if number else {"serving": Course(points=((LONG_BEFORE, facts.serving),))}),
                **({"error_rate": course(moment, *rates[moment])} if moment in rates else {}),
            },
            findings={"http.status": GivenFinding(marks=("failing",) if facts.failing else ())},
            expect=tuple(Expected(key=key, value=value, at=at, line="") for key, value in decisions[number].items()),
        )
        for number, moment in enumerate(facts.steps)
    ]
    return Rehearsal(name="facts", written_at=at, steps=tuple(steps), clock=CLOCK)


def course(at: float, value: float | None, lasted: float | None) -> Course:
    if lasted is None:
        return Course(points=((LONG_BEFORE, value),))
    return Course(points=((LONG_BEFORE, None), (at - lasted, value)))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(facts())
def test_a_test_of_rules_comes_out_as_the_daemon_decides(facts: Facts) -> None:
    with pytest.MonkeyPatch.context() as patch:
        decisions = asyncio.run(daemons_decisions(facts, patch))

    failures = rehearse(as_a_test(facts, decisions), PACK).failures

    assert [(it.at_seconds, it.expected.key, it.wanted, it.got) for it in failures] == []


@settings(max_examples=50, deadline=None)
@given(facts())
def test_explain_decides_as_the_daemon_does(facts: Facts) -> None:
    with pytest.MonkeyPatch.context() as patch:
        (decision,) = asyncio.run(daemons_decisions(replace(facts, steps=(0.0,)), patch))

        async def read(*_: Any, **__: Any) -> Any:
            return readings_of(facts, alerts_of(facts), CLOCK)

        async def findings(asks: Any, *_: Any) -> Any:
            return tuple(replace(finding(facts, it.check, it.target.name), subject=it.subject) for it in asks)

        patch.setattr(explaining, "read", read)
        patch.setattr(explaining, "_findings", findings)
        webhook = Webhook(kind="alertmanager", source="default", key=b"1", alerts=alerts_of(facts))
        explained = asyncio.run(explaining.explain(webhook, (PACK,), CLOCK, Settings(), diagnose=True))

    assert explained.plan is not None
    assert decided(explained.report, [it.name for it in explained.plan.asks], CLOCK) == decision
