"""Rules that this version cannot read: the incident is left to who can, and ends by no other rules in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from responder.store.overdue import overdue
from responder.store.work import Claimed
from responder.work.sample import sample
from tests.work.conftest import PACK, World

Start = Callable[..., Awaitable[World]]
NEWER = "rules:\n  - {name: down, from_a_newer_version: 1}\n"
NOW = timedelta(0)


async def begun_elsewhere(it: World, pack: str) -> None:
    """Every incident begins with rules that a replica of a newer version kept."""
    await it.rows(
        f"""insert into rule_sets (hash, pack, files)
            values ('\\x01', '{pack}', jsonb_build_object('rules.yaml', '{NEWER}'::text)) returning hash"""
    )
    await it.rows("alter table incidents alter rule_set set default '\\x01'")


async def begun(it: World, pack: str) -> None:
    await begun_elsewhere(it, pack)
    await it.post()
    await it.until(lambda: it.events("rules.unreadable"))


async def test_without_a_pack_of_that_name_nothing_ends_and_the_first_report_stays_overdue(
    world: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.work.began_with.UNREAD_AGAIN_SECONDS", 0.1)
    monkeypatch.setattr("responder.work.began_with.UNREAD_SECONDS", 0.0)
    it = await world()
    await begun(it, "brought-by-the-newer-version")
    claims = len(it.events("work.finishing"))
    await it.until(lambda: len(it.events("work.finishing")) > claims + 3)
    await it.rows("update incidents set first_report_due = now() - interval '1 minute' returning id")
    sampled = await sample(Claimed(id=0, kind="sample", key="1/5", attempt=1, failures=0), it.daemon.desk)
    late = await overdue(it.daemon.desk.store, ["respond"], [], lease_seconds=9, within=NOW, margin=NOW)

    assert it.events("alert.handled") == []
    assert await it.rows("select count(*) from work where kind = 'respond'") == [(1,)]
    assert late.incidents == ("inc-0001",)
    assert late.lost == ()
    assert sampled.in_seconds == 5  # nor is it sampled by other rules, or no more
    assert len(it.events("rules.unreadable")) == 1


async def test_who_can_read_them_takes_it_up(world: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responder.work.began_with.UNREAD_AGAIN_SECONDS", 0.1)
    it = await world()
    (pack,) = it.daemon.desk.packs
    await begun(it, pack.name)
    assert it.events("report.composed") == []
    it.daemon.desk.former_packs[b"\x01"] = pack  # as if by a replica of the newer version
    await it.until(lambda: it.events("alert.handled"))

    assert it.events("rules.replaced") == []
    assert it.events("report.composed")[0]["title"].startswith("API does not answer")


async def test_after_minutes_in_which_nobody_could_the_present_rules_are_used_and_it_is_said(
    world: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.work.began_with.UNREAD_AGAIN_SECONDS", 0.1)
    it = await world(PACK)
    (pack,) = it.daemon.desk.packs
    await begun(it, pack.name)
    assert it.events("report.composed") == []
    monkeypatch.setattr("responder.work.began_with.UNREAD_SECONDS", 0.5)
    await it.until(lambda: it.events("alert.handled"))
    replaced = len(it.events("rules.replaced"))
    monkeypatch.setattr("responder.work.began_with.UNREAD_SECONDS", 0.1)
    await it.post(status="resolved")
    await it.until(lambda: it.events("report.composed")[-1]["title"].startswith("Resolved after"))

    assert replaced == 1
    assert len(it.events("rules.unreadable")) == 1  # the later look did not wait anew
    assert "cannot be read any more" in await it.get("/incidents/inc-0001")


async def test_a_look_by_who_can_read_them_lets_the_others_wait_anew(
    world: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = await world()
    (pack,) = it.daemon.desk.packs
    await begun(it, pack.name)
    await it.until(lambda: it.events("work.finishing"))
    it.daemon.desk.former_packs[b"\x01"] = pack
    await it.post(group="g", instance="two")
    await it.until(lambda: it.events("alert.handled"))
    it.daemon.desk.former_packs.clear()
    monkeypatch.setattr("responder.work.began_with.UNREAD_SECONDS", 0.001)
    await it.post(group="g", instance="three")
    await it.until(lambda: it.events("rules.unreadable")[1:])

    assert it.events("rules.replaced") == []


WAITS_FOR = "a replica that has the pack brought"
OF_ANOTHER = "for: ['app=\"of-another-pack\"']\n" + PACK


async def in_force_elsewhere(it: World, age: str = "1 minute") -> None:
    """A replica has a pack, `brought`, that takes every alert; this one has not."""
    await it.rows(
        f"""insert into rule_sets (hash, pack, files, loaded_at) values ('\\x02', 'brought',
            jsonb_build_object('rules.yaml', $${PACK}$$::text), now() - interval '{age}') returning hash"""
    )


async def test_what_no_pack_takes_here_is_left_to_a_replica_that_has_one_which_does(world: Start) -> None:
    it = await world(OF_ANOTHER)
    await in_force_elsewhere(it)
    await it.post()
    await it.until(lambda: it.events("rules.lacking"))
    async with asyncio.timeout(30):
        while await it.rows("select waits_for from work where kind = 'respond'") != [(WAITS_FOR,)]:
            await asyncio.sleep(0.02)
    claims = len(it.events("work.finishing"))
    await it.until(lambda: len(it.events("work.finishing")) > claims + 1)
    ended = it.events("alert.handled")
    it.daemon.reloader.rules.path.write_text(PACK)  # as if this were the other one
    await it.daemon.reloader.reload("the test")
    await it.until(lambda: it.events("alert.handled"))

    assert ended == []
    assert it.events("report.composed")[0]["title"].startswith("API does not answer")
    assert len(it.events("rules.lacking")) == 1


async def test_it_ends_without_a_rule_where_nobody_takes_it_up_or_had_that_pack_of_late(
    world: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.work.began_with.LACKING_SECONDS", 1.0)
    it = await world(OF_ANOTHER)
    await in_force_elsewhere(it, age="2 hours")
    await it.post()
    await it.until(lambda: it.events("alert.handled"))
    lacked = it.events("rules.lacking")
    await it.rows("update rule_sets set loaded_at = now() where pack = 'brought' returning hash")
    await it.post(group="h", instance="two")
    await it.until(lambda: it.events("alert.handled")[1:])

    assert lacked == []
    assert len(it.events("rules.lacking")) == 1
    assert it.events("report.composed") == []


async def test_a_set_that_stays_in_force_is_said_to_be_so(world: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    it = await world()
    async with asyncio.timeout(30):
        while not await it.rows("select 1 from rule_sets"):
            await asyncio.sleep(0.05)
    await it.rows("update rule_sets set loaded_at = now() - interval '1 day' returning hash")
    monkeypatch.setattr("responder.reload.reloader.KEPT_FOR", timedelta(0))

    async with asyncio.timeout(30):
        while not await it.rows("select 1 from rule_sets where loaded_at > now() - interval '1 minute'"):
            await asyncio.sleep(0.05)
