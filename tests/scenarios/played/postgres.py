"""Plays a PostgreSQL: rows of our named queries, from the sessions, standbys and tables that `world.yaml` tells of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from responder.clients import postgres_queries as named
from responder.clients.postgres import Fetched
from responder.clients.postgres_queries import NamedQuery
from responder.model.quantities import parse_number
from tests.scenarios.played.world import World, seconds

Said = Mapping[str, Any]
Row = dict[str, Any]
IDLE_IN = "idle in transaction"


@dataclass(frozen=True, slots=True)
class Database:
    """One database as it is described."""

    said: Said
    world: World

    def fetch(self, query: NamedQuery, args: tuple[object, ...], limit: int) -> Fetched:
        """Raises KeyError for a query that is not played."""
        rows = list(PLAYED[query.name](self, *args))
        return Fetched(rows=tuple(rows[:limit]), cut=len(rows) > limit)

    @property
    def maximum(self) -> int:
        """Of connections."""
        return int(self.said.get("max_connections", 100))

    def sessions(self, state: str = "") -> list[Row]:
        """One row for each session, the one that is longest in its state first."""
        rows = [
            {
                "pid": int(it.get("pid", 1000 + 100 * n)) + more,
                "state": it.get("state", "active"),
                "username": it.get("user", "app"),
                "application": it.get("application", ""),
                "database": it.get("database", "app"),
                "hidden": False,
                "waits_for": it.get("waits_for", ""),
                "seconds": seconds(it.get("for", 0)) - more,
                "transaction_seconds": seconds(it.get("transaction", it.get("for", 0))) - more,
                "query_id": None,
                "blocked_by": it.get("blocked_by"),
                "wants": it.get("wants", ""),
            }
            for n, it in enumerate(self.said.get("sessions", ()))
            for more in range(int(it.get("count", 1)))
        ]
        chosen = [it for it in rows if it["state"].startswith(state)]
        return sorted(chosen, key=lambda it: -it["seconds"])


def _limits(it: Database) -> Iterator[Row]:
    yield {"maximum": it.maximum, "reserved": 3, "used": len(it.sessions())}


def _groups(it: Database) -> Iterator[Row]:
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in it.sessions():
        groups.setdefault((row["state"], row["username"], row["application"]), []).append(row)
    for (state, user, application), rows in sorted(groups.items(), key=lambda it: -len(it[1])):
        yield {
            "state": state,
            "username": user,
            "application": application,
            "hidden": False,
            "connections": len(rows),
            "longest_seconds": rows[0]["seconds"],
        }


def _server(it: Database) -> Iterator[Row]:
    started = it.world.moment(it.said.get("started", "30d ago"))
    up = (it.world.now - started).total_seconds()
    standby = bool(it.said.get("standby", False))
    yield {"version": "15.18 (Debian)", "standby": standby, "started_at": started, "up_seconds": up}


def _with_count(rows: list[Row]) -> Iterator[Row]:
    """What the queries give that say beside each row how many there are, and one empty row when there are none."""
    yield from ({**it, "sessions": len(rows), "hidden": 0} for it in rows)
    if not rows:
        yield {"pid": None, "hidden": 0}


def _long(it: Database, over: object) -> Iterator[Row]:
    yield from _with_count([row for row in it.sessions("active") if row["seconds"] > float(str(over))])


def _idle(it: Database) -> Iterator[Row]:
    yield from _with_count(it.sessions(IDLE_IN))


def _waiting(it: Database) -> Iterator[Row]:
    rows = [row for row in it.sessions() if row["blocked_by"] is not None]
    for row in rows:
        blockers = str(row["blocked_by"])
        yield {
            "pid": row["pid"],
            "blockers": blockers,
            "waits_for": row["wants"],
            "seconds": row["seconds"],
            "sessions": len(rows),
        }


def _by_pid(it: Database, pids: object) -> Iterator[Row]:
    wanted = set(str(pids).split())
    yield from (row for row in it.sessions() if str(row["pid"]) in wanted)


def _standbys(it: Database) -> list[Row]:
    return [
        {
            "name": one["name"],
            "address": one.get("address", "10.0.0.7"),
            "state": "streaming",
            "sync_state": "async",
            "lag_seconds": seconds(one["lag"]),
            "behind_bytes": parse_number(one.get("behind", "0"), "bytes"),
            "standby": False,
        }
        for one in it.said.get("standbys", ())
    ]


def _replicas(it: Database) -> Iterator[Row]:
    yield from _standbys(it) or [{"name": None, "standby": bool(it.said.get("standby", False))}]


def _lag(it: Database) -> Iterator[Row]:
    standbys = _standbys(it)
    behind = max((one["lag_seconds"] for one in standbys), default=0.0)
    whole = {"is_standby": False, "standbys": len(standbys), "hidden": 0, "unmeasured": 0, "behind_seconds": behind}
    yield whole | {"caught_up": 0, "replayed_seconds_ago": None}


def _dead_rows(it: Database) -> Iterator[Row]:
    for one in it.said.get("tables", ()):
        yield {
            "name": one["name"],
            "live_rows": float(one["live"]),
            "dead_rows": float(one["dead"]),
            "vacuumed_seconds_ago": it.world.ago(one["vacuumed"]) if "vacuumed" in one else None,
            "due_at": 50 + 0.2 * float(one["live"]),
            "running": False,
        }


def _vacuums(_: Database) -> Iterator[Row]:
    whole = {"running": 0, "workers": 3, "automatic": True, "freeze_at": 2e8}
    yield whole | {"oldest_database": "app", "oldest_age": 1e6}


def _oldest(it: Database) -> Iterator[Row]:
    open_for = [row["transaction_seconds"] for row in it.sessions() if row["state"] != "idle"]
    yield {"seconds": max(open_for, default=0.0), "hidden": 0}


def _blocked(it: Database) -> Iterator[Row]:
    yield {"sessions": sum(row["blocked_by"] is not None for row in it.sessions())}


PLAYED: Mapping[str, Callable[..., Iterator[Row]]] = {
    named.CONNECTION_LIMITS.name: _limits,
    named.CONNECTION_GROUPS.name: _groups,
    named.SERVER.name: _server,
    named.LONG_QUERIES.name: _long,
    named.IDLE_IN_TRANSACTION.name: _idle,
    named.WAITING_SESSIONS.name: _waiting,
    named.SESSIONS.name: _by_pid,
    named.REPLICAS.name: _replicas,
    named.REPLICATION_SLOTS.name: lambda _: iter(()),
    named.REPLICATION_LAG.name: _lag,
    named.DEAD_ROWS.name: _dead_rows,
    named.VACUUM_STATE.name: _vacuums,
    named.OLDEST_TRANSACTION.name: _oldest,
    named.BLOCKED.name: _blocked,
}
