-- The role for a PostgreSQL that responder looks at: it sees statistics and settings, and no table.
--
--   psql -d shop -v role=responder -v password=… -f postgres.sql
--
-- The address in the rule files is then postgresql://responder:…@host/shop. Nothing of what is granted lets it write.
-- For postgres.slow_statements the database also needs: create extension pg_stat_statements.

\set ON_ERROR_STOP on

create role :"role" login password :'password' connection limit 3
    nosuperuser nocreatedb nocreaterole noreplication nobypassrls;
grant pg_monitor to :"role";

-- What responder sets for each of its sessions too; here it holds for whoever else comes by this password.
alter role :"role" set default_transaction_read_only = on;
alter role :"role" set statement_timeout = '15s';
alter role :"role" set lock_timeout = '1s';
alter role :"role" set idle_in_transaction_session_timeout = '15s';
