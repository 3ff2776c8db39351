"""Tests of responder/report/compare.py: when people are told again, and when they are left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from responder.model.finding import Outcome
from responder.model.verdict import Clear, Unknown
from responder.report.compare import DeliveryReason, material_digest, may_edit_at, reason_to_deliver
from tests.report.situations import CRASHING, FINDINGS, HEALTH, NOW, P1, P2, WARNING, alert, incident, report, says

LATER = NOW + timedelta(minutes=7)
RESOLVED = incident(alert(resolved=True), resolved_at=LATER)


@pytest.mark.parametrize(
    "wobble",
    [
        pytest.param({"verdicts": (says(value=7.9),)}, id="the number"),
        pytest.param({"now": LATER}, id="the time"),
        pytest.param({"took_seconds": 9.0}, id="how long it took"),
        pytest.param({"findings": (*FINDINGS[1:], replace(HEALTH, headline="/health 200 in 36 ms"))}, id="a headline"),
        pytest.param({"findings": tuple(reversed(FINDINGS))}, id="the order"),
    ],
)
def test_a_wobble_is_no_news(wobble: dict[str, Any]) -> None:
    assert material_digest(report(**wobble)) == material_digest(report())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"assessment": P2}, id="severity"),
        pytest.param({"incident": RESOLVED}, id="state"),
        pytest.param({"verdicts": (says(WARNING),)}, id="verdict"),
        pytest.param({"verdicts": (says(Unknown(why="no answer")),)}, id="no reading any more"),
        pytest.param({"findings": FINDINGS[1:]}, id="a finding less"),
        pytest.param({"findings": (*FINDINGS[1:], replace(HEALTH, outcome=Outcome.UNHEALTHY))}, id="an outcome"),
        pytest.param({"findings": tuple(replace(it, marks=()) for it in FINDINGS)}, id="marks"),
        pytest.param({"left_out": (("kubernetes.logs", "label pod is missing"),)}, id="could not look"),
        pytest.param({"still_looking": ("kubernetes.logs",)}, id="completeness"),
        pytest.param({"former": report(assessment=P2)}, id="an event"),
    ],
)
def test_what_a_reader_must_know_changes_the_digest(change: dict[str, Any]) -> None:
    assert material_digest(report(**change)) != material_digest(report())


def test_what_flaps_is_told_once_and_not_each_time_it_comes_and_goes() -> None:
    steady, there = report(), replace(report(), flaps=2)
    gone = replace(report(verdicts=(says(Clear()),), findings=FINDINGS[1:]), flaps=3)

    assert material_digest(there) != material_digest(steady)
    assert material_digest(gone) == material_digest(there)
    assert material_digest(replace(gone, flaps=4)) != material_digest(there)
    assert material_digest(replace(there, severity="P1" if there.severity != "P1" else "P2")) != material_digest(there)


@pytest.mark.parametrize(
    ("firing", "later", "is_news"),
    [
        pytest.param(1, 2, False, id="a few wobble"),
        pytest.param(15, 16, True, id="a storm begins"),
        pytest.param(50, 60, False, id="about as many"),
        pytest.param(50, 10_000, True, id="it has grown"),
        pytest.param(10_000, 300, True, id="it ebbs"),
    ],
)
def test_a_storm_is_news_when_it_doubles(firing: int, later: int, is_news: bool) -> None:
    told, now = (report(incident=incident(more_firing=it - 1)) for it in (firing, later))

    assert (material_digest(told) != material_digest(now)) is is_news


def test_an_outcome_and_a_mark_alone_are_news() -> None:
    plain = material_digest(report(findings=(HEALTH,)))

    assert material_digest(report(findings=(replace(HEALTH, outcome=Outcome.UNHEALTHY),))) != plain
    assert material_digest(report(findings=(replace(HEALTH, marks=("failing",)),))) != plain


def reason(made: Any, former: Any = None, **last: Any) -> DeliveryReason | None:
    told = {
        "last_digest": material_digest(former) if former else None,
        "last_severity_rank": former.severity_rank if former else None,
        "last_complete": former.complete if former else False,
        "last_state": former.state if former else None,
    }
    return reason_to_deliver(made, **told | last)


PARTIAL = {"still_looking": ("kubernetes.logs",)}


def test_each_reason_has_its_word() -> None:
    first = report()

    assert reason(report(**PARTIAL)) is DeliveryReason.FIRST_REPORT
    assert reason(first) is DeliveryReason.FIRST_REPORT
    assert reason(first, report(**PARTIAL)) is DeliveryReason.COMPLETED
    assert reason(report(assessment=P1, former=first), report(assessment=P2)) is DeliveryReason.SEVERITY_RAISED
    assert reason(report(assessment=P2), first) is DeliveryReason.CHANGED
    assert reason(report(findings=(CRASHING,)), first) is DeliveryReason.CHANGED
    assert reason(report(incident=RESOLVED), first) is DeliveryReason.RESOLVED
    assert reason(first, report(incident=RESOLVED)) is DeliveryReason.REOPENED


def test_nothing_new_is_silence() -> None:
    assert reason(report(now=LATER), report()) is None


def test_what_comes_in_piece_by_piece_waits_for_the_rest_but_a_raised_severity_does_not() -> None:
    piece = report(**PARTIAL, findings=FINDINGS[:2])

    assert reason(piece, report(**PARTIAL, findings=())) is None
    assert reason(piece, report()) is None
    assert reason(piece, report(**PARTIAL, assessment=P2)) is DeliveryReason.SEVERITY_RAISED


@pytest.mark.parametrize(
    ("reason", "since", "edited", "waits"),
    [
        (DeliveryReason.FIRST_REPORT, None, False, 0),
        (DeliveryReason.COMPLETED, 3, False, 0),
        (DeliveryReason.COMPLETED, 3, True, 57),
        (DeliveryReason.SEVERITY_RAISED, 3, True, 0),
        (DeliveryReason.CHANGED, 3, False, 57),
        (DeliveryReason.RESOLVED, 3, True, 57),
        (DeliveryReason.RESOLVED, 59, True, 1),
        (DeliveryReason.REOPENED, 3, True, 57),
        (DeliveryReason.CHANGED, 600, True, 0),
        (DeliveryReason.CHANGED, None, False, 0),
    ],
)
def test_at_most_one_edit_a_minute_unless_it_cannot_wait(
    reason: DeliveryReason, since: int | None, edited: bool, waits: int
) -> None:
    last = None if since is None else NOW - timedelta(seconds=since)

    assert may_edit_at(reason, last, NOW, edited=edited) == NOW + timedelta(seconds=waits)
