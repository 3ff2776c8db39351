"""How large is the database, and which tables make it so?"""

from __future__ import annotations

from responder.clients.doors import Doors
from responder.clients.postgres_queries import DATABASE_SIZE, TABLE_SIZES
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Limit
from responder.diagnostics.postgres_sessions import Row
from responder.diagnostics.text import number, size, table
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several

EQUIVALENT = (
    "select oid::regclass, pg_size_pretty(pg_total_relation_size(oid)) "
    "from pg_class where relkind = 'r' order by pg_total_relation_size(oid) desc limit "
)


class Asked(Parameters):
    """`limit`: how many tables are listed."""

    limit: Limit = 10


class PostgresTableSizes:
    """Shows sizes and judges none. Only the target's own database; the sizes of a table hold its indexes and TOAST."""

    name = "postgres.table_sizes"
    target_kind = "postgres"
    question = "How large is the database, and which tables make it so?"
    parameters: type[Parameters] = Asked
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer."""
        door = doors.postgres(target)
        database = (await door.fetch(DATABASE_SIZE)).rows[0]
        tables = (await door.fetch(TABLE_SIZES, limit=parameters.limit)).rows
        held = database["held"]
        locked = several(held, "table or index is", "tables or indexes are")
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.HEALTHY,
            headline=_headline(database, tables),
            details=f"{locked} locked exclusively, and not measured" if held else "",
            table=table(
                ("table", "size", "without indexes", "indexes", "rows, about"),
                [_row(it) for it in tables],
                cut=bool(tables) and tables[0]["tables"] > parameters.limit,
                most=parameters.limit,
            )
            if tables
            else None,
            gravity=0,
            equivalent=door.psql(f"{EQUIVALENT}{parameters.limit}"),
        )


def _headline(database: Row, tables: tuple[Row, ...]) -> str:
    """`database shop 12.4 GiB; largest table orders 8.1 GiB`."""
    whole = f"database {database['name']} {size(database['bytes'])}"
    if not tables:
        return f"{whole}; no table to measure"
    return f"{whole}; largest table {tables[0]['name']} {size(tables[0]['total_bytes'])}"


def _row(it: Row) -> tuple[str, ...]:
    sizes = (size(it["total_bytes"]), size(it["table_bytes"]), size(it["index_bytes"]))
    return (it["name"], *sizes, number(it["live_rows"]))


DIAGNOSTIC: Diagnostic = PostgresTableSizes()
