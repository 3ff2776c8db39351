"""What is there to ask senders about, and what they answered the last time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from responder.model.alert import Alert, AlertStatus
from responder.model.asked import Asked, Scope, Subscription
from responder.model.paged import PagedStatus
from responder.store.store import Store

SUBSCRIPTIONS = "pagerduty/subscriptions"
MOST_ABSENT = 2000  # alerts at one asking; the rest a minute later

BEGIN = """insert into asked as a (whom) values ($1)
           on conflict (whom) do update set at = now() where a.at <= now() - make_interval(secs => $2) returning at"""
REST = "select extract(epoch from at - now())::float8 + $2 from asked where whom = $1"
ANSWERED = """with former as (select why from asked where whom = $1)
              insert into asked as a (whom, answered_at, why, found)
              values ($1, case when $2::text = '' then now() end, $2::text, coalesce($3::jsonb, '{}'))
              on conflict (whom) do update set why = excluded.why, found = a.found || excluded.found,
                answered_at = coalesce(excluded.answered_at, a.answered_at)
              returning coalesce((select why from former), '') as former"""
QUIET = """from alerts a join links l on l.id = a.link join incidents i on i.id = a.incident
           where i.state = 'open' and a.status = 0 and l.kind = 'alertmanager' and l.source = $1 and a.last_seen <= now() - $2::interval"""
IS_QUIET = f"select exists (select 1 {QUIET})"
ABSENT = f"""select a.link, l.key, i.slug, a.fingerprint, a.starts_at, a.labels, a.annotations, a.generator_url {QUIET}
             and not exists (select 1 from unnest($3::bytea[]) p (fingerprint) where p.fingerprint = a.fingerprint)
             order by a.link, a.fingerprint limit $4"""
PAGED = """select l.external_id, l.state from links l join incidents i on i.id = l.incident
           where l.kind = 'pagerduty' and i.state = 'open' and l.state in ('triggered', 'acknowledged') order by l.told_at nulls first, l.id"""
HELD = "select external_id, state from links where kind = 'pagerduty' and source = '' and key = any($1::bytea[])"
FIRST = """insert into asked as a (whom) values ($1) on conflict (whom) do update set whom = $1 returning at"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A firing alert of an open incident that its Alertmanager does not have. `key`: of its group."""

    link: int
    key: bytes
    slug: str
    alert: Alert

    @property
    def name(self) -> str:
        """By which it is known again at the next asking."""
        return f"{self.link}/{self.alert.fingerprint}"


async def begin(store: Store, whom: str, *, every_seconds: float) -> tuple[datetime | None, float]:
    """Take the turn to ask: the moment by the database's clock, or None and how many seconds it is too early."""
    async with store.connection() as connection:
        at: datetime | None = await connection.fetchval(BEGIN, whom, every_seconds)
        if at is not None:
            return at, 0.0
        rest: float = await connection.fetchval(REST, whom, every_seconds)
        return None, max(rest, 0.0)


async def answered(store: Store, whom: str, why: str, found: Mapping[str, Any] | None = None) -> str:
    """Write down what came of asking; answers the `why` of the time before. `found` is put over what is there."""
    async with store.connection() as connection:
        kept = store.redacted(dict(found)) if found is not None else None
        former: str = await connection.fetchval(ANSWERED, whom, store.redacted(why), kept)
        return former


async def outcomes(store: Store) -> tuple[Asked, ...]:
    """The last asking of everybody, by name; for people who ask whether it works."""
    async with store.connection() as connection:
        rows = await connection.fetch(
            "select whom, at, answered_at, why, found from asked where whom not like 'pagerduty/since/%' order by whom"
        )
        return tuple(Asked(**row) for row in rows)


async def subscriptions(store: Store) -> tuple[Subscription, ...]:
    """PagerDuty's webhook subscriptions that lead to us, as they were when it was last asked."""
    async with store.connection() as connection:
        found = await connection.fetchval("select found from asked where whom = $1", SUBSCRIPTIONS)
        return tuple(_subscription(it) for it in (found or {}).get("subscriptions", ()))


def as_found(subscriptions: Sequence[Subscription]) -> dict[str, Any]:
    """As they are kept."""
    return {
        "subscriptions": [
            {
                "id": it.id,
                "url": it.url,
                "active": it.active,
                "scope": [it.scope.kind, it.scope.id],
                "events": list(it.events),
            }
            for it in subscriptions
        ]
    }


def _subscription(kept: Mapping[str, Any]) -> Subscription:
    kind, id_ = kept["scope"]
    return Subscription(
        id=kept["id"],
        url=kept["url"],
        active=kept["active"],
        scope=Scope(kind=kind, id=id_),
        events=tuple(kept["events"]),
    )


async def has_quiet_alerts(store: Store, source: str, quiet_for: timedelta) -> bool:
    """Whether an alert of this Alertmanager fires, in an open incident, and was not heard of for so long."""
    async with store.connection() as connection:
        found: bool = await connection.fetchval(IS_QUIET, source, quiet_for)
        return found


async def absent_alerts(
    store: Store, source: str, quiet_for: timedelta, present: Collection[str]
) -> tuple[Absent, ...]:
    """Those of them that are not among the fingerprints which are present; at most 2,000."""
    async with store.connection() as connection:
        rows = await connection.fetch(
            ABSENT, source, quiet_for, [bytes.fromhex(it) for it in sorted(present)], MOST_ABSENT
        )
        return tuple(_absent(row) for row in rows)


async def open_at_pagerduty(store: Store) -> dict[str, PagedStatus]:
    """PagerDuty incidents that open incidents of ours report to and that are open as far as we know, by id; those that
    we have heard of least lately first."""
    async with store.connection() as connection:
        return {it["external_id"]: PagedStatus(it["state"]) for it in await connection.fetch(PAGED)}


async def held_of(store: Store, ids: Collection[str]) -> dict[str, PagedStatus]:
    """What we hold of these PagerDuty incidents; those that we do not know are left out."""
    async with store.connection() as connection:
        rows = await connection.fetch(HELD, [it.encode() for it in sorted(ids)])
        return {it["external_id"]: PagedStatus(it["state"]) for it in rows if it["state"]}


async def first_asked(store: Store, scope: Scope) -> datetime:
    """When we began to look for missed incidents of this scope: what is older was never ours to report."""
    async with store.connection() as connection:
        at: datetime = await connection.fetchval(FIRST, f"pagerduty/since/{scope.name}")
        return at


def _absent(row: Any) -> Absent:
    alert = Alert(
        fingerprint=row["fingerprint"].hex(),
        status=AlertStatus.FIRING,
        starts_at=row["starts_at"],
        ends_at=None,
        labels=row["labels"],
        annotations=row["annotations"],
        generator_url=row["generator_url"],
    )
    return Absent(link=row["link"], key=row["key"], slug=row["slug"], alert=alert)
