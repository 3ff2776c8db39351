"""What other rules would have said of a recorded incident: by the daemon's decisions, and what is not known is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from responder.diagnostics.catalogue import specs
from responder.model.alert import Alert, AlertStatus
from responder.model.finding import Finding, Outcome
from responder.model.incident import HeldAlert, Incident, IncidentState
from responder.model.pack import Pack
from responder.model.reading import Reading, Sample
from responder.rules.packs import pack_from_files
from responder.store.recorded import Moment, Recorded
from responder.work.replay import CHANGED, NOT_RECORDED, differences, replayed
from tests.conftest import START

RULES = """\
targets:
  api: {http: "https://api.example.com"}
  prometheus: {prometheus: "http://prometheus:9090"}
signals:
  errors: {unit: percent, prometheus: {query: errors}}
  queue: {unit: count, prometheus: {query: queue}}
rules:
  - name: errors
    match: ['alertname="HighErrorRate"']
    thresholds: {errors: {warning: "> 1% for 5m", critical: "> 5% for 5m"}}
    diagnose: [http.status]
    suggest: [{do: Roll back, when: failing}]
severity:
  hold: 10m
  decide:
    - {ask: "Does it fail?", when: {mark: failing}, then: {at_least: P2}}
  otherwise: {critical: P2, warning: P3}
"""


def pack(*changes: tuple[str, str]) -> Pack:
    text = RULES
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return pack_from_files("shop", {"pack.yaml": text}, specs())


def reading(value: float, minute: float, name: str = "errors") -> Reading:
    """With ten minutes of the same before it, a minute apart."""
    at = START + timedelta(minutes=minute)
    past = tuple(Sample(at=at - timedelta(minutes=n), value=value) for n in range(10, -1, -1))
    return Reading(signal=name, value=value, at=at, past=past, step_seconds=60)


def moment(minute: float, value: float, *marks: str) -> Moment:
    finding = Finding(
        check="http.status",
        target="api",
        subject="api",
        outcome=Outcome.UNHEALTHY if marks else Outcome.HEALTHY,
        headline="",
        marks=marks,
    )
    at = START + timedelta(minutes=minute)
    return Moment(at=at, readings={"errors": (reading(value, minute),)}, findings=(finding,))


def held(*, fingerprint: str = "aa", since: float = 0, until: float | None = None, **labels: str) -> HeldAlert:
    alert = Alert(
        fingerprint=fingerprint.rjust(16, "0"),
        status=AlertStatus.FIRING if until is None else AlertStatus.RESOLVED,
        starts_at=START + timedelta(minutes=since),
        ends_at=None if until is None else START + timedelta(minutes=until),
        labels={"alertname": "HighErrorRate"} | labels,
        annotations={},
    )
    heard = START + timedelta(minutes=since)
    return HeldAlert(alert=alert, kind="alertmanager", source="default", first_seen=heard, last_seen=heard)


def recorded(*moments: Moment, alerts: tuple[HeldAlert, ...] = (held(),)) -> Recorded:
    incident = Incident(
        id=1,
        slug="inc-0001",
        state=IncidentState.RESOLVED,
        pack="shop",
        rule_set=b"",
        severity="P2",
        opened_at=START,
        acknowledged_at=None,
        resolved_at=None,
        first_report_due=START,
        run=len(moments),
        continues=None,
        alerts=alerts,
        links=(),
    )
    return Recorded(incident=incident, moments=moments)


WORSE = recorded(moment(1, 2.0), moment(2, 7.0, "failing"), moment(20, 0.1))


def test_the_same_rules_say_the_same_of_the_same_facts() -> None:
    then, now = replayed(WORSE, pack(), pack()), replayed(WORSE, pack(), pack())

    assert (then.severity, then.rules, then.checks, then.suggestions) == (
        "P2",
        {"errors": "critical"},
        {"http.status(api)"},
        {"Roll back"},
    )
    assert differences(then, now) == {}
    assert then.unknown == {}


def test_a_moved_bound_changes_the_verdict_and_the_severity() -> None:
    milder = pack(("> 5% for 5m", "> 9% for 5m"), ("then: {at_least: P2}", "then: {at_least: P4}"))

    found = differences(replayed(WORSE, pack(), pack()), replayed(WORSE, milder, pack()))

    assert found == {"severity": ["P2", "P3"], "rules": {"errors": ["critical", "warning"]}}


def test_checks_and_suggestions_that_come_and_go_are_named() -> None:
    other = pack(
        ("[http.status]", "[prometheus.query: {query: up, as: who is up}]"),
        ("{do: Roll back, when: failing}", "{do: Look at the gateway}"),
        ("{mark: failing}", '{errors: "> 6%"}'),
    )

    found = differences(replayed(WORSE, pack(), pack()), replayed(WORSE, other, pack()))

    assert found["checks"] == {"more": ["who is up"], "fewer": ["http.status(api)"]}
    assert found["suggestions"] == {"more": ["Look at the gateway"], "fewer": ["Roll back"]}
    assert replayed(WORSE, other, pack()).unknown == {"who is up": "was not asked then"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param(("errors: {warning", "queue: {warning"), NOT_RECORDED, id="another signal"),
        pytest.param(("{query: errors}", "{query: errors_total}"), CHANGED, id="another query"),
        pytest.param(("> 5% for 5m", "> 5% for 30m"), "was read for a shorter time than 1800 s", id="longer"),
    ],
)
def test_what_was_not_recorded_is_unknown_and_never_clear(change: tuple[str, str], why: str) -> None:
    changes = [change, ("1% for", "1 for"), ("5% for", "5 for")] if why == NOT_RECORDED else [change]

    now = replayed(recorded(moment(1, 7.0)), pack(*changes), pack())

    assert now.rules == {"errors": "unknown"}
    assert set(now.unknown.values()) == {why}


def test_a_longer_bound_that_is_not_reached_is_clear_all_the_same() -> None:
    longer = pack(("> 5% for 5m", "> 5% for 30m"), ("> 1% for 5m", "> 1% for 30m"))

    assert replayed(recorded(moment(1, 0.2)), longer, pack()).rules == {"errors": "clear"}


def test_a_mark_of_a_check_that_was_not_asked_is_unknown() -> None:
    """Neither that it failed, nor that it did not."""
    counts = ("when: {mark: failing}, then: {at_least: P2}", "when: {mark: failing}, unknown: yes, then: P1")
    asks_more = ("[http.status]", "[http.status, prometheus.alerts]")

    as_then, now = (replayed(recorded(moment(1, 2.0)), pack(counts, *more), pack()) for more in ([], [asks_more]))

    assert (as_then.severity, now.severity) == ("P3", "P1")
    assert now.unknown == {"prometheus.alerts(prometheus)": "was not asked then"}


def test_what_was_not_heard_of_yet_did_not_count_and_what_had_ended_fired_no_more() -> None:
    by_label = pack(("match: ['alertname=\"HighErrorRate\"']", "match: ['service=\"payments\"']"))
    late = recorded(moment(1, 7.0), alerts=(held(), held(fingerprint="bb", since=5, service="payments")))
    over = recorded(moment(9, 7.0), alerts=(held(), held(fingerprint="bb", since=2, until=4, service="payments")))
    there = replace(over, moments=(moment(3, 7.0),))

    assert [replayed(it, by_label, pack()).rules for it in (late, over, there)] == [{}, {}, {"errors": "critical"}]


def test_an_incident_of_which_nothing_was_read_is_judged_by_its_alerts() -> None:
    by_alert = pack(
        ('    thresholds: {errors: {warning: "> 1% for 5m", critical: "> 5% for 5m"}}\n', "    level: warning\n")
    )

    assert replayed(recorded(), by_alert, None).severity == "P3"
    assert replayed(recorded(), pack(), None).rules == {"errors": "unknown"}
    assert replayed(recorded(), None, None).severity is None
