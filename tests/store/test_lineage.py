"""A database that goes on from a replica is noticed, one that was only restarted is not."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from responder.store.migrate import migrate
from responder.store.store import Store
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
            connection = await asyncpg.connect(standby.dsn)
            assert await connection.fetchval("select pg_promote()")
            await connection.close()
            promoted = await noticed(standby.dsn)

    assert first == restarted == ["00000001"]
    assert promoted == ["00000001", "00000002"]


async def test_a_server_that_does_not_tell_its_timeline_is_used_all_the_same(database: str) -> None:
    assert len(await noticed(database)) == 1
    connection = await asyncpg.connect(database)
    await connection.execute("drop table lineage")
    await connection.close()

    store = await Store.open(database, redact=lambda text: text)
    assert await store.writable()
    await store.close()
