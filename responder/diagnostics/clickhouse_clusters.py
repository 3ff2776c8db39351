"""Does this server reach the others of its clusters, and do its replicated tables keep up?"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from responder.clients.clickhouse import ClickhouseDoor, Fetched
from responder.clients.clickhouse_statements import DATABASES, READ_ONLY_REPLICAS, REPLICAS, SERVERS
from responder.clients.doors import Doors
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Count, Seconds
from responder.diagnostics.text import age, table
from responder.errors import Refused, Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several

MOST_ROWS = 200
BLIND = "the user sees no database, and so no replicated table; grant it SHOW TABLES"
READ_ONLY_GRAVITY = 75  # nothing can be written
FAILING_GRAVITY = 65
BEHIND_GRAVITY = 50
EQUIVALENT = (
    "select database, table, is_readonly, is_session_expired, absolute_delay, queue_size from system.replicas "
    "order by is_readonly desc, absolute_delay desc"
)

T = TypeVar("T")


class Asked(Parameters):
    """`delay`: from how far behind on a replica is behind; ClickHouse itself leaves such a one out after 5 minutes.
    `queue`: from how many waiting operations on it does not keep up."""

    delay: Seconds = 300.0
    queue: Count = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One of a cluster. `errors`: times that the server asked did not reach it of late, None where it is too old to
    count them; `recovers_in`: seconds until it counts as well again."""

    cluster: str
    address: str
    errors: int | None
    recovers_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A replicated table of this server. `read_only` too when its session with ZooKeeper or Keeper is lost."""

    name: str
    read_only: bool
    queue: int
    delay: int


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that was seen, the worst first. `hidden`: read-only replicas that the user may not see; `blind`: it may see
    none."""

    servers: Sequence[Server]
    replicas: Sequence[Replica]
    failing: Sequence[Server]
    read_only: Sequence[Replica]
    behind: Sequence[Replica]
    hidden: int
    blind: bool
    cut: bool

    @property
    def gravity(self) -> int:
        """Of the gravest; 0 when all is well."""
        if self.read_only or self.hidden:
            return READ_ONLY_GRAVITY
        return FAILING_GRAVITY if self.failing else BEHIND_GRAVITY if self.behind else 0


class ClickhouseClusters:
    """As the server that is asked sees it; what nobody has asked of another server of late has no error either."""

    name = "clickhouse.clusters"
    target_kind = "clickhouse"
    question = "Does this server reach the others of its clusters, and do its replicated tables keep up?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"degraded"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer, or when the user lacks a right."""
        door = doors.clickhouse(target)
        servers, replicas = await door.fetch(SERVERS), await door.fetch(REPLICAS)
        state = _state(door, parameters, servers, replicas, await _counted(door))
        bad = state.gravity > 0
        if state.blind and not bad:
            raise Refused(f"{door.shown}: {BLIND}")
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if bad else Outcome.HEALTHY,
            headline=_ill(state) if bad else _well(state),
            details="this version of ClickHouse does not count errors between servers" if servers.older else "",
            table=table(("what", "state"), _rows(state), cut=state.cut, most=MOST_ROWS) if _rows(state) else None,
            marks=("degraded",) if bad else (),
            found=_found(state),
            gravity=state.gravity,
            equivalent=f"clickhouse-client --query {shlex.quote(EQUIVALENT)}",
        )


async def _counted(door: ClickhouseDoor) -> tuple[int, int]:
    """By the server: how many replicas are read-only, and how many databases this user sees."""
    read_only, databases = await door.fetch(READ_ONLY_REPLICAS), await door.fetch(DATABASES)
    return (
        sum(_read(door, read_only, lambda row: int(row["read_only"]))),
        sum(_read(door, databases, lambda row: int(row["databases"]))),
    )


def _state(door: ClickhouseDoor, asked: Asked, servers: Fetched, replicas: Fetched, counted: tuple[int, int]) -> State:
    seen = _read(door, servers, _server)
    tables = _read(door, replicas, _replica)
    read_only = [it for it in tables if it.read_only]
    in_all, databases = counted
    return State(
        servers=seen,
        replicas=tables,
        failing=[it for it in seen if it.errors],
        read_only=read_only,
        behind=[it for it in tables if not it.read_only and (it.delay > asked.delay or it.queue > asked.queue)],
        blind=not databases and not tables,
        hidden=0 if replicas.cut else max(in_all - len(read_only), 0),
        cut=servers.cut or replicas.cut,
    )


def _read(door: ClickhouseDoor, fetched: Fetched, read: Callable[[Mapping[str, Any]], T]) -> list[T]:
    try:
        return [read(it) for it in fetched.rows]
    except (KeyError, TypeError, ValueError):
        raise Unreachable(f"{door.shown}: not the clusters and replicas of ClickHouse") from None


def _server(row: Mapping[str, Any]) -> Server:
    return Server(
        cluster=str(row["cluster"]),
        address=f"{row['host']}:{row['port']}",
        errors=int(row["errors"]) if "errors" in row else None,
        recovers_in=int(row.get("recovers_in", 0)),
    )


def _replica(row: Mapping[str, Any]) -> Replica:
    return Replica(
        name=f"{row['database']}.{row['table']}",
        read_only=bool(int(row["read_only"]) or int(row["expired"])),
        queue=int(row["queue"]),
        delay=int(row["delay"]),
    )


def _ill(state: State) -> str:
    """`2 of 40 replicated tables read-only (shop.events), 1 of 6 servers not reached (ch-3:9000, 4 errors)`."""
    parts = []
    if state.read_only:
        parts.append(f"{_of(state.read_only, state.replicas, state)} read-only ({state.read_only[0].name})")
    if state.hidden:
        parts.append(f"{state.hidden} read-only that the user may not see (grant it SHOW TABLES)")
    if state.failing:
        worst, there = state.failing[0], {it.address for it in state.servers}
        many = f"{len({it.address for it in state.failing})} of {several(len(there), 'server')} not always reached"
        parts.append(f"{many} ({worst.address}, {several(worst.errors or 0, 'error')})")
    if state.behind:
        worst_table = state.behind[0]
        far = f"{age(worst_table.delay)} behind, {worst_table.queue} in its queue"
        parts.append(f"{_of(state.behind, state.replicas, state)} behind ({worst_table.name}: {far})")
    if state.blind:
        parts.append(BLIND)
    return ", ".join(parts)


def _of(some: Sequence[Replica], tables: Sequence[Replica], state: State) -> str:
    return f"{len(some)} of {'more than ' if state.cut else ''}{_tables(len(tables))}"


def _well(state: State) -> str:
    """`6 servers in 2 clusters, none with errors; 40 replicated tables, none read-only or behind`."""
    servers, clusters = len({it.address for it in state.servers}), len({it.cluster for it in state.servers})
    parts = []
    if servers:
        told = ", none with errors" if state.servers[0].errors is not None else ""
        parts.append(
            f"{servers} {'servers' if servers > 1 else 'server'} in "
            f"{clusters} {'clusters' if clusters > 1 else 'cluster'}{told}"
        )
    if state.replicas:
        many = _tables(len(state.replicas))
        parts.append(f"{many}, {'none' if len(state.replicas) > 1 else 'not'} read-only or behind")
    return "; ".join(parts) or "no cluster and no replicated table here"


def _rows(state: State) -> list[tuple[str, ...]]:
    tables: list[tuple[str, ...]] = [(it.name, "read-only") for it in state.read_only]
    tables += [(it.name, f"{age(it.delay)} behind, {it.queue} in its queue") for it in state.behind]
    return tables + [
        (f"{it.address} of {it.cluster}", f"{several(it.errors or 0, 'error')}, well again in {age(it.recovers_in)}")
        for it in state.failing
    ]


def _found(state: State) -> dict[str, str]:
    tables = [*state.read_only, *state.behind]
    return ({"table": tables[0].name} if tables else {}) | (
        {"server": state.failing[0].address} if state.failing else {}
    )


def _tables(count: int) -> str:
    return f"{count} replicated tables" if count != 1 else "1 replicated table"


DIAGNOSTIC: Diagnostic = ClickhouseClusters()
