"""How much is kept, since when, in which schema; for people who look after the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from responder.store.store import Store

# What is counted is what people know by name; the rest is in the size.
KEPT = {
    "incidents": "opened_at",
    "reports": "at",
    "webhooks": "at",
    "steps": "at",
    "samples": "at",
    "quarantine": "at",
}
FACTS = """select current_setting('server_version') as version, pg_database_size(current_database())::bigint as bytes,
           (select max(number) from migrations)::int as schema, (select count(*) from incidents where state = 'open')::int as open"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """`kept`: table → (rows, the oldest of them)."""

    version: str
    schema: int
    bytes: int
    open: int
    kept: dict[str, tuple[int, datetime | None]]


async def contents(store: Store) -> Contents:
    """As it is; raises StoreUnavailable."""
    async with store.transaction() as connection:
        facts = await connection.fetchrow(FACTS)
        kept = {}
        for table, column in KEPT.items():
            row = await connection.fetchrow(f"select count(*)::int as n, min({column}) as oldest from {table}")
            kept[table] = (row["n"], row["oldest"])
    return Contents(
        version=facts["version"], schema=facts["schema"], bytes=facts["bytes"], open=facts["open"], kept=kept
    )
