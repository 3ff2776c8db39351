"""The rules that an incident began with; and what becomes of it where this version cannot read them.

That is so while versions change one replica after another: an older one must not end what it does not understand, nor
judge it by other rules, as long as a newer one may take it up. Nor may one whose rule folder lacks the pack that would
take it, for a while, where another replica has that in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from responder.errors import UsageError
from responder.model.incident import HeldAlert, Incident
from responder.model.pack import Pack
from responder.rules.packs import pack_for, pack_from_files
from responder.store import incidents
from responder.store import work as rows
from responder.store.incidents import Seen
from responder.work.desk import Desk, Next

UNREAD_AGAIN_SECONDS = 5.0
UNREAD_SECONDS = 180.0  # longer than two versions run side by side; then the present rules are better than none
MOST_FORMER = 32  # sets that open incidents began with, kept at hand
LACKING_SECONDS = 30.0  # before it is overdue: it may have been taken away here on purpose, everywhere
LACKING_AGAIN_SECONDS = 1.0
UNREAD = "unread"
REPLACED = "The rules that this incident started with cannot be read any more; {} is used as it is now."
log = structlog.get_logger()


class RulesUnreadable(UsageError):
    """This version cannot read the rules of that pack. `present`: the pack of that name as it is in force here."""

    def __init__(self, name: str, why: str, present: Pack | None) -> None:
        super().__init__(f"the rules of {name} that it began with cannot be read by this version: {why}")
        self.name, self.why, self.present = name, why, present


@dataclass(frozen=True, slots=True, kw_only=True)
class BeganWith:
    """`pack` None: no pack takes the incident, or it `waits`. `notices`: what people should know of that; `payload`:
    what the row of the look has to remember."""

    pack: Pack | None
    waits: Next | None = None
    notices: tuple[str, ...] = ()
    payload: Mapping[str, object] = field(default_factory=dict)


async def began_with(desk: Desk, seen: Seen) -> BeganWith:
    """Where this version cannot read them it is left to who can; once nobody could for minutes, the present ones do."""
    incident = seen.incident
    try:
        pack = await pack_of(desk, incident)
        return await _left_to_who_has_it(desk, seen) if pack is None else BeganWith(pack=pack)
    except RulesUnreadable as unreadable:
        kept = await rows.payload_of(desk.store, "respond", str(incident.id))
        since = _unread_since(kept.get(UNREAD), incident.run, seen.now)
        if unreadable.present is not None and (seen.now - since).total_seconds() >= UNREAD_SECONDS:
            log.warning("rules.replaced", incident=incident.slug, pack=unreadable.name, why=unreadable.why)
            # This look counts as one as well: the next one is not to wait anew.
            kept_on = _unread(since, incident.run + 1)
            return BeganWith(pack=unreadable.present, notices=(REPLACED.format(unreadable.name),), payload=kept_on)
        if since == seen.now:
            log.warning("rules.unreadable", incident=incident.slug, pack=unreadable.name, why=unreadable.why)
        waits_for = f"a replica that can read the rules of {unreadable.name} that it began with"
        left = Next(in_seconds=UNREAD_AGAIN_SECONDS, waits_for=waits_for, payload=_unread(since, incident.run))
        return BeganWith(pack=None, waits=left)


async def _left_to_who_has_it(desk: Desk, seen: Seen) -> BeganWith:
    """No pack takes it here: wait a little for a replica that has one which does."""
    lacking = await _lacking(desk, seen.incident)
    if lacking is None:
        return BeganWith(pack=None)
    kept = await rows.payload_of(desk.store, "respond", str(seen.incident.id))
    since = _unread_since(kept.get(UNREAD), seen.incident.run, seen.now)
    if since == seen.now:
        log.warning("rules.lacking", incident=seen.incident.slug, pack=lacking.name)
    elif (seen.now - since).total_seconds() >= LACKING_SECONDS:
        return BeganWith(pack=None)
    waits_for = f"a replica that has the pack {lacking.name}"
    payload = _unread(since, seen.incident.run)
    return BeganWith(pack=None, waits=Next(in_seconds=LACKING_AGAIN_SECONDS, waits_for=waits_for, payload=payload))


async def _lacking(desk: Desk, incident: Incident) -> Pack | None:
    """The pack that would take it where it is in force; this replica has none of that name."""
    first = _first(incident)
    if first is None:
        return None
    elsewhere = []
    for rule_set in await incidents.in_force_elsewhere(desk.store, [it.name for it in desk.packs]):
        with suppress(RulesUnreadable):
            elsewhere.append(await _kept_pack(desk, rule_set))
    return pack_for(sorted(elsewhere, key=lambda it: (not it.covers, it.name)), first.alert.labels)


def _unread(since: datetime, run: int) -> Mapping[str, object]:
    return {UNREAD: {"since": since.isoformat(), "run": run}}


def _unread_since(kept: Any, run: int, now: datetime) -> datetime:
    """Since when nobody could read them: every look that is finished begins another `run`."""
    if not isinstance(kept, dict) or kept.get("run") != run:
        return now
    return min(now, datetime.fromisoformat(kept["since"]))  # the database's clock may have been set back


async def pack_or_present(desk: Desk, incident: Incident) -> Pack | None:
    """The same for a person who asks now; raises UsageError where there is nothing that can be read."""
    try:
        return await pack_of(desk, incident)
    except RulesUnreadable as unreadable:
        if unreadable.present is None:
            raise
        return unreadable.present


async def pack_of(desk: Desk, incident: Incident) -> Pack | None:
    """The pack that the incident started with; chosen by its first alert at the first look. None: none takes it.

    Raises RulesUnreadable.
    """
    if incident.rule_set is not None:
        return await _kept_pack(desk, incident.rule_set)
    first = _first(incident)
    pack = pack_for(desk.packs, first.alert.labels) if first else None
    if pack is None:
        return None
    chosen = await incidents.choose_rules(desk.store, incident.id, pack=pack.name, rule_set=pack.hash, files=pack.files)
    return pack if chosen == pack.hash else await _kept_pack(desk, chosen)


def _first(incident: Incident) -> HeldAlert | None:
    return min(incident.alerts, key=lambda it: (it.first_seen, it.alert.fingerprint), default=None)


async def _kept_pack(desk: Desk, rule_set: bytes) -> Pack:
    known = {it.hash: it for it in desk.packs} | desk.former_packs
    if rule_set in known:
        return known[rule_set]
    name, files = await incidents.rule_files(desk.store, rule_set)
    try:
        pack = pack_from_files(name, files, desk.catalogue)
    except UsageError as unreadable:
        present = next((it for it in desk.packs if it.name == name), None)
        raise RulesUnreadable(name, str(unreadable), present) from unreadable
    if len(desk.former_packs) >= MOST_FORMER:  # rules are reloaded for as long as the daemon runs
        desk.former_packs.clear()
    desk.former_packs[rule_set] = pack
    return pack
