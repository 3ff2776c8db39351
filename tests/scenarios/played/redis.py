"""Plays a Redis: answers to the commands that responder sends, from what `world.yaml` tells of it."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Any

from responder.model.quantities import parse_number
from tests.scenarios.played.world import World, seconds

Said = Mapping[str, Any]


def redis(said: Said, world: World, words: tuple[str, ...]) -> Any:
    """One answer. `queues`: lists by name and length."""
    queues: Mapping[str, int] = said.get("queues", {})
    match [words[0].upper(), *words[1:]]:
        case ["PING"]:
            return "PONG"
        case ["INFO", *_]:
            return "\r\n".join(f"{name}:{value}" for name, value in _info(said, world).items())
        case ["TYPE", key]:
            return "list" if key in queues else "none"
        case ["LLEN", key]:
            return queues[key]
        case ["DBSIZE"]:
            return len(queues)
        case ["SCAN", _, "MATCH", pattern, *_]:
            return ["0", [it for it in queues if fnmatch.fnmatchcase(it, pattern)]]
        case ["SLOWLOG", "GET", _]:
            return [_slow(n, it, world) for n, it in enumerate(said.get("slow", ()))]
        case _:
            raise LookupError(f"world.yaml cannot say what {words[0]} answers")


def _info(said: Said, world: World) -> dict[str, Any]:
    return {
        "redis_version": "7.0.15",
        "server_time_usec": int(world.now.timestamp() * 1e6),
        "uptime_in_seconds": int(world.ago(said.get("started", "30d ago"))),
        "role": said.get("role", "master"),
        "master_link_status": said.get("master_link", "up"),
        "connected_clients": said.get("clients", 20),
        "maxclients": said.get("max_clients", 10_000),
        "blocked_clients": 0,
        "used_memory": int(parse_number(said.get("memory", "20MiB"), "bytes")),
        "maxmemory": int(parse_number(said.get("max_memory", "512MiB"), "bytes")),
        "maxmemory_policy": said.get("policy", "noeviction"),
        "evicted_keys": said.get("evicted", 0),
        "rejected_connections": said.get("rejected", 0),
    }


def _slow(number: int, it: Said, world: World) -> Any:
    at, took = int(world.moment(it["at"]).timestamp()), int(seconds(it["took"]) * 1e6)
    return [number, at, took, [it["command"]], "10.0.0.9:5000", ""]
