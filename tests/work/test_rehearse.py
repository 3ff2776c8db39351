"""Tests of rules are played by a virtual clock, with the daemon's own decisions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from responder.diagnostics.catalogue import specs
from responder.rules.packs import pack_from_files
from responder.rules.rehearsals import parse_rehearsals
from responder.work.rehearse import rehearse

CATALOGUE = specs()
PACK = """
targets:
  prometheus: {prometheus: "http://prometheus:9090"}
  api: {http: "https://api.example.com"}
signals:
  error_rate: {unit: percent, prometheus: {query: rate}}
  serving: {unit: percent, http: {target: api, up: [/health]}}
  waiting: {unit: count waiting, prometheus: {query: 'queue{service="{{ labels.service }}"}'}}
rules:
  - name: errors
    summary: Error rate
    match: ['alertname="HighErrorRate"']
    thresholds: {error_rate: {warning: "> 1% for 5m", critical: "> 5% for 2m", resolve: "< 0.5% for 5m"}}
    diagnose: [http.status: {paths: [/health], when: critical}, prometheus.query: {query: up, as: up}]
    suggest:
      - {do: Roll back, when: failing}
      - {do: Watch it, phase: verify}
  - {name: queue, match: ['alertname="Queue"'], thresholds: {waiting: {critical: "> 500 waiting"}}}
  - {name: job, match: ['alertname="JobFailed"'], level: warning}
  - name: latency
    watch: 30s
    labels: {service: payments}
    match: ['alertname="Slow"']
    thresholds: {error_rate: {warning: "> 20%", resolve: "< 10%"}}
    diagnose: [http.status: {paths: ["/{{ labels.service }}"]}]
  - {name: rest, default: true}
intake: {ignore: ['alertname="Watchdog"'], labels: {service: [service, app]}}
severity:
  hold: 10m
  decide:
    - {ask: "Is it down?", when: {serving: "< 1%"}, then: P1}
    - {ask: "Payments?", when: {labels: 'service="payments"'}, then: {critical: P1, warning: P2, clear: P4}}
  otherwise: {critical: P2, warning: P3, pending: P3, unknown: P3, clear: P4}
"""


@pytest.fixture(scope="module")
def failed() -> Callable[[str], list[str]]:
    """`failed("  - name: …")`: what is said of a test: its mistakes, or `at key: expected | got` for each failure."""
    pack = pack_from_files("p", {"pack.yaml": PACK}, CATALOGUE)

    def said(text: str) -> list[str]:
        found = parse_rehearsals(text if "tests:" in text else f"tests:\n{text}", "a.test.yaml", pack, CATALOGUE)
        failures = [failure for test in found.tests for failure in rehearse(test, pack).failures]
        mistakes = [str(it).removeprefix("a.test.yaml:") for it in found.problems]
        return mistakes + [
            f"{it.at_seconds:g} {'no ' if it.expected.absent else ''}{it.expected.key}: {it.wanted} | {it.got}"
            for it in failures
        ]

    return said


def test_the_example_of_the_language_comes_out_as_it_says(failed: Callable[[str], list[str]]) -> None:
    assert (
        failed("""\
given: {readings: {serving: 100%}}
tests:
  - name: rises and falls after the hold
    alerts: [{alertname: HighErrorRate, app: payments}]
    readings: {error_rate: {every: 30s, values: [0, 2, 2, 2, 7], unit: "%"}}
    findings: {http.status: {marks: [failing]}}
    expect:
      pack: p
      rules: [errors]
      verdict: {errors: pending}
      severity: P2
      decided_by: Payments?
      diagnostics: [up]
      suggest: [Watch it]
      no: {rules: [job], severity: P1, suggest: [Roll back]}
    then:
      - at: 2m
        readings: {error_rate: "7% for 2m30s"}
        expect: {verdict: critical, severity: P1, diagnostics: [http.status, "..."], suggest: [Roll back, Watch it]}
      - {at: 20m, readings: {error_rate: 0.1%}, expect: {severity: P1, falls_in: 10m, verdict: {errors: clear}}}
      - {at: 29m59s, expect: {severity: P1, falls_in: 1s}}
      - {at: 30m, expect: {severity: P4, no: {falls_in: "*"}}}
      - {at: 40m, resolved: true, expect: {state: resolved}}
""")
        == []
    )


@pytest.mark.parametrize(
    ("at", "verdict"),
    [
        pytest.param("59s", "pending", id="one second before it has lasted long enough"),
        pytest.param("60s", "critical", id="the moment when it has"),
    ],
)
def test_a_reading_goes_on_until_it_has_lasted_long_enough(
    failed: Callable[[str], list[str]], at: str, verdict: str
) -> None:
    assert (
        failed(f"""\
  - name: lasts
    alerts: [{{alertname: HighErrorRate}}]
    readings: {{error_rate: 7% for 1m}}
    expect: {{verdict: {{errors: pending}}, severity: P3}}
    then: [{{at: {at}, expect: {{verdict: {{errors: {verdict}}}}}}}]
""")
        == []
    )


def test_what_happened_between_two_steps_is_held(failed: Callable[[str], list[str]]) -> None:
    assert (
        failed("""\
  - name: was critical meanwhile
    alerts: [{alertname: HighErrorRate}]
    readings: {error_rate: 7% for 1m, serving: 100%}
    then: [{at: 5m, readings: {error_rate: 0%}, expect: {severity: P2, falls_in: 10m}}]
""")
        == []
    )


def test_between_resolve_and_warning_the_former_level_stays(failed: Callable[[str], list[str]]) -> None:
    assert (
        failed("""\
  - name: stays
    alerts: [{alertname: HighErrorRate}]
    readings: {error_rate: 7%}
    expect: {verdict: {errors: critical}}
    then:
      - {at: 1m, readings: {error_rate: 0.7%}, expect: {verdict: {errors: breach}}}
      - {at: 2m, readings: {error_rate: 0.1% for 1m}, expect: {verdict: {errors: breach}}}
      - {at: 5m59s, expect: {verdict: {errors: breach}}}
      - {at: 6m, expect: {verdict: {errors: clear}}}
""")
        == []
    )


def test_alerts_join_resolve_and_end_the_incident(failed: Callable[[str], list[str]]) -> None:
    assert (
        failed("""\
  - name: joins
    alerts: [{alertname: JobFailed}]
    expect: {rules: [job], verdict: {job: warning}, state: open}
    then:
      - {at: 1m, alerts: [{alertname: Queue, service: a}], readings: {waiting: 501}, expect: {rules: [job, queue]}}
      - at: 2m
        alerts: [{labels: {alertname: Queue, service: a}, status: resolved}]
        expect: {rules: [job], state: open}
      - {at: 3m, alerts: [{labels: {alertname: JobFailed}, status: resolved}], expect: {state: resolved}}
""")
        == []
    )


def test_what_fires_again_soon_goes_on_and_later_is_a_new_incident(failed: Callable[[str], list[str]]) -> None:
    assert (
        failed("""\
  - name: again
    alerts: [{alertname: JobFailed}]
    acknowledged: true
    then:
      - {at: 1m, alerts: [{labels: {alertname: JobFailed}, status: resolved}], expect: {state: resolved}}
      - {at: 11m, alerts: [{alertname: JobFailed}], expect: {state: acknowledged}}
      - {at: 12m, alerts: [{labels: {alertname: JobFailed}, status: resolved}], expect: {state: resolved}}
      - {at: 22m1s, alerts: [{alertname: JobFailed}], expect: {state: open, acknowledged: false}}
""")
        == []
    )


def test_a_watched_rule_opens_an_incident_without_an_alert(failed: Callable[[str], list[str]]) -> None:
    assert (
        failed("""\
  - name: watched
    alerts: []
    watch: latency
    readings: {error_rate: 25%, serving: 100%}
    expect:
      rules: [latency]
      verdict: warning
      severity: P2
      decided_by: Payments?
      diagnostics: [http.status]
    then:
      - {at: 1m, alerts: [{alertname: Slow}], expect: {rules: [latency], decided_by: otherwise}}
      - at: 2m
        alerts: [{labels: {alertname: Slow}, status: resolved}]
        readings: {error_rate: 9%}
        expect: {state: open}
      - {at: 11m59s, expect: {state: open}}
      - {at: 12m, expect: {state: resolved}}
""")
        == []
    )


@pytest.mark.parametrize(
    ("test", "said"),
    [
        pytest.param("{alertname: Watchdog}], expect: {ignored: true, rules: [], state: none}", [], id="ignored"),
        pytest.param("{alertname: Other}], expect: {rules: [rest], verdict: {rest: warning}}", [], id="default rule"),
        pytest.param(
            "{alertname: Queue}], readings: {waiting: 501}, expect: {verdict: {queue: clear}}",
            ["0 verdict: queue: clear | queue: unknown"],
            id="a missing label makes a signal unknown, whatever the test says of it",
        ),
        pytest.param(
            "{alertname: HighErrorRate}], expect: {verdict: {errors: warning}}",
            ["0 verdict: errors: warning | errors: unknown"],
            id="a signal that is not named is unknown",
        ),
        pytest.param(
            "{alertname: JobFailed}], expect: {severity: P2, rules: [errors], suggest: []}",
            ["0 rules: errors   (missing: errors; not expected: job) | job", "0 severity: P2 | P3"],
            id="every failure of a step",
        ),
        pytest.param(
            "{alertname: JobFailed}], expect: {no: {severity: [P3, P1], rules: [job], verdict: {job: warning}}}",
            [
                "0 no rules: no job | job",
                "0 no verdict: job: not warning | job: warning",
                "0 no severity: not P3, P1 | P3",
            ],
            id="what must not be there",
        ),
        pytest.param(
            "{alertname: JobFailed}], readings: {eror_rate: 7%}",
            ["2:62: unknown signal `eror_rate`; did you mean `error_rate`?"],
            id="a signal that there is not",
        ),
        pytest.param(
            "{alertname: JobFailed}], expects: {}",
            ["2:51: unknown key `expects`; did you mean `expect`?"],
            id="a key that there is not",
        ),
        pytest.param(
            "{alertname: JobFailed}], findings: {http.status: {marks: [faling]}}",
            ["2:84: unknown mark of http.status `faling`; did you mean `failing`?"],
            id="a mark that the check cannot give",
        ),
        pytest.param(
            "{alertname: JobFailed}], readings: {error_rate: 7ms}",
            ['2:74: `error_rate`: expected percent such as 5%, got "7ms"'],
            id="a unit that does not fit",
        ),
        pytest.param(
            "{alertname: JobFailed}], expect: {diagnostics: [http.stats]}",
            ["2:74: unknown check `http.stats`; did you mean `http.status`?"],
            id="a check that there is not",
        ),
        pytest.param(
            "], expect: {}",
            ["2:25: expected at least one alert, or `watch` with a rule, got none"],
            id="no alert",
        ),
        pytest.param(
            "{alertname: JobFailed}], then: [{at: 2m}, {at: 1m}]",
            ["2:73: the clock goes on; expected a later moment"],
            id="a clock that goes back",
        ),
    ],
)
def test_what_is_said_of_a_test(failed: Callable[[str], list[str]], test: str, said: list[str]) -> None:
    assert failed(f"  - {{name: one, alerts: [{test}}}\n") == said


PEOPLE = """
rules:
  - {name: errors, match: ['alertname="Errors"'], level: critical, notify: {now: [dba]}}
  - {name: secret, match: ['alertname="Secret"'], level: critical, private: true, notify: {now: [security]}}
  - {name: minor, match: ['alertname="Minor"'], level: warning}
contacts:
  on-call: {pagerduty: {escalation_policy: PABC123}}
  manager: {slack: "@manager"}
  dba: {slack: "@dba"}
  lead: {slack: "@lead"}
  security: {slack: "@security"}
  everybody: {group: [on-call, manager]}
escalation: {P1: [{after: 5m, to: lead, unless: acknowledged}]}
severity:
  levels:
    P1: {acknowledge: 5m, notify: {now: [everybody]}, channel: true, deadlines: {summary: 4h}}
    P2: {acknowledge: 15m, notify: {15m: [manager]}, deadlines: {summary: 8h}}
  otherwise: {critical: P1, warning: P2}
"""


@pytest.mark.parametrize(
    "test",
    [
        pytest.param(
            """
    alerts: [{alertname: Errors}]
    expect: {notified: [on-call, manager, dba], channel: true, due: {acknowledge: 5m}, overdue: []}
    then:
      - {at: 4m59s, expect: {no: {notified: [lead]}}}
      - {at: 5m, expect: {notified: [lead, "..."], overdue: [acknowledge]}}
      - {at: 6m, acknowledged: true, expect: {overdue: [], state: acknowledged, no: {due: ["*"]}}}
      - {at: 40m, resolved: true, expect: {state: resolved, due: {summary: 4h}}}
""",
            id="one that nobody takes on in time",
        ),
        pytest.param(
            """
    alerts: [{alertname: Errors}]
    then: [{at: 5m, acknowledged: true, expect: {no: {notified: lead}}}, {at: 1h, expect: {no: {notified: lead}}}]
""",
            id="what happens at a moment comes before what falls due at it",
        ),
        pytest.param(
            """
    alerts: [{labels: {alertname: Errors}, source: pagerduty}]
    expect: {notified: [manager, dba]}
""",
            id="PagerDuty told its own",
        ),
        pytest.param(
            """
    alerts: [{alertname: Minor}]
    expect: {notified: [], channel: false}
    then:
      - {at: 3m, alerts: [{alertname: Secret}], expect: {notified: [security], channel: false, private: true}}
      - {at: 2h, expect: {notified: [security]}}
""",
            id="a private rule keeps the incident to its own people",
        ),
        pytest.param(
            """
    alerts: [{alertname: Minor}]
    then: [{at: 14m59s, expect: {notified: []}}, {at: 15m, expect: {notified: [manager]}}]
""",
            id="a timer of the level",
        ),
    ],
)
def test_people_are_told_as_the_rules_promise(test: str) -> None:
    pack = pack_from_files("p", {"pack.yaml": PEOPLE}, CATALOGUE)
    found = parse_rehearsals(f"tests:\n  - name: one{test}", "a.test.yaml", pack, CATALOGUE)

    assert [str(it) for it in found.problems] == []
    assert [failure for it in found.tests for failure in rehearse(it, pack).failures] == []


@pytest.mark.parametrize(
    "test",
    [
        pytest.param(
            "alerts: [{alertname: Nobodys}], expect: {rules: [], severity: , decided_by: none, suggest: none,"
            " notified: , state: open, verdict: {}, channel: no, no: {severity: '*', falls_in: '*'}}",
            id="what is not there, in every spelling",
        ),
        pytest.param(
            "alerts: [{alertname: Errors}], expect: {severity: '*', rules: '*', notified: [dba, '*'],"
            " verdict: {errors: '*'}, due: {acknowledge: '*'},"
            " no: {severity: [P2, none], due: [summary], verdict: {errors: clear}}}",
            id="any value, and none of several",
        ),
        pytest.param(
            "alerts: [{alertname: Errors}], expect: {notified: [on-call, '...'], no: {notified: [lead, security]}}",
            id="a list that allows more",
        ),
    ],
)
def test_every_spelling_of_what_is_expected(test: str) -> None:
    pack = pack_from_files("p", {"pack.yaml": PEOPLE}, CATALOGUE)
    found = parse_rehearsals(f"tests:\n  - {{name: one, {test}}}\n", "a.test.yaml", pack, CATALOGUE)

    assert [str(it) for it in found.problems] == []
    assert [failure for it in found.tests for failure in rehearse(it, pack).failures] == []
