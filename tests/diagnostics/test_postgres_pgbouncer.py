"""A real PgBouncer, asked by a user that may only look."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from responder.clients.doors import Doors
from responder.clients.pgbouncer import MAX_BYTES, SHOWS, _Console
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.postgres_pgbouncer import DIAGNOSTIC
from responder.errors import Refused, Unreachable
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from tests.systems.plugin import LOOPBACK, Postgres, System

Made = Callable[..., Target]
Connect = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="module")
def pooler(start_pgbouncer: Callable[..., System], postgres_server: Postgres) -> System:
    """Two connections to the server for each database and user, and places for 40 clients."""
    return start_pgbouncer(postgres_server, default_pool_size=2, max_client_conn=40, admin_users="boss")


@pytest.fixture
async def connect(pooler: System) -> AsyncIterator[Connect]:
    held = []

    async def one(user: str = "responder", database: str = "postgres") -> Any:
        address = f"postgresql://{user}:pw@{LOOPBACK}:{pooler.port}/{database}"
        held.append(await asyncpg.connect(address, statement_cache_size=0))
        return held[-1]

    yield one
    for it in held:
        it.terminate()
    await asyncio.sleep(0)


@pytest.fixture
def examine(pooler: System, doors: Doors, target: Made) -> Callable[..., Awaitable[Finding]]:
    async def examined(address: str = pooler.address, database: str = "") -> Finding:
        return await DIAGNOSTIC.examine(target("postgres", f"{address}/{database}", per_minute=6000), Nothing(), doors)

    return examined


Examine = Callable[..., Awaitable[Finding]]


async def until(examine: Examine, said: str) -> Finding:
    """The finding, once its headline holds this: PgBouncer notices what clients do in its own time."""
    async with asyncio.timeout(20):
        while said not in (finding := await examine()).headline:
            await asyncio.sleep(0.02)
    return finding


@pytest.mark.system
@pytest.mark.parametrize("database", ["", "postgres", "pgbouncer"])
async def test_whichever_database_the_address_names_the_pools_are_shown(
    database: str, examine: Examine, connect: Connect, pooler: System
) -> None:
    client = await connect()
    assert await client.fetchval("select 1") == 1

    finding = await examine(database=database)

    assert (finding.outcome, finding.marks, finding.gravity) == (Outcome.HEALTHY, (), 0)
    assert finding.headline.startswith(
        "nobody waits, fullest pool postgres/responder: 0 of 2 server connections in use, "
    )
    assert finding.headline.endswith(" of 40 clients")
    assert finding.table is not None
    assert [row[:3] for row in finding.table.rows] == [("postgres", "responder", "transaction")]
    assert finding.equivalent == f"psql postgresql://{LOOPBACK}:{pooler.port}/pgbouncer -c 'show pools'"


@pytest.mark.system
async def test_a_full_pool_is_named_and_then_those_that_wait(examine: Examine, connect: Connect) -> None:
    for _ in range(2):
        await (await connect()).execute("begin")
    full = await until(examine, "is full")
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task((await connect()).execute("begin")) for _ in range(2)]
        waits = await until(examine, "2 clients wait")
        one = await until(examine, "longest 1s")
        for it in waiting:
            it.cancel()

    assert full.headline.startswith("pool postgres/responder is full: 2 of 2 server connections in use, ")
    assert (full.outcome, full.marks, full.gravity) == (Outcome.UNHEALTHY, ("near_limit",), 75)
    assert waits.gravity == 94
    assert waits.found == {"database": "postgres", "user": "responder"}
    assert one.headline.startswith(
        "2 clients wait, longest 1s (postgres/responder): 2 of 2 server connections in use, "
    )
    assert one.table is not None
    assert one.table.rows[0] == ("postgres", "responder", "transaction", "4", "2", "1s", "2", "2")


@pytest.mark.system
async def test_a_paused_database_is_said(examine: Examine, connect: Connect) -> None:
    await (await connect()).execute("select 1")
    boss = await connect("boss", "pgbouncer")
    await boss.execute("PAUSE postgres")
    client = asyncio.ensure_future((await connect()).execute("select 1"))

    finding = await until(examine, "1 client waits")
    await boss.execute("RESUME postgres")
    await client

    assert (finding.marks, finding.gravity) == (("near_limit",), 94)  # nobody is served, and the pool is not full
    assert "server connections in use, paused" in finding.headline
    assert finding.table is not None
    assert finding.table.rows[0][2] == "transaction, paused"


@pytest.mark.system
async def test_places_for_clients_run_out(
    start_pgbouncer: Callable[..., System], postgres_server: Postgres, examine: Examine
) -> None:
    small = start_pgbouncer(postgres_server, max_client_conn=5)
    held = [await asyncpg.connect(f"{small.address}/postgres", statement_cache_size=0) for _ in range(4)]

    most = await examine(small.address)
    held.append(await asyncpg.connect(f"{small.address}/postgres", statement_cache_size=0))
    with pytest.raises(asyncpg.ProtocolViolationError, match="no more connections allowed"):
        await asyncpg.connect(f"{small.address}/postgres")
    none = await examine(small.address)
    for it in held:
        it.terminate()
    small.stop()

    assert (most.marks, most.headline[-14:]) == ((), "4 of 5 clients")
    assert none.headline.startswith("5 of 5 clients, nobody waits, fullest pool postgres/responder: 0 of 20 ")
    assert (none.outcome, none.marks, none.gravity) == (Outcome.UNHEALTHY, ("near_limit",), 75)


@pytest.mark.system
async def test_who_may_not_look_and_what_is_no_pgbouncer_are_told(
    examine: Examine, pooler: System, postgres_server: Postgres
) -> None:
    shown = f"postgresql://{LOOPBACK}"
    with pytest.raises(Refused, match="not allowed; the user must be one of PgBouncer's `stats_users`"):
        await examine(pooler.address.replace("responder", "app"))
    with pytest.raises(Refused) as other:
        await examine(postgres_server.readonly_dsn.removesuffix("/postgres"))

    assert str(other.value) == (
        f"{shown}:{postgres_server.port}: no PgBouncer; expected the address that its clients use"
    )


@pytest.mark.system
async def test_four_constants_are_sent_and_nothing_else(pooler: System, examine: Examine) -> None:
    sent = bytearray()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: bytearray) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                seen += chunk
                writer.write(chunk)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(LOOPBACK, pooler.port)
        async with asyncio.TaskGroup() as group:
            group.create_task(pass_on(reader, back, sent))
            group.create_task(pass_on(there, writer, bytearray()))

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    await examine(f"postgresql://responder:pw@{LOOPBACK}:{port}")
    server.close()
    await asyncio.sleep(0.05)  # both pairs see the end

    asked = sent.split(b"Q\0\0\0")[1:]
    assert [it[1:].rstrip(b"X\0\x04").decode() for it in asked] == list(SHOWS)
    assert b"P\0\0\0" not in sent  # no statement is prepared


@pytest.mark.system
async def test_a_console_that_hangs_is_let_go_and_one_that_hangs_up_is_told(
    start_pgbouncer: Callable[..., System], postgres_server: Postgres, examine: Examine
) -> None:
    own = start_pgbouncer(postgres_server)
    await examine(own.address)
    own.freeze()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await examine(own.address)
    own.thaw()
    await examine(own.address)
    own.stop()

    with pytest.raises(Unreachable, match="connection refused"):
        await examine(own.address)


class Wire:
    """Takes what is written, as a transport does."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


ONE_ROW = (
    message(b"T", b"\0\2" + b"".join(name + b"\0" + bytes(18) for name in (b"database", b"user")))
    + message(b"D", b"\0\2\0\0\0\4shop\xff\xff\xff\xff")
    + message(b"C", b"SHOW\0")
    + message(b"Z", b"I")
)


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
async def test_an_answer_is_read_in_whatever_pieces_it_comes(size: int) -> None:
    console, wire = _Console(), Wire()
    answer = asyncio.ensure_future(console.answer(wire, "SHOW POOLS"))
    await asyncio.sleep(0)
    for at in range(0, len(ONE_ROW), size):
        console.data_received(ONE_ROW[at : at + size])

    assert await answer == ({"database": "shop", "user": ""},)
    assert wire.written == b"Q\0\0\0\x0fSHOW POOLS\0"


async def test_an_answer_without_end_is_not_kept() -> None:
    console = _Console()
    answer = asyncio.ensure_future(console.answer(Wire(), "SHOW POOLS"))
    await asyncio.sleep(0)
    console.data_received(b"D\x7f\xff\xff\xff" + bytes(MAX_BYTES))

    with pytest.raises(OSError, match="more than 1048576 bytes"):
        await answer


async def test_a_console_that_hangs_up_in_the_middle_is_told() -> None:
    console = _Console()
    answer = asyncio.ensure_future(console.answer(Wire(), "SHOW POOLS"))
    await asyncio.sleep(0)
    console.data_received(ONE_ROW[:20])
    console.connection_lost(None)

    with pytest.raises(OSError, match="it hung up"):
        await answer
    with pytest.raises(OSError, match="it hung up"):
        await console.answer(Wire(), "SHOW LISTS")
