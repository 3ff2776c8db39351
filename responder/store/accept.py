"""Take webhooks in: many in one transaction, and none is answered before its commit.

One writer a process collects what waits, has it decided under locks on the groups (`incidents/fold.py`, handed in),
writes the outcome set-wise and only then lets every request answer 202. Keys are sorted in every statement: two
writers with the same keys in another order would deadlock.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import asyncpg
import structlog
from pydantic_core import PydanticSerializationError, to_json

from responder.errors import StoreUnavailable
from responder.model.alert import Accepted, Alert, AlertStatus, Quarantined, Webhook
from responder.model.folding import (
    ALSO_AT_PAGERDUTY,
    RESERVED,
    Fold,
    GroupKey,
    GroupPlan,
    Heard,
    Held,
    HeldGroup,
    Told,
    WebhookPlan,
)
from responder.model.incident import slug_of
from responder.model.paged import PagedStatus
from responder.store import accept_sql as sql
from responder.store.afresh import afresh, all_locked
from responder.store.store import Store
from responder.store.work import Ask, ask

MAX_WEBHOOKS = 256
MAX_ALERTS = 2000
MAX_WAITING, MAX_ALERTS_WAITING = 2048, 10_000  # about a second's work; what waits longer is refused sooner
WRITERS = 2
PRESSING_WEBHOOKS, PRESSING_ALERTS = 8, 400  # that came in while one batch was written, which takes some milliseconds
PRESSING_WAIT_SECONDS = 0.05
PRESSED_FOR_SECONDS = 1.0
ROOM_KNOWN_SECONDS = 1.0
ANSWER_WITHIN_SECONDS = 3.0  # PagerDuty gives a receiver five
LATE = f"store: no commit within {ANSWER_WITHIN_SECONDS:.0f} s"
MAX_BODY_KEPT = 64 * 1024
PAGERDUTY = "pagerduty"  # the kind of its links
MOST_NAMED = 20  # incidents, in one line of the log
LOOK_ANEW = {"looks": 0, "once_more": False}  # of `work/link.py`: from the beginning of its schedule
# The gravity of a look: nobody knows yet of an incident that has just begun. What its sender thinks of it says which of
# many is looked at first, no more: severity is decided by rules.
NEW, TOLD = 1, 5
NEW_BY_LABEL = {"critical": 0, "page": 0, "warning": 2, "info": 3, "none": 4}
log = structlog.get_logger()


@dataclass(slots=True)
class Waiting:
    """One webhook and the request that waits for it, since when (seconds of the loop's clock)."""

    webhook: Webhook
    answer: asyncio.Future[Accepted]
    since: float


class Acceptor:
    """The door of the store for webhooks.

    `asks_pagerduty`: whether its REST API can be asked; `awaits_alerts_for`: how long an incident that PagerDuty opened
    may wait for its alerts' own webhook. `room`: whether there is disk left to promise anything.
    """

    def __init__(
        self,
        store: Store,
        fold: Fold,
        *,
        first_report_within: timedelta,
        asks_pagerduty: bool = False,
        awaits_alerts_for: timedelta = timedelta(0),
        room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store
        self._fold = fold
        self._first_report_within = first_report_within
        self._asks_pagerduty = asks_pagerduty
        self._awaits_alerts_for = awaits_alerts_for
        self._room = room
        self._waiting: asyncio.Queue[Waiting] = asyncio.Queue(MAX_WAITING)
        self._has_room_now, self._room_asked_at = True, float("-inf")
        self._alerts_waiting = 0
        self._pressed_until = 0.0
        self._undecided, self._decided_at = 0, 0.0

    @property
    def waiting(self) -> int:
        """Webhooks that are neither committed nor refused yet."""
        return self._undecided

    @property
    def stuck_seconds(self) -> float:
        """For how long some have waited while none was committed or refused; 0 while none waits."""
        return asyncio.get_running_loop().time() - self._decided_at if self._undecided else 0.0

    @property
    def is_pressed(self) -> bool:
        """Whether so much comes in that other work has to leave it the processor."""
        return asyncio.get_running_loop().time() < self._pressed_until

    async def accept(self, webhook: Webhook) -> Accepted:
        """Return once it is committed; raises StoreUnavailable when that cannot be promised within three seconds."""
        if not self._has_room():
            raise StoreUnavailable("store: less than 256 MB of disk is free", reason="disk")
        loop = asyncio.get_running_loop()
        waiting = Waiting(webhook, loop.create_future(), loop.time())
        self._queue(waiting)
        late = loop.call_later(ANSWER_WITHIN_SECONDS, _answer_to, waiting, StoreUnavailable(LATE))
        try:
            return await waiting.answer
        finally:
            late.cancel()

    async def run(self) -> None:
        """Commit batch after batch until cancelled, two at a time: while one is written, the next is made.

        Between them it is as between two replicas: who comes second to a group waits for its lock.
        """
        async with asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(self._commit_batches())

    async def _commit_batches(self) -> None:
        while True:
            batch = await self._next_batch()
            try:
                for waiting, outcome in zip(batch, await self._commit_or_split(batch), strict=True):
                    _answer_to(waiting, outcome)
            except StoreUnavailable as away:
                log.warning("webhook.not_kept", webhooks=len(batch), why=str(away))
                for waiting in batch:
                    _answer_to(waiting, away)
            except BaseException:  # cancelled too: every request that waits is told to come again
                for waiting in batch:
                    _answer_to(waiting, StoreUnavailable("store: stopping"))
                raise
            finally:
                self._undecided -= len(batch)
                self._decided_at = asyncio.get_running_loop().time()

    def _has_room(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now >= self._room_asked_at + ROOM_KNOWN_SECONDS:
            self._has_room_now, self._room_asked_at = self._room(), now
        return self._has_room_now

    def _queue(self, waiting: Waiting) -> None:
        """Raises StoreUnavailable where there is no room; a webhook larger than all of it is taken when none waits."""
        alerts = len(waiting.webhook.alerts)
        if self._waiting.full():
            raise StoreUnavailable(f"store: {MAX_WAITING} webhooks are waiting already", reason="full")
        if self._alerts_waiting and self._alerts_waiting + alerts > MAX_ALERTS_WAITING:
            raise StoreUnavailable(f"store: {self._alerts_waiting} alerts are waiting already", reason="full")
        self._waiting.put_nowait(waiting)
        if not self._undecided:
            self._decided_at = waiting.since
        self._undecided += 1
        self._alerts_waiting += alerts

    async def _next_batch(self) -> list[Waiting]:
        batch = [await self._waiting.get()]
        alerts = len(batch[0].webhook.alerts)
        self._alerts_waiting -= alerts
        while not self._waiting.empty() and len(batch) < MAX_WEBHOOKS and alerts < MAX_ALERTS:
            waiting = self._waiting.get_nowait()
            self._alerts_waiting -= len(waiting.webhook.alerts)
            if waiting.answer.done():  # its request has given up and was told to come again
                self._undecided -= 1
                continue
            batch.append(waiting)
            alerts += len(waiting.webhook.alerts)
        now = asyncio.get_running_loop().time()
        waited = now - batch[0].since
        if len(batch) >= PRESSING_WEBHOOKS or alerts >= PRESSING_ALERTS or waited >= PRESSING_WAIT_SECONDS:
            self._pressed_until = now + PRESSED_FOR_SECONDS
        return batch

    async def _commit_or_split(self, batch: Sequence[Waiting]) -> Sequence[Accepted | StoreUnavailable]:
        """Commit all at once; where one cannot be, each alone, so that it fails alone."""
        webhooks = [it.webhook for it in batch]
        try:
            return await self._commit(webhooks)
        except StoreUnavailable as away:
            if not isinstance(away.__cause__, asyncpg.LockNotAvailableError):
                raise
            if len(webhooks) == 1:
                return [away]
        except (
            asyncpg.DataError,
            asyncpg.IntegrityConstraintViolationError,
            UnicodeEncodeError,
            PydanticSerializationError,
        ) as refused:
            if len(webhooks) == 1:
                log.warning("webhook.quarantined", reason=type(refused).__name__)
                return await self._commit([_put_aside(webhooks[0], type(refused).__name__)])
        return [(await self._commit_or_split([it]))[0] for it in batch]

    async def _commit(self, webhooks: Sequence[Webhook]) -> list[Accepted]:
        try:
            plans, slugs = await afresh(lambda: self._transact(webhooks))
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError):
            raise
        except asyncpg.PostgresError as error:
            raise StoreUnavailable(f"store: {type(error).__name__}") from error
        log.debug("webhook.committed", webhooks=len(webhooks))
        answers = [_answer(plan, slugs) for plan in plans]
        _say_accepted(webhooks, answers)
        return answers

    async def _transact(self, webhooks: Sequence[Webhook]) -> tuple[list[WebhookPlan], dict[int, str]]:
        async with self._store.transaction() as connection:
            plans, slugs, now = await self._decide(connection, webhooks)
            await self._write(connection, plans, slugs, now)
            log.debug("webhook.committing", webhooks=len(webhooks))
        return plans, slugs

    async def _decide(
        self, connection: Any, webhooks: Sequence[Webhook]
    ) -> tuple[list[WebhookPlan], dict[int, str], datetime]:
        copies = await _copies(connection, webhooks)
        keys = sorted({(it.kind, it.source, it.key) for it in webhooks if it.key})
        await connection.execute(sql.LOCK, [lock_of(*key) for key in keys])
        held = await _held(connection, keys, webhooks)
        now: datetime = await connection.fetchval("select now()")
        plans = self._fold(await _known_as_ours(connection, webhooks), held, copies, now)
        slugs = await self._number(connection, plans)
        return plans, slugs, now

    async def _number(self, connection: Any, plans: Sequence[WebhookPlan]) -> dict[int, str]:
        """Give new incidents their numbers; returns the slug of every incident that the batch speaks of."""
        new = [group for group in _groups(plans) if group.opens]
        numbers = [it[0] for it in await connection.fetch(sql.NUMBERS, len(new))] if new else []
        for group, number in zip(new, numbers, strict=True):
            group.incident = number
        return {group.incident: slug_of(group.incident) for group in _groups(plans) if group.incident is not None}

    async def _write(self, connection: Any, plans: Sequence[WebhookPlan], slugs: dict[int, str], now: datetime) -> None:
        groups = _groups(plans)
        await self._write_incidents(connection, groups, slugs)
        await _write_links(connection, groups)
        await _write_alerts(connection, groups)
        await _write_heard(connection, groups)
        await self._write_cut_notes(connection, groups)
        touched = sorted({it.incident for it in groups if it.incident is not None and it.is_news})
        ending = sorted({it.incident for it in groups if it.incident is not None and _ends_something(it)})
        settled = [it["id"] for it in await connection.fetch(sql.SETTLE, ending)] if ending else []
        await _write_history(connection, plans, settled)
        await self._ask(connection, groups, touched)

    async def _write_incidents(self, connection: Any, groups: Sequence[GroupPlan], slugs: dict[int, str]) -> None:
        new = [it for it in groups if it.opens]
        if new:
            await connection.execute(
                sql.OPEN,
                [it.incident for it in new],
                [slugs[it.incident or 0] for it in new],
                [it.continues for it in new],
                [it.title for it in new],
                self._first_report_within,
                [it.key[0] == PAGERDUTY and self._asks_pagerduty for it in new],
                self._awaits_alerts_for,
            )
        again = [it.incident for it in groups if it.reopens]
        if again:
            await connection.execute(sql.REOPEN, again)
            await connection.execute(sql.READ_AGAIN, again)

    async def _write_cut_notes(self, connection: Any, groups: Sequence[GroupPlan]) -> None:
        """Have a note that came cut read whole; where PagerDuty cannot be asked, what came has to do."""
        for group in (it for it in groups if it.incident is not None):
            for note, line in sorted(group.cut_notes.items()):
                if self._asks_pagerduty:
                    key = f"{group.incident}/{group.key[2].decode()}/{note}"
                    await ask(connection, [Ask(kind="read_note", key=key)], payload={"line": line})
                else:
                    group.lines.append(line)

    async def _ask(self, connection: Any, groups: Sequence[GroupPlan], touched: Sequence[int]) -> None:
        new = {it.incident for it in groups if it.incident is not None and (it.opens or it.reopens)}
        gravities = {it.incident: _gravity(it) for it in groups if it.incident in new}
        await ask(connection, [Ask(kind="respond", key=str(it), gravity=gravities.get(it, TOLD)) for it in touched])
        if self._asks_pagerduty:
            again = {it.incident for it in groups if it.incident is not None and it.heard and it.heard.read_again}
            await ask(connection, [Ask(kind="link", key=str(it)) for it in sorted(new | again)], payload=LOOK_ANEW)


def lock_of(kind: str, source: str, key: bytes) -> str:
    """What two writers must not change at once. A group that PagerDuty knows as well has one lock with its alert key."""
    return f"{RESERVED}/{key.hex()}" if kind in ALSO_AT_PAGERDUTY else f"{kind}/{source}/{key.hex()}"


async def _copies(connection: Any, webhooks: Sequence[Webhook]) -> frozenset[int]:
    """The places of webhooks that were accepted before, or stand earlier in this very batch."""
    named = [(it.kind, [sha256(receipt.encode()).digest() for receipt in it.receipts]) for it in webhooks]
    wanted = sorted({(kind, receipt) for kind, receipts in named for receipt in receipts})
    if not wanted:
        return frozenset()
    rows = await connection.fetch(sql.RECEIPTS, *_columns(wanted, 2))
    fresh = {(it["kind"], it["id"]) for it in rows}
    copies = set()
    for place, (kind, receipts) in enumerate(named):
        if any((kind, it) not in fresh for it in receipts):
            copies.add(place)
        fresh.difference_update((kind, it) for it in receipts)
    return frozenset(copies)


async def _known_as_ours(connection: Any, webhooks: Sequence[Webhook]) -> Sequence[Webhook]:
    """Mark events about notes that the ledger knows as ours: nothing may be started by our own writing."""
    notes = {it.event.note for it in webhooks if it.event and it.event.note}
    ours = {row["foreign_id"] for row in await connection.fetch(sql.OUR_NOTES, sorted(notes))} if notes else set()
    return [
        replace(it, event=replace(it.event, is_ours=True)) if it.event and it.event.note in ours else it
        for it in webhooks
    ]


async def _held(connection: Any, keys: Sequence[GroupKey], webhooks: Sequence[Webhook]) -> dict[GroupKey, HeldGroup]:
    """What the store holds of these groups; the incidents' rows are locked, always in order of id."""
    places = sorted({*keys, *((RESERVED, "", key) for kind, _, key in keys if kind in ALSO_AT_PAGERDUTY)})
    rows = await connection.fetch(sql.GROUPS, *_columns(places, 3)) if keys else []
    if not rows:
        return {}
    locked = {it["incident"] for it in rows if it["incident"] is not None}
    await connection.execute(sql.LOCK_INCIDENTS, sorted(locked))
    rows = await connection.fetch(sql.GROUPS, *_columns(places, 3))
    all_locked(locked, {it["incident"] for it in rows if it["incident"] is not None})
    reserved = {it["key"]: it for it in rows if it["kind"] == RESERVED}
    rows = [it for it in rows if it["kind"] != RESERVED]
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
    found = await connection.fetch(sql.STATES, *_columns(wanted, 2))
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
    return groups


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
    )


async def _write_links(connection: Any, groups: Sequence[GroupPlan]) -> None:
    """Links that are new or that changed their incident."""
    joining = [it for it in groups if it.reserved is not None and it.changed]
    wanted = sorted(
        (it for it in groups if (it.link is None and it.is_news) or it.opens or it in joining), key=lambda it: it.key
    )
    if not wanted:
        return
    columns = _columns([(*it.key, it.incident, it.url, _external_id(it)) for it in wanted], 6)
    ids = {(it["kind"], it["source"], it["key"]): it["id"] for it in await connection.fetch(sql.LINK, *columns)}
    for group in wanted:
        group.link = ids[group.key]
    places = sorted({it.reserved for it in joining if it.reserved is not None})
    if places:
        await connection.execute(sql.FORGET_RESERVED, places)
        await connection.execute(sql.UNRESERVE, places)
        await connection.execute(sql.ADOPTED, sorted({it.incident for it in joining if it.incident is not None}))


def _external_id(group: GroupPlan) -> str:
    return group.key[2].decode() if group.key[0] == PAGERDUTY else ""


async def _write_heard(connection: Any, groups: Sequence[GroupPlan]) -> None:
    """News of PagerDuty incidents: their state, who took them on, who settled them, which priority they were given."""
    told = sorted((it for it in groups if it.heard), key=lambda it: it.key)
    if not told:
        return
    states = sorted((it.link, it.heard.status.value, it.heard.told_at, it.heard.read_again) for it in told if it.heard)
    await connection.execute(sql.HEARD, *_columns(states, 4))
    for group in told:
        if group.heard is not None and group.incident is not None:
            await _write_incident_heard(connection, group.incident, group, group.heard)


async def _write_incident_heard(connection: Any, incident: int, group: GroupPlan, heard: Heard) -> None:
    if heard.acknowledged_by is not None or heard.unacknowledged:
        at = None if heard.unacknowledged else heard.told_at
        await connection.execute(sql.TAKEN, incident, at, heard.acknowledged_by or "")
    if heard.priority is not None:
        await connection.execute(sql.PRIORITY, incident, *heard.priority)
    if heard.settled_by:
        await connection.execute(sql.END_PAGED, incident, _external_id(group), heard.told_at)
        if await connection.fetchval(sql.SETTLE_PAGED, incident, heard.settled_by, heard.told_at) is not None:
            group.lines.append(f"resolved: {heard.settled_by} settled it at PagerDuty")


async def _write_alerts(connection: Any, groups: Sequence[GroupPlan]) -> None:
    changed = sorted(
        (
            (
                it.link or 0,
                bytes.fromhex(fingerprint),
                it.incident,
                int(state.status),
                state.starts_at,
                state.ends_at,
                _json(alert.labels),
                _json(alert.annotations),
                alert.generator_url,
            )
            for it in groups
            for fingerprint, alert in it.changed.items()
            for state in (it.states[fingerprint],)
        ),
        key=lambda row: row[:2],
    )
    if changed:
        await connection.execute(sql.ALERTS, *_columns(changed, 9))
    refreshed = sorted(
        (it.link or 0, bytes.fromhex(fingerprint), _json(alert.annotations))
        for it in groups
        for fingerprint, alert in it.refreshed.items()
    )
    if refreshed:
        await connection.execute(sql.REFRESH, *_columns(refreshed, 3))
    ended = sorted(
        (it.link or 0, bytes.fromhex(fingerprint), it.states[fingerprint].ends_at)
        for it in groups
        for fingerprint in it.ended
    )
    if ended:
        await connection.execute(sql.END, *_columns(ended, 3))


async def _write_history(connection: Any, plans: Sequence[WebhookPlan], settled: Sequence[int]) -> None:
    noted = [
        (
            it.webhook.kind,
            it.webhook.source,
            it.webhook.key,
            it.group.incident if it.group else None,
            _json(_outcome(it)),
        )
        for it in plans
    ]
    await connection.execute(sql.NOTED, *_columns(noted, 5))
    aside = [
        (plan.webhook.kind, plan.webhook.source, it.reason, it.text[:MAX_BODY_KEPT], json.dumps(dict(it.identities)))
        for plan in plans
        if not plan.again
        for it in plan.webhook.quarantined
    ]
    if aside:
        await connection.execute(sql.QUARANTINE, *_columns(aside, 5))
    events = [(it.incident, "opened" if it.opens else "reopened") for it in _groups(plans) if it.opens or it.reopens]
    events += [(it.incident, line) for it in _groups(plans) if it.incident is not None for line in it.lines]
    events += [(it, "resolved: no alert of it fires any more") for it in settled]
    if events:
        await connection.execute(sql.TIMELINE, *_columns(events, 2))


def _outcome(plan: WebhookPlan) -> dict[str, Any]:
    alerts = [
        [alert.fingerprint, alert.status.word, alert.starts_at, told]
        for alert, told in (zip(plan.webhook.alerts, plan.told, strict=True) if plan.webhook.event is None else ())
    ]
    outcome = {"alerts": alerts, "ignored": plan.webhook.ignored, "quarantined": _aside(plan.webhook)}
    event = plan.webhook.event
    if event is not None:
        told = str(plan.told[0]) if plan.told else str(Told.IGNORED)
        outcome["event"] = {"id": event.id, "type": event.type, "at": event.at.isoformat(), "told": told}
    return outcome


def _answer(plan: WebhookPlan, slugs: dict[int, str]) -> Accepted:
    incident = plan.group.incident if plan.group else None
    aside = _aside(plan.webhook)
    return Accepted(
        accepted=plan.told.count(Told.ACCEPTED),
        duplicates=plan.told.count(Told.DUPLICATE) + (aside if plan.again else 0),
        stale=plan.told.count(Told.STALE),
        ignored=plan.webhook.ignored + plan.told.count(Told.IGNORED),
        quarantined=0 if plan.again else aside,
        incidents=(slugs[incident],) if incident is not None else (),
    )


def _say_accepted(webhooks: Sequence[Webhook], answers: Sequence[Accepted]) -> None:
    """One line a batch and sender: in a storm a line a webhook would cost more than keeping it."""
    by_sender: dict[tuple[str, str], list[Accepted]] = {}
    for webhook, answer in zip(webhooks, answers, strict=True):
        by_sender.setdefault((webhook.kind, webhook.source), []).append(answer)
    for (kind, source), several in by_sender.items():
        all_in_all = Accepted.sum(several).as_json()
        all_in_all["incidents"] = all_in_all["incidents"][:MOST_NAMED]
        log.info("webhook.accepted", kind=kind, source=source, webhooks=len(several), **all_in_all)


def _aside(webhook: Webhook) -> int:
    return sum(it.alerts for it in webhook.quarantined)


def _put_aside(webhook: Webhook, reason: str) -> Webhook:
    """The same webhook with every alert in quarantine; text that PostgreSQL refuses is written as escapes."""
    aside = tuple(
        Quarantined(
            reason=f"the store refused it: {reason}",
            text=json.dumps(_as_sent(it)).replace("\\u0000", "\\\\u0000"),
            identities={"fingerprint": it.fingerprint, "key": webhook.key.hex()},
        )
        for it in webhook.alerts
    )
    if webhook.event is not None:
        named = {"event": webhook.event.id, "key": webhook.key.hex()}
        aside = (Quarantined(reason=f"the store refused it: {reason}", text="", identities=named),)
    return replace(
        webhook,
        key=b"" if webhook.event else webhook.key,
        alerts=(),
        title="",
        url="",
        quarantined=(*webhook.quarantined, *aside),
        ends_others_until=None,
        event=None,
    )


def _as_sent(alert: Alert) -> dict[str, Any]:
    """In a sender's words, so that it can be read again."""
    return {
        "status": alert.status.word,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": alert.starts_at.isoformat(),
        **({"endsAt": alert.ends_at.isoformat()} if alert.ends_at else {}),
    }


def _ends_something(group: GroupPlan) -> bool:
    """Whether an alert of it stopped firing just now; nothing else can settle an incident."""
    return bool(group.ended) or any(group.states[it].status is AlertStatus.RESOLVED for it in group.changed)


def _gravity(group: GroupPlan) -> int:
    """Of the first look at its incident: that of its gravest alert."""
    return min((NEW_BY_LABEL.get(it.labels.get("severity", ""), NEW) for it in group.changed.values()), default=NEW)


def _groups(plans: Sequence[WebhookPlan]) -> list[GroupPlan]:
    return list({it.group.key: it.group for it in plans if it.group}.values())


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as columns for unnest()."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _json(value: Any) -> str:
    """As text; four times faster than the standard library's, and it knows datetimes."""
    return to_json(value).decode()


def _answer_to(waiting: Waiting, outcome: Accepted | StoreUnavailable) -> None:
    if waiting.answer.done():  # its request has given up and was told to come again
        return
    if isinstance(outcome, StoreUnavailable):
        waiting.answer.set_exception(outcome)
    else:
        waiting.answer.set_result(outcome)
