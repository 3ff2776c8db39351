"""How many entries wait in these queues?"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from responder.clients.doors import Doors
from responder.clients.redis import RedisDoor
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Count, as_list
from responder.diagnostics.text import number, table
from responder.errors import Refused
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target

LENGTH_BY_TYPE = {"list": "LLEN", "stream": "XLEN", "zset": "ZCARD", "set": "SCARD"}
MOST_ROWS = 200
GRAVITY = 55
SPECIAL = re.compile(r"[*?\[\]\\^]")
PATTERN = re.compile(r"(?<!\\)[*?\[]")


def _literal(value: str) -> str:
    """A label's value as itself, also within a pattern."""
    return SPECIAL.sub(r"\\\g<0>", value)


class Asked(Parameters):
    """`keys`: names of queues, or patterns where the target allows scanning. `over`: from how many on it is a backlog;
    without it lengths are shown and not judged."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {"keys": _literal}

    keys: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=500)], ...],
        BeforeValidator(as_list),
        Field(min_length=1, max_length=50),
    ]
    over: Count | None = None


class RedisQueues:
    """Lists, streams, sorted and plain sets by their length. A key that is not there is an empty queue: Redis keeps
    none."""

    name = "redis.queues"
    target_kind = "redis"
    question = "How many entries wait in these queues?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"backlog"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer, a pattern is not allowed, or a key is no queue."""
        door = doors.redis(target)
        lengths = await _lengths(door, await _names(door, parameters.keys))
        longest = max(lengths, key=lambda it: lengths[it], default=None)
        bad = longest is not None and parameters.over is not None and lengths[longest] > parameters.over
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if bad else Outcome.HEALTHY,
            headline=_headline(lengths, longest, parameters),
            table=table(("queue", "waiting"), [(name, str(lengths[name])) for name in lengths], most=MOST_ROWS)
            if len(lengths) > 1
            else None,
            marks=("backlog",) if bad else (),
            found={"queue": longest} if bad and longest is not None else {},
            gravity=GRAVITY if bad else 0,
            equivalent=f"redis-cli -u {door.shown} llen {shlex.quote(longest or parameters.keys[0])}",
        )


async def _names(door: RedisDoor, keys: Sequence[str]) -> list[str]:
    names: list[str] = []
    for it in keys:
        names += await door.keys_like(it) if PATTERN.search(it) else [re.sub(r"\\(.)", r"\1", it)]
    return list(dict.fromkeys(names))


async def _lengths(door: RedisDoor, names: Sequence[str]) -> dict[str, int]:
    """By name, the longest first."""
    types = [str(it) for it in await door.ask_all([("TYPE", it) for it in names])] if names else []
    kinds = dict(zip(names, types, strict=True))
    for name, kind in kinds.items():
        if kind not in {*LENGTH_BY_TYPE, "none"}:
            raise Refused(f"{door.shown}: {name[:80]} is a {kind}; expected a list, a stream or a set")
    there = [name for name, kind in kinds.items() if kind != "none"]
    answers = await door.ask_all([(LENGTH_BY_TYPE[kinds[it]], it) for it in there]) if there else []
    lengths = dict.fromkeys(names, 0) | {name: int(it) for name, it in zip(there, answers, strict=True)}
    return dict(sorted(lengths.items(), key=lambda it: (-it[1], it[0])))


def _headline(lengths: Mapping[str, int], longest: str | None, asked: Asked) -> str:
    """`bull:mail:wait 12345 waiting (over 1000), 3 of 7 queues`."""
    if longest is None:
        return f"no queue fits {', '.join(asked.keys)[:200]}"
    over = [it for it in lengths.values() if asked.over is not None and it > asked.over]
    beyond = f" (over {number(asked.over)})" if over and asked.over is not None else ""
    more = f", {len(over)} of {len(lengths)} queues" if len(over) > 1 else ""
    several = f", the longest of {len(lengths)} queues" if len(lengths) > 1 and not over else ""
    return f"{longest} {lengths[longest]} waiting{beyond}{more}{several}"


DIAGNOSTIC: Diagnostic = RedisQueues()
