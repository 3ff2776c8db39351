"""Does vacuum keep up?"""

from __future__ import annotations

from responder.clients.doors import Doors
from responder.clients.postgres_queries import DEAD_ROWS, VACUUM_STATE
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.postgres_sessions import Row
from responder.diagnostics.text import age, number, table
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several

OVERDUE = 2.0  # times the dead rows at which autovacuum begins
WRAPAROUND_AT = 1_000_000_000  # transactions, half of what there is; autovacuum acts at 200 million
WRAPAROUND_GRAVITY = 70
OVERDUE_GRAVITY = 25  # it makes things slow over days, not within minutes
EQUIVALENT = "select relname, n_dead_tup, n_live_tup, last_autovacuum from pg_stat_user_tables order by n_dead_tup desc"


class PostgresVacuum:
    """Tables with far more dead rows than autovacuum waits for, and how close transaction ids are to wrapping around.

    Tables are those of the target's own database; the age of transaction ids is the server's.
    """

    name = "postgres.vacuum"
    target_kind = "postgres"
    question = "Does vacuum keep up?"
    parameters: type[Parameters] = Nothing
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Nothing, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer."""
        door = doors.postgres(target)
        state = (await door.fetch(VACUUM_STATE)).rows[0]
        fetched = await door.fetch(DEAD_ROWS)
        overdue = [it for it in fetched.rows if it["dead_rows"] > OVERDUE * it["due_at"] and not it["running"]]
        wraps = state["oldest_age"] > WRAPAROUND_AT
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if overdue or wraps else Outcome.HEALTHY,
            headline=_headline(state, overdue, wraps=wraps),
            details=_details(state),
            table=table(
                ("table", "dead rows", "live rows", "last vacuumed"), [_row(it) for it in fetched.rows], cut=fetched.cut
            )
            if fetched.rows
            else None,
            found={"table": overdue[0]["name"]} if overdue else {},
            gravity=WRAPAROUND_GRAVITY if wraps else OVERDUE_GRAVITY if overdue else 0,
            equivalent=door.psql(EQUIVALENT),
        )


def _headline(state: Row, overdue: list[Row], *, wraps: bool) -> str:
    """`table orders: 41000 dead beside 100000 live rows, last vacuumed 9d ago, and 2 more tables`."""
    if wraps:
        left = (2**31 - state["oldest_age"]) / 1e6
        return f"database {state['oldest_database']}: {left:.0f} million transactions until they wrap around"
    if not overdue:
        return f"vacuum keeps up ({_running(state)})"
    worst = overdue[0]
    more = f", and {several(len(overdue) - 1, 'more table')}" if len(overdue) > 1 else ""
    dead = f"{number(worst['dead_rows'])} dead beside {number(worst['live_rows'])} live rows"
    return f"table {worst['name']}: {dead}, {_vacuumed(worst)}{more}"


def _running(state: Row) -> str:
    if not state["automatic"]:
        return "autovacuum is off"
    return f"{state['running']} run" if state["running"] else "none runs now"


def _vacuumed(it: Row) -> str:
    ago = it["vacuumed_seconds_ago"]
    return f"last vacuumed {age(ago)} ago" if ago is not None else "never vacuumed"


def _details(state: Row) -> str:
    oldest = f"oldest transaction ids: {number(state['oldest_age'])} transactions, in {state['oldest_database']}"
    return f"{oldest}; autovacuum acts at {number(state['freeze_at'])}, they wrap around at 2147483648"


def _row(it: Row) -> tuple[str, ...]:
    state = "runs now" if it["running"] else _vacuumed(it)
    return (it["name"], number(it["dead_rows"]), number(it["live_rows"]), state)


DIAGNOSTIC: Diagnostic = PostgresVacuum()
