-- Incidents, the alerts they hold, the work that is left to do, and what was told to whom.
-- Times are the database's; keys that hash a sender's identity are bytea.

create sequence incident_number;
create sequence fence;  -- a number nobody else has, handed out with every claim of work

create table rule_sets (
    hash      bytea primary key,
    pack      text not null,
    files     jsonb not null,
    loaded_at timestamptz not null default now()
);

create table incidents (
    id               bigint primary key,
    slug             text not null unique,
    state            text not null default 'open' check (state in ('open', 'resolved', 'folded')),
    folded_into      bigint references incidents,
    continues        bigint references incidents,
    pack             text,
    rule_set         bytea references rule_sets,
    severity         text,
    severity_rank    int,
    severities       jsonb not null default '[]',
    title            text not null default '',
    opened_at        timestamptz not null default now(),
    acknowledged_at  timestamptz,
    resolved_at      timestamptz,
    first_report_due timestamptz not null,
    examined         bytea,
    known            jsonb not null default '[]',
    run              int not null default 0
);
create index incidents_open on incidents (opened_at) where state = 'open';

-- One foreign identity; `incident` is null while all that was heard of it is a resolve.
create table links (
    id          bigint generated always as identity primary key,
    kind        text not null,
    source      text not null,
    key         bytea not null,
    incident    bigint references incidents,
    external_id text not null default '',
    url         text not null default '',
    seen_at     timestamptz not null default now(),
    unique (kind, source, key)
);
create index links_incident on links (incident);

create table alerts (
    link          bigint not null references links,
    fingerprint   bytea not null,
    incident      bigint references incidents,
    status        smallint not null check (status in (0, 1)),  -- 0 firing, 1 resolved
    starts_at     timestamptz not null,
    ends_at       timestamptz,
    labels        jsonb not null,
    annotations   jsonb not null,
    generator_url text not null default '',
    handled       boolean not null default false,
    first_seen    timestamptz not null default now(),
    last_seen     timestamptz not null default now(),
    primary key (link, fingerprint)
);
create index alerts_incident on alerts (incident, status);

-- One row a webhook: what became of each alert in it. For people who ask where their alert is, and for replays.
create table webhooks (
    id       bigint generated always as identity primary key,
    at       timestamptz not null default now(),
    kind     text not null,
    source   text not null,
    key      bytea not null,
    incident bigint,
    outcome  jsonb not null
);
create index webhooks_at on webhooks (at);
create index webhooks_incident on webhooks (incident);

-- `held`: claimed and not finished. `due_at`: when it may be claimed; of a held row the end of its lease.
-- `attempt`: the fence, growing over the life of the database. `asked`/`seen`: whether it was asked for again while somebody worked on it.
create table work (
    id        bigint generated always as identity primary key,
    kind      text not null,
    key       text not null,
    due_at    timestamptz not null default now(),
    held      boolean not null default false,
    attempt   bigint not null default 0,
    asked     int not null default 1,
    seen      int not null default 0,
    failures  int not null default 0,
    waits_for text not null default '',
    gravity   smallint not null default 9,
    payload   jsonb not null default '{}',
    unique (kind, key)
);
create index work_due on work (kind, gravity, due_at);

create table steps (
    incident bigint not null references incidents,
    run      int not null,
    name     text not null,
    outcome  jsonb not null,
    at       timestamptz not null default now(),
    primary key (incident, run, name)
);

create table samples (
    incident bigint not null references incidents,
    signal   text not null,
    labels   text not null default '',
    at       timestamptz not null,
    reading  double precision,
    primary key (incident, signal, labels, at)
);

create table reports (
    incident      bigint primary key references incidents,
    version       int not null default 1,
    body          jsonb not null,
    severity_rank int not null,
    at            timestamptz not null default now()
);

create table deliveries (
    id              bigint generated always as identity primary key,
    incident        bigint not null references incidents,
    sink            text not null,
    object          text not null default '',
    state           text not null check (state in ('waiting', 'none', 'due', 'sending', 'uncertain', 'visible', 'failed', 'gone', 'withheld')),
    attempt         bigint not null default 0,
    foreign_id      text,
    digest          bytea,
    severity_rank   int,
    shown_state     text,
    complete        boolean not null default false,
    uncertain_since timestamptz,
    verify          boolean not null default false,
    tag             text not null default '',
    why             text not null default '',
    known_at        timestamptz not null default now(),
    first_at        timestamptz,
    delivered_at    timestamptz,
    refused_at      timestamptz,
    unique (incident, sink, object)
);

create table quarantine (
    id         bigint generated always as identity primary key,
    at         timestamptz not null default now(),
    kind       text not null,
    source     text not null,
    reason     text not null,
    body       text not null,
    identities jsonb not null default '{}',
    retried_at timestamptz
);

create table timeline (
    id       bigint generated always as identity primary key,
    incident bigint not null references incidents,
    at       timestamptz not null default now(),
    what     text not null
);
create index timeline_incident on timeline (incident, id);
