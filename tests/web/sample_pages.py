"""Pages to look at and to test: what an SRE sees of a quiet night, a P1, its end, and labels that mean harm."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

from responder.diagnostics.catalogue import specs
from responder.model.asked import TRIGGERED, Asked, Scope, Subscription
from responder.model.finding import Chart, Curve, Outcome, Table
from responder.model.pack import Position, Suggest
from responder.model.verdict import Clear, Unknown
from responder.rules.complaints import Problem
from responder.rules.in_force import RulesInForce
from responder.rules.packs import Loaded, pack_from_files
from responder.store.targets import SinkKept
from responder.web.looking import Looked, TargetLine
from responder.web.pages import DeliveryLine, IncidentView, Line, Pages, TimelineEntry, WaitLine
from tests.report.situations import (
    CRITICAL,
    FINDINGS,
    HEALTH,
    NOW,
    ONSET,
    P4,
    REDIS,
    ROLL_BACK,
    STRIPE,
    WARNING,
    alert,
    finding,
    incident,
    pack,
    report,
    rule,
    says,
)

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}{% raw %} \u202eevil\u200b\x1b[31m'
LONG = "x" * 3000

SHOP = """
pack: shop
for: ['namespace="shop"', 'app=~"shop-.*"']
time_zone: Europe/Bucharest
targets:
  prometheus: {prometheus: http://prometheus:9090}
  api: {http: "https://shop.example.com"}
signals:
  error_rate: {unit: percent, prometheus: {query: errors}}
  serving: {unit: percent, http: {up: [/health, /ready]}}
rules:
  - name: shop-errors
    summary: The shop answers 5xx
    match: ['alertname="HighErrorRate", service=~"api|gateway|payments"', 'alertname="Burn"']
    thresholds:
      error_rate: {warning: "> 1% for 5m", critical: "> 5% for 2m", resolve: "< 0.5% for 5m"}
      serving: {critical: "< 1%"}
    combine: all
    runbook: https://runbooks.example.com/shop
    diagnose: [http.status: {paths: [/health]}, prometheus.query: {query: up, as: who is up}]
  - {name: job-failed, match: ['alertname="KubeJobFailed"'], level: warning, private: true}
  - {name: anything-else, default: true, summary: An alert that no rule knows}
  - {name: watch-errors, watch: 30s, labels: {service: shop}, thresholds: {error_rate: {critical: "> 9%"}}}
"""

PAGES = Pages("prod", "https://responder.example")
LATER = NOW + timedelta(minutes=28)

TIMELINE = (
    TimelineEntry(at=ONSET, what="alert HighErrorRate began to fire"),
    TimelineEntry(at=NOW - timedelta(seconds=4), what="accepted from alertmanager default: 1 alert"),
    TimelineEntry(at=NOW, what="severity P1, decided by “Is payment processing affected?”"),
)
DELIVERIES = (
    DeliveryLine(sink="pagerduty", object="Q2X9ABCDEF", state="visible", why="", delivered_at=NOW),
    DeliveryLine(
        sink="slack",
        object="#incidents",
        state="waiting",
        why="rate limited: 1 message a second, 3 ahead of this one",
        delivered_at=None,
    ),
)


WAITS = (
    WaitLine(
        work="respond", object="", why="under way", since=ONSET, until=NOW + timedelta(seconds=9), held=True, failures=0
    ),
    WaitLine(
        work="deliver:pagerduty_note",
        object="Q2X9ABCDEF",
        why="PagerDuty answered 429 Too Many Requests",
        since=NOW - timedelta(seconds=40),
        until=NOW + timedelta(seconds=12),
        held=False,
        failures=3,
    ),
)


def p1_view() -> IncidentView:
    flush = Suggest(do="Flush the cache", run="redis-cli -h cache FLUSHDB", caution="ends every session", phase="after")
    wordy = Suggest(
        do="Look at the logs of the pods that crash",
        run="kubectl logs -n {{ labels.namespace }} -l app={{ labels.service }} --previous --tail=200",
        see="https://runbooks.example.com/crash-loop",
    )
    of_incident = incident(
        alert(namespace="prod", severity="critical"),
        alert("PodCrashLooping", namespace="prod", pod="payments-api-7c9f5d6b8-x", cluster="eu-west-1"),
    )
    rules = pack(
        rule(suggest=(replace(ROLL_BACK, see="https://runbooks.example.com/rollback"), wordy, flush)),
        rule("queue-backlog", line=20, summary="Queues wait"),
        rule("pool", line=30, summary="Connection pool"),
    )
    logs = finding(
        "kubernetes.logs",
        "1 new message shape since onset: KeyError 'STRIPE_KEY'",
        Outcome.UNHEALTHY,
        gravity=60,
        details="count  first     last      shape\n  212  03:08:02  03:12:07  KeyError '<*>' in settings.py, line <*>, "
        "while loading the configuration of the payment provider\n    3  03:09:40  03:10:02  connection to <*> refused",
        marks=("new_errors",),
        took_seconds=1.9,
        asked_at=NOW - timedelta(seconds=2),
    )
    made = report(
        incident=of_incident,
        pack=rules,
        verdicts=(
            says(CRITICAL, labels=(("service", "payments"),)),
            says(WARNING, rule="queue-backlog", signal="queues", value=512, bound="> 100 waiting for 5m"),
            says(
                Unknown(why="not configured: DATABASE_URL is not set"), rule="pool", signal="pool_used", bound="> 80%"
            ),
        ),
        findings=(*FINDINGS, logs),
        left_out=(("kubernetes.nodes", "label node is missing"),),
        still_looking=("prometheus.graph",),
        asked=11,
        former=report(assessment=P4),
        notices=("Rule files on disk have a mistake; the last good set is in use (loaded 02:50).",),
    )
    return IncidentView(
        incident=of_incident, report=made, pack="carecircle", timeline=TIMELINE, deliveries=DELIVERIES, waits=WAITS
    )


def healthy_view() -> IncidentView:
    made = report(
        findings=(HEALTH, REDIS, STRIPE), verdicts=(says(Clear(), value=0.2),), assessment=P4, asked=3, took_seconds=0.4
    )
    return IncidentView(incident=incident(), report=made, pack="carecircle", timeline=TIMELINE)


def resolved_view() -> IncidentView:
    over = incident(alert(resolved=True), resolved_at=LATER - timedelta(seconds=4), continues="inc-7K3E")
    made = report(
        incident=over, verdicts=(says(Clear(), value=0.1),), assessment=P4, former=report(), now=LATER, asked=8
    )
    return IncidentView(incident=over, report=made, pack="carecircle", timeline=TIMELINE, deliveries=DELIVERIES)


def hostile_view() -> IncidentView:
    held = alert(HOSTILE, team=HOSTILE, pod=LONG, link="javascript:alert(3)")
    held = replace(
        held, alert=replace(held.alert, generator_url="javascript://x/%0aalert(4)", annotations={HOSTILE: HOSTILE})
    )
    of_incident = incident(held, alert(LONG))
    bad = finding(
        HOSTILE,
        HOSTILE,
        Outcome.UNHEALTHY,
        details=f"{HOSTILE}\n{LONG}",
        table=Table(columns=(HOSTILE, "b"), rows=((LONG, HOSTILE), ("a " * 500, "b")), cut=HOSTILE),
        chart=Chart(curves=(Curve(name=HOSTILE, points=((0.0, 1.0),)), Curve(name=LONG, points=())), cut=HOSTILE),
        found={HOSTILE: HOSTILE},
        marks=(HOSTILE,),
        equivalent=LONG,
    )
    made = report(
        incident=of_incident,
        pack=pack(
            rule(
                summary=HOSTILE,
                runbook="javascript://x/%0aalert(5)",
                suggest=(Suggest(do=HOSTILE, run=LONG, see=HOSTILE),),
            )
        ),
        findings=(bad, finding("long", LONG, Outcome.UNHEALTHY), finding(LONG, LONG, Outcome.INCONCLUSIVE)),
        verdicts=(says(CRITICAL, labels=((HOSTILE, LONG),)),),
        left_out=((HOSTILE, HOSTILE),),
        notices=(HOSTILE, LONG),
    )
    deliveries = (DeliveryLine(sink=HOSTILE, object=LONG, state=HOSTILE, why=LONG, delivered_at=None),)
    timeline = (TimelineEntry(at=NOW, what=HOSTILE), TimelineEntry(at=NOW, what=LONG))
    waits = (replace(WAITS[0], work=HOSTILE, object=LONG, why=HOSTILE + LONG),)
    return IncidentView(
        incident=of_incident, report=made, pack=HOSTILE, timeline=timeline, deliveries=deliveries, waits=waits
    )


def lines() -> tuple[Line, ...]:
    def line(slug: str, rank: int, title: str, ago: timedelta, *, state: str = "open", told: str = "delivered") -> Line:
        opened = NOW - ago
        return Line(
            slug=slug,
            state=state,
            severity=f"P{rank + 1}",
            severity_rank=rank,
            title=title,
            opened_at=opened,
            resolved_at=None if state == "open" else opened + timedelta(minutes=28),
            alerts_firing=0 if state == "resolved" else 2,
            report_state=told,
        )

    return (
        line("inc-7K3D", 3, "Disk fills: disk used 81 % (warning: > 80 %; breached for 3h20m)", timedelta(hours=4)),
        line("inc-7K3A", 0, "Resolved after 28m · Database down: serving 100 %", timedelta(days=1), state="resolved"),
        line("inc-7K3F", 0, report().title, timedelta(minutes=4)),
        line(
            "inc-7K3E",
            1,
            "Queues wait 512 waiting (critical: > 500 waiting for 5m; pending: 1m20s of 5m)",
            timedelta(minutes=9),
            told="waiting for a PagerDuty incident, last looked 03:14",
        ),
        replace(line("inc-7K3G", 2, "", timedelta(seconds=2), told=""), severity=None),
    )


def target(name: str, outcome: str, why: str = "", **more: object) -> TargetLine:
    kept: dict[str, object] = {
        "pack": "carecircle",
        "kind": "http",
        "address": f"https://{name}.example.com",
        "at": NOW - timedelta(seconds=20),
        "answered_at": NOW - timedelta(seconds=20),
        "asked_last_hour": 61,
        "per_minute": 60,
        "concurrency": 2,
        "waiting": 0,
    }
    return TargetLine(name=name, outcome=outcome, why=why, **(kept | more))  # type: ignore[arg-type]


def looked() -> Looked:
    targets = (
        target("api", "answered"),
        target("prometheus", "answered", kind="prometheus", address="http://prometheus.monitoring.svc:9090", waiting=4),
        target(
            "database",
            "no answer",
            "postgres://db-0.prod.example.com:5432: connection refused",
            kind="postgres",
            address="postgres://db-0.prod.example.com:5432",
            answered_at=NOW - timedelta(minutes=7),
        ),
        target("admin", "refused", "https://admin.example.com: the certificate is for another name", answered_at=None),
        target("cache", "not configured", "REDIS_URL is not set", kind="redis", address="", at=None, asked_last_hour=0),
        target("status", "not asked yet", at=None, answered_at=None, asked_last_hour=1),
    )
    kept = SinkKept(
        sink="pagerduty_note",
        pending=3,
        pending_since=NOW - timedelta(minutes=2),
        why="PagerDuty answered 503 Service Unavailable",
        without_object=1,
        refused=1,
        delivered_at=NOW - timedelta(minutes=4),
    )
    calm = replace(kept, sink="report_webhook", pending=0, pending_since=None, why="", without_object=0, refused=0)
    senders = (
        Asked(whom="alertmanager/default", at=NOW - timedelta(seconds=50), answered_at=NOW, why=""),
        Asked(whom="pagerduty", at=NOW, answered_at=NOW - timedelta(hours=1), why="PagerDuty answered 401"),
    )
    subscription = Subscription(id="PF9KMXH", url="", active=False, scope=Scope(kind="account"), events=(TRIGGERED,))
    return Looked(targets=targets, sinks=(kept, calm), senders=senders, subscriptions=(subscription,))


def hostile_looked() -> Looked:
    seen = looked()
    return Looked(
        targets=(target(LONG, HOSTILE, HOSTILE + LONG, kind=HOSTILE, address=LONG, pack=HOSTILE),),
        sinks=(replace(seen.sinks[0], sink=LONG, why=HOSTILE + LONG),),
        senders=(replace(seen.senders[0], whom=LONG, why=HOSTILE),),
        subscriptions=(replace(seen.subscriptions[0], id=LONG),),
    )


def problem(text: str, line: str = "", column: int = 5, severity: Literal["error", "warning"] = "error") -> Problem:
    return Problem(
        position=Position(file="rules/shop/rules.yaml", line=14, column=column),
        text=text,
        severity=severity,
        line=line,
    )


def rules_in_force() -> RulesInForce:
    pack = pack_from_files("shop", {"pack.yaml": SHOP}, specs())
    loaded = Loaded(packs=(pack,), problems=(), warnings=(problem("DATABASE_URL is not set", severity="warning"),))
    return RulesInForce.begin(Path("rules"), loaded, NOW - timedelta(hours=2))


def refused_rules() -> RulesInForce:
    rules = rules_in_force()
    wrong = (
        problem("unknown key `treshold`; did you mean `thresholds`?", "    treshold: {error_rate: {}}"),
        problem("expected a duration such as 30s, 5m or 1h30m", '    thresholds: {queue: "> 5% for ten"}', 25),
    )
    rules.take(Loaded(packs=(), problems=wrong, warnings=()), NOW - timedelta(seconds=30), "a changed file")
    return rules


def hostile_rules() -> RulesInForce:
    rules = rules_in_force()
    pack = rules.packs[0]
    rule = replace(pack.rules[0], name=LONG, summary=HOSTILE + LONG, runbook="javascript://x/%0aalert(4)")
    rules.packs = (replace(pack, name=HOSTILE, rules=(rule,)),)
    rules.take(Loaded(packs=(), problems=(problem(HOSTILE, HOSTILE + LONG, 9),), warnings=()), NOW, HOSTILE)
    return rules


def all_pages() -> dict[str, str]:
    """Name → HTML."""
    views = {"p1": p1_view(), "healthy": healthy_view(), "resolved": resolved_view(), "hostile": hostile_view()}
    pages = {name: PAGES.incident(view, LATER if name == "resolved" else NOW) for name, view in views.items()}
    bare = IncidentView(incident=incident(), report=None, pack="")
    hostile_line = replace(lines()[0], title=HOSTILE + LONG, report_state=LONG, severity=LONG)
    return pages | {
        "list": PAGES.listing(lines(), NOW),
        "empty": PAGES.listing((), NOW),
        "hostile-list": PAGES.listing((hostile_line,), NOW),
        "bare": PAGES.incident(bare, NOW),
        "missing": PAGES.not_found(HOSTILE),
        "targets": PAGES.targets(looked(), NOW),
        "no-targets": PAGES.targets(Looked(targets=(), sinks=(), senders=(), subscriptions=()), NOW),
        "rules": PAGES.rules(rules_in_force(), NOW),
        "refused-rules": PAGES.rules(refused_rules(), NOW),
        "hostile-rules": PAGES.rules(hostile_rules(), NOW),
        "hostile-targets": PAGES.targets(hostile_looked(), NOW),
    }
