"""Tests of responder/report/rank.py: what a person is pointed at first."""

from __future__ import annotations

import pytest

from responder.model.finding import Change, Outcome
from responder.model.report import Pointed
from responder.report.rank import change_line, healthy_lines, rank_clues
from tests.report.situations import BREAKERS, CRASHING, ONSET, POOL, ROLLOUT, before_onset, finding


def test_a_change_close_before_the_onset_goes_before_what_is_unhealthy() -> None:
    ranked = rank_clues([CRASHING, POOL, ROLLOUT, BREAKERS], onset=ONSET)

    assert [it.check for it in ranked.first] == ["kubernetes.rollouts(cluster)", "kubernetes.pods"]
    assert [it.check for it in ranked.also] == ["postgres.connections", "http.json"]


def test_an_old_change_goes_behind_what_is_unhealthy() -> None:
    old = finding("github.deployments", "", changes=(Change(at=before_onset(hours=5), what="Deployment of main"),))

    ranked = rank_clues([old, CRASHING], onset=ONSET)

    assert ranked.first == (Pointed(text=CRASHING.headline, check="kubernetes.pods"),)
    assert ranked.also == (Pointed(text="Deployment of main, 5h before onset", check="github.deployments"),)


def test_the_only_clue_is_first_however_weak() -> None:
    ranked = rank_clues([BREAKERS], onset=ONSET)

    assert ranked.first == (Pointed(text=BREAKERS.headline, check="http.json"),)


def test_a_change_after_the_onset_is_no_cause_and_says_so() -> None:
    after = finding("github.deployments", "", changes=(Change(at=before_onset(minutes=-2), what="Deployment"),))

    ranked = rank_clues([after], onset=ONSET)

    assert ranked.first == ()
    assert ranked.also == (Pointed(text="Deployment, 2m after onset", check="github.deployments"),)


def test_of_a_resolved_incident_what_is_still_unhealthy_is_first() -> None:
    ranked = rank_clues([ROLLOUT, BREAKERS], onset=ONSET, resolved=True)

    assert [it.check for it in ranked.first] == ["http.json"]
    assert [it.check for it in ranked.also] == ["kubernetes.rollouts(cluster)"]


def test_a_change_that_two_checks_report_is_told_once() -> None:
    again = finding("kubernetes.helm", "1 release", changes=ROLLOUT.changes)

    ranked = rank_clues([again, ROLLOUT], onset=ONSET)

    assert len(ranked.first) + len(ranked.also) == 1


def test_a_check_asked_of_several_targets_names_each() -> None:
    findings = [finding("http.status", "200 in 34 ms", target=it) for it in ("gateway", "api")]

    lines = healthy_lines(findings)

    assert [it.text for it in lines] == ["api: 200 in 34 ms", "gateway: 200 in 34 ms"]


def test_two_findings_of_one_name_keep_their_own_headlines() -> None:
    findings = [finding("prometheus.query", it, Outcome.UNHEALTHY) for it in ("queue is 900", "lag is 40 s")]

    ranked = rank_clues(findings, onset=ONSET)

    assert [it.text for it in ranked.first] == ["lag is 40 s", "queue is 900"]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (Change(at=ONSET, what="Rollout api"), "Rollout api, at onset"),
        (Change(at=before_onset(hours=2), what="Rollout api: a → b"), "Rollout api, 2h before onset: a → b"),
        (Change(at=before_onset(seconds=-90), what="Restart", by="ann"), "Restart, 1m30s after onset, by ann"),
    ],
)
def test_a_change_says_its_distance_from_the_onset(change: Change, line: str) -> None:
    assert change_line(change, ONSET) == line
