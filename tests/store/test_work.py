"""Work is claimed by one, leased, fenced, and never forgotten when asked for twice."""

from __future__ import annotations

import asyncio

import pytest

from responder.errors import LeaseLost
from responder.store.store import Store
from responder.store.work import Ask, ask, backlog, claim, finish, next_due_in, renew

LEASE = 30.0


async def asked(store: Store, *keys: str, gravity: int = 9, in_seconds: float = 0.0, **payload: int) -> None:
    asks = [Ask(kind="respond", key=key, gravity=gravity) for key in keys]
    async with store.transaction() as connection:
        await ask(connection, asks, in_seconds=in_seconds, payload=payload)


async def claimed(store: Store, limit: int = 9, lease_seconds: float = LEASE) -> list[str]:
    return [it.key for it in await claim(store, "respond", limit=limit, lease_seconds=lease_seconds)]


async def test_a_row_is_claimed_by_one_of_many(store: Store) -> None:
    await asked(store, *(str(n) for n in range(40)))

    claims = await asyncio.gather(*(claimed(store, 10) for _ in range(8)))

    assert sorted(int(key) for keys in claims for key in keys) == list(range(40))


async def test_the_gravest_goes_first(store: Store) -> None:
    await asked(store, "later")
    await asked(store, "now", gravity=0)

    assert await claimed(store, 1) == ["now"]


async def test_asked_again_while_held_is_due_when_finished(store: Store) -> None:
    await asked(store, "1")
    (row,) = await claim(store, "respond", limit=1, lease_seconds=LEASE)
    await asked(store, "1")

    while_held = await claimed(store)
    await finish(store, row)

    assert while_held == []
    assert await claimed(store) == ["1"]


@pytest.mark.parametrize("lease_ends", [False, True], ids=["who held it finishes", "somebody takes it over"])
async def test_what_it_was_asked_for_with_while_held_is_what_it_is_done_with_next(
    store: Store, lease_ends: bool
) -> None:
    """What the holder leaves behind is about the time before; the rest of it stays."""
    await asked(store, "1", looks=5, tries=1)
    (row,) = await claim(store, "respond", limit=1, lease_seconds=0 if lease_ends else LEASE)
    await asked(store, "1", looks=0)
    await asked(store, "1")
    if not lease_ends:
        await finish(store, row, next_in=600, payload={"looks": 6, "tries": 2})
    (again,) = await claim(store, "respond", limit=1, lease_seconds=LEASE)
    await finish(store, again, next_in=0, payload={"looks": 1})
    (later,) = await claim(store, "respond", limit=1, lease_seconds=LEASE)

    assert again.payload == {"looks": 0, "tries": 1 if lease_ends else 2}
    assert later.payload == {"looks": 1, "tries": 1 if lease_ends else 2}


async def test_a_sleeping_row_is_woken_by_a_new_ask(store: Store) -> None:
    await asked(store, "1")
    (row,) = await claim(store, "respond", limit=1, lease_seconds=LEASE)
    await finish(store, row, next_in=600)
    asleep = await claimed(store)
    await asked(store, "1")

    assert (asleep, await claimed(store)) == ([], ["1"])


async def test_what_is_over_is_gone(store: Store) -> None:
    await asked(store, "1")
    (row,) = await claim(store, "respond", limit=1, lease_seconds=LEASE)
    await finish(store, row)

    assert await next_due_in(store, ["respond"]) is None


async def test_the_next_due_row_is_found_whatever_its_kind_and_gravity(store: Store) -> None:
    async with store.connection() as connection:
        await ask(connection, [Ask(kind="respond", key="1", gravity=0)], in_seconds=300)
        await ask(connection, [Ask(kind="respond", key="2", gravity=32_000)], in_seconds=60)
        await ask(connection, [Ask(kind="link", key="1", gravity=9)], in_seconds=200)
        await ask(connection, [Ask(kind="other", key="1", gravity=0)], in_seconds=1)

    assert await next_due_in(store, ["link"]) == pytest.approx(200, abs=30)
    assert await next_due_in(store, ["link", "respond"]) == pytest.approx(60, abs=30)
    assert await next_due_in(store, []) is None


async def test_who_slept_through_the_lease_changes_nothing(store: Store) -> None:
    await asked(store, "1")
    (sleeper,) = await claim(store, "respond", limit=1, lease_seconds=0)
    (taker,) = await claim(store, "respond", limit=1, lease_seconds=LEASE)

    with pytest.raises(LeaseLost):
        await renew(store, sleeper, lease_seconds=LEASE)
    await finish(store, sleeper)

    await renew(store, taker, lease_seconds=LEASE)
    assert taker.attempt > sleeper.attempt


async def test_a_fence_grows_over_the_life_of_a_row(store: Store) -> None:
    attempts = []
    for _ in range(3):
        await asked(store, "1")
        (row,) = await claim(store, "respond", limit=1, lease_seconds=LEASE)
        attempts.append(row.attempt)
        await finish(store, row)

    assert attempts == sorted(set(attempts))


async def test_a_kind_that_nobody_here_knows_is_left_alone(store: Store) -> None:
    async with store.transaction() as connection:
        await ask(connection, [Ask(kind="of-a-newer-version", key="1")])

    assert await claimed(store) == []


async def test_overdue_work_is_counted(store: Store) -> None:
    await asked(store, "1", in_seconds=-20)

    oldest, overdue = await backlog(store, ["respond"], lease_seconds=9)

    assert 20 <= oldest < 60
    assert overdue == 1
