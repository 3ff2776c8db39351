"""Samples of our own are taken beside the looks, and change what is known at once."""

from __future__ import annotations

import asyncio

from responder.store.work import Claimed
from responder.work.sample import sample
from tests.work.conftest import PACK, World
from tests.work.test_respond import Start

LASTING = (
    PACK.replace("{unit: percent, http: {up: [/health]}}", "{unit: percent, http: {up: [/health], step: 5s}}")
    .replace('critical: "< 1%"', 'critical: "< 1% for 1m"')
    .replace('{serving: "< 1%"}', '{serving: "< 1% for 30s"}')
)


async def opened(it: World) -> int:
    """An incident that was looked at, and whose next sample is asked for."""
    await it.post()
    await it.until(lambda: it.events("alert.handled"))
    async with asyncio.timeout(10):
        while not await it.rows("select 1 from work where kind = 'sample' and not held"):
            await asyncio.sleep(0.02)
    ((number,),) = await it.rows("select id from incidents")
    return int(number)


async def asked_for_looks(it: World) -> int:
    ((asked,),) = await it.rows("select asked from work where kind = 'respond'")
    return int(asked)


def row(key: str, **payload: object) -> Claimed:
    return Claimed(id=0, kind="sample", key=key, attempt=0, failures=0, payload=payload)


async def test_a_sample_is_kept_and_the_next_one_due_a_step_later(world: Start) -> None:
    it = await world(LASTING)
    number = await opened(it)
    ((before,),) = await it.rows("select count(*) from samples")

    after = await sample(row(f"{number}/5"), it.daemon.desk)

    kept = await it.rows("select signal, reading from samples")
    assert len(kept) == before + 1
    assert set(kept) == {("serving", 0.0)}
    assert after.in_seconds is not None
    assert 3.0 < after.in_seconds <= 5.0
    assert after.payload == {
        "said": {"down/serving": "pending", "? Is the API completely down?/serving/< 1% for 30s": "pending"}
    }


async def test_what_a_sample_changes_is_looked_at_at_once_and_what_it_repeats_is_not(world: Start) -> None:
    it = await world(LASTING)
    number = await opened(it)
    before = await asked_for_looks(it)

    same = await sample(row(f"{number}/5"), it.daemon.desk)
    assert await asked_for_looks(it) == before
    it.target.status = 200
    changed = await sample(row(f"{number}/5", **same.payload), it.daemon.desk)
    assert await asked_for_looks(it) == before + 1
    await sample(row(f"{number}/5", **changed.payload), it.daemon.desk)
    assert await asked_for_looks(it) == before + 1


async def test_a_sample_that_fails_is_kept_as_missing(world: Start) -> None:
    timed = LASTING.replace("unit: percent, http: {up: [/health]", "unit: seconds, http: {time: /health")
    it = await world(timed.replace("< 1%", "> 1s"))
    number = await opened(it)
    await it.target.server.stop()

    after = await sample(row(f"{number}/5"), it.daemon.desk)

    assert (await it.rows("select reading from samples order by at"))[-1] == (None,)
    assert after.payload["said"]["down/serving"] == "unknown"  # type: ignore[index]


async def test_nothing_is_sampled_when_it_is_over_or_no_bound_lasts(world: Start) -> None:
    it = await world(LASTING)
    number = await opened(it)

    assert (await sample(row(f"{number}/7"), it.daemon.desk)).in_seconds is None
    await it.post(status="resolved")
    assert (await sample(row(f"{number}/5"), it.daemon.desk)).in_seconds is None
    assert (await sample(row("999/5"), it.daemon.desk)).in_seconds is None


async def test_a_window_goes_on_over_a_restart(world: Start) -> None:
    """What another process sampled before this one began counts: it is all in the store."""
    it = await world(LASTING)
    number = await opened(it)
    async with it.daemon.desk.store.connection() as connection:
        await connection.execute(
            """insert into samples (incident, signal, at, reading, labels)
               select $1, signal, at - n * interval '5 s', 0, labels
               from (select * from samples order by at limit 1) first, generate_series(1, 12) n""",
            number,
        )

    after = await sample(row(f"{number}/5"), it.daemon.desk)

    assert after.payload["said"]["down/serving"] == "critical"  # type: ignore[index]
