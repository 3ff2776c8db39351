"""Alerts that fire and whose end, which they stated at their beginning, has passed."""

from __future__ import annotations

from dataclasses import dataclass

from responder.model.alert import Alert, AlertStatus
from responder.store.store import Store

OVER = """select l.kind, l.source, l.key, i.slug, a.fingerprint, a.starts_at, a.ends_at, a.labels, a.annotations, a.generator_url
          from incidents i join alerts a on a.incident = i.id and a.status = 0 join links l on l.id = a.link
          where (i.state = 'open' or i.resolved_at > now() - interval '1 day') and a.ends_at <= now() order by a.link, a.fingerprint limit $1"""
MOST = 200  # a round; the next one ends the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """One of them, with its group and the incident's slug."""

    kind: str
    source: str
    key: bytes
    slug: str
    alert: Alert


async def over(store: Store) -> tuple[Over, ...]:
    """By the database's clock."""
    async with store.connection() as connection:
        rows = await connection.fetch(OVER, MOST)
    return tuple(
        Over(
            kind=it["kind"],
            source=it["source"],
            key=it["key"],
            slug=it["slug"],
            alert=Alert(
                fingerprint=it["fingerprint"].hex(),
                status=AlertStatus.FIRING,
                starts_at=it["starts_at"],
                ends_at=it["ends_at"],
                labels=it["labels"],
                annotations=it["annotations"],
                generator_url=it["generator_url"],
            ),
        )
        for it in rows
    )
