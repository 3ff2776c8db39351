"""What one event of PagerDuty changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from responder.incidents.fold import fold
from responder.model.alert import Alert, AlertStatus, Webhook
from responder.model.folding import GroupKey, HeldGroup, Told, WebhookPlan
from responder.model.paged import PagedEvent, PagedStatus

START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
NOW = START + timedelta(minutes=30)
KEY: GroupKey = ("pagerduty", "", b"Q1")
MIRROR = "ab" * 8


def event(what: str, status: PagedStatus | None = None, *, minute: float = 0, **more: Any) -> Webhook:
    """One webhook about Q1, `minute` minutes after it began."""
    at = START + timedelta(minutes=minute)
    resolved = status is PagedStatus.RESOLVED
    mirror = Alert(
        fingerprint=MIRROR,
        status=AlertStatus.RESOLVED if resolved else AlertStatus.FIRING,
        starts_at=START,
        ends_at=at if resolved else None,
        labels={"alertname": "Q"},
        annotations={},
    )
    said = PagedEvent(
        id=f"{what}{minute}",
        type=f"incident.{what}",
        at=at,
        status=status,
        opened_at=START if status else None,
        line=what,
        **more,
    )
    return Webhook(kind="pagerduty", source="", key=b"Q1", event=said, alerts=(mirror,) if status else ())


def at_moment(webhook: Webhook, at: datetime) -> Webhook:
    assert webhook.event is not None
    return replace(webhook, event=replace(webhook.event, at=at))


TRIGGERED = event("triggered", PagedStatus.TRIGGERED)
ACKNOWLEDGED = event("acknowledged", PagedStatus.ACKNOWLEDGED, minute=1, agent_name="Ann", by_person=True)
RESOLVED = event("resolved", PagedStatus.RESOLVED, minute=2, agent_name="Ann", by_person=True)
REOPENED = event("reopened", PagedStatus.TRIGGERED, minute=3)


def folded(*webhooks: Webhook, held: HeldGroup | None = None, now: datetime = NOW) -> list[WebhookPlan]:
    held_groups: Mapping[GroupKey, HeldGroup] = {KEY: held} if held else {}
    return fold(webhooks, held_groups, frozenset(), now, reopen_within=timedelta(minutes=10))


def held(**more: Any) -> HeldGroup:
    """Q1 as it is held: open and triggered at the start."""
    return replace(
        HeldGroup(
            link=1,
            incident=7,
            open_now=True,
            resolved_at=None,
            alerts={},
            status=PagedStatus.TRIGGERED,
            told_at=START,
        ),
        **more,
    )


def told(*webhooks: Webhook, **more: Any) -> list[Told]:
    return [it.told[0] for it in folded(*webhooks, **more)]


def test_an_incident_that_pagerduty_opens_is_opened_with_a_mirror_of_it() -> None:
    (plan,) = folded(TRIGGERED)

    assert plan.told == (Told.ACCEPTED,)
    assert plan.group is not None
    assert (plan.group.opens, set(plan.group.changed), plan.group.lines) == (True, {MIRROR}, ["triggered"])


@pytest.mark.parametrize("first", [ACKNOWLEDGED, TRIGGERED, event("escalated", PagedStatus.TRIGGERED, minute=4)])
def test_whatever_tells_first_that_it_is_open_opens_it(first: Webhook) -> None:
    assert [it.group.opens for it in folded(first) if it.group] == [True]


def test_a_resolve_of_what_we_never_heard_of_opens_nothing() -> None:
    (plan,) = folded(RESOLVED)

    assert plan.told == (Told.ACCEPTED,)
    assert plan.group is not None
    assert (plan.group.opens, plan.group.changed, plan.group.lines) == (False, {}, [])


def test_older_news_is_stale_in_any_order_of_arrival() -> None:
    assert told(RESOLVED, TRIGGERED, ACKNOWLEDGED) == [Told.ACCEPTED, Told.STALE, Told.STALE]
    assert told(ACKNOWLEDGED, held=held(told_at=START + timedelta(minutes=2))) == [Told.STALE]


def test_resolved_settles_and_says_who_did() -> None:
    (plan,) = folded(RESOLVED, held=held())

    assert plan.group is not None
    assert plan.group.heard is not None
    assert plan.group.heard.settled_by == "Ann"


@pytest.mark.parametrize(
    ("late", "settles"),
    [
        pytest.param(event("priority_updated", PagedStatus.RESOLVED, minute=9, by_person=True), False, id="remark"),
        pytest.param(event("resolved", PagedStatus.RESOLVED, minute=9), True, id="resolved once more"),
    ],
)
def test_only_a_resolution_settles_and_not_what_happens_to_a_resolved_one(late: Webhook, settles: bool) -> None:
    (plan,) = folded(late, held=held(status=PagedStatus.RESOLVED))

    assert plan.group is not None
    assert plan.group.heard is not None
    assert bool(plan.group.heard.settled_by) is settles


def test_what_happened_last_while_it_was_open_settles_though_its_resolution_was_lost() -> None:
    (plan,) = folded(event("priority_updated", PagedStatus.RESOLVED, minute=9, agent_name="Ann"), held=held())

    assert plan.group is not None
    assert plan.group.heard is not None
    assert plan.group.heard.settled_by == "Ann"


def test_what_is_not_wanted_starts_nothing_but_ends_what_was_accepted_before() -> None:
    def unwanted(webhook: Webhook) -> Webhook:
        return replace(webhook, unwanted=frozenset({MIRROR}))

    reopening = folded(unwanted(REOPENED), held=held(open_now=False, status=PagedStatus.RESOLVED, resolved_at=NOW))
    before = folded(unwanted(ACKNOWLEDGED), unwanted(RESOLVED), held=held())

    assert told(unwanted(TRIGGERED), unwanted(RESOLVED)) == [Told.IGNORED, Told.IGNORED]
    assert [(it.told, it.group.is_news) for it in reopening if it.group] == [((Told.IGNORED,), False)]
    assert [it.told for it in before] == [(Told.ACCEPTED,), (Told.ACCEPTED,)]
    assert before[0].group is not None
    assert before[0].group.heard is not None
    assert before[0].group.heard.settled_by == "Ann"


def test_resolved_by_a_merge_settles_nothing_and_has_pagerduty_asked() -> None:
    merged = event("resolved", PagedStatus.RESOLVED, minute=2, agent_name="Ann", merged_into="Q9")
    (plan,) = folded(merged, held=held())

    assert plan.group is not None
    assert plan.group.heard is not None
    assert (plan.group.heard.settled_by, plan.group.heard.read_again) == ("", True)


def test_reopened_soon_is_the_same_incident_and_later_a_new_one() -> None:
    settled = held(open_now=False, settled=True, resolved_at=NOW - timedelta(minutes=5), status=PagedStatus.RESOLVED)
    long_ago = replace(settled, resolved_at=NOW - timedelta(minutes=11))
    soon = folded(REOPENED, held=settled)[0].group
    late = folded(REOPENED, held=long_ago)[0].group

    assert soon is not None
    assert late is not None
    assert (soon.reopens, soon.opens, soon.incident) == (True, False, 7)
    assert (late.reopens, late.opens, late.continues) == (False, True, 7)
    assert soon.changed[MIRROR].starts_at == START + timedelta(minutes=3)


def test_a_change_that_is_no_beginning_reopens_nothing() -> None:
    """Its alerts have ended and it is still open at PagerDuty: that somebody takes it on is no reason to look."""
    settled = held(open_now=False, resolved_at=NOW)
    (plan,) = folded(ACKNOWLEDGED, held=settled)

    assert plan.group is not None
    assert (plan.group.reopens, plan.group.opens) == (False, False)


def test_who_took_it_on_is_heard_though_rest_showed_it_first_and_is_not_told_twice() -> None:
    seen = START + timedelta(minutes=1)
    taken, again = folded(
        at_moment(ACKNOWLEDGED, seen + timedelta(milliseconds=300)),
        event("acknowledged", PagedStatus.ACKNOWLEDGED, minute=5, agent_name="Bea", by_person=True),
        held=held(status=PagedStatus.ACKNOWLEDGED, told_at=seen),
    )

    assert taken.group is again.group
    assert taken.group is not None
    assert taken.group.heard is not None
    assert taken.group.heard.acknowledged_by == "Ann"
    assert taken.group.lines == ["acknowledged"]  # the second one's


def test_who_let_go_is_heard_though_rest_showed_it_first() -> None:
    let_go = event("unacknowledged", PagedStatus.TRIGGERED, minute=2)
    (plan,) = folded(let_go, held=held(told_at=START + timedelta(minutes=2)))

    assert plan.group is not None
    assert plan.group.heard is not None
    assert plan.group.heard.unacknowledged
    assert plan.group.lines == []  # asking has told it


def test_a_priority_that_a_person_gave_before_a_status_that_we_know_is_heard_where_we_know_of_none() -> None:
    def given(priority: str, minute: float, **more: Any) -> Webhook:
        said = {"agent_name": "Ann", "by_person": True, "priority": priority} | more
        return event("priority_updated", PagedStatus.TRIGGERED, minute=minute, **said)

    known = held(status=PagedStatus.ACKNOWLEDGED, told_at=START + timedelta(minutes=9))
    first, older = folded(given("P1", 2), given("P2", 1), held=known)

    assert (first.told, older.told) == ((Told.ACCEPTED,), (Told.STALE,))
    assert first.group is not None
    assert first.group.heard is not None
    assert first.group.heard.priority == ("P1", "Ann")
    assert (first.group.heard.status, first.group.heard.told_at) == (known.status, known.told_at)
    assert told(given("P1", 2), held=replace(known, has_priority=True)) == [Told.STALE]
    assert told(given("P1", 2, by_person=False), held=known) == [Told.STALE]
    assert told(given("", 2), held=known) == [Told.STALE]


def test_who_took_it_on_and_who_let_go() -> None:
    taken = folded(ACKNOWLEDGED, held=held())[0].group
    let_go = folded(ACKNOWLEDGED, event("unacknowledged", PagedStatus.TRIGGERED, minute=2), held=held())[1].group

    assert taken is not None
    assert taken.heard is not None
    assert let_go is not None
    assert let_go.heard is not None
    assert (taken.heard.acknowledged_by, taken.heard.unacknowledged) == ("Ann", False)
    assert (let_go.heard.acknowledged_by, let_go.heard.unacknowledged) == (None, True)


def test_only_a_person_gives_a_priority() -> None:
    by_ann = event("priority_updated", PagedStatus.TRIGGERED, minute=1, agent_name="Ann", by_person=True, priority="P1")
    by_itself = event("priority_updated", PagedStatus.TRIGGERED, minute=1, priority="P1")
    ann, itself = folded(by_ann, held=held())[0].group, folded(by_itself, held=held())[0].group

    assert ann is not None
    assert ann.heard is not None
    assert itself is not None
    assert itself.heard is not None
    assert (ann.heard.priority, itself.heard.priority) == (("P1", "Ann"), None)


def test_a_remark_adds_a_line_to_what_we_know_and_nothing_to_what_we_do_not() -> None:
    note = event("annotated", minute=1, note="N1")

    assert told(note, held=held()) == [Told.ACCEPTED]
    assert told(note) == [Told.IGNORED]
    assert folded(note, held=held())[0].group.lines == ["annotated"]  # type: ignore[union-attr]


def test_a_note_that_came_cut_is_to_be_read_first() -> None:
    group = folded(event("annotated", minute=1, note="N1", trimmed=True), held=held())[0].group

    assert group is not None
    assert (group.lines, group.cut_notes) == ([], {"N1": "annotated"})


def test_our_own_writing_and_what_says_nothing_start_nothing() -> None:
    ours = event("annotated", minute=1, note="N1", is_ours=True)
    unknown = replace(event("something_new", minute=1), event=replace(event("x", minute=1).event, line=""))  # type: ignore[type-var]

    assert told(ours, unknown, held=held()) == [Told.IGNORED, Told.IGNORED]


def test_the_mirror_goes_once_its_alerts_are_known() -> None:
    """It is not held any more: an event must not bring it back beside them."""
    group = folded(ACKNOWLEDGED, held=held(alerts={}))[0].group

    assert group is not None
    assert (group.changed, group.is_news) == ({}, True)


def test_a_copy_is_a_duplicate_and_changes_nothing() -> None:
    plans = fold([TRIGGERED, TRIGGERED], {}, frozenset({1}), NOW, reopen_within=timedelta(minutes=10))

    assert [it.told for it in plans] == [(Told.ACCEPTED,), (Told.DUPLICATE,)]
