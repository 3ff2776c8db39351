"""Who was told when, and what is owed: from the history of an incident alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.model.pack import Pack
from responder.people.promises import History, has_channel, owed, told
from responder.rules.packs import pack_from_files

START = datetime(2026, 3, 3, 12, tzinfo=UTC)
PACK = pack_from_files(
    "p",
    {
        "pack.yaml": """
rules:
  - {name: errors, match: ['a="b"'], notify: {now: [dba], 10m: [dba-lead]}}
  - {name: other, match: ['a="c"']}
  - {name: security, match: ['a="d"'], private: true, notify: {now: [security]}}
contacts:
  on-call: {pagerduty: {escalation_policy: P1}, slack: "@on-call"}
  paged: {pagerduty: {user: P2, page: true}}
  manager: {slack: "@manager"}
  support: {slack: "@support"}
  dba: {slack: "@dba"}
  dba-lead: {slack: "@dba-lead"}
  lead: {slack: "@lead"}
  vp: {slack: "@vp"}
  security: {slack: "@security"}
  stakeholders: {group: [on-call, manager, support]}
calendars: {business: {zone: Europe/Bucharest, days: mon-fri, hours: "09:00-18:00"}}
escalation: {P1: [{after: 5m, to: lead, unless: acknowledged}, {after: 15m, to: vp, unless: resolved}]}
severity:
  levels:
    P1:
      acknowledge: 5m
      respond: {within: 5h, in: business}
      notify: {now: [stakeholders]}
      update: {internal: 15m, customer: 30m}
      channel: true
      deadlines: {summary: 4h, postmortem: 72h}
    P2: {acknowledge: 15m, notify: {now: [on-call, paged], 15m: [manager]}, update: 30m, deadlines: {postmortem: 1w}}
    P3: {}
""",
    },
    {},
)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def history(*levels: tuple[float, str], **more: Any) -> History:
    moments = {key: START + minutes(more.pop(key)) for key in ("acknowledged_at", "resolved_at") if key in more}
    rules = {name: START + minutes(after) for name, after in more.pop("rules", {}).items()}
    return History(levels=tuple((START + minutes(after), it) for after, it in levels), rules=rules, **moments, **more)


def sent(history: History, after: float, pack: Pack = PACK) -> list[tuple[float, str]]:
    return [((it.at - START) / minutes(1), it.contact) for it in told(pack, history, START + minutes(after))]


@pytest.mark.parametrize(
    ("history", "after", "expected"),
    [
        pytest.param(history((0, "P2")), 14.9, [(0, "on-call"), (0, "paged")], id="now is at acceptance"),
        pytest.param(
            history((0, "P2")), 15, [(0, "on-call"), (0, "paged"), (15, "manager")], id="15m is at fifteen minutes"
        ),
        pytest.param(
            history((0, "P2"), resolved_at=15),
            60,
            [(0, "on-call"), (0, "paged")],
            id="what is resolved at that moment is not",
        ),
        pytest.param(
            history((0, "P2"), (2, "P1")),
            16,
            [(0, "on-call"), (0, "paged"), (2, "on-call"), (2, "manager"), (2, "support"), (7, "lead")],
            id="a rise sends what the graver level says, from then on, and no more of the milder one",
        ),
        pytest.param(
            history((0, "P1"), (10, "P2")),
            24.9,
            [(0, "on-call"), (0, "manager"), (0, "support"), (5, "lead")],
            id="a fall sends nothing",
        ),
        pytest.param(
            history((0, "P1"), (3, "P2"), (20, "P1")),
            20,
            [(0, "on-call"), (0, "manager"), (0, "support"), (18, "manager"), (20, "lead"), (20, "vp")],
            id="on a rise what is already due is sent at once, and what was sent is not sent again",
        ),
        pytest.param(
            history((0, "P2"), (2, "P1"), (20, "P2")),
            60,
            [(0, "on-call"), (0, "paged"), (2, "on-call"), (2, "manager"), (2, "support"), (7, "lead"), (17, "vp")],
            id="what came due at a graver level is passed over after the fall",
        ),
        pytest.param(
            history((0, "P1"), acknowledged_at=5),
            15,
            [(0, "on-call"), (0, "manager"), (0, "support"), (15, "vp")],
            id="an acknowledgement stops what says so",
        ),
        pytest.param(
            history((0, "P3"), rules={"errors": 1, "other": 0}),
            11,
            [(1, "dba"), (11, "dba-lead")],
            id="a rule's own people, from when it matched",
        ),
        pytest.param(
            history((0, "P2"), paged=True), 15, [(0, "paged"), (15, "manager")], id="PagerDuty told those whom it pages"
        ),
        pytest.param(
            history((0, "P1"), rules={"errors": 0, "security": 0}), 60, [(0, "security")], id="private: only its people"
        ),
        pytest.param(
            history((0, "P2"), rules={"errors": 0, "security": 5}),
            60,
            [(0, "on-call"), (0, "paged"), (0, "dba"), (5, "security")],
            id="private from when a private rule matched",
        ),
        pytest.param(history(), 60, [], id="no level, nobody"),
    ],
)
def test_who_was_told_by_when(history: History, after: float, expected: list[tuple[float, str]]) -> None:
    assert sent(history, after) == expected


@pytest.mark.parametrize(
    ("history", "after", "expected"),
    [
        pytest.param(
            history((0, "P2"), (2, "P1")),
            2,
            {"acknowledge": 5, "respond": 20 * 60, "update": 15, "customer update": 30},
            id="counted from when the level was reached, in the hours of its calendar",
        ),
        pytest.param(history((0, "P2")), 15, {"acknowledge": 0, "update": 15}, id="overdue when the time is over"),
        pytest.param(history((0, "P2"), acknowledged_at=1), 40, {"update": 20}, id="the next news"),
        pytest.param(
            history((0, "P2"), (2, "P1"), (20, "P3"), resolved_at=60),
            70,
            {"summary": 4 * 60 - 10, "postmortem": 72 * 60 - 10},
            id="papers are due from the resolution, by the gravest level",
        ),
        pytest.param(history((0, "P3")), 5, {}, id="a level that promises nothing"),
        pytest.param(history(), 5, {}, id="no level"),
    ],
)
def test_what_is_owed(history: History, after: float, expected: dict[str, float]) -> None:
    now = START + minutes(after)

    assert {it.name: it.at and (it.at - now) / minutes(1) for it in owed(PACK, history, now)} == expected


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param(history((0, "P2"), (2, "P1"), (9, "P2")), True, id="once there it stays"),
        pytest.param(history((0, "P2")), False, id="the level asks for none"),
        pytest.param(
            history((0, "P1"), rules={"security": 0}), False, id="what is private gets none that all can read"
        ),
    ],
)
def test_an_incident_gets_a_channel_of_its_own(history: History, expected: bool) -> None:
    assert has_channel(PACK, history) is expected


@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["P1", "P2", "P3"])), min_size=1, max_size=5),
    st.none() | st.integers(0, 90),
    st.none() | st.integers(0, 90),
    st.integers(0, 90),
    st.integers(0, 90),
)
def test_what_was_told_is_not_told_otherwise_later(
    stays: list[tuple[int, str]], acknowledged: int | None, resolved: int | None, one: int, other: int
) -> None:
    """An acknowledgement or a resolution takes back nothing, and stops only what comes after it."""
    levels = tuple((float(after), level) for after, level in sorted(dict(stays).items()))
    earlier, later = sorted((one, other))
    whole = history(*levels)
    moments = {"acknowledged_at": acknowledged, "resolved_at": resolved}
    stopped = history(*levels, **{key: it for key, it in moments.items() if it is not None})

    by_then, afterwards = sent(stopped, earlier), sent(stopped, later)

    assert [it for it in afterwards if it[0] <= earlier] == by_then
    assert set(afterwards) <= set(sent(whole, later))
    ends = [it for it in (acknowledged, resolved) if it is not None]
    assert [it for it in sent(whole, later) if not ends or it[0] < min(ends)] == [
        it for it in afterwards if not ends or it[0] < min(ends)
    ]
