"""Every statement that responder asks of ClickHouse, each reviewed: constant, read from system tables, bounded.

None reads the text of a query. Columns: https://clickhouse.com/docs/operations/system-tables
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_ROWS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """`older`: asked instead of a server that does not know a column or function of `sql`; empty: there is none."""

    name: str
    sql: str
    older: str = ""


SERVERS = Statement(
    name="servers of clusters",
    sql=f"""select cluster, host_name as host, port, errors_count as errors, estimated_recovery_time as recovers_in
        from system.clusters order by errors_count desc, cluster, shard_num, replica_num limit {MOST_ROWS + 1}""",
    older=f"""select cluster, host_name as host, port from system.clusters
        order by cluster, shard_num, replica_num limit {MOST_ROWS + 1}""",
)
# Without total_replicas, active_replicas, log_pointer …: each of those is a question to ZooKeeper for every table.
REPLICAS = Statement(
    name="replicated tables",
    sql=f"""select database, table, is_readonly as read_only, is_session_expired as expired, queue_size as queue,
        absolute_delay as delay from system.replicas
        order by greatest(is_readonly, is_session_expired) desc, absolute_delay desc, queue_size desc, database, table
        limit {MOST_ROWS + 1}""",
)
# A user without SHOW TABLES sees no row of others' tables above, and here no database; the server counts for all.
DATABASES = Statement(
    name="databases",
    sql="""select count() as databases from system.databases
        where name not in ('system', 'information_schema', 'INFORMATION_SCHEMA')""",
)
READ_ONLY_REPLICAS = Statement(
    name="read-only replicas",
    sql="select value as read_only from system.metrics where metric = 'ReadonlyReplica'",
)
QUERIES = Statement(
    name="running queries",
    sql=f"""select initial_user as user, elapsed as seconds, query_kind as kind, is_initial_query as initial,
        read_rows as read, memory_usage as memory, query_id as id, toString(normalizedQueryHash(query)) as hash
        from system.processes where http_user_agent not like 'responder/%'
        order by elapsed desc limit {MOST_ROWS + 1}""",
    older=f"""select initial_user as user, elapsed as seconds, is_initial_query as initial,
        read_rows as read, memory_usage as memory, query_id as id
        from system.processes where http_user_agent not like 'responder/%'
        order by elapsed desc limit {MOST_ROWS + 1}""",
)
