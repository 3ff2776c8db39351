"""The real doors, with a played world behind them: addresses, budgets, lists of what is allowed and the reading of
answers are those of responder; only what would go through a socket is answered from `world.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from yarl import URL

from responder.clients.certificate import Certificate
from responder.clients.doors import SCHEMES, D, Doors
from responder.clients.http import Answer, HttpDoor
from responder.clients.network import NoAnswer
from responder.clients.postgres import Fetched, NoConnectionLeft, PostgresDoor
from responder.clients.postgres_queries import NamedQuery
from responder.clients.redis import NoClientLeft, RedisDoor
from responder.clients.resolve import Resolved
from responder.errors import CouldNotLook, Refused, Unreachable
from responder.model.pack import Target
from tests.scenarios.played.http import answer, certificate
from tests.scenarios.played.postgres import Database
from tests.scenarios.played.redis import redis
from tests.scenarios.played.world import SAYS_NOTHING, World

Said = Mapping[str, Any]

# `down: …`: what a door says then; the first two are answers of sorts, the others are none.
DOWN: Mapping[str, tuple[type[CouldNotLook], str]] = {
    "refused": (NoAnswer, "connection refused"),
    "hangs up": (NoAnswer, "closed the connection without an answer"),
    "unknown host": (Unreachable, "host name not found"),
    "hangs": (Unreachable, "no answer within 10 s"),
    "forbidden": (Refused, "the credentials are not accepted"),
    "full": (NoConnectionLeft, "sorry, too many clients already"),
}


class PlayedDoors(Doors):
    """Every door that is opened leads into one world."""

    def __init__(self, world: World) -> None:
        super().__init__({})
        self._world = world

    def _door(self, target: Target, kind: str, schemes: frozenset[str], opened: Callable[[Resolved], D]) -> D:
        target = _without_variables(target)
        door = super()._door(target, kind, schemes, opened)
        _lead(getattr(door, "_http", door), target, self._world)
        return door


def _without_variables(target: Target) -> Target:
    """`${DATABASE_URL}` is nowhere set here."""
    address = target.address
    if isinstance(address, str) and "${" in address:
        address = f"{sorted(SCHEMES[target.kind])[0]}://{target.name}.played"
    return replace(target, address=address, headers={}, ca=None, certificate=None, key=None, per_minute=100_000)


def _lead(door: Any, target: Target, world: World) -> None:
    """Put the world where the socket would be."""
    played: dict[type, Callable[[Any, Target, World], Mapping[str, Any]]] = {
        HttpDoor: _http,
        PostgresDoor: _postgres,
        RedisDoor: _redis,
    }
    if type(door) not in played:
        raise Unreachable(f"{SAYS_NOTHING} {target.name}: a {type(door).__name__} cannot be played; use `findings`")
    for name, instead in played[type(door)](door, target, world).items():
        setattr(door, name, instead)


def _said(door: Any, target: Target, world: World) -> Said:
    said = world.of(target.name)
    if said is None:
        raise Unreachable(f"{SAYS_NOTHING} {target.name}")
    if "down" in said:
        _fail(door, said["down"])
    return said


def _fail(door: Any, how: str) -> NoReturn:
    kind, why = DOWN[how]
    if how == "full" and isinstance(door, RedisDoor):
        raise NoClientLeft(f"{door.shown}: max number of clients reached")
    raise kind(f"{door.shown}: {why}")


def _http(door: HttpDoor, target: Target, world: World) -> Mapping[str, Any]:
    async def exchange(_method: str, url: URL, _headers: Mapping[str, str], _document: bytes | None) -> Answer:
        said = _said(door, target, world)
        path = url.path.removeprefix(door._resolved.address.path)
        return answer(target.kind, said, world, path, url)

    async def shown() -> Certificate:
        return certificate(_said(door, target, world), world, door._resolved.address.host)

    return {"_exchange": exchange, "certificate": shown}


def _postgres(door: PostgresDoor, target: Target, world: World) -> Mapping[str, Any]:
    async def fetch(query: NamedQuery, *args: object, limit: int = 200) -> Fetched:
        return Database(_said(door, target, world), world).fetch(query, args, limit)

    return {"fetch": fetch}


def _redis(door: RedisDoor, target: Target, world: World) -> Mapping[str, Any]:
    async def told(commands: Sequence[tuple[str, ...]]) -> list[Any]:
        said = _said(door, target, world)
        return [redis(said, world, words) for words in commands]

    return {"_told": told}
