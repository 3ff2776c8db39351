"""What should have happened by now and has not: reports that nobody can see yet, and work that nobody does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from responder.store.store import Store
from responder.store.work import Ask, ask, backlog

MOST = 1000

# No report was made: of an incident without a matching rule, all alerts are handled all the same.
UNREPORTED = """select i.id, i.slug from incidents i where i.state <> 'folded' and i.first_report_due < now() - $1::interval
                and exists (select 1 from alerts a where a.incident = i.id and not a.handled and a.first_seen < now() - $2::interval)
                and not exists (select 1 from reports r where r.incident = i.id) order by i.first_report_due limit $3"""
UNSEEN = """select d.id, d.sink, i.slug from deliveries d join incidents i on i.id = d.incident join reports r on r.incident = i.id
            where i.state <> 'folded' and d.state in ('due', 'sending', 'uncertain') and d.first_at is null and d.sink = any($1)
            and greatest(d.known_at, i.opened_at) < now() - $2::interval order by d.known_at limit $3"""
WITHOUT_ROW = """select kind, key from unnest($1::text[], $2::text[]) as w (kind, key)
                 where not exists (select 1 from work x where x.kind = w.kind and x.key = w.key)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """`incidents`: slugs of those whose first report is late, longest first, at most 1,000. `work`: rows that are due
    for longer than a lease. `lost`: pieces of work for those incidents that nobody would have done."""

    incidents: tuple[str, ...] = ()
    work: int = 0
    lost: tuple[Ask, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.incidents or self.work)


async def overdue(
    store: Store,
    kinds: Sequence[str],
    sinks: Sequence[str],
    *,
    lease_seconds: float,
    within: timedelta,
    margin: timedelta,
) -> Overdue:
    """`kinds`: those that this process does; `sinks`: those that are told; `within`: what a first report may take, from
    the moment when both the incident and the sink's object are known; `margin`: after which it is late."""
    async with store.connection() as connection:
        unreported = await connection.fetch(UNREPORTED, margin, within + margin, MOST)
        unseen = await connection.fetch(UNSEEN, list(sinks), within + margin, MOST)
        wanted = [("respond", str(it["id"])) for it in unreported]
        wanted += [(f"deliver:{it['sink']}", str(it["id"])) for it in unseen]
        lost = await connection.fetch(WITHOUT_ROW, [it[0] for it in wanted], [it[1] for it in wanted]) if wanted else []
    _, work = await backlog(store, kinds, lease_seconds=lease_seconds)
    return Overdue(
        incidents=tuple(dict.fromkeys(it["slug"] for it in (*unreported, *unseen))),
        work=work,
        lost=tuple(Ask(kind=it["kind"], key=it["key"]) for it in lost),
    )


async def ask_again(store: Store, lost: Sequence[Ask]) -> None:
    """Have it done after all."""
    async with store.transaction() as connection:
        await ask(connection, lost)
