"""The example alerts: Prometheus loads them, each fires when it should and not before, each guarantee has one."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from responder.telemetry import Metrics
from tests.deploy.conftest import REPOSITORY
from tests.systems.plugin import program

ALERTS = REPOSITORY / "deploy" / "alerts.yaml"
DOCUMENT = REPOSITORY / "docs" / "metrics.md"
GUARANTEES = 8
NOT_OURS = {"up"}  # Prometheus makes it
INSTANCE = 'instance="a",job="responder"'
BUCKETS = 'responder_{name}_bucket{{instance="a",job="responder",le="{le}"}}'


@dataclass(frozen=True, kw_only=True)
class Case:
    """Series by name with their values in promtool's words: `fires` those that fire within `after`, `quiet` others.

    `labels`: of the alert, beside those of the rule.
    """

    fires: dict[str, str]
    quiet: dict[str, str]
    after: str = "25m"
    labels: dict[str, str] = field(default_factory=dict)


def gauge(name: str, fires: str, quiet: str, labels: str = "", **of_alert: str) -> Case:
    """A gauge that stands at one value or at the other."""
    series = f"{name}{{{INSTANCE}{labels and ',' + labels}}}"
    return Case(fires={series: f"{fires}x40"}, quiet={series: f"{quiet}x40"}, labels=of_alert)


def counter(name: str, labels: str = "", quiet: str = "", **of_alert: str) -> Case:
    """A counter that counts, and one that does not; `quiet`: labels of which it may count."""
    series, other = (f"{name}{{{INSTANCE}{it and ',' + it}}}" for it in (labels, quiet))
    calm = {series: "3+0x40"} | ({other: "0+5x40"} if quiet else {})
    return Case(fires={series: "0+5x40"}, quiet=calm, labels=of_alert)


def histogram(name: str, bound: str, **of_alert: str) -> Case:
    """Everything above the bound, and everything below."""
    every, above, below = (BUCKETS.format(name=name, le=it) for it in ("+Inf", "60.0", bound))
    return Case(
        fires={every: "0+9x40", above: "0+9x40", below: "0+0x40"},
        quiet={every: "0+9x40", above: "0+9x40", below: "0+9x40"},
        labels=of_alert,
    )


A = {"instance": "a", "job": "responder"}
PENDING = f'responder_deliveries_pending{{{INSTANCE},sink="s"}}'
QUARANTINED = f'responder_quarantined_total{{{INSTANCE},source="grafana",reason="x"}}'
ARRIVED = f'responder_reports_total{{{INSTANCE},sink="s",outcome="edited"}}'
ASKED, AT_ONCE = (BUCKETS.format(name="loop_lag_seconds", le=it) for it in ("+Inf", "1.0"))
CASES = {
    "ResponderDown": gauge("up", "0", "1", **A),
    "ResponderNotReady": gauge("responder_ready", "0", "1", **A),
    "ResponderStoreAway": gauge("responder_store_writable", "0", "1", **A),
    "ResponderRefusesWebhooks": counter(
        "responder_webhooks_refused_total", 'source="grafana",reason="store"', source="grafana", reason="store"
    ),
    "ResponderTurnsWebhooksAway": counter(
        "responder_webhooks_total",
        'source="alertmanager",outcome="401"',
        'source="alertmanager",outcome="accepted"',
        source="alertmanager",
        outcome="401",
    ),
    "ResponderFoundLostWork": counter("responder_work_found_again_total", **A),
    "ResponderDeliveryUncertain": gauge("responder_deliveries", "1", "0", 'sink="s",state="uncertain"', sink="s"),
    "ResponderDuplicateStays": counter(
        "responder_duplicates_total", 'sink="s",outcome="stays"', 'sink="s",outcome="deleted"', sink="s"
    ),
    "ResponderFirstReportsOverdue": gauge("responder_first_reports_overdue", "1", "0"),
    "ResponderReportsAreLate": histogram("first_report_seconds", "15.0"),
    "ResponderWroteElsewhere": counter(
        "responder_writes_total",
        'to="pagerduty",object="other"',
        'to="pagerduty",object="note"',
        to="pagerduty",
        object="other",
    ),
    "ResponderWorkIsOverdue": gauge("responder_timers_overdue", "2", "0"),
    "ResponderCannotDeliver": Case(
        fires={PENDING: "3x40", ARRIVED: "7x40"}, quiet={PENDING: "3x40", ARRIVED: "0+1x40"}, labels={"sink": "s"}
    ),
    "ResponderReportRefused": counter(
        "responder_reports_total", 'sink="s",outcome="refused"', 'sink="s",outcome="edited"', sink="s"
    ),
    "ResponderIsNotTold": gauge(
        "responder_pagerduty_subscription_active", "0", "1", 'subscription="P"', subscription="P"
    ),
    "ResponderTargetIsDark": gauge("responder_target_up", "0", "1", 'target="api"', target="api"),
    "ResponderSeesCredentials": counter("responder_redactions_total", 'kind="jwt"', 'kind="email"', kind="jwt"),
    "ResponderIsFull": counter(
        "responder_webhooks_refused_total",
        'source="grafana",reason="full"',
        'source="grafana",reason="not_configured"',
        reason="full",
    ),
    "ResponderQueueStands": gauge("responder_webhooks_waiting", "1500", "900", **A),
    "ResponderIsLarge": gauge("process_resident_memory_bytes", "600000000", "200000000", **A),
    "ResponderLoopBlocked": Case(  # once a minute, however long; and once
        fires={ASKED: "0+150x40", AT_ONCE: "0+149x40"},
        quiet={ASKED: "0+200x40", AT_ONCE: "0+200x9 1999+200x30"},
        labels=A,
    ),
    "ResponderLosesLeases": counter("responder_leases_lost_total", 'kind="respond"'),
    "ResponderWorkFails": counter("responder_work_failures_total", 'kind="respond"', kind="respond"),
    "ResponderQuarantines": Case(
        fires={QUARANTINED: "3x60 4x40"}, quiet={QUARANTINED: "3x100"}, labels={"source": "grafana"}, after="95m"
    ),
    "ResponderHasNoRules": gauge("responder_rules_loaded", "0", "3", **A),
}


def rules() -> dict[str, Any]:
    """By name."""
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return {it["alert"]: it for it in group["rules"]}


def documented() -> Iterator[tuple[str, set[str], set[str]]]:
    """Guarantee, metrics and alerts of each row."""
    table = DOCUMENT.read_text().partition("| guarantee |")[2].partition("\n\n")[0]
    for row in (it for it in table.splitlines() if it.startswith("| ") and "`" in it):
        guarantee, metrics, alerts = row.split("|")[1:4]
        yield (
            guarantee.strip().partition(".")[0],
            set(re.findall(r"`(\w+)`", metrics)),
            set(re.findall(r"`(\w+)`", alerts)),
        )


def metrics() -> set[str]:
    """Names as they are scraped, without the suffixes of histograms."""
    return {it.name + ("_total" if it.type == "counter" else "") for it in Metrics().registry.collect()}


def named_in(expression: str) -> set[str]:
    found = set(re.findall(r"\b(?:responder|process)_\w+|\bup\b", expression))
    return {it.removesuffix("_bucket") for it in found}


def test_each_guarantee_has_its_metric_and_its_alert() -> None:
    rows = list(documented())

    assert [guarantee for guarantee, *_ in rows[:GUARANTEES]] == [str(n) for n in range(1, GUARANTEES + 1)]
    for guarantee, watched_by, alerts in rows:
        used = set().union(*(named_in(rules()[it]["expr"]) for it in alerts))
        assert (guarantee, watched_by) == (guarantee, used)


def test_the_document_names_the_alerts_that_are_there() -> None:
    named = [alert for *_, alerts in documented() for alert in alerts]

    assert sorted(named) == sorted(rules())
    assert sorted(CASES) == sorted(rules())
    assert "(../deploy/alerts.yaml)" in DOCUMENT.read_text()


def test_every_metric_that_an_alert_names_is_there() -> None:
    named = set().union(*(named_in(it["expr"]) for it in rules().values()))

    assert named - NOT_OURS <= metrics()


def test_every_metric_is_documented_and_nothing_else() -> None:
    table = DOCUMENT.read_text().partition("| metric |")[2].partition("\n\n")[0]
    first_cells = " ".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| `"))
    named = {it.removesuffix("_total") for it in re.findall(r"`(\w+)(?:\{[\w,]*\})?`", first_cells)}

    assert named == {it.removesuffix("_total") for it in metrics()}


@pytest.mark.system
def test_prometheus_loads_them() -> None:
    promtool = program("promtool", "apt-get install prometheus")

    done = subprocess.run([promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True, timeout=60)

    assert (done.returncode, f"SUCCESS: {len(rules())} rules found" in done.stdout) == (0, True), done.stderr


def unit_test(name: str, case: Case, *, fires: bool) -> dict[str, Any]:
    rule = rules()[name]
    alert = {"exp_labels": rule["labels"] | case.labels, "exp_annotations": rule["annotations"]}
    series = case.fires if fires else case.quiet
    return {
        "interval": "1m",
        "input_series": [{"series": it, "values": values} for it, values in series.items()],
        "alert_rule_test": [
            {"eval_time": case.after, "alertname": name, "exp_alerts": [alert] if fires else []},
        ],
    }


@pytest.mark.system
def test_each_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    promtool = program("promtool", "apt-get install prometheus")
    tests = [unit_test(name, case, fires=it) for name, case in CASES.items() for it in (True, False)]
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))

    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, timeout=100)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.system
def test_a_quarantine_is_seen_at_its_first_step(tmp_path: Path) -> None:
    """Its reasons are not known before, so no series stands there at zero."""
    promtool = program("promtool", "apt-get install prometheus")
    case = Case(fires={QUARANTINED: "_x20 1x20"}, quiet={}, labels={"source": "grafana"})
    file = tmp_path / "test.yaml"
    tests = [unit_test("ResponderQuarantines", case, fires=True)]
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))

    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, timeout=100)

    assert done.returncode == 0, done.stdout + done.stderr
