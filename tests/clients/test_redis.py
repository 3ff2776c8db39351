import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from responder.clients.doors import Doors
from responder.clients.redis import ALLOWED, ALLOWED_PAIRS, NoClientLeft, RedisDoor, why_not_sent
from responder.errors import NotConfigured, Refused, Unreachable
from responder.model.pack import Target
from tests.systems.plugin import System, free_port

Made = Callable[..., Target]


@pytest.fixture
async def admin(redis_server: System) -> AsyncIterator[Any]:
    client = Redis(port=redis_server.port)
    yield client
    await client.flushall()
    await client.aclose()


@pytest.fixture
def door(redis_server: System, doors: Doors, target: Made) -> RedisDoor:
    return doors.redis(target("redis", redis_server.address, per_minute=100_000))


@pytest.mark.system
async def test_lengths_and_figures_can_be_asked(door: RedisDoor, admin: Any) -> None:
    await admin.rpush("queue", "a", "b", "c")

    assert await door.ask("LLEN", "queue") == 3
    assert await door.ask("type", "queue") == "list"
    assert await door.ask("PING") == "PONG"
    assert (await door.info("server"))["redis_version"].startswith("7")


@pytest.mark.system
async def test_of_all_commands_only_the_listed_ones_are_sent(door: RedisDoor, admin: Any) -> None:
    names = [it.upper() for it in await admin.command()]
    subcommands = [
        tuple(sub[0].decode().upper().split("|"))
        for it in (await admin.execute_command("COMMAND")).values()
        for sub in it.get("subcommands", [])
    ]

    sent = {it for it in names if why_not_sent((it,)) is None}
    sent_pairs = {it for it in subcommands if why_not_sent(it) is None}

    assert len(names) > 200
    assert sent == ALLOWED
    assert sent_pairs <= ALLOWED_PAIRS
    assert sent_pairs >= {("XINFO", "GROUPS"), ("SLOWLOG", "LEN"), ("MEMORY", "STATS")}


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("GET", "x"),
        ("flushall",),
        ("KEYS", "*"),
        ("SLOWLOG", "GET"),
        ("CLUSTER", "RESET"),
        ("CLUSTER", "FAILOVER"),
        ("EVAL", "return 1", "0"),
        ("PING", "x"),
        ("XINFO", "STREAM", "k", "FULL"),
        ("INFO\r\nFLUSHALL",),
        ("CONFIG", "GET", "*"),
    ],
)
async def test_anything_else_is_refused_before_a_connection_is_made(
    words: tuple[str, ...], doors: Doors, target: Made
) -> None:
    door = doors.redis(target("redis", "redis://127.0.0.1:1"))

    with pytest.raises(Refused):
        await door.ask(*words)


@pytest.mark.system
async def test_the_next_caller_never_gets_the_answer_of_a_cancelled_one(door: RedisDoor, admin: Any) -> None:
    for number in range(1, 41):
        await admin.rpush(f"queue{number}", *range(number))
    wrong = completed = 0
    for attempt in range(600):
        number = attempt % 40 + 1
        try:
            async with asyncio.timeout((attempt % 25) / 12_000):
                length = await door.ask("LLEN", f"queue{number}")
        except TimeoutError:
            continue
        completed += 1
        wrong += length != number

    assert wrong == 0
    assert completed > 20
    assert completed < 600


@pytest.mark.system
async def test_a_frozen_server_is_let_go(start_redis: Callable[..., System], doors: Doors, target: Made) -> None:
    server = start_redis()
    door = doors.redis(target("redis", server.address))
    await door.ask("PING")
    server.freeze()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await door.ask("DBSIZE")
    server.thaw()

    assert await door.ask("PING") == "PONG"
    server.stop()


@pytest.mark.system
async def test_a_server_that_came_back_is_asked_again(
    start_redis: Callable[..., System], doors: Doors, target: Made
) -> None:
    server = start_redis()
    door = doors.redis(target("redis", server.address))
    await door.ask("PING")
    server.stop()

    for _ in range(2):
        with pytest.raises(Unreachable, match=rf"^redis://127\.0\.0\.1:{server.port}: "):
            await door.ask("PING")
    start_redis(port=server.port)
    assert await door.ask("PING") == "PONG"


@pytest.mark.system
async def test_a_wrong_password_is_refused_and_not_repeated(
    start_redis: Callable[..., System], doors: Doors, target: Made
) -> None:
    server = start_redis("--requirepass", "right")
    good = target("redis", f"redis://:right@127.0.0.1:{server.port}/3")
    bad = target("redis", f"redis://ann:s3cret%40@127.0.0.1:{server.port}")

    assert await doors.redis(good).ask("PING") == "PONG"
    with pytest.raises(Refused) as caught:
        await doors.redis(bad).ask("PING")
    assert "invalid username-password pair" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    server.stop()


@pytest.mark.system
async def test_a_role_that_may_not_is_told(redis_server: System, admin: Any, doors: Doors, target: Made) -> None:
    await admin.execute_command("ACL", "SETUSER", "narrow", "on", ">pw", "~*", "-@all", "+ping")
    door = doors.redis(target("redis", f"redis://narrow:pw@127.0.0.1:{redis_server.port}"))

    assert await door.ask("PING") == "PONG"
    with pytest.raises(Refused, match="no permissions to run the 'info' command"):
        await door.info()
    assert await door.ask("PING") == "PONG"


@pytest.mark.system
async def test_no_client_left_is_told_apart(start_redis: Callable[..., System], doors: Doors, target: Made) -> None:
    server = start_redis("--maxclients", "1")
    holder = Redis(port=server.port, single_connection_client=True)
    await holder.initialize()
    await holder.ping()

    with pytest.raises(NoClientLeft):
        await doors.redis(target("redis", server.address)).ask("PING")
    await holder.aclose()
    server.stop()


async def test_where_nothing_listens(doors: Doors, target: Made) -> None:
    port = free_port()

    with pytest.raises(Unreachable) as caught:
        await doors.redis(target("redis", f"redis://:s3cret@127.0.0.1:{port}")).ask("PING")
    assert str(caught.value) == f"redis://127.0.0.1:{port}: connection refused"


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "0.0.0.0"])
async def test_what_may_never_be_looked_at(host: str, doors: Doors, target: Made) -> None:
    with pytest.raises(Refused, match="which may not be looked at"):
        await doors.redis(target("redis", f"redis://{host}")).ask("PING")


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff\x00\r\n"])
async def test_something_else_that_answers(
    says: bytes, raw_server: Callable[[bytes], Awaitable[int]], doors: Doors, target: Made
) -> None:
    port = await raw_server(says)

    with pytest.raises(Unreachable, match=f"redis://127.0.0.1:{port}: "):
        await doors.redis(target("redis", f"redis://127.0.0.1:{port}")).ask("PING")


async def test_a_database_is_a_number(doors: Doors, target: Made) -> None:
    with pytest.raises(NotConfigured, match="the number is not one"):
        await doors.redis(target("redis", "redis://127.0.0.1/s3cret")).ask("PING")
