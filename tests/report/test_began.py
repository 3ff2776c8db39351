"""Tests of responder/report/began.py: when an incident began."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Bound, Pack, Thresholds
from responder.model.report import Report
from responder.model.verdict import Breach, Level, Pending, Verdict
from tests.report.situations import (
    NOW,
    ONSET,
    alert,
    before_onset,
    finding,
    incident,
    pack,
    report,
    rule,
    says,
)


def held_for(minutes: float) -> Pack:
    """The pack, with a critical bound that must hold for so long."""
    critical = Bound(operator=">", number=5, for_seconds=60 * minutes, text="> 5%", unit="percent")
    return pack(rule(thresholds=(Thresholds(signal="error_rate", critical=critical),)))


def breached(since_minutes: float, *, at_least: bool = False) -> Breach:
    return Breach(level=Level.CRITICAL, since=before_onset(minutes=since_minutes), at_least=at_least)


def told(verdict: Verdict, *findings: Finding, hold: float = 180) -> Report:
    return report(pack=held_for(hold), verdicts=(says(verdict, bound="> 5%"),), findings=findings)


def rollout(**before: float) -> Finding:
    change = Change(at=before_onset(**before), what="Rollout api rev 42")
    return finding("kubernetes.rollouts", "1 rollout", changes=(change,))


def test_it_began_when_the_signal_went_over_its_bound_and_not_when_the_alert_fired() -> None:
    made = told(breached(182), rollout(hours=3, minutes=7))

    assert made.onset == before_onset(minutes=182)
    assert [it.text for it in made.look_first] == ["Rollout api rev 42, 5m before onset"]


def test_what_changed_while_the_alert_waited_started_nothing() -> None:
    made = told(breached(182), rollout(minutes=5))

    assert made.look_first == ()
    assert [it.text for it in made.also] == ["Rollout api rev 42, 2h57m after onset"]


@pytest.mark.parametrize(
    ("verdict", "hold", "minutes"),
    [
        pytest.param(breached(12), 5, 12, id="about its `for` before the alert"),
        pytest.param(breached(14), 5, 0, id="far longer: the alert is about something else"),
        pytest.param(breached(15, at_least=True), 60, 0, id="as long as was read: since when is not known"),
        pytest.param(
            Pending(level=Level.WARNING, since=before_onset(minutes=3), needed_seconds=600, due=NOW),
            10,
            3,
            id="pending",
        ),
    ],
)
def test_the_signal_tells_where_the_alert_fits_to_it(verdict: Verdict, hold: float, minutes: float) -> None:
    assert told(verdict, hold=hold).onset == before_onset(minutes=minutes)


def test_the_alert_s_own_expression_tells_when_it_began() -> None:
    holds = finding(
        "prometheus.rules", "HighErrorRate holds", Outcome.UNHEALTHY, gravity=20, asked_at=NOW, lasted_seconds=14_400.0
    )
    two = incident(alert(), alert("DiskFull"))

    assert report(findings=(holds,)).onset == NOW - timedelta(hours=4)
    assert report(findings=(holds,), incident=two).onset == ONSET


def test_when_it_began_stays_known_until_it_comes_back() -> None:
    first = told(breached(180))
    ended = report(former=first, incident=incident(resolved_at=NOW))

    assert report(former=first).onset == ended.onset == before_onset(hours=3)
    assert report(former=ended).onset == ONSET


def test_a_start_in_year_1_says_nothing_of_when_it_began() -> None:
    unsaid = alert(at=datetime(1, 1, 1, tzinfo=UTC))

    alone = report(incident=incident(unsaid), verdicts=())
    beside = report(incident=incident(unsaid, alert("Other")), verdicts=())

    assert (alone.onset, beside.onset) == (incident().opened_at, ONSET)
