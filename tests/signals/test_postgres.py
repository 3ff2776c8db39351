"""Figures of a real PostgreSQL, and of a standby that follows it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from responder.clients.doors import Doors
from responder.model.pack import Signal, Target
from responder.model.reading import AnyReading, NoReading, Reading
from responder.model.sources import PostgresSource, Unit
from responder.signals.read import read
from tests.systems.plugin import (
    LOOPBACK,
    Postgres,
    folder_for,
    free_port,
    postgres_programs,
    postgres_user,
    start,
    stop,
)

NOW = datetime(2026, 11, 20, 3, 14, tzinfo=UTC)
Ask = Callable[..., Awaitable[AnyReading]]
Connect = Callable[[], Awaitable[Any]]

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def server(start_postgres: Callable[..., Postgres]) -> Postgres:
    return start_postgres(max_connections=20, wal_level="replica", max_wal_senders=3)


@pytest.fixture
async def connect(server: Postgres) -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        async def one() -> Any:
            connection = await asyncpg.connect(server.dsn)
            stack.push_async_callback(connection.close)
            return connection

        yield one


@pytest.fixture
def ask(server: Postgres, doors: Doors) -> Ask:
    async def asked(name: str, *, unit: Unit = "seconds", dsn: str = server.readonly_dsn) -> AnyReading:
        wanted = Signal(name="it", unit=unit, source=PostgresSource(target="db", reading=name))
        targets = {"db": Target(name="db", kind="postgres", address=dsn, per_minute=9999)}
        return (await read({wanted: 0.0}, [], targets, doors, NOW, within_seconds=5))["it"][0]

    return asked


def value(reading: AnyReading) -> float:
    assert isinstance(reading, Reading), reading
    return reading.value


def why(reading: AnyReading) -> str:
    assert isinstance(reading, NoReading), reading
    return reading.why


async def test_connections_are_a_share_of_the_maximum(ask: Ask, connect: Connect) -> None:
    for _ in range(5):
        await connect()

    used = value(await ask("connections_used", unit="percent"))
    assert used >= 30.0
    assert used % 5 == 0
    assert value(await ask("connections_used", unit="ratio")) == pytest.approx(used / 100)


async def test_no_connection_left_is_100_percent_and_not_unknown(ask: Ask, connect: Connect, doors: Doors) -> None:
    taken = [await connect() for _ in range(17)]

    assert value(await ask("connections_used", unit="percent")) == 100.0
    assert "connection" in why(await ask("blocked", unit="count"))
    assert len(taken) == 17


async def test_the_oldest_transaction_is_that_of_any_client(ask: Ask, connect: Connect) -> None:
    assert value(await ask("oldest_transaction")) == 0.0
    idle = await connect()
    await idle.execute("begin")
    await idle.execute("select 1")
    await asyncio.sleep(0.3)

    assert 0.3 <= value(await ask("oldest_transaction")) < 30
    assert value(await ask("oldest_transaction", unit="milliseconds")) >= 300


async def test_waiting_for_a_lock_counts_each_session(ask: Ask, connect: Connect) -> None:
    holder, first, second = await connect(), await connect(), await connect()
    await holder.execute("begin")
    await holder.execute("select pg_advisory_xact_lock(7)")
    waiting = [asyncio.ensure_future(it.execute("select pg_advisory_xact_lock(7)")) for it in (first, second)]
    async with asyncio.timeout(10):
        while value(await ask("blocked", unit="count")) < 2:
            await asyncio.sleep(0.02)

    await holder.execute("rollback")
    await asyncio.gather(*waiting)
    assert value(await ask("blocked", unit="count")) == 0.0


async def test_what_the_role_may_not_see_is_unknown_and_not_zero(ask: Ask, server: Postgres, connect: Connect) -> None:
    admin, other = await connect(), await connect()
    await admin.execute("create role blind login password 'pw'")
    await other.execute("begin")
    blind = server.dsn.replace("postgres@", "blind:pw@", 1)

    assert why(await ask("oldest_transaction", dsn=blind)).endswith("grant it pg_monitor")
    assert value(await ask("blocked", unit="count", dsn=blind)) == 0.0


async def test_without_a_standby_there_is_no_lag(ask: Ask) -> None:
    assert why(await ask("replication_lag")).endswith("no standby is connected, so that there is no lag to be read")


@pytest.fixture
def standby(server: Postgres) -> Iterator[str]:
    """The address of one that follows the server."""
    programs, user = postgres_programs(), postgres_user()
    with folder_for("standby", user) as folder:
        port = free_port()
        copy = [str(programs / "pg_basebackup"), "-h", LOOPBACK, "-p", str(server.port), "-U", "postgres"]
        copy += ["-D", str(folder / "data"), "-R", "-c", "fast", "-X", "stream"]
        subprocess.run(copy, check=True, user=user, group=user, cwd=folder)
        command = [str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port)]
        command += ["-c", f"unix_socket_directories={folder}", "-c", f"listen_addresses={LOOPBACK}"]
        command += ["-c", "max_connections=20", "-c", "wal_receiver_status_interval=1s"]
        probe = [str(programs / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(port)]
        process = start(
            "standby", command, folder, lambda: subprocess.run(probe, check=False).returncode == 0, user=user
        )
        yield server.readonly_dsn.replace(f":{server.port}/", f":{port}/")
        stop(process, signal.SIGINT)


async def test_lag_is_read_on_both_sides(ask: Ask, connect: Connect, server: Postgres, standby: str) -> None:
    admin = await connect()
    behind = await asyncpg.connect(standby.replace("responder:pw@", "postgres@"))
    await admin.execute("create table it (n int)")
    for _ in range(200):
        await admin.execute("insert into it values (1)")
        if isinstance(await ask("replication_lag"), Reading):
            break
        await asyncio.sleep(0.05)

    assert value(await ask("replication_lag")) < 5
    assert value(await ask("replication_lag", dsn=standby)) < 5

    await behind.execute("select pg_wal_replay_pause()")
    while await behind.fetchval("select pg_get_wal_replay_pause_state()") != "paused":
        await asyncio.sleep(0.02)
    await admin.execute("insert into it values (2)")
    await asyncio.sleep(1.5)

    assert value(await ask("replication_lag", dsn=standby)) >= 1
    primary = await ask("replication_lag")  # it measures no lag while nothing is replayed: unknown, never 0
    assert isinstance(primary, NoReading) or primary.value >= 1
    await behind.execute("select pg_wal_replay_resume()")
    await behind.close()


async def test_a_query_of_ones_own_is_read_once_for_each_label(
    server: Postgres, doors: Doors, connect: Connect
) -> None:
    admin = await connect()
    await admin.execute("create table jobs (queue text, n numeric)")
    await admin.execute("insert into jobs values ('mail', 1.5), ('mail', 2.5), ('sms', 'NaN'), ('it''s', 4)")
    await admin.execute("grant select on jobs to responder")

    async def read_it(query: str, *queues: str, allow: tuple[str, ...] = ("custom_sql",)) -> list[float | str]:
        wanted = Signal(name="it", unit="count", source=PostgresSource(target="db", query=query))
        target = Target(name="db", kind="postgres", address=server.readonly_dsn, allow=frozenset(allow))
        alerts = [{"queue": it} for it in queues]
        readings = (await read({wanted: 0.0}, alerts, {"db": target}, doors, NOW, within_seconds=5))["it"]
        return [it.value if isinstance(it, Reading) else it.why for it in readings]

    shown = f"postgresql://{LOOPBACK}:{server.port}"
    total = "select sum(n) from jobs where queue = '{{ labels.queue }}'"
    assert await read_it(total, "mail", "it's") == [4.0, 4.0]
    assert await read_it(total, "sms", "none") == [f"{shown}: the query gave NaN", f"{shown}: the query gave no value"]
    assert await read_it("select 1; drop table jobs") == ["the query is refused: expected one SELECT, got 2 statements"]
    assert await read_it("select 1", allow=()) == [
        f"{shown}: a query of one's own needs `allow: [custom_sql]` on its target"
    ]
