-- What each series of a counter stood at, and samples that are taken while nothing is wrong.

-- `counts`: by selector, then by a hash of the series' labels.
alter table samples add column counts jsonb;

-- `watch`: the pack and the rule that looks by itself. Copied to its incident when that opens.
create table watch_samples (
    watch   text not null,
    signal  text not null,
    labels  text not null default '',
    at      timestamptz not null,
    reading double precision,
    counts  jsonb,
    primary key (watch, signal, labels, at)
);
create index watch_samples_at on watch_samples (at);
