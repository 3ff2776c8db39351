"""Take webhooks in: many in one transaction, and none is answered before its commit.

One writer a process collects what waits, has it decided under locks on the groups (`incidents/fold.py`, handed in),
writes the outcome set-wise and only then lets every request answer 202. Keys are sorted in every statement: two
writers with the same keys in another order would deadlock.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import structlog
from pydantic_core import PydanticSerializationError

from responder.errors import StoreUnavailable
from responder.model.alert import Accepted, Alert, Quarantined, Webhook
from responder.model.folding import Fold, Told, WebhookPlan
from responder.store import accept_sql as sql
from responder.store.accept_read import copies_among, held_of, known_as_ours, lock_of, pages_among
from responder.store.accept_write import Terms, Writing, aside_of
from responder.store.afresh import afresh
from responder.store.amount import MIB, Amount
from responder.store.standstill import Standstill
from responder.store.store import Store

MOST_IN_BATCH = Amount(256, 2000, 8 * MIB)  # one more webhook may be over it
MOST_WAITING = Amount(2048, 10_000, 32 * MIB)  # about a second's work; what waits longer is refused sooner
WRITERS = 2
# A batch costs as much as a few webhooks, whatever is in it: beside another one it begins when so much is here.
GATHER = Amount(16, 800, 2 * MIB)
GATHER_SECONDS = 0.02  # or after so long: what the other one waits for may be a lock
PRESSING = Amount(4, 100, 2 * MIB)  # in one batch
PRESSING_WAIT_SECONDS = 0.05
PRESSED_FOR_SECONDS = 1.0
ROOM_KNOWN_SECONDS = 1.0
ANSWER_WITHIN_SECONDS = 3.0  # PagerDuty gives a receiver five
LATE = f"store: no commit within {ANSWER_WITHIN_SECONDS:.0f} s"
MOST_NAMED = 20  # incidents, in one line of the log
# What one webhook can be to blame for: text, numbers, or more of them than the database can hold.
REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)
log = structlog.get_logger()


@dataclass(slots=True)
class Waiting:
    """One webhook and the request that waits for it, since when (seconds of the loop's clock)."""

    webhook: Webhook
    amount: Amount
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
        self._terms = Terms(
            first_report_within=first_report_within,
            asks_pagerduty=asks_pagerduty,
            awaits_alerts_for=awaits_alerts_for,
        )
        self._room = room
        self._waiting: asyncio.Queue[Waiting] = asyncio.Queue()
        self._waits = Amount()
        self._has_room_now, self._room_asked_at = True, float("-inf")
        self._pressed_until = 0.0
        self._writing = 0
        self._collecting, self._stirred = asyncio.Lock(), asyncio.Event()
        self._standstill = Standstill()

    @property
    def waiting(self) -> int:
        """Webhooks that are neither committed nor refused yet."""
        return self._standstill.waiting

    @property
    def stuck_seconds(self) -> float:
        """For how long some have come and none was committed; 0 while none waits and none was refused lately."""
        return self._standstill.seconds(asyncio.get_running_loop().time())

    @property
    def is_pressed(self) -> bool:
        """Whether so much comes in that other work has to leave it the processor."""
        return asyncio.get_running_loop().time() < self._pressed_until

    async def accept(
        self, webhook: Webhook, *, size: int = 0, within_seconds: float = ANSWER_WITHIN_SECONDS
    ) -> Accepted:
        """Return once it is committed; raises StoreUnavailable when that cannot be promised in time.

        `size`: the bytes that a stranger sent; what we put together ourselves is small. `within_seconds`: what is left
        of the three that a sender waits.
        """
        if not self._has_room():
            raise StoreUnavailable("store: less than 256 MB of disk is free", reason="disk")
        loop = asyncio.get_running_loop()
        amount = Amount(1, len(webhook.alerts), size)
        waiting = Waiting(webhook, amount, loop.create_future(), loop.time())
        self._queue(waiting)
        late = loop.call_later(within_seconds, _answer_to, waiting, StoreUnavailable(LATE))
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
            batch: list[Waiting] = []
            kept = False
            try:
                await self._collect(batch)
                try:
                    outcomes = await self._commit_or_split([it.webhook for it in batch])
                finally:
                    self._writing -= 1
                    self._stirred.set()
                kept = any(isinstance(it, Accepted) for it in outcomes)
                for waiting, outcome in zip(batch, outcomes, strict=True):
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
                self._standstill.decided(len(batch), asyncio.get_running_loop().time(), kept=kept)

    def _has_room(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now >= self._room_asked_at + ROOM_KNOWN_SECONDS:
            self._has_room_now, self._room_asked_at = self._room(), now
        return self._has_room_now

    def _queue(self, waiting: Waiting) -> None:
        """Raises StoreUnavailable where there is no room; a webhook larger than all of it is taken when none waits."""
        too_much = self._waits.in_the_way_of(waiting.amount, MOST_WAITING)
        if self._waits.webhooks and too_much:
            raise StoreUnavailable(f"store: {too_much} are waiting already", reason="full")
        self._waiting.put_nowait(waiting)
        self._standstill.came(waiting.since)
        self._waits += waiting.amount
        if self._waits.reaches(GATHER):
            self._stirred.set()

    async def _collect(self, batch: list[Waiting]) -> None:
        """Put into it what is written next: one webhook at least."""
        async with self._collecting:
            batch.append(await self._waiting.get())
            await self._gather()
            self._fill(batch)
            self._writing += 1

    async def _gather(self) -> None:
        """Wait while another batch is written and this one would be small."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GATHER_SECONDS):
                while self._writing and not self._waits.reaches(GATHER):
                    self._stirred.clear()
                    await self._stirred.wait()

    def _fill(self, batch: list[Waiting]) -> None:
        """Put what else waits into a batch that has its first webhook, and note whether much comes in."""
        now = asyncio.get_running_loop().time()
        amount = batch[0].amount
        self._waits -= amount
        while not self._waiting.empty() and not amount.reaches(MOST_IN_BATCH):
            waiting = self._waiting.get_nowait()
            self._waits -= waiting.amount
            if waiting.answer.done():  # its request has given up and was told to come again
                self._standstill.decided(1, now, kept=False)
                continue
            batch.append(waiting)
            amount += waiting.amount
        waited = now - batch[0].since
        if amount.reaches(PRESSING) or waited >= PRESSING_WAIT_SECONDS:
            self._pressed_until = now + PRESSED_FOR_SECONDS

    async def _commit_or_split(self, webhooks: Sequence[Webhook]) -> Sequence[Accepted | StoreUnavailable]:
        """Commit all at once; where one cannot be, each alone, so that it fails alone."""
        try:
            return await self._commit(webhooks)
        except StoreUnavailable as away:
            if not isinstance(away.__cause__, asyncpg.LockNotAvailableError):
                raise
            if len(webhooks) == 1:
                return [away]
        except (*REFUSED, UnicodeEncodeError, PydanticSerializationError) as refused:
            if len(webhooks) == 1:
                return [await self._quarantine(webhooks[0], type(refused).__name__)]
        return [(await self._commit_or_split([it]))[0] for it in webhooks]

    async def _quarantine(self, webhook: Webhook, reason: str) -> Accepted | StoreUnavailable:
        try:
            [answer] = await self._commit([_put_aside(webhook, reason)])
        except REFUSED as again:  # nothing of it stands in there: the database refuses whatever comes
            return StoreUnavailable(f"store: {type(again).__name__}")
        log.warning("webhook.quarantined", reason=reason)
        return answer

    async def _commit(self, webhooks: Sequence[Webhook]) -> list[Accepted]:
        try:
            plans, slugs = await afresh(lambda: self._transact(webhooks))
        except asyncpg.UniqueViolationError as taken:  # no webhook's fault: a sequence is behind its table, say
            raise StoreUnavailable(f"store: {type(taken).__name__}") from taken
        except REFUSED:
            raise
        except asyncpg.PostgresError as error:
            raise StoreUnavailable(f"store: {type(error).__name__}") from error
        log.debug("webhook.committed", webhooks=len(webhooks))
        answers = [_answer(plan, slugs) for plan in plans]
        _say_accepted(webhooks, answers)
        return answers

    async def _transact(self, webhooks: Sequence[Webhook]) -> tuple[list[WebhookPlan], dict[int, str]]:
        async with self._store.accepting() as connection:
            plans = await self._decide(connection, webhooks)
            slugs = await Writing(connection=connection, terms=self._terms, wakes=not self.is_pressed).write(plans)
            log.debug("webhook.committing", webhooks=len(webhooks))
        return plans, slugs

    async def _decide(self, connection: Any, webhooks: Sequence[Webhook]) -> list[WebhookPlan]:
        copies = await copies_among(connection, webhooks)
        keys = sorted({(it.kind, it.source, it.key) for it in webhooks if it.key})
        now: datetime = await connection.fetchval(sql.LOCK, [lock_of(*key) for key in (*keys, *pages_among(webhooks))])
        held = await held_of(connection, keys, webhooks)
        return self._fold(await known_as_ours(connection, webhooks), held, copies, now)


def _answer(plan: WebhookPlan, slugs: dict[int, str]) -> Accepted:
    incident = plan.group.incident if plan.group else None
    aside = aside_of(plan.webhook)
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


def _answer_to(waiting: Waiting, outcome: Accepted | StoreUnavailable) -> None:
    if waiting.answer.done():  # its request has given up and was told to come again
        return
    if isinstance(outcome, StoreUnavailable):
        waiting.answer.set_exception(outcome)
    else:
        waiting.answer.set_result(outcome)
