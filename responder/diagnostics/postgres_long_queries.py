"""Which queries have been running for too long, and what do they wait for?"""

from __future__ import annotations

from responder.clients.doors import Doors
from responder.clients.postgres_queries import LONG_QUERIES
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.limits import gravity_of_several
from responder.diagnostics.parameters import Seconds
from responder.diagnostics.postgres_sessions import Row, names_of, not_seen, seen, who
from responder.diagnostics.text import age, table
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import show_duration

MOST_ROWS = 200
GRAVITY = 60
EQUIVALENT = (
    "select pid, usename, application_name, wait_event, now() - query_start as since "
    "from pg_stat_activity where state = 'active' order by query_start"
)


class Asked(Parameters):
    """`over`: from how long on a query is long."""

    over: Seconds = 30.0


class PostgresLongQueries:
    """Names who runs them and what they wait for; the text of a query stays where it is, its id goes out."""

    name = "postgres.long_queries"
    target_kind = "postgres"
    question = "Which queries have been running for too long, and what do they wait for?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"long_query"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer, or when the role sees no session."""
        door = doors.postgres(target)
        fetched = await door.fetch(LONG_QUERIES, parameters.over)
        queries = seen(fetched.rows, door.shown)
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if queries else Outcome.HEALTHY,
            headline=_headline(queries, parameters.over) + not_seen(fetched.rows),
            table=table(
                ("pid", "running", "user", "application", "database", "waits for", "query id"),
                [_row(it) for it in queries],
                cut=fetched.cut,
                most=MOST_ROWS,
            )
            if queries
            else None,
            marks=("long_query",) if queries else (),
            found=names_of(queries[0]) if queries else {},
            lasted_seconds=queries[0]["seconds"] if queries else None,
            gravity=gravity_of_several(GRAVITY, queries[0]["sessions"]) if queries else 0,
            equivalent=door.psql(EQUIVALENT),
        )


def _headline(queries: list[Row], over: float) -> str:
    """`2 queries run longer than 30s, longest 14m, application "worker", waits for Lock relation`."""
    if not queries:
        return f"no query runs longer than {show_duration(over)}"
    longest, count = queries[0], queries[0]["sessions"]
    waits = f", waits for {longest['waits_for']}" if longest["waits_for"] else ""
    many = f"{count} queries run" if count > 1 else "1 query runs"
    return f"{many} longer than {show_duration(over)}, longest {age(longest['seconds'])}, {who(longest)}{waits}"


def _row(query: Row) -> tuple[str, ...]:
    return (
        str(query["pid"]),
        age(query["seconds"]),
        query["username"],
        query["application"],
        query["database"],
        query["waits_for"],
        query["query_id"] or "",
    )


DIAGNOSTIC: Diagnostic = PostgresLongQueries()
