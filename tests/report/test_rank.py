"""Tests of responder/report/rank.py: what a person is pointed at first."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from responder.model.finding import Change, Finding, Outcome
from responder.model.report import Pointed
from responder.report.rank import Ranked, change_line, healthy_lines, rank_clues
from responder.report.weigh import Scales
from tests.report.situations import BREAKERS, CRASHING, ONSET, POOL, ROLLOUT, before_onset, finding


def ranked_of(findings: Sequence[Finding], **said: bool) -> Ranked:
    return rank_clues(findings, Scales.of(findings, onset=ONSET), **said)


def test_a_change_close_before_the_onset_goes_before_what_is_unhealthy() -> None:
    ranked = ranked_of([CRASHING, POOL, ROLLOUT, BREAKERS])

    assert [it.check for it in ranked.first] == ["kubernetes.rollouts(cluster)", "kubernetes.pods"]
    assert [it.check for it in ranked.also] == ["postgres.connections", "http.json"]


def test_an_old_change_goes_behind_what_is_unhealthy() -> None:
    old = finding("github.deployments", "", changes=(Change(at=before_onset(hours=5), what="Deployment of main"),))

    ranked = ranked_of([old, CRASHING])

    assert ranked.first == (Pointed(text=CRASHING.headline, check="kubernetes.pods"),)
    assert ranked.also == (Pointed(text="Deployment of main, 5h before onset", check="github.deployments"),)


def test_the_only_clue_is_first_however_weak() -> None:
    ranked = ranked_of([BREAKERS])

    assert ranked.first == (Pointed(text=BREAKERS.headline, check="http.json"),)


def test_a_change_after_the_onset_is_no_cause_and_says_so() -> None:
    after = finding("github.deployments", "", changes=(Change(at=before_onset(minutes=-2), what="Deployment"),))

    ranked = ranked_of([after])

    assert ranked.first == ()
    assert ranked.also == (Pointed(text="Deployment, 2m after onset", check="github.deployments"),)


def test_of_a_resolved_incident_what_is_still_unhealthy_is_first() -> None:
    ranked = ranked_of([ROLLOUT, BREAKERS], resolved=True)

    assert [it.check for it in ranked.first] == ["http.json"]
    assert [it.check for it in ranked.also] == ["kubernetes.rollouts(cluster)"]


def test_a_change_that_two_checks_report_is_told_once() -> None:
    again = finding("kubernetes.helm", "1 release", changes=ROLLOUT.changes)

    ranked = ranked_of([again, ROLLOUT])

    assert len(ranked.first) + len(ranked.also) == 1


def test_a_check_asked_of_several_targets_names_each() -> None:
    findings = [finding("http.status", "200 in 34 ms", target=it) for it in ("gateway", "api")]

    lines = healthy_lines(findings)

    assert [it.text for it in lines] == ["api: 200 in 34 ms", "gateway: 200 in 34 ms"]


def test_two_findings_of_one_name_keep_their_own_headlines() -> None:
    findings = [finding("prometheus.query", it, Outcome.UNHEALTHY) for it in ("queue is 900", "lag is 40 s")]

    ranked = ranked_of(findings)

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


def test_where_the_signal_reads_clear_no_change_is_pointed_at() -> None:
    ranked = ranked_of([ROLLOUT, BREAKERS], reads_clear=True)

    assert ranked.first == ()
    assert [it.check for it in ranked.also] == ["kubernetes.rollouts(cluster)", "http.json"]


def test_an_old_change_is_told_and_not_pointed_at() -> None:
    old = finding("github.deployments", "", changes=(Change(at=before_onset(hours=5), what="Deployment"),))

    ranked = ranked_of([old])

    assert ranked.first == ()
    assert [it.text for it in ranked.also] == ["Deployment, 5h before onset"]


def test_what_only_says_the_alert_again_is_not_pointed_at() -> None:
    again = finding("prometheus.rules", "HighErrorRate holds since 03:08 UTC", Outcome.UNHEALTHY, gravity=20)

    assert ranked_of([again]).first == ()


def test_however_much_was_changed_what_is_wrong_now_has_a_line() -> None:
    changes = [
        finding("github.deployments", "", changes=(Change(at=before_onset(minutes=it), what=f"Change {it}"),))
        for it in (1, 2, 3, 4)
    ]

    ranked = ranked_of([*changes, CRASHING])

    assert [it.text for it in ranked.first] == [
        "Change 1, 1m before onset",
        "Change 2, 2m before onset",
        CRASHING.headline,
    ]


def test_a_vendor_s_incident_is_told_once_by_the_line_that_tells_more() -> None:
    def incident(minutes: float) -> Finding:
        change = Change(at=before_onset(minutes=minutes), what="Incident at OpenAI: Elevated errors")
        headline = 'OpenAI: partial outage of "API", since 02:41 UTC: Elevated errors'
        return finding("statuspage.status", headline, Outcome.UNHEALTHY, gravity=65, changes=(change,))

    early, late = ranked_of([incident(5)]), ranked_of([incident(-8)])

    assert [it.text for it in early.first] == ["Incident at OpenAI, 5m before onset: Elevated errors"]
    assert [it.text for it in late.first] == ['OpenAI: partial outage of "API", since 02:41 UTC: Elevated errors']
    assert early.also == late.also == ()
    assert ranked_of([incident(5)], resolved=True).first == early.first  # it goes on
