"""How long queues in a Redis are, or one figure that it gives of itself."""

from __future__ import annotations

import math
import re

from responder.clients.doors import Doors
from responder.clients.redis import RedisDoor
from responder.errors import Refused
from responder.model.reading import AnyReading
from responder.model.redis_keys import is_pattern
from responder.model.sources import RedisSource
from responder.model.template import fill
from responder.signals.signal import Wanted, sampled

LENGTH_BY_TYPE = {"list": "LLEN", "stream": "XLEN", "zset": "ZCARD"}
SPECIAL = re.compile(r"[*?\[\]\\^]")


async def read_redis(wanted: Wanted, doors: Doors) -> AnyReading:
    """A key that is not there has length 0: Redis keeps no empty lists. Another type of key raises Refused."""
    source = wanted.signal.source
    assert isinstance(source, RedisSource)
    door = doors.redis(wanted.target)
    if source.info:
        return sampled(wanted, await _field(door, source.info), f"{source.info} of INFO at {door.shown}")
    lengths = await _lengths(door, await _keys(door, source, wanted))
    value = sum(lengths) if source.of == "sum" else max(lengths, default=0.0)
    which = source.of if len(lengths) != 1 else "length"
    return sampled(wanted, value, f"{which} of {', '.join(source.length)} at {door.shown}")


async def _field(door: RedisDoor, name: str) -> float:
    text = (await door.info()).get(name)
    if text is None:
        raise Refused(f"{door.shown}: INFO has no field {name}")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Refused(f"{door.shown}: the field {name} of INFO is not a number")
    return value


async def _keys(door: RedisDoor, source: RedisSource, wanted: Wanted) -> list[str]:
    """The keys that are meant, each once: a label's value stands for itself, also within a pattern."""
    keys: list[str] = []
    for text in source.length:
        if is_pattern(text):
            keys += await door.keys_like(fill(text, {"labels": wanted.labels}, _literal))
        else:
            keys.append(fill(text, {"labels": wanted.labels}, str))
    return list(dict.fromkeys(keys))


def _literal(value: str) -> str:
    return SPECIAL.sub(r"\\\g<0>", value)


async def _lengths(door: RedisDoor, keys: list[str]) -> list[float]:
    types = [str(it) for it in await door.ask_all([("TYPE", key) for key in keys])] if keys else []
    wrong = next((pair for pair in zip(keys, types, strict=True) if pair[1] not in {*LENGTH_BY_TYPE, "none"}), None)
    if wrong:
        key, kind = wrong
        raise Refused(f"{door.shown}: {key[:80]} is a {kind}; expected a list, a stream or a sorted set")
    there = [(LENGTH_BY_TYPE[kind], key) for key, kind in zip(keys, types, strict=True) if kind != "none"]
    answers = await door.ask_all(there) if there else []
    return [float(it) for it in answers] + [0.0] * (len(keys) - len(there))
