"""Forget incidents that are over for long, with everything that hangs on them, a bounded number at a time.

An open incident is never forgotten, nor one with an alert that still fires as far as we know: its repeats would begin
a new incident. Locks are taken as acceptance takes them: the groups first, then the incidents in order of id.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from responder.store.accept_read import lock_of
from responder.store.accept_sql import LOCK
from responder.store.store import Store

MOST_INCIDENTS = 50  # in one transaction; each may have thousands of alerts
MOST_LINKS = 500
MOST_REPORTS = 500

# What was folded goes before the one that goes on for it, and not before that one is over for as long.
OVER = """from incidents i where {which} and i.state in ('resolved', 'folded') and i.resolved_at < now() - $1::interval
          and not exists (select 1 from incidents e where e.id = i.folded_into and (e.state = 'open' or e.resolved_at >= now() - $1::interval))
          and not exists (select 1 from incidents y where y.folded_into = i.id)
          and not exists (select 1 from alerts a where a.incident = i.id and a.status = 0)
          and not exists (select 1 from links l join alerts a on a.link = l.id where l.incident = i.id
                          and (a.status = 0 or a.incident <> i.id))"""
CANDIDATES = f"select i.id {OVER.format(which='true')} order by i.resolved_at limit $2"
LOCKED = f"select i.id {OVER.format(which='i.id = any($2)')} order by i.id for update of i skip locked"
GROUPS = "select kind, source, key from links where incident = any($1)"
# In this order: what refers to something goes before it.
FORGET = (
    "delete from work where kind in ('respond', 'link') and key = any(select it::text from unnest($1::bigint[]) it)",
    "delete from work where kind in ('read_note', 'sample') and split_part(key, '/', 1) = any(select it::text from unnest($1::bigint[]) it)",
    "delete from work w using deliveries d where d.incident = any($1) and w.kind = 'deliver:' || d.sink and w.key = d.id::text",
    "delete from deliveries where incident = any($1)",
    "delete from reports where incident = any($1)",
    "delete from steps where incident = any($1)",
    "delete from samples where incident = any($1)",
    "delete from timeline where incident = any($1)",
    "delete from webhooks where incident = any($1)",
    "delete from alerts where incident = any($1)",
    "delete from alerts a using links l where l.id = a.link and l.incident = any($1)",
    "delete from links where incident = any($1)",
    "update incidents set continues = null where continues = any($1)",
    "delete from incidents where id = any($1)",
)

# All that was heard of these is a resolve.
STRAY = """from links l where {which} and l.incident is null and l.seen_at < now() - $1::interval
           and not exists (select 1 from alerts a where a.link = l.id and (a.status = 0 or a.last_seen >= now() - $1::interval))"""
STRAYS = f"select l.id, l.kind, l.source, l.key {STRAY.format(which='true')} order by l.id limit $2"
STILL_STRAY = f"select l.id {STRAY.format(which='l.id = any($2)')} order by l.id for update of l skip locked"

STRIP = """update reports r set body = jsonb_set(r.body, '{findings}', '[]'), stripped_at = now() where r.incident in (
             select s.incident from reports s join incidents i on i.id = s.incident
             where s.stripped_at is null and i.state <> 'open' and i.resolved_at < now() - $1::interval
             order by s.incident limit $2 for update of s skip locked) returning r.incident"""
STEPS = """delete from steps where ctid in (select s.ctid from steps s join incidents i on i.id = s.incident
             where i.state <> 'open' and i.resolved_at < now() - $1::interval limit $2)"""
RULE_SETS = """delete from rule_sets r where not r.hash = any($1) and r.loaded_at < now() - interval '1 day'
               and not exists (select 1 from incidents i where i.rule_set = r.hash) returning r.hash"""
COUNTS = "delete from target_counts where since < now() - interval '1 day'"


async def forget_incidents(store: Store, older_than: timedelta) -> tuple[int, bool]:
    """How many were forgotten now, and whether there may be more of them."""
    async with store.transaction() as connection:
        found = [it["id"] for it in await connection.fetch(CANDIDATES, older_than, MOST_INCIDENTS)]
        if not found:
            return 0, False
        await _lock_groups(connection, await connection.fetch(GROUPS, found))
        ids = [it["id"] for it in await connection.fetch(LOCKED, older_than, found)]
        for statement in FORGET:
            await connection.execute(statement, ids)
    return len(ids), bool(ids)


async def forget_strays(store: Store, older_than: timedelta) -> bool:
    """Groups of which nothing but a resolve was ever heard; whether there may be more of them."""
    async with store.transaction() as connection:
        found = await connection.fetch(STRAYS, older_than, MOST_LINKS)
        if not found:
            return False
        await _lock_groups(connection, found)
        ids = [it["id"] for it in await connection.fetch(STILL_STRAY, older_than, [it["id"] for it in found])]
        await connection.execute("delete from alerts where link = any($1)", ids)
        await connection.execute("delete from links where id = any($1)", ids)
    return len(found) == MOST_LINKS


async def forget_findings(store: Store, older_than: timedelta) -> bool:
    """Of incidents that are over: what checks found, in their reports and beside them; whether there may be more.

    The lines that a report says of them stay.
    """
    async with store.connection() as connection:
        stripped = await connection.fetch(STRIP, older_than, MOST_REPORTS)
        done = await connection.execute(STEPS, older_than, MOST_REPORTS)
    return len(stripped) == MOST_REPORTS or done == f"DELETE {MOST_REPORTS}"


async def forget_rule_sets(store: Store, *, in_force: Collection[bytes]) -> int:
    """Rules that no incident began with; how many sets."""
    async with store.connection() as connection:
        return len(await connection.fetch(RULE_SETS, list(in_force)))


async def forget_counts(store: Store) -> None:
    """How often targets were asked, before a day ago."""
    async with store.connection() as connection:
        await connection.execute(COUNTS)


async def _lock_groups(connection: Any, groups: Collection[Any]) -> None:
    """Who takes in a webhook of one of them waits, and then reads anew."""
    await connection.execute(LOCK, [lock_of(it["kind"], it["source"], it["key"]) for it in groups])
