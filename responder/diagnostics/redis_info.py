"""How full is Redis, how many clients does it have, and does it throw keys away?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from responder.clients.doors import Doors
from responder.clients.redis import NoClientLeft
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.limits import NEAR_LIMIT, gravity_near
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.text import size, table
from responder.errors import Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several

CACHE_GRAVITY = 50  # a cache that throws keys away of itself is full all its life


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What INFO says. `max_memory` 0: no limit; `max_clients` 0: this Redis does not tell."""

    clients: int
    max_clients: int
    blocked: int
    memory: int
    max_memory: int
    policy: str
    evicted: int
    rejected: int

    @property
    def memory_share(self) -> float:
        """Of the limit; 0 without one."""
        return self.memory / self.max_memory if self.max_memory else 0.0

    @property
    def client_share(self) -> float:
        """Of the limit; 0 without one."""
        return self.clients / self.max_clients if self.max_clients else 0.0


class RedisInfo:
    """Memory and clients against their limits. Blocked clients are shown and not judged: queue workers block."""

    name = "redis.info"
    target_kind = "redis"
    question = "How full is Redis, how many clients does it have, and does it throw keys away?"
    parameters: type[Parameters] = Nothing
    marks = frozenset({"near_limit"})

    async def examine(self, target: Target, parameters: Nothing, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer. That it takes no client is an answer."""
        door = doors.redis(target)
        equivalent = f"redis-cli -u {door.shown} info"
        try:
            state = _state(await door.info(), door.shown)
        except NoClientLeft:
            return Finding(
                check=self.name,
                target=target.name,
                outcome=Outcome.UNHEALTHY,
                headline="no client left: max number of clients reached",
                marks=("near_limit",),
                gravity=100,
                equivalent=equivalent,
            )
        share = max(state.memory_share, state.client_share)
        near = share >= NEAR_LIMIT
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if near else Outcome.HEALTHY,
            headline=_headline(state),
            table=table(("what", "now", "limit"), _rows(state)),
            marks=("near_limit",) if near else (),
            gravity=_gravity(state) if near else 0,
            equivalent=equivalent,
        )


def _state(info: Mapping[str, str], shown: str) -> State:
    try:
        return State(
            clients=int(info["connected_clients"]),
            max_clients=int(info.get("maxclients", "0")),
            blocked=int(info["blocked_clients"]),
            memory=int(info["used_memory"]),
            max_memory=int(info.get("maxmemory", "0")),
            policy=info.get("maxmemory_policy", ""),
            evicted=int(info.get("evicted_keys", "0")),
            rejected=int(info.get("rejected_connections", "0")),
        )
    except (KeyError, ValueError) as reason:
        raise Unreachable(f"{shown}: not the INFO of a Redis: {reason}") from None


def _gravity(state: State) -> int:
    """Where every key may be thrown away to make room, full memory is how it is meant."""
    makes_room = state.policy.startswith("allkeys-")
    memory = CACHE_GRAVITY if makes_room else gravity_near(state.memory_share)
    clients = gravity_near(state.client_share) if state.client_share >= NEAR_LIMIT else 0
    return max(memory if state.memory_share >= NEAR_LIMIT else 0, clients)


def _headline(state: State) -> str:
    """The figure that is near its limit goes first."""
    memory = f"memory {size(state.memory)}"
    if state.max_memory:
        memory = f"memory {100 * state.memory_share:.0f} % of {size(state.max_memory)}"
    first = [memory, several(state.clients, "client")]
    if state.client_share >= NEAR_LIMIT:
        first = [f"{state.clients} of {several(state.max_clients, 'client')}", memory]
    if state.blocked:
        first.append(f"{state.blocked} blocked")
    if state.evicted:
        first.append(f"{several(state.evicted, 'key')} evicted")
    if state.rejected:
        first.append(f"{several(state.rejected, 'connection')} rejected")
    return ", ".join(first)


def _rows(state: State) -> list[tuple[str, ...]]:
    return [
        ("memory", size(state.memory), f"{size(state.max_memory)} ({state.policy})" if state.max_memory else "none"),
        ("clients", str(state.clients), str(state.max_clients) if state.max_clients else "not told"),
        ("blocked clients", str(state.blocked), ""),
        ("evicted keys since start", str(state.evicted), ""),
        ("rejected connections since start", str(state.rejected), ""),
    ]


DIAGNOSTIC: Diagnostic = RedisInfo()
