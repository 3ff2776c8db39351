"""How many connections are taken, by whom, and how long do they do nothing?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from responder.clients.doors import Doors
from responder.clients.postgres import NoConnectionLeft, PostgresDoor
from responder.clients.postgres_queries import CONNECTION_GROUPS, CONNECTION_LIMITS
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.limits import NEAR_LIMIT, gravity_near
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.text import age, table
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several

IDLE = ("idle in transaction", "idle in transaction (aborted)")
EQUIVALENT = (
    "select state, usename, application_name, count(*), max(now() - state_change) "
    "from pg_stat_activity where backend_type = 'client backend' group by 1, 2, 3 order by 4 desc"
)

Row = Mapping[str, Any]


class PostgresConnections:
    """Counts against the maximum; sessions idle in a transaction are named, since they are most often the cause."""

    name = "postgres.connections"
    target_kind = "postgres"
    question = "How many connections are taken, by whom, and how long do they do nothing?"
    parameters: type[Parameters] = Nothing
    marks = frozenset({"near_limit"})

    async def examine(self, target: Target, parameters: Nothing, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer. That no connection is left is an answer."""
        door = doors.postgres(target)
        try:
            limits = (await door.fetch(CONNECTION_LIMITS)).rows[0]
            groups = await door.fetch(CONNECTION_GROUPS)
        except NoConnectionLeft as reason:
            why = str(reason).removeprefix(f"{door.shown}: ")
            return self._finding(target, door, headline=f"no connection left: {why}", gravity=100, full=True)
        share = limits["used"] / max(limits["maximum"] - limits["reserved"], 1)  # of those for ordinary users
        near = share >= NEAR_LIMIT
        return self._finding(
            target,
            door,
            headline=_headline(limits, groups.rows),
            gravity=gravity_near(share) if near else 0,
            full=near,
            rows=groups.rows,
            cut=groups.cut,
        )

    def _finding(
        self,
        target: Target,
        door: PostgresDoor,
        *,
        headline: str,
        gravity: int,
        full: bool,
        rows: tuple[Row, ...] = (),
        cut: bool = False,
    ) -> Finding:
        columns = ("state", "user", "application", "connections", "longest")
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if full else Outcome.HEALTHY,
            headline=headline,
            table=table(columns, [_row(it) for it in rows], cut=cut) if rows else None,
            marks=("near_limit",) if full else (),
            gravity=gravity,
            equivalent=door.psql(EQUIVALENT),
        )


def _headline(limits: Row, groups: tuple[Row, ...]) -> str:
    """`96 of 100 connections, 41 idle in transaction, oldest 14m ("worker")`."""
    parts = [f"{limits['used']} of {several(limits['maximum'], 'connection')}"]
    idle = [it for it in groups if it["state"] in IDLE]
    if idle:
        oldest = max(idle, key=lambda it: it["longest_seconds"] or 0.0)
        who = oldest["application"] or oldest["username"]
        parts.append(f"{sum(it['connections'] for it in idle)} idle in transaction")
        parts.append(f"oldest {age(oldest['longest_seconds'] or 0.0)}" + (f' ("{who}")' if who else ""))
    hidden = sum(it["connections"] for it in groups if it["hidden"])
    if hidden:
        parts.append(f"state of {hidden} not visible (needs pg_monitor)")
    return ", ".join(parts)


def _row(group: Row) -> tuple[str, ...]:
    longest = group["longest_seconds"]
    return (
        "not visible" if group["hidden"] else group["state"],
        group["username"],
        group["application"],
        str(group["connections"]),
        age(longest) if longest is not None else "",
    )


DIAGNOSTIC: Diagnostic = PostgresConnections()
