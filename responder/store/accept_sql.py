"""The statements of one acceptance, in the order in which they run. Every one is set-wise and takes sorted keys."""

from responder.store.work import ASKED_AGAIN, IS_PAGERDUTY_ASKED, WAKE

# Answers what time it is. A plan that was made while a table was small stays in use while it grows; who locks groups looks
# for few rows by their keys.
LOCK = """select now(), set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
          set_config('enable_mergejoin', 'off', true), (select count(pg_advisory_xact_lock(h) is null) from
          (select distinct hashtextextended(k, 0) h from unnest($1::text[]) k order by 1) q)"""

RECEIPTS = """insert into receipts (kind, id) select * from unnest($1::text[], $2::bytea[]) order by 1, 2
              on conflict do nothing returning kind, id"""

OUR_NOTES = "select foreign_id from deliveries where sink = 'pagerduty_note' and foreign_id = any($1::text[])"

GROUPS = """select l.id, l.kind, l.source, l.key, l.incident, l.state, l.told_at, coalesce(i.state = 'open', false) as open_now,
            i.resolved_at, coalesce(i.settled_by, '') <> '' as settled, coalesce(i.priority <> '' or i.priority_by <> '', false) as has_priority
            from links l join unnest($1::text[], $2::text[], $3::bytea[]) as w (kind, source, key) using (kind, source, key)
            left join incidents i on i.id = l.incident"""

LOCK_INCIDENTS = "select id from incidents where id = any($1::bigint[]) order by id for update"

STATES = """select a.link, a.fingerprint, a.status, a.starts_at, a.ends_at from alerts a
            join unnest($1::bigint[], $2::bytea[]) as w (link, fingerprint) using (link, fingerprint)"""

CALLED = """select distinct incident from links where incident = any($1::bigint[]) and kind = 'pagerduty'
            and state in ('triggered', 'acknowledged')"""

FIRING = (
    "select link, fingerprint, status, starts_at, ends_at from alerts where link = any($1::bigint[]) and status = 0"
)

# What is new gets its numbers before it is written, so that nothing that is written waits for what another row was given.
NUMBERS = """select array(select nextval('incident_number') from generate_series(1, $1)) as incidents,
             array(select nextval('links_id_seq') from generate_series(1, $2)) as links"""

REOPEN = """update incidents set state = 'open', resolved_at = null, settled_by = '', acknowledged_at = null, acknowledged_by = '',
            priority = '', priority_by = '' where id = any($1::bigint[])"""

READ_AGAIN = "update links set read_at = null where kind = 'pagerduty' and incident = any($1::bigint[])"

HEARD = """update links l set state = n.state, told_at = n.told_at, heard = true, read_at = case when n.again then null else l.read_at end
           from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::boolean[]) as n (id, state, told_at, again) where l.id = n.id"""

TAKEN = """update incidents set acknowledged_at = $2::timestamptz, acknowledged_by = $3
           where id = $1 and (acknowledged_at is null or $2::timestamptz is null) returning id"""

PRIORITY = "update incidents set priority = $2, priority_by = $3 where id = $1"

END_PAGED = """update alerts a set status = 1, ends_at = $3, last_seen = now(), handled = false from links l
               where l.id = a.link and a.incident = $1 and a.status = 0 and l.kind in ('dedup', 'pagerduty') and l.external_id = $2"""

# What began after it was resolved, at $3, was not settled by that, however late we hear of it.
SETTLE_PAGED = """update incidents i set state = 'resolved', resolved_at = now(), settled_by = $2 where i.id = $1 and i.state = 'open'
                  and not exists (select 1 from links l where l.incident = i.id and l.kind = 'pagerduty' and l.state in ('triggered', 'acknowledged'))
                  and not exists (select 1 from alerts a where a.incident = i.id and a.status = 0 and a.starts_at > $3)
                  and not exists (select 1 from links w where w.incident = i.id and w.kind = 'watch' and w.state = 'breach' and w.seen_at > $3)
                  returning i.id"""

ADOPTED = "update incidents set awaits_until = null where id = any($1::bigint[])"

FORGET_RESERVED = "delete from alerts where link = any($1::bigint[])"

UNRESERVE = "delete from links where id = any($1::bigint[])"

# `$1`: a JSON list of rows. As columns each value would be looked at and encoded by itself, in Python, where the time is short.
ALERTS = """insert into alerts as a (link, fingerprint, incident, status, starts_at, ends_at, labels, annotations, generator_url)
            select (r->>0)::bigint, decode(r->>1, 'hex'), (r->>2)::bigint, (r->>3)::smallint, (r->>4)::timestamptz, (r->>5)::timestamptz, r->6, r->7, r->>8
            from jsonb_array_elements($1::text::jsonb) r
            order by 1, 2
            on conflict (link, fingerprint) do update set incident = excluded.incident, status = excluded.status,
              starts_at = excluded.starts_at, ends_at = excluded.ends_at, labels = excluded.labels,
              annotations = excluded.annotations, generator_url = excluded.generator_url, last_seen = now(), handled = false"""

REFRESH = """update alerts a set annotations = n.annotations::jsonb, last_seen = now()
             from unnest($1::bigint[], $2::bytea[], $3::text[]) as n (link, fingerprint, annotations)
             where a.link = n.link and a.fingerprint = n.fingerprint"""

END = """update alerts a set status = 1, ends_at = n.ends_at, last_seen = now(), handled = false
         from unnest($1::bigint[], $2::bytea[], $3::timestamptz[]) as n (link, fingerprint, ends_at)
         where a.link = n.link and a.fingerprint = n.fingerprint"""

# What a rule opened by itself, or joined, is settled by that rule: `store/watches.py`.
SETTLE = """update incidents i set state = 'resolved', resolved_at = now()
            where i.id = any($1::bigint[]) and i.state = 'open'
              and not exists (select 1 from alerts a where a.incident = i.id and a.status = 0)
              and not exists (select 1 from links l where l.incident = i.id and l.kind = 'watch' and l.state = 'breach') returning i.id"""

# New incidents, their links, alerts and what became of each webhook: one statement, as each costs a way there and back.
KEEP = f"""with kept as ({ALERTS}),
             opened as (insert into incidents (id, slug, continues, title, first_report_due, awaits_until)
               select id, slug, continues, title, now() + $7, case when paged then now() + $8 end
               from unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::boolean[]) as n (id, slug, continues, title, paged)),
             noted as (insert into webhooks (kind, source, key, incident, outcome)
               select kind, source, key, incident, outcome::jsonb
               from unnest($9::text[], $10::text[], $11::bytea[], $12::bigint[], $13::text[]) as n (kind, source, key, incident, outcome)),
             linked as (insert into links as l (kind, source, key, id, incident, url, external_id) overriding system value
               select * from unnest($14::text[], $15::text[], $16::bytea[], $17::bigint[], $18::bigint[], $19::text[], $20::text[]) order by 1, 2, 3
               on conflict (kind, source, key) do update set incident = excluded.incident, url = excluded.url, seen_at = now()
               returning id)
           select id from linked"""

# A person settled the former incident of a group while some of it fired, and still does: it is of the new one now.
TAKE_ALONG = """update alerts a set incident = n.incident, handled = false from unnest($1::bigint[], $2::bigint[]) as n (link, incident)
                where a.link = n.link and a.status = 0 and a.incident is distinct from n.incident"""

QUARANTINE = """insert into quarantine (kind, source, reason, body, identities)
                select kind, source, reason, body, identities::jsonb
                from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) as n (kind, source, reason, body, identities)"""

# What happened, and what is to be done: likewise. `$7`: whether to wake who waits for work.
# `$8`: whether we ask PagerDuty ourselves; else a replica that was set up otherwise may do it.
TELL = f"""with lined as (insert into timeline (incident, what) select * from unnest($1::bigint[], $2::text[])),
             asked as (insert into work as w (kind, key, gravity, payload)
               select kind, key, gravity, payload::jsonb from unnest($3::text[], $4::text[], $5::smallint[], $6::text[]) as a (kind, key, gravity, payload)
               where kind <> 'link' or $8 or {IS_PAGERDUTY_ASKED}
               order by 1, 2 {ASKED_AGAIN})
           select {WAKE} where $7::boolean"""
