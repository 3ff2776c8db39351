"""What a batch of webhooks means, alert by alert."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.incidents.fold import fold, state_after, told_by
from responder.model.alert import Alert, AlertStatus, Webhook
from responder.model.folding import GroupKey, Held, HeldGroup, Told, WebhookPlan
from tests.conftest import START

KEY: GroupKey = ("alertmanager", "default", b"g".ljust(32, b"\0"))
REOPEN_WITHIN = timedelta(minutes=10)


def folded(
    *webhooks: Webhook, held: dict[GroupKey, HeldGroup] | None = None, now: datetime = START
) -> list[WebhookPlan]:
    return fold(webhooks, held or {}, frozenset(), now, reopen_within=REOPEN_WITHIN)


def group(
    *, incident: int | None = 7, open_now: bool = True, resolved: float | None = None, **alerts: Held
) -> dict[GroupKey, HeldGroup]:
    at = None if resolved is None else START + timedelta(minutes=resolved)
    states = {name.rjust(16, "0"): state for name, state in alerts.items()}
    return {KEY: HeldGroup(link=1, incident=incident, open_now=open_now, resolved_at=at, alerts=states)}


def held(*, starts: float = 0, resolved: float | None = None) -> Held:
    return Held(
        status=AlertStatus.FIRING if resolved is None else AlertStatus.RESOLVED,
        starts_at=START + timedelta(minutes=starts),
        ends_at=None if resolved is None else START + timedelta(minutes=resolved),
    )


@pytest.mark.parametrize(
    ("said", "kept", "told"),
    [
        pytest.param({"starts": 0}, None, Told.ACCEPTED, id="never heard of"),
        pytest.param({"starts": 0}, held(), Told.DUPLICATE, id="the same again"),
        pytest.param({"starts": 1}, held(), Told.ACCEPTED, id="started anew"),
        pytest.param({"starts": 0, "resolved": 5}, held(), Told.ACCEPTED, id="its resolve"),
        pytest.param({"starts": 0}, held(resolved=5), Told.STALE, id="firing after its own resolve"),
        pytest.param({"starts": -1}, held(), Told.STALE, id="older than what is held"),
        pytest.param(
            {"starts": -0.25, "resolved": 3}, held(), Told.ACCEPTED, id="a resolve whose startsAt went backwards"
        ),
        pytest.param({"starts": -5, "resolved": -1}, held(), Told.STALE, id="the resolve of an earlier firing"),
        pytest.param(
            {"starts": -0.25, "resolved": 3}, held(resolved=3), Told.DUPLICATE, id="the other peer's copy of it"
        ),
        pytest.param({"starts": 6}, held(resolved=5), Told.ACCEPTED, id="fires again"),
    ],
)
def test_a_statement_is_news_the_same_or_stale(
    alert: Callable[..., Alert], said: dict[str, float], kept: Held | None, told: Told
) -> None:
    assert told_by(alert(**said), kept) is told


@pytest.mark.parametrize(
    ("said", "kept", "told", "starts"),
    [
        pytest.param({"starts": 5}, held(), Told.DUPLICATE, 0, id="a repeat"),
        pytest.param({"starts": -1}, held(), Told.DUPLICATE, 0, id="a repeat at a clock that is behind"),
        pytest.param({"starts": 30, "resolved": 30}, held(), Told.ACCEPTED, 0, id="its end"),
        pytest.param({"starts": -1, "resolved": -1}, held(), Told.ACCEPTED, 0, id="its end, by a clock that is behind"),
        pytest.param({"starts": 35, "resolved": 35}, held(resolved=30), Told.DUPLICATE, 0, id="its end again"),
        pytest.param({"starts": 40}, held(resolved=30), Told.ACCEPTED, 40, id="begins anew"),
    ],
)
def test_without_a_start_of_its_own_an_alert_is_ordered_by_its_arrival(
    alert: Callable[..., Alert],
    webhook: Callable[..., Webhook],
    said: dict[str, float],
    kept: Held,
    told: Told,
    starts: float,
) -> None:
    it = replace(alert("aa", **said), starts_assumed=True)

    (plan,) = folded(webhook(it), held=group(aa=kept))

    assert plan.told == (told,)
    assert plan.group is not None
    assert plan.group.states[it.fingerprint].starts_at == START + timedelta(minutes=starts)
    assert (it.fingerprint in plan.group.refreshed) is (told is Told.DUPLICATE)


@pytest.mark.parametrize(
    ("starts_assumed", "never_ends", "told"),
    [
        pytest.param(True, False, Told.DUPLICATE, id="a sender that tells of ends repeats itself"),
        pytest.param(
            True, True, Told.ACCEPTED, id="of a sender that tells neither start nor end it may be another one"
        ),
        pytest.param(False, True, Told.DUPLICATE, id="the same start is the same alert"),
    ],
)
def test_the_same_again_after_somebody_settled_the_incident(
    alert: Callable[..., Alert], webhook: Callable[..., Webhook], starts_assumed: bool, never_ends: bool, told: Told
) -> None:
    again = replace(alert("aa", starts=8 if starts_assumed else 0), starts_assumed=starts_assumed)
    before = group(open_now=False, resolved=5, aa=held())

    (plan,) = folded(replace(webhook(again), never_ends=never_ends), held=before, now=START + timedelta(minutes=8))

    assert plan.told == (told,)
    assert plan.group is not None
    assert plan.group.reopens is (told is Told.ACCEPTED)


def test_a_sender_that_tells_neither_start_nor_end_repeats_itself_while_the_incident_is_open(
    alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    again = replace(alert("aa", starts=8), starts_assumed=True)

    (plan,) = folded(replace(webhook(again), never_ends=True), held=group(aa=held()))

    assert plan.told == (Told.DUPLICATE,)


def test_the_first_firing_alert_opens_an_incident(alert: Callable[..., Alert], webhook: Callable[..., Webhook]) -> None:
    (plan,) = folded(webhook(alert("aa"), alert("bb")))

    assert plan.told == (Told.ACCEPTED, Told.ACCEPTED)
    assert plan.group is not None
    assert (plan.group.opens, plan.group.continues, set(plan.group.changed)) == (
        True,
        None,
        {"aa".rjust(16, "0"), "bb".rjust(16, "0")},
    )


def test_a_resolve_that_nobody_heard_fire_is_kept_and_opens_nothing(
    alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    late, resolved = alert("aa"), alert("aa", resolved=5)

    first, second = folded(webhook(resolved), webhook(late))

    assert (first.told, second.told) == ((Told.ACCEPTED,), (Told.STALE,))
    assert first.group is not None
    assert first.group.opens is False


def test_one_batch_with_the_same_webhook_twice_opens_one_incident(
    alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    first, second = folded(webhook(alert()), webhook(alert()))

    assert (first.told, second.told) == ((Told.ACCEPTED,), (Told.DUPLICATE,))
    assert first.group is second.group


@pytest.mark.parametrize(
    ("minutes_later", "reopens"),
    [
        pytest.param(10, True, id="at the bound it is the same incident"),
        pytest.param(10.1, False, id="later it is a new one that names the former"),
    ],
)
def test_a_refire_reopens_or_continues(
    alert: Callable[..., Alert], webhook: Callable[..., Webhook], minutes_later: float, reopens: bool
) -> None:
    before = group(open_now=False, resolved=0, aa=held(starts=-5, resolved=0))

    (plan,) = folded(webhook(alert("aa", starts=1)), held=before, now=START + timedelta(minutes=minutes_later))

    assert plan.group is not None
    assert (plan.group.reopens, plan.group.opens, plan.group.continues) == (
        reopens,
        not reopens,
        None if reopens else 7,
    )


def test_a_cut_list_of_a_resolved_group_ends_its_other_alerts(
    alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    before = group(aa=held(), bb=held(starts=1), cc=held(starts=9))

    (plan,) = folded(webhook(alert("aa", resolved=5), cut_until=5), held=before)

    assert plan.group is not None
    assert plan.group.ended == {"bb".rjust(16, "0")}


def test_what_fires_anew_after_a_cut_list_ended_it_in_the_same_batch_is_not_ended(
    alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    before = group(aa=held(), bb=held(starts=1))

    plan, _ = folded(webhook(alert("aa", resolved=5), cut_until=5), webhook(alert("bb", starts=6)), held=before)

    assert plan.group is not None
    assert plan.group.ended == set()
    assert plan.group.states["bb".rjust(16, "0")] == held(starts=6)


def test_a_webhook_without_identity_has_no_group(webhook: Callable[..., Webhook]) -> None:
    (plan,) = folded(Webhook(kind="alertmanager", source="default", key=b""))

    assert (plan.group, plan.told) == (None, ())


statements = st.builds(
    lambda starts, length: (starts, None if length is None else starts + length),
    st.integers(0, 20),
    st.none() | st.integers(0, 5),
)


@settings(derandomize=True)
@given(st.lists(statements, min_size=1, max_size=8))
def test_told_twice_nothing_changes(said: Sequence[tuple[int, int | None]]) -> None:
    state = None
    for starts, ends in said:
        it = Alert(
            fingerprint="0" * 16,
            status=AlertStatus.FIRING if ends is None else AlertStatus.RESOLVED,
            labels={},
            annotations={},
            starts_at=START + timedelta(minutes=starts),
            ends_at=None if ends is None else START + timedelta(minutes=ends),
        )
        if told_by(it, state) is Told.ACCEPTED:
            state = state_after(it, state)
        assert told_by(it, state) is not Told.ACCEPTED
