"""What the store holds of the groups that a batch of webhooks speaks of, read under their locks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from responder.model.alert import AlertStatus, Webhook
from responder.model.folding import ALSO_AT_PAGERDUTY, RESERVED, GroupKey, Held, HeldGroup
from responder.model.incident import PAGE
from responder.model.paged import PagedStatus
from responder.store import accept_sql as sql
from responder.store.accept_write import columns
from responder.store.afresh import all_locked


def lock_of(kind: str, source: str, key: bytes) -> str:
    """What two writers must not change at once. A group that PagerDuty knows as well has one lock with its alert key."""
    return f"{RESERVED}/{key.hex()}" if kind in ALSO_AT_PAGERDUTY else f"{kind}/{source}/{key.hex()}"


async def copies_among(connection: Any, webhooks: Sequence[Webhook]) -> frozenset[int]:
    """The places of webhooks that were accepted before, or stand earlier in this very batch."""
    named = [(it.kind, [sha256(receipt.encode()).digest() for receipt in it.receipts]) for it in webhooks]
    wanted = sorted({(kind, receipt) for kind, receipts in named for receipt in receipts})
    if not wanted:
        return frozenset()
    rows = await connection.fetch(sql.RECEIPTS, *columns(wanted, 2))
    fresh = {(it["kind"], it["id"]) for it in rows}
    copies = set()
    for place, (kind, receipts) in enumerate(named):
        if any((kind, it) not in fresh for it in receipts):
            copies.add(place)
        fresh.difference_update((kind, it) for it in receipts)
    return frozenset(copies)


async def known_as_ours(connection: Any, webhooks: Sequence[Webhook]) -> Sequence[Webhook]:
    """Mark events about notes that the ledger knows as ours: nothing may be started by our own writing."""
    notes = {it.event.note for it in webhooks if it.event and it.event.note}
    ours = {row["foreign_id"] for row in await connection.fetch(sql.OUR_NOTES, sorted(notes))} if notes else set()
    return [
        replace(it, event=replace(it.event, is_ours=True)) if it.event and it.event.note in ours else it
        for it in webhooks
    ]


async def held_of(connection: Any, keys: Sequence[GroupKey], webhooks: Sequence[Webhook]) -> dict[GroupKey, HeldGroup]:
    """What the store holds of these groups; the incidents' rows are locked, always in order of id."""
    reserves = ((RESERVED, "", key) for kind, _, key in keys if kind in ALSO_AT_PAGERDUTY)
    places = sorted({*keys, *reserves, *pages_among(webhooks)})
    rows = await connection.fetch(sql.GROUPS, *columns(places, 3)) if keys else []
    if not rows:
        return {}
    locked = {it["incident"] for it in rows if it["incident"] is not None}
    await connection.execute(sql.LOCK_INCIDENTS, sorted(locked))
    rows = await connection.fetch(sql.GROUPS, *columns(places, 3))
    all_locked(locked, {it["incident"] for it in rows if it["incident"] is not None})
    reserved = {it["key"]: it for it in rows if it["kind"] == RESERVED}
    paged = {it["key"]: it for it in rows if it["kind"] == PAGE}
    rows = [it for it in rows if it["kind"] not in (RESERVED, PAGE)]
    links = {(it["kind"], it["source"], it["key"]): it["id"] for it in rows}
    wanted = sorted(
        {
            (links[key], bytes.fromhex(alert.fingerprint))
            for it in webhooks
            if (key := (it.kind, it.source, it.key)) in links
            for alert in it.alerts
        }
    )
    cut = [links[key] for it in webhooks if it.ends_others_until and (key := (it.kind, it.source, it.key)) in links]
    states: dict[int, dict[str, Held]] = {link: {} for link in links.values()}
    found = await connection.fetch(sql.STATES, *columns(wanted, 2))
    found += await connection.fetch(sql.FIRING, cut) if cut else []
    for row in found:
        states[row["link"]][row["fingerprint"].hex()] = Held(
            status=AlertStatus(row["status"]), starts_at=row["starts_at"], ends_at=row["ends_at"]
        )
    groups = {(it["kind"], it["source"], it["key"]): _held_group(it, it, states[it["id"]]) for it in rows}
    for key in keys:
        place = reserved.get(key[2]) if key[0] in ALSO_AT_PAGERDUTY else None
        known = groups.get(key)
        if place is None:
            continue
        if known is not None and known.incident is not None:  # it was here before PagerDuty told of it anew
            groups[key] = replace(known, reserved=place["id"])
        else:
            groups[key] = replace(
                _held_group(place, None, known.alerts if known else {}),
                link=known.link if known else None,
                reserved=place["id"],
            )
    groups |= await _answers_to_pages(connection, webhooks, groups, paged)
    return groups


async def _answers_to_pages(
    connection: Any, webhooks: Sequence[Webhook], groups: Mapping[GroupKey, HeldGroup], paged: Mapping[bytes, Any]
) -> dict[GroupKey, HeldGroup]:
    """An incident that PagerDuty made because we paged is ours, and no second one. One for each page: a title is a
    stranger's text, and may name a page that has its answer."""
    answers: dict[GroupKey, HeldGroup] = {}
    incidents = [it["incident"] for it in paged.values() if it["incident"] is not None]
    if not incidents:
        return answers
    answered = {it["incident"] for it in await connection.fetch(sql.CALLED, incidents)}
    for it in webhooks:
        key = (it.kind, it.source, it.key)
        place = paged.get(it.event.page_key) if it.event is not None else None
        if place is not None and place["incident"] not in answered and key not in groups:
            answers[key] = _held_group(place, None, {})
            answered.add(place["incident"])
    return answers


def pages_among(webhooks: Sequence[Webhook]) -> set[GroupKey]:
    """Where what we opened at PagerDuty ourselves would be held."""
    return {(PAGE, "", it.event.page_key) for it in webhooks if it.event is not None and it.event.page_key}


def _held_group(incident: Any, link: Any, alerts: Mapping[str, Held]) -> HeldGroup:
    return HeldGroup(
        link=link["id"] if link else None,
        incident=incident["incident"],
        open_now=incident["open_now"],
        resolved_at=incident["resolved_at"],
        settled=incident["settled"],
        alerts=alerts,
        status=PagedStatus(link["state"]) if link and link["state"] else None,
        told_at=link["told_at"] if link else None,
        has_priority=incident["has_priority"],
    )
