"""Tests of rules that leave nothing open notice every change; each that is missing lets one live."""

from __future__ import annotations

from pathlib import Path

import pytest

from responder.diagnostics.catalogue import specs
from responder.rules.mutate import mutants
from responder.rules.packs import pack_from_files
from responder.rules.rehearsals import parse_rehearsals
from responder.work.mutants import lives
from responder.work.rehearse import rehearse

CATALOGUE = specs()
PACK = """
targets: {prometheus: {prometheus: "http://prometheus:9090"}}
signals: {error_rate: {unit: percent, prometheus: {query: rate}}}
rules: [{name: errors, match: ['alertname="Errors"'], thresholds: {error_rate: {warning: "> 5% for 2m"}}}]
severity:
  levels: {P1: , P2: }
  decide:
    - {ask: down, when: {error_rate: "> 50%"}, then: P1}
    - {ask: paid, when: {labels: 'service="payments"'}, then: P2}
  otherwise: {warning: P2}
"""
TESTS = (
    "{name: at, alerts: [{alertname: Errors}], readings: {error_rate: 5%}, expect: {verdict: clear}}",
    "{name: over, alerts: [{alertname: Errors}], readings: {error_rate: 6% for 2m}, expect: {verdict: warning}}",
    "{name: not yet, alerts: [{alertname: Errors}], readings: {error_rate: 7% for 1m}, expect: {verdict: pending}}",
    "{name: other, alerts: [{alertname: Others}], readings: {error_rate: 6%}, expect: {rules: []}}",
    "{name: half, alerts: [{alertname: Errors}], readings: {error_rate: 50%}, expect: {decided_by: otherwise}}",
    "{name: down, alerts: [{alertname: Errors, service: payments}], readings: {error_rate: 51%}, "
    "expect: {decided_by: down}}",
)


def living(*tests: str) -> list[str]:
    pack = pack_from_files("p", {"pack.yaml": PACK}, CATALOGUE)
    text = "\n".join(["tests:", *(f"  - {it}" for it in tests)])
    parsed = parse_rehearsals(text, "a.test.yaml", pack, CATALOGUE)
    assert parsed.problems == ()
    played = [(it, rehearse(it, pack)) for it in parsed.tests]
    assert [failure for _, it in played for failure in it.failures] == []
    return [it.what for it in mutants(pack, Path()) if lives(it, played)]


def test_tests_that_leave_nothing_open_notice_every_change() -> None:
    assert living(*TESTS) == []


@pytest.mark.parametrize(
    ("without", "unnoticed"),
    [
        (0, ['rule errors: error_rate warning "> 5% for 2m" moved to "> 4% for 2m"']),
        (1, ['rule errors: error_rate warning "> 5% for 2m" moved to "> 6% for 2m"']),
        (2, ['rule errors: error_rate warning "> 5% for 2m" without its `for`']),
        (3, ['rule errors: `alertname="Errors"` dropped from `alertname="Errors"`']),
        (4, ['question "down": error_rate "> 50%" moved to "> 49%"', 'question "paid": `service="payments"` dropped']),
        (5, ['question "down": error_rate "> 50%" moved to "> 51%"', 'questions "down" and "paid" swapped']),
    ],
)
def test_each_test_that_is_missing_lets_a_change_live(without: int, unnoticed: list[str]) -> None:
    found = living(*(it for place, it in enumerate(TESTS) if place != without))

    assert [what for what, start in zip(found, unnoticed, strict=True) if what.startswith(start)] == found
