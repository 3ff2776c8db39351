-- Since when work waits, what was asked of targets, and what is needed to forget incidents.

-- `since`: when it was first asked for.
alter table work add column since timestamptz not null default now();

-- `stripped_at`: when its findings were forgotten; the rest of it stays as long as its incident.
alter table reports add column stripped_at timestamptz;
create index reports_whole on reports (incident) where stripped_at is null;
create index incidents_over on incidents (resolved_at) where state <> 'open';
create index incidents_continues on incidents (continues) where continues is not null;

-- The last question to each target of each pack, whichever replica asked. `why`: what kept it from answering.
create table target_looks (
    pack        text not null,
    target      text not null,
    outcome     text not null,
    why         text not null default '',
    at          timestamptz not null,
    answered_at timestamptz,
    primary key (pack, target)
);

-- How many questions, by five minutes that begin at `since`; a day of them is kept.
create table target_counts (
    pack   text not null,
    target text not null,
    since  timestamptz not null,
    asked  int not null,
    primary key (pack, target, since)
);
create index target_counts_since on target_counts (since);
