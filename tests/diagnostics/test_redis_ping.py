import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from responder.clients.doors import Doors
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.redis_ping import DIAGNOSTIC, _changes, _headline
from responder.errors import Refused
from responder.model.finding import Outcome
from responder.model.pack import Target
from tests.systems.plugin import System, free_port

Made = Callable[..., Target]


@pytest.mark.system
async def test_a_server_that_answers_says_its_version_and_that_it_was_started(
    redis_server: System, doors: Doors, target: Made
) -> None:
    finding = await DIAGNOSTIC.examine(target("redis", redis_server.address), Nothing(), doors)

    assert finding.outcome is Outcome.HEALTHY
    assert re.fullmatch(r"Redis 7\.\d+\.\d+ answers in \d+ ms, up \d+[sm].*", finding.headline)
    assert [it.what for it in finding.changes] == ["Redis started"]
    assert timedelta(seconds=-2) < datetime.now(UTC) - finding.changes[0].at < timedelta(hours=1)


@pytest.mark.system
async def test_a_user_who_may_only_ping_gets_less(redis_server: System, doors: Doors, target: Made) -> None:
    async with Redis(port=redis_server.port) as admin:
        await admin.execute_command("ACL", "SETUSER", "pings", "on", ">pw", "-@all", "+ping")

    finding = await DIAGNOSTIC.examine(
        target("redis", f"redis://pings:pw@127.0.0.1:{redis_server.port}"), Nothing(), doors
    )

    assert re.fullmatch(r"Redis answers in \d+ ms", finding.headline)


async def test_where_nothing_listens_is_unhealthy(doors: Doors, target: Made) -> None:
    finding = await DIAGNOSTIC.examine(target("redis", f"redis://127.0.0.1:{free_port()}"), Nothing(), doors)

    assert (finding.outcome, finding.gravity) == (Outcome.UNHEALTHY, 95)
    assert finding.headline == "Redis does not answer: connection refused"


@pytest.mark.system
async def test_a_wrong_password_is_no_news_of_the_server(redis_server: System, doors: Doors, target: Made) -> None:
    with pytest.raises(Refused):
        await DIAGNOSTIC.examine(target("redis", f"redis://nobody:pw@127.0.0.1:{redis_server.port}"), Nothing(), doors)


def test_a_start_long_ago_is_no_news_and_a_lost_primary_is_said() -> None:
    server = {"redis_version": "7.0.15", "uptime_in_seconds": "273600", "server_time_usec": "1795230000000000"}

    assert _changes(server) == ()
    assert _headline(server | {"role": "slave", "master_link_status": "down"}, 0.002) == (
        "Redis 7.0.15 answers in 2 ms, replica without its primary, up 3d4h"
    )
