"""A test out of a real incident holds as it is written, and fails when the rules are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from responder.diagnostics.catalogue import specs
from responder.errors import ResponderError
from responder.intake.fingerprint import fingerprint_of
from responder.model.alert import Alert, AlertStatus
from responder.model.finding import Finding, Outcome
from responder.model.incident import HeldAlert, Incident, IncidentState
from responder.model.pack import Pack
from responder.model.reading import AnyReading, NoReading, Reading, Sample
from responder.rules.packs import pack_from_files
from responder.rules.rehearsals import parse_rehearsals
from responder.store.incidents import Seen
from responder.store.recorded import Moment
from responder.work.recorded import text_of
from responder.work.rehearse import rehearse
from responder.work.situation import Situation

NOW = datetime(2026, 3, 3, 12, 0, 30, tzinfo=UTC)
PACK = """
targets:
  prometheus: {prometheus: "http://prometheus:9090"}
  api: {http: "https://api.example.com"}
signals:
  error_rate: {unit: percent, prometheus: {query: rate, step: 30s}}
  latency: {unit: seconds, prometheus: {query: latency}}
rules:
  - name: errors
    match: ['alertname="Errors"']
    thresholds: {error_rate: {warning: "> 1% for 2m", resolve: "< 0.5%"}, latency: {critical: "> 500ms"}}
    diagnose: [http.status]
    suggest: [{do: Restart it, when: failing}]
severity: {levels: {P1: , P2: , P3: , P4: }, otherwise: {critical: P1, warning: P2, pending: P3}}
"""

FOUND = (Finding(check="http.status", target="api", outcome=Outcome.UNHEALTHY, headline="503", marks=("failing",)),)


def made(pack: str = PACK) -> Pack:
    return pack_from_files("p", {"pack.yaml": pack}, specs())


def rate(*values: float | None, at: datetime = NOW) -> AnyReading:
    past = tuple(Sample(at=at - timedelta(seconds=30 * back), value=it) for back, it in enumerate(reversed(values)))[
        ::-1
    ]
    value = values[-1]
    assert value is not None
    return Reading(signal="error_rate", value=value, at=at, past=past, step_seconds=30.0)


def seen(*rates: float | None, **more: Any) -> Seen:
    """As the store has it after a look at these rates, 30 s apart."""
    alert = Alert(
        fingerprint=fingerprint_of({"alertname": "Errors"}),
        status=AlertStatus.FIRING,
        starts_at=NOW,
        ends_at=None,
        labels={"alertname": "Errors", "source": "grafana"},
        annotations={"summary": "yes"},
    )
    incident = Incident(
        id=1, slug="inc-0001", state=IncidentState.OPEN, pack="p", rule_set=b"1", severity="P2", opened_at=NOW,
        acknowledged_at=None, resolved_at=None, first_report_due=NOW, run=1, continues=None, links=(),
        alerts=(HeldAlert(alert=alert, kind="grafana", source="default", first_seen=NOW, last_seen=NOW),),
    )  # fmt: skip
    situation = Situation(pack=made(), incident=incident, now=NOW, **more)
    readings = {
        "error_rate": (rate(*rates),),
        "latency": (NoReading(signal="latency", why="no samples", at=NOW),),
    }
    rules = situation.rules()
    verdicts = situation.verdicts(rules, readings)
    assessment = situation.assess(verdicts, readings, frozenset({"failing"}))
    report = situation.report(verdicts, assessment, situation.plan(rules, verdicts), FOUND, at=NOW)
    return Seen(incident=incident, former=report, severities=(), examined=None, known=(), now=NOW)


def failures(text: str, pack: Pack) -> list[str]:
    found = parse_rehearsals(text, "a.test.yaml", pack, specs())
    assert [str(it) for it in found.problems] == []
    return [it.expected.key for test in found.tests for it in rehearse(test, pack).failures]


def test_what_was_recorded_is_a_test_that_holds() -> None:
    text = text_of(seen(0.2, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0), (), made(), specs())

    assert (
        text
        == """\
# inc-0001 as looked at from 2026-03-03 12:00:30 UTC on, by the rules of p. Texts are redacted.
tests:
- name: inc-0001
  clock: '2026-03-03T12:00:30+00:00'
  alerts:
  - labels:
      alertname: Errors
    source: grafana
    annotations:
      summary: 'yes'
  readings:
    error_rate: '3'
    latency: unknown
  findings:
    http.status(api):
      outcome: unhealthy
      headline: '503'
      marks:
      - failing
  expect:
    rules:
    - errors
    verdict:
      errors: warning
    severity: P2
    decided_by: otherwise
    diagnostics:
    - http.status(api)
    suggest:
    - Restart it
"""
    )
    assert failures(text, made()) == []


@pytest.mark.parametrize(
    ("rates", "readings"),
    [
        ((3.0, 3.0, 3.0), "    error_rate:\n      every: 30s\n      values:\n      - '3'\n      - '3'\n      - '3'\n"),
        ((0.2, 3.0, 3.0), "      - '0.2'\n      - '3'\n      - '3'\n"),
        ((3.0, None, 3.0), "      - '3'\n      - unknown\n      - '3'\n"),
    ],
)
def test_readings_keep_their_windows(rates: tuple[float, ...], readings: str) -> None:
    text = text_of(seen(*rates), (), made(), specs())

    assert readings in text
    assert "errors: pending" in text
    assert failures(text, made()) == []


def test_rules_that_are_changed_fail_it() -> None:
    text = text_of(seen(0.2, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0), (), made(), specs())

    assert failures(text, made(PACK.replace("> 1% for 2m", "> 4% for 2m"))) == ["verdict"]


def test_later_looks_are_steps_that_say_what_was_different() -> None:
    def moment(after: float, *rates: float | None, latency: float = 0.1) -> Moment:
        at = NOW + timedelta(seconds=after)
        fast = Reading(signal="latency", value=latency, at=at)
        return Moment(at=at, readings={"error_rate": (rate(*rates, at=at),), "latency": (fast,)}, findings=FOUND)

    looks = (
        moment(0, 0.2, 3.0),
        moment(60, 0.2, 3.0, 3.0, 3.0),
        moment(120, 0.2, 3.0, 3.0, 3.0, 3.0, 3.0, latency=0.6),
    )

    text = text_of(seen(3.0), looks, made(), specs())

    assert text.endswith("""\
  then:
  - at: 120s
    readings:
      error_rate:
        every: 30s
        values:
        - '0.2'
        - '3'
        - '3'
        - '3'
        - '3'
        - '3'
      latency: '0.6'
    expect:
      verdict:
        errors: critical
      severity: P1
""")
    assert failures(text, made()) == []


def test_what_does_not_come_about_is_told_in_a_comment() -> None:
    """A sample came late: by the samples the window began anew, by values a step apart it did not."""
    past = tuple(Sample(at=NOW - timedelta(seconds=back), value=3.0) for back in (121, 91, 61, 0))
    late = Reading(signal="error_rate", value=3.0, at=NOW, past=past, step_seconds=30.0)
    moment = Moment(at=NOW, readings={"error_rate": (late,)}, findings=FOUND)

    text = text_of(seen(3.0), (moment,), made(), specs())

    assert "# At 12:00:30 it was verdict errors pending, which this alone does not bring about.\n" in text
    assert failures(text, made()) == []


def test_an_incident_that_no_rule_matches_any_more_is_said() -> None:
    with pytest.raises(ResponderError, match="inc-0001: no rule of the pack p matches its alerts"):
        text_of(seen(3.0), (), made(PACK.replace('"Errors"', '"Others"')), specs())


def test_a_signal_that_was_not_recorded_is_named() -> None:
    more = PACK.replace("rules:\n", "  other: {unit: count, prometheus: {query: other}}\nrules:\n", 1)

    assert "# Not recorded, so unknown here: other.\n" in text_of(seen(3.0, 3.0), (), made(more), specs())
