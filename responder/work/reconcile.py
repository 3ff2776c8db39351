"""Ask senders for what they did not tell, or what did not reach us, and take it in by the door of webhooks.

One row of work a sender, so that one replica asks at a time, and each at most once a minute. Whoever does not answer
settles nothing; that is said once, and once more when it answers again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog

from responder.clients.alertmanager import AlertmanagerDoor
from responder.clients.pagerduty import PagerDutyApi, open_incidents, webhook_subscriptions
from responder.errors import CouldNotLook, Refused
from responder.incidents import reconcile as decide
from responder.intake.pagerduty_asked import webhook_of
from responder.intake.source import Limits
from responder.model.alert import AlertStatus, Webhook
from responder.model.asked import Peer, Scope
from responder.model.paged import PagedIncident, PagedStatus
from responder.store import reconcile as asked
from responder.store.reconcile import SUBSCRIPTIONS, Absent
from responder.store.work import Claimed
from responder.work.desk import OVER, Desk, Next
from responder.work.work import Kind

EVERY_SECONDS = 60.0
MOST_ONE_BY_ONE = 20  # requests in one asking for incidents that the list does not show
ALERTMANAGER, PAGERDUTY = "alertmanager", "pagerduty"
LOST = "no Alertmanager that answers has been up for ten minutes and is in step: what it does not have may be lost"
NO_SUBSCRIPTION = "no webhook subscription leads here"
log = structlog.get_logger()


async def ask_alertmanager(row: Claimed, desk: Desk) -> Next:
    """Settle the alerts of one source that its Alertmanager has not had for a while; the key is the source."""
    doors = desk.alertmanagers.get(row.key, ())
    if not doors:
        return OVER
    if not await asked.has_quiet_alerts(desk.store, row.key, decide.QUIET_FOR):
        return Next(in_seconds=EVERY_SECONDS, payload={"absent": {}})
    whom = f"{ALERTMANAGER}/{row.key}"
    now, rest = await asked.begin(desk.store, whom, every_seconds=EVERY_SECONDS)
    if now is None:
        return Next(in_seconds=rest)
    peers, silent = await _peers(doors)
    firing = decide.firing_at(peers, up_for=decide.UP_FOR)
    why = "; ".join(silent) if firing is not None or not peers else "; ".join([LOST, *silent])
    await _say(desk, whom, why)
    if firing is None:
        return Next(in_seconds=EVERY_SECONDS, waits_for=why)
    absent = await asked.absent_alerts(desk.store, row.key, decide.QUIET_FOR, firing)
    since = decide.absent_since([it.name for it in absent], _moments(row.payload.get("absent")), now)
    gone = decide.long_absent(since, now, absent_for=decide.ABSENT_FOR)
    await _settle(desk, row.key, [it for it in absent if it.name in gone], now)
    kept = {name: at.isoformat() for name, at in since.items() if name not in gone}
    return Next(in_seconds=EVERY_SECONDS, payload={"absent": kept})


async def _peers(doors: Sequence[AlertmanagerDoor]) -> tuple[list[Peer], list[str]]:
    """Who answered what, and why the others did not."""
    peers: list[Peer] = []
    silent: list[str] = []

    async def ask(door: AlertmanagerDoor) -> None:
        try:
            peers.append(await door.ask())
        except CouldNotLook as why:
            silent.append(str(why))

    await asyncio.gather(*(ask(it) for it in doors))
    return peers, sorted(silent)


async def _settle(desk: Desk, source: str, gone: Sequence[Absent], now: datetime) -> None:
    """One webhook a group, as Alertmanager would have posted it."""
    groups: defaultdict[bytes, list[Absent]] = defaultdict(list)
    for it in gone:
        groups[it.key].append(it)
    for key, several in groups.items():
        alerts = tuple(
            replace(it.alert, status=AlertStatus.RESOLVED, ends_at=max(now, it.alert.starts_at)) for it in several
        )
        what = "1 alert" if len(alerts) == 1 else f"{len(alerts)} alerts"
        said = f"found by asking Alertmanager: {what} not there any more, though no resolve came"
        webhook = Webhook(kind=ALERTMANAGER, source=source, key=key, alerts=alerts, asked=said)
        accepted = await desk.accept(webhook)
        if accepted.accepted:
            log.info("reconciling.found", whom=f"{ALERTMANAGER}/{source}", what=what, incident=several[0].slug)


async def ask_pagerduty(row: Claimed, desk: Desk) -> Next:
    """Hear what became of our incidents there, and of those that no webhook brought."""
    if desk.pagerduty is None:
        return OVER
    ours = await asked.open_at_pagerduty(desk.store)
    if not ours and not desk.hears_pagerduty:
        return Next(in_seconds=EVERY_SECONDS)
    now, rest = await asked.begin(desk.store, PAGERDUTY, every_seconds=EVERY_SECONDS)
    if now is None:
        return Next(in_seconds=rest)
    asking = _AskingPagerDuty(desk, desk.pagerduty, now)
    scopes = await asking.scopes() if desk.hears_pagerduty else ()
    await asking.ask(ours, scopes)
    await _say(desk, PAGERDUTY, "; ".join(dict.fromkeys(asking.silent)))
    return Next(in_seconds=EVERY_SECONDS)


@dataclass(slots=True)
class _AskingPagerDuty:
    """One asking. `silent`: why a part of it was not answered."""

    desk: Desk
    api: PagerDutyApi
    now: datetime
    silent: list[str] = field(default_factory=list)

    async def scopes(self) -> tuple[Scope, ...]:
        """Whose incidents PagerDuty's webhooks tell us of; the subscriptions are kept, and said when they change."""
        before = await asked.subscriptions(self.desk.store)
        try:
            ours = decide.to_us(await webhook_subscriptions(self.api), self.desk.page_url)
        except CouldNotLook as why:
            await _say(self.desk, SUBSCRIPTIONS, str(why))
            return decide.scopes_of(before)
        for it in decide.changes(before, ours):
            log.warning("subscription.changed", subscription=it.id, active=it.active, scope=it.scope.name, url=it.url)
        await _say(self.desk, SUBSCRIPTIONS, "" if ours else NO_SUBSCRIPTION, asked.as_found(ours))
        return decide.scopes_of(ours)

    async def ask(self, ours: Mapping[str, PagedStatus], scopes: Sequence[Scope]) -> None:
        """`ours`: what is open there as far as we know; `scopes`: where we should know of every incident."""
        if ours:
            await self._ours(ours)
        for scope in scopes:
            await self._missed(scope)

    async def _ours(self, ours: Mapping[str, PagedStatus]) -> None:
        """One that is not among the open ones is most likely resolved, but only itself can say."""
        try:
            found = await open_incidents(self.api, Scope(kind="account"))
        except CouldNotLook as why:
            self.silent.append(str(why))
            return
        for paged, raw in found:
            if paged.id in ours:
                await self._tell(ours[paged.id], paged, raw)
        listed = {paged.id for paged, _ in found}
        for id_ in [it for it in ours if it not in listed][:MOST_ONE_BY_ONE]:
            try:
                paged, raw = await self.api.incident(id_)
            except Refused as why:  # this one is not for us to see, or is deleted
                self.silent.append(str(why))
            except CouldNotLook as why:
                self.silent.append(str(why))
                return
            else:
                await self._tell(ours[id_], paged, raw)

    async def _missed(self, scope: Scope) -> None:
        """Open incidents that we do not know, or hold as resolved."""
        since = await asked.first_asked(self.desk.store, scope)
        try:
            found = await open_incidents(self.api, scope, since=since)
        except CouldNotLook as why:
            self.silent.append(str(why))
            return
        held = await asked.held_of(self.desk.store, [it.id for it, _ in found])
        for paged, raw in found:
            await self._tell(held.get(paged.id), paged, raw)

    async def _tell(self, held: PagedStatus | None, paged: PagedIncident, raw: Mapping[str, Any]) -> None:
        """As the webhook would have told it, if there should have been one."""
        type_ = decide.told_as(held, paged.status)
        if type_ is None or not decide.is_missed(paged.as_of, self.now, grace=decide.GRACE):
            return
        for webhook in self.desk.arrange(webhook_of(raw, type_, paged.as_of, self.desk.redactor, Limits())):
            if held is None and webhook.unwanted:  # `intake.ignore`: it stays unknown, and would be told each minute
                continue
            accepted = await self.desk.accept(webhook)
            if accepted.accepted:
                slugs = list(accepted.incidents)
                log.info("reconciling.found", whom=PAGERDUTY, what=type_, pagerduty=paged.id, incidents=slugs)


async def _say(desk: Desk, whom: str, why: str, found: Mapping[str, Any] | None = None) -> None:
    """Write down what came of asking; the log says it only where that is news."""
    former = await asked.answered(desk.store, whom, why, found)
    if why and why != former:
        log.warning("reconciling.failed", whom=whom, why=why)
    elif former and not why:
        log.info("reconciling.works_again", whom=whom)


def _moments(kept: object) -> dict[str, datetime]:
    """Since when which alert is absent, as the last asking left it."""
    return {name: datetime.fromisoformat(at) for name, at in kept.items()} if isinstance(kept, dict) else {}


def KIND(desk: Desk) -> list[Kind]:  # noqa: N802 - the name that the registry looks for
    """Alertmanager and PagerDuty do not wait for one another; whom this replica cannot ask it leaves to another."""
    found: list[Kind] = []
    if desk.alertmanagers:
        sources = sorted(desk.alertmanagers)
        found.append(Kind(name="ask_alertmanager", do=ask_alertmanager, at_once=4, keys=sources))
    if desk.pagerduty is not None:
        found.append(Kind(name="ask_pagerduty", do=ask_pagerduty, at_once=1, keys=("",)))
    return found
