"""What is left to do: rows that are claimed, leased, fenced and finished. PostgreSQL is the engine.

A row is one (kind, key). Asking twice is asking once; asking while somebody works on it makes it due again when
they finish. Whoever claims a row gets an `attempt`, a number that nobody had before: every later write names it,
so a worker that slept through its lease changes nothing (a fencing token).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from responder.errors import LeaseLost
from responder.store.store import Store

CHANNEL = "responder_work"

# What a row is asked for with while it is held stands apart, until whoever holds it has written down what is left.
ASKED_AGAIN = """on conflict (kind, key) do update set asked = w.asked + 1, gravity = least(w.gravity, excluded.gravity),
             payload = w.payload || case when w.held and excluded.payload <> '{}' then
                 jsonb_build_object('asked', coalesce(w.payload->'asked', '{}') || excluded.payload) else excluded.payload end,
             due_at = case when w.held then w.due_at else least(w.due_at, excluded.due_at) end"""
# Of all databases of the server there is one queue, which any client that stands still in a transaction fills, and then
# nobody commits who notifies. Without a wake-up the work is found a second later.
WAKE = f"case when pg_notification_queue_usage() < 0.5 then pg_notify('{CHANNEL}', '') end"
ASK = f"""with asked as (insert into work as w (kind, key, due_at, gravity, payload)
         select kind, key, now() + make_interval(secs => $4), gravity, $5 from unnest($1::text[], $2::text[], $3::smallint[]) as a (kind, key, gravity)
         order by 1, 2 {ASKED_AGAIN})
         select {WAKE}"""
ASK_ONCE = (
    "insert into work (kind, key) select * from unnest($1::text[], $2::text[]) order by 1, 2 on conflict do nothing"
)
CLAIM = """update work w set attempt = nextval('fence'), held = true, seen = asked, due_at = now() + make_interval(secs => $3),
             payload = (payload - 'asked') || coalesce(payload->'asked', '{}')
           from (select id from work where kind = $1 and due_at <= now() - make_interval(secs => $4)
                 order by gravity, due_at limit $2 for update skip locked) c
           where w.id = c.id returning w.id, w.kind, w.key, w.attempt, w.failures, w.payload"""
RENEW = (
    "update work set due_at = now() + make_interval(secs => $3) where id = $1 and attempt = $2 and held returning id"
)
# A look that comes again is routine; what waits for PagerDuty stays as grave as its incident: P1 before P3 in a backlog.
REST = """update work set held = false, gravity = case when kind = 'respond' then 9 else gravity end, failures = $4, waits_for = $5,
          payload = (payload - 'asked') || $6 || coalesce(payload->'asked', '{}'),
          due_at = case when asked > seen then now() else now() + make_interval(secs => $3) end
          where id = $1 and attempt = $2 returning id"""
END = "delete from work where id = $1 and attempt = $2 and asked = seen returning id"
# The first of each gravity by the index: open incidents have a resting row each, and this is asked at every turn.
NEXT_DUE = """select extract(epoch from min(first.due_at) - now())::float8 from unnest($1::text[]) k,
              lateral (select min(gravity)::int as gravest, max(gravity)::int as mildest from work where kind = k) r,
              lateral generate_series(r.gravest, r.mildest) g,
              lateral (select due_at from work where kind = k and gravity = g order by due_at limit 1) first"""
AGE = """select coalesce(extract(epoch from max(now() - due_at)), 0)::float8 as oldest,
         count(*) filter (where due_at < now() - make_interval(secs => $1)) as overdue from work where due_at < now() and kind = any($2)"""

# A row that is always there once a replica with a key for PagerDuty has started; while one runs it is done each minute.
IS_PAGERDUTY_ASKED = "exists (select 1 from work where kind = 'ask_pagerduty' and due_at > now() - interval '1 hour')"
BEHIND = """select k from unnest($1::text[]) k
            where exists (select 1 from work where kind = k and due_at < now() - make_interval(secs => $2)) order by k"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One piece of work to be done; `gravity` 0 is claimed first, and of two asks the graver one counts."""

    kind: str
    key: str
    gravity: int = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A row that is ours until the lease ends; `attempt` is the fence."""

    id: int
    kind: str
    key: str
    attempt: int
    failures: int
    payload: Mapping[str, Any] = field(default_factory=dict)


async def ask(
    connection: Any, asks: Sequence[Ask], *, in_seconds: float = 0.0, payload: Mapping[str, Any] | None = None
) -> None:
    """Ask for work inside the caller's transaction; whoever waits is woken at its commit."""
    if not asks:
        return
    await connection.execute(
        ASK,
        [it.kind for it in asks],
        [it.key for it in asks],
        [it.gravity for it in asks],
        in_seconds,
        dict(payload or {}),
    )


async def ask_once(connection: Any, asks: Sequence[Ask]) -> None:
    """Ask for work that nobody has asked for; what is there already stays due when it is."""
    await connection.execute(ASK_ONCE, [it.kind for it in asks], [it.key for it in asks])


async def claim(
    store: Store, kind: str, *, limit: int, lease_seconds: float, due_for_seconds: float = 0.0
) -> list[Claimed]:
    """Take up to `limit` rows of a kind that are due, for so long at least: gravest first, then longest due."""
    async with store.housekeeping() as connection:
        found = await connection.fetch(CLAIM, kind, limit, lease_seconds, due_for_seconds)
        return [Claimed(**row) for row in found]


async def renew(store: Store, row: Claimed, *, lease_seconds: float) -> None:
    """Go on holding a row; raises LeaseLost when somebody else holds it by now."""
    async with store.housekeeping() as connection:
        if await connection.fetchval(RENEW, row.id, row.attempt, lease_seconds) is None:
            raise LeaseLost(f"{row.kind} {row.key}")


async def finish(
    store: Store,
    row: Claimed,
    *,
    next_in: float | None = None,
    failures: int = 0,
    waits_for: str = "",
    payload: Mapping[str, Any] | None = None,
) -> None:
    """Let go of a row: it is over, unless it was asked for meanwhile, or `next_in` seconds say when it is due again."""
    async with store.housekeeping() as connection:
        if next_in is None and await connection.fetchval(END, row.id, row.attempt) is not None:
            return
        await connection.fetchval(
            REST, row.id, row.attempt, next_in or 0.0, failures, store.redacted(waits_for), dict(payload or {})
        )


async def payload_of(store: Store, kind: str, key: str) -> Mapping[str, Any]:
    """What a row remembers; nothing where there is none."""
    async with store.connection() as connection:
        return await connection.fetchval("select payload from work where kind = $1 and key = $2", kind, key) or {}


async def next_due_in(store: Store, kinds: Sequence[str]) -> float | None:
    """Seconds until the next row of these kinds is due (0 or less: now), None when there is none."""
    async with store.housekeeping() as connection:
        seconds: float | None = await connection.fetchval(NEXT_DUE, list(kinds))
        return seconds


async def backlog(store: Store, kinds: Sequence[str], *, lease_seconds: float) -> tuple[float, int]:
    """Of these kinds: seconds that the longest due row has been due, and how many are overdue by more than a lease."""
    async with store.connection() as connection:
        row = await connection.fetchrow(AGE, lease_seconds, list(kinds))
        return row["oldest"], row["overdue"]


async def behind(store: Store, kinds: Sequence[str], *, by_seconds: float) -> list[str]:
    """Of these kinds those with a row that has been due for longer than that."""
    async with store.housekeeping() as connection:
        return [it["k"] for it in await connection.fetch(BEHIND, list(kinds), by_seconds)]
