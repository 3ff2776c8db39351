"""Make one sink object show one report, once, whatever happened to whoever tried before.

Before a byte leaves, the ledger says `sending`. Who finds a delivery in that state, or `uncertain`, reads the object
back by the marker first: found, it is adopted and edited; not found, it is posted and the object is listed once more,
at once and again after half a minute, and the younger of two of ours is deleted. A list that lacks what was just posted
is behind: it is asked for again. What cannot be read back for ten minutes is posted once with a tag: silence is worse
than a double. A store that goes on from a replica or a backup may have lost what was posted last: then every object is
read before its first post, and what stands there is taken over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import structlog

from responder.delivery.sink import Posted, Rendering, Sink
from responder.errors import (
    CouldNotLook,
    DeliveryError,
    DeliveryPostponed,
    DeliveryRefused,
    DeliveryUncertain,
    LeaseLost,
    Unreachable,
)
from responder.model.report import Report
from responder.store import deliveries as ledger
from responder.store.deliveries import Begun, Delivery
from responder.store.store import Store

SEND_WITHIN_SECONDS = 6.0  # shorter than a lease: who takes over reads back after our last byte
LONGEST_WAIT_SECONDS = 60.0  # whatever a sink asks for: a wrong header, or a clock set back, must not silence us
READ_BACK_SHARE = 2 / 3  # of the time to send; a list that hangs must leave some for the post
UNREADABLE_FOR = timedelta(minutes=10)
VERIFY_AFTER_SECONDS = 30.0
REFUSED_AGAIN_SECONDS = 900.0  # a wrong From address is a 400 as well, and somebody will mend it
DOUBTFUL = ("sending", "uncertain")
MAY_BE_A_DUPLICATE = "may be a duplicate"
T = TypeVar("T")
log = structlog.get_logger()


def is_doubtful(delivery: Delivery) -> bool:
    """Whether a post may have arrived of which nothing was heard; a later one that was refused does not settle that."""
    return delivery.state in DOUBTFUL or delivery.uncertain_since is not None


def _nobody_counts(_: str) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came of it: `outcome` delivered, edited, postponed, uncertain, refused or gone; `again_in` seconds.

    `no_turn`: postponed because our own rate left no turn, to the sink itself nothing was said.
    """

    outcome: str
    again_in: float | None = None
    why: str = ""
    no_turn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Reports that the store may have lost: their markers begin so, and are none of `known`."""

    beginning: str
    known: frozenset[str]


class Deadline:
    """Seconds that are left to send, by a clock that goes on while the machine sleeps."""

    def __init__(self, seconds: float, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or _seconds_with_suspension
        self._ends = self._clock() + seconds

    def rest(self) -> float:
        """What is left, negative when it is over."""
        return self._ends - self._clock()

    def check(self) -> None:
        """Raises LeaseLost when there is no time left: somebody else may be sending by now."""
        if self.rest() <= 0:
            raise LeaseLost("the time to send was over before the first byte")

    def left(self) -> float:
        """What may be spent on sending; raises LeaseLost when that is nothing."""
        self.check()
        return self.rest()


async def send(
    store: Store,
    sink: Sink,
    begun: Begun,
    report: Report,
    *,
    digest: bytes,
    markers: Sequence[str],
    redact: Callable[[str], str],
    deadline: Deadline,
    again_in: float,
    lost: Lost | None = None,
    on_duplicate: Callable[[str], None] = _nobody_counts,
) -> Sent:
    """Show the report.

    `digest`: of what a reader must know in it; `markers`: the incident's own first, then those of the incidents that it
    goes on for; `again_in`: seconds to wait after what may pass; `lost`: None where nothing can be, or be found.
    `on_duplicate`: told what became of each second one of ours that is found, `deleted` or `stays`.
    """
    sending = _Sending(
        store=store,
        sink=sink,
        begun=begun,
        report=report,
        digest=digest,
        markers=markers,
        redact=redact,
        deadline=deadline,
        lost=lost,
        on_duplicate=on_duplicate,
    )
    delivery = begun.delivery
    try:
        return await sending.edit() if delivery.foreign_id is not None else await sending.first()
    except DeliveryUncertain as uncertain:
        held = await ledger.aside(store, delivery, state="uncertain", why=str(uncertain), is_doubtful=True)
        if not held and sink.reads_back:  # ours may arrive beside, or over, that of who took over
            await ledger.distrust(store, delivery, verify=True)
        return Sent(outcome="uncertain", again_in=again_in, why=str(uncertain))
    except DeliveryPostponed as postponed:
        doubtful = is_doubtful(delivery) and delivery.foreign_id is None
        state = "uncertain" if doubtful else "due"
        await ledger.aside(store, delivery, state=state, why=str(postponed), is_doubtful=doubtful, is_unsent=True)
        asked_for = min(postponed.after_seconds, LONGEST_WAIT_SECONDS)
        if postponed.is_our_rate:
            return Sent(outcome="postponed", again_in=asked_for, why=str(postponed), no_turn=True)
        return Sent(outcome="postponed", again_in=max(asked_for, again_in), why=str(postponed))
    except DeliveryRefused as refused:
        state = "gone" if refused.gone else "failed"
        doubtful = is_doubtful(delivery) and delivery.foreign_id is None
        why = str(refused)
        await ledger.aside(store, delivery, state=state, why=why, digest=digest, is_doubtful=doubtful, is_unsent=True)
        again = None if refused.gone else REFUSED_AGAIN_SECONDS
        return Sent(outcome="gone" if refused.gone else "refused", again_in=again, why=str(refused))


async def verify(
    store: Store,
    sink: Sink,
    begun: Begun,
    *,
    markers: Sequence[str],
    on_duplicate: Callable[[str], None] = _nobody_counts,
) -> bool:
    """List the object once more and keep only the oldest of ours. True where that is another one than the ledger knew:
    the newest text is to be written on it.

    Raises CouldNotLook, also while the list is behind or a younger one stays for now: then it is to be listed again.
    """
    delivery = begun.delivery
    ours = await sink.find(delivery.object, markers)
    may_change = begun.now - (delivery.delivered_at or begun.now) < UNREADABLE_FOR
    if may_change:  # later it is missing, not late
        _check_is_listed(delivery.foreign_id, ours)
    if not await _delete_younger(sink, delivery.object, ours, on_duplicate, is_last=not may_change):
        raise Unreachable("a second one of ours could not be deleted yet")
    kept = ours[0].id if ours else delivery.foreign_id
    await ledger.verified(store, delivery, foreign_id=kept or "")
    return kept != delivery.foreign_id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sending:
    store: Store
    sink: Sink
    begun: Begun
    report: Report
    digest: bytes
    markers: Sequence[str]
    redact: Callable[[str], str]
    deadline: Deadline
    lost: Lost | None
    on_duplicate: Callable[[str], None]

    async def edit(self) -> Sent:
        delivery = self.begun.delivery
        assert delivery.foreign_id is not None
        if not await ledger.editing(self.store, delivery):
            raise LeaseLost(f"delivery {delivery.id}")
        return await self._edit(delivery.foreign_id, outcome="edited", verify=delivery.verify, tag=delivery.tag)

    async def _edit(self, note: str, *, outcome: str, verify: bool, tag: str) -> Sent:
        """The ledger says already that what stands there is not known."""
        try:
            await self._put(note, tag)
            kept = note
        except DeliveryRefused as refused:
            found = await self._another() if refused.gone else None
            if found is None:
                raise
            await self._put(found, tag)
            kept = found
        if not await self._shown(kept, verify=verify, tag=tag):
            await ledger.distrust(self.store, self.begun.delivery)  # ours may stand over what who took over has written
        return Sent(outcome=outcome, again_in=VERIFY_AFTER_SECONDS if verify else None)

    async def _post(self, tag: str) -> str:
        async def post(text: Any) -> str:
            return await self.sink.post(self.begun.delivery.object, text, within=self.deadline.left())

        return await self._said(post, tag)

    async def _put(self, note: str, tag: str) -> None:
        async def edit(text: Any) -> None:
            await self.sink.edit(self.begun.delivery.object, note, text, within=self.deadline.left())

        await self._said(edit, tag)

    async def _said(self, say: Callable[[Any], Awaitable[T]], tag: str) -> T:
        """Say all of it; where the sink refuses that, once more in its shortest form, if it has one."""
        whole = self._text(tag)
        try:
            return await say(whole)
        except DeliveryRefused as refused:
            short = self._text(tag, short=True)
            if refused.gone or short == whole:
                raise
            said = await say(short)
            log.warning("delivery.shortened", sink=self.sink.name, why=str(refused))
            return said

    async def _another(self) -> str | None:
        """Ours under another id, when the one that the ledger knew is gone: the younger of two was deleted."""
        try:
            return await self._keep_the_oldest()
        except CouldNotLook as unread:
            why = f"our note is gone, and whether another of ours stands there could not be read: {unread}"
            raise DeliveryPostponed(why, after_seconds=0.0) from unread

    async def first(self) -> Sent:
        delivery = self.begun.delivery
        doubtful = is_doubtful(delivery)
        tag = ""
        if doubtful or self.lost is not None:
            ours, tag = await self._read_back()
            if ours is not None:
                return await self._adopt(ours)
        if self.begun.continued_in is not None:
            raise DeliveryRefused("nothing of it is shown here, and another incident goes on for it", gone=True)
        self.deadline.check()  # a list that hung must not use up the one blind post
        if not await ledger.sending(self.store, delivery, uncertain=doubtful, tag=tag):
            raise LeaseLost(f"delivery {delivery.id}")
        log.debug("delivery.sending", sink=self.sink.name)
        try:
            posted = await self._post(tag)
        except LeaseLost as late:  # the ledger took its time: nothing has left, which uses up no blind post
            state = "uncertain" if doubtful else "due"
            await ledger.aside(self.store, delivery, state=state, why=str(late), is_doubtful=doubtful, is_unsent=True)
            raise
        log.debug("delivery.posted", sink=self.sink.name)
        return await self._settle(posted, tag=tag, doubtful=doubtful and self.sink.reads_back)

    async def _settle(self, posted: str, *, tag: str, doubtful: bool) -> Sent:
        """It is there; where another may be too, list the object once more."""
        marked = await self._shown(posted, verify=doubtful, tag=tag)
        if self.sink.reads_back and (doubtful or not marked):
            try:
                kept = await self._keep_the_oldest(posted) or posted
            except CouldNotLook:
                kept = posted  # the look after half a minute will tell
                if not marked:
                    await ledger.distrust(self.store, self.begun.delivery, verify=True)
            if marked and kept != posted:
                return await self._adopt(kept)
        return Sent(outcome="delivered", again_in=VERIFY_AFTER_SECONDS if doubtful else None)

    async def _adopt(self, ours: str) -> Sent:
        """It had arrived after all: show the newest text on it."""
        if not await ledger.found(self.store, self.begun.delivery, foreign_id=ours):
            raise LeaseLost(f"delivery {self.begun.delivery.id}")
        log.info("delivery.adopted", sink=self.sink.name, note=ours)
        return await self._edit(ours, outcome="delivered", verify=True, tag="")

    async def _read_back(self) -> tuple[str | None, str]:
        """Ours, if it is there, and the tag for a post that nobody could check."""
        delivery = self.begun.delivery
        if not self.sink.reads_back:
            return None, "" if self.sink.repeats_safely else MAY_BE_A_DUPLICATE
        try:
            async with asyncio.timeout(max(self.deadline.rest(), 0.0) * READ_BACK_SHARE):
                return await self._standing_there(), ""
        except (CouldNotLook, TimeoutError) as unreadable:
            since = delivery.uncertain_since
            blindly = since is not None and self.begun.now - since >= UNREADABLE_FOR
            if blindly and not delivery.tag:  # once: a tag says that it was tried already
                return None, MAY_BE_A_DUPLICATE
            raise DeliveryUncertain(f"could not read back: {str(unreadable) or 'no answer in time'}") from unreadable

    async def _standing_there(self) -> str | None:
        if self.lost is None:
            return await self._keep_the_oldest()
        found = await self.sink.find(self.begun.delivery.object, [self.lost.beginning])
        return next((it.id for it in found if it.marker not in self.lost.known), None)

    async def _keep_the_oldest(self, posted: str | None = None) -> str | None:
        """Delete all of ours but the oldest; its id, None when there is none. Raises CouldNotLook, also where the list
        does not show yet what was `posted`."""
        object_ = self.begun.delivery.object
        ours = await self.sink.find(object_, self.markers)
        _check_is_listed(posted, ours)
        await _delete_younger(self.sink, object_, ours, self.on_duplicate)
        return ours[0].id if ours else None

    async def _shown(self, foreign_id: str, *, verify: bool, tag: str) -> bool:
        marked = await ledger.shown(
            self.store,
            self.begun.delivery,
            foreign_id=foreign_id,
            digest=self.digest,
            report=self.report,
            verify=verify,
            tag=tag,
        )
        log.debug("delivery.marked", sink=self.sink.name, ours=marked)
        return marked

    def _text(self, tag: str, *, short: bool = False) -> Any:
        said = Rendering(
            marker=self.markers[0],
            tag=tag,
            continues=self.begun.continues or "",
            continued_in=self.begun.continued_in or "",
            edition=str(self.begun.delivery.delivered_at or ""),
            short=short,
        )
        return self.redact(self.sink.render(self.report, said))


def _check_is_listed(posted: str | None, ours: Sequence[Posted]) -> None:
    """Raises Unreachable where a list lacks what was posted: what else it lacks cannot be known."""
    if posted is not None and all(it.id != posted for it in ours):
        raise Unreachable("the list does not show yet what was posted")


async def _delete_younger(
    sink: Sink, object_: str, ours: Sequence[Posted], on_duplicate: Callable[[str], None], *, is_last: bool = False
) -> bool:
    """Leave the oldest, which comes first; False where one stays that may go another time, unless this `is_last`."""
    all_done = True
    for younger in ours[1:]:
        try:
            await sink.delete(object_, younger.id)
            log.warning("delivery.duplicate_deleted", sink=sink.name, note=younger.id)
            on_duplicate("deleted")
        except DeliveryError as stays:
            log.warning("delivery.duplicate_stays", sink=sink.name, note=younger.id, why=str(stays))
            if is_last or isinstance(stays, DeliveryRefused):
                on_duplicate("stays")
            else:
                all_done = False
    return all_done


def _seconds_with_suspension() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
