"""What somebody could write into a rule file to change something: the parser must refuse each, and the role hold each.

`{own}` and `{other}`: the pids of a session of the same role and of the superuser's. SERVER is what they find.
"""

from __future__ import annotations

SERVER = """
create extension pg_stat_statements;
create table public.jobs (id int, state text, created_at timestamptz default now());
insert into public.jobs values (1, 'failed'), (2, 'failed'), (3, 'done');
create table public.patients (name text);
insert into public.patients values ('somebody');
create sequence public.numbers;
create materialized view public.made as select 1 as one;
create function public.touch(it int) returns int language plpgsql as $$
begin
    begin insert into public.jobs values (it, 'touched'); exception when others then null; end;
    begin perform pg_notify('evil', 'touched'); exception when others then null; end;
    begin perform pg_advisory_lock(42); exception when others then null; end;
    return it;
end $$;
create function public.touch(it public.jobs) returns int language sql as 'select public.touch(it.id)';
create function public.touch(it text) returns bool language sql as 'select public.touch(1) = 1';
create function public.touch(a int, b int) returns bool language sql as 'select public.touch(a) = b';
create function public.step(a int, b int) returns int language sql as 'select public.touch(b)';
create procedure public.run() language plpgsql as $$ begin perform public.touch(1); end $$;
create operator public.<<< (leftarg = int, rightarg = int, function = public.touch);
create domain public.trap as text check (public.touch(value));
create domain public.int4 as text check (public.touch(value));
create type public.pair as (a int, b int);
create aggregate public.collect(int) (sfunc = public.step, stype = int);
grant select on public.jobs to public;
"""

STATEMENTS = {
    "insert": "insert into public.jobs values (9, 'x')",
    "update": "update public.jobs set state = 'x'",
    "delete": "delete from public.jobs",
    "truncate": "truncate public.jobs",
    "merge": "merge into public.jobs a using public.jobs b on a.id = b.id when matched then delete",
    "create table": "create table public.t (a int)",
    "create temporary table": "create temp table t (a int)",
    "create table as": "create table public.t as select 1",
    "drop": "drop table public.jobs",
    "alter role": "alter role current_user set statement_timeout = 0",
    "alter system": "alter system set log_statement = 'all'",
    "grant": "grant select on public.jobs to public",
    "create function": "create function f() returns int language sql as 'select 1'",
    "comment on": "comment on table public.jobs is 'x'",
    "refresh": "refresh materialized view public.made",
    "lock": "lock table public.jobs",
    "vacuum": "vacuum public.jobs",
    "analyze": "analyze public.jobs",
    "reindex": "reindex table public.jobs",
    "cluster": "cluster public.jobs",
    "checkpoint": "checkpoint",
    "discard": "discard all",
    "declare": "declare c cursor with hold for select 1",
    "fetch": "fetch all from c",
    "begin": "begin",
    "commit and write": "commit; insert into public.jobs values (9, 'x')",
    "write in a second statement": "select 1; drop table public.jobs",
    "set": "set statement_timeout = 0",
    "set transaction": "set transaction read write; insert into public.jobs values (9, 'x')",
    "set role": "set role postgres",
    "reset": "reset all",
    "show": "show primary_conninfo",
    "do": "do $$ begin perform public.touch(1); end $$",
    "prepare": "prepare p as delete from public.jobs",
    "execute": "execute p",
    "call": "call public.run()",
    "copy to a program": "copy public.jobs to program 'touch owned'",
    "copy from a file": "copy public.jobs from '/etc/passwd'",
    "copy out": "copy (select 1) to stdout",
    "explain analyze": "explain analyze delete from public.jobs",
    "explain": "explain select 1",
    "listen": "listen evil",
    "notify": "notify evil, 'x'",
    "load": "load 'auto_explain'",
    "import": "import foreign schema public from server s into public",
    "values": "values (1)",
}

PARTS_OF_A_SELECT = {
    "into": "select id into public.t from public.jobs",
    "writing with": "with gone as (delete from public.jobs returning 1) select count(*) from gone",
    "inserting with": "with new as (insert into public.jobs values (9, 'x') returning id) select max(id) from new",
    "for update": "select id from public.jobs for update",
    "for share below": "select count(*) from (select 1 from public.jobs for share) it",
    "endless with": "with recursive it(n) as (select 1 union all select n from it) select count(*) from it",
    "a function in from": "select count(*) from generate_series(1, 2000000000)",
    "a function of theirs in from": "select count(*) from public.touch(1)",
    "rows from": "select count(*) from rows from (public.touch(1), public.touch(2))",
    "lateral": "select count(*) from public.jobs j, lateral public.touch(j.id)",
    "tablesample": "select count(*) from public.jobs tablesample touch(1)",
    "order by using": "select id from public.jobs order by id using operator(public.<<<) limit 1",
    "order by using a bare one": "select id from public.jobs order by id using <<< limit 1",
    "collate": "select max(state collate public.mine) from public.jobs",
    "a window": "select public.collect(id) over () from public.jobs limit 1",
    "xmltable": "select count(*) from xmltable('/' passing '<a/>' columns a text path '.') it",
    "xmlparse": "select length(xmlparse(document '<a/>')::text)",
    "a row": "select (row(1, 2)::public.pair).a",
    "another database": "select count(*) from other.public.jobs",
}

FUNCTIONS = {
    "terminate own": "select pg_terminate_backend({own})::int",
    "terminate other": "select pg_terminate_backend({other})::int",
    "terminate all": "select count(pg_terminate_backend(pid)) from pg_stat_activity where pid <> pg_backend_pid()",
    "cancel": "select pg_cancel_backend({own})::int",
    "set_config": "select length(set_config('statement_timeout', '0', false))",
    "set_config for good": "select length(set_config('default_transaction_read_only', 'off', false))",
    "advisory lock": "select count(pg_advisory_lock(42))",
    "advisory lock if free": "select count(pg_try_advisory_lock(42))",
    "pg_notify": "select count(pg_notify('evil', 'x'))",
    "emit a message": "select count(pg_logical_emit_message(false, 'evil', 'x'))",
    "query_to_xml": "select length(query_to_xml('select pg_notify(''evil'', ''x'')', true, false, '')::text)",
    "table_to_xml": "select length(table_to_xml('public.patients', true, false, '')::text)",
    "database_to_xml": "select length(database_to_xml(true, false, '')::text)",
    "ts_stat": "select count(*) from ts_stat('select to_tsvector(public.touch(1)::text)')",
    "ts_rewrite": "select length(ts_rewrite('a', 'select ''a''::tsquery, public.touch(1)::text::tsquery')::text)",
    "nextval": "select nextval('public.numbers')",
    "setval": "select setval('public.numbers', 99)",
    "lo_create": "select lo_create(0)::int",
    "lo_from_bytea": "select lo_from_bytea(0, 'x')::int",
    "lo_import": "select lo_import('/etc/passwd')::int",
    "read a file": "select length(pg_read_file('/etc/passwd'))",
    "list a folder": "select count(*) from pg_ls_dir('/')",
    "reload": "select pg_reload_conf()::int",
    "rotate the log": "select pg_rotate_logfile()::int",
    "switch wal": "select count(pg_switch_wal())",
    "restore point": "select count(pg_create_restore_point('x'))",
    "backup": "select count(pg_backup_start('x'))",
    "promote": "select pg_promote()::int",
    "reset statistics": "select count(pg_stat_reset())",
    "reset statements": "select count(public.pg_stat_statements_reset())",
    "slot": "select count(pg_create_physical_replication_slot('evil'))",
    "export a snapshot": "select length(pg_export_snapshot())",
    "take a transaction number": "select txid_current()",
    "sleep": "select count(pg_sleep(3600))",
    "sleep, qualified": "select count(pg_catalog.pg_sleep(3600))",
    "sleep, in capitals": "select count(PG_SLEEP(3600))",
    "sleep, quoted": 'select count("pg_sleep"(3600))',
    "sleep, in escapes": 'select count(U&"\\0070g_sleep"(3600))',
    "repeat": "select length(repeat('x', 900000000))",
    "dblink": "select count(*) from public.dblink('dbname=postgres', 'delete from public.jobs') as it(a int)",
}

FUNCTIONS_OF_THEIRS = {
    "qualified": "select public.touch(1)",
    "unqualified": "select touch(1)",
    "as an aggregate": "select public.collect(id) from public.jobs",
    "as an aggregate with a known name": "select public.count(1)",
    "in a filter": "select count(*) filter (where public.touch(1) = 1) from public.jobs",
    "in order by": "select id from public.jobs order by public.touch(id) limit 1",
    "in a limit": "select 1 limit public.touch(1)",
    "variadic": "select max(variadic array[public.touch(1)])",
    "in a cast": "select length('x'::public.trap)",
    "in a typed string": "select length(public.trap 'x')",
    "in a bare cast": "select length(cast('x' as trap))",
    "in a cast with a known name": "select '1'::public.int4",
    "in a cast to an array": "select count('{{x}}'::public.trap[])",
    "in a type of a column": "select length('x'::public.jobs.state%type)",
    "as an operator": "select (1 operator(public.<<<) 2)::int",
    "as a bare operator": "select (1 <<< 2)::int",
    "as an operator before any": "select (1 operator(public.<<<) any (select 2))::int",
    "as an operator before all of a list": "select (1 operator(public.<<<) all (array[2]))::int",
    "in pg_catalog's name": "select pg_catalog.touch(1)",
    "as a column of a row": "select (j).touch from public.jobs j limit 1",
    "as a column of a value": "select (1).touch",
    "as a column of a function": "select it.pg_sleep from abs(3600) it",
    "as a column of an element": "select it.pg_advisory_lock from unnest(array[42]) it",
    "as a column of a column": "select (a.pid).pg_terminate_backend::int from pg_stat_activity a limit 1",
    "as a column of a query": "select (select id from public.jobs limit 1).touch",
    "as an element": "select (array[public.touch(1)])[1]",
}

TEXTS = {
    "a comment": "select 1 -- '",
    "a comment in between": "select /* ' */ 1",
    "NUL": "select 1 \0; drop table public.jobs",
    "100,000 brackets": "select " + "(" * 100_000 + "1" + ")" * 100_000,
    "51 brackets": "select " + "(" * 51 + "1" + ")" * 51,
    "very many operators": "select " + " + ".join(["1"] * 1_500),
    "8 kB and one": "select '" + "x" * 7_992 + "'",
    "no end of a string": "select 'x",
    "nothing": "",
    "a bind": "select $1",
    "two columns": "select 1, 2",
    "two columns of a union": "select 1, 2 union select 3, 4",
    "a label outside quotes": "select {{ labels.x }}",
    "a label in an escape string": "select E'{{ labels.x }}'",
    "a label between dollars": "select $${{ labels.x }}$$",
    "a label as a name": 'select "{{ labels.x }}" from public.jobs',
    "a label after a function's name": "select pg_sleep '{{ labels.x }}'",
    "a label in two strings": "select 'a'\n'{{ labels.x }}'",
}

ATTACKS = {
    f"{group}: {name}": sql
    for group, several in {
        "statement": STATEMENTS,
        "part": PARTS_OF_A_SELECT,
        "function": FUNCTIONS,
        "theirs": FUNCTIONS_OF_THEIRS,
        "text": TEXTS,
    }.items()
    for name, sql in several.items()
}

# What people monitor with; each gives one number of SERVER.
LEGITIMATE = {
    "failed jobs": "select count(*) from jobs where state = 'failed'",
    "with its schema and a semicolon": "select count(*) from public.jobs;",
    "share in percent": "select 100.0 * count(*) filter (where state = 'failed') / nullif(count(*), 0) from jobs j",
    "age of the oldest": "select coalesce(extract(epoch from now() - min(created_at)), 0) from jobs",
    "lately": "select count(*) from jobs where created_at > now() - interval '5 min' and state in ('failed', 'dead')",
    "a percentile": "select percentile_cont(0.95) within group (order by id) from jobs",
    "a join": "select count(distinct a.id) from jobs a left join jobs b on a.id = b.id + 1 where b.id is not null",
    "a with": "with failed as (select id from jobs where state like 'fail%') select count(*) from failed",
    "a query below": "select max(n) from (select state, count(*) as n from jobs group by state having count(*) > 1) it",
    "exists": "select case when exists (select 1 from jobs where state = 'failed') then 1 else 0 end",
    "a union": "select sum(n) from (select count(*) n from jobs union all select count(*) from pg_stat_activity) it",
    "size": "select pg_total_relation_size('public.jobs'::regclass) / 1024",
    "size of the database": "select pg_database_size(current_database())::numeric(20, 0)",
    "sessions": "select count(*) from pg_stat_activity where state = 'active' and wait_event is distinct from 'x'",
    "share of a setting": "select 100.0 * count(*) / current_setting('max_connections')::int from pg_stat_activity",
    "statements": "select coalesce(sum(calls), 0) from pg_stat_statements",
    "replay": "select case when pg_is_in_recovery() then 1 else 0 end",
    "the catalogue": "select count(*) from information_schema.tables where table_schema not in ('pg_catalog')",
    "any of a list": "select count(*) from jobs where state = any (array['failed', 'dead'])",
    "by hour": "select count(*) from jobs where date_trunc('hour', created_at) = date_trunc('hour', now())",
}
