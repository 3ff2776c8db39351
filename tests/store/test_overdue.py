"""What is late is found, and what nobody would have done is asked for again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from responder.model.alert import Alert, Webhook
from responder.store.overdue import Overdue, ask_again, overdue
from responder.store.store import Store
from responder.store.work import Ask, claim, finish
from tests.store.test_accept import accepting, rows

AT_ONCE = timedelta(0)
Alerts, Webhooks = Callable[..., Alert], Callable[..., Webhook]


async def late(store: Store, *, margin: timedelta = AT_ONCE, within: timedelta = AT_ONCE) -> Overdue:
    return await overdue(store, ["respond"], ["pagerduty_note"], lease_seconds=0, within=within, margin=margin)


async def due_since_long(store: Store) -> None:
    async with store.connection() as connection:
        await connection.execute("update incidents set first_report_due = now() - interval '1 minute'")


async def test_an_incident_without_its_first_report_is_overdue_once_its_deadline_is_over(
    store: Store, alert: Alerts, webhook: Webhooks
) -> None:
    async with accepting(store) as acceptor:
        await acceptor.accept(webhook(alert()))
    in_time = await late(store)
    await due_since_long(store)

    assert in_time.incidents == ()
    assert (await late(store)).incidents == ("inc-0001",)
    assert (await late(store, margin=timedelta(minutes=2))).incidents == ()


async def test_one_that_no_rule_is_for_is_not(store: Store, alert: Alerts, webhook: Webhooks) -> None:
    async with accepting(store) as acceptor:
        await acceptor.accept(webhook(alert()))
    await due_since_long(store)
    async with store.connection() as connection:
        await connection.execute("update alerts set handled = true")

    assert (await late(store)).incidents == ()


async def test_a_report_that_nobody_can_see_yet_is_overdue(store: Store, alert: Alerts, webhook: Webhooks) -> None:
    async with accepting(store) as acceptor:
        await acceptor.accept(webhook(alert()))
    async with store.connection() as connection:
        await connection.execute("insert into reports (incident, body, severity_rank) values (1, '{}', 0)")
        await connection.execute(
            "insert into deliveries (incident, sink, object, state) values (1, 'pagerduty_note', 'Q1', 'due')"
        )
        unseen = await late(store)
        await connection.execute("update deliveries set first_at = now(), state = 'visible'")

    assert unseen.incidents == ("inc-0001",)
    assert unseen.lost == (Ask(kind="deliver:pagerduty_note", key="1"),)
    assert (await late(store)).incidents == ()


async def test_lost_work_is_asked_for_again_and_what_is_there_is_left_alone(
    store: Store, alert: Alerts, webhook: Webhooks
) -> None:
    async with accepting(store) as acceptor:
        await acceptor.accept(webhook(alert("aa"), group=b"1"))
        await acceptor.accept(webhook(alert("bb"), group=b"2"))
    await due_since_long(store)
    (first, _) = await claim(store, "respond", limit=2, lease_seconds=9)
    await finish(store, first)
    found = await late(store)
    await ask_again(store, found.lost)

    assert found.incidents == ("inc-0001", "inc-0002")
    assert found.lost == (Ask(kind="respond", key=first.key),)
    assert await rows(store, "select key, asked from work where kind = 'respond' order by key") == [("1", 1), ("2", 1)]
    assert (await late(store)).lost == ()
