"""Webhooks are committed, counted alert by alert, and never half."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest

from responder.errors import StoreUnavailable
from responder.incidents.fold import fold
from responder.model.alert import Accepted, Alert, Quarantined, Webhook
from responder.model.folding import WebhookPlan
from responder.store import accept
from responder.store.accept import GATHER, MOST_IN_BATCH, MOST_WAITING, PRESSING, Acceptor
from responder.store.accept_read import lock_of
from responder.store.accept_sql import LOCK
from responder.store.accept_write import TOLD
from responder.store.migrate import migrate
from responder.store.store import FOR_THE_REST, Store
from responder.store.work import CHANNEL, Ask, ask
from tests.conftest import START, fresh_database
from tests.systems.plugin import Postgres

REFUSES_ALL = """create function refuses_all() returns trigger language plpgsql as
                 $$ begin raise sqlstate '54000'; end $$;
                 create trigger refuses_all before insert on webhooks execute function refuses_all()"""


@pytest.fixture
async def embedded_store(embedded_database: str) -> AsyncIterator[Store]:
    opened = await Store.open(embedded_database, redact=lambda text: text)
    await migrate(opened)
    yield opened
    await opened.close()


def acceptor_of(store: Store, **more: Any) -> Acceptor:
    fold_ = partial(fold, reopen_within=timedelta(minutes=10))
    return Acceptor(store, fold_, first_report_within=timedelta(seconds=15), asks_pagerduty=True, **more)


@asynccontextmanager
async def accepting(store: Store, **more: Any) -> AsyncIterator[Acceptor]:
    acceptor = acceptor_of(store, **more)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(acceptor.run())
        yield acceptor
        running.cancel()


async def rows(store: Store, query: str) -> list[tuple[Any, ...]]:
    async with store.connection() as connection:
        return [tuple(row) for row in await connection.fetch(query)]


async def test_webhooks_that_the_store_refuses_stand_still_until_it_takes_one(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    async with store.connection() as connection:
        await connection.execute("alter table alerts rename to not_ours")
    async with accepting(store) as acceptor:
        with pytest.raises(StoreUnavailable, match="UndefinedTableError"):
            await acceptor.accept(webhook(alert()))
        await asyncio.sleep(0)
        refused = acceptor.stuck_seconds
        async with store.connection() as connection:
            await connection.execute("alter table not_ours rename to alerts")
        await acceptor.accept(webhook(alert()))
        await asyncio.sleep(0)

        assert refused > 0
        assert acceptor.stuck_seconds == 0


async def test_an_accepted_alert_is_an_incident_with_work(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    async with accepting(store) as acceptor:
        answer = await acceptor.accept(webhook(alert("aa"), alert("bb")))

    assert answer == Accepted(accepted=2, incidents=("inc-0001",))
    assert await rows(store, "select slug, state, title from incidents") == [("inc-0001", "open", "HighErrorRate")]
    assert await rows(store, "select kind, key from work order by 1") == [("link", "1"), ("respond", "1")]
    assert await rows(store, "select labels->>'alertname', status from alerts") == [("HighErrorRate", 0)] * 2


async def test_counts_add_up_for_what_was_told_before(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    async with accepting(store) as acceptor:
        await acceptor.accept(webhook(alert("aa", starts=5), alert("bb")))
        broken = Quarantined(reason="startsAt: not a time", text="{}")
        answer = await acceptor.accept(
            replace(webhook(alert("aa", starts=4), alert("bb"), alert("cc")), quarantined=(broken,), ignored=2)
        )

    assert answer == Accepted(accepted=1, duplicates=1, stale=1, ignored=2, quarantined=1, incidents=("inc-0001",))
    assert await rows(store, "select reason from quarantine") == [("startsAt: not a time",)]


async def test_an_incident_is_resolved_with_its_last_alert_and_reopened_by_the_next(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    states = []
    async with accepting(store) as acceptor:
        for it in (
            webhook(alert("aa"), alert("bb")),
            webhook(alert("aa", resolved=5)),
            webhook(alert("bb", resolved=5)),
            webhook(alert("aa", starts=9)),
        ):
            await acceptor.accept(it)
            states += await rows(store, "select slug, state from incidents")

    assert states == [("inc-0001", "open"), ("inc-0001", "open"), ("inc-0001", "resolved"), ("inc-0001", "open")]
    assert [what for (what,) in await rows(store, "select what from timeline order by id")] == [
        "opened",
        "resolved: no alert of it fires any more",
        "reopened",
    ]


async def test_an_alert_without_a_start_of_its_own_keeps_the_first_until_it_begins_anew(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    said = [alert(), alert(starts=5), alert(starts=30, resolved=30), alert(starts=31, resolved=31), alert(starts=40)]
    told, began = [], []
    async with accepting(store) as acceptor:
        for it in said:
            answer = await acceptor.accept(webhook(replace(it, starts_assumed=True)))
            told.append((answer.accepted, answer.duplicates))
            began += await rows(store, "select status, starts_at from alerts")

    first, anew = START, START + timedelta(minutes=40)
    assert told == [(1, 0), (0, 1), (1, 0), (0, 1), (1, 0)]
    assert began == [(0, first), (0, first), (1, first), (1, first), (0, anew)]


async def test_what_fires_again_later_is_a_new_incident_that_names_the_former(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    async with accepting(store) as acceptor:
        await acceptor.accept(webhook(alert("aa")))
        await acceptor.accept(webhook(alert("aa", resolved=5)))
        await rows(store, "update incidents set resolved_at = now() - interval '11 minutes' returning 1")
        answer = await acceptor.accept(webhook(alert("aa", starts=30)))

    assert answer.incidents == ("inc-0002",)
    assert await rows(store, "select id, continues from incidents order by id") == [(1, None), (2, 1)]
    assert await rows(store, "select incident from links") == [(2,)]


async def test_a_cut_resolve_ends_what_it_does_not_name(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    async with accepting(store) as acceptor:
        await acceptor.accept(webhook(*(alert(f"{n:02x}") for n in range(20))))
        await acceptor.accept(webhook(alert("00", resolved=5), cut_until=5))

    assert await rows(store, "select status, count(*) from alerts group by 1") == [(1, 20)]
    assert await rows(store, "select state from incidents") == [("resolved",)]


async def test_what_fires_anew_after_a_cut_resolve_in_one_batch_fires_on(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    acceptor = acceptor_of(store)
    async with asyncio.TaskGroup() as group:
        answers = [
            group.create_task(acceptor.accept(it))
            for it in (
                webhook(alert("aa"), alert("bb")),
                webhook(alert("aa", resolved=5), cut_until=5),
                webhook(alert("bb", starts=6)),
            )
        ]
        await asyncio.sleep(0)
        running = group.create_task(acceptor.run())
        await asyncio.wait(answers)
        running.cancel()

    assert await rows(store, "select count(distinct at) from webhooks") == [(1,)]  # one batch
    assert await rows(store, "select status, ends_at is null from alerts order by 1") == [(0, True), (1, False)]
    assert await rows(store, "select state from incidents") == [("open",)]


async def test_four_writers_with_the_same_groups_in_any_order_make_one_incident_each(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    groups = [f"g{n}".encode() for n in range(25)]
    shuffled = random.Random(7)

    async def post_all(acceptor: Acceptor) -> None:
        mine = groups * 2
        shuffled.shuffle(mine)
        await asyncio.gather(*(acceptor.accept(webhook(alert("aa"), group=it)) for it in mine))

    async with accepting(store) as one, accepting(store) as two, accepting(store) as three, accepting(store) as four:
        await asyncio.gather(*(post_all(it) for it in (one, two, three, four)))

    assert await rows(store, "select count(*) from incidents") == [(25,)]
    assert await rows(store, "select count(*), count(distinct incident) from links") == [(25, 25)]
    assert await rows(store, "select sum((outcome->'alerts'->0->>3 = 'accepted')::int) from webhooks") == [(25,)]


async def test_many_are_committed_together(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    acceptor = acceptor_of(store)
    async with asyncio.TaskGroup() as group:
        answers = [group.create_task(acceptor.accept(webhook(alert("aa"), group=f"g{n}".encode()))) for n in range(200)]
        await asyncio.sleep(0)
        running = group.create_task(acceptor.run())
        done, _ = await asyncio.wait(answers)
        running.cancel()

    assert {it.result().accepted for it in done} == {1}
    assert await rows(store, "select count(distinct xmin::text) from incidents") == [(1,)]


@pytest.mark.parametrize(
    ("fingerprint", "pod", "why"),
    [
        pytest.param("bb", "nul \0 in a label", "UntranslatableCharacterError", id="no text"),
        pytest.param(
            random.Random(7).randbytes(4000).hex(), "", "ProgramLimitExceededError", id="too long for an index"
        ),
    ],
)
async def test_a_poisonous_webhook_fails_alone(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook], fingerprint: str, pod: str, why: str
) -> None:
    poisonous = webhook(alert(fingerprint, pod=pod), group=b"bad")
    acceptor = acceptor_of(store)
    async with asyncio.TaskGroup() as group:
        answers = [
            group.create_task(acceptor.accept(it))
            for it in (webhook(alert("aa")), poisonous, webhook(alert("cc"), group=b"h"))
        ]
        await asyncio.sleep(0)
        running = group.create_task(acceptor.run())
        await asyncio.wait(answers)
        running.cancel()

    assert [(it.result().accepted, it.result().quarantined) for it in answers] == [(1, 0), (0, 1), (1, 0)]
    assert await rows(store, "select reason from quarantine") == [(f"the store refused it: {why}",)]


async def test_a_database_that_refuses_whatever_comes_is_to_blame_itself(
    embedded_store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    """As one does that has to be vacuumed before it runs out of transaction ids."""
    async with embedded_store.connection() as connection:
        await connection.execute(REFUSES_ALL)
    async with accepting(embedded_store) as acceptor:
        with pytest.raises(StoreUnavailable, match="ProgramLimitExceededError"):
            await acceptor.accept(webhook(alert("aa")))
        async with embedded_store.connection() as connection:
            await connection.execute("drop trigger refuses_all on webhooks")

        assert (await acceptor.accept(webhook(alert("aa")))).accepted == 1


async def test_numbers_that_are_taken_already_put_no_webhook_aside(
    embedded_store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    """A replica by logical replication has the rows, and its sequences begin at one."""
    async with accepting(embedded_store) as acceptor:
        await acceptor.accept(webhook(alert("aa"), group=b"g"))
        async with embedded_store.connection() as connection:
            await connection.execute("alter sequence incident_number restart")
        with pytest.raises(StoreUnavailable, match="UniqueViolationError"):
            await acceptor.accept(webhook(alert("aa"), group=b"h"))

        assert (await acceptor.accept(webhook(alert("aa"), group=b"h"))).incidents == ("inc-0002",)
    assert await rows(embedded_store, "select id from quarantine") == []


async def test_notifications_that_another_client_keeps_from_being_read_keep_no_webhook_out(
    start_embedded_postgres: Callable[..., Postgres], alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    server = start_embedded_postgres(max_notify_queue_pages=64)
    async with fresh_database(server.dsn) as address, full_of_notifications(server.dsn):
        store = await Store.open(address, redact=lambda text: text)
        await migrate(store)
        async with accepting(store) as acceptor:
            answer = await acceptor.accept(webhook(alert("aa")))
        async with store.connection() as connection:
            await ask(connection, [Ask(kind="settle", key="1")])

        assert (answer.accepted, answer.quarantined) == (1, 0)
        assert await rows(store, "select kind from work order by 1") == [("link",), ("respond",), ("settle",)]
        await store.close()


@asynccontextmanager
async def full_of_notifications(server: str) -> AsyncIterator[None]:
    """A client of another database listens and stands still in a transaction."""
    idle, busy = await asyncpg.connect(server), await asyncpg.connect(server)
    await idle.execute("listen anything")
    await idle.execute("begin")
    await idle.execute("select 1")
    with contextlib.suppress(asyncpg.ProgramLimitExceededError):
        while True:
            await busy.execute("select pg_notify('anything', repeat('x', 7900) || n) from generate_series(1, 10) n")
    try:
        yield
    finally:
        await idle.close()
        await busy.close()


async def test_a_full_queue_is_said_at_once(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    acceptor = acceptor_of(store)  # nobody commits
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(acceptor.accept(webhook(alert()))) for _ in range(MOST_WAITING.webhooks)]
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match=f"{MOST_WAITING.webhooks} webhooks are waiting already"):
            await acceptor.accept(webhook(alert()))
        for it in waiting:
            it.cancel()


async def test_more_alerts_than_can_be_written_soon_are_refused_however_few_webhooks_bring_them(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    acceptor = acceptor_of(store)  # nobody commits
    most = replace(webhook(alert()), alerts=(alert(),) * MOST_WAITING.alerts)
    async with asyncio.TaskGroup() as group:
        alone = group.create_task(acceptor.accept(most))
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match=f"{MOST_WAITING.alerts} alerts are waiting already"):
            await acceptor.accept(webhook(alert()))
        assert not alone.done()
        alone.cancel()


async def test_more_bytes_than_there_is_memory_for_are_refused_however_few_webhooks_bring_them(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    acceptor = acceptor_of(store)  # nobody commits
    async with asyncio.TaskGroup() as group:
        alone = group.create_task(acceptor.accept(webhook(alert()), size=MOST_WAITING.bytes + 1))
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="store: 32 MiB are waiting already") as full:
            await acceptor.accept(webhook(alert()), size=1)
        assert full.value.reason == "full"
        assert not alone.done()
        alone.cancel()


async def test_a_batch_ends_where_it_has_bytes_enough(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    acceptor = acceptor_of(store)
    async with asyncio.TaskGroup() as group:
        answers = [
            group.create_task(acceptor.accept(webhook(alert(), group=b"%d" % n), size=MOST_IN_BATCH.bytes // 3))
            for n in range(10)
        ]
        await asyncio.sleep(0)
        running = group.create_task(acceptor.run())
        await asyncio.wait(answers)
        running.cancel()

    batches = await rows(store, "select count(*) from webhooks group by at order by at")
    assert sorted(batches) == [(2,), (4,), (4,)]


async def test_no_more_time_is_taken_than_was_given(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    acceptor = acceptor_of(store)  # nobody commits
    async with asyncio.timeout(accept.ANSWER_WITHIN_SECONDS - 0.5):
        with pytest.raises(StoreUnavailable, match="no commit within"):
            await acceptor.accept(webhook(alert()), within_seconds=0.01)


async def test_what_was_taken_from_the_queue_makes_room_for_more(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    many = replace(webhook(alert()), alerts=tuple(alert(f"{at:016x}") for at in range(MOST_WAITING.alerts // 2 + 1)))
    async with accepting(store) as acceptor:
        for _ in range(3):
            answer = await acceptor.accept(many)
            assert answer.accepted + answer.duplicates == len(many.alerts)


async def test_a_batch_is_written_while_another_one_waits_for_a_lock(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    held = webhook(alert("aa"), group=b"held")
    async with accepting(store) as acceptor:
        async with store.transaction() as connection:
            await connection.execute(LOCK, [lock_of(held.kind, held.source, held.key)])
            waiting = asyncio.create_task(acceptor.accept(held))
            await asyncio.sleep(0.1)
            assert (await acceptor.accept(webhook(alert("bb"), group=b"free"))).accepted == 1
            assert not waiting.done()
        assert (await waiting).accepted == 1


async def test_without_disk_nothing_is_promised(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    async with accepting(store, room=lambda: False) as acceptor:
        with pytest.raises(StoreUnavailable, match="256 MB of disk"):
            await acceptor.accept(webhook(alert()))

    assert await rows(store, "select count(*) from webhooks") == [(0,)]


async def test_a_store_that_is_away_is_said_and_what_returns_is_taken(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    async with accepting(store) as acceptor:
        await rows(
            store,
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where pid <> pg_backend_pid() and datname = current_database()",
        )
        outcomes: Sequence[Any] = [await _outcome(acceptor, webhook(alert(f"{n:02x}"))) for n in range(20)]

    kept = await rows(store, "select count(*) from alerts")
    assert set(outcomes) <= {"kept", "away"}
    assert kept == [(outcomes.count("kept"),)]
    assert outcomes[-1] == "kept"


async def test_a_deadlock_that_the_database_breaks_costs_nobody_an_answer(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    lock = "select 1 from alerts where fingerprint = $1 for update"
    waits = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with accepting(store) as acceptor, asyncio.TaskGroup() as group:
        await acceptor.accept(webhook(alert("aa"), alert("bb")))
        # Who waited first is broken off, unless this machine took longer than `deadlock_timeout` to get here.
        with contextlib.suppress(asyncpg.DeadlockDetectedError):
            async with store.transaction() as other:
                await other.execute(lock, bytes.fromhex("bb".rjust(16, "0")))
                answer = group.create_task(acceptor.accept(webhook(alert("aa", resolved=5), alert("bb", resolved=5))))
                async with asyncio.timeout(5):
                    while not await rows(store, waits):
                        await asyncio.sleep(0.01)
                await other.execute(lock, bytes.fromhex("aa".rjust(16, "0")))

    assert answer.result().accepted == 2
    assert await rows(store, "select state from incidents") == [("resolved",)]


async def test_a_link_that_was_made_without_its_lock_is_not_written_over(
    store: Store, database: str, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    one = webhook(alert("aa"))
    rounds: list[bool] = []

    async def make_link() -> None:
        other = await asyncpg.connect(database)
        await other.execute("insert into links (kind, source, key) values ($1, $2, $3)", one.kind, one.source, one.key)
        await other.close()

    def fold_late(*given: Any) -> list[WebhookPlan]:
        if not rounds:  # the batch has read that there is no such link
            thread = threading.Thread(target=lambda: asyncio.run(make_link()))
            thread.start()
            thread.join()
        rounds.append(True)
        return fold(*given, reopen_within=timedelta(minutes=10))

    acceptor = Acceptor(store, fold_late, first_report_within=timedelta(seconds=15))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(acceptor.run())
        assert (await acceptor.accept(one)).accepted == 1
        running.cancel()

    assert len(rounds) == 2
    assert await rows(store, "select a.link = l.id, a.incident = l.incident from alerts a, links l") == [(True, True)]


@pytest.mark.parametrize("batch", [pytest.param(1, id="one wakes"), pytest.param(PRESSING.webhooks, id="many do not")])
async def test_who_waits_for_work_is_woken_unless_a_storm_would_wake_it_all_the_time(
    store: Store, database: str, alert: Callable[..., Alert], webhook: Callable[..., Webhook], batch: int
) -> None:
    woken: list[str] = []
    listener = await asyncpg.connect(database)
    await listener.add_listener(CHANNEL, lambda *_: woken.append("work"))
    acceptor = acceptor_of(store)
    async with asyncio.TaskGroup() as group:
        answers = [group.create_task(acceptor.accept(webhook(alert(), group=b"%d" % n))) for n in range(batch)]
        await asyncio.sleep(0)
        running = group.create_task(acceptor.run())
        await asyncio.wait(answers)
        running.cancel()
    await listener.fetchval("select 1")  # what was said before has arrived then
    await listener.close()

    assert woken == (["work"] if batch == 1 else [])
    assert await rows(store, "select count(*) from work where kind = 'respond'") == [(batch,)]


async def test_what_still_fires_is_of_the_next_incident_of_its_group_when_a_person_settled_the_last_one(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    resolved_at = (START + timedelta(minutes=5)).isoformat()
    settled = f"update incidents set state = 'resolved', settled_by = 'Alex', resolved_at = '{resolved_at}'"
    states = []
    async with accepting(store) as acceptor:
        await acceptor.accept(webhook(alert("aa")))
        await rows(store, f"{settled} returning 1")
        for alerts in (
            [alert("aa"), alert("bb", starts=9)],
            [alert("bb", starts=9, resolved=10)],
            [alert("aa", resolved=11)],
        ):
            await acceptor.accept(webhook(*alerts))
            states += await rows(store, "select id, state from incidents where id > 1")

    assert states == [(2, "open"), (2, "open"), (2, "resolved")]
    assert await rows(store, "select distinct incident from alerts") == [(2,)]


async def test_acceptance_does_not_stand_in_line_behind_other_work(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    over, has_one = asyncio.Event(), asyncio.Semaphore(0)

    async def work() -> None:
        async with store.connection():
            has_one.release()
            await over.wait()

    async with accepting(store) as acceptor, asyncio.TaskGroup() as group:
        for _ in range(10 * FOR_THE_REST):
            group.create_task(work())
        for _ in range(FOR_THE_REST):
            await has_one.acquire()
        assert (await acceptor.accept(webhook(alert("aa")))).accepted == 1
        assert has_one.locked()  # the others still stand in line
        over.set()


async def test_other_work_that_finds_no_connection_says_so_and_does_not_wait_for_ever(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.store.store.CONNECT_SECONDS", 0.1)
    async with contextlib.AsyncExitStack() as held:
        for _ in range(FOR_THE_REST):
            await held.enter_async_context(store.connection())
        with pytest.raises(StoreUnavailable, match="no connection was free"):
            async with store.connection():
                pass
    assert await rows(store, "select 1") == [(1,)]


@pytest.mark.parametrize(
    ("more", "beside"),
    [pytest.param(2, False, id="a few wait"), pytest.param(GATHER.webhooks, True, id="many do not")],
)
async def test_a_batch_beside_another_one_waits_until_it_is_worth_it(
    store: Store,
    database: str,
    alert: Callable[..., Alert],
    webhook: Callable[..., Webhook],
    monkeypatch: pytest.MonkeyPatch,
    more: int,
    beside: bool,
) -> None:
    monkeypatch.setattr(accept, "GATHER_SECONDS", 60.0)
    batches: list[int] = []

    def fold_noted(webhooks: Sequence[Webhook], *given: Any) -> list[WebhookPlan]:
        batches.append(len(webhooks))
        return fold(webhooks, *given, reopen_within=timedelta(minutes=10))

    acceptor = Acceptor(store, fold_noted, first_report_within=timedelta(seconds=15))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(acceptor.run())
        other = await asyncpg.connect(database)
        async with other.transaction():
            await other.execute("lock table webhooks in share mode")  # whoever writes there waits
            answers = [group.create_task(acceptor.accept(webhook(alert(), group=b"first")))]
            while not batches:
                await asyncio.sleep(0.01)
            for n in range(more):
                answers.append(group.create_task(acceptor.accept(webhook(alert(), group=b"%d" % n))))
                await asyncio.sleep(0.001)
            if beside:
                while len(batches) < 2:
                    await asyncio.sleep(0.01)
            assert batches == ([1, more] if beside else [1])
        await asyncio.wait(answers)
        running.cancel()
        await other.close()

    assert batches == [1, more]


async def test_what_is_held_is_found_by_index_however_small_the_tables_were(store: Store) -> None:
    async def plans(connection: Any) -> list[str]:
        return [await connection.fetchval(f"show {it}") for it in ("enable_seqscan", "enable_hashjoin")]

    async with store.transaction() as connection:
        await connection.execute(LOCK, ["a"])
        assert await plans(connection) == ["off", "off"]

    async with store.connection() as connection:
        assert await plans(connection) == ["on", "on"]


async def _outcome(acceptor: Acceptor, webhook: Webhook) -> str:
    try:
        await acceptor.accept(webhook)
    except StoreUnavailable:
        return "away"
    return "kept"


async def test_what_its_sender_calls_grave_is_looked_at_first(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    named = {"info": "a", "warning": "b", "": "c", "critical": "d"}
    async with accepting(store) as acceptor:
        for severity, name in named.items():
            labels = {"severity": severity} if severity else {}
            await acceptor.accept(webhook(alert(f"{name * 2}", **labels), group=name.encode()))
        await acceptor.accept(webhook(alert("ee", severity="critical"), group=b"a"))  # news of the first incident

    looks = await rows(
        store,
        "select key, gravity < $TOLD from work where kind = 'respond' order by gravity, due_at".replace(
            "$TOLD", str(TOLD)
        ),
    )
    assert looks == [("4", True), ("3", True), ("2", True), ("1", True)]  # news do not put it behind the new ones
