"""The ledger: what each sink object was shown, and what may be on its way there.

waiting → due → sending → visible → (due for an edit …); beside the path: none (nothing to report to was found),
uncertain (a send whose fate is unknown), failed (refused, with why), withheld (private), gone (there is nothing to write on any more).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from responder.model.report import Report
from responder.store.incidents import REPORT, ask_deliveries
from responder.store.lineage import MAY_LACK
from responder.store.store import Store

COLUMNS = """d.id, d.incident, d.sink, d.object, d.state, d.attempt, d.foreign_id, d.digest, d.severity_rank, d.shown_state,
             d.complete, d.uncertain_since, d.verify, d.tag, d.why, d.known_at, d.first_at, d.delivered_at,
             d.refused_at"""
BEGIN = f"""update deliveries d set attempt = $2 from incidents i where d.id = $1 and d.attempt < $2 and i.id = d.incident
            returning {COLUMNS}, i.slug, i.opened_at, i.continues, i.folded_into, i.state as incident_state, now() as now,
            exists (select 1 from deliveries o where o.incident = d.incident and o.sink = d.sink and o.id < d.id and o.first_at is not null) as earlier_object,
            {MAY_LACK} as may_lack"""
OTHERS = """select i.slug from deliveries d join incidents i on i.id = d.incident
            where d.sink = $1 and d.object = $2 and d.incident <> $3"""
SLUGS = "select id, slug from incidents where id = any($1::bigint[])"
BESIDE = ("slug", "opened_at", "continues", "folded_into", "incident_state", "now", "earlier_object", "may_lack")
SHOWN = """update deliveries set state = 'visible', foreign_id = $3, digest = $4, severity_rank = $5, shown_state = $6, complete = $7,
           why = '', uncertain_since = null, verify = $8, tag = $9, delivered_at = now(), first_at = coalesce(first_at, now())
           where id = $1 and attempt = $2 returning id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One sink object of one incident, as the ledger holds it. `attempt` is the fence."""

    id: int
    incident: int
    sink: str
    object: str
    state: str
    attempt: int
    foreign_id: str | None
    digest: bytes | None
    severity_rank: int | None
    shown_state: str | None
    complete: bool
    uncertain_since: datetime | None
    verify: bool
    tag: str
    why: str
    known_at: datetime
    first_at: datetime | None
    delivered_at: datetime | None
    refused_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A delivery that is ours to make, the report to show, and the state it was in before.

    `folded`: slugs of the incidents that this one goes on for: their marker is one of ours. `continued_in`: slug of
    the one that goes on for this one.
    """

    delivery: Delivery
    report: Report | None
    slug: str
    continues: str | None
    folded: tuple[str, ...]
    continued_in: str | None
    others: tuple[str, ...] | None
    opened_at: datetime
    incident_state: str
    now: datetime


async def begin(store: Store, number: int, fence: int) -> Begun | None:
    """Take a delivery up under a fence; None when a later worker has it, or it is gone."""
    async with store.transaction() as connection:
        row = await connection.fetchrow(BEGIN, number, fence)
        if row is None:
            return None
        report = await connection.fetchval("select body from reports where incident = $1", row["incident"])
        named = [it for it in (row["continues"], row["folded_into"]) if it is not None]
        slugs = {it["id"]: it["slug"] for it in await connection.fetch(SLUGS, named)} if named else {}
        folded = await connection.fetch(
            "select slug from incidents where folded_into = $1 order by id", row["incident"]
        )
        others = await _others(connection, row) if row["may_lack"] and row["foreign_id"] is None else None
    fields = dict(row)
    rest = {name: fields.pop(name) for name in BESIDE}
    return Begun(
        delivery=Delivery(**fields),
        report=REPORT.validate_python(report) if report else None,
        slug=rest["slug"],
        continues=rest["slug"] if rest["earlier_object"] else slugs.get(rest["continues"]),
        folded=tuple(it["slug"] for it in folded),
        continued_in=slugs.get(rest["folded_into"]),
        others=others,
        incident_state=rest["incident_state"],
        opened_at=rest["opened_at"],
        now=rest["now"],
    )


async def _others(connection: Any, row: Any) -> tuple[str, ...]:
    found = await connection.fetch(OTHERS, row["sink"], row["object"], row["incident"])
    return tuple(it["slug"] for it in found)


async def sending(store: Store, delivery: Delivery, *, uncertain: bool, tag: str) -> bool:
    """Say, before a byte leaves, that one may be under way; False when the fence has moved.

    `uncertain`: another may have arrived before. Without a `tag` it was just looked for: what is unknown is so from now.
    """
    async with store.connection() as connection:
        done = await connection.fetchval(
            """update deliveries set state = 'sending', tag = $4,
               uncertain_since = case when not $3 then null when $4 = '' then now() else least(uncertain_since, now()) end
               where id = $1 and attempt = $2 returning id""",
            delivery.id,
            delivery.attempt,
            uncertain,
            tag,
        )
        return done is not None


async def shown(
    store: Store, delivery: Delivery, *, foreign_id: str, digest: bytes, report: Report, verify: bool, tag: str
) -> bool:
    """Write down that the sink shows this report; False when the fence has moved."""
    async with store.connection() as connection:
        done = await connection.fetchval(
            SHOWN,
            delivery.id,
            delivery.attempt,
            foreign_id,
            digest,
            report.severity_rank,
            report.state,
            report.complete,
            verify,
            tag,
        )
        return done is not None


async def aside(
    store: Store,
    delivery: Delivery,
    *,
    state: str,
    why: str,
    digest: bytes | None = None,
    is_doubtful: bool = False,
    is_unsent: bool = False,
) -> bool:
    """Write down why it is not visible; False when the fence has moved.

    `digest`: of a report that was refused. `is_doubtful`: one may be there all the same, which is remembered with the
    moment when it first was so. `is_unsent`: nothing was taken this time, so a post that was to be the only blind one is
    not used up.
    """
    async with store.connection() as connection:
        done = await connection.fetchval(
            """update deliveries set state = $3, why = $4, digest = coalesce($5, digest), refused_at = case when $3 = 'failed' then now() end,
               uncertain_since = case when $6 then least(uncertain_since, now()) else uncertain_since end,
               tag = case when $7 and foreign_id is null then '' else tag end
               where id = $1 and attempt = $2 returning id""",
            delivery.id,
            delivery.attempt,
            state,
            store.redacted(why),
            digest,
            is_doubtful,
            is_unsent,
        )
        return done is not None


async def verified(store: Store, delivery: Delivery, *, foreign_id: str) -> None:
    """Nothing more to verify; this is the one that stayed. With what text is not known of another than we wrote on last."""
    async with store.connection() as connection:
        await connection.execute(
            """update deliveries set verify = false, foreign_id = $3,
               digest = case when foreign_id = $3 then digest end, shown_state = case when foreign_id = $3 then shown_state end
               where id = $1 and attempt = $2""",
            delivery.id,
            delivery.attempt,
            foreign_id,
        )


async def editing(store: Store, delivery: Delivery) -> bool:
    """Say, before a byte leaves, that what stands there may be another text from now on; False when the fence has moved."""
    async with store.connection() as connection:
        done = await connection.fetchval(
            "update deliveries set digest = null, shown_state = null where id = $1 and attempt = $2 returning id",
            delivery.id,
            delivery.attempt,
        )
        return done is not None


async def found(store: Store, delivery: Delivery, *, foreign_id: str) -> bool:
    """Say that ours stands there under this id, with whatever text, perhaps not alone; False when the fence has moved."""
    async with store.connection() as connection:
        done = await connection.fetchval(
            """update deliveries set foreign_id = $3, digest = null, shown_state = null, verify = true, tag = ''
               where id = $1 and attempt = $2 returning id""",
            delivery.id,
            delivery.attempt,
            foreign_id,
        )
        return done is not None


async def distrust(store: Store, delivery: Delivery, *, verify: bool = False) -> None:
    """What stands there may be ours, written after somebody else's: have it written anew, and listed to `verify`."""
    async with store.transaction() as connection:
        incident = await connection.fetchval(
            """update deliveries set digest = null, shown_state = null, verify = verify or $2,
               delivered_at = case when $2 then now() else delivered_at end where id = $1 returning incident""",
            delivery.id,
            verify,
        )
        if incident is not None:  # another one, perhaps, than when it was begun
            await ask_deliveries(connection, incident, sink=delivery.sink, gravity=0)


async def wait_for_object(store: Store, incident: int, sink: str, *, state: str, why: str) -> None:
    """Say that a sink has no object for this incident yet (`waiting`) or none will come (`none`)."""
    async with store.connection() as connection:
        await connection.execute(
            """insert into deliveries (incident, sink, object, state, why)
               select $1, $2, '', $3, $4 where not exists (select 1 from deliveries where incident = $1 and sink = $2 and object <> '')
               on conflict (incident, sink, object) do update set state = excluded.state, why = excluded.why""",
            incident,
            sink,
            state,
            store.redacted(why),
        )


async def of_incident(store: Store, incident: int) -> Sequence[Mapping[str, Any]]:
    """Every delivery of an incident, for people."""
    async with store.connection() as connection:
        rows = await connection.fetch(
            "select sink, object, state, why, delivered_at from deliveries where incident = $1 order by sink, id",
            incident,
        )
        return [dict(row) for row in rows]


async def pending(store: Store) -> dict[str, int]:
    """How many deliveries of each sink are not visible yet; what has no report has nothing to show."""
    async with store.connection() as connection:
        rows = await connection.fetch(
            """select sink, count(*) as n from deliveries join reports using (incident)
               where state in ('due', 'sending', 'uncertain') group by sink"""
        )
        return {row["sink"]: row["n"] for row in rows}
