import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from responder.clients import postgres_queries
from responder.clients.doors import Doors
from responder.clients.postgres import NoConnectionLeft, PostgresDoor
from responder.clients.postgres_queries import CONNECTION_LIMITS, NamedQuery
from responder.errors import Refused, Unreachable
from responder.model.pack import Target
from tests.systems.plugin import Postgres, free_port

Made = Callable[..., Target]
RESPONDER = Path(postgres_queries.__file__).parents[1]

# Declared for tests only; responder itself declares its queries in postgres_queries.py, see below.
SLEEP = NamedQuery(name="sleep", sql="select pg_sleep(60)::text as slept")
NUMBERS = NamedQuery(name="numbers", sql="select it from generate_series(1, $1::int) as it")
FUNCTIONS = """count max min sum greatest coalesce extract filter over any host make_interval now clock_timestamp age
    current_setting current_database pg_backend_pid pg_blocking_pids pg_postmaster_start_time pg_total_relation_size
    pg_table_size pg_indexes_size pg_database_size pg_is_in_recovery pg_is_wal_replay_paused pg_current_wal_lsn
    pg_wal_lsn_diff pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_stat_statements
    array_to_string string_to_array string_agg row_number pg_has_role has_database_privilege has_schema_privilege
    has_table_privilege has_any_column_privilege has_sequence_privilege has_function_privilege"""
SETTINGS = NamedQuery(
    name="settings",
    sql="""select current_setting('transaction_read_only') as read_only, current_setting('statement_timeout') as
    statement, current_setting('lock_timeout') as lock, current_setting('application_name') as application,
    current_setting('default_transaction_read_only') as by_default""",
)


@pytest.fixture
async def admin(postgres_server: Postgres) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(postgres_server.dsn)
    yield connection
    await connection.close()


@pytest.fixture
def door(postgres_server: Postgres, doors: Doors, target: Made) -> PostgresDoor:
    return doors.postgres(target("postgres", postgres_server.readonly_dsn, per_minute=100_000))


async def ours(admin: Any) -> int:
    """How many statements of responder run on the server now."""
    sql = "select count(*) from pg_stat_activity where application_name = 'responder' and state = 'active'"
    return int(await admin.fetchval(sql))


def test_every_query_of_responder_is_declared_in_the_reviewed_file() -> None:
    users = [
        it.relative_to(RESPONDER).as_posix()
        for it in RESPONDER.rglob("*.py")
        if re.search(r"NamedQuery\(", it.read_text())
    ]

    assert users == ["clients/postgres_queries.py"]


def test_the_reviewed_queries_read_and_do_nothing_else() -> None:
    declared = [it for it in vars(postgres_queries).values() if isinstance(it, NamedQuery)]

    assert declared
    for query in declared:
        assert query.sql.split()[0] == "select"
        assert set(re.findall(r"\b([a-z_]+)\(", query.sql)) <= set(FUNCTIONS.split()), query.name
        assert not re.search(r"\bquery\b", query.sql), query.name
        assert set(re.findall(r"(\w+\.|select )\*", query.sql)) <= {"it.", "sized."}, query.name  # of our own columns
        assert ";" not in query.sql


@pytest.mark.system
async def test_a_session_is_read_only_and_bounded(door: PostgresDoor) -> None:
    fetched = await door.fetch(SETTINGS)

    assert fetched.rows == (
        {"read_only": "on", "statement": "15s", "lock": "1s", "application": "responder", "by_default": "on"},
    )


@pytest.mark.system
@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("create table t (a int)", "cannot execute CREATE TABLE in a read-only transaction"),
        ("select 1; drop table t", "cannot insert multiple commands into a prepared statement"),
        ("select nothing from nowhere", 'relation "nowhere" does not exist'),
    ],
)
async def test_what_the_server_refuses_is_told(sql: str, why: str, door: PostgresDoor) -> None:
    with pytest.raises((Refused, Unreachable), match=why):
        await door.fetch(NamedQuery(name="bad", sql=sql))

    assert (await door.fetch(SETTINGS)).rows[0]["read_only"] == "on"


@pytest.mark.system
async def test_rows_are_capped(door: PostgresDoor) -> None:
    few, some, many = (
        await door.fetch(NUMBERS, 3),
        await door.fetch(NUMBERS, 9, limit=4),
        await door.fetch(NUMBERS, 100_000),
    )

    assert ([row["it"] for row in few.rows], few.cut) == ([1, 2, 3], False)
    assert ([row["it"] for row in some.rows], some.cut) == ([1, 2, 3, 4], True)
    assert (len(many.rows), many.cut) == (200, True)


@pytest.mark.system
async def test_one_connection_serves_all_one_after_the_other(door: PostgresDoor, admin: Any) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(door.fetch(NUMBERS, number)) for number in range(1, 21)]

    assert [len(task.result().rows) for task in tasks] == list(range(1, 21))
    count = "select count(*) from pg_stat_activity where application_name = 'responder'"
    assert await admin.fetchval(count) == 1


@pytest.mark.system
async def test_a_cancelled_query_ends_on_the_server_too(door: PostgresDoor, admin: Any) -> None:
    asking = asyncio.get_running_loop().create_task(door.fetch(SLEEP))
    while await ours(admin) == 0:
        await asyncio.sleep(0.01)

    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    until = asyncio.get_running_loop().time() + 2
    while await ours(admin) and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(0.01)
    assert await ours(admin) == 0
    assert (await door.fetch(NUMBERS, 1)).rows == ({"it": 1},)


@pytest.mark.system
async def test_the_next_caller_never_gets_the_answer_of_a_cancelled_one(door: PostgresDoor) -> None:
    wrong = 0
    for number in range(1, 151):
        try:
            async with asyncio.timeout((number % 30) / 2500):
                rows = (await door.fetch(NUMBERS, number)).rows
        except TimeoutError:
            continue
        wrong += len(rows) != number

    assert wrong == 0
    assert len((await door.fetch(NUMBERS, 17)).rows) == 17


@pytest.mark.system
async def test_a_frozen_server_is_let_go(start_postgres: Callable[..., Postgres], doors: Doors, target: Made) -> None:
    server = start_postgres()
    door = doors.postgres(target("postgres", server.readonly_dsn))
    await door.fetch(NUMBERS, 1)
    with frozen(server):
        started = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await door.fetch(NUMBERS, 1)
        took = asyncio.get_running_loop().time() - started

    assert took < 1.5
    assert (await door.fetch(NUMBERS, 1)).rows == ({"it": 1},)
    server.stop()


@contextlib.contextmanager
def frozen(server: Postgres) -> Iterator[None]:
    """The server and its sessions, each in a process group of its own, keep their connections and answer nothing."""
    main = server.process.pid
    children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    for pid in (main, *map(int, children)):
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in (main, *map(int, children)):
        os.kill(pid, signal.SIGCONT)


@pytest.mark.system
async def test_a_lost_connection_is_opened_anew(door: PostgresDoor, admin: Any) -> None:
    await door.fetch(NUMBERS, 1)
    kill = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'responder'"
    await admin.fetch(kill)
    await asyncio.sleep(0.1)

    with contextlib.suppress(Unreachable):  # that one finds the connection gone
        await door.fetch(NUMBERS, 1)
    assert (await door.fetch(NUMBERS, 1)).rows == ({"it": 1},)


@pytest.mark.system
async def test_a_wrong_password_and_an_unknown_user_are_not_repeated(
    start_postgres: Callable[..., Postgres], doors: Doors, target: Made
) -> None:
    server = start_postgres()
    (server.folder / "data" / "pg_hba.conf").write_text("host all postgres all trust\nhost all all all scram-sha-256\n")
    connection = await asyncpg.connect(server.dsn)
    await connection.execute("select pg_reload_conf()")
    await connection.close()
    await asyncio.sleep(0.2)
    address = server.readonly_dsn.replace("responder:pw", "s3cretuser:s3cret%2Fword")

    with pytest.raises(Refused) as caught:
        await doors.postgres(target("postgres", address)).fetch(NUMBERS, 1)
    assert str(caught.value) == (
        f'postgresql://127.0.0.1:{server.port}: password authentication failed for user "***" (SQLSTATE 28P01)'
    )
    server.stop()


@pytest.fixture
async def pooler(postgres_server: Postgres) -> AsyncIterator[int]:
    """What PgBouncer does at connect: it refuses settings that it does not know, then passes everything on."""
    refused = b"SERROR\0VFATAL\0C08P01\0Munsupported startup parameter: statement_timeout\0\0"

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                writer.write(chunk)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(65536)
        if len(first) == 8:  # SSLRequest: no
            writer.write(b"N")
            first = await reader.read(65536)
        if b"statement_timeout" in first:
            writer.write(b"E" + (len(refused) + 4).to_bytes(4, "big") + refused)
            writer.close()
            return
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", postgres_server.port)
        server_writer.write(first)
        async with asyncio.TaskGroup() as group:
            group.create_task(pass_on(reader, server_writer))
            group.create_task(pass_on(server_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.05)  # the pairs above see the end of both sides


@pytest.mark.system
async def test_behind_a_pooler_each_transaction_is_read_only_and_bounded(pooler: int, target: Made) -> None:
    doors = Doors({})
    door = doors.postgres(target("postgres", f"postgresql://responder:pw@127.0.0.1:{pooler}/postgres"))
    settings = (await door.fetch(SETTINGS)).rows
    await doors.close()

    assert settings == (
        {"read_only": "on", "statement": "15s", "lock": "1s", "application": "responder", "by_default": "off"},
    )


@pytest.mark.system
async def test_no_connection_left_is_told_apart(
    start_postgres: Callable[..., Postgres], doors: Doors, target: Made
) -> None:
    server = start_postgres(max_connections=8, superuser_reserved_connections=3)
    held = [await asyncpg.connect(server.readonly_dsn) for _ in range(5)]

    with pytest.raises(NoConnectionLeft, match="remaining connection slots are reserved"):
        await doors.postgres(target("postgres", server.readonly_dsn)).fetch(CONNECTION_LIMITS)
    for it in held:
        await it.close()
    server.stop()


async def test_where_nothing_listens(doors: Doors, target: Made) -> None:
    port = free_port()

    with pytest.raises(Unreachable) as caught:
        await doors.postgres(target("postgres", f"postgresql://u:s3cret@127.0.0.1:{port}/x")).fetch(NUMBERS, 1)
    assert str(caught.value) == f"postgresql://127.0.0.1:{port}: connection refused"


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "0.0.0.0"])
async def test_what_may_never_be_looked_at(host: str, doors: Doors, target: Made) -> None:
    with pytest.raises(Refused, match="which may not be looked at"):
        await doors.postgres(target("postgres", f"postgresql://{host}/x?host=127.0.0.1")).fetch(NUMBERS, 1)


async def test_a_server_that_speaks_something_else(
    raw_server: Callable[[bytes], Awaitable[int]], doors: Doors, target: Made
) -> None:
    port = await raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with pytest.raises(Unreachable, match=f"postgresql://127.0.0.1:{port}: "):
        await doors.postgres(target("postgres", f"postgresql://u:s3cret@127.0.0.1:{port}/x")).fetch(NUMBERS, 1)


async def test_a_setting_of_the_address_that_cannot_be_used_is_not_quoted(doors: Doors, target: Made) -> None:
    address = "postgresql://u:pw@127.0.0.1:1/x?sslmode=s3cret"

    with pytest.raises(Refused, match="has a part that cannot be used") as caught:
        await doors.postgres(target("postgres", address)).fetch(NUMBERS, 1)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("postgresql://reader:s3cret@db:5433/shop?sslmode=require", "postgresql://db:5433/shop"),
        ("postgresql://db/", "postgresql://db"),
        ("postgresql://db/$(reboot)", "postgresql://db"),
    ],
)
def test_the_command_of_a_person_names_the_server_and_the_database_and_no_secret(address: str, place: str) -> None:
    door = Doors({}).postgres(Target(name="db", kind="postgres", address=address))

    assert door.psql("select 1") == f'psql {place} -c "select 1"'
