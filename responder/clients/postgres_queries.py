"""Every query that responder ever sends to a PostgreSQL that it looks at. Reviewed: a change here is a change of what
leaves the database.

Rules of the review: one SELECT; only catalogue and statistics views that `pg_monitor` may read; no function with a
side effect (a read-only transaction does not stop those); never `pg_stat_activity.query`, which holds other people's
literals; values only as `$1`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedQuery:
    """One reviewed query; `name` is what a complaint calls it."""

    name: str
    sql: str


# A role outside pg_monitor sees neither the state nor the backend_type of other users' sessions (both null), but their
# rows: what has a database and a user is counted as a client then, lest a full server look empty.
CLIENTS = "(backend_type = 'client backend' or (backend_type is null and datid is not null and usesysid is not null))"

CONNECTION_LIMITS = NamedQuery(
    name="connection limits",
    sql=f"""
    select current_setting('max_connections')::int as maximum,
           current_setting('superuser_reserved_connections')::int
           + coalesce(current_setting('reserved_connections', true)::int, 0) as reserved,
           (select count(*)::int from pg_stat_activity where {CLIENTS}) as used
    """,
)

CONNECTION_GROUPS = NamedQuery(
    name="connections by state, user and application",
    sql=f"""
    select coalesce(state, '') as state, coalesce(usename::text, '') as username,
           coalesce(application_name, '') as application, backend_type is null as hidden,
           count(*)::int as connections,
           extract(epoch from max(now() - coalesce(state_change, backend_start)))::float8 as longest_seconds
    from pg_stat_activity
    where {CLIENTS}
    group by 1, 2, 3, 4
    order by 5 desc, 1, 2, 3
    """,
)
