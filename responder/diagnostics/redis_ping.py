"""Does Redis answer, and since when is it up?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from responder.clients.doors import Doors
from responder.clients.network import NoAnswer
from responder.clients.redis import NoClientLeft, RedisDoor, fields_of
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.text import age
from responder.errors import Refused
from responder.model.catalogue import Parameters
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target

RECENT_SECONDS = 6 * 3600  # a start longer ago is no news


class RedisPing:
    """One PING. A server that refuses the connection is unhealthy; one that cannot be found or that does not like our
    password is one we could not look at."""

    name = "redis.ping"
    target_kind = "redis"
    question = "Does Redis answer, and since when is it up?"
    parameters: type[Parameters] = Nothing
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Nothing, doors: Doors) -> Finding:
        """Raises CouldNotLook when nobody knows whether it would answer others."""
        door = doors.redis(target)
        loop = asyncio.get_running_loop()
        asked = loop.time()
        try:
            await door.ask("PING")
        except (NoAnswer, NoClientLeft) as reason:
            why = str(reason).removeprefix(f"{door.shown}: ")
            return self._finding(target, door.shown, f"Redis does not answer: {why}", gravity=95)
        took = loop.time() - asked
        server = await _server(door)
        return self._finding(target, door.shown, _headline(server, took), changes=_changes(server))

    def _finding(
        self, target: Target, shown: str, headline: str, *, gravity: int = 0, changes: tuple[Change, ...] = ()
    ) -> Finding:
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if gravity else Outcome.HEALTHY,
            headline=headline,
            changes=changes,
            gravity=gravity,
            equivalent=f"redis-cli -u {shown} ping",
        )


async def _server(door: RedisDoor) -> Mapping[str, str]:
    """What it says of itself; nothing where our user may only ping."""
    try:
        texts = await door.ask_all([("INFO", "server"), ("INFO", "replication")])
    except Refused:
        return {}
    return {name: value for text in texts for name, value in fields_of(str(text)).items()}


def _headline(server: Mapping[str, str], took_seconds: float) -> str:
    """`Redis 7.0.15 answers in 2 ms, replica without its primary, up 3d4h`."""
    version = f" {server['redis_version']}" if "redis_version" in server else ""
    role = ""
    if server.get("role") == "slave":
        role = ", replica" if server.get("master_link_status") == "up" else ", replica without its primary"
    up = _up_seconds(server)
    since = f", up {age(up)}" if up is not None else ""
    return f"Redis{version} answers in {took_seconds * 1000:.0f} ms{role}{since}"


def _up_seconds(server: Mapping[str, str]) -> int | None:
    text = server.get("uptime_in_seconds", "")
    return int(text) if text.isdecimal() else None


def _changes(server: Mapping[str, str]) -> tuple[Change, ...]:
    up, now = _up_seconds(server), server.get("server_time_usec", "")
    if up is None or up > RECENT_SECONDS or not now.isdecimal():
        return ()
    return (Change(at=datetime.fromtimestamp(int(now) / 1e6 - up, UTC), what="Redis started"),)


DIAGNOSTIC: Diagnostic = RedisPing()
