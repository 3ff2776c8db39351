"""A database that goes on from a replica is noticed, one that was only restarted is not."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from responder.errors import StoreUnavailable
from responder.store.lineage import MAY_LACK
from responder.store.migrate import migrate
from responder.store.store import SESSION, Store
from tests.faults.cluster import Cluster

TIMELINES = "select timeline from lineage order by since"


async def noticed(dsn: str) -> list[str]:
    """What it holds after a daemon has connected."""
    store = await Store.open(dsn, redact=lambda text: text)
    try:
        await migrate(store)
        async with store.connection() as connection:
            return [it["timeline"] for it in await connection.fetch(TIMELINES)]
    finally:
        await store.close()


@pytest.mark.system
async def test_a_promotion_begins_a_new_timeline_and_a_restart_does_not(postgres_template: Path) -> None:
    async with Cluster.opened(postgres_template) as primary:
        first = await noticed(primary.dsn)
        primary.end("immediate")
        primary.start()
        restarted = await noticed(primary.dsn)
        async with primary.standby() as standby:
            primary.end("fast")
            await promote(standby)
            promoted = await noticed(standby.dsn)

    assert first == restarted == ["00000001"]
    assert promoted == ["00000001", "00000002"]


@pytest.mark.system
@pytest.mark.parametrize("asked", ["", "?target_session_attrs=any"])
async def test_a_session_from_before_a_promotion_does_not_hide_it(postgres_template: Path, asked: str) -> None:
    async with Cluster.opened(postgres_template) as primary:
        await noticed(primary.dsn)
        async with primary.standby() as standby:
            hosts = ",".join(f"127.0.0.1:{it.port}" for it in (standby, primary))
            store = await Store.open(f"postgresql://postgres@{hosts}/postgres{asked}", redact=lambda text: text)
            assert await store.writable()
            primary.end("fast")
            await promote(standby)
            async with asyncio.timeout(30):
                while not await store.writable():
                    await asyncio.sleep(0.05)
            async with store.connection() as connection:
                may_lack = await connection.fetchval(f"select {MAY_LACK}")
            await store.close()

    assert may_lack


@pytest.mark.system
@pytest.mark.parametrize("asked", ["", "?target_session_attrs=standby", "?target_session_attrs=read-write"])
async def test_standbys_alone_are_waited_with_for_a_primary(postgres_template: Path, asked: str) -> None:
    async with Cluster.opened(postgres_template) as primary, primary.standby() as standby:
        with pytest.raises(StoreUnavailable, match=r"^store: only a standby or .*; expected the primary"):
            await Store.open(standby.dsn + asked, redact=lambda text: text)
        await promote(standby)

        store = await Store.open(standby.dsn + asked, redact=lambda text: text)
        assert await store.writable()
        await store.close()


@pytest.mark.system
async def test_a_command_that_finds_a_standby_alone_says_what_to_do(postgres_template: Path) -> None:
    async with Cluster.opened(postgres_template) as primary, primary.standby() as standby:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "responder.cli.main", "incidents", "list"],
            env=os.environ | {"RESPONDER_DATABASE_URL": standby.dsn},
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert (done.returncode, done.stderr) == (
        1,
        "responder: store: only a standby or a read-only server answers; expected the primary: promote it, or add the "
        "primary's address to RESPONDER_DATABASE_URL (…@one,other/db)\n",
    )


@pytest.mark.system
async def test_a_dead_primary_beside_a_standby_is_told_with_it(postgres_template: Path) -> None:
    async with Cluster.opened(postgres_template) as primary, primary.standby() as standby:
        primary.end("fast")
        for hosts in ((primary, standby), (standby, primary)):
            named = ",".join(f"127.0.0.1:{it.port}" for it in hosts)
            with pytest.raises(StoreUnavailable) as away:
                await Store.open(f"postgresql://postgres@{named}/postgres", redact=lambda text: text)

            assert str(away.value) == (
                "store: one host does not answer (ConnectionRefusedError), and what answers is only a standby or a "
                "read-only server; expected the primary: start it, or promote the standby"
            )


async def test_more_than_a_primary_may_be_asked_for(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`read-write` is also no session that is read-only by default, as a server is made that must not be filled."""
    database += "&" if "?" in database else "?"
    monkeypatch.setitem(SESSION, "default_transaction_read_only", "on")

    for asked in ("any", "primary"):
        store = await Store.open(f"{database}target_session_attrs={asked}", redact=lambda text: text)
        assert not await store.writable()
        await store.close()
    with pytest.raises(StoreUnavailable):
        await Store.open(f"{database}target_session_attrs=read-write", redact=lambda text: text)


async def promote(standby: Cluster) -> None:
    connection = await asyncpg.connect(standby.dsn)
    assert await connection.fetchval("select pg_promote()")
    await connection.close()


async def test_a_server_that_does_not_tell_its_timeline_is_used_all_the_same(database: str) -> None:
    assert len(await noticed(database)) == 1
    connection = await asyncpg.connect(database)
    await connection.execute("drop table lineage")
    await connection.close()

    store = await Store.open(database, redact=lambda text: text)
    assert await store.writable()
    await store.close()
