-- PagerDuty's side of an incident: what was heard of it and when, who settled it, which webhooks were seen before.

-- `state`, `told_at`: of a PagerDuty incident its status and the moment it is from, so that older news is known as such.
-- `heard`: its own webhooks come, so its end will be heard. `read_at`: when it was last asked about; null: to be asked.
alter table links
    add column state text not null default '',
    add column told_at timestamptz,
    add column heard boolean not null default false,
    add column read_at timestamptz;
create index links_key on links (key);  -- a PagerDuty alert's key is the key of an Alertmanager group

-- `settled_by`: who resolved it at PagerDuty, whatever its alerts say. `awaits_until`: its alerts' own webhook may still come.
-- `priority`: set by a person at PagerDuty, empty for none.
alter table incidents
    add column settled_by text not null default '',
    add column acknowledged_by text not null default '',
    add column awaits_until timestamptz,
    add column priority text not null default '',
    add column priority_by text not null default '';
create index incidents_folded on incidents (folded_into) where folded_into is not null;

create index deliveries_foreign on deliveries (sink, foreign_id) where foreign_id is not null;

-- SHA-256 of what a sender names one webhook by; a second copy starts nothing.
create table receipts (
    kind text not null,
    id   bytea not null,
    at   timestamptz not null default now(),
    primary key (kind, id)
);
create index receipts_at on receipts (at);
