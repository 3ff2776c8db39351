"""Run what is due: claim, keep the lease, let each kind do its part, finish. Any number of processes may do the same.

One short file a kind; the folder is the registry: a module that ends in `KIND = …` is run.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
import structlog

from responder.errors import LeaseLost, StoreUnavailable
from responder.model.quantities import several
from responder.store import work as rows
from responder.store.clock import DatabaseClock
from responder.store.store import GONE
from responder.store.work import CHANNEL, Claimed
from responder.work.desk import Desk, Next

LEASE_SECONDS = 9.0  # work of a process that died moves on within ten
RENEW_SECONDS = 3.0
POLL_SECONDS = 1.0
UNCLAIMED_SECONDS = LEASE_SECONDS + 6.0  # so long work may be due which this process could take up and does not
BUSY_SECONDS = 120.0  # the same while it does as much of the kind as it may: a sink or a target may be slow
PRESSED_SECONDS = 0.2  # between claims of one row a kind, while acceptance needs the processor
LEAST_NAP_SECONDS = 0.02  # a due row that somebody else has locked must not be asked for without end
RESTS_AT_MOST_SECONDS = 5.0  # where there is no turn for longer, it is asked again
GIVES_WAY_FOR_SECONDS = 30.0  # after whom a kind of work needs could not be reached, until it is tried from here again
GIVES_WAY_BY_SECONDS = 2.0  # so long others have, who may reach it: they poll each second
MOST_IN_LINE = 32  # pieces of work that wait for a connection: what is claimed behind them would only hold its lease
AGAIN_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of work. `name` is that of its rows; `at_once` how many a process runs side by side.

    `keys`: of the rows that are always there, which a start asks for. `to_the_end`: not cut off when its lease is lost,
    because what it has begun outside must be tidied up behind it.
    """

    name: str
    do: Callable[[Claimed, Desk], Awaitable[Next]]
    at_once: int = 8
    to_the_end: bool = False
    keys: Sequence[str] = ()


def kinds(desk: Desk) -> list[Kind]:
    """Every kind of this folder; a module's `KIND` is one, or makes some from the desk (one queue a sink).

    What a replica is not set up for is none of its kinds: it leaves such rows to those that are.
    """
    found: list[Kind] = []
    package = importlib.import_module("responder.work")
    for module in pkgutil.iter_modules(package.__path__):
        kind: Any = getattr(importlib.import_module(f"responder.work.{module.name}"), "KIND", None)
        if isinstance(kind, Kind):
            found.append(kind)
        elif kind is not None:
            found += kind(desk)
    return found


def always_there(kinds: Sequence[Kind]) -> list[rows.Ask]:
    """The rows that nothing but a start asks for, and the minute's audit where one is gone."""
    return [rows.Ask(kind=kind.name, key=key) for kind in kinds for key in kind.keys]


@dataclass(slots=True, kw_only=True)
class Queue:
    """One kind of work as this process does it. Moments are seconds of the loop's clock."""

    kind: Kind
    running: int = 0
    is_full: bool = False
    """So it was when something was last to be claimed."""
    stirred_at: float
    """When a piece was last begun or ended."""
    gives_way_until: float = 0.0
    rests_until: float = 0.0

    def may_claim(self, room: int, *, is_pressed: bool) -> int:
        """`room`: for how many more in the line for connections. A kind of which nothing runs goes on all the same."""
        free = min(self.kind.at_once - self.running, room if self.running else max(room, 1))
        return min(free, 1) if is_pressed else free

    def gives_way(self, now: float) -> bool:
        """Whether others go first: a replica that is cut off from a sink must not be the quickest to fail at it."""
        return now < self.gives_way_until

    def rests(self, now: float) -> bool:
        """Whether there is no turn for it: what is claimed when there is one is the gravest of what is due then."""
        return now < self.rests_until

    def stands_still(self, now: float) -> bool:
        """Whether it has done so for longer than it may, if there is something to do."""
        is_busy = self.is_full or self.running >= self.kind.at_once
        return now - self.stirred_at > (BUSY_SECONDS if is_busy else UNCLAIMED_SECONDS)

    def learn(self, after: Next, now: float) -> None:
        """What one piece tells of the next ones."""
        self.gives_way_until = now + (GIVES_WAY_FOR_SECONDS if after.unreachable else 0.0)
        self.rests_until = max(self.rests_until, now + min(after.rests, RESTS_AT_MOST_SECONDS))


class Worker:
    """Claims and runs work until told to stop; what it could not finish is taken up when its lease ends.

    `is_pressed`: acceptance goes first. A webhook has to be answered within seconds, a report has more time, and its
    sinks take fewer than are looked at even so.
    """

    def __init__(self, desk: Desk, kinds: Sequence[Kind], *, is_pressed: Callable[[], bool] = lambda: False) -> None:
        self._desk = desk
        self._is_pressed = is_pressed
        self._queues = {kind.name: Queue(kind=kind, stirred_at=0.0) for kind in kinds}
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._clock = DatabaseClock(lease_seconds=LEASE_SECONDS)
        self.moved_at = 0.0

    async def run(self) -> None:
        """Until `stop()`; then until what runs is done. Cancelling it abandons what runs to its lease."""
        for queue in self._queues.values():
            queue.stirred_at = _now()
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(self._listen()), group.create_task(self._watch_clock())]
            while not self._stopping.is_set():
                try:
                    await self._claim_all(group)
                    await self._sleep_until_due()
                except StoreUnavailable as away:
                    log.warning("work.waits", why=str(away))
                    await self._nap(POLL_SECONDS)
                except asyncpg.PostgresError as wrong:  # its text may quote what is kept
                    log.warning("work.waits", why=f"store: {type(wrong).__name__}")
                    await self._nap(POLL_SECONDS)
            for it in beside:
                it.cancel()

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()
        self._woken.set()

    @property
    def kinds(self) -> list[str]:
        """The kinds of work that this process does."""
        return list(self._queues)

    @property
    def busy(self) -> int:
        """How many pieces of work run now."""
        return sum(it.running for it in self._queues.values())

    async def stuck(self) -> list[str]:
        """Kinds whose work is due for longer than a lease while this process neither begins nor ends any of it.

        What waits for a sink is not due, and many that wait their turn at a slow one move, one by one.
        """
        behind = await rows.behind(self._desk.store, self.kinds, by_seconds=UNCLAIMED_SECONDS)
        return [kind for kind in behind if self._queues[kind].stands_still(_now())]

    async def _claim_all(self, group: asyncio.TaskGroup) -> None:
        self._woken.clear()
        room = MOST_IN_LINE - self._desk.store.in_line
        for queue in self._queues.values():
            if queue.rests(_now()):
                continue
            free = queue.may_claim(room, is_pressed=self._is_pressed())
            queue.is_full = free <= 0
            if free <= 0:
                continue
            claimed = await rows.claim(
                self._desk.store,
                queue.kind.name,
                limit=free,
                lease_seconds=LEASE_SECONDS,
                due_for_seconds=GIVES_WAY_BY_SECONDS if queue.gives_way(_now()) else 0.0,
            )
            room -= len(claimed)
            for row in claimed:
                queue.running += 1
                queue.stirred_at = _now()
                group.create_task(self._hold(queue, row), name=f"{row.kind} {row.key}")
        self.moved_at = _now()

    async def _sleep_until_due(self) -> None:
        if self._is_pressed():  # and no wake-up: every batch that is accepted would be one
            await asyncio.sleep(PRESSED_SECONDS)
            return
        now = _now()
        ready = [it for it in self._queues.values() if not it.gives_way(now) and not it.rests(now)]
        free = [it.kind.name for it in ready if it.running < it.kind.at_once]
        due = await rows.next_due_in(self._desk.store, free)
        await self._nap(min(POLL_SECONDS, max(due, LEAST_NAP_SECONDS)) if due is not None else POLL_SECONDS)

    async def _nap(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _hold(self, queue: Queue, row: Claimed) -> None:
        """Do one piece of work under its lease, and let go of it."""
        try:
            with structlog.contextvars.bound_contextvars(work=row.kind, key=row.key):
                await self._do(queue, row)
        except LeaseLost as lost:
            self._say_lost(row, lost)
        except StoreUnavailable as away:
            log.warning("work.left_to_its_lease", work=row.kind, key=row.key, why=str(away))
        except Exception as bug:  # not even the failure could be written down: its lease will end
            log.exception("work.left_to_its_lease", work=row.kind, key=row.key, why=type(bug).__name__)
        finally:
            queue.running -= 1
            queue.stirred_at = _now()
            self._woken.set()

    async def _do(self, queue: Queue, row: Claimed) -> None:
        store = self._desk.store
        log.debug("work.claimed")
        try:
            after = await self._with_lease(queue.kind, row)
            queue.learn(after, _now())
            log.debug("work.finishing")
            await rows.finish(store, row, next_in=after.in_seconds, waits_for=after.waits_for, payload=after.payload)
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception as bug:  # the one boundary of work: a bug in one piece must not stop the others
            log.exception("work.failed", why=f"{type(bug).__name__}: {bug}")
            self._desk.metrics.work_failures.labels(row.kind).inc()
            again = AGAIN_SECONDS[min(row.failures, len(AGAIN_SECONDS) - 1)]
            why = f"failed {several(row.failures + 1, 'time')}: {type(bug).__name__}"
            await rows.finish(store, row, next_in=again, failures=row.failures + 1, waits_for=why)

    async def _with_lease(self, kind: Kind, row: Claimed) -> Next:
        """Raises what the work raised itself: a group around it would hide which error it was."""
        try:
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renew(kind, row))
                try:
                    return await kind.do(row, self._desk)
                finally:
                    renewing.cancel()
        except ExceptionGroup as raised:
            raise next((it for it in raised.exceptions if isinstance(it, LeaseLost)), raised.exceptions[0]) from None

    async def _renew(self, kind: Kind, row: Claimed) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await rows.renew(self._desk.store, row, lease_seconds=LEASE_SECONDS)
            except StoreUnavailable:
                continue  # the lease runs on; it is lost only when somebody else has taken it
            except LeaseLost as lost:
                if not kind.to_the_end:
                    raise
                self._say_lost(row, lost)
                return

    def _say_lost(self, row: Claimed, lost: LeaseLost) -> None:
        log.warning("work.lease_lost", row=str(lost))
        self._desk.metrics.leases_lost.labels(row.kind).inc()

    async def _watch_clock(self) -> None:
        """Beside the claiming, which is not to wait for it while the store is busy."""
        while True:
            try:
                await self._clock.look(self._desk.store)
            except StoreUnavailable as away:
                log.warning("work.waits", why=str(away))
            except asyncpg.PostgresError as wrong:  # its text may quote what is kept
                log.warning("work.waits", why=f"store: {type(wrong).__name__}")
            await asyncio.sleep(POLL_SECONDS)

    async def _listen(self) -> None:
        """Wake early when work is asked for; without it, polling finds the work a second later."""

        def wake(*_: object) -> None:
            self._woken.set()

        while True:
            try:
                async with self._desk.store.housekeeping() as connection:
                    closed = asyncio.Event()
                    connection.add_termination_listener(partial(_set, closed))
                    await connection.add_listener(CHANNEL, wake)
                    try:
                        await closed.wait()
                    finally:
                        await _leave(connection, wake)
            except StoreUnavailable:
                await asyncio.sleep(POLL_SECONDS)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _set(event: asyncio.Event, _: object) -> None:
    event.set()


async def _leave(connection: Any, wake: Callable[..., None]) -> None:
    if not connection.is_closed():
        with contextlib.suppress(*GONE):  # the database may be going down with us
            await connection.remove_listener(CHANNEL, wake)
