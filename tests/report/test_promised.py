"""What people would be told and by when, in words."""

from __future__ import annotations

from collections.abc import Sequence

from responder.model.pack import Pack, Position, Rule, SeverityScheme
from responder.model.people import (
    Contact,
    Deadline,
    EscalationStep,
    LevelPromises,
    Notify,
    People,
    Update,
    Within,
)
from responder.report.promised import promised

P1 = LevelPromises(
    acknowledge=Within(seconds=300),
    respond=Within(seconds=3600, calendar="business"),
    notify=(Notify(after_seconds=0, contacts=("all",)), Notify(after_seconds=900, contacts=("vp",))),
    update=Update(internal_seconds=900, customer_seconds=1800),
    roles={"commander": ("vp",)},
    channel=True,
    deadlines=(Deadline(name="summary", within=Within(seconds=4 * 3600)),),
)
PEOPLE = People(
    contacts={
        "all": Contact(name="all", members=("on-call", "support")),
        "on-call": Contact(name="on-call", slack="@on-call"),
        "support": Contact(name="support", slack="#support"),
        "vp": Contact(name="vp", slack="@vp"),
    },
    escalation={"P1": (EscalationStep(after_seconds=300, to=("vp",), unless="acknowledged"),)},
)
PACK = Pack(name="p", hash=b"", files={}, people=PEOPLE, severity=SeverityScheme(promises={"P1": P1}))


def rule(name: str, *, private: bool = False, notify: Sequence[Notify] = ()) -> Rule:
    at = Position(file="f", line=1, column=1)
    return Rule(name=name, written_at=at, private=private, notify=tuple(notify))


def test_a_level_says_who_would_be_told_when_and_what_is_owed() -> None:
    data = rule("data", notify=[Notify(after_seconds=0, contacts=("support", "dba"))])

    assert list(promised(PACK, [data, rule("api")], "P1")) == [
        "acknowledge within 5m",
        "respond within 1h, hours of business only",
        "would notify now: on-call, support, dba",
        "would notify at 15m unless resolved: vp",
        "would escalate at 5m unless acknowledged: vp",
        "news inside every 15m",
        "news to customers every 30m",
        "roles: commander vp",
        "a channel of its own",
        "due after the resolution: summary 4h",
    ]


def test_one_private_rule_leaves_only_the_people_of_private_rules() -> None:
    secret = rule("security", private=True, notify=[Notify(after_seconds=0, contacts=("support",))])
    data = rule("data", notify=[Notify(after_seconds=0, contacts=("dba",))])

    lines = list(promised(PACK, [data, secret], "P1"))
    assert lines[0] == "private: only the people of security are told"
    assert [it for it in lines if it.startswith("would")] == ["would notify now: support"]


def test_a_level_without_promises_says_nothing() -> None:
    assert list(promised(PACK, [rule("api")], "P4")) == []
