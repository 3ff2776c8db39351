"""Incidents as facts, for tests of what is told about them: the one of the specification's first page, and pieces."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from responder.model.alert import Alert, AlertStatus
from responder.model.assessment import Answer, Assessment, Said
from responder.model.finding import Change, Finding, Outcome, Table
from responder.model.incident import HeldAlert, Incident, IncidentState, Link
from responder.model.pack import HttpSource, Matcher, MatcherLine, Pack, Position, Rule, Signal, Suggest
from responder.model.reading import NoReading, Reading
from responder.model.report import Report
from responder.model.verdict import Breach, Level, RuleVerdict, SignalVerdict, Unknown, Verdict
from responder.report.compose import compose

NOW = datetime(2026, 11, 21, 3, 12, 9, tzinfo=UTC)
ONSET = NOW - timedelta(minutes=4, seconds=10)
PAGE = "https://responder.example/incidents/inc-7K3F"


def before_onset(**distance: float) -> datetime:
    return ONSET - timedelta(**distance)


def alert(name: str = "HighErrorRate", *, resolved: bool = False, at: datetime = ONSET, **labels: str) -> HeldAlert:
    every = {"alertname": name, "service": "payments", **labels}
    return HeldAlert(
        alert=Alert(
            fingerprint=f"{abs(hash_of(every)):016x}",
            status=AlertStatus.RESOLVED if resolved else AlertStatus.FIRING,
            starts_at=at,
            ends_at=NOW if resolved else None,
            labels=every,
            annotations={"summary": "API answers 5xx"},
            generator_url="http://prometheus.example/graph?g0.expr=up",
        ),
        kind="alertmanager",
        source="default",
        first_seen=at,
        last_seen=NOW,
    )


def hash_of(labels: dict[str, str]) -> int:
    return int.from_bytes("\0".join(f"{k}\1{v}" for k, v in sorted(labels.items())).encode()[-7:], "big")


def incident(*alerts: HeldAlert, resolved_at: datetime | None = None, **changes: Any) -> Incident:
    whole = Incident(
        id=240751,
        slug="inc-7K3F",
        state=IncidentState.RESOLVED if resolved_at else IncidentState.OPEN,
        pack="carecircle",
        rule_set=None,
        severity=None,
        opened_at=NOW - timedelta(seconds=4),
        acknowledged_at=None,
        resolved_at=resolved_at,
        first_report_due=NOW,
        run=1,
        continues=None,
        alerts=alerts or (alert(),),
        links=(Link(kind="alertmanager", source="default", key=b"k" * 32, url="http://alertmanager.example"),),
    )
    return replace(whole, **changes)


def matching(label: str, value: str) -> MatcherLine:
    def fits(found: str) -> bool:
        return found == value

    return MatcherLine(
        matchers=(Matcher(label=label, operator="=", value=value, fits=fits),), text=f'{label}="{value}"'
    )


ROLL_BACK = Suggest(
    do="Roll back the last deployment",
    run="kubectl rollout undo deployment/{{ found.deployment }} -n {{ found.namespace }}",
    when=("recent_rollout",),
)


def rule(name: str = "api-error-rate", *, line: int = 1, summary: str = "API error rate", **changes: Any) -> Rule:
    whole = Rule(
        name=name,
        written_at=Position(file="rules.yaml", line=line, column=3),
        summary=summary,
        match=(matching("service", "payments"),),
        runbook="https://runbooks.example.com/api-outage",
        suggest=(ROLL_BACK,),
    )
    return replace(whole, **changes)


def pack(*rules: Rule, time_zone: str = "Europe/Bucharest") -> Pack:
    return Pack(
        name="carecircle",
        hash=b"h" * 32,
        files={},
        rules=rules or (rule(),),
        time_zone=time_zone,
        signals={
            "error_rate": Signal(name="error_rate", unit="percent", source=HttpSource(target="api", up=("/",))),
            "queues": Signal(name="queues", unit="count", noun="waiting", source=HttpSource(target="api", time="/")),
        },
    )


CRITICAL = Breach(level=Level.CRITICAL, since=ONSET)
WARNING = Breach(level=Level.WARNING, since=ONSET)


def verdict_on(
    verdict: Verdict,
    *,
    value: float = 7.3,
    signal: str = "error_rate",
    bound: str = "> 5% for 2m",
    labels: tuple[tuple[str, str], ...] = (),
) -> SignalVerdict:
    origin = "100 * sum(rate(http_requests_total[1m]))"
    reading = (
        NoReading(signal=signal, why=verdict.why, at=NOW, labels=labels, origin=origin)
        if isinstance(verdict, Unknown)
        else Reading(signal=signal, value=value, at=NOW, labels=labels, origin=origin)
    )
    return SignalVerdict(signal=signal, verdict=verdict, reading=reading, bound=bound)


def says(verdict: Verdict = CRITICAL, *signals: SignalVerdict, rule: str = "api-error-rate", **of: Any) -> RuleVerdict:
    return RuleVerdict(rule=rule, verdict=verdict, signals=signals or (verdict_on(verdict, **of),))


HALF = Answer(ask="Are > 50 % of requests failing?", said=Said.NO, because="7.3 %")
PAYMENTS = Answer(ask="Is payment processing affected?", said=Said.YES, because="service=payments", result="P1")
P1 = Assessment(level="P1", raw="P1", rank=0, decided_by=PAYMENTS.ask, answers=(HALF, PAYMENTS))
P2 = Assessment(level="P2", raw="P2", rank=1, decided_by="otherwise", answers=(HALF,))
P4 = Assessment(level="P4", raw="P4", rank=3, decided_by="otherwise", answers=(HALF,))


def finding(check: str, headline: str, outcome: Outcome = Outcome.HEALTHY, **more: Any) -> Finding:
    return Finding(check=check, target=more.pop("target", ""), outcome=outcome, headline=headline, **more)


ROLLOUT = finding(
    "kubernetes.rollouts",
    "1 rollout in 6h",
    target="cluster",
    changes=(
        Change(
            at=before_onset(minutes=3, seconds=50),
            what="Rollout payments-api rev 42: image 2.14.0 → 2.15.0",
            by="ci",
        ),
    ),
    marks=("recent_rollout",),
    found={"deployment": "payments-api", "namespace": "prod"},
    equivalent="kubectl rollout history deployment/payments-api -n prod",
)
CRASHING = finding(
    "kubernetes.pods",
    "3/6 pods CrashLoopBackOff (exit 1, 14 restarts): KeyError 'STRIPE_KEY' ×212, new since onset",
    Outcome.UNHEALTHY,
    gravity=80,
    marks=("crash_loop",),
    table=Table(
        columns=("pod", "ready", "status", "restarts", "last termination", "age"),
        rows=tuple(
            (f"payments-api-7c9f5d6b8-{end}", "0/1", "CrashLoopBackOff", "14", "exit 1, 41s ago", "8m") for end in "xyz"
        ),
        cut="cut at 3 of 6 rows",
    ),
    equivalent="kubectl get pods -n prod -l app=payments-api",
)
POOL = finding(
    "postgres.connections",
    'pool 96 of 100 connections, 41 idle in transaction, oldest 14m ("worker")',
    Outcome.UNHEALTHY,
    gravity=40,
)
BREAKERS = finding("http.json", "2 breakers open (stripe, hubspot)", Outcome.UNHEALTHY, gravity=30)
HEALTH = finding("http.status", "/health 200 in 34 ms")
REDIS = finding("redis.ping", "Redis 41 ms")
STRIPE = finding("statuspage.status", "Stripe status operational")
HELM = finding("helm history", "forbidden: list secrets", Outcome.INCONCLUSIVE)
FINDINGS = (HEALTH, REDIS, HELM, CRASHING, POOL, STRIPE, BREAKERS, ROLLOUT)


def report(**changes: Any) -> Report:
    """What is composed of the specification's situation, with some facts changed."""
    facts: dict[str, Any] = {
        "incident": incident(),
        "pack": pack(),
        "verdicts": (says(),),
        "assessment": P1,
        "findings": FINDINGS,
        "still_looking": (),
        "left_out": (),
        "asked": 8,
        "took_seconds": 3.14,
        "former": None,
        "page_url": PAGE,
        "now": NOW,
    }
    return compose(**(facts | changes))
