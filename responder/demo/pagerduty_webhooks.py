"""Sends signed v3 webhooks as PagerDuty does: in order per incident, again after a failure, never after a refusal.

Rules: https://developer.pagerduty.com/docs/webhooks/webhook-behavior. Not as the real one: an expired certificate is
tried again like every other TLS error, and a redirect, of which nothing is documented, counts as a refusal.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Any, Literal

import aiohttp

from responder.demo.pagerduty_records import Change, User
from responder.demo.pagerduty_subscriptions import EVENT_TYPES, Subscription, is_address
from responder.demo.pagerduty_webhook_bodies import change_body, event_id, ping_body

ANSWER_WITHIN_SECONDS = 5.0
# The pauses are ours, their end after 48 hours is PagerDuty's.
RETRY_SECONDS = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 2560.0, 3600.0)
RETRY_FOR_SECONDS = 48 * 3600.0
MAX_REJECTED_IN_A_ROW = 3
DISABLED_FOR = timedelta(hours=24)
MAX_SUBSCRIPTIONS = 10
# Ours: incidents do not wait for one another, but a burst of them must not use up all sockets.
MAX_AT_ONCE = 50

Outcome = Literal["taken", "failed", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One body on its way to one subscription. `incident`: "" for a ping."""

    id: str
    subscription: str
    event: str
    event_type: str
    incident: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt to deliver one webhook; `attempt` counts from 1, `at` is when it ended.

    `status`: None where there was no answer, and `error` says why. `outcome`: a `failed` one is tried again with the
    same `webhook` id, a `rejected` one is dropped.
    """

    subscription: str
    webhook: str
    event: str
    event_type: str
    incident: str
    attempt: int
    status: int | None
    error: str
    outcome: Outcome
    at: datetime

    def shape(self) -> dict[str, Any]:
        """As JSON for `GET /_state`."""
        return {**asdict(self), "at": self.at.isoformat()}


class Webhooks:
    """Every subscription, and what is on its way to it.

    `retry_seconds`: the pauses after the first, second, … failed attempt; the last one is repeated for 48 hours.
    """

    def __init__(
        self, *, clock: Callable[[], datetime], retry_seconds: Sequence[float], answer_within_seconds: float
    ) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self.deliveries: list[Delivery] = []
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._answer_within_seconds = answer_within_seconds
        self._counted = 0
        self._queues: dict[tuple[str, str], deque[Webhook]] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._root: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Be ready to send."""
        ready = asyncio.Event()
        # The root of a task group that outlives this call; `stop` is its other end.
        self._root = asyncio.get_running_loop().create_task(self._run(ready))
        await ready.wait()

    async def stop(self) -> None:
        """Forget what is on its way. Raises what has gone wrong in between, if anything has."""
        self._tasks = None
        if self._root is not None:
            self._root.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._root

    async def _run(self, ready: asyncio.Event) -> None:
        # A connection each: an idle one that the receiver closes would count as a failure.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        timeout = aiohttp.ClientTimeout(total=None)
        session = aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        async with session as self._http, asyncio.TaskGroup() as self._tasks:
            ready.set()
            await asyncio.Event().wait()  # until `stop` cancels

    # Subscriptions --------------------------------------------------------------------------------------------------

    def subscribe(self, subscription: Subscription) -> Subscription:
        """Tell it of what happens from now on. Raises ValueError at the eleventh of one scope."""
        if not is_address(subscription.url):
            raise ValueError(f"url: expected an http or https address, got {subscription.url!r}")
        if unknown := [it for it in subscription.events if it not in EVENT_TYPES]:
            raise ValueError(f"events: expected some of {', '.join(EVENT_TYPES)}, got {', '.join(unknown)}")
        if sum(it.scope == subscription.scope for it in self.subscriptions.values()) >= MAX_SUBSCRIPTIONS:
            raise ValueError(f"a scope can have at most {MAX_SUBSCRIPTIONS} webhook subscriptions")
        self.subscriptions[subscription.id] = subscription
        self._slots[subscription.id] = asyncio.Semaphore(MAX_AT_ONCE)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Tell it of nothing any more, nor of what was still on its way."""
        del self.subscriptions[subscription.id]
        self._empty(subscription)

    # What happens ---------------------------------------------------------------------------------------------------

    def publish(self, change: Change) -> None:
        """Queue a webhook for everybody who wants to know of this."""
        wanting = [subscription for subscription in self.subscriptions.values() if subscription.wants(change)]
        if not wanting:
            return
        id_ = self._next_event_id()
        body = change_body(change, id_)
        for subscription in wanting:
            self._queue(subscription, id_, change.event_type, change.incident.id, body)

    def ping(self, subscription: Subscription, by: User | None) -> None:
        """Queue a test for one subscription, whatever it asked for."""
        id_ = self._next_event_id()
        self._queue(subscription, id_, "pagey.ping", "", ping_body(id_, by, self._clock()))

    @property
    def waiting(self) -> list[Webhook]:
        """What is still on its way: queued, being sent, or to be sent again."""
        return [webhook for queue in self._queues.values() for webhook in queue]

    def told_of(self, incident: str) -> list[str]:
        """How each webhook of an incident fares, a line each, oldest first."""
        last = {it.webhook: it for it in self.deliveries if it.incident == incident}
        lines = [
            f"{it.event_type} to {it.subscription}: {it.outcome} at attempt {it.attempt}, {it.status or it.error}"
            for it in last.values()
        ]
        untried = (it for it in self.waiting if it.incident == incident and it.id not in last)
        return [*lines, *(f"{it.event_type} to {it.subscription}: waiting" for it in untried)]

    def _next_event_id(self) -> str:
        self._counted += 1
        return event_id(self._clock(), self._counted)

    def _queue(self, subscription: Subscription, event: str, event_type: str, incident: str, body: bytes) -> None:
        if self._tasks is None or not subscription.active or subscription.is_disabled(self._clock()):
            return
        id_ = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{subscription.id} {event}"))
        webhook = Webhook(
            id=id_, subscription=subscription.id, event=event, event_type=event_type, incident=incident, body=body
        )
        key = (subscription.id, incident or event)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = deque()
            self._tasks.create_task(self._send_all(subscription, key, queue))
        queue.append(webhook)

    # Sending --------------------------------------------------------------------------------------------------------

    async def _send_all(self, subscription: Subscription, key: tuple[str, str], queue: deque[Webhook]) -> None:
        """Send what there is for one subscription and one incident, each when the one before it is done with."""
        while queue:
            await self._send(subscription, queue[0], queue)
            if queue:  # else it was emptied meanwhile, and may have a successor
                queue.popleft()
        if self._queues.get(key) is queue:
            del self._queues[key]

    async def _send(self, subscription: Subscription, webhook: Webhook, queue: deque[Webhook]) -> None:
        for attempt, pause in enumerate(chain(self._pauses(), [None]), start=1):
            async with self._slots[subscription.id]:
                # Emptied while it waited: the subscription was disabled, or is no more.
                outcome = await self._try(subscription, webhook, attempt) if queue else None
            if outcome != "failed" or pause is None:
                return
            await asyncio.sleep(pause)

    def _pauses(self) -> Iterator[float]:
        left = RETRY_FOR_SECONDS
        for pause in chain(self._retry_seconds, repeat(self._retry_seconds[-1])):
            left -= pause
            if left < 0:
                return
            yield pause

    async def _try(self, subscription: Subscription, webhook: Webhook, attempt: int) -> Outcome:
        status, error = await self._post(subscription, webhook)
        outcome = _outcome(status)
        self.deliveries.append(
            Delivery(
                subscription=subscription.id,
                webhook=webhook.id,
                event=webhook.event,
                event_type=webhook.event_type,
                incident=webhook.incident,
                attempt=attempt,
                status=status,
                error=error,
                outcome=outcome,
                at=self._clock(),
            )
        )
        self._count(subscription, outcome)
        return outcome

    async def _post(self, subscription: Subscription, webhook: Webhook) -> tuple[int | None, str]:
        assert self._http is not None
        headers = {
            **subscription.custom_headers,
            "Content-Type": "application/json",
            "User-Agent": "PagerDuty-Webhook/V3.0",
            "X-Webhook-Id": webhook.id,
            "X-Webhook-Subscription": subscription.id,
            "X-PagerDuty-Signature": subscription.signature(webhook.body),
        }
        request = self._http.post(subscription.url, data=webhook.body, headers=headers, allow_redirects=False)
        try:
            async with asyncio.timeout(self._answer_within_seconds), request as answer:
                return answer.status, ""
        except TimeoutError:
            return None, f"no answer within {self._answer_within_seconds:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as reason:
            return None, f"{type(reason).__name__}: {reason}"

    def _count(self, subscription: Subscription, outcome: Outcome) -> None:
        if outcome == "taken":
            subscription.rejected_in_a_row = 0
        elif outcome == "rejected":
            subscription.rejected_in_a_row += 1
            if subscription.rejected_in_a_row >= MAX_REJECTED_IN_A_ROW:
                subscription.disabled_until = self._clock() + DISABLED_FOR
                subscription.rejected_in_a_row = 0
                self._empty(subscription)

    def _empty(self, subscription: Subscription) -> None:
        for key in [key for key in self._queues if key[0] == subscription.id]:
            self._queues.pop(key).clear()


def _outcome(status: int | None) -> Outcome:
    if status is None or status == 429 or status >= 500:
        return "failed"
    return "taken" if 200 <= status < 300 else "rejected"
