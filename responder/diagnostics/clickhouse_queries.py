"""Which queries have been running for too long, and whose are they?"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from responder.clients.clickhouse import ClickhouseDoor
from responder.clients.clickhouse_statements import QUERIES
from responder.clients.doors import Doors
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Seconds
from responder.diagnostics.text import age, size, table
from responder.errors import Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import show_duration

MOST_ROWS = 200
GRAVITY = 55
EQUIVALENT = (
    "select elapsed, user, query_id, read_rows, formatReadableSize(memory_usage) from system.processes "
    "order by elapsed desc"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One that runs. `kind`: `Select`, `Insert` …, empty where the server is too old to say; `hash`: the same for
    queries that differ in their values only; `initial`: not a part that another server sent."""

    user: str
    seconds: float
    kind: str
    initial: bool
    read_rows: int
    memory: int
    id: str
    hash: str


class Asked(Parameters):
    """`over`: from how long on a query is long."""

    over: Seconds = 30.0


class ClickhouseQueries:
    """On the server that is asked. Names who runs them; the text of a query stays where it is, its hash goes out."""

    name = "clickhouse.queries"
    target_kind = "clickhouse"
    question = "Which queries have been running for too long, and whose are they?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"long_query"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer, or when the user may not see what runs."""
        door = doors.clickhouse(target)
        fetched = await door.fetch(QUERIES)
        running = [_query(it, door) for it in fetched.rows]
        long = [it for it in running if it.seconds > parameters.over]
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if long else Outcome.HEALTHY,
            headline=_headline(running, long, parameters.over, cut=fetched.cut),
            table=table(
                ("running", "user", "kind", "rows read", "memory", "query id", "hash"),
                [_row(it) for it in long],
                cut=fetched.cut and len(long) == len(running),
                most=MOST_ROWS,
            )
            if long
            else None,
            marks=("long_query",) if long else (),
            found={"user": long[0].user, "query_id": long[0].id} if long else {},
            gravity=GRAVITY if long else 0,
            equivalent=f"clickhouse-client --query {shlex.quote(EQUIVALENT)}",
        )


def _query(row: Mapping[str, Any], door: ClickhouseDoor) -> Query:
    try:
        query = Query(
            user=str(row["user"]),
            seconds=float(row["seconds"]),
            kind=str(row.get("kind", "")),
            initial=bool(int(row["initial"])),
            read_rows=int(row["read"]),
            memory=int(row["memory"]),
            id=str(row["id"]),
            hash=str(row.get("hash", "")),
        )
    except (KeyError, TypeError, ValueError):
        raise Unreachable(f"{door.shown}: not the running queries of ClickHouse") from None
    if not math.isfinite(query.seconds):
        raise Unreachable(f"{door.shown}: not the running queries of ClickHouse")
    return query


def _headline(running: Sequence[Query], long: Sequence[Query], over: float, *, cut: bool) -> str:
    """`2 queries run longer than 30s, longest 14m, user "etl"`."""
    if not long:
        return f"no query runs longer than {show_duration(over)}" + (f", {len(running)} run" if running else "")
    least = "at least " if cut and len(long) == len(running) else ""
    many = f"{least}{len(long)} queries run" if len(long) > 1 else "1 query runs"
    first = long[0]
    part = "" if first.initial else ", a part of one that another server sent"
    return f'{many} longer than {show_duration(over)}, longest {age(first.seconds)}, user "{first.user}"{part}'


def _row(it: Query) -> tuple[str, ...]:
    return (age(it.seconds), it.user, it.kind, str(it.read_rows), size(it.memory), it.id, it.hash)


DIAGNOSTIC: Diagnostic = ClickhouseQueries()
