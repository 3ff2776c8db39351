"""The store as the doctor sees it."""

from __future__ import annotations

from collections import namedtuple
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from responder import wiring
from responder.doctor import kept
from responder.doctor.line import Line, State
from responder.store import reconcile, work
from responder.store.store import Store

pytestmark = pytest.mark.system  # one of the two databases is Debian's

KINDS = ("respond", "watch")


def by_name(lines: list[Line]) -> dict[str, Line]:
    return {it.about: it for it in lines}


async def test_a_store_that_is_well_is_told_so(store: Store) -> None:
    found = by_name(await kept.lines(store, wiring.clock, KINDS))

    assert {name: it.state for name, it in found.items()} == dict.fromkeys(("store", "clock", "timers"), State.OK)
    assert found["store"].says.endswith(", 0 open incidents")


@pytest.mark.parametrize(("seconds", "way"), [(-60, "ahead of"), (60, "behind")])
async def test_a_clock_that_is_not_like_ours_is_wrong(seconds: int, way: str, store: Store) -> None:
    found = by_name(await kept.lines(store, lambda: wiring.clock() + timedelta(seconds=seconds), KINDS))

    assert found["clock"].state is State.WRONG
    assert found["clock"].says == f"the database's clock is 60 s {way} ours: dates in reports will not fit"


async def test_work_that_nobody_does_is_wrong(store: Store) -> None:
    async with store.connection() as connection:
        await work.ask(connection, [work.Ask(kind="respond", key="1")])
        await connection.execute("update work set due_at = now() - interval '2 minutes'")

    found = by_name(await kept.lines(store, wiring.clock, KINDS))

    assert (found["timers"].state, found["timers"].says) == (
        State.WRONG,
        "1 piece of work due for more than a minute",
    )


async def test_work_that_is_left_to_another_replica_is_no_work_of_ours(store: Store) -> None:
    async with store.connection() as connection:
        await work.ask(connection, [work.Ask(kind="link", key=it) for it in "12"])
        await connection.execute("update work set due_at = now() - interval '2 minutes'")

    found = by_name(await kept.lines(store, wiring.clock, KINDS))

    assert found["timers"].state is State.OK
    assert (found["timers of others"].state, found["timers of others"].says) == (
        State.WARNING,
        "due for more than a minute, and nothing that these settings do: 2 of link",
    )


async def test_what_the_daemon_was_not_told_is_repeated_while_it_is_news(store: Store) -> None:
    await reconcile.answered(store, "alertmanager/default", "http://am:9093: connection refused", None)

    found = by_name(await kept.lines(store, wiring.clock, KINDS))
    async with store.connection() as connection:
        await connection.execute("update asked set at = now() - interval '1 hour'")
    later = by_name(await kept.lines(store, wiring.clock, KINDS))

    about = "daemon's asking of alertmanager/default"
    assert found[about].says.endswith("http://am:9093: connection refused")
    assert about not in later


def test_a_disk_without_room_is_wrong_and_a_folder_that_is_not_there_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kept.disk(tmp_path).state is State.OK
    assert kept.disk(tmp_path / "not" / "there").state is State.WARNING

    disk: Any = namedtuple("disk", "f_bavail f_frsize")
    monkeypatch.setattr(kept.os, "statvfs", lambda _: disk(100, 1 << 20))
    assert (kept.disk(tmp_path).state, kept.disk(tmp_path).says) == (State.WRONG, f"{tmp_path}: 100 MB of disk free")
