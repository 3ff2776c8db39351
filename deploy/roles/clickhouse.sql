-- The user for a ClickHouse (20.4 or later) that responder looks at: it reads a few system tables and no other.
--
--   clickhouse-client --queries-file clickhouse.sql      after putting a password in; ON CLUSTER for all servers at once
--
-- The address in the rule files is then https://responder:…@host:8443. The limits stand here because a read-only user
-- cannot set them for itself; the last one ends a query whose asker has hung up.

CREATE SETTINGS PROFILE responder SETTINGS
    readonly = 1,
    max_execution_time = 10,
    max_result_rows = 201,
    max_memory_usage = 100000000,
    cancel_http_readonly_queries_on_client_close = 1;
CREATE USER responder IDENTIFIED WITH sha256_password BY 'PASSWORD' SETTINGS PROFILE 'responder';
GRANT SELECT ON system.clusters TO responder;
GRANT SELECT ON system.metrics TO responder;
GRANT SELECT ON system.processes TO responder;
GRANT SELECT ON system.replicas TO responder;
GRANT SHOW TABLES ON *.* TO responder; -- without it system.replicas shows none of the others' tables
