"""Is it well: whether work moves, and the figures that are read off the store when somebody asks."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from responder.embedded.server import LOW_DISK_BYTES, EmbeddedPostgres
from responder.errors import StoreUnavailable
from responder.store import deliveries, incidents
from responder.store import reconcile as asked
from responder.store import work as rows
from responder.store.accept import Acceptor
from responder.store.overdue import overdue
from responder.store.store import Store
from responder.store.targets import delivery_states, up
from responder.work.desk import Desk
from responder.work.heartbeat import MARGIN
from responder.work.work import LEASE_SECONDS, Worker

NOT_WRITABLE = "the store cannot be written to"
STILL_MOVING_SECONDS = 15.0
STUCK_SECONDS = 10.0  # senders are refused after three
STUCK_KNOWN_WITHIN_SECONDS = 2.0
MEASURED_WITHIN_SECONDS = 2.0  # a database that hangs must not cost the other figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """Of one daemon. `embedded`: None where the database is somebody else's."""

    desk: Desk
    acceptor: Acceptor
    worker: Worker
    embedded: EmbeddedPostgres | None

    async def why_not_ready(self) -> str | None:
        """None when all is well."""
        if not await self.desk.store.writable():
            return NOT_WRITABLE
        if self.embedded is not None and (why := _why_no_room(self.embedded)):
            return why
        if not self.desk.packs:
            return "no rules are loaded"
        if asyncio.get_running_loop().time() - self.worker.moved_at > STILL_MOVING_SECONDS:
            return f"no work was claimed for {STILL_MOVING_SECONDS:.0f} s"
        if self.acceptor.stuck_seconds > STUCK_SECONDS:
            return f"webhooks come, and none was committed for {STUCK_SECONDS:.0f} s"
        try:
            async with asyncio.timeout(STUCK_KNOWN_WITHIN_SECONDS):
                stuck = await self.worker.stuck()
        except TimeoutError:  # the store is slow, which is not to say that nothing moves
            stuck = []
        except StoreUnavailable as away:
            return str(away)
        return f"work is due and is not taken up: {', '.join(stuck)}" if stuck else None

    async def measure(self) -> None:
        """Bring the gauges up to date; those that are read off the store stay as they were while it is away."""
        why_not = await self.why_not_ready()
        self.desk.metrics.ready.set(why_not is None)
        self.desk.metrics.store_writable.set(why_not != NOT_WRITABLE)
        self.desk.metrics.webhooks_waiting.set(self.acceptor.waiting)
        if why_not == NOT_WRITABLE:
            return
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(MEASURED_WITHIN_SECONDS):
                store = self.desk.store.beside_work()
                await self._measure_work(store)
                await self._measure_reports(store)
                await self._measure_targets(store)

    async def _measure_work(self, store: Store) -> None:
        oldest, _ = await rows.backlog(store, self.worker.kinds, lease_seconds=LEASE_SECONDS)
        late = await overdue(
            store,
            self.worker.kinds,
            list(self.desk.told),
            lease_seconds=LEASE_SECONDS,
            within=timedelta(seconds=self.desk.first_report_within_seconds),
            margin=MARGIN,
        )
        self.desk.metrics.oldest_pending.set(oldest)
        self.desk.metrics.timers_overdue.set(late.work)
        self.desk.metrics.first_reports_overdue.set(len(late.incidents))

    async def _measure_reports(self, store: Store) -> None:
        counted = await incidents.counts(store)
        states = await delivery_states(store)
        waiting = await deliveries.pending(store)
        subscriptions = await asked.subscriptions(store)
        self.desk.metrics.incidents.clear()
        for state, severity, number in counted:
            self.desk.metrics.incidents.labels(state, severity).set(number)
        self.desk.metrics.deliveries.clear()
        for it in states:
            self.desk.metrics.deliveries.labels(it["sink"], it["state"]).set(it["n"])
        for sink in self.desk.sinks:
            self.desk.metrics.deliveries_pending.labels(sink).set(waiting.get(sink, 0))
        self.desk.metrics.subscription_active.clear()
        for one in subscriptions:
            self.desk.metrics.subscription_active.labels(one.id).set(one.active)
        if self.desk.hears_pagerduty and self.desk.pagerduty is not None and not subscriptions:
            self.desk.metrics.subscription_active.labels("none").set(0)

    async def _measure_targets(self, store: Store) -> None:
        """Whoever of the replicas asked last: what this one has seen itself may be hours old."""
        wanted = [(pack.name, target) for pack in self.desk.packs for target in pack.targets]
        for target, is_up in (await up(store, wanted)).items():
            self.desk.metrics.target_up.labels(target).set(is_up)


def _why_no_room(embedded: EmbeddedPostgres) -> str | None:
    try:
        if embedded.free_disk_bytes() < LOW_DISK_BYTES:
            return f"less than {LOW_DISK_BYTES >> 20} MB of disk is free in {embedded.data_dir}"
    except StoreUnavailable as gone:
        return str(gone)
    return None
