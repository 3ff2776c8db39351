"""The statements of one adoption, in the order in which they run."""

# `fires`: what was heard of it long ago says nothing of now. What we opened there ourselves tells nothing new.
TIED = """select kind, source, key, incident, kind = 'page' or exists (select 1 from alerts a where a.link = links.id and a.status = 0) as fires from links
          where (kind in ('alertmanager', 'grafana', 'page', 'dedup') and key = any($1::bytea[])) or (kind = 'pagerduty' and source = '' and key = $2)"""

SURVIVOR = "select coalesce(folded_into, id) from incidents where id = $1"

JOINING = "select id, state = 'open' as open_now, opened_at, resolved_at from incidents where id = any($1::bigint[]) and state <> 'folded' order by id"

# $1 the younger, $2 the elder. What was folded into the younger before is the elder's too: a marker is looked up in one step.
FOLD = (
    ("incident", """update incidents set state = 'folded', folded_into = $2, resolved_at = coalesce(resolved_at, now()) where id = $1"""),
    ("former", "update incidents set folded_into = $2 where folded_into = $1"),
    (
        "elder",
        """update incidents e set acknowledged_at = coalesce(e.acknowledged_at, y.acknowledged_at),
           acknowledged_by = case when e.acknowledged_at is null then y.acknowledged_by else e.acknowledged_by end,
           priority = case when e.priority = '' then y.priority else e.priority end,
           priority_by = case when e.priority = '' then y.priority_by else e.priority_by end,
           continues = coalesce(e.continues, nullif(y.continues, e.id)), title = case when e.title = '' then y.title else e.title end,
           resolved_at = case when e.state = 'resolved' then greatest(e.resolved_at, y.resolved_at) end,
           settled_by = case when e.state = 'resolved' and e.settled_by = '' then y.settled_by else e.settled_by end
           from incidents y where y.id = $1 and e.id = $2""",
    ),
    ("links", "update links set incident = $2 where incident = $1"),
    ("alerts", "update alerts set incident = $2, handled = false where incident = $1"),
    ("webhooks", "update webhooks set incident = $2 where incident = $1"),
    ("timeline", "update timeline t set incident = $2, what = i.slug || ': ' || t.what from incidents i where t.incident = $1 and i.id = $1"),
    ("steps", "delete from steps where incident = $1 and incident <> $2"),
    ("samples", "delete from samples where incident = $1 and incident <> $2"),
    ("sampling", "delete from work where kind = 'sample' and split_part(key, '/', 1) = $1::bigint::text and $1::bigint <> $2::bigint and not held"),
    ("work", "delete from work where kind in ('respond', 'link') and key = $1::bigint::text and key <> $2::bigint::text and not held"),
)  # fmt: skip

DELIVERIES = """select d.id, d.sink, d.object, d.state, d.foreign_id,
                exists (select 1 from links l where l.kind = 'pagerduty' and l.external_id = d.object and l.state = 'resolved') as over
                from deliveries d where d.incident = $1 order by d.id"""

DELIVERY_OF = "select id from deliveries where incident = $1 and sink = $2 and object = $3"

# The fence moves: whoever is sending for the younger cannot write down that it has.
MOVE_DELIVERY = """update deliveries set incident = $2, attempt = nextval('fence'), digest = null,
                   state = case when state = 'sending' then 'uncertain' else state end,
                   uncertain_since = case when state = 'sending' then coalesce(uncertain_since, now()) else uncertain_since end where id = $1"""

# Two of ours may stand on it: list it. At once, unless one may still be on its way, which takes its time.
TAKE_OVER = """update deliveries set attempt = nextval('fence'), digest = null, verify = verify or $2::text is not null or $3,
               state = case when foreign_id is null and $2::text is not null then 'visible' when state = 'sending' then 'uncertain' else state end,
               uncertain_since = case when state = 'sending' then coalesce(uncertain_since, now()) else uncertain_since end,
               foreign_id = coalesce(foreign_id, $2), first_at = case when $2::text is not null then coalesce(first_at, now()) else first_at end,
               delivered_at = case when $3 or state in ('sending', 'uncertain') then now()
                                   when $2::text is null then coalesce(delivered_at, now()) else now() - interval '1 minute' end
               where id = $1"""

CLOSE_DELIVERY = "update deliveries set state = 'gone', attempt = nextval('fence'), why = 'continued in another incident' where id = $1"

SAY_WHERE = """update deliveries set attempt = nextval('fence'), digest = null,
               state = case when state = 'sending' then 'uncertain' else state end where id = $1"""

SLUGS = "select y.slug as younger, e.slug as elder from incidents y, incidents e where y.id = $1 and e.id = $2"

# $1 the former incident, $2 the one that goes on, $3 the group keys, $4 the PagerDuty incident.
LEAVE = """with moved as (update links set incident = $2 where incident = $1
             and ((kind in ('alertmanager', 'grafana', 'page', 'dedup') and key = any($3::bytea[])) or (kind = 'pagerduty' and key = $4)) returning id)
           update alerts set incident = $2, handled = false where incident = $1 and status = 0 and link in (select id from moved)"""

CONTINUES = "update incidents set continues = coalesce(continues, $2) where id = $1"

GIVE_GROUPS = """update links set incident = $1 where incident is null and kind in ('alertmanager', 'grafana') and key = any($2::bytea[])"""

# Its times are of whole seconds: within one, what is over is the newer news. `before`: the state until now, null for none.
LINK_PAGED = """insert into links as l (kind, source, key, incident, external_id, url, state, told_at, read_at)
                values ('pagerduty', '', $1, $2, $3, $4, $5, $6, now())
                on conflict (kind, source, key) do update set incident = $2, seen_at = now(), read_at = now(),
                  url = case when $4 = '' then l.url else $4 end, external_id = $3,
                  state = case when l.told_at is null or l.told_at < $6 or (l.told_at = $6 and l.state <> 'resolved') then $5 else l.state end,
                  told_at = greatest(l.told_at, $6)
                returning (xmax = 0) as is_new, heard, state, told_at,
                  (select b.state from links b where b.kind = 'pagerduty' and b.source = '' and b.key = $1) as before"""

RESERVE = """insert into links as l (kind, source, key, incident, external_id) values ($1, '', $2, $3, $4)
             on conflict (kind, source, key) do update set incident = $3, external_id = $4, seen_at = now() returning id"""

DROP_MIRROR = "delete from alerts a using links l where l.id = a.link and l.kind = 'pagerduty' and l.key = $2 and a.incident = $1 and a.status = 0"

AWAITS_NO_MORE = "update incidents set awaits_until = null where id = $1 and awaits_until is not null returning id"

DROP_WAITING = "delete from deliveries where incident = $1 and sink = $2 and object = ''"

OPEN_DELIVERY = "insert into deliveries (incident, sink, object, state) values ($1, $2, $3, 'due') on conflict (incident, sink, object) do nothing"
