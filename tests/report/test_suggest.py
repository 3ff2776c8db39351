"""Tests of responder/report/suggest.py: commands that a person may copy at 3 a.m., or none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from responder.model.pack import Suggest
from responder.model.report import Suggestion
from responder.report.suggest import VARIANTS_MOST, suggestions_of
from tests.report.situations import CRASHING, ROLLOUT, alert, rule

RESTART = Suggest(do="Restart the pod", run="kubectl delete pod {{ labels.pod }}")


def commands(suggest: Suggest, *alerts: dict[str, str], findings: tuple = (ROLLOUT,), resolved: bool = False) -> list:
    held = tuple(alert(**labels).alert for labels in alerts or ({},))
    suggested = suggestions_of([rule(suggest=(suggest,))], findings, held, resolved=resolved)
    return [(it.do, it.run) for it in suggested]


def test_a_suggestion_is_made_when_all_its_marks_were_given() -> None:
    both = Suggest(do="Roll back", when=("recent_rollout", "crash_loop"))

    assert commands(both, findings=(ROLLOUT,)) == []
    assert commands(both, findings=(ROLLOUT, CRASHING)) == [("Roll back", "")]


def test_values_are_quoted_for_a_shell() -> None:
    assert commands(RESTART, {"pod": "a; rm -rf /"}) == [("Restart the pod", "kubectl delete pod 'a; rm -rf /'")]


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param("", id="missing"),
        pytest.param("--all", id="an option is no name, and quotes do not help"),
        pytest.param("a\nb", id="a line break"),
        pytest.param("a\u202eb", id="what turns the reading direction"),
        pytest.param("a\x1b[2Jb", id="a terminal sequence"),
    ],
)
def test_without_a_usable_value_there_is_no_command(pod: str) -> None:
    assert commands(RESTART, {"pod": pod}) == [("Restart the pod", "")]


def test_each_label_value_has_its_command_in_a_fixed_order_and_a_cut_is_said() -> None:
    assert [run for _, run in commands(RESTART, {"pod": "b"}, {"pod": "a"})] == [
        "kubectl delete pod a",
        "kubectl delete pod b",
    ]

    many = commands(RESTART, *({"pod": f"p{n}"} for n in range(9)))

    assert len(many) == VARIANTS_MOST
    assert many[0] == ("Restart the pod (first 5 of 9)", "kubectl delete pod p0")


def test_names_of_two_findings_never_meet_in_one_command() -> None:
    other = replace(ROLLOUT, found={"deployment": "orders", "namespace": "staging"})
    undo = Suggest(do="Undo", run="undo {{ found.namespace }}/{{ found.deployment }}", when=("recent_rollout",))

    assert commands(undo, findings=(ROLLOUT, other)) == [
        ("Undo", "undo prod/payments-api"),
        ("Undo", "undo staging/orders"),
    ]

    split = replace(undo, when=("recent_rollout", "crash_loop"))
    crashing = replace(CRASHING, found={"namespace": "elsewhere"})

    assert commands(split, findings=(ROLLOUT, crashing)) == [("Undo", "")]


def test_what_is_to_do_now_comes_first_and_is_over_once_resolved() -> None:
    phases = [Suggest(do=it, phase=it) for it in ("after", "verify", "now")]
    held = (alert().alert,)

    suggested = suggestions_of([rule(suggest=tuple(phases))], (), held, resolved=False)
    assert [it.phase for it in suggested] == ["now", "verify", "after"]

    suggested = suggestions_of([rule(suggest=tuple(phases))], (), held, resolved=True)
    assert [it.phase for it in suggested] == ["verify", "after"]


def test_a_suggestion_of_two_rules_is_made_once() -> None:
    rules = [rule("one", suggest=(RESTART,)), rule("two", suggest=(RESTART,))]

    suggested = suggestions_of(rules, (), (alert(pod="a").alert,), resolved=False)

    assert suggested == (Suggestion(do="Restart the pod", run="kubectl delete pod a"),)
