-- Optional, for one database: takes from everybody the functions that change something even in a read-only transaction.
--
--   psql -d shop -f postgres-revoke.sql
--
-- responder calls none of them, and its guard lets no query of one's own call them; this is the second lock, for
-- targets with `allow: [custom_sql]` and for whoever else comes by the password. It may break applications that use
-- them (pg_notify, advisory locks, set_config): grant execute to their roles again, then try it on a copy first.

\set ON_ERROR_STOP on

do $$
declare
    it regprocedure;
begin
    for it in
        select oid::regprocedure from pg_proc
        where pronamespace = 'pg_catalog'::regnamespace
              and (proname in ('pg_notify', 'set_config', 'pg_logical_emit_message', 'pg_terminate_backend',
                               'pg_cancel_backend', 'query_to_xml', 'query_to_xmlschema', 'query_to_xml_and_xmlschema',
                               'txid_current', 'pg_current_xact_id', 'pg_export_snapshot',
                               'lo_create', 'lo_creat', 'lo_open', 'lowrite', 'lo_put', 'lo_unlink', 'lo_from_bytea')
                   or proname like 'pg\_advisory\_%' or proname like 'pg\_try\_advisory\_%')
    loop
        execute format('revoke execute on function %s from public', it);
    end loop;
end
$$;
