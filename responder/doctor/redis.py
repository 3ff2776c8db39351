"""What a user of Redis may do, by ACL DRYRUN, which runs nothing: https://redis.io/commands/acl-dryrun/"""

from __future__ import annotations

from collections.abc import Iterable

from responder.clients.doors import Doors
from responder.clients.redis import MayNotAsk, NoUsers
from responder.doctor.access import Access, Asks, Grant, Power
from responder.model.pack import Target

CURE = "deploy/roles/redis.acl makes a user that may look and nothing else"
UNNAMED = "Redis before 6 has no rights: whoever is let in may run every command"

# One or several of each kind of harm; a user who may run none of them was given a list of commands that read.
WRITES = (
    ("SET", "k", "v"),
    ("DEL", "k"),
    ("EXPIRE", "k", "1"),
    ("LPUSH", "k", "v"),
    ("HSET", "k", "f", "v"),
    ("SADD", "k", "m"),
    ("ZADD", "k", "1", "m"),
    ("XADD", "k", "*", "f", "v"),
    ("FLUSHALL",),
    ("EVAL", "return 1", "0"),
    ("FUNCTION", "FLUSH"),
    ("PUBLISH", "c", "m"),
    ("CONFIG", "SET", "maxmemory", "1"),
    ("CONFIG", "RESETSTAT"),
    ("ACL", "SETUSER", "u"),
    ("CLIENT", "KILL", "a"),
    ("SLOWLOG", "RESET"),
    ("REPLICAOF", "NO", "ONE"),
    ("CLUSTER", "RESET"),
    ("MODULE", "LOAD", "p"),
    ("SAVE",),
    ("SHUTDOWN",),
    ("DEBUG", "SLEEP", "0"),
)
READS = (
    ("GET", "k"),
    ("HGETALL", "k"),
    ("LRANGE", "k", "0", "1"),
    ("SMEMBERS", "k"),
    ("ZRANGE", "k", "0", "1"),
    ("XRANGE", "k", "-", "+"),
    ("DUMP", "k"),
    ("KEYS", "*"),
    ("MONITOR",),
    ("CONFIG", "GET", "*"),
    ("ACL", "GETUSER", "u"),
)
NEEDED = (("PING",), ("INFO",), ("DBSIZE",), ("TYPE", "k"), ("LLEN", "k"))
ALLOWED = {"scan": ("SCAN", "0"), "slowlog": ("SLOWLOG", "GET", "1")}
MOST_NAMED = 6


async def ask(target: Target, doors: Doors) -> Access:
    """Who we are, and which of these commands we might run; none of them is."""
    door = doors.redis(target)
    needed = (*NEEDED, *(words for name, words in ALLOWED.items() if name in target.allow))
    await door.ask("PING")
    try:
        who, may = await door.may_run((*WRITES, *READS, *needed))
    except NoUsers:
        return Access(grants=(Grant(power=Power.WRITES, what=UNNAMED),))
    except MayNotAsk as why:
        return Access(not_known=f"{why}; +acl|whoami +acl|dryrun of deploy/roles/redis.acl let it ask", cure=CURE)
    grants = [
        Grant(power=power, what=f"may run {_named(granted)}")
        for power, words in ((Power.WRITES, WRITES), (Power.READS, READS))
        if (granted := [it for it in words if may[it]])
    ]
    lacks = tuple(f"+{_name(it)}" for it in needed if not may[it])
    return Access(who=who, grants=tuple(grants), lacks=lacks, cure=CURE)


def _named(commands: Iterable[tuple[str, ...]]) -> str:
    names = [_name(it) for it in commands]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _name(words: tuple[str, ...]) -> str:
    """As ACL rules write it: `config|set`."""
    container = words[0] in ("ACL", "CLIENT", "CLUSTER", "CONFIG", "DEBUG", "FUNCTION", "MODULE", "SLOWLOG")
    return "|".join(words[:2]).lower() if container else words[0].lower()


ASKS: Asks = ask
