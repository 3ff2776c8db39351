-- What senders answered when they were asked, instead of telling: the last time of each, whichever replica did it.

-- `whom`: alertmanager/<source>, pagerduty …; `at`: when it was last asked, `answered_at`: when that last gave an answer.
-- `why`: the last one could not be used; empty when it could. `found`: what is to be shown or remembered of it.
create table asked (
    whom        text primary key,
    at          timestamptz not null default now(),
    answered_at timestamptz,
    why         text not null default '',
    found       jsonb not null default '{}'
);
