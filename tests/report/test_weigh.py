"""Tests of responder/report/weigh.py: how much each line tells of the cause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from responder.model.finding import Change, Finding, Outcome
from responder.report.weigh import Scales
from tests.report.situations import NOW, ONSET, before_onset, finding


def weighed(*findings: Finding, **labels: str) -> list[float]:
    """Of each finding's first change, or of the trouble where it has none."""
    scales = Scales.of(findings, onset=ONSET, labels=[labels])
    return [scales.of_change(it.changes[0]) if it.changes else scales.of_trouble(it) for it in findings]


def changed(minutes: float, weight: float = 1.0, **about: str) -> Finding:
    change = Change(at=before_onset(minutes=minutes), what=f"Change {minutes}", about=about, weight=weight)
    return finding("github.deployments", "", changes=(change,))


def trouble(gravity: int, **more: object) -> Finding:
    return finding("redis.info", "", Outcome.UNHEALTHY, gravity=gravity, **more)


def test_a_change_right_before_the_onset_tells_more_than_whatever_is_unhealthy() -> None:
    close, unhealthy, old = weighed(changed(5), trouble(100), changed(90))

    assert close > unhealthy > old


def test_the_nearer_of_two_changes_tells_more_unless_it_touches_something_else() -> None:
    ours, theirs = weighed(changed(15, deployment="ocr"), changed(2, deployment="web-shop"), service="ocr")

    assert ours > theirs
    assert weighed(changed(15), changed(2)) == sorted(weighed(changed(15), changed(2)))


def test_a_neighbour_s_change_tells_more_than_a_symptom_and_less_than_a_fault() -> None:
    fault, theirs, symptom = weighed(trouble(90), changed(4, deployment="search"), trouble(55), service="payments")

    assert fault > theirs > symptom


def test_beside_a_change_of_ours_a_neighbour_s_is_told_among_the_rest() -> None:
    alone = weighed(changed(4, deployment="search"), service="payments")
    _, beside = weighed(changed(50, deployment="payments"), changed(4, deployment="search"), service="payments")

    assert alone[0] > 50 > beside


def test_a_change_that_touches_one_of_four_failing_services_explains_little() -> None:
    one = changed(3, deployment="ai")
    services = [{"service": it} for it in ("ai", "ocr", "search", "mail")]

    alone, of_four = (
        Scales.of([one], onset=ONSET, labels=it).of_change(one.changes[0]) for it in (services[:1], services)
    )

    assert alone > 100 > 95 > of_four


def test_what_is_seldom_a_cause_tells_less_than_a_rollout_long_before() -> None:
    scaled, rollout = weighed(changed(1, weight=0.4), changed(50))

    assert rollout > scaled


def test_trouble_that_was_there_for_days_without_an_alert_tells_less() -> None:
    new = trouble(60, asked_at=NOW, lasted_seconds=600.0)
    old = replace(new, lasted_seconds=4 * 86_400.0)
    dated = trouble(60, changes=(Change(at=before_onset(days=4), what="Incident"),))
    scales = Scales.of((new, old, dated), onset=ONSET)

    assert [round(scales.of_trouble(it)) for it in (new, old, dated)] == [pytest.approx(60, abs=1), 30, 30]


def seen_from_outside(target: str) -> Finding:
    return finding("http.status", "HTTP 503", Outcome.UNHEALTHY, target=target, gravity=80, marks=("failing",))


def test_that_the_failing_service_fails_says_the_alert_again() -> None:
    itself, cause = weighed(seen_from_outside("checkout"), trouble(65), service="checkout")

    assert itself < cause


def test_that_what_it_depends_on_fails_is_news() -> None:
    itself, other = weighed(seen_from_outside("checkout"), seen_from_outside("billing"), service="checkout")

    assert (itself, other) == (pytest.approx(56), 80)


def test_where_no_service_is_known_to_be_the_alert_s_none_is_known_to_be_another() -> None:
    assert weighed(seen_from_outside("billing"), service="checkout") == [pytest.approx(56)]
