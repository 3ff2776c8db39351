"""RESPONDER_REFUSE_WRITE_ACCESS, on a real Redis and a real PostgreSQL: at the start, and while it runs."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from responder import wiring
from responder.clients.doors import Doors, as_written
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.redis_ping import DIAGNOSTIC
from responder.doctor import refuse
from responder.doctor.refuse import WriteAccess
from responder.errors import Refused, UsageError
from responder.model.pack import Pack, Target
from tests.cli.conftest import command  # noqa: F401 - a fixture
from tests.systems.plugin import LOOPBACK, Postgres, System, free_port

pytestmark = pytest.mark.system
SHIPPED = (Path(__file__).parents[2] / "deploy" / "roles" / "redis.acl").read_text().replace("PASSWORD", "pw").split()
RULES = """
targets: {database: {postgres: "${DATABASE}"}, cache: {redis: "${CACHE}"}, other: {redis: "${OTHER}"}}
rules: [{name: any, default: true}]
"""


def pack_of(*targets: Target) -> Pack:
    return Pack(name="shop", hash=b"", files={}, targets={it.name: it for it in targets})


async def test_serve_names_every_grant_with_its_cure_and_ends_with_2(
    command: Callable[..., Any],  # noqa: F811
    tmp_path: Path,
    postgres_server: Postgres,
    redis_server: System,
    embedded_database: str,
) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)

    done = await command(
        "serve",
        RESPONDER_RULES=str(tmp_path / "rules.yaml"),
        RESPONDER_DATABASE_URL=embedded_database,
        RESPONDER_REFUSE_WRITE_ACCESS="true",
        DATABASE=postgres_server.dsn,
        CACHE=redis_server.address,
        OTHER=f"redis://127.0.0.1:{free_port()}",
    )

    assert done.returncode == 2, done.stderr
    told = [it for it in done.stderr.splitlines() if not it.startswith("{")]
    assert told == [
        "responder: RESPONDER_REFUSE_WRITE_ACCESS: these credentials can write:",
        "target rules/database: is a superuser: may do everything; "
        "deploy/roles/postgres.sql makes a role that may look and nothing else",
        "target rules/cache: may run set, del, expire, lpush, hset, sadd and 17 more; "
        "deploy/roles/redis.acl makes a user that may look and nothing else",
    ]


async def test_what_may_only_look_and_what_does_not_answer_is_no_reason_not_to_start(redis_server: System) -> None:
    async with Redis(port=redis_server.port) as admin:
        await admin.execute_command("ACL", "SETUSER", *SHIPPED[1:])
    good = Target(name="cache", kind="redis", address=f"redis://responder:pw@{LOOPBACK}:{redis_server.port}")
    down = Target(name="other", kind="redis", address=f"redis://127.0.0.1:{free_port()}")

    await WriteAccess(clock=wiring.clock, environment={}).refuse((pack_of(good, down),))

    everything = Target(name="all", kind="redis", address=redis_server.address)
    with pytest.raises(UsageError, match="target shop/all: may run set"):
        await WriteAccess(clock=wiring.clock, environment={}).refuse((pack_of(good, everything),))


async def test_what_answers_later_and_can_write_is_shut_and_opened_again_when_it_cannot(
    start_redis: Callable[..., System], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refuse, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(refuse, "LOOK_SECONDS", 0.02)
    port = free_port()
    target = Target(name="it", kind="redis", address=f"redis://responder:pw@{LOOPBACK}:{port}", per_minute=60_000)
    doors = Doors({})
    watching = WriteAccess(clock=wiring.clock, looked_through=doors, environment={})
    await watching.refuse((pack_of(target),))

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        task = group.create_task(watching.watch(lambda: (pack_of(target),)))
        server = start_redis("--user", "responder", "on", ">pw", "~*", "&*", "+@all", port=port)
        while not doors.shut:
            await asyncio.sleep(0.02)
        with pytest.raises(Refused, match=r"its credentials can write \(may run set, del, "):
            await DIAGNOSTIC.examine(target, Nothing(), doors)

        words = ["redis-cli", "-p", str(port), "acl", "setuser", *SHIPPED[1:]]
        subprocess.run(words, check=True, capture_output=True)
        while doors.shut:
            await asyncio.sleep(0.02)
        found = await DIAGNOSTIC.examine(target, Nothing(), doors)
        task.cancel()

    await doors.close()
    server.stop()
    assert found.outcome == "healthy"
    assert as_written(target) not in doors.shut
