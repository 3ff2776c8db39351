"""One line of the timeline for one event."""

from __future__ import annotations

from typing import Any

import pytest

from responder.intake.pagerduty_line import is_by_person, line_of
from responder.intake.source import Limits
from responder.redaction.redact import Redactor

NORA = {"id": "PNORA01", "type": "user_reference", "summary": "Nora Night"}
METRICS = {"id": "PINTEG1", "type": "inbound_integration_reference", "summary": "Clinic metrics"}


def event(event_type: str, agent: Any = NORA, **data: Any) -> dict[str, Any]:
    return {"event_type": f"incident.{event_type}", "agent": agent, "data": data}


def people(*names: str | None) -> list[Any]:
    return [{"summary": it} for it in names]


@pytest.mark.parametrize(
    ("happened", "line"),
    [
        pytest.param(event("acknowledged"), "acknowledged by Nora Night", id="a person"),
        pytest.param(event("resolved", METRICS), "resolved through Clinic metrics", id="an integration"),
        pytest.param(event("resolved", None), "resolved", id="nobody"),
        pytest.param(
            event("resolved", {"type": "user_reference", "summary": None}),
            "resolved by a user without a name",
            id="somebody",
        ),
        pytest.param(event("resolved", {"type": 5, "summary": ["x"]}), "resolved", id="an odd agent"),
        pytest.param(
            event("resolved", resolve_reason={"type": "merge_resolve_reason", "incident": {"id": "Q9"}}),
            "merged into Q9 by Nora Night",
            id="merged",
        ),
        pytest.param(
            event("resolved", resolve_reason={"type": "merge_resolve_reason"}),
            "merged into another incident by Nora Night",
            id="merged into who knows what",
        ),
        pytest.param(event("reassigned", None, assignees=people("A")), "reassigned to A", id="to one"),
        pytest.param(
            event("escalated", None, assignees=[*people("A", None, "", "B"), None, 5]), "escalated to A, B", id="to two"
        ),
        pytest.param(
            event("escalated", None, assignees=people(*"ABCDEFG")),
            "escalated to A, B, C, D, E and 2 more",
            id="to many",
        ),
        pytest.param(event("escalated", None, assignees=None), "escalated", id="to nobody"),
        pytest.param(
            event("priority_updated", priority={"name": "SEV1"}), "priority set to SEV1 by Nora Night", id="set"
        ),
        pytest.param(event("priority_updated", priority=None), "priority cleared by Nora Night", id="cleared"),
        pytest.param(event("annotated", content="a\n\tb  c"), 'note by Nora Night: "a b c"', id="on one line"),
        pytest.param(event("annotated", content=None), "note by Nora Night", id="an empty note"),
        pytest.param(
            event("annotated", content="x" * 301), f'note by Nora Night: "{"x" * 294}…[cut]"', id="300 characters"
        ),
        pytest.param(event("annotated", content="x" * 300), f'note by Nora Night: "{"x" * 300}"', id="no cut"),
        pytest.param(
            event("annotated", content="x", trimmed=True), 'note by Nora Night: "x" (cut by PagerDuty)', id="came cut"
        ),
        pytest.param(
            event("responder.added", escalation_policy={"summary": "Database"}, user=None),
            "Database asked to help by Nora Night",
            id="a policy is asked",
        ),
        pytest.param(event("responder.added"), "somebody asked to help by Nora Night", id="somebody is asked"),
        pytest.param(
            event("responder.replied", state="maybe", user={"summary": "Ben"}),
            "Ben replied to the request for help",
            id="another answer",
        ),
        pytest.param(event("service_updated", service=None), "service changed by Nora Night", id="no service"),
        pytest.param(
            event("conference_bridge.updated", conference_url="javascript:alert(1)"),
            "conference bridge changed by Nora Night",
            id="an address nobody may follow",
        ),
        pytest.param(
            event("conference_bridge.updated", conference_url="https://meet.example.org/1?pwd=abc123x"),
            "conference bridge changed by Nora Night: https://meet.example.org/1?pwd=[redacted:secret]",
            id="the password of a bridge",
        ),
        pytest.param(event("triggered"), "", id="the beginning says itself"),
        pytest.param(event("workflow.started"), "", id="a workflow"),
        pytest.param(event("custom_field_values.updated"), "", id="a field"),
        pytest.param(event("something_new"), "", id="an unknown type"),
        pytest.param({"event_type": None}, "", id="no type"),
        pytest.param({}, "", id="nothing"),
    ],
)
def test_an_event_is_said_in_our_words(redactor: Redactor, happened: dict[str, Any], line: str) -> None:
    assert line_of(happened, redactor, Limits()) == line


def test_a_name_is_cut_and_stays_on_its_line(redactor: Redactor) -> None:
    agent = {"type": "user_reference", "summary": "A\nB" + "x" * 500}

    line = line_of(event("acknowledged", agent), redactor, Limits())

    assert line.startswith("acknowledged by A Bxxx")
    assert line.endswith("…[cut]")
    assert len(line) == len("acknowledged by ") + 100


@pytest.mark.parametrize(
    ("agent", "by_person"),
    [
        (NORA, True),
        ({"type": "user"}, True),
        (METRICS, False),
        (None, False),
        ({"type": ["user"]}, False),
        ("user", False),
    ],
    ids=repr,
)
def test_only_a_user_is_a_person(agent: Any, by_person: bool) -> None:
    assert is_by_person({"agent": agent}) is by_person
