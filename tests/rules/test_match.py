"""Which rules apply, and what must be read for them."""

from __future__ import annotations

from collections.abc import Callable

from responder.model.pack import Pack
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
