"""What a role of PostgreSQL may do, by the catalogue's own functions (`has_table_privilege` and its like).

Read-only sessions hold back whoever lets himself be held back; what the role is granted is what counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from responder.clients.doors import Doors
from responder.clients.postgres_queries import ROLE, ROLES_TO_TAKE, TABLES_TO_TOUCH, WHERE_TO_MAKE
from responder.doctor.access import Access, Asks, Grant, Power
from responder.model.pack import Target

CURE = "deploy/roles/postgres.sql makes a role that may look and nothing else"
ATTRIBUTES = (
    ("createdb", "may create databases"),
    ("createrole", "may create roles, and take their rights"),
    ("replication", "may replicate, which is to read everything"),
    ("bypassrls", "passes by row security"),
)
READS = {
    "pg_read_all_data": "reads every table (pg_read_all_data)",
    "pg_read_server_files": "reads files of the server (pg_read_server_files)",
}
NEEDED = frozenset({"pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables"})
SEES = frozenset({"pg_monitor", "pg_read_all_stats"})  # any of them shows other users' sessions
MOST_NAMED = 3


async def ask(target: Target, doors: Doors) -> Access:
    """Four reviewed queries; of a superuser the first is enough."""
    door = doors.postgres(target)
    role = (await door.fetch(ROLE)).rows[0]
    if role["superuser"]:
        return Access(who=role["name"], grants=(_writes("is a superuser: may do everything"),), cure=CURE)
    taken = (await door.fetch(ROLES_TO_TAKE)).rows
    tables = (await door.fetch(TABLES_TO_TOUCH)).rows[0]
    made = (await door.fetch(WHERE_TO_MAKE)).rows[0]
    names = {it["name"] for it in taken}
    return Access(
        who=role["name"],
        grants=(*_attributes(role), *_roles(taken), *_tables(tables), *_places(made, role)),
        lacks=() if names & SEES else ("pg_monitor: without it other users' sessions are hidden",),
        cure=CURE,
        notes=tuple(_notes(role)),
    )


def _attributes(role: Mapping[str, Any]) -> Iterator[Grant]:
    for name, what in ATTRIBUTES:
        if role[name]:
            reads = name in ("replication", "bypassrls")
            yield Grant(power=Power.READS if reads else Power.WRITES, what=what)


def _roles(taken: Any) -> Iterator[Grant]:
    """Roles that it is in, or may become by SET ROLE."""
    for it in taken:
        name = it["name"]
        if it["superuser"]:
            yield _writes(f"may become {name}, a superuser")
        elif name in READS:
            yield Grant(power=Power.READS, what=READS[name])
        elif name.startswith("pg_") and name not in NEEDED:
            yield _writes(f"is in {name}")


def _tables(it: Mapping[str, Any]) -> Iterator[Grant]:
    if it["writable"]:
        yield _writes(f"may write {_some(it['writable'], 'table', it['writable_some'])}")
    if it["sequences"]:
        yield _writes(f"may advance {_some(it['sequences'], 'sequence', it['sequences_some'])}")
    if it["readable"]:
        what = f"may read {_some(it['readable'], 'table', it['readable_some'])}"
        yield Grant(power=Power.READS, what=what)


def _places(it: Mapping[str, Any], role: Mapping[str, Any]) -> Iterator[Grant]:
    if role["creates"]:
        yield _writes(f"may create schemas in the database {role['database']}")
    if it["schemas"]:
        yield _writes(f"may create tables in {_some(it['schemas'], 'schema', it['schemas_some'])}")
    if it["definers"]:
        functions = _some(it["definers"], "function", it["definers_some"])
        yield _writes(f"may call {functions} with the rights of another role (security definer)")


def _notes(role: Mapping[str, Any]) -> Iterator[str]:
    if not role["read_only"]:
        yield "its sessions are read-only because responder asks for it, not by the role's own setting"
    if role["notifies"]:
        yield "everybody may call pg_notify and its like; deploy/roles/postgres-revoke.sql takes that"


def _writes(what: str) -> Grant:
    return Grant(power=Power.WRITES, what=what)


def _some(count: int, noun: str, names: str) -> str:
    """`3 tables (public.orders, public.patients, …)`."""
    named = names.split("\n")[:MOST_NAMED]
    more = ", …" if count > len(named) else ""
    return f"{count} {noun}{'' if count == 1 else 's'} ({', '.join(named)}{more})"


ASKS: Asks = ask
