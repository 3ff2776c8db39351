"""Incidents as they are held, and what a look leaves behind."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from responder.incidents.fold import fold
from responder.model.alert import Alert, Webhook
from responder.model.reading import Reading, Sample
from responder.store import incidents
from responder.store.accept import Acceptor
from responder.store.incidents import READINGS
from responder.store.look_up import number_of
from responder.store.store import Store
from tests.conftest import START

LATER = datetime(2100, 1, 1, tzinfo=UTC)


async def accepted(store: Store, *webhooks: Webhook) -> None:
    fold_ = partial(fold, reopen_within=timedelta(minutes=10))
    acceptor = Acceptor(store, fold_, first_report_within=timedelta(seconds=15))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(acceptor.run())
        for webhook in webhooks:
            await acceptor.accept(webhook)
        running.cancel()


async def test_a_storm_in_one_group_is_counted_whole_though_not_loaded_whole(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    await accepted(
        store,
        webhook(*(alert(f"{n:04x}") for n in range(1500))),
        webhook(*(alert(f"{n:04x}", resolved=5) for n in range(100))),
    )

    seen = await incidents.load(store, 1)

    assert seen is not None
    assert len(seen.incident.alerts) == 1000
    assert len(seen.incident.firing) + seen.incident.more_firing == 1400
    assert len(seen.incident.alerts) + seen.incident.more_alerts == 1500


async def test_an_incident_that_is_not_there_is_none(store: Store) -> None:
    assert await incidents.load(store, 9) is None
    assert await number_of(store, "inc-0009") is None


async def test_each_alert_is_handled_once(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    await accepted(store, webhook(alert("aa"), alert("bb")))

    first, second = await incidents.handled(store, 1, LATER), await incidents.handled(store, 1, LATER)

    assert sorted(it["alert"] for it in first) == ["00000000000000aa", "00000000000000bb"]
    assert second == []


async def test_alerts_are_locked_in_the_order_in_which_acceptance_locks_them(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    """Written the other way round, as they were heard of; who waits for the first must not hold the second."""
    await accepted(store, webhook(alert("bb")), webhook(alert("aa")))
    lock = "select 1 from alerts where fingerprint = $1 for update nowait"
    waits = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with asyncio.TaskGroup() as group, store.transaction() as accepting, store.connection() as watching:
        await accepting.execute(lock, bytes.fromhex("aa".rjust(16, "0")))
        handling = group.create_task(incidents.handled(store, 1, LATER))
        async with asyncio.timeout(5):
            while not await watching.fetch(waits):
                await asyncio.sleep(0.01)
        await accepting.execute(lock, bytes.fromhex("bb".rjust(16, "0")))

    assert len(handling.result()) == 2


async def test_what_an_interrupted_look_learnt_is_found_by_its_run_while_it_is_true(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    await accepted(store, webhook(alert()))
    await incidents.save_step(store, 1, 0, "readings", {"a": 1})

    assert await incidents.steps(store, 1, 0, younger_than_seconds=60) == {"readings": {"a": 1}}
    assert await incidents.steps(store, 1, 1, younger_than_seconds=60) == {}
    assert await incidents.steps(store, 1, 0, younger_than_seconds=0) == {}


async def test_infinity_and_nan_of_promql_survive_the_store(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    await accepted(store, webhook(alert()))
    past = (Sample(at=START, value=math.nan), Sample(at=START, value=math.inf))
    reading = Reading(signal="latency", value=math.inf, at=START, past=past)

    await incidents.save_step(store, 1, 0, "readings", READINGS.dump_python({"latency": (reading,)}, mode="json"))
    kept = await incidents.steps(store, 1, 0, younger_than_seconds=60)

    (found,) = READINGS.validate_python(kept["readings"])["latency"]
    assert isinstance(found, Reading)
    assert (found.value, [repr(it.value) for it in found.past]) == (math.inf, ["nan", "inf"])


async def test_of_two_replicas_with_other_rules_the_first_to_look_chooses(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    await accepted(store, webhook(alert("aa")))

    first = await incidents.choose_rules(store, 1, pack="shop", rule_set=b"newer", files={"a.yaml": "newer"})
    late = await incidents.choose_rules(store, 1, pack="shops", rule_set=b"older", files={"a.yaml": "older"})
    seen = await incidents.load(store, 1)

    assert (first, late) == (b"newer", b"newer")
    assert seen is not None
    assert (seen.incident.pack, seen.incident.rule_set) == ("shop", b"newer")
    assert await incidents.rule_files(store, b"newer") == ("shop", {"a.yaml": "newer"})
