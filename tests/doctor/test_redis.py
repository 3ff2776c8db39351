"""What users of a real Redis may do, by what it answers to ACL DRYRUN: nothing of it is run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from responder.clients.doors import Doors
from responder.doctor.access import Access, Power
from responder.doctor.redis import CURE, READS, WRITES, ask
from responder.model.pack import Target
from tests.systems.plugin import LOOPBACK, System

pytestmark = pytest.mark.system
SHIPPED = (Path(__file__).parents[2] / "deploy" / "roles" / "redis.acl").read_text().replace("PASSWORD", "pw").split()


@pytest.fixture
async def may(redis_server: System) -> AsyncIterator[Callable[..., Any]]:
    """`await may("+set")`: what a user who may look and may do that, too, may do."""
    doors = Doors({})
    async with Redis(port=redis_server.port) as admin:

        async def asked(*rules: str, allow: frozenset[str] = frozenset()) -> Access:
            await admin.execute_command("ACL", "SETUSER", *SHIPPED[1:], *rules)
            address = f"redis://responder:pw@{LOOPBACK}:{redis_server.port}"
            return await ask(Target(name="it", kind="redis", address=address, allow=allow), doors)

        await admin.set("k", "s3cret")
        yield asked
        assert await admin.get("k") == b"s3cret"
        await admin.execute_command("ACL", "DELUSER", "responder")
        await admin.flushall()
    await doors.close()


async def test_the_shipped_user_may_look_and_nothing_else(may: Callable[..., Any]) -> None:
    assert await may() == Access(who="responder", cure=CURE)


async def test_the_default_user_may_do_everything(redis_server: System) -> None:
    doors = Doors({})

    access = await ask(Target(name="it", kind="redis", address=redis_server.address), doors)

    await doors.close()
    assert access.who == "default"
    assert [it.power for it in access.grants] == [Power.WRITES, Power.READS]
    assert access.writes == (f"may run set, del, expire, lpush, hset, sadd and {len(WRITES) - 6} more",)
    assert access.grants[1].what.endswith(f" and {len(READS) - 6} more")


@pytest.mark.parametrize(
    ("rules", "what", "power"),
    [
        (("+set",), "may run set", Power.WRITES),
        (("resetkeys", "~app:*", "+del"), "may run del", Power.WRITES),
        (("+config|set",), "may run config|set", Power.WRITES),
        (("+publish",), "may run publish", Power.WRITES),
        (("+get", "+monitor"), "may run get, monitor", Power.READS),
    ],
)
async def test_each_command_beyond_the_list_is_named(
    rules: tuple[str, ...], what: str, power: Power, may: Callable[..., Any]
) -> None:
    access = await may(*rules)

    assert [(it.what, it.power) for it in access.grants] == [(what, power)]


async def test_what_it_lacks_for_what_the_target_allows_is_told(may: Callable[..., Any]) -> None:
    access = await may("-dbsize", "+scan", allow=frozenset({"scan", "slowlog"}))

    assert access.lacks == ("+dbsize", "+slowlog|get")


async def test_who_may_not_ask_is_not_taken_for_harmless(may: Callable[..., Any]) -> None:
    access = await may("+set", "-acl|dryrun")

    assert access.grants == ()
    assert "no permissions to run the 'acl|dryrun' command" in access.not_known


async def test_commands_that_the_server_hides_are_no_mistake(start_redis: Callable[..., System]) -> None:
    server = start_redis("--rename-command", "FLUSHALL", "", "--rename-command", "CONFIG", "")
    doors = Doors({})

    access = await ask(Target(name="it", kind="redis", address=server.address), doors)

    await doors.close()
    server.stop()
    assert access.writes == (f"may run set, del, expire, lpush, hset, sadd and {len(WRITES) - 9} more",)
