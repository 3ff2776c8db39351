"""Whether targets answer and what sinks wait for, by all replicas: kept while they are asked, read by people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from responder.store.store import Store

LOOKS = """insert into target_looks as l (pack, target, outcome, why, at, answered_at)
           select pack, target, outcome, why, now() - make_interval(secs => ago), now() - make_interval(secs => answered)
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[]) as n (pack, target, outcome, why, ago, answered)
           order by 1, 2
           on conflict (pack, target) do update set answered_at = greatest(l.answered_at, excluded.answered_at),
             outcome = case when excluded.at >= l.at then excluded.outcome else l.outcome end,
             why = case when excluded.at >= l.at then excluded.why else l.why end, at = greatest(l.at, excluded.at)"""
COUNTS = """insert into target_counts as c (pack, target, since, asked)
            select pack, target, to_timestamp(floor(extract(epoch from now()) / 300) * 300), asked
            from unnest($1::text[], $2::text[], $3::int[]) as n (pack, target, asked) order by 1, 2
            on conflict (pack, target, since) do update set asked = c.asked + excluded.asked"""
KEPT = """select l.pack, l.target, l.outcome, l.why, l.at, l.answered_at,
          coalesce((select sum(c.asked) from target_counts c where c.pack = l.pack and c.target = l.target
                    and c.since > now() - interval '1 hour'), 0)::int as asked_last_hour
          from target_looks l order by 1, 2"""
# Its last answer counts for a minute of later questions: one that is refused beside others that are answered is no outage.
UP = """select l.target, bool_and(coalesce(l.answered_at > l.at - interval '1 minute', false)) as up
        from target_looks l join unnest($1::text[], $2::text[]) as n (pack, target) using (pack, target) group by 1"""
# What is shown as waiting: the delivery that nobody can see for the longest. What has no report has nothing to show.
SINKS = """with pending as (select d.id, d.sink, d.known_at, d.why from deliveries d join reports r on r.incident = d.incident
                            where d.state in ('due', 'sending', 'uncertain'))
           select s.sink, (select count(*) from pending p where p.sink = s.sink)::int as pending,
           count(d.id) filter (where d.state = 'waiting')::int as without_object, count(d.id) filter (where d.state = 'failed')::int as refused,
           max(d.delivered_at) as delivered_at,
           (select min(p.known_at) from pending p where p.sink = s.sink) as pending_since,
           coalesce((select case when w.waits_for <> '' then w.waits_for else p.why end from pending p
                     left join work w on w.kind = 'deliver:' || p.sink and w.key = p.id::text
                     where p.sink = s.sink order by p.known_at, p.id limit 1), '') as why
           from unnest($1::text[]) s (sink) left join deliveries d on d.sink = s.sink group by s.sink order by s.sink"""
STATES = "select sink, state, count(*) as n from deliveries group by 1, 2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one process asked of a target of late. `asked`: how many questions that were not written down yet.

    `ago`, `answered_ago`: seconds since the last outcome, and since the last answer (None: it gave none).
    """

    pack: str
    target: str
    asked: int
    outcome: str
    why: str
    ago: float
    answered_ago: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetKept:
    """The last question to a target, whichever replica asked, and how many there were in the last hour."""

    pack: str
    target: str
    outcome: str
    why: str
    at: datetime
    answered_at: datetime | None
    asked_last_hour: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkKept:
    """What goes to one sink. `pending`: deliveries that are not visible yet, since when the longest, and `why` that one;
    `without_object`: that wait for something to report to; `refused`: that the sink will not take."""

    sink: str
    pending: int
    pending_since: datetime | None
    why: str
    without_object: int
    refused: int
    delivered_at: datetime | None


async def save(store: Store, asked: Sequence[Asked]) -> None:
    """Add what one process asked; of two outcomes the newer counts."""
    rows = [(it.pack, it.target, it.outcome, store.redacted(it.why), it.ago, it.answered_ago) for it in asked]
    async with store.transaction() as connection:
        await connection.execute(LOOKS, *(list(it) for it in zip(*rows, strict=True)))
        await connection.execute(
            COUNTS, [it.pack for it in asked], [it.target for it in asked], [it.asked for it in asked]
        )


async def targets(store: Store) -> Mapping[tuple[str, str], TargetKept]:
    """By pack and target, those that were ever asked."""
    async with store.connection() as connection:
        found = [TargetKept(**row) for row in await connection.fetch(KEPT)]
    return {(it.pack, it.target): it for it in found}


async def up(store: Store, wanted: Sequence[tuple[str, str]]) -> Mapping[str, bool]:
    """Of these packs' targets by name, those that any replica has asked: whether each was answered when it was last
    asked; of several with one name, whether all were."""
    async with store.connection() as connection:
        found = await connection.fetch(UP, [pack for pack, _ in wanted], [target for _, target in wanted])
    return {row["target"]: row["up"] for row in found}


async def sinks(store: Store, names: Sequence[str]) -> tuple[SinkKept, ...]:
    """One a name, in order of the names."""
    async with store.connection() as connection:
        return tuple(SinkKept(**row) for row in await connection.fetch(SINKS, list(names)))


async def delivery_states(store: Store) -> Sequence[Mapping[str, Any]]:
    """`sink`, `state`, `n`: how many deliveries are in which state."""
    async with store.connection() as connection:
        return [dict(row) for row in await connection.fetch(STATES)]
