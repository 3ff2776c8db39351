"""Which statements take most of the server's time?"""

from __future__ import annotations

from responder.clients.doors import Doors
from responder.clients.postgres_queries import SLOW_STATEMENTS, STATEMENT_STATISTICS
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Limit
from responder.diagnostics.postgres_sessions import Row
from responder.diagnostics.text import age, number, table
from responder.errors import Refused
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target

EQUIVALENT = (
    "select queryid, calls, mean_exec_time, total_exec_time "
    "from pg_stat_statements order by total_exec_time desc limit "
)


class Asked(Parameters):
    """`limit`: how many statements are listed."""

    limit: Limit = 10


class PostgresSlowStatements:
    """Ids and figures of pg_stat_statements since they were last reset; never the text of a statement. Judges none."""

    name = "postgres.slow_statements"
    target_kind = "postgres"
    question = "Which statements take most of the server's time?"
    parameters: type[Parameters] = Asked
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer, no extension, or no right to see what others ran."""
        door = doors.postgres(target)
        statistics = (await door.fetch(STATEMENT_STATISTICS)).rows[0]
        if not statistics["installed"]:
            raise Refused(
                f"{door.shown}: the extension pg_stat_statements is not installed in database {statistics['database']}"
            )
        rows = (await door.fetch(SLOW_STATEMENTS, limit=parameters.limit)).rows
        statements = [it for it in rows if it["query_id"] is not None]
        if rows and rows[0]["hidden"]:
            raise Refused(f"{door.shown}: the role does not see the statements of others; grant it pg_monitor")
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.HEALTHY,
            headline=_headline(statements),
            table=table(
                ("query id", "of all time", "calls", "mean", "slowest", "rows", "blocks read", "user", "database"),
                [_row(it) for it in statements],
                most=parameters.limit,
            )
            if statements
            else None,
            found={"query_id": statements[0]["query_id"]} if statements else {},
            gravity=0,
            equivalent=door.psql(f"{EQUIVALENT}{parameters.limit}"),
        )


def _headline(statements: list[Row]) -> str:
    """`query id 123 takes 61 % of all time: 12345 calls, mean 350 ms, slowest 12.1 s (figures of 3d4h)`."""
    if not statements:
        return "no statement was recorded"
    top = statements[0]
    times = f"mean {_time(top['mean_ms'])}, slowest {_time(top['max_ms'])}"
    calls = "1 call" if top["calls"] == 1 else f"{number(top['calls'])} calls"
    since = f" (figures of {age(top['since_seconds'])})" if top["since_seconds"] is not None else ""
    return f"query id {top['query_id']} takes {_share(top)} of all time: {calls}, {times}{since}"


def _share(it: Row) -> str:
    return f"{100 * it['total_ms'] / it['all_ms']:.0f} %" if it["all_ms"] else "0 %"


def _time(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} s" if milliseconds >= 1000 else f"{milliseconds:.3g} ms"


def _row(it: Row) -> tuple[str, ...]:
    figures = (number(it["calls"]), _time(it["mean_ms"]), _time(it["max_ms"]))
    read = (number(it["rows_given"]), number(it["blocks_read"]))
    return (it["query_id"], _share(it), *figures, *read, it["username"], it["database"])


DIAGNOSTIC: Diagnostic = PostgresSlowStatements()
