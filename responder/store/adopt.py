"""Write down what PagerDuty says of one of its incidents, and fold the incidents that it shows to be one.

One transaction, under the same locks and in the same order as the acceptance of webhooks: keys, then incidents in
order of id, then links, alerts, deliveries, work. Whoever was about to report for a folded incident is fenced off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from responder.errors import LeaseLost
from responder.model.alert import Alert
from responder.model.folding import ALSO_AT_PAGERDUTY, RESERVED
from responder.model.incident import slug_of
from responder.model.joining import Adopted, Join, Joining, JoinPlan, PagedAlerts
from responder.model.paged import PagedEvent, PagedIncident, PagedStatus
from responder.store import adopt_sql as sql
from responder.store.accept_read import lock_of
from responder.store.accept_sql import ALERTS, END_PAGED, LOCK, LOCK_INCIDENTS, READ_AGAIN, REOPEN, SETTLE_PAGED, TAKEN
from responder.store.accept_write import LOOK_ANEW, NEW, AlertRow, alert_row, rows_as_json
from responder.store.afresh import afresh, all_locked
from responder.store.fold import fold
from responder.store.incidents import ask_deliveries
from responder.store.store import Store
from responder.store.work import Ask, ask

PAGERDUTY = "pagerduty"
LOOK_AGAIN_SECONDS = 2.0  # for a second service's incident, as after every one that was found by its key
log = structlog.get_logger()


async def adopt(
    store: Store,
    incident: int,
    paged: PagedIncident,
    held: Sequence[PagedAlerts],
    join: Join,
    *,
    sink: str | None,
    told: PagedEvent | None = None,
) -> Adopted:
    """Link a PagerDuty incident, with the alerts that it holds, to the incident that was asked for.

    `sink`: the one that reports on PagerDuty incidents, None when there is none. `told`: what would have told that it was
    taken on there, or that nobody has it any more, if either is so now. Answers which incident goes on.
    Raises LeaseLost where none of them is in the store any more: a failover has lost it, and the work on it.
    """

    async def once() -> Adopted:
        async with store.transaction() as connection:
            adoption = _Adoption(connection, store, paged, held, sink, told)
            return await adoption.run(incident, join)

    adopted = await afresh(once)
    for slug in adopted.folded:
        log.info("incident.folded", incident=slug, into=slug_of(adopted.incident), pagerduty=paged.id)
    return adopted


class _Adoption:
    """One transaction's worth of it."""

    def __init__(
        self,
        connection: Any,
        store: Store,
        paged: PagedIncident,
        held: Sequence[PagedAlerts],
        sink: str | None,
        told: PagedEvent | None,
    ) -> None:
        self._connection, self._store, self._paged, self._held, self._sink = connection, store, paged, held, sink
        self._told = told

    async def run(self, incident: int, join: Join) -> Adopted:
        keys = [it.group for it in self._held]
        names = [lock_of(ALSO_AT_PAGERDUTY[0], "", it) for it in keys] + [lock_of(PAGERDUTY, "", self._id)]
        await self._connection.execute(LOCK, names)
        links, ids = await self._locked(incident, keys)
        plan = await self._plan(ids, join)
        groups = self._heard_of(links, plan)
        elder = plan.elder
        if plan.reopens:  # before it is given what the younger ones have: who took them on stays
            await self._connection.execute(REOPEN, [elder])
            await self._connection.execute(READ_AGAIN, [elder])
            await self._say(elder, "reopened: PagerDuty opened an incident for it")
        folded = [await self._fold(younger, elder) for younger in plan.folds]
        for former in plan.leaves:
            await self._connection.execute(sql.LEAVE, former, elder, keys, self._id)
            await self._connection.execute(sql.CONTINUES, elder, former)
        await self._connection.execute(sql.GIVE_GROUPS, elder, keys)
        link = await self._link(elder)
        taken = await self._take_on(elder, link) or await self._let_go(elder, link)
        kept, awaits = await self._keep_alerts(elder, groups, is_heard=link["heard"])
        settled = link["heard"] and await self._settle(elder, link)
        goes_on = not awaits and await self._connection.fetchval(sql.AWAITS_NO_MORE, elder) is not None
        if self._sink is not None and not self._paged.merged_into:
            await self._open_delivery(elder, self._sink)
        # There is more to see than before.
        if folded or plan.reopens or plan.leaves or kept or goes_on or taken or settled:
            await ask(self._connection, [Ask(kind="respond", key=str(elder), gravity=NEW)])
        if folded or plan.reopens or plan.leaves:
            await self._look_on(elder, for_others=bool(folded))
        log.debug("adopt.committing")
        return Adopted(incident=elder, folded=tuple(folded), awaits=awaits)

    @property
    def _id(self) -> bytes:
        return self._paged.id.encode()

    async def _locked(self, incident: int, keys: Sequence[bytes]) -> tuple[Sequence[Any], list[int]]:
        """The links, and the incidents that they and the one asked for are of; their rows are locked, in order of id."""
        _, before = await self._tied(incident, keys)
        await self._connection.execute(LOCK_INCIDENTS, before)
        links, ids = await self._tied(incident, keys)
        all_locked(before, ids)
        return links, ids

    async def _tied(self, incident: int, keys: Sequence[bytes]) -> tuple[Sequence[Any], list[int]]:
        links = await self._connection.fetch(sql.TIED, keys, self._id)
        survivor = await self._connection.fetchval(sql.SURVIVOR, incident)
        return links, sorted({survivor, *(it["incident"] for it in links)} - {None})

    def _heard_of(self, links: Sequence[Any], plan: JoinPlan) -> set[bytes]:
        """The groups whose own word counts: they fire, or were of what is over there now."""
        is_over, one = self._paged.status is PagedStatus.RESOLVED, {plan.elder, *plan.folds}
        own = (it for it in links if it["kind"] in ALSO_AT_PAGERDUTY)
        return {it["key"] for it in own if it["fires"] or (is_over and it["incident"] in one)}

    async def _plan(self, ids: Sequence[int], join: Join) -> JoinPlan:
        """Which of these incidents goes on."""
        rows = await self._connection.fetch(sql.JOINING, ids)
        if not rows:
            raise LeaseLost("the incident is not in the store any more: it was lost with the work on it, by a failover")
        now = await self._connection.fetchval("select now()")
        return join([Joining(**it) for it in rows], now)

    async def _fold(self, younger: int, elder: int) -> str:
        what = self._store.redacted(f"PagerDuty incident {self._paged.id} shows both to be one")
        return await fold(self._connection, younger, elder, what=what)

    async def _look_on(self, elder: int, *, for_others: bool) -> None:
        """Have the links of the one that goes on looked after, as those of the others would have been.

        `for_others`: incidents were folded, and had perhaps not been found at every service yet.
        """
        once_more = for_others and self._paged.status is not PagedStatus.RESOLVED
        payload = LOOK_ANEW | {"once_more": once_more}
        pause = LOOK_AGAIN_SECONDS if once_more else 0.0
        await ask(self._connection, [Ask(kind="link", key=str(elder))], in_seconds=pause, payload=payload)

    async def _link(self, elder: int) -> Any:
        """Link it; answers what is held of it then, which is newer than what was read if that was heard meanwhile."""
        paged = self._paged
        link = await self._connection.fetchrow(
            sql.LINK_PAGED, self._id, elder, paged.id, paged.url, paged.status.value, paged.as_of
        )
        if link["is_new"]:
            await self._say(elder, f"pagerduty incident {paged.id} found")
        log.debug("adopt.linked", pagerduty=paged.id)
        return link

    async def _take_on(self, elder: int, link: Any) -> bool:
        """Note that it is acknowledged at PagerDuty; whether the incident was not taken on before."""
        event = self._told
        if event is None or link["state"] != PagedStatus.ACKNOWLEDGED:
            return False
        taken = await self._connection.fetchval(TAKEN, elder, self._paged.as_of, event.agent_name) is not None
        if taken or link["before"] != PagedStatus.ACKNOWLEDGED:
            await self._say(elder, event.line)
        return taken

    async def _let_go(self, elder: int, link: Any) -> bool:
        """Note that nobody has it any more who had it; whether that is news."""
        event = self._told
        if event is None or (link["before"], link["state"]) != (PagedStatus.ACKNOWLEDGED, PagedStatus.TRIGGERED):
            return False
        await self._connection.execute(TAKEN, elder, None, "")
        await self._say(elder, event.line)
        return True

    async def _settle(self, elder: int, link: Any) -> bool:
        """End what is known of it through PagerDuty alone, if it is over there; whether that settled the incident.

        One that was merged into another is over as well, but the other one decides.
        """
        if link["state"] != PagedStatus.RESOLVED or self._paged.merged_into:
            return False
        await self._connection.execute(END_PAGED, elder, self._paged.id, link["told_at"])
        if self._paged.status is not PagedStatus.RESOLVED:  # heard meanwhile, and settled by that
            return False
        settled = await self._connection.fetchval(SETTLE_PAGED, elder, "PagerDuty", link["told_at"])
        if settled is not None:
            await self._say(elder, f"resolved: pagerduty incident {self._paged.id} was found resolved")
        return settled is not None

    async def _keep_alerts(self, elder: int, groups: set[bytes], *, is_heard: bool) -> tuple[bool, bool]:
        """Keep what only PagerDuty has told us of, and a place for a group's own webhook.

        Whether there was any, and whether such a webhook is awaited.
        """
        missing = [it for it in self._held if it.group not in groups and not it.is_ignored]
        kept = False
        for it in missing:
            link = await self._connection.fetchval(sql.RESERVE, RESERVED, it.group, elder, self._paged.id)
            if is_heard and it.alerts:  # its end will be heard as well
                await self._connection.execute(ALERTS, rows_as_json(_rows(link, elder, it.alerts)))
                kept = True
        is_ignored = bool(self._held) and all(it.is_ignored for it in self._held)
        if kept or groups or is_ignored:
            await self._connection.execute(sql.DROP_MIRROR, elder, self._id)
        if is_ignored:
            await self._say(elder, f"intake.ignore names every alert of pagerduty incident {self._paged.id}")
        return kept, any(it.is_group for it in missing)

    async def _open_delivery(self, elder: int, sink: str) -> None:
        await self._connection.execute(sql.DROP_WAITING, elder, sink)
        await self._connection.execute(sql.OPEN_DELIVERY, elder, sink, self._paged.id)
        rank = await self._connection.fetchval("select severity_rank from incidents where id = $1", elder)
        await ask_deliveries(self._connection, elder, sink=sink, gravity=5 if rank is None else rank)

    async def _say(self, incident: int, what: str) -> None:
        await self._connection.execute(
            "insert into timeline (incident, what) values ($1, $2)", incident, self._store.redacted(what)
        )


def _rows(link: int, incident: int, alerts: Sequence[Alert]) -> list[AlertRow]:
    """As the acceptance writes them."""
    unique = {it.fingerprint: it for it in alerts}
    return [alert_row(link, incident, unique[fingerprint], unique[fingerprint]) for fingerprint in sorted(unique)]
