"""One thing changed in a pack, everything else as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from responder.model.pack import Pack, Position
from responder.rules.mutate import mutants

PACK = """
rules:
  - name: errors
    match: ['alertname="Errors", service="api"', 'alertname="Others"']
    thresholds: {error_rate: {warning: "> 1.5% for 5m", resolve: "< 500ms"}}
  - {name: rest, default: true}
severity:
  levels: {P1: , P2: , P3: }
  decide:
    - {ask: one, when: {error_rate: ">= 50%"}, then: P1}
    - {ask: two, when: {every: 'environment="dev"'}, then: {at_most: P3}}
    - {ask: three, when: {labels: 'a="b"'}, then: {at_least: P2}}
""".replace("< 500ms", "< 1%")


@pytest.fixture
def made(pack: Callable[[str], Pack]) -> Pack:
    """Its files stand in the folder `here`."""
    made = pack(PACK)
    at = Position(file="here/rules.yaml", line=3, column=5)
    return replace(made, rules=tuple(replace(it, written_at=at) for it in made.rules))


def test_every_bound_for_matcher_and_order_is_changed_once(made: Pack) -> None:
    assert [it.what for it in mutants(made, Path("here"))] == [
        'rule errors: error_rate warning "> 1.5% for 5m" moved to "> 1.6% for 5m"',
        'rule errors: error_rate warning "> 1.5% for 5m" moved to "> 1.4% for 5m"',
        'rule errors: error_rate warning "> 1.5% for 5m" without its `for`',
        'rule errors: error_rate resolve "< 1%" moved to "< 2%"',
        'rule errors: error_rate resolve "< 1%" moved to "< 0%"',
        'rule errors: `alertname="Errors"` dropped from `alertname="Errors", service="api"`',
        'rule errors: `service="api"` dropped from `alertname="Errors", service="api"`',
        'rule errors: `alertname="Others"` dropped from `alertname="Others"`',
        'question "one": error_rate ">= 50%" moved to ">= 51%"',
        'question "one": error_rate ">= 50%" moved to ">= 49%"',
        'question "two": `environment="dev"` dropped from `environment="dev"`',
        'question "three": `a="b"` dropped from `a="b"`',
        'questions "one" and "two" swapped',
        'questions "one" and "three" swapped',
    ]


def test_the_changed_pack_differs_in_that_alone(made: Pack) -> None:
    several = list(mutants(made, Path("here")))

    bounds = [it.pack.rules[0].thresholds[0] for it in several[:5]]
    assert [it.warning and (it.warning.number, it.warning.for_seconds) for it in bounds] == [
        (1.6, 300), (1.4, 300), (1.5, 0), (1.5, 300), (1.5, 300),
    ]  # fmt: skip
    assert [it.resolve and it.resolve.number for it in bounds] == [1, 1, 1, 2, 0]
    lines = [[[it.label for it in line.matchers] for line in one.pack.rules[0].match] for one in several[5:8]]
    assert lines == [[["service"], ["alertname"]], [["alertname"], ["alertname"]], [["alertname", "service"]]]
    assert [it.ask for it in several[-1].pack.severity.decide] == ["three", "two", "one"]
    assert all(replace(it.pack, rules=made.rules, severity=made.severity) == made for it in several)


def test_what_is_included_is_not_ours_to_test(made: Pack) -> None:
    assert [it.what for it in mutants(made, Path("elsewhere")) if it.what.startswith("rule")] == []
