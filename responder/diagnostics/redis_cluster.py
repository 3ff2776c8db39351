"""Is the cluster whole: every slot served, every node there?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from responder.clients.doors import Doors
from responder.clients.redis import fields_of
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.text import table
from responder.errors import Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several

SLOTS = 16384
MOST_ROWS = 200
DOWN_GRAVITY = 90  # the cluster refuses commands
DEGRADED_GRAVITY = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One line of CLUSTER NODES. `state`: `ok`, `fails`, `may fail` (one node's word) or `not connected`."""

    address: str
    role: str
    state: str
    slots: int


class RedisCluster:
    """As the node that is asked sees it."""

    name = "redis.cluster"
    target_kind = "redis"
    question = "Is the cluster whole: every slot served, every node there?"
    parameters: type[Parameters] = Nothing
    marks = frozenset({"degraded"})

    async def examine(self, target: Target, parameters: Nothing, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer, or when this is no node of a cluster."""
        door = doors.redis(target)
        info = fields_of(str(await door.ask("CLUSTER", "INFO")))
        if "cluster_state" not in info:
            raise Unreachable(f"{door.shown}: not the CLUSTER INFO of a Redis")
        nodes = nodes_in(str(await door.ask("CLUSTER", "NODES")))
        failing = [it for it in nodes if it.state != "ok"]
        unserved = SLOTS - _number(info, "cluster_slots_ok")
        down = info["cluster_state"] != "ok"
        bad = down or unserved > 0 or bool(failing)
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if bad else Outcome.HEALTHY,
            headline=_headline(nodes, failing, unserved, down=down),
            table=table(
                ("node", "role", "state", "slots"),
                [
                    (it.address, it.role, it.state, str(it.slots))
                    for it in sorted(nodes, key=lambda it: it.state == "ok")
                ],
                most=MOST_ROWS,
            ),
            marks=("degraded",) if bad else (),
            found={"node": failing[0].address} if failing else {},
            gravity=(DOWN_GRAVITY if down else DEGRADED_GRAVITY) if bad else 0,
            equivalent=f"redis-cli -u {door.shown} cluster nodes",
        )


def nodes_in(text: str) -> list[Node]:
    """https://redis.io/docs/latest/commands/cluster-nodes/#serialization-format"""
    return [_node(line.split()) for line in text.splitlines() if len(line.split()) >= 8]


def _node(words: Sequence[str]) -> Node:
    flags = words[2].split(",")
    return Node(
        address=words[1].split("@")[0],
        role="primary" if "master" in flags else "replica",
        state=_state(flags, connected=words[7] == "connected"),
        slots=sum(_slots(it) for it in words[8:] if not it.startswith("[")),
    )


def _state(flags: Sequence[str], *, connected: bool) -> str:
    if "fail" in flags:
        return "fails"
    if "fail?" in flags:
        return "may fail"
    return "ok" if connected or "myself" in flags else "not connected"


def _slots(word: str) -> int:
    first, _, last = word.partition("-")
    return int(last or first) - int(first) + 1 if first.isdecimal() and (last or first).isdecimal() else 0


def _number(info: Mapping[str, str], name: str) -> int:
    text = info.get(name, "")
    return int(text) if text.isdecimal() else 0


def _headline(nodes: Sequence[Node], failing: Sequence[Node], unserved: int, *, down: bool) -> str:
    """`cluster is down: 5461 of 16384 slots not served, 1 of 3 nodes fails (127.0.0.1:7002)`."""
    if not (down or unserved or failing):
        return f"cluster is whole: {several(len(nodes), 'node')}, all {SLOTS} slots served"
    parts = [f"{unserved} of {SLOTS} slots not served"] if unserved else []
    if failing:
        parts.append(f"{len(failing)} of {several(len(nodes), 'node')} {failing[0].state} ({failing[0].address})")
    return f"cluster is {'down' if down else 'degraded'}" + (f": {', '.join(parts)}" if parts else "")


DIAGNOSTIC: Diagnostic = RedisCluster()
