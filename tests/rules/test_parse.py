"""What a right pack becomes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from responder.diagnostics.catalogue import specs
from responder.model.pack import (
    Bound,
    HttpSource,
    Pack,
    PrometheusSource,
    Question,
    SeverityScheme,
    Suggest,
    Thresholds,
)
from responder.model.verdict import Level
from responder.rules.packs import Loaded, load_packs

REPOSITORY = Path(__file__).parents[2]


def test_targets_and_signals_are_filled_with_what_was_written(pack: Callable[[str], Pack]) -> None:
    made = pack(
        """\
targets:
  status: {statuspage: "https://status.example.com"}
  cluster: {kubernetes: in-cluster}
  web: {http: "${WEB}", headers: {Authorization: "Bearer ${TOKEN}"}, ca: /ca.pem, concurrency: 3, per_minute: 10, allow: [scan]}
signals:
  share: {unit: ratio, prometheus: {query: 'x{s="{{ labels.service }}"}', step: 10s, empty: 5%, present: up}}
  time: {unit: milliseconds, http: {target: web, time: /slow, step: 30s}}
rules: [{name: one, default: true}]
"""  # noqa: E501 - as people write it
    )

    web, status = made.targets["web"], made.targets["status"]
    assert (web.kind, web.address, dict(web.headers)) == ("http", "${WEB}", {"Authorization": "Bearer ${TOKEN}"})
    assert (web.ca, web.concurrency, web.per_minute, web.allow) == ("/ca.pem", 3, 10, frozenset({"scan"}))
    assert (status.kind, status.flavour) == ("statuspage", "atlassian")
    assert made.targets["cluster"].address == "in-cluster"
    assert made.signals["share"].source == PrometheusSource(
        target="prometheus", query='x{s="{{ labels.service }}"}', step_seconds=10, empty=0.05, present="up"
    )
    assert made.signals["time"].source == HttpSource(target="web", time="/slow", step_seconds=30)
    assert (made.signals["waiting"].unit, made.signals["waiting"].noun) == ("count", "waiting")


def test_a_rule_is_filled_with_what_was_written(pack: Callable[[str], Pack]) -> None:
    made = pack(
        """\
rules:
  - name: errors
    summary: API answers 5xx
    match: ['service="api"', 'service="web"']
    combine: all
    thresholds:
      error_rate: {warning: "> 1%  for 5 min", critical: ">= 5 %", resolve: "< 0.5% for 1m30s"}
      waiting: {critical: "> 1k waiting"}
    runbook: https://runbooks.example.com/x
    suggest:
      - {do: Free some, run: "psql {{ found.database }}", when: near_limit, caution: careful, phase: verify}
    diagnose: [redis.info]
"""
    )

    rule = made.rules[0]
    assert (rule.name, rule.summary, rule.combine, rule.default) == ("errors", "API answers 5xx", "all", False)
    assert str(rule.written_at) == "pack.yaml:2:5"
    assert [line.text for line in rule.match] == ['service="api"', 'service="web"']
    assert rule.thresholds == (
        Thresholds(
            signal="error_rate",
            warning=Bound(operator=">", number=1, for_seconds=300, text="> 1% for 5 min", unit="percent"),
            critical=Bound(operator=">=", number=5, for_seconds=0, text=">= 5 %", unit="percent"),
            resolve=Bound(operator="<", number=0.5, for_seconds=90, text="< 0.5% for 1m30s", unit="percent"),
        ),
        Thresholds(
            signal="waiting",
            critical=Bound(operator=">", number=1000, for_seconds=0, text="> 1k waiting", noun="waiting"),
        ),
    )
    assert rule.suggest == (
        Suggest(
            do="Free some", run="psql {{ found.database }}", when=("near_limit",), caution="careful", phase="verify"
        ),
    )


def test_diagnose_takes_names_parameters_bundles_targets_and_labels(pack: Callable[[str], Pack]) -> None:
    made = pack(
        """\
targets: {web: {http: "https://web"}}
defaults:
  http: {target: web, timeout: 3s}
  http.status: {paths: [/health]}
bundles:
  both: [redis.info, more]
  more: [postgres.connections]
rules:
  - name: one
    default: true
    diagnose:
      - both
      - redis.info
      - http.status
      - http.status: api
      - http.status: {targets: [api, web], paths: [/a], timeout: 5s, when: critical, excerpts: yes, as: front}
      - http.status: {target: {label: cluster}}
      - prometheus.query: {query: 'x{y="{{ labels.y }}"}'}
"""
    )

    entries = made.rules[0].diagnose
    assert [(it.check, it.target, it.target_label, it.timeout_seconds) for it in entries] == [
        ("redis.info", "cache", None, None),
        ("postgres.connections", "database", None, None),
        ("http.status", "web", None, 3.0),
        ("http.status", "api", None, 3.0),
        ("http.status", "api", None, 5.0),
        ("http.status", "web", None, 5.0),
        ("http.status", None, "cluster", 3.0),
        ("prometheus.query", "prometheus", None, None),
    ]
    assert entries[2].parameters.model_dump() == {"paths": ["/health"], "expect": "<400"}
    assert entries[4].parameters.model_dump() == {"paths": ["/a"], "expect": "<400"}
    assert (entries[4].when, entries[4].excerpts, entries[4].name) == (Level.CRITICAL, True, "front")


def test_the_scheme_is_filled_with_what_was_written(pack: Callable[[str], Pack]) -> None:
    made = pack(
        """\
rules: [{name: one, default: true, diagnose: [http.status]}]
severity:
  hold: 5m
  levels: {SEV1: {acknowledge: 5m}, SEV2: , SEV3: }
  decide:
    - {ask: a, when: {every: 'env="dev"'}, then: {at_most: SEV3}}
    - {ask: b, when: [{serving: "< 1%"}, {rule: one, mark: [failing]}], unknown: yes, then: SEV1}
    - {ask: c, when: {labels: ['a="b"', 'c="d"']}, then: {critical: SEV1, warning: SEV2}}
  otherwise: {critical: SEV2, clear: SEV3}
"""
    )

    scheme = made.severity
    cap, down, verdicts = scheme.decide
    assert (scheme.levels, scheme.hold_seconds) == (("SEV1", "SEV2", "SEV3"), 300.0)
    assert scheme.otherwise == {"critical": "SEV2", "clear": "SEV3"}
    assert (cap.at_most, cap.level, cap.when[0].every[0].text) == ("SEV3", None, 'env="dev"')
    assert (down.level, down.unknown_is_yes) == ("SEV1", True)
    assert down.when[0].signals == (
        ("serving", Bound(operator="<", number=1, for_seconds=0, text="< 1%", unit="percent")),
    )
    assert (down.when[1].rules, down.when[1].marks) == (("one",), ("failing",))
    assert (verdicts.by_verdict, len(verdicts.when[0].labels)) == ({"critical": "SEV1", "warning": "SEV2"}, 2)
    assert isinstance(verdicts, Question)


def test_without_severity_there_are_four_levels(pack: Callable[[str], Pack]) -> None:
    made = pack("rules: [{name: one, default: true}]\n")

    assert made.severity == SeverityScheme()


def test_the_starter_pack_is_right_and_fires_on_the_common_alert() -> None:
    loaded = load_packs(REPOSITORY / "rules" / "starter", specs())

    assert loaded.problems == ()
    starter = loaded.packs[0]
    labels = {"alertname": "HighErrorRate", "service": "payments", "severity": "critical"}
    rule = next(it for it in starter.rules if it.matches(labels))
    assert rule.name == "api-error-rate"
    assert [
        (it.signal, it.warning and it.warning.text, it.critical and it.critical.text) for it in rule.thresholds
    ] == [("error_rate", "> 1% for 5m", "> 5% for 2m")]
    assert any(rule.default for rule in starter.rules)
    common = {"http.status", "prometheus.query", "prometheus.alerts", "postgres.connections", "redis.info"}
    assert common <= {entry.check for rule in starter.rules for entry in rule.diagnose}


def test_the_contract_itself_loads_without_a_mistake(load: Callable[..., Loaded]) -> None:
    """Every example of the language's page as one pack with one scheme; names that it only uses are added."""
    page = REPOSITORY.parent / "shared" / "rules.md"
    if not page.is_file():
        pytest.skip("the language's page is not beside this repository")
    blocks = page.read_text().split("```yaml\n")[1:]
    texts = [block.split("```")[0] for block in blocks][1:-1]  # the first is pack.yaml with an include, the last tests
    files = {f"{index}.yaml": text.replace(" …", " x").replace("SEV", "P") for index, text in enumerate(texts)}

    people = ("vp-engineering", "tech-lead", "support", "dba", "security")
    contacts = "".join(f"  {name}: {{slack: '@{name}'}}\n" for name in people)
    files["named.yaml"] = (
        f"contacts:\n{contacts}signals: {{affected_users: {{unit: count, prometheus: {{query: q}}}}}}\n"
        "targets: {stripe: {statuspage: 'https://status.stripe.com'}}\n"
    )

    load({**files, "payments.yaml": "rules: [{name: payments, match: ['service=\"payments\"']}]\n"})
    loaded = load_packs(Path("p"), specs())

    assert [str(it) for it in loaded.problems] == []
    assert [rule.name for rule in loaded.packs[0].rules][:2] == ["api-error-rate", "job-failed"]
