"""Who holds a transaction open and does nothing in it?"""

from __future__ import annotations

from responder.clients.doors import Doors
from responder.clients.postgres_queries import IDLE_IN_TRANSACTION
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
GRAVITY = 65  # it holds locks and keeps vacuum from its work, so it goes before a long query
EQUIVALENT = (
    "select pid, usename, application_name, now() - state_change as idle "
    "from pg_stat_activity where state like 'idle in transaction%' order by state_change"
)


class Asked(Parameters):
    """`over`: from how long on doing nothing is too long."""

    over: Seconds = 300.0


class PostgresIdleInTransaction:
    """Counts all of them; unhealthy once the one that is idle longest is over the bound."""

    name = "postgres.idle_in_transaction"
    target_kind = "postgres"
    question = "Who holds a transaction open and does nothing in it?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"idle_in_transaction"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer, or when the role sees no session."""
        door = doors.postgres(target)
        fetched = await door.fetch(IDLE_IN_TRANSACTION)
        sessions = seen(fetched.rows, door.shown)
        bad = bool(sessions) and sessions[0]["seconds"] > parameters.over
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if bad else Outcome.HEALTHY,
            headline=_headline(sessions, parameters.over, bad=bad) + not_seen(fetched.rows),
            table=table(
                ("pid", "idle", "in transaction", "user", "application", "database"),
                [_row(it) for it in sessions],
                cut=fetched.cut,
                most=MOST_ROWS,
            )
            if sessions
            else None,
            marks=("idle_in_transaction",) if bad else (),
            found=names_of(sessions[0]) if bad else {},
            lasted_seconds=sessions[0]["seconds"] if bad else None,
            gravity=gravity_of_several(GRAVITY, sessions[0]["sessions"]) if bad else 0,
            equivalent=door.psql(EQUIVALENT),
        )


def _headline(sessions: list[Row], over: float, *, bad: bool) -> str:
    """`41 connections idle in transaction, oldest 14m, application "worker"`."""
    if not sessions:
        return "no connection idle in transaction"
    oldest, count = sessions[0], sessions[0]["sessions"]
    many = f"{count} connection{'s' if count > 1 else ''} idle in transaction"
    if not bad:
        return f"{many}, none longer than {show_duration(over)}"
    return f"{many}, oldest {age(oldest['seconds'])}, {who(oldest)}"


def _row(session: Row) -> tuple[str, ...]:
    transaction = session["transaction_seconds"]  # unknown of one that has failed
    return (
        str(session["pid"]),
        age(session["seconds"]),
        age(transaction) if transaction is not None else "aborted",
        session["username"],
        session["application"],
        session["database"],
    )


DIAGNOSTIC: Diagnostic = PostgresIdleInTransaction()
