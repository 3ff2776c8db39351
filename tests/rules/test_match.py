"""Which rules apply, and what must be read for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from responder.model.pack import Pack, Rule
from responder.rules.match import matching, windows

PACK = """\
rules:
  - {name: errors, match: ['service="api"', 'service="web"'], thresholds: {error_rate: {warning: "> 1% for 5m", critical: "> 5% for 2m", resolve: "< 1% for 10m"}}}
  - {name: slow, match: ['service="api", tier="1"'], thresholds: {latency: {warning: "> 1s"}}}
  - {name: rest, default: true}
severity:
  decide:
    - {ask: "Is it down?", when: {serving: "< 1% for 1m"}, then: P1}
    - {ask: "Is it bad?", when: [{error_rate: "> 50% for 20m"}], then: P1}
"""  # noqa: E501 - as people write it


def names(pack: Pack, *labels: dict[str, str]) -> list[str]:
    return [rule.name for rule in matching(pack.rules, labels)]


def test_every_rule_that_matches_any_alert_applies(pack: Callable[[str], Pack]) -> None:
    made = pack(PACK)

    assert names(made, {"service": "web"}, {"service": "api", "tier": "1"}) == ["errors", "slow"]
    assert names(made, {"service": "api"}, {"service": "x", "tier": "1"}) == ["errors"]


def test_the_default_rule_applies_alone_and_only_when_nothing_else_does(pack: Callable[[str], Pack]) -> None:
    made = pack(PACK)

    assert names(made, {"service": "other"}) == ["rest"]
    assert names(made, {"service": "other"}, {"service": "api"}) == ["errors"]
    assert names(made) == []
    assert matching(made.rules[:2], [{"service": "other"}]) == ()


def test_signals_of_questions_are_read_though_no_rule_names_them(pack: Callable[[str], Pack]) -> None:
    made = pack(PACK)

    assert set(windows(made, made.rules[:1])) == {"error_rate", "serving"}
    assert windows(made, made.rules)["error_rate"][-1] == 1200.0
    assert windows(made, made.rules)["latency"] == ()


def test_of_many_rules_only_those_are_asked_that_the_labels_lead_to(
    pack: Callable[[str], Pack], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = "".join(f'  - {{name: r{n}, match: [\'service="s{n}", tier="1"\']}}\n' for n in range(500))
    made = pack(f"rules:\n{many}  - {{name: rest, default: true}}\n")
    asked: list[str] = []
    matches = Rule.matches
    monkeypatch.setattr(Rule, "matches", lambda rule, labels: asked.append(rule.name) or matches(rule, labels))

    assert names(made, {"service": "s7", "tier": "1"}) == ["r7"]
    assert names(made, {"service": "none", "tier": "1"}) == ["rest"]
    assert asked == ["r7"]


def test_the_signal_of_the_matrix_is_read(pack: Callable[[str], Pack]) -> None:
    made = pack(
        "severity: {matrix: {columns: {signal: waiting, cells: ['< 5 for 1m', '>= 5']}, rows: {outage: [P2, P1]}}}\n"
        "rules: [{name: one, match: ['a=\"b\"'], impact: outage}]\n"
    )

    assert windows(made, made.rules) == {"waiting": (60.0,)}
