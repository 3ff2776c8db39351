"""What `/targets` shows: what is looked at, where reports go, who is asked; each with what it waits for and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from responder.clients.doors import Doors
from responder.errors import NotConfigured
from responder.model.asked import Asked, Subscription
from responder.model.pack import Pack, Target
from responder.rules.in_force import RulesInForce
from responder.store import reconcile as asked
from responder.store import targets as kept
from responder.store.store import Store
from responder.store.targets import SinkKept, TargetKept

NEVER = "not asked yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLine:
    """One target of one pack. `address`: scheme, host and port; empty where it is not known.

    `outcome`: of the last question, by any replica: `answered`, `refused`, `no answer`, or `not asked yet`; of what
    cannot be asked at all `not configured`. `why`: of those that are no answer. `waiting`: questions of this process
    that have no turn yet.
    """

    pack: str
    name: str
    kind: str
    address: str
    outcome: str
    why: str
    at: datetime | None
    answered_at: datetime | None
    asked_last_hour: int
    per_minute: int
    concurrency: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Everything of one moment. `senders`: who was asked for what webhooks did not bring."""

    targets: tuple[TargetLine, ...]
    sinks: tuple[SinkKept, ...]
    senders: tuple[Asked, ...]
    subscriptions: tuple[Subscription, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookingAt:
    """Where it is read from. `sinks`: names of those that are configured."""

    rules: RulesInForce
    doors: Doors
    sinks: Sequence[str]
    store: Store

    async def now(self) -> Looked:
        """As it is; raises StoreUnavailable."""
        found = await kept.targets(self.store)
        senders = await asked.outcomes(self.store)
        return Looked(
            targets=tuple(
                self._line(pack, target, found) for pack in self.rules.packs for target in pack.targets.values()
            ),
            sinks=await kept.sinks(self.store, self.sinks),
            senders=tuple(it for it in senders if it.whom.startswith(("alertmanager/", "pagerduty"))),
            subscriptions=await asked.subscriptions(self.store),
        )

    def _line(self, pack: Pack, target: Target, found: Mapping[tuple[str, str], TargetKept]) -> TargetLine:
        last = found.get((pack.name, target.name))
        address, why_not = self._address(target)
        tally = self.doors.tally(target)
        return TargetLine(
            pack=pack.name,
            name=target.name,
            kind=target.kind,
            address=address,
            outcome="not configured" if why_not else last.outcome if last else NEVER,
            why=why_not or (last.why if last else ""),
            at=last.at if last else None,
            answered_at=last.answered_at if last else None,
            asked_last_hour=last.asked_last_hour if last else 0,
            per_minute=target.per_minute,
            concurrency=target.concurrency,
            waiting=tally.waiting,
        )

    def _address(self, target: Target) -> tuple[str, str]:
        """The address as far as people may see it, and why there is none."""
        try:
            return self.doors.shown(target), ""
        except NotConfigured as why:
            return "", str(why)
