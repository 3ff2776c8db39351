"""Incidents that a rule opens by itself: its link begins one, an alert that the rule matches joins it, and it is
settled once all has been clear for long enough.

Each change is one transaction, under the lock of the link and then of its incident, as acceptance takes them: whoever
is cut off has done nothing, and of several replicas that see the same breach one opens the incident.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from responder.model.incident import BREACH, WATCH, IncidentState, key_of_page, marker_of, slug_of
from responder.model.verdict import RuleVerdict
from responder.store.accept_read import lock_of
from responder.store.accept_sql import LOCK, LOCK_INCIDENTS, READ_AGAIN, REOPEN
from responder.store.accept_write import NEW, ask_to_link
from responder.store.adopt_sql import CONTINUES, SURVIVOR
from responder.store.afresh import afresh, all_locked
from responder.store.fold import SAY, fold
from responder.store.incidents import VERDICTS, keep_rules_within
from responder.store.store import Store
from responder.store.work import Ask, ask

FIND = """select l.incident, l.state, i.state as incident_state, i.resolved_at, i.known, now() as now
          from links l left join incidents i on i.id = l.incident where l.kind = 'watch' and l.source = $1 and l.key = $2"""
NUMBER = "select nextval('incident_number')"
OPEN = "insert into incidents (id, slug, continues, first_report_due) values ($1, $2, $3, now() + $4)"
LINK = """insert into links as l (kind, source, key, incident, external_id, state) values ('watch', $1, $2, $3, $4, $5)
          on conflict (kind, source, key) do update set incident = excluded.incident, state = excluded.state, seen_at = now()"""
BIND = "update incidents set pack = $2, rule_set = $3, clear_since = null where id = $1 and rule_set is null"
STIRS = "update incidents set clear_since = null where id = $1"
FORGET = "update links set state = '' where kind = 'watch' and source = $1 and key = $2 and state = 'breach'"
CALLED = "select exists (select 1 from links where incident = $1 and kind = 'pagerduty' and state in ('triggered', 'acknowledged'))"
LINK_PAGE = """insert into links (kind, source, key, incident, external_id) values ('page', '', $1, $2, $3)
               on conflict (kind, source, key) do update set incident = excluded.incident, seen_at = now()"""
DELIVERY = """insert into deliveries as d (incident, sink, object, state, why) values ($1, $2, $3, $4, $5)
              on conflict (incident, sink, object) do update set state = excluded.state, why = excluded.why where d.state in ('none', 'failed')"""
COPY = """insert into samples (incident, signal, labels, at, reading, counts)
          select $1, signal, labels, at, reading, counts from watch_samples where watch = $2 on conflict do nothing"""

# `run`: of the look that saw it; one that slept meanwhile changes nothing.
LOOKED = "select state from incidents where id = $1 and run = $2 and state = 'open' for update"
CLEAR = """update incidents set clear_since = coalesce(clear_since, $3) where id = $1
           returning extract(epoch from clear_since + make_interval(secs => $2) - $3)::float8"""
SETTLE = """update incidents i set state = 'resolved', resolved_at = now(), clear_since = null where i.id = $1
            and not exists (select 1 from alerts a where a.incident = i.id and a.status = 0) returning i.id"""
SETTLED = "update links set state = '' where incident = $1 and kind = 'watch'"
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One rule of one pack, by name."""

    pack: str
    rule: str

    @property
    def key(self) -> bytes:
        """Of its link."""
        return self.rule.encode()

    @property
    def name(self) -> str:
        """Of its samples and of its row of work."""
        return f"{self.pack}/{self.rule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held of a watch. `incident` None: it never had one. `in_breach`: it holds its incident open, or did when
    somebody settled that. `known`: what the last look at its incident knew."""

    now: datetime
    incident: int | None = None
    is_open: bool = False
    in_breach: bool = False
    known: tuple[RuleVerdict, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """That people are to be paged for it. `name`: of this installation; `sink`: the one that does it; `why_not`: why
    nobody can be, empty where somebody can; `asks`: PagerDuty can be asked for what it made of it."""

    name: str
    sink: str
    why_not: str = ""
    asks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What an incident that a rule opens begins with: its rules, kept whole, its times, and whom it calls."""

    rule_set: bytes
    files: Mapping[str, str]
    first_report_within: timedelta
    reopen_within: timedelta
    paging: Paging | None = None


async def held(store: Store, watch: Watch) -> Held:
    """As it is now."""
    async with store.connection() as connection:
        row = await connection.fetchrow(FIND, watch.pack, watch.key)
        if row is None:
            return Held(now=await connection.fetchval("select now()"))
        return Held(
            now=row["now"],
            incident=row["incident"],
            is_open=row["incident_state"] == IncidentState.OPEN,
            in_breach=row["state"] == BREACH,
            known=VERDICTS.validate_python(row["known"] or ()),
        )


async def breach(store: Store, watch: Watch, opening: Opening) -> str | None:
    """Begin an incident, reopen the one just settled, or join the one that alerts have opened; answers its slug.

    None when somebody else was first, or when it is the breach that a person has settled.
    """

    async def once() -> str | None:
        async with store.transaction() as connection:
            row = await _locked(connection, watch, ())
            if row is not None and row["state"] == BREACH:
                return None
            incident, what = await _incident_of(connection, row, opening)
            await keep_rules_within(connection, watch.pack, opening.rule_set, opening.files)
            await connection.execute(BIND, incident, watch.pack, opening.rule_set)
            await connection.execute(STIRS, incident)
            await connection.execute(LINK, watch.pack, watch.key, incident, watch.rule, BREACH)
            await connection.execute(COPY, incident, watch.name)
            await connection.execute(SAY, incident, f"{what}: the watched rule {watch.rule} is in breach")
            if opening.paging is not None:
                await _page(connection, incident, opening.paging)
            await ask(connection, [Ask(kind="respond", key=str(incident), gravity=NEW)])
            log.debug("watch.committing")
            return slug_of(incident)

    return await afresh(once)


async def _incident_of(connection: Any, row: Any, opening: Opening) -> tuple[int, str]:
    """The incident that the breach belongs to, and what that makes of it."""
    former: int | None = row["incident"] if row is not None else None
    if former is not None and row["incident_state"] == IncidentState.OPEN:
        return former, "joined"
    if former is not None and row["resolved_at"] and row["now"] - row["resolved_at"] <= opening.reopen_within:
        await connection.execute(REOPEN, [former])
        await connection.execute(READ_AGAIN, [former])
        return former, "reopened"
    number: int = await connection.fetchval(NUMBER)
    await connection.execute(OPEN, number, slug_of(number), former, opening.first_report_within)
    return number, "opened"


async def _page(connection: Any, incident: int, paging: Paging) -> None:
    """Write down that people are to be paged, once for an incident; not where PagerDuty has called them already."""
    if await connection.fetchval(CALLED, incident):
        return
    marker = marker_of(paging.name, slug_of(incident))
    key = key_of_page(marker)
    if not paging.why_not:
        await connection.execute(LINK_PAGE, key, incident, marker)
    state = "none" if paging.why_not else "due"
    await connection.execute(DELIVERY, incident, paging.sink, key.hex(), state, paging.why_not)
    if not paging.why_not:
        await ask_to_link(connection, incident, by_us=paging.asks)


async def is_over(store: Store, watch: Watch) -> None:
    """The breach that a person had settled is over: the next one is a new reason to look."""
    async with store.connection() as connection:
        await connection.execute(FORGET, watch.pack, watch.key)


async def join(store: Store, incident: int, watch: Watch, *, ask_pagerduty: bool) -> int:
    """An open incident whose alerts the rule matches is that of the watch: answers which of the two goes on.

    One that was folded since it was looked at has nothing to be linked: the incident that goes on for it is looked at too.
    """

    async def once() -> int:
        async with store.transaction() as connection:
            row = await _locked(connection, watch, (incident,))
            survivor: int = await connection.fetchval(SURVIVOR, incident)
            if survivor != incident:
                return survivor
            other: int | None = row["incident"] if row is not None else None
            if other is None or row["incident_state"] != IncidentState.OPEN:
                await connection.execute(
                    LINK, watch.pack, watch.key, incident, watch.rule, row["state"] if row is not None else ""
                )
                if other is not None:
                    await connection.execute(CONTINUES, incident, other)
                return incident
            if other == incident:
                return incident
            elder, younger = sorted((other, incident))
            what = f"the watched rule {watch.rule} and an alert that it matches"
            await fold(connection, younger, elder, what=store.redacted(what))
            await connection.execute(STIRS, elder)
            await ask(connection, [Ask(kind="respond", key=str(elder), gravity=NEW)])
            await ask_to_link(connection, elder, by_us=ask_pagerduty, once_more=True)
            return elder

    return await afresh(once)


async def _locked(connection: Any, watch: Watch, also: Sequence[int]) -> Any:
    """The link as it is held, None when there is none; nobody changes it, or its incident, until we are done."""
    await connection.execute(LOCK, [lock_of(WATCH, watch.pack, watch.key)])
    row = await connection.fetchrow(FIND, watch.pack, watch.key)
    before = {*also, *([row["incident"]] if row is not None and row["incident"] is not None else [])}
    await connection.execute(LOCK_INCIDENTS, sorted(before))
    row = await connection.fetchrow(FIND, watch.pack, watch.key)
    if row is not None and row["incident"] is not None:
        all_locked(before, {row["incident"]})
    return row


async def note_clear(
    store: Store, incident: int, run: int, *, is_clear: bool, at: datetime, hold_seconds: float
) -> float | None:
    """Write down whether all is clear, and settle what has been for `hold_seconds` while no alert fires.

    Answers the seconds until then, 0 when it is settled, None while something is not clear. `run` and `at`: of the
    look, by whose moment its severity falls as well.
    """
    async with store.transaction() as connection:
        if await connection.fetchval(LOOKED, incident, run) is None:
            return None
        if not is_clear:
            await connection.execute(STIRS, incident)
            return None
        left: float = await connection.fetchval(CLEAR, incident, hold_seconds, at)
        if left > 0:
            return left
        if await connection.fetchval(SETTLE, incident) is not None:
            await connection.execute(SETTLED, incident)
            await connection.execute(SAY, incident, "resolved: the watched rule has been clear for long enough")
            await ask(connection, [Ask(kind="respond", key=str(incident), gravity=NEW)])
            return 0.0
        return None  # an alert fires that this look has not seen
