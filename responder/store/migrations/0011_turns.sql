-- A rate is kept over the last minute as it was, not by a pause between turns: a burst may use most of it at once.

-- `given`: turns of each of 61 seconds, the newest first; `newest`: its second since 1970. Whoever does not know them
-- still keeps to `next_at`.
alter table rates
    add column newest bigint not null default 0,
    add column given integer[] not null default array_fill(0, array[61]);
