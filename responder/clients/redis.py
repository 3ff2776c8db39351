"""A few commands of Redis that read, named one by one.

The flag `readonly` of a command is not what "safe" means: KEYS, SMEMBERS, HGETALL and DUMP carry it. What is not
listed here is never sent, but for SCAN, bounded, and SLOWLOG GET, without what it says of arguments, where a target
allows them, and ACL WHOAMI and ACL DRYRUN, by which the doctor asks what our user might run; credentials and the
number of the database are sent when the connection opens.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from redis import exceptions
from redis.asyncio.connection import Connection, SSLConnection

from responder.clients.budget import Budget
from responder.clients.network import NoAnswer, check_host, in_words
from responder.clients.resolve import Resolved
from responder.errors import CouldNotLook, NotConfigured, Refused, Unreachable

# Counts, sizes, types and the server's own figures: none of them gives back a value that somebody stored.
ALLOWED = frozenset(
    {"INFO", "PING", "DBSIZE", "LLEN", "XLEN", "ZCARD", "SCARD", "HLEN", "STRLEN", "TTL", "PTTL", "TYPE", "EXISTS"}
)
ALLOWED_PAIRS = frozenset(
    {("XINFO", "GROUPS"), ("XINFO", "STREAM"), ("SLOWLOG", "LEN"), ("LATENCY", "LATEST"), ("MEMORY", "STATS")}
    | {("CLUSTER", "INFO"), ("CLUSTER", "NODES")}
)
MOST_WORDS = {"PING": 1, "XINFO": 3}  # PING x would give x back; XINFO STREAM key FULL gives entries
DISCONNECT_WITHIN_SECONDS = 0.5
SCANNED_AT_ONCE = 5_000  # keys that the server looks at before it serves others
MOST_SCANNED = 100_000
MOST_FOUND = 200
MOST_SLOW = 128  # entries; Redis keeps as many unless it is told otherwise
COMMAND = re.compile(r"[A-Za-z][A-Za-z.|_-]{0,29}")
NO_RIGHT_TO_RUN = "no permissions to run"  # of a key or channel it is "to access"
NOT_THERE = "not found"
MOST_AT_ONCE = 2 * MOST_FOUND  # commands
MOST_NODES = 100  # of a cluster that are asked, beside the one that is named
SOME_KEYS = "a node of a cluster has only some of the keys, so a pattern does not find all; name them"


class NoClientLeft(Refused):
    """The server takes no further client."""


class NotPermitted(Refused):
    """The user may not run that command."""


class NoUsers(Refused):
    """A server that is too old to have any."""


class MayNotAsk(Refused):
    """The user may not ask what it may run, or the server cannot tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """Keys that fit a pattern, among the first so many that there are. `total`: all keys, `looked_at`: gone through."""

    keys: tuple[str, ...]
    total: int
    looked_at: int

    @property
    def complete(self) -> bool:
        """Whether all keys were gone through."""
        return self.looked_at >= self.total


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowCommand:
    """One entry of the slow log without its arguments, which may be anybody's."""

    at: datetime
    took_seconds: float
    command: str


class RedisDoor:
    """One connection, one command at a time. A command that was cancelled takes the connection with it, so that its
    answer can never be taken for the next one's."""

    def __init__(
        self, resolved: Resolved, budget: Budget, *, may_scan: bool = False, may_slowlog: bool = False
    ) -> None:
        self._resolved = resolved
        self._budget = budget
        self._may_scan = may_scan
        self._may_slowlog = may_slowlog
        self._one_at_a_time = asyncio.Lock()
        self._connection: Connection | None = None
        self._nodes: dict[tuple[str, int], RedisDoor] = {}

    @property
    def shown(self) -> str:
        """Scheme, host and port, for people."""
        return self._resolved.shown

    async def ask(self, *words: str) -> Any:
        """Send one command of the list and give its answer; raises Unreachable or Refused."""
        return (await self.ask_all([words]))[0]

    async def ask_all(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        """Send several commands of the list, and give their answers in that order; one turn of the target's budget."""
        why = next((it for it in map(why_not_sent, commands) if it), None)
        if why is None and len(commands) > MOST_AT_ONCE:
            why = f"{len(commands)} commands at once, at most {MOST_AT_ONCE}"
        if why:
            raise Refused(f"{self.shown}: {why}")
        async with self._budget.turn(), self._one_at_a_time:
            return await self._answers(commands)

    async def keys_like(self, pattern: str) -> list[str]:
        """Every key that fits, in order of name, by SCAN; only where the target allows it.

        Raises Refused for more keys than may be gone through or found: some of them would not be all.
        """
        if not self._may_scan:
            raise Refused(f"{self.shown}: a pattern needs `allow: [scan]` on its target")
        found: set[str] = set()
        cursor = "0"
        async with self._budget.turn(), self._one_at_a_time:
            size = await self._size()
            if size > MOST_SCANNED:
                raise Refused(f"{self.shown}: {size} keys in this database, at most {MOST_SCANNED} are gone through")
            for _ in range(2 * MOST_SCANNED // SCANNED_AT_ONCE):  # it may grow meanwhile
                scan = ("SCAN", cursor, "MATCH", pattern, "COUNT", str(SCANNED_AT_ONCE))
                ((cursor, keys),) = await self._exchange([scan])
                found.update(keys)
                if len(found) > MOST_FOUND:
                    raise Refused(f"{self.shown}: more than {MOST_FOUND} keys fit {pattern[:80]}")
                if cursor == "0":
                    return sorted(found)
        raise Refused(f"{self.shown}: more than {MOST_SCANNED} keys in this database")

    async def scan(self, pattern: str) -> Scanned:
        """Keys that fit among the first 100,000, only where the target allows it."""
        if not self._may_scan:
            raise Refused(f"{self.shown}: looking for keys needs `allow: [scan]` on its target")
        found: set[str] = set()
        cursor, looked_at = "0", 0
        async with self._budget.turn(), self._one_at_a_time:
            total = await self._size()
            while looked_at < MOST_SCANNED:
                scan = ("SCAN", cursor, "MATCH", pattern, "COUNT", str(SCANNED_AT_ONCE))
                ((cursor, keys),) = await self._exchange([scan])
                found.update(keys)
                looked_at += SCANNED_AT_ONCE
                if cursor == "0":
                    return Scanned(keys=tuple(sorted(found)), total=total, looked_at=total)
        return Scanned(keys=tuple(sorted(found)), total=total, looked_at=min(looked_at, total - 1))

    async def _size(self) -> int:
        """How many keys there are; raises Refused on a node of a cluster."""
        size, info = await self._exchange([("DBSIZE",), ("INFO", "cluster")])
        if fields_of(str(info)).get("cluster_enabled") == "1":
            raise Refused(f"{self.shown}: {SOME_KEYS}")
        return int(size)

    async def slowlog(self, limit: int) -> list[SlowCommand]:
        """The newest entries of the slow log, newest first, only where the target allows it."""
        if not self._may_slowlog:
            raise Refused(f"{self.shown}: the slow log needs `allow: [slowlog]` on its target")
        async with self._budget.turn(), self._one_at_a_time:
            (entries,) = await self._exchange([("SLOWLOG", "GET", str(min(limit, MOST_SLOW)))])
        try:
            return [_slow(it) for it in entries]
        except (TypeError, ValueError):
            raise Unreachable(f"{self.shown}: not the SLOWLOG of a Redis") from None

    async def _answers(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        """In that order, those that other nodes of a cluster have from there."""
        told = await self._told(commands)
        elsewhere: dict[tuple[str, int], list[int]] = {}
        for at, it in enumerate(told):
            if isinstance(it, exceptions.MovedError):
                # without a host it means the one that was asked
                elsewhere.setdefault((it.host or self._resolved.address.host, it.port), []).append(at)
        for (host, port), places in elsewhere.items():
            there = await self._node(host, port)._told([commands[it] for it in places])
            for at, it in zip(places, there, strict=True):
                told[at] = it
        for it in told:
            if isinstance(it, exceptions.ResponseError):
                raise Refused(f"{self.shown}: {self._resolved.clean(str(it))}")
        return told

    def _node(self, host: str, port: int) -> RedisDoor:
        """Another node of the same cluster; its address is checked as ours is before it is connected to."""
        if (host, port) not in self._nodes:
            if len(self._nodes) >= MOST_NODES:
                raise Refused(f"{self.shown}: its cluster has more than {MOST_NODES} nodes")
            there = replace(self._resolved, address=replace(self._resolved.address, host=host, port=port))
            self._nodes[host, port] = RedisDoor(there, self._budget)
        return self._nodes[host, port]

    async def may_run(self, commands: Sequence[tuple[str, ...]]) -> tuple[str, Mapping[tuple[str, ...], bool]]:
        """Our user's name, and which of these commands it may run, on whichever keys. ACL DRYRUN runs none of them.

        Raises NoUsers (Redis before 6), MayNotAsk (before 7, or without the right to ask), Unreachable.
        """
        async with self._budget.turn(), self._one_at_a_time:
            try:
                (who,) = await self._exchange([("ACL", "WHOAMI")])
                return str(who), {words: await self._may_run(str(who), words) for words in commands}
            except NotPermitted as no:
                raise MayNotAsk(str(no)) from None
            except Refused as old:
                if "unknown command" in str(old).lower():
                    raise NoUsers(str(old)) from None
                raise MayNotAsk(str(old)) from None

    async def _may_run(self, who: str, words: tuple[str, ...]) -> bool:
        """A command that the server does not have, or has under another name, cannot be run."""
        try:
            (said,) = await self._exchange([("ACL", "DRYRUN", who, *words)])
        except NotPermitted:
            raise
        except Refused as unknown:
            if NOT_THERE in str(unknown):
                return False
            raise
        return said == "OK" or NO_RIGHT_TO_RUN not in str(said)  # a right that ends at some keys is one all the same

    async def _exchange(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        """The answers of this node."""
        told = await self._told(commands)
        for it in told:
            if isinstance(it, exceptions.ResponseError):
                kind = NotPermitted if isinstance(it, exceptions.NoPermissionError) else Refused
                raise kind(f"{self.shown}: {self._resolved.clean(str(it))}")
        return told

    async def _told(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        """What this node says to each, which may be that it refuses: a ResponseError."""
        try:
            connection = await self._opened()
            for words in commands:
                await connection.send_command(*words)
            return [await _answer(connection) for _ in commands]
        except exceptions.ConnectionError as reason:
            await self._drop()
            raise self._no_connection(reason) from None
        except exceptions.ResponseError as reason:  # at connecting: to AUTH or SELECT
            await self._drop()
            raise Refused(f"{self.shown}: {self._resolved.clean(str(reason))}") from None
        except (exceptions.RedisError, OSError, ValueError) as reason:
            await self._drop()
            raise Unreachable(f"{self.shown}: {type(reason).__name__}") from None
        except BaseException:  # cancelled or failed alike: the next caller must not read this answer
            await self._drop()
            raise

    async def info(self, *sections: str) -> Mapping[str, str]:
        """The fields of INFO by name; without sections its default ones."""
        return fields_of(str(await self.ask("INFO", *sections)))

    async def close(self) -> None:
        """Close the connection, if there is one, and those to other nodes."""
        await self._drop()
        for node in self._nodes.values():
            await node.close()

    async def _opened(self) -> Connection:
        if self._connection is None:
            await check_host(self._resolved, 6379)
            self._connection = self._made()
        if not self._connection.is_connected:
            await self._connection.connect()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        return self._connection

    def _made(self) -> Connection:
        address = self._resolved.address
        options: dict[str, Any] = {
            "host": address.host,
            "port": address.port or 6379,
            "db": _database(self._resolved),
            "username": address.user or None,
            "password": address.password or None,
            "protocol": 2,  # HELLO of protocol 3 is one more command that an ACL may refuse
            "driver_info": None,  # CLIENT SETINFO is unknown to Redis 7.0
            "socket_timeout": None,  # the caller keeps the time
            "socket_connect_timeout": None,
            "decode_responses": True,
            "encoding_errors": "replace",
        }
        if address.scheme != "rediss":
            return Connection(**options)
        return SSLConnection(
            ssl_ca_certs=self._resolved.ca,
            ssl_certfile=self._resolved.certificate,
            ssl_keyfile=self._resolved.key,
            **options,
        )

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(DISCONNECT_WITHIN_SECONDS):
                    await connection.disconnect(nowait=True)

    def _no_connection(self, reason: exceptions.ConnectionError) -> CouldNotLook:
        text = self._resolved.clean(str(reason))
        if "max number of clients" in text:
            return NoClientLeft(f"{self.shown}: max number of clients reached")
        if isinstance(reason, exceptions.AuthenticationError | exceptions.AuthorizationError):
            return Refused(f"{self.shown}: {text}")
        if isinstance(reason, exceptions.BusyLoadingError):
            return NoAnswer(f"{self.shown}: Redis is loading its data")
        cause = reason.__cause__ or reason.__context__
        if isinstance(cause, OSError):
            return in_words(self._resolved, cause)
        return NoAnswer(f"{self.shown}: closed the connection without an answer")


def why_not_sent(words: tuple[str, ...]) -> str | None:
    """Why this command is never sent, or None when it may be."""
    name = " ".join(words[:2]).upper()
    first = tuple(it.upper() for it in words[:2])
    if not words or (first[0] not in ALLOWED and first not in ALLOWED_PAIRS):
        return f"{name or 'an empty command'} is not one of the commands that responder sends"
    if len(words) > MOST_WORDS.get(first[0], 100):
        return f"{first[0]} takes no further words here"
    return None


def fields_of(text: str) -> Mapping[str, str]:
    """`name:value` lines, as INFO and CLUSTER INFO give them."""
    lines = (line.partition(":") for line in text.splitlines() if ":" in line and not line.startswith("#"))
    return {name: value for name, _, value in lines}


async def _answer(connection: Connection) -> Any:
    """The next answer; a refusal is one, and leaves the connection as it was."""
    try:
        return await connection.read_response()
    except exceptions.ResponseError as no:
        return no


def _slow(entry: Any) -> SlowCommand:
    """[id, seconds since 1970, microseconds, [command, argument, …], …]; of the words only a command's name is kept."""
    _, at, microseconds, words, *_ = entry
    name = str(words[0]) if words else ""
    return SlowCommand(
        at=datetime.fromtimestamp(at, UTC),
        took_seconds=microseconds / 1e6,
        command=name.upper() if COMMAND.fullmatch(name) else "a command",
    )


def _database(resolved: Resolved) -> int:
    text = resolved.address.path.removeprefix("/") or "0"
    if not text.isdecimal():
        raise NotConfigured(f"target {resolved.name}: expected redis://host:port/number, the number is not one")
    return int(text)
