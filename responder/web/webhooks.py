"""Take a sender's request: authenticate, read within bounds, parse, have it committed, and only then answer.

Answers follow what senders do with them: Alertmanager repeats 5xx only, PagerDuty drops every 4xx but 429 for good;
so whatever could be lost is 503 with Retry-After, never another 4xx and never 2xx.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog
from aiohttp import web

from responder.errors import StoreUnavailable
from responder.intake.source import (
    DEFAULT_SOURCE,
    MOST_SOURCES,
    Credentials,
    Limits,
    Post,
    Refusal,
    Source,
    UnknownSender,
    UnreadableBody,
    is_source_name,
)
from responder.model.alert import Accepted, Webhook
from responder.redaction.redact import Redactor
from responder.rules.in_force import RulesInForce
from responder.store.accept import ANSWER_WITHIN_SECONDS, Acceptor
from responder.telemetry import Metrics
from responder.web.room import NoRoom, Room

BODY_WITHIN_SECONDS = 7.0  # with the time to read the answer under ten seconds
FREE_CHUNKS = 1000
LEAST_CHUNK_BYTES = 16  # on average; each costs as much as a small request, and honest senders' have thousands of bytes
RETRY_AFTER_SECONDS = "5"
NOT_CONFIGURED_AGAIN_SECONDS = "60"
NEVER_NAMED = ("pagerduty",)  # there is one account
ALWAYS_NAMED = ("generic",)  # the name says how its JSON is read
PRIORITY_UPDATED = "incident.priority_updated"
LIMITS = Limits()
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What receiving needs. `arrange`: labels by `intake`, less what its pack's `intake.ignore` leaves out.

    `ourselves`: PagerDuty's ids of the users that our own writes come from; it grows as they become known.
    `names`: by kind, the names in the path that senders have used.
    """

    sources: Mapping[str, Source]
    credentials: Mapping[str, Credentials]
    acceptor: Acceptor
    redactor: Redactor
    metrics: Metrics
    arrange: Callable[[Webhook], Sequence[Webhook]]
    rules: RulesInForce
    ourselves: Collection[str]
    max_body_bytes: int
    room: Room = field(default_factory=Room)
    names: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


class Refused(Exception):
    """An answer that ends the request; `extra` headers go with it, `more` stands in its body. `reason`: of a 503, for
    the metric."""

    def __init__(
        self,
        status: int,
        text: str,
        extra: Mapping[str, str] | None = None,
        *,
        reason: str = "",
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.extra = dict(extra or {})
        self.reason = reason
        self.more = more or {}


async def receive(request: web.Request, reception: Reception) -> Accepted:
    """One webhook; raises Refused with the status that its sender understands."""
    started = asyncio.get_running_loop().time()
    kind = request.match_info["kind"]
    name = request.match_info.get("source", "")
    outcome, reason = "failed", ""
    try:
        accepted = await _receive(request, reception, kind, name)
        outcome = "accepted"
        return accepted
    except Refused as refused:
        outcome, reason = str(refused.status), refused.reason
        raise
    finally:
        label = kind if kind in reception.sources else "unknown"
        reception.metrics.webhooks.labels(label, outcome).inc()
        if reason:
            reception.metrics.webhooks_refused.labels(label, reason).inc()
        reception.metrics.webhook_seconds.labels(label).observe(asyncio.get_running_loop().time() - started)


async def _receive(request: web.Request, reception: Reception, kind: str, named: str) -> Accepted:
    source = _source(reception, kind, named)
    name = named or DEFAULT_SOURCE
    credentials = reception.credentials.get(kind, Credentials())
    _refuse_if(source.refusal_before_body(request.headers, credentials))
    body = await _body(request, reception.max_body_bytes, reception.room)
    until = asyncio.get_running_loop().time() + ANSWER_WITHIN_SECONDS
    _refuse_if(source.refusal(request.headers, body, credentials))
    post = Post(source=name, headers=request.headers, body=body, intake=reception.rules.intake)
    parsed = await _parsed(source, post, reception, until)
    size = len(body)
    del body, post  # many may wait for their commit
    _remember(reception, kind, named)
    groups = reception.arrange(_without_our_own(parsed, reception.ourselves))
    try:
        accepted = await _all_accepted(reception.acceptor, groups, size=size, within_seconds=_left(until))
    except StoreUnavailable as away:
        raise Refused(503, str(away), {"Retry-After": RETRY_AFTER_SECONDS}, reason=away.reason) from away
    for webhook, one in zip(groups, accepted, strict=True):
        _count(reception.metrics, webhook, one)
    return accepted[0] if len(accepted) == 1 else Accepted.sum(accepted)


def _left(until: float) -> float:
    """Seconds in which it can still be kept; raises Refused when there are none."""
    left = until - asyncio.get_running_loop().time()
    if left <= 0:
        within = f"{ANSWER_WITHIN_SECONDS:.0f} s"
        raise Refused(503, f"not read within {within}", {"Retry-After": RETRY_AFTER_SECONDS}, reason="slow")
    return left


async def _all_accepted(
    acceptor: Acceptor, groups: Sequence[Webhook], *, size: int, within_seconds: float
) -> list[Accepted]:
    """Each by itself: after a 503 the sender repeats, and what was accepted is a duplicate. `size`: bytes of all."""
    accept = partial(acceptor.accept, size=size // len(groups), within_seconds=within_seconds)
    if len(groups) == 1:  # nearly always; a task for it would cost as much as reading its body
        return [await accept(groups[0])]
    return await asyncio.gather(*map(accept, groups))


def _source(reception: Reception, kind: str, name: str) -> Source:
    source = reception.sources.get(kind)
    if source is None:
        raise Refused(404, f'no such sender: "{kind}"; expected one of {", ".join(sorted(reception.sources))}')
    if name and kind in NEVER_NAMED:
        raise Refused(404, f"expected /webhooks/{kind}, without a name behind it")
    if not name and kind in ALWAYS_NAMED:
        raise Refused(404, f"expected /webhooks/{kind}/NAME, with a name that `intake.{kind}` of a pack explains")
    if name and not is_source_name(name):
        raise Refused(404, "a source is named by a-z, 0-9 and -, at most 32 of them")
    return source


def _without_our_own(webhook: Webhook, ourselves: Collection[str]) -> Webhook:
    """Our own writes come back as events; a person who shares our key is still heard on the state of an incident."""
    event = webhook.event
    if event is None or event.agent not in ourselves or (event.status and event.type != PRIORITY_UPDATED):
        return webhook
    return replace(webhook, event=replace(event, is_ours=True))


def _remember(reception: Reception, kind: str, named: str) -> None:
    """Only a sender with a credential may make a name known; the 51st of a kind is refused, its default one never."""
    names = reception.names[kind]
    if named in ("", DEFAULT_SOURCE) or named in names:
        return
    if len(names) >= MOST_SOURCES:
        raise Refused(404, f"{MOST_SOURCES} sources of {kind} are known already")
    names.add(named)


def _refuse_if(refusal: Refusal | None) -> None:
    if refusal is None:
        return
    extra = {"WWW-Authenticate": refusal.challenge} if refusal.challenge else {}
    if refusal.status == 503:
        extra["Retry-After"] = NOT_CONFIGURED_AGAIN_SECONDS
    raise Refused(refusal.status, refusal.problem, extra, reason="not_configured" if refusal.status == 503 else "")


async def _body(request: web.Request, limit: int, room: Room) -> bytes:
    if "Content-Encoding" in request.headers:
        raise Refused(415, "send the body as it is: no Content-Encoding is taken", {"Accept-Encoding": "identity"})
    if request.content_length is not None and request.content_length > limit:
        raise Refused(
            413, f"the body has {request.content_length} bytes; at most {limit} are taken", {"Connection": "close"}
        )
    if request.content.is_eof():  # the usual case: all of it came with the head, and no clock is needed
        body = request.content.read_nowait()
        _refuse_over(len(body), limit)
        return body
    try:
        async with asyncio.timeout(BODY_WITHIN_SECONDS) as deadline:
            with room.arriving(request, deadline) as came:
                body = await _read(request, limit, came)
    except TimeoutError as slow:  # be it the network's fault or ours: 408 would be the last that PagerDuty says of it
        within = f"{BODY_WITHIN_SECONDS:.0f} s, sooner while many are on their way"
        raise Refused(
            503,
            f"the body did not arrive within {within}",
            {"Retry-After": RETRY_AFTER_SECONDS, "Connection": "close"},
            reason="slow",
        ) from slow
    room.answer(request)
    return body


async def _read(request: web.Request, limit: int, came: Callable[[int], None]) -> bytes:
    body = bytearray()  # and no list: pieces may be a byte each
    chunks = 0
    async for piece, ends in request.content.iter_chunks():
        came(len(piece))
        _refuse_over(len(body) + len(piece), limit)
        body += piece
        chunks += ends
        if chunks > FREE_CHUNKS and len(body) < chunks * LEAST_CHUNK_BYTES:
            raise Refused(
                413,
                f"chunks of at least {LEAST_CHUNK_BYTES} bytes are taken, not thousands of less",
                {"Connection": "close"},
            )
    return bytes(body)


def _refuse_over(size: int, limit: int) -> None:
    if size > limit:
        raise Refused(413, f"at most {limit} bytes are taken", {"Connection": "close"})


async def _parsed(source: Source, post: Post, reception: Reception, until: float) -> Webhook:
    """A large body full of what must be redacted can take seconds: it gets a thread, so that others are answered."""
    try:
        if reception.room.may_hold_up(len(post.body)):
            async with reception.room.parsing(len(post.body), until):
                return await asyncio.to_thread(source.parse, post, reception.redactor, LIMITS)
        with reception.room.holding_up():
            return source.parse(post, reception.redactor, LIMITS)
    except UnreadableBody as unreadable:
        raise Refused(400, str(unreadable)) from unreadable
    except UnknownSender as unknown:
        raise Refused(404, str(unknown)) from unknown
    except NoRoom as full:
        raise Refused(503, str(full), {"Retry-After": RETRY_AFTER_SECONDS}, reason="full") from full


def _count(metrics: Metrics, webhook: Webhook, accepted: Accepted) -> None:
    for status, alerts in Counter(alert.status for alert in webhook.alerts).items():
        metrics.alerts.labels(webhook.kind, status.word).inc(alerts)
    for it in webhook.quarantined if accepted.quarantined else ():
        metrics.quarantined.labels(webhook.kind, it.reason.partition(":")[0]).inc(it.alerts)
