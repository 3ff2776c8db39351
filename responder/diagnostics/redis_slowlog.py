"""Which commands were slow of late?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from responder.clients.doors import Doors
from responder.clients.redis import RedisDoor, SlowCommand
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Limit
from responder.diagnostics.text import age, table
from responder.errors import Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target

RECENT_SECONDS = 15 * 60
GRAVITY = 45


class Asked(Parameters):
    """`limit`: how many entries are looked at, the newest first."""

    limit: Limit = 50


class RedisSlowlog:
    """Commands by name, count and duration; what they were called with stays where it is."""

    name = "redis.slowlog"
    target_kind = "redis"
    question = "Which commands were slow of late?"
    parameters: type[Parameters] = Asked
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer, or when the target does not allow it."""
        door = doors.redis(target)
        entries = await door.slowlog(parameters.limit)
        now = await _now(door)
        recent = [it for it in entries if (now - it.at).total_seconds() <= RECENT_SECONDS]
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if recent else Outcome.HEALTHY,
            headline=_headline(entries, recent, now),
            table=table(("command", "times", "slowest", "newest"), _rows(entries, now)) if entries else None,
            gravity=GRAVITY if recent else 0,
            equivalent=f"redis-cli -u {door.shown} slowlog get {parameters.limit}",
        )


async def _now(door: RedisDoor) -> datetime:
    """By the server's clock."""
    now = (await door.info("server")).get("server_time_usec", "")
    if not now.isdecimal():
        raise Unreachable(f"{door.shown}: INFO does not say the time")
    return datetime.fromtimestamp(int(now) / 1e6, UTC)


def _headline(entries: Sequence[SlowCommand], recent: Sequence[SlowCommand], now: datetime) -> str:
    """`12 slow commands in the last 15m, slowest KEYS 1.2 s, 3m ago`."""
    if not entries:
        return "no slow command was recorded"
    if not recent:
        return f"no slow command in the last 15m, the newest {_ago(entries[0], now)}"
    slowest = max(recent, key=lambda it: it.took_seconds)
    many = f"{len(recent)} slow commands" if len(recent) > 1 else "1 slow command"
    return f"{many} in the last 15m, slowest {slowest.command} {_took(slowest)}, {_ago(slowest, now)}"


def _rows(entries: Sequence[SlowCommand], now: datetime) -> list[tuple[str, ...]]:
    by_command: dict[str, list[SlowCommand]] = defaultdict(list)
    for it in entries:
        by_command[it.command].append(it)
    groups = [(name, several, max(several, key=lambda it: it.took_seconds)) for name, several in by_command.items()]
    groups.sort(key=lambda it: -it[2].took_seconds)
    return [(name, str(len(several)), _took(slowest), _ago(several[0], now)) for name, several, slowest in groups]


def _took(it: SlowCommand) -> str:
    return f"{it.took_seconds:.1f} s" if it.took_seconds >= 1 else f"{it.took_seconds * 1000:.3g} ms"


def _ago(it: SlowCommand, now: datetime) -> str:
    return f"{age((now - it.at).total_seconds())} ago"


DIAGNOSTIC: Diagnostic = RedisSlowlog()
