"""What people and programs ask of the store: lists, one incident whole, where an alert went, what is in quarantine.

Reads only, but for the mark of a retried quarantine.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from responder.errors import UsageError
from responder.model.report import Report
from responder.store.incidents import REPORT
from responder.store.migrate import migrations
from responder.store.store import Store

MOST = 1000
Row = Mapping[str, Any]

_SLUG = re.compile(r"(?:inc-)?([0-9a-hj-km-np-tv-z]{4,13})", re.IGNORECASE)
_FINGERPRINT = re.compile(r"[0-9a-f]{16}", re.IGNORECASE)
_KEY = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)

SUMMARY = """select i.id as number, i.slug, i.state, i.severity, i.severity_rank, i.title, i.pack, i.opened_at, i.acknowledged_at, i.resolved_at,
             c.slug as continues, f.slug as continued_in, (r.incident is not null) as has_report,
             (select count(*) from alerts a where a.incident = i.id) as alerts_total,
             (select count(*) from alerts a where a.incident = i.id and a.status = 0) as alerts_firing
             from incidents i left join incidents c on c.id = i.continues left join incidents f on f.id = i.folded_into
             left join reports r on r.incident = i.id"""
NEWEST = f"""{SUMMARY} where ($1::text[] is null or i.state = any($1)) and ($2::bigint is null or i.id < $2)
             order by i.id desc limit $3"""
DELIVERIES = """select incident as number, id, sink, object, state, why, tag, foreign_id, known_at, first_at, delivered_at, refused_at
                from deliveries where incident = any($1) order by incident, sink, id"""
ALERTS = """select encode(a.fingerprint, 'hex') as fingerprint, case a.status when 0 then 'firing' else 'resolved' end as status, a.starts_at,
            case a.status when 1 then a.ends_at end as ends_at, a.labels, a.annotations, a.generator_url, l.kind, l.source, a.first_seen, a.last_seen
            from alerts a join links l on l.id = a.link where a.incident = $1 order by a.status, a.starts_at, a.fingerprint limit $2"""
LINKS = """select incident as number, kind, source, encode(key, 'hex') as key, external_id, url, seen_at from links
           where incident = any($1) order by kind, source, id"""
TIMELINE = "select at, what from timeline where incident = $1 order by id desc limit $2"
# Last what senders are asked for every incident at once.
WORK = """with of (number, kind, key, object) as (
            select n, k, n::text, '' from unnest($1::bigint[]) n, unnest(array['respond', 'link']) k
            union all select d.incident, 'deliver:' || d.sink, d.id::text, d.object from deliveries d where d.incident = any($1)
            union all select n, 'read_note', w.key, split_part(w.key, '/', 2) from unnest($1::bigint[]) n
                      join work w on w.kind = 'read_note' and w.key like n || '/%'
            union all select distinct l.incident, 'ask_alertmanager', l.source, l.source from links l join incidents i on i.id = l.incident
                      where l.incident = any($1) and l.kind = 'alertmanager' and i.state = 'open'
            union all select distinct l.incident, 'ask_pagerduty', '', '' from links l join incidents i on i.id = l.incident
                      where l.incident = any($1) and l.kind = 'pagerduty' and i.state = 'open')
          select of.number, of.object, w.kind, w.since, w.due_at, w.due_at <= now() as is_due, w.held, w.failures, w.waits_for
          from of join work w on w.kind = of.kind and w.key = of.key order by w.kind like 'ask_%', w.kind, w.due_at"""
WEBHOOKS = """select id, at, kind, source, outcome from webhooks where incident = $1 order by id desc limit $2"""
ELSEWHERE = """select id, at, kind, source, outcome from webhooks where incident is null
               and (key = $1 or outcome -> 'alerts' @> $2) order by id desc limit $3"""
OF_LINK = "select distinct incident from links where incident is not null and (key = $1 or external_id = $2) order by 1"
OF_FINGERPRINT = "select distinct incident from alerts where incident is not null and fingerprint = $1 order by 1"
QUARANTINE = "select id, at, kind, source, reason, identities, retried_at, length(body) as characters from quarantine"


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAside:
    """One entry of the quarantine: why it was not understood, its redacted text, what was hashed before redaction."""

    id: int
    at: datetime
    kind: str
    source: str
    reason: str
    body: str
    identities: Mapping[str, str]
    retried_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class One:
    """One incident whole; each part is rows as the table has them. `timeline`: oldest first, the last thousand."""

    summary: Row
    report: Report | None
    alerts: Sequence[Row]
    links: Sequence[Row]
    deliveries: Sequence[Row]
    timeline: Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What is known of one name. `read_as`: what the name was taken for.

    `webhooks`: by incident; of None those that no incident came of. Newest first. `work`: what is left to do.
    """

    name: str
    read_as: Sequence[str]
    incidents: Sequence[One]
    webhooks: Mapping[int | None, Sequence[Row]]
    work: Sequence[Row]
    quarantine: Sequence[Row]


async def refuse_other_schema(store: Store) -> None:
    """Raise UsageError when the database lacks a migration of this version: reading is no reason to change it."""
    async with store.connection() as connection:
        try:
            done = {it["number"] for it in await connection.fetch("select number from migrations")}
        except asyncpg.UndefinedTableError:
            raise UsageError(
                "store: no responder has kept anything in this database; expected that of a daemon"
            ) from None
    missing = [it.name for it in migrations() if it.number not in done]
    if missing:
        raise UsageError(
            f"store: its schema is older than this version ({', '.join(missing)} is missing); "
            "start the daemon of this version first, which brings it up to date"
        )


def slug_in(text: str) -> str | None:
    """`inc-7K3F` from `inc-7k3f` or `7k3f`, None when it cannot be one."""
    found = _SLUG.fullmatch(text.strip())
    return f"inc-{found[1].upper()}" if found else None


async def listing(
    store: Store, *, states: Sequence[str] | None = None, before: int | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Incidents, newest first, each with its `deliveries`. `before`: older than this number."""
    async with store.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        rows = [dict(it) for it in await connection.fetch(NEWEST, states and list(states), before, limit)]
        told = await connection.fetch(DELIVERIES, [it["number"] for it in rows])
    return [row | {"deliveries": [dict(it) for it in told if it["number"] == row["number"]]} for row in rows]


async def number_of(store: Store, slug: str) -> int | None:
    """The number behind a slug as people may type it."""
    async with store.connection() as connection:
        number: int | None = await connection.fetchval("select id from incidents where slug = $1", slug_in(slug))
        return number


async def one(store: Store, number: int) -> One | None:
    """One incident whole, None when there is none."""
    async with store.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        return await _one(connection, number)


async def trace(store: Store, name: str, *, webhooks_most: int = 200) -> Trace:
    """Everything that a fingerprint, a group key or its SHA-256, a PagerDuty incident or a slug stands for.

    Raises UsageError for what can be no name.
    """
    if not name.strip() or "\0" in name:
        raise UsageError(
            f"{name!r} names nothing; expected a fingerprint, a group key, an incident of PagerDuty or ours"
        )
    async with store.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        numbers, read_as = await _meant(connection, name)
        found = [it for number in numbers if (it := await _one(connection, number)) is not None]
        webhooks: dict[int | None, Sequence[Row]] = {
            it.summary["number"]: _rows(await connection.fetch(WEBHOOKS, it.summary["number"], webhooks_most))
            for it in found
        }
        fingerprint = name.lower() if _FINGERPRINT.fullmatch(name) else ""
        key = _key_of(name)
        webhooks[None] = _rows(
            await connection.fetch(ELSEWHERE, key, [[fingerprint]] if fingerprint else ["-"], webhooks_most)
        )
        work = await connection.fetch(WORK, numbers)
        aside = await connection.fetch(
            f"{QUARANTINE} where identities ->> 'key' = $1 or identities ->> 'fingerprint' = $2 order by id",
            key.hex(),
            fingerprint or "-",
        )
    return Trace(
        name=name, read_as=read_as, incidents=found, webhooks=webhooks, work=_rows(work), quarantine=_rows(aside)
    )


async def waits(store: Store, number: int) -> list[dict[str, Any]]:
    """The work that is left to do for an incident, each row with what it waits for, since when, until when."""
    async with store.connection() as connection:
        return _rows(await connection.fetch(WORK, [number]))


async def quarantine(
    store: Store, *, retried: bool | None = None, before: int | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """What is in quarantine without its text, newest first. `retried`: only what was (True) or was not (False)."""
    async with store.connection() as connection:
        rows = await connection.fetch(
            f"{QUARANTINE} where ($1::bool is null or (retried_at is not null) = $1) and ($2::bigint is null or id < $2) order by id desc limit $3",
            retried,
            before,
            limit,
        )
        return _rows(rows)


async def put_aside(store: Store, number: int) -> PutAside | None:
    """One entry of the quarantine, None when there is none."""
    async with store.connection() as connection:
        row = await connection.fetchrow(
            "select id, at, kind, source, reason, body, identities, retried_at from quarantine where id = $1", number
        )
        return PutAside(**row) if row is not None else None


async def left_aside(store: Store) -> list[int]:
    """The numbers of all that was not retried yet, oldest first: in the order in which it was said."""
    async with store.connection() as connection:
        return [
            it["id"] for it in await connection.fetch("select id from quarantine where retried_at is null order by id")
        ]


async def mark_retried(store: Store, number: int) -> None:
    """Say that an entry was accepted after all; its text stays until its retention is over."""
    async with store.connection() as connection:
        await connection.execute("update quarantine set retried_at = now() where id = $1", number)


async def _one(connection: Any, number: int) -> One | None:
    summary = await connection.fetchrow(f"{SUMMARY} where i.id = $1", number)
    if summary is None:
        return None
    report = await connection.fetchval("select body from reports where incident = $1", number)
    return One(
        summary=dict(summary),
        report=REPORT.validate_python(report) if report else None,
        alerts=_rows(await connection.fetch(ALERTS, number, MOST)),
        links=_rows(await connection.fetch(LINKS, [number])),
        deliveries=_rows(await connection.fetch(DELIVERIES, [number])),
        timeline=_rows(reversed(await connection.fetch(TIMELINE, number, MOST))),
    )


async def _meant(connection: Any, name: str) -> tuple[list[int], list[str]]:
    """The incidents that a name stands for, and what it was read as; a name may fit several."""
    looked: list[tuple[str, str, tuple[Any, ...]]] = [("group key", OF_LINK, (_key_of(name), None))]
    slug = slug_in(name)
    if slug is not None:
        looked.append(("incident", "select id as incident from incidents where slug = $1", (slug,)))
    if _FINGERPRINT.fullmatch(name):
        looked.append(("fingerprint", OF_FINGERPRINT, (bytes.fromhex(name),)))
    looked.append(("incident elsewhere", OF_LINK, (name.encode("utf-8", "replace"), name)))
    found: list[int] = []
    read_as = []
    for word, query, arguments in looked:
        numbers = [it["incident"] for it in await connection.fetch(query, *arguments)]
        if numbers:
            read_as.append(word)
        found += [it for it in numbers if it not in found]
    return found, read_as


def _key_of(name: str) -> bytes:
    """The SHA-256 of a group key; of its text, unless it is written in hex already."""
    return (
        bytes.fromhex(name) if _KEY.fullmatch(name) else hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    )


def _rows(records: Any) -> list[dict[str, Any]]:
    return [dict(it) for it in records]
