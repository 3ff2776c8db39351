"""Every query that responder ever sends to a PostgreSQL that it looks at. Reviewed: a change here is a change of what
leaves the database.

Rules of the review: one SELECT; only catalogue and statistics views that `pg_monitor` may read; no function with a
side effect (a read-only transaction does not stop those); never `pg_stat_activity.query`, which holds other people's
literals; values only as `$1`; plain types only, no arrays: the library asks the catalogue about others by a statement
of its own, which also changes a setting.
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

# What a role outside pg_monitor cannot see is counted beside the rows, in a row of its own when there is no other.
HIDDEN = "(select count(*)::int from pg_stat_activity where backend_type is null and usesysid is not null)"

SERVER = NamedQuery(
    name="server",
    sql="""
    select current_setting('server_version') as version, pg_is_in_recovery() as standby,
           pg_postmaster_start_time() as started_at,
           extract(epoch from clock_timestamp() - pg_postmaster_start_time())::float8 as up_seconds
    """,
)

LONG_QUERIES = NamedQuery(
    name="long queries",
    sql=f"""
    select it.*, there.hidden
    from (select {HIDDEN} as hidden) there
    left join (
        select pid, coalesce(usename::text, '') as username, coalesce(application_name, '') as application,
               coalesce(datname::text, '') as database, query_id::text as query_id,
               coalesce(wait_event_type || ' ' || wait_event, '') as waits_for,
               extract(epoch from clock_timestamp() - query_start)::float8 as seconds, count(*) over ()::int as sessions
        from pg_stat_activity
        where {CLIENTS} and state = 'active' and pid <> pg_backend_pid()
              and clock_timestamp() - query_start > make_interval(secs => $1)
    ) it on true
    order by it.seconds desc nulls last
    """,
)

IDLE_IN_TRANSACTION = NamedQuery(
    name="sessions idle in transaction",
    sql=f"""
    select it.*, there.hidden
    from (select {HIDDEN} as hidden) there
    left join (
        select pid, coalesce(usename::text, '') as username, coalesce(application_name, '') as application,
               coalesce(datname::text, '') as database,
               extract(epoch from clock_timestamp() - state_change)::float8 as seconds,
               extract(epoch from clock_timestamp() - xact_start)::float8 as transaction_seconds,
               count(*) over ()::int as sessions
        from pg_stat_activity
        where {CLIENTS} and state in ('idle in transaction', 'idle in transaction (aborted)')
    ) it on true
    order by it.seconds desc nulls last
    """,
)

# pg_blocking_pids stops the lock manager for a moment: it is asked only of sessions that wait. Names of tables only of
# the database that we are in: elsewhere the same number is another table.
WAITING_SESSIONS = NamedQuery(
    name="sessions that wait for a lock, and for whom",
    sql="""
    select pid, array_to_string(pg_blocking_pids(pid), ' ') as blockers, waits_for,
           seconds, count(*) over ()::int as sessions
    from (
        select pid,
               max(case when database = (select oid from pg_database where datname = current_database())
                   then relation::regclass::text else locktype end) as waits_for,
               extract(epoch from clock_timestamp() - min(waitstart))::float8 as seconds
        from pg_locks
        where not granted and pid is not null
        group by pid
    ) waiting
    order by seconds desc nulls last
    """,
)

SESSIONS = NamedQuery(
    name="sessions by pid",
    sql="""
    select pid, coalesce(usename::text, '') as username, coalesce(application_name, '') as application,
           coalesce(state, backend_type, '') as state, backend_type is null as hidden,
           extract(epoch from clock_timestamp() - xact_start)::float8 as transaction_seconds
    from pg_stat_activity
    where pid::text = any(string_to_array($1::text, ' '))
    """,
)

# A table that somebody holds, or waits to hold, exclusively is left out: measuring it would queue behind them.
TABLE_SIZES = NamedQuery(
    name="table sizes",
    sql="""
    select sized.*, sum(total_bytes) over ()::float8 as all_bytes, count(*) over ()::int as tables
    from (
        select c.oid::regclass::text as name, pg_total_relation_size(c.oid)::float8 as total_bytes,
               pg_table_size(c.oid)::float8 as table_bytes, pg_indexes_size(c.oid)::float8 as index_bytes,
               coalesce(s.n_live_tup, 0)::float8 as live_rows
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        left join pg_stat_all_tables s on s.relid = c.oid
        where c.relkind in ('r', 'm') and c.relpersistence <> 't'
              and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
              and not exists (
                  select from pg_locks l
                  where l.relation = c.oid and l.mode = 'AccessExclusiveLock'
                        and l.database = (select oid from pg_database where datname = current_database()))
    ) sized
    order by total_bytes desc, name
    """,
)

DATABASE_SIZE = NamedQuery(
    name="database size",
    sql="""
    select current_database()::text as name, pg_database_size(current_database())::float8 as bytes,
           (select count(distinct relation)::int from pg_locks
            where mode = 'AccessExclusiveLock' and relation is not null
                  and database = (select oid from pg_database where datname = current_database())) as held
    """,
)

STATEMENT_STATISTICS = NamedQuery(
    name="whether there are statistics of statements",
    sql="""
    select current_database()::text as database,
           exists (select from pg_extension where extname = 'pg_stat_statements') as installed
    """,
)

# `false`: the text of the statements is not even read on the server.
SLOW_STATEMENTS = NamedQuery(
    name="slow statements",
    sql="""
    select s.queryid::text as query_id, coalesce(r.rolname::text, '') as username,
           coalesce(d.datname::text, '') as database, s.calls::float8 as calls,
           s.total_exec_time::float8 as total_ms, s.mean_exec_time::float8 as mean_ms,
           s.max_exec_time::float8 as max_ms, s.rows::float8 as rows_given, s.shared_blks_read::float8 as blocks_read,
           sum(s.total_exec_time) over ()::float8 as all_ms,
           count(*) filter (where s.queryid is null) over ()::int as hidden,
           extract(epoch from clock_timestamp() - i.stats_reset)::float8 as since_seconds
    from pg_stat_statements(false) s
    cross join pg_stat_statements_info i
    left join pg_roles r on r.oid = s.userid
    left join pg_database d on d.oid = s.dbid
    order by s.queryid is null, s.total_exec_time desc
    """,
)

WRITTEN = "case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end"

REPLICAS = NamedQuery(
    name="replicas",
    sql=f"""
    select it.*, there.standby
    from (select pg_is_in_recovery() as standby) there
    left join (
        select coalesce(application_name, '') as name, coalesce(host(client_addr), 'socket') as address, state,
               sync_state, extract(epoch from replay_lag)::float8 as lag_seconds,
               pg_wal_lsn_diff({WRITTEN}, replay_lsn)::float8 as behind_bytes
        from pg_stat_replication
        where state is distinct from 'backup'
    ) it on true
    order by it.lag_seconds desc nulls last, it.behind_bytes desc nulls last
    """,
)

REPLICATION_SLOTS = NamedQuery(
    name="replication slots",
    sql=f"""
    select slot_name::text as name, slot_type as kind, active, coalesce(wal_status, '') as wal_status,
           pg_wal_lsn_diff({WRITTEN}, restart_lsn)::float8 as kept_bytes
    from pg_replication_slots
    order by kept_bytes desc nulls last
    """,
)

OWN_REPLAY = NamedQuery(
    name="how far this standby has replayed",
    sql="""
    select (select count(*)::int from pg_stat_wal_receiver) as receivers,
           (select count(*)::int from pg_stat_wal_receiver where status = 'streaming') as streaming,
           (select count(*)::int from pg_stat_wal_receiver where status is null) as hidden,
           pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn() as caught_up,
           pg_is_wal_replay_paused() as paused,
           extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8 as replayed_seconds_ago
    """,
)

# Autovacuum begins at threshold + factor × rows; what a table says for itself is not looked at.
DEAD_ROWS = NamedQuery(
    name="dead rows and vacuums by table",
    sql="""
    select relid::regclass::text as name, n_live_tup::float8 as live_rows, n_dead_tup::float8 as dead_rows,
           extract(epoch from clock_timestamp() - greatest(last_vacuum, last_autovacuum))::float8
           as vacuumed_seconds_ago,
           current_setting('autovacuum_vacuum_threshold')::float8
           + current_setting('autovacuum_vacuum_scale_factor')::float8 * n_live_tup as due_at,
           exists (select from pg_stat_progress_vacuum p
                   where p.relid = t.relid and p.datname = current_database()) as running
    from pg_stat_user_tables t
    where n_dead_tup > 0
    order by n_dead_tup desc, 1
    """,
)

VACUUM_STATE = NamedQuery(
    name="vacuums and the age of the oldest row",
    sql="""
    select (select count(*)::int from pg_stat_progress_vacuum) as running,
           current_setting('autovacuum_max_workers')::int as workers, current_setting('autovacuum') = 'on' as automatic,
           current_setting('autovacuum_freeze_max_age')::float8 as freeze_at,
           (select datname::text from pg_database order by age(datfrozenxid) desc, datname limit 1) as oldest_database,
           (select max(age(datfrozenxid))::float8 from pg_database) as oldest_age
    """,
)

# Both look at client sessions alone: autovacuum and replication have no transaction that an application left open.
OLDEST_TRANSACTION = NamedQuery(
    name="oldest transaction",
    sql=f"""
    select coalesce(extract(epoch from max(clock_timestamp() - xact_start)), 0)::float8 as seconds,
           count(*) filter (where backend_type is null)::int as hidden
    from pg_stat_activity
    where {CLIENTS} and pid <> pg_backend_pid()
    """,
)

BLOCKED = NamedQuery(
    name="sessions that wait for a lock",
    sql="select count(distinct pid)::int as sessions from pg_locks where not granted",
)

# Of a primary: the standby that is furthest behind. One without a measured lag is not behind if it has replayed all
# that was sent to it.
REPLICATION_LAG = NamedQuery(
    name="replication lag",
    sql="""
    select pg_is_in_recovery() as is_standby,
           (select count(*)::int from pg_stat_replication where state is distinct from 'backup') as standbys,
           (select count(*)::int from pg_stat_replication where state is null)
           + (select count(*)::int from pg_stat_wal_receiver where status is null) as hidden,
           (select count(*)::int from pg_stat_replication where state is distinct from 'backup'
            and replay_lag is null and replay_lsn is distinct from sent_lsn) as unmeasured,
           (select coalesce(extract(epoch from max(replay_lag)), 0)::float8 from pg_stat_replication) as behind_seconds,
           (select count(*)::int from pg_stat_wal_receiver where status = 'streaming'
            and pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn()) as caught_up,
           extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8 as replayed_seconds_ago
    """,
)

# What our own role may do; asked by the doctor. `read_only`: by a setting of the role or the database, not of ours.
ROLE = NamedQuery(
    name="our role",
    sql="""
    select r.rolname::text as name, current_database()::text as database, r.rolsuper as superuser,
           r.rolcreatedb as createdb, r.rolcreaterole as createrole, r.rolreplication as replication,
           r.rolbypassrls as bypassrls, has_database_privilege(current_database(), 'CREATE') as creates,
           exists (select from pg_proc p
                   where p.proname = 'pg_notify' and p.pronamespace = 'pg_catalog'::regnamespace
                         and has_function_privilege(p.oid, 'EXECUTE')) as notifies,
           exists (select from pg_db_role_setting s
                   where s.setrole in (0, r.oid)
                         and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
                         and 'default_transaction_read_only=on' = any(s.setconfig)) as read_only
    from pg_roles r
    where r.rolname = current_user
    """,
)

# Those that it is in, directly or not, whether or not it inherits from them: SET ROLE is enough.
ROLES_TO_TAKE = NamedQuery(
    name="roles that ours may take",
    sql=r"""
    select rolname::text as name, rolsuper as superuser
    from pg_roles
    where (rolname like 'pg\_%' or rolsuper) and rolname <> current_user and pg_has_role(oid, 'MEMBER')
    order by rolsuper desc, 1
    """,
)

# Relations of an extension (pg_stat_statements) are everybody's to read, and no data of anybody.
OWN_SCHEMAS = r"n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\_t%'"
NAMES = r"coalesce(string_agg(name, E'\n' order by name)"

TABLES_TO_TOUCH = NamedQuery(
    name="tables that our role may touch",
    sql=f"""
    select count(*) filter (where writes)::int as writable,
           {NAMES} filter (where writes and writing <= 4), '') as writable_some,
           count(*) filter (where advances)::int as sequences,
           {NAMES} filter (where advances and advancing <= 4), '') as sequences_some,
           count(*) filter (where reads)::int as readable,
           {NAMES} filter (where reads and reading <= 4), '') as readable_some
    from (
        select it.*, row_number() over (partition by writes order by name) as writing,
               row_number() over (partition by advances order by name) as advancing,
               row_number() over (partition by reads order by name) as reading
        from (
            select c.oid::regclass::text as name,
                   c.relkind <> 'S' and (
                       has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
                       or has_any_column_privilege(c.oid, 'INSERT, UPDATE')) as writes,
                   case when c.relkind = 'S' then has_sequence_privilege(c.oid, 'USAGE, UPDATE') else false end
                   as advances,
                   c.relkind <> 'S' and (
                       has_table_privilege(c.oid, 'SELECT') or has_any_column_privilege(c.oid, 'SELECT')) as reads
            from pg_class c
            join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and {OWN_SCHEMAS}
                  and has_schema_privilege(n.oid, 'USAGE')
                  and not exists (select from pg_depend d
                                  where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
        ) it
    ) numbered
    """,
)

WHERE_TO_MAKE = NamedQuery(
    name="schemas and functions that our role may use",
    sql=f"""
    select schemas.n as schemas, schemas.names as schemas_some, definers.n as definers, definers.names as definers_some
    from (
        select count(*)::int as n, {NAMES}, '') as names
        from (select n.nspname::text as name from pg_namespace n
              where {OWN_SCHEMAS} and has_schema_privilege(n.oid, 'CREATE')) creating
    ) schemas
    cross join (
        select count(*)::int as n, {NAMES}, '') as names
        from (select p.oid::regprocedure::text as name
              from pg_proc p
              join pg_namespace n on n.oid = p.pronamespace
              where p.prosecdef and {OWN_SCHEMAS} and p.prorettype <> 'trigger'::regtype
                    and has_schema_privilege(n.oid, 'USAGE') and has_function_privilege(p.oid, 'EXECUTE')
                    and not exists (select from pg_depend d
                                    where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
        ) calling
    ) definers
    """,
)
