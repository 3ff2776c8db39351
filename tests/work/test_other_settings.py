"""Replicas whose settings are changed one by one: who is not set up for a piece of work leaves it to who is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import asyncpg
import pytest

from responder import app
from responder.store.accept_write import ask_to_link
from responder.work import heartbeat
from tests.work.conftest import World
from tests.work.test_measured import value

Start = Callable[..., Awaitable[World]]
OF_OTHERS = [("ask_alertmanager", "eu"), ("ask_pagerduty", ""), ("link", "1"), ("read_note", "1/P1/N1")]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_SECONDS", 0.1)


async def audited(it: World, times: int = 3) -> None:
    def audits() -> int:
        return sum(one.get("work") == "audit" for one in it.events("work.finishing"))

    before = audits()
    await it.until(lambda: audits() >= before + times)


async def test_a_replica_without_addresses_leaves_asking_to_the_others_and_misses_nothing_itself(world: Start) -> None:
    it = await world(pagerduty=False)
    for kind, key in OF_OTHERS:
        await it.rows(
            f"insert into work (kind, key, due_at) values ('{kind}', '{key}', now() - interval '1 hour') returning id"
        )
    await audited(it)

    kinds = ", ".join(f"'{kind}'" for kind, _ in OF_OTHERS)
    assert await it.rows(f"select kind, key from work where kind in ({kinds}) and attempt = 0 order by 1") == OF_OTHERS
    assert await value(it, "responder_timers_overdue") == 0
    assert await value(it, "responder_oldest_pending_seconds") == pytest.approx(0, abs=60)
    assert await it.daemon.worker.stuck() == []
    assert it.events("work.overdue") == []


async def test_what_is_always_there_is_asked_for_again_where_it_is_gone(world: Start) -> None:
    it = await world(alertmanager_urls="eu=http://127.0.0.1:1")
    wanted = [("ask_alertmanager", "eu"), ("ask_pagerduty", ""), ("end_stated", ""), ("sweep", ""), ("watch", "")]
    await audited(it)
    await it.rows("delete from work where kind <> 'audit' returning id")
    await audited(it)

    assert await it.rows("select kind, key from work where kind <> 'audit' order by 1, 2") == wanted


async def restarted(it: World, database: str, *, shadow: bool) -> None:
    """What a start with other settings does to what it finds; its own sinks are those of the daemon that runs."""
    it.daemon.desk.deliver = not shadow
    await (await app._opened(database, it.daemon.desk)).close()


async def test_what_opened_in_shadow_and_is_still_on_is_told_when_that_ends(
    world: Start, embedded_database: str
) -> None:
    it = await world()
    await restarted(it, embedded_database, shadow=True)
    on, over = await it.page(), await it.page("h")
    await it.post()
    await it.post(group="h")
    await it.until(lambda: len(it.events("incident.linked")) == 2)
    await it.post(group="h", status="resolved")
    await it.until(lambda: len(it.events("alert.handled")) == 3)

    await restarted(it, embedded_database, shadow=False)
    await it.until(lambda: it.notes(on))

    assert await it.rows("select object from deliveries where sink = 'pagerduty_note'") == [(on,)]
    assert it.notes(over) == []  # an account is not told what was over while nobody was to be told


async def test_what_ended_in_shadow_is_told_where_it_was_reported(
    world: Start, embedded_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.report.compare.BETWEEN_EDITS", timedelta(0))
    it = await world()
    incident = await it.page()
    await it.post()
    await it.until(lambda: it.notes(incident))
    await restarted(it, embedded_database, shadow=True)
    await it.post(status="resolved")
    await it.until(lambda: len(it.events("alert.handled")) == 2)
    assert "Resolved after" not in it.notes(incident)[0]

    await restarted(it, embedded_database, shadow=False)

    await it.until(lambda: "Resolved after" in it.notes(incident)[0])
    assert len(it.notes(incident)) == 1


@pytest.mark.parametrize(("others", "wanted"), [(True, [("1", 0)]), (False, [])], ids=["another asks", "nobody asks"])
async def test_what_a_replica_without_a_key_takes_in_is_looked_up_by_one_that_has_it(
    world: Start, *, others: bool, wanted: list[tuple[str, int]]
) -> None:
    it = await world(pagerduty=False)
    if others:  # as the start of one with a key leaves it
        await it.rows("insert into work (kind, key) values ('ask_pagerduty', '') returning id")
    await it.post()

    assert await it.rows("select key, attempt from work where kind = 'link'") == wanted


@pytest.mark.parametrize("settings", [{"shadow": True}, {"pagerduty": False}], ids=["in shadow", "without a key"])
async def test_a_replica_that_does_not_report_leaves_its_looks_to_be_told_by_one_that_does(
    world: Start, settings: dict[str, bool]
) -> None:
    it = await world(**settings)
    await it.post()
    await it.until(lambda: it.events("alert.handled"))
    await it.rows("""insert into deliveries (incident, sink, object, state) values (1, 'pagerduty_note', 'P1', 'due')
                     returning id""")
    looks = len(it.events("report.composed"))
    await it.post(starts="2026-11-21T02:58:00Z")
    await it.until(lambda: len(it.events("report.composed")) > looks)
    await audited(it)

    assert await it.rows("select key, attempt from work where kind like 'deliver:%'") == [("1", 0)]


async def test_where_nobody_has_asked_pagerduty_for_an_hour_nobody_is_waited_for(world: Start) -> None:
    """A key that was taken away for good would leave a row behind with each incident."""
    it = await world(pagerduty=False)
    for age in ("2 hours", "2 minutes"):
        await it.rows("delete from work where kind in ('ask_pagerduty', 'link') returning id")
        due = f"now() - interval '{age}'"
        await it.rows(f"insert into work (kind, key, due_at) values ('ask_pagerduty', '', {due}) returning id")
        async with it.daemon.desk.store.transaction() as connection:
            await ask_to_link(connection, 1, by_us=False)
        asked = await it.rows("select count(*) from work where kind = 'link'")

        assert asked == [(int(age == "2 minutes"),)]


async def test_a_start_that_the_database_broke_off_is_made_again(world: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another replica may hold the same rows in another order."""
    times = 0

    async def broken_off_once(*_: object) -> None:
        nonlocal times
        times += 1
        if times == 1:
            raise asyncpg.DeadlockDetectedError("deadlock detected")

    monkeypatch.setattr(app, "take_up", broken_off_once)
    it = await world()
    await it.post()

    assert times == 2
