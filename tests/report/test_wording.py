"""Tests of responder/report/wording.py: titles and reasons as they are read."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from responder.model.assessment import Answer, Assessment, Said
from responder.model.pack import Bound, Thresholds
from responder.model.verdict import Breach, Clear, Level, Pending, RuleVerdict, Unknown, Verdict
from responder.report.wording import gravest_first, verdict_line, why_of
from tests.report.situations import (
    CRITICAL,
    HALF,
    NOW,
    ONSET,
    P1,
    P2,
    PAYMENTS,
    WARNING,
    alert,
    incident,
    pack,
    rule,
    says,
    verdict_on,
)


def line(verdict: RuleVerdict, summary: str = "API error rate") -> str:
    return verdict_line(verdict, incident=incident(), pack=pack(rule(summary=summary)), now=NOW)


PENDING = Pending(
    level=Level.CRITICAL, since=NOW - timedelta(seconds=80), needed_seconds=120, due=NOW + timedelta(seconds=40)
)


@pytest.mark.parametrize(
    ("verdict", "title"),
    [
        pytest.param(CRITICAL, "API error rate 7.3 % (critical: > 5 % for 2m; breached for 4m10s)", id="breach"),
        pytest.param(PENDING, "API error rate 7.3 % (critical: > 5 % for 2m; pending: 1m20s of 2m)", id="pending"),
        pytest.param(Clear(), "API error rate 7.3 % (clear: not > 5 % for 2m)", id="clear"),
        pytest.param(
            Unknown(why="prometheus gave no answer within 5s"),
            "API error rate could not be read: prometheus gave no answer within 5s",
            id="unknown says so, and why",
        ),
        pytest.param(
            Unknown(why="postgres://db.example:5432: no such role (SQLSTATE 28000); the role needs pg_monitor"),
            "API error rate could not be read: no such role",
            id="unknown without the address and the code",
        ),
        pytest.param(
            Unknown(why=f"http://api:8080: no answer in time: {'the connection was lost; ' * 5}"),
            "API error rate could not be read: no answer in time",
            id="unknown by the first clause of a long reason",
        ),
        pytest.param(
            Breach(level=Level.WARNING, since=ONSET, at_least=True),
            "API error rate 7.3 % (warning: > 5 % for 2m; breached for at least 4m10s)",
            id="longer than what was read",
        ),
        pytest.param(
            Breach(level=Level.WARNING, since=NOW - timedelta(days=11574), at_least=True),
            "API error rate 7.3 % (warning: > 5 % for 2m; breached for more than a year)",
            id="ever since, as a test of rules has it",
        ),
    ],
)
def test_a_title_is_the_summary_with_its_reading_and_bound(verdict: Verdict, title: str) -> None:
    assert line(says(verdict)) == title


def test_a_bound_that_ends_a_breach_is_not_told_as_one_to_be_over() -> None:
    ends = Bound(operator="<", number=0.5, for_seconds=300, text="< 0.5% for 5m")
    resolving = pack(rule(thresholds=(Thresholds(signal="error_rate", resolve=ends),)))
    facts = {"incident": incident(), "pack": resolving, "now": NOW}

    assert verdict_line(says(Clear(), value=0.1, bound=ends.text), **facts) == (
        "API error rate 0.1 % (clear: < 0.5 % for 5m)"
    )
    assert verdict_line(says(WARNING, value=0.8, bound=ends.text), **facts) == (
        "API error rate 0.8 % (warning; not yet < 0.5 % for 5m; breached for 4m10s)"
    )


def test_a_signal_that_the_summary_does_not_name_is_named() -> None:
    title = line(says(), summary="API answers 5xx")

    assert title == "API answers 5xx: error rate 7.3 % (critical: > 5 % for 2m; breached for 4m10s)"


def test_a_reading_of_one_label_value_says_which() -> None:
    title = line(says(labels=(("service", "payments"),)))

    assert title == "API error rate 7.3 % (critical: > 5 % for 2m; breached for 4m10s; service=payments)"


def test_with_all_of_several_signals_the_one_that_decides_is_told() -> None:
    mildest = verdict_on(WARNING, signal="queues", value=500, bound="> 100 waiting")

    title = line(says(WARNING, verdict_on(CRITICAL), mildest), summary="Backlog")

    assert title == "Backlog: queues 500 waiting (warning: > 100 waiting; breached for 4m10s)"


def test_without_thresholds_the_alerts_are_the_title() -> None:
    alerts = (alert("TargetDown", pod="a"), alert("TargetDown", pod="b"), alert("Other", service="orders"))
    verdict = RuleVerdict(rule="api-error-rate", verdict=Breach(level=Level.CRITICAL))
    facts = {"incident": incident(*alerts), "now": NOW}

    assert verdict_line(verdict, pack=pack(rule(summary="")), **facts) == "TargetDown: 2 alerts firing"
    assert verdict_line(verdict, pack=pack(), **facts) == "API error rate (TargetDown: 2 alerts firing)"


def test_the_gravest_rule_leads_and_ties_go_by_file_and_line() -> None:
    rules = pack(rule("late", line=30), rule("early", line=4), rule("mild", line=1))
    verdicts = [says(WARNING, rule="mild"), says(rule="late"), says(rule="early"), says(Clear(), rule="gone")]

    assert [it.rule for it in gravest_first(verdicts, rules)] == ["early", "late", "mild", "gone"]


def test_every_answer_up_to_the_deciding_one_is_told() -> None:
    later = Answer(ask="Is it raining?", said=Said.NO)

    why = why_of(replace(P1, answers=(HALF, PAYMENTS, later)), says())

    assert why == (
        '"Are > 50 % of requests failing?" no (7.3 %)',
        '"Is payment processing affected?" YES (service=payments) → P1',
    )


def test_a_cap_is_told_together_with_the_level_that_it_bounds() -> None:
    cap = Answer(ask="Is it only staging?", said=Said.YES, because="environment=staging", result="at most P4")
    assessment = Assessment(level="P4", raw="P4", rank=3, decided_by=cap.ask, answers=(cap, HALF, PAYMENTS))

    assert [it.split('" ')[1] for it in why_of(assessment, says())] == [
        "YES (environment=staging) → at most P4",
        "no (7.3 %)",
        "YES (service=payments) → P1",
    ]


def test_without_a_deciding_question_it_says_what_decided() -> None:
    assert why_of(P2, says())[-1] == "decided by otherwise (critical → P2)"


def test_an_unknown_answer_says_how_it_counted_and_a_hold_is_shown() -> None:
    down = Answer(ask="Is it down?", said=Said.UNKNOWN, because="no answer in 5s", counted_as=Said.YES, result="P1")
    assessment = Assessment(
        level="P1", raw="P1", rank=0, decided_by=down.ask, answers=(down,), held="held at P1 until 03:41"
    )

    assert why_of(assessment, says()) == (
        '"Is it down?" unknown (no answer in 5s; counted as yes) → P1',
        "held at P1 until 03:41",
    )
