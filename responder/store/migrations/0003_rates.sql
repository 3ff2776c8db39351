-- Turns that all replicas share: how much one key or channel may be asked, whoever asks.

-- `next_at`: when all turns that were given out are used up. `waits_seconds`: what whoever asked last was told.
create table rates (
    name          text primary key,
    next_at       timestamptz not null,
    waits_seconds double precision not null default 0
);
