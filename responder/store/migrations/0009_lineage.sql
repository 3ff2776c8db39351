-- The histories that this database has gone on from, by the timelines of its write-ahead log: a new one begins where a
-- replica is promoted or a backup is restored, and what was committed last before that may not be in it.
create table lineage (
    timeline text primary key,
    since    timestamptz not null default now()
);
