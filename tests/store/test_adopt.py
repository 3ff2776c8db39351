"""What PagerDuty says of its incidents is written down in one piece, and incidents that are one become one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any

import pytest

from responder.errors import LeaseLost, StoreUnavailable
from responder.incidents.join import join
from responder.model.alert import Alert, AlertStatus, Webhook
from responder.model.joining import Adopted, PagedAlerts
from responder.model.paged import PagedEvent, PagedIncident, PagedStatus
from responder.store import watches
from responder.store.accept_read import lock_of
from responder.store.accept_sql import LOCK
from responder.store.adopt import adopt
from responder.store.look_up import number_of
from responder.store.store import Store
from responder.store.watches import Opening, Watch
from tests.store.test_accept import accepting, rows

START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
AFTER = timedelta(minutes=20)
SINK = "pagerduty_note"
TAKEN_ON = "select acknowledged_at, acknowledged_by from incidents where id = 1"
JOIN = partial(join, reopen_within=timedelta(minutes=10))
WebhookOf = Callable[..., Webhook]
AlertOf = Callable[..., Alert]


def paged(id_: str = "Q1", status: PagedStatus = PagedStatus.TRIGGERED, **more: Any) -> PagedIncident:
    return PagedIncident(id=id_, status=status, created_at=START, as_of=START, url=f"https://pd/{id_}", **more)


def resolved_at(minute: float, id_: str = "Q1") -> PagedIncident:
    """Q1, resolved so many minutes after its beginning."""
    return replace(paged(id_, PagedStatus.RESOLVED), as_of=START + timedelta(minutes=minute))


def under(group: bytes, *alerts: Alert) -> PagedAlerts:
    """What PagerDuty holds for a group."""
    return PagedAlerts(key=group.ljust(32, b"\0").hex(), alerts=alerts, is_group=True)


def heard(
    what: str, status: PagedStatus | None, *, minute: float = 0, id_: str = "Q1", receipt: str = "", **more: Any
) -> Webhook:
    """One webhook of PagerDuty."""
    at = START + timedelta(minutes=minute)
    resolved = status is PagedStatus.RESOLVED
    mirror = Alert(
        fingerprint=sha256(id_.encode()).hexdigest()[:16],
        status=AlertStatus.RESOLVED if resolved else AlertStatus.FIRING,
        starts_at=START,
        ends_at=at if resolved else None,
        labels={"alertname": id_},
        annotations={},
    )
    event = PagedEvent(id=receipt, type=f"incident.{what}", at=at, status=status, opened_at=START, line=what, **more)
    receipts = (f"event/{receipt}",) if receipt else ()
    return Webhook(
        kind="pagerduty",
        source="",
        key=id_.encode(),
        event=event,
        alerts=(mirror,) if status else (),
        receipts=receipts,
    )


TRIGGERED = heard("triggered", PagedStatus.TRIGGERED)


async def accepted(store: Store, *webhooks: Webhook) -> list[Any]:
    async with accepting(store) as acceptor:
        return [await acceptor.accept(it) for it in webhooks]


async def adopted(store: Store, incident: int, it: PagedIncident, *held: PagedAlerts) -> Adopted:
    return await adopt(store, incident, it, held, JOIN, sink=SINK)


async def states(store: Store) -> list[tuple[Any, ...]]:
    return await rows(store, "select slug, state, folded_into from incidents order by id")


async def test_pagerduty_after_the_group_folds_into_it(store: Store, alert: AlertOf, webhook: WebhookOf) -> None:
    await accepted(store, webhook(alert("aa")), TRIGGERED)
    outcome = await adopted(store, 2, paged(), under(b"g"))

    assert outcome == Adopted(incident=1, folded=("inc-0002",))
    assert await states(store) == [("inc-0001", "open", None), ("inc-0002", "folded", 1)]
    assert await rows(store, "select kind, incident from links order by kind") == [
        ("alertmanager", 1),
        ("pagerduty", 1),
    ]
    assert await rows(store, "select encode(fingerprint, 'hex') from alerts") == [("aa".rjust(16, "0"),)]  # no mirror
    assert await rows(store, "select incident, object, state from deliveries") == [(1, "Q1", "due")]
    assert ("respond", "2") not in await rows(store, "select kind, key from work")


async def test_an_incident_that_a_failover_has_lost_is_left_alone(store: Store) -> None:
    with pytest.raises(LeaseLost, match="lost with the work on it"):
        await adopted(store, 17, paged(), under(b"g"))

    assert await rows(store, "select count(*) from links") == [(0,)]


async def test_a_lost_incident_whose_group_is_known_again_goes_on_as_the_new_one(
    store: Store, alert: AlertOf, webhook: WebhookOf
) -> None:
    await accepted(store, webhook(alert("aa")))

    outcome = await adopted(store, 17, paged(), under(b"g"))

    assert outcome.incident == 1


async def test_the_group_after_pagerduty_joins_its_incident(store: Store, alert: AlertOf, webhook: WebhookOf) -> None:
    await accepted(store, TRIGGERED)
    outcome = await adopted(store, 1, paged(), under(b"g", alert("bb", via="pagerduty")))
    waiting = await rows(store, "select awaits_until is not null from incidents")
    (answer,) = await accepted(store, webhook(alert("aa")))

    assert (outcome.awaits, waiting) == (True, [(True,)])
    assert answer.incidents == ("inc-0001",)
    assert await states(store) == [("inc-0001", "open", None)]
    assert await rows(store, "select kind from links order by 1") == [("alertmanager",), ("pagerduty",)]
    assert await rows(store, "select labels->>'via' from alerts") == [(None,)]  # its own word counts
    assert await rows(store, "select awaits_until from incidents") == [(None,)]


async def test_what_is_not_from_alertmanager_is_not_waited_for(store: Store, alert: AlertOf) -> None:
    await accepted(store, TRIGGERED)
    outcome = await adopted(store, 1, paged(), PagedAlerts(key="datadog-1", alerts=(alert("dd"),)))

    assert not outcome.awaits
    assert await rows(store, "select awaits_until from incidents") == [(None,)]
    assert await rows(store, "select encode(fingerprint, 'hex') from alerts") == [("dd".rjust(16, "0"),)]


async def test_several_groups_in_one_incident_are_one(store: Store, alert: AlertOf, webhook: WebhookOf) -> None:
    await accepted(store, *(webhook(alert("aa"), group=it) for it in (b"g", b"h", b"i")))
    outcome = await adopted(store, 3, paged(), under(b"g"), under(b"h"), under(b"i"))

    assert outcome == Adopted(incident=1, folded=("inc-0002", "inc-0003"))
    assert {it[1:] for it in await states(store)} == {("open", None), ("folded", 1)}
    assert await rows(store, "select count(*), count(distinct incident) from links where kind = 'alertmanager'") == [
        (3, 1)
    ]


async def test_a_new_pagerduty_incident_soon_after_reopens_and_much_later_is_another(
    store: Store, alert: AlertOf, webhook: WebhookOf
) -> None:
    for minutes in (5, 15):
        group = str(minutes).encode()
        await accepted(store, webhook(alert("aa"), group=group), webhook(alert("aa", resolved=1), group=group))
        async with store.connection() as connection:
            await connection.execute(
                "update incidents set resolved_at = now() - make_interval(mins => $1) where state = 'resolved'", minutes
            )
        (opened,) = await accepted(store, heard("triggered", PagedStatus.TRIGGERED, id_=f"Q{minutes}"))
        number = await number_of(store, opened.incidents[0])
        assert number is not None
        await adopted(store, number, paged(f"Q{minutes}"), under(group))

    assert await rows(store, "select slug, state, folded_into, continues from incidents order by id") == [
        ("inc-0001", "open", None, None),
        ("inc-0002", "folded", 1, None),
        ("inc-0003", "resolved", None, None),
        ("inc-0004", "open", None, 3),
    ]
    moved = await rows(store, "select incident from links where kind = 'alertmanager' order by incident")
    assert moved == [(1,), (4,)]


async def test_what_is_over_when_pagerduty_can_be_read_again_is_one_all_the_same(
    store: Store, alert: AlertOf, webhook: WebhookOf
) -> None:
    """Its API was away from the beginning to the end, its webhooks came: two incidents, and one thing to report."""
    await accepted(store, webhook(alert("aa")), TRIGGERED)
    await accepted(store, heard("resolved", PagedStatus.RESOLVED, minute=2, agent_name="Ann"))
    await accepted(store, webhook(alert("aa", resolved=1)))
    async with store.connection() as connection:
        await connection.execute("update incidents set resolved_at = resolved_at + interval '1 minute' where id = 2")

    outcome = await adopted(store, 2, resolved_at(2), under(b"g"))

    assert outcome == Adopted(incident=1, folded=("inc-0002",))
    assert await states(store) == [("inc-0001", "resolved", None), ("inc-0002", "folded", 1)]
    assert await rows(store, "select incident, object, state from deliveries") == [(1, "Q1", "due")]
    assert ("respond", "1") in await rows(store, "select kind, key from work")
    ended = "select count(distinct resolved_at), min(settled_by), max(settled_by) from incidents"
    assert await rows(store, ended) == [(1, "Ann", "Ann")]


async def test_a_person_settles_it_whatever_its_alerts_say(store: Store, alert: AlertOf, webhook: WebhookOf) -> None:
    await accepted(store, webhook(alert("aa")), TRIGGERED)
    await adopted(store, 2, paged(), under(b"g"))
    resolved = heard("resolved", PagedStatus.RESOLVED, minute=20, agent_name="Ann", by_person=True)
    await accepted(store, resolved, webhook(alert("aa")), webhook(alert("bb")))
    settled = await rows(store, "select state, settled_by from incidents where id = 1")
    (newer,) = await accepted(store, webhook(alert("aa", starts=60 * 24 * 3650)))

    assert settled == [("resolved", "Ann")]  # neither a repeat nor what had begun before is a reason to start again
    assert newer.incidents == ("inc-0001",)
    assert await rows(store, "select state, settled_by from incidents where id = 1") == [("open", "")]


async def test_it_stays_open_while_another_of_its_incidents_is(
    store: Store, alert: AlertOf, webhook: WebhookOf
) -> None:
    await accepted(store, webhook(alert("aa")), TRIGGERED, heard("triggered", PagedStatus.TRIGGERED, id_="Q2"))
    await adopted(store, 2, paged(), under(b"g"))
    await adopted(store, 3, paged("Q2"), under(b"g"))
    await accepted(store, heard("resolved", PagedStatus.RESOLVED, minute=20, agent_name="Ann"))
    between = await rows(store, "select state from incidents where id = 1")
    await accepted(store, heard("resolved", PagedStatus.RESOLVED, minute=20, agent_name="Ben", id_="Q2"))

    assert between == [("open",)]
    assert await rows(store, "select state, settled_by from incidents where id = 1") == [("resolved", "Ben")]


async def test_a_copy_of_a_webhook_is_a_duplicate_also_in_one_batch(store: Store) -> None:
    first = heard("triggered", PagedStatus.TRIGGERED, receipt="E1")
    async with accepting(store) as acceptor:
        answers = await asyncio.gather(*(acceptor.accept(first) for _ in range(5)))
        later = await acceptor.accept(first)

    assert sorted(it.duplicates for it in answers) == [0, 1, 1, 1, 1]
    assert (later.duplicates, later.accepted, later.incidents) == (1, 0, ("inc-0001",))


async def test_a_note_of_ours_is_known_by_the_ledger(store: Store) -> None:
    await accepted(store, TRIGGERED)
    await adopted(store, 1, paged())
    async with store.connection() as connection:
        await connection.execute("update deliveries set foreign_id = 'N1'")
    ours, theirs = await accepted(
        store, heard("annotated", None, note="N1", minute=1), heard("annotated", None, note="N2", minute=1)
    )

    assert (ours.ignored, theirs.accepted) == (1, 1)


async def test_a_merged_incident_goes_on_in_the_other(store: Store, alert: AlertOf, webhook: WebhookOf) -> None:
    await accepted(
        store,
        webhook(alert("aa")),
        webhook(alert("bb"), group=b"h"),
        TRIGGERED,
        heard("triggered", PagedStatus.TRIGGERED, id_="Q2"),
    )
    await adopted(store, 3, paged(), under(b"g"))
    await adopted(store, 4, paged("Q2"), under(b"h"))
    merged = heard("resolved", PagedStatus.RESOLVED, id_="Q2", minute=2, agent_name="Ann", merged_into="Q1")
    await accepted(store, merged)
    between = await rows(store, "select state from incidents where id = 2")
    await adopted(store, 2, paged("Q2", PagedStatus.RESOLVED, merged_into="Q1"))
    await adopted(store, 2, paged(), under(b"g"), under(b"h"))

    assert between == [("open",)]
    assert await rows(store, "select id, folded_into from incidents where state = 'folded' order by id") == [
        (2, 1),
        (3, 1),
        (4, 1),
    ]
    assert await rows(store, "select object, incident, state from deliveries order by object") == [
        ("Q1", 1, "due"),
        ("Q2", 2, "gone"),
    ]


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(paged("Q2"), id="read before it was merged"),
        pytest.param(
            replace(paged("Q2", PagedStatus.RESOLVED, merged_into="Q1"), as_of=START + AFTER), id="read since"
        ),
    ],
)
async def test_an_incident_that_was_merged_is_not_settled_by_reading_it(
    store: Store, alert: AlertOf, webhook: WebhookOf, read: PagedIncident
) -> None:
    await accepted(store, webhook(alert("bb"), group=b"h"), heard("triggered", PagedStatus.TRIGGERED, id_="Q2"))
    await adopted(store, 2, paged("Q2"), under(b"h"))
    merged = heard("resolved", PagedStatus.RESOLVED, id_="Q2", minute=20, agent_name="Ann", merged_into="Q1")
    await accepted(store, merged)
    await adopted(store, 1, read, under(b"h"))

    assert await rows(store, "select state from incidents where id = 1") == [("open",)]
    assert await rows(store, "select status from alerts") == [(0,)]


HANDED_OVER = [  # what the elder holds on the object, what the younger does → what the elder holds then
    ("due", None, "visible", "N2", ("visible", "N2", True)),
    ("due", None, "sending", None, ("due", None, True)),
    ("visible", "N1", "visible", "N2", ("visible", "N1", True)),
    ("visible", "N1", "due", None, ("visible", "N1", False)),
    ("sending", None, "visible", "N2", ("visible", "N2", True)),
]


@pytest.mark.parametrize(("state", "note", "their_state", "their_note", "expected"), HANDED_OVER)
async def test_the_elder_takes_over_the_note_on_an_object_of_both(
    store: Store, alert: AlertOf, webhook: WebhookOf, state: str, note: str | None, their_state: str,
    their_note: str | None, expected: tuple[Any, ...],
) -> None:  # fmt: skip
    await accepted(store, webhook(alert("aa")), webhook(alert("bb"), group=b"h"))
    for incident, its_state, its_note in ((1, state, note), (2, their_state, their_note)):
        async with store.connection() as connection:
            await connection.execute(
                """insert into deliveries (incident, sink, object, state, foreign_id, attempt, delivered_at)
                   values ($1, $2, 'Q1', $3, $4, 1, now())""",
                incident, SINK, its_state, its_note,
            )  # fmt: skip
    await adopted(store, 2, paged(), under(b"g"), under(b"h"))

    assert await rows(store, "select state, foreign_id, verify from deliveries where incident = 1") == [expected]
    assert await rows(store, "select state from deliveries where incident = 2") == [("gone",)]
    assert await rows(store, "select min(attempt) > 1 from deliveries where incident = 2") == [(True,)]  # fenced off


@pytest.mark.parametrize(
    ("state", "note", "their_state", "their_note", "waits"),
    [
        pytest.param("sending", None, "visible", "N2", True, id="the elder's own may be on its way"),
        pytest.param("uncertain", None, "visible", "N2", True, id="the elder's own may have arrived"),
        pytest.param("visible", "N1", "sending", None, True, id="the younger's may be on its way"),
        pytest.param("visible", "N1", "visible", "N2", False, id="both stand there"),
    ],
)
async def test_what_may_be_on_its_way_is_given_the_time_to_arrive(
    store: Store, alert: AlertOf, webhook: WebhookOf, state: str, note: str | None, their_state: str,
    their_note: str | None, waits: bool,
) -> None:  # fmt: skip
    """The object is listed half a minute after `delivered_at`: what arrives after that would stay."""
    await accepted(store, webhook(alert("aa")), webhook(alert("bb"), group=b"h"))
    for incident, its_state, its_note in ((1, state, note), (2, their_state, their_note)):
        async with store.connection() as connection:
            await connection.execute(
                """insert into deliveries (incident, sink, object, state, foreign_id, attempt, delivered_at)
                   values ($1, $2, 'Q1', $3, $4, 1, case when $4::text <> '' then now() - interval '10 minutes' end)""",
                incident, SINK, its_state, its_note,
            )  # fmt: skip
    await adopted(store, 2, paged(), under(b"g"), under(b"h"))

    since = "select verify, now() - delivered_at < interval '30 seconds' from deliveries where incident = 1"
    assert await rows(store, since) == [(True, waits)]


async def test_two_who_learn_the_same_at_once_do_not_stand_in_each_others_way(
    store: Store, alert: AlertOf, webhook: WebhookOf
) -> None:
    groups = [bytes([it]) for it in range(1, 9)]
    await accepted(store, *(webhook(alert("aa"), group=it) for it in groups))

    async def learn(incident: int, order: Sequence[bytes]) -> None:
        await adopted(store, incident, paged(), *(under(it) for it in order))

    await asyncio.gather(*(learn(it, groups if it % 2 else groups[::-1]) for it in range(1, 9)))

    assert await rows(store, "select count(*) from incidents where state = 'open'") == [(1,)]
    assert await rows(store, "select count(distinct incident) from links") == [(1,)]
    assert await rows(store, "select count(*) from deliveries") == [(1,)]


async def settled_long_ago(store: Store, *webhooks: Webhook) -> None:
    """Accepted and resolved by their own alerts, longer ago than reopens."""
    await accepted(store, *webhooks)
    async with store.connection() as connection:
        await connection.execute(
            "update incidents set resolved_at = now() - interval '1 hour' where state = 'resolved'"
        )


async def test_what_a_group_said_long_ago_is_not_taken_for_what_fires_now(
    store: Store, alert: AlertOf, webhook: WebhookOf
) -> None:
    """PagerDuty is heard first of a group that was here before: its alerts count until the group's own come."""
    await settled_long_ago(store, webhook(alert("aa")), webhook(alert("aa", resolved=1)))
    await accepted(store, TRIGGERED)
    outcome = await adopted(store, 2, paged(), under(b"g", alert("aa", via="pagerduty")))
    waiting = await rows(store, "select incident, status, labels->>'via' from alerts where incident = 2")
    (answer,) = await accepted(store, webhook(alert("aa", starts=2)))

    assert (outcome.incident, outcome.awaits, waiting) == (2, True, [(2, 0, "pagerduty")])
    assert answer.incidents == ("inc-0002",)
    assert await rows(store, "select incident, status, labels->>'via' from alerts") == [(2, 0, None)]
    assert await rows(store, "select count(*) from links where kind = 'dedup'") == [(0,)]
    assert await rows(store, "select awaits_until from incidents where id = 2") == [(None,)]


async def test_an_incident_of_which_pagerduty_tells_no_alert_keeps_its_mirror(
    store: Store, alert: AlertOf, webhook: WebhookOf
) -> None:
    """Without any alert it would end without a report."""
    await settled_long_ago(store, webhook(alert("aa")), webhook(alert("aa", resolved=1)))
    await accepted(store, TRIGGERED)
    await adopted(store, 2, paged(), under(b"g"))

    assert await rows(store, "select labels->>'alertname', status from alerts where incident = 2") == [("Q1", 0)]


async def test_what_is_found_resolved_at_pagerduty_is_settled(store: Store, alert: AlertOf) -> None:
    """Its webhook was lost; once the link says resolved, nobody would ask again."""
    await accepted(store, TRIGGERED, heard("triggered", PagedStatus.TRIGGERED, id_="Q2"))
    await adopted(store, 1, paged(), under(b"g", alert("bb")))
    await adopted(store, 1, resolved_at(20), under(b"g", alert("bb", resolved=20)))
    await adopted(store, 2, resolved_at(20, "Q2"))

    assert await rows(store, "select state, settled_by from incidents order by id") == [("resolved", "PagerDuty")] * 2
    assert await rows(store, "select count(*) from alerts where status = 0") == [(0,)]
    assert await rows(store, "select count(*) from timeline where what like 'resolved: %'") == [(2,)]


async def test_within_one_second_what_is_over_is_the_newer_news(store: Store) -> None:
    """PagerDuty's REST API tells whole seconds."""
    states = []
    await accepted(store, TRIGGERED)
    for status in (PagedStatus.TRIGGERED, PagedStatus.RESOLVED, PagedStatus.TRIGGERED):
        await adopted(store, 1, paged(status=status))
        states += await rows(store, "select state from links")

    assert states == [("triggered",), ("resolved",), ("resolved",)]


async def test_what_began_after_the_resolution_is_not_settled_by_it(
    store: Store, alert: AlertOf, webhook: WebhookOf
) -> None:
    """Told late, by a webhook or by reading: what fires since then is not what was settled."""
    await accepted(store, webhook(alert("aa", starts=30)), TRIGGERED)
    await adopted(store, 2, paged(), under(b"g"))
    await adopted(store, 1, resolved_at(20), under(b"g"))
    read = await rows(store, "select state from incidents where id = 1")
    await accepted(
        store,
        heard("reopened", PagedStatus.TRIGGERED, minute=21),
        heard("resolved", PagedStatus.RESOLVED, minute=25, agent_name="Ann"),
    )
    late = await rows(store, "select state from incidents where id = 1")
    await accepted(
        store,
        heard("reopened", PagedStatus.TRIGGERED, minute=26),
        heard("resolved", PagedStatus.RESOLVED, minute=45, agent_name="Ann"),
    )

    assert (read, late) == ([("open",)], [("open",)])
    assert await rows(store, "select state, settled_by from incidents where id = 1") == [("resolved", "Ann")]


async def test_a_breach_that_began_after_the_resolution_is_not_settled_by_it(store: Store) -> None:
    """PagerDuty's word that the one before is over comes late, by a webhook or by asking."""
    watch, far = Watch(pack="p", rule="w"), timedelta(days=3650)
    opening = Opening(rule_set=b"1", files={}, first_report_within=AFTER, reopen_within=far)
    await watches.breach(store, watch, opening)
    async with store.connection() as connection:
        await connection.execute(
            """insert into links (kind, source, key, external_id, incident, state, told_at, heard)
               values ('pagerduty', '', 'Q1', 'Q1', 1, 'triggered', $1, true)""",
            START,
        )
        await connection.execute("update links set state = '' where kind = 'watch'")
        await connection.execute("update incidents set state = 'resolved', resolved_at = now()")
    await watches.breach(store, watch, opening)

    await accepted(store, heard("resolved", PagedStatus.RESOLVED, minute=1, agent_name="Ann"))
    late = await states(store)
    await accepted(store, heard("resolved", PagedStatus.RESOLVED, minute=far / timedelta(minutes=1), agent_name="Ann"))

    assert late == [("inc-0001", "open", None)]
    assert await states(store) == [("inc-0001", "resolved", None)]


async def test_alerts_that_were_read_before_their_end_was_heard_do_not_fire_again(
    store: Store, alert: AlertOf, webhook: WebhookOf
) -> None:
    await accepted(store, TRIGGERED, heard("resolved", PagedStatus.RESOLVED, minute=20, agent_name="Ann"))
    await adopted(store, 1, paged(), under(b"g", alert("bb")))

    assert await rows(store, "select state from incidents") == [("resolved",)]
    assert await rows(store, "select count(*) from alerts where status = 0") == [(0,)]


async def test_who_took_it_on_is_known_whether_asking_or_the_webhook_told_it_first(store: Store) -> None:
    seen = paged(status=PagedStatus.ACKNOWLEDGED)
    said = heard("acknowledged", PagedStatus.ACKNOWLEDGED, minute=0.005, agent_name="Ann", by_person=True)
    await accepted(store, TRIGGERED)
    for _ in range(2):
        await adopt(store, 1, seen, (), JOIN, sink=SINK, told=said.event)
    asked = await rows(store, TAKEN_ON)
    await accepted(store, said)

    assert asked == [(START, "Ann")]
    assert await rows(store, TAKEN_ON) == asked
    assert await rows(store, "select what from timeline where what like 'ack%'") == [("acknowledged",)]


async def test_who_let_it_go_is_known_whether_asking_or_the_webhook_told_it_first(store: Store) -> None:
    told = heard("unacknowledged", PagedStatus.TRIGGERED, minute=0.505)
    await accepted(
        store, TRIGGERED, heard("acknowledged", PagedStatus.ACKNOWLEDGED, minute=0.1, agent_name="Ann", by_person=True)
    )
    taken = await rows(store, TAKEN_ON)
    seen = replace(paged(), as_of=START + timedelta(seconds=30))
    for _ in range(2):
        await adopt(store, 1, seen, (), JOIN, sink=SINK, told=told.event)
    asked = await rows(store, TAKEN_ON)
    await accepted(store, told)

    assert [by for _, by in taken] == ["Ann"]
    assert asked == await rows(store, TAKEN_ON) == [(None, "")]
    assert await rows(store, "select what from timeline where what like 'unack%'") == [("unacknowledged",)]


async def test_a_priority_that_comes_late_is_that_of_the_incident_where_none_was_given_since(store: Store) -> None:
    def by(who: str, priority: str, minute: float) -> Webhook:
        return heard(
            "priority_updated", PagedStatus.TRIGGERED, minute=minute, agent_name=who, by_person=True, priority=priority
        )

    held = "select priority, priority_by from incidents where id = 1"
    await accepted(store, TRIGGERED, heard("acknowledged", PagedStatus.ACKNOWLEDGED, minute=3, agent_name="Ann"))
    await accepted(store, by("Ann", "P1", 1))
    first = await rows(store, held)
    await accepted(store, by("Bea", "P3", 0.5))

    assert first == await rows(store, held) == [("P1", "Ann")]
    assert await rows(store, "select state from links") == [("acknowledged",)]


async def test_who_took_it_on_at_pagerduty_still_has_it_once_it_is_reopened(store: Store) -> None:
    said = heard("acknowledged", PagedStatus.ACKNOWLEDGED, minute=0, agent_name="Ann", by_person=True)
    await accepted(store, said)
    await rows(
        store, "update incidents set acknowledged_at = null, acknowledged_by = '' returning id"
    )  # as REOPEN does
    await adopt(store, 1, paged(status=PagedStatus.ACKNOWLEDGED), (), JOIN, sink=SINK, told=said.event)

    assert await rows(store, TAKEN_ON) == [(START, "Ann")]


async def test_who_took_it_on_stays_when_the_elder_is_reopened_by_it(
    store: Store, alert: AlertOf, webhook: WebhookOf
) -> None:
    await accepted(
        store,
        webhook(alert("aa")),
        webhook(alert("aa", resolved=1)),
        TRIGGERED,
        heard("acknowledged", PagedStatus.ACKNOWLEDGED, minute=1, agent_name="Ann", by_person=True),
        heard("priority_updated", PagedStatus.ACKNOWLEDGED, minute=2, agent_name="Ann", by_person=True, priority="P1"),
    )
    await adopted(store, 2, paged(status=PagedStatus.ACKNOWLEDGED), under(b"g"))

    assert await rows(store, "select state, acknowledged_by, priority, priority_by from incidents where id = 1") == [
        ("open", "Ann", "P1", "Ann")
    ]
    assert await rows(store, "select acknowledged_at is not null from incidents where id = 1") == [(True,)]


async def test_who_goes_on_looks_for_what_the_others_had_still_to_find(
    store: Store, alert: AlertOf, webhook: WebhookOf
) -> None:
    """A second service's incident of the younger's group, and how the elder's own PagerDuty incident ended."""
    await accepted(store, webhook(alert("aa")), webhook(alert("bb"), group=b"h"))
    async with store.connection() as connection:
        await connection.execute("delete from work where kind = 'link'")
    await adopted(store, 2, paged(), under(b"g"), under(b"h"))

    assert await rows(store, "select key, payload from work where kind = 'link'") == [
        ("1", {"looks": 0, "once_more": True})
    ]
    async with store.connection() as connection:
        await connection.execute("delete from work where kind = 'link'")
    await adopted(store, 1, paged(), under(b"g"), under(b"h"))
    assert await rows(store, "select key from work where kind = 'link'") == []  # it comes to an end


async def test_what_pagerduty_opens_anew_is_looked_up_from_the_beginning(store: Store) -> None:
    """Whatever the look-ups before had come to."""
    await accepted(store, TRIGGERED, heard("resolved", PagedStatus.RESOLVED, minute=2))
    async with store.connection() as connection:
        await connection.execute("update work set payload = $1 where kind = 'link'", {"looks": 7, "once_more": True})
    await accepted(store, heard("reopened", PagedStatus.TRIGGERED, minute=3))

    assert await rows(store, "select payload from work where kind = 'link'") == [({"looks": 0, "once_more": False},)]


async def test_a_settled_elder_that_goes_on_has_its_links_read_again(
    store: Store, alert: AlertOf, webhook: WebhookOf
) -> None:
    """Its own PagerDuty incident may be over: while we take it for open, nothing could settle the incident."""
    await accepted(store, webhook(alert("aa")), webhook(alert("aa", resolved=1)), TRIGGERED)
    async with store.connection() as connection:
        await connection.execute("delete from work where kind = 'link'")
    await adopted(store, 2, paged(), under(b"g"))

    assert await rows(store, "select key from work where kind = 'link'") == [("1",)]


async def wait_for_a_lock(store: Store) -> None:
    """Until somebody waits for a row that somebody else holds."""
    waits = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with asyncio.timeout(5):
        while not await rows(store, waits):
            await asyncio.sleep(0.01)


async def moved_while_waited_for(store: Store, who: Awaitable[Any]) -> None:
    """While `who` waits for incident 2 it is folded into 1 by somebody else, who settles 1 right afterwards."""
    async with asyncio.TaskGroup() as group:
        async with store.transaction() as settling:
            async with store.transaction() as folding:
                await folding.execute("select 1 from incidents where id = 2 for update")
                waiting = group.create_task(_run(who))
                await wait_for_a_lock(store)
                await settling.execute("update incidents set state = 'resolved', resolved_at = now() where id = 1")
                await settling.execute("update alerts set status = 1, ends_at = now() where incident = 1")
                await folding.execute("update alerts set incident = 1, status = 1, ends_at = now() where incident = 2")
                await folding.execute("update links set incident = 1 where incident = 2")
                await folding.execute("update incidents set state = 'folded', folded_into = 1 where id = 2")
            await asyncio.sleep(0.3)  # it has the lock now, and sees what was moved
        await waiting


async def _run(what: Awaitable[Any]) -> Any:
    return await what


async def test_a_webhook_whose_incident_is_folded_while_it_waits_joins_the_one_that_goes_on(
    store: Store, alert: AlertOf, webhook: WebhookOf
) -> None:
    await accepted(store, webhook(alert("aa")), webhook(alert("bb"), group=b"h"))
    await moved_while_waited_for(store, accepted(store, webhook(alert("cc", starts=30), group=b"h")))

    assert await states(store) == [("inc-0001", "open", None), ("inc-0002", "folded", 1)]
    assert await rows(store, "select incident from alerts where status = 0") == [(1,)]


async def test_an_adoption_whose_incident_is_folded_while_it_waits_adopts_for_the_one_that_goes_on(
    store: Store, alert: AlertOf, webhook: WebhookOf
) -> None:
    await accepted(store, webhook(alert("aa")), webhook(alert("bb"), group=b"h"), TRIGGERED)
    outcome: list[Adopted] = []

    async def adopting() -> None:
        outcome.append(await adopted(store, 3, paged(), under(b"h")))

    await moved_while_waited_for(store, adopting())

    assert [it.incident for it in outcome] == [1]
    assert await states(store) == [("inc-0001", "open", None), ("inc-0002", "folded", 1), ("inc-0003", "folded", 1)]


async def test_the_group_s_own_webhook_and_pagerduty_s_word_wait_for_one_another(
    store: Store, alert: AlertOf, webhook: WebhookOf
) -> None:
    """Else each could find nothing of the other, and both would open an incident for good."""
    await accepted(store, TRIGGERED)
    key = webhook(alert("aa")).key
    async with store.transaction() as other:
        await other.execute(LOCK, [lock_of("alertmanager", "default", key)])
        with pytest.raises(StoreUnavailable):
            await adopted(store, 1, paged(), under(b"g"))
    await adopted(store, 1, paged(), under(b"g"))

    assert await rows(store, "select count(*) from links where kind = 'dedup'") == [(1,)]
