"""Tests of responder/report/compose.py: facts in, one report out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from responder.model.finding import Change, Finding, Outcome
from responder.model.report import Pointed
from responder.model.verdict import Clear, Unknown
from tests.report.situations import (
    FINDINGS,
    NOW,
    P1,
    P2,
    P4,
    WARNING,
    alert,
    before_onset,
    finding,
    incident,
    pack,
    report,
    rule,
    says,
    verdict_on,
)


def test_what_could_not_look_is_said_with_its_reason_and_never_counts_as_healthy() -> None:
    blind = finding("redis.info", "no answer within 10s", Outcome.INCONCLUSIVE, target="cache")

    made = report(findings=(blind,), left_out=(("kubernetes.logs", "label pod is missing"),), asked=2)

    assert made.could_not_look == (
        Pointed(check="kubernetes.logs", text="label pod is missing"),
        Pointed(check="redis.info", text="no answer within 10s"),
    )
    assert (made.healthy, made.look_first, made.answered, made.asked) == ((), (), 0, 2)


def test_a_signal_that_could_not_be_read_is_said_unless_the_title_says_it() -> None:
    unread = says(Unknown(why="not configured: DATABASE_URL is not set"), rule="pool", signal="pool_used")
    rules = pack(rule(), rule("pool", line=9, summary="Pool"))

    made = report(pack=rules, verdicts=(unread, says()), findings=())
    assert made.could_not_look == (Pointed(check="signal pool_used", text="not configured: DATABASE_URL is not set"),)

    made = report(pack=rules, verdicts=(unread,), findings=())
    assert made.title == "Pool: pool used could not be read: not configured: DATABASE_URL is not set"
    assert made.could_not_look == ()


def test_a_reason_that_the_title_shortens_is_told_whole_below_it() -> None:
    why = 'postgres://db.example:5432: password authentication failed for user "r" (SQLSTATE 28P01)'
    unread = says(Unknown(why=why), rule="pool", signal="pool_used")

    made = report(pack=pack(rule("pool", summary="Pool")), verdicts=(unread,), findings=())

    assert made.title == 'Pool: pool used could not be read: password authentication failed for user "r"'
    assert made.could_not_look == (Pointed(check="signal pool_used", text=why),)


def test_further_rules_in_breach_stand_under_also() -> None:
    queues = says(WARNING, rule="queues", signal="queues", value=500, bound="> 100 waiting")
    calm = says(Clear(), rule="calm")
    rules = pack(rule(), rule("queues", line=9, summary="Queues"), rule("calm", line=20))

    made = report(pack=rules, verdicts=(calm, queues, says()), findings=())

    assert made.title.startswith("API error rate 7.3 %")
    assert made.also == (
        Pointed(text="Queues 500 waiting (warning: > 100 waiting; breached for 4m10s)", check="rule queues"),
    )


def test_where_nothing_matched_the_alerts_are_the_title() -> None:
    made = report(verdicts=(), findings=(), assessment=P4, asked=0)

    assert (made.title, made.summary, made.runbook) == ("HighErrorRate: 1 alert firing", "", "")
    assert made.why[-1] == "decided by otherwise (no rule matched → P4)"


def test_a_resolved_incident_keeps_its_severity_and_says_how_long_it_took() -> None:
    later = NOW + timedelta(minutes=28)
    first = report()
    over = incident(alert(resolved=True), resolved_at=later - timedelta(seconds=4))

    made = report(
        incident=over, verdicts=(says(Clear(), value=0.1),), assessment=P4, former=first, now=later, findings=()
    )

    assert made.title == "Resolved after 28m · API error rate 0.1 % (clear: not > 5 % for 2m)"
    assert (made.severity, made.severity_rank, made.state) == ("P1", 0, "resolved")
    assert made.events == ("resolved at 03:40",)


def test_what_changes_is_appended_from_report_to_report() -> None:
    first = report()
    at = NOW + timedelta(minutes=19)
    second = report(former=first, assessment=P2, verdicts=(says(WARNING, value=0.8),), now=at)
    over = incident(alert(resolved=True), resolved_at=at + timedelta(minutes=1))
    third = report(former=second, incident=over, assessment=P4, now=at + timedelta(minutes=1))
    again = incident(alert(), alert("PodCrashLooping", at=at))
    fourth = report(former=third, incident=again, assessment=P1, now=at + timedelta(days=1))

    assert first.events == ()
    assert second.events == ("P1 → P2 at 03:31, error rate 0.8 %",)
    assert third.events == (*second.events, "resolved at 03:32")
    assert fourth.events == (
        *third.events,
        "P2 → P1 at 2026-11-22 03:31, error rate 7.3 %",
        "reopened at 2026-11-22 03:31",
        "1 new alert at 2026-11-22 03:31: PodCrashLooping",
    )


def test_only_the_last_ten_events_are_kept() -> None:
    made = report()
    for n in range(30):
        made = report(former=made, assessment=P1 if n % 2 else P2, now=NOW + timedelta(minutes=n))

    assert len(made.events) == 10
    assert made.events[-1].startswith("P2 → P1 at 03:41")


def shuffled(values: tuple[Any, ...]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.permutations(values).map(tuple)


ALERTS = (alert(), alert("TargetDown", pod="a"), alert("TargetDown", pod="b", zone="1"))
VERDICTS = (says(), says(WARNING, rule="queues", signal="queues"), says(Unknown(why="no"), rule="pool"))
LEFT_OUT = (("kubernetes.logs", "label pod is missing"), ("helm", "not configured"))
TIES = (
    finding("a.check", "same line", Outcome.UNHEALTHY),
    finding("b.check", "same line", Outcome.UNHEALTHY),
    finding("a.check", "other line", Outcome.UNHEALTHY, target="x"),
)


@settings(derandomize=True, max_examples=60)
@given(
    findings=shuffled((*FINDINGS, *TIES)),
    alerts=shuffled(ALERTS),
    verdicts=shuffled(VERDICTS),
    left_out=shuffled(LEFT_OUT),
    names=shuffled(("pod", "zone", "service", "alertname")),
)
def test_the_same_facts_give_the_same_report_whatever_their_order(
    findings: Any, alerts: Any, verdicts: Any, left_out: Any, names: Any
) -> None:
    rules = pack(rule(), rule("queues", line=7), rule("pool", line=9))

    def reordered(held: Any) -> Any:
        labels = {name: held.alert.labels[name] for name in names if name in held.alert.labels}
        return replace(held, alert=replace(held.alert, labels=labels))

    facts = {"pack": rules, "still_looking": ("z", "a")}
    plain = report(
        **facts, findings=(*FINDINGS, *TIES), incident=incident(*ALERTS), verdicts=VERDICTS, left_out=LEFT_OUT
    )
    mixed = report(
        **facts | {"still_looking": ("a", "z")},
        findings=findings,
        incident=incident(*map(reordered, alerts)),
        verdicts=verdicts,
        left_out=left_out,
    )

    assert mixed == plain


def test_several_signals_of_one_rule_are_all_kept() -> None:
    made = report(verdicts=(says(WARNING, verdict_on(WARNING), verdict_on(Unknown(why="no"), signal="queues")),))

    assert [it.signal for it in made.verdicts[0].signals] == ["error_rate", "queues"]
    assert Pointed(check="signal queues", text="no") in made.could_not_look


def rollout(**before: float) -> Finding:
    change = Change(at=before_onset(**before), what="Rollout api rev 42")
    return finding("kubernetes.rollouts", "1 rollout", changes=(change,))


def test_a_change_is_not_pointed_at_while_every_signal_reads_clear() -> None:
    told = report(verdicts=(says(Clear()),), findings=(rollout(minutes=5),))

    assert told.look_first == ()
    assert [it.text for it in told.also] == ["Rollout api rev 42, 5m before onset"]


def test_what_is_unhealthy_and_tells_nothing_is_not_called_healthy() -> None:
    again = finding("prometheus.rules", "HighErrorRate holds", Outcome.UNHEALTHY, gravity=20)

    assert (report(findings=(again,)).nothing_first, report(findings=()).nothing_first) == (
        "Nothing points at a cause",
        "Nothing unhealthy",
    )
