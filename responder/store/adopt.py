"""Write down what PagerDuty says of one of its incidents, and fold the incidents that it shows to be one.

One transaction, under the same locks and in the same order as the acceptance of webhooks: keys, then incidents in
order of id, then links, alerts, deliveries, work. Whoever was about to report for a folded incident is fenced off.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import structlog

from responder.model.alert import Alert
from responder.model.folding import ALSO_AT_PAGERDUTY, RESERVED
from responder.model.joining import Adopted, Join, Joining, JoinPlan, PagedAlerts
from responder.model.paged import PagedIncident
from responder.store import adopt_sql as sql
from responder.store.accept import NEW, lock_of
from responder.store.accept_sql import ALERTS, LOCK, LOCK_INCIDENTS, READ_AGAIN, REOPEN
from responder.store.incidents import ask_deliveries
from responder.store.store import Store
from responder.store.work import Ask, ask

PAGERDUTY = "pagerduty"
log = structlog.get_logger()


async def adopt(
    store: Store, incident: int, paged: PagedIncident, held: Sequence[PagedAlerts], join: Join, *, sink: str | None
) -> Adopted:
    """Link a PagerDuty incident, with the alerts that it holds, to the incident that was asked for.

    `sink`: the one that reports on PagerDuty incidents, None when there is none. Answers which incident goes on.
    """
    async with store.transaction() as connection:
        adoption = _Adoption(connection, store, paged, held, sink)
        return await adoption.run(incident, join)


class _Adoption:
    """One transaction's worth of it."""

    def __init__(
        self, connection: Any, store: Store, paged: PagedIncident, held: Sequence[PagedAlerts], sink: str | None
    ) -> None:
        self._connection, self._store, self._paged, self._held, self._sink = connection, store, paged, held, sink

    async def run(self, incident: int, join: Join) -> Adopted:
        keys = [it.group for it in self._held]
        names = [lock_of(ALSO_AT_PAGERDUTY[0], "", it) for it in keys] + [lock_of(PAGERDUTY, "", self._id)]
        await self._connection.execute(LOCK, names)
        links = await self._connection.fetch(sql.TIED, keys, self._id)
        groups = {it["key"] for it in links if it["kind"] in ALSO_AT_PAGERDUTY}
        plan = await self._plan(incident, links, join)
        elder = plan.elder
        folded = [await self._fold(younger, elder) for younger in plan.folds]
        if plan.reopens:
            await self._connection.execute(REOPEN, [elder])
            await self._connection.execute(READ_AGAIN, [elder])
            await self._say(elder, "reopened: PagerDuty opened an incident for it")
        for former in plan.leaves:
            await self._connection.execute(sql.LEAVE, former, elder, keys, self._id)
            await self._connection.execute(sql.CONTINUES, elder, former)
        await self._connection.execute(sql.GIVE_GROUPS, elder, keys)
        await self._link(elder)
        kept, awaits = await self._keep_alerts(elder, groups)
        goes_on = not awaits and await self._connection.fetchval(sql.AWAITS_NO_MORE, elder) is not None
        if self._sink is not None and not self._paged.merged_into:
            await self._open_delivery(elder, self._sink)
        if folded or plan.reopens or plan.leaves or kept or goes_on:  # there is more to see than before
            await ask(self._connection, [Ask(kind="respond", key=str(elder), gravity=NEW)])
        log.debug("adopt.committing")
        return Adopted(incident=elder, folded=tuple(folded), awaits=awaits)

    @property
    def _id(self) -> bytes:
        return self._paged.id.encode()

    async def _plan(self, incident: int, links: Sequence[Any], join: Join) -> JoinPlan:
        """Which of the incidents that these links belong to goes on; their rows are locked, in order of id."""
        tied = {it["incident"] for it in links if it["incident"] is not None}
        survivor = await self._connection.fetchval(sql.SURVIVOR, incident)
        ids = sorted({survivor, *tied})
        await self._connection.execute(LOCK_INCIDENTS, ids)
        rows = await self._connection.fetch(sql.JOINING, ids)
        now = await self._connection.fetchval("select now()")
        found = [Joining(id=it["id"], open_now=it["open_now"], resolved_at=it["resolved_at"]) for it in rows]
        return join(found, now)

    async def _fold(self, younger: int, elder: int) -> str:
        """Everything that the younger holds is the elder's from now on; answers the younger's slug."""
        connection = self._connection
        for name, statement in sql.FOLD:
            log.debug("fold.step", step=name)
            await connection.execute(statement, younger, elder)
        for row in await connection.fetch(sql.DELIVERIES, younger):
            await self._hand_over(row, younger, elder)
        slugs = await connection.fetchrow(sql.SLUGS, younger, elder)
        what = f"PagerDuty incident {self._paged.id} shows both to be one"
        await self._say(elder, f"{slugs['younger']} folded in: {what}")
        await self._say(younger, f"continued in {slugs['elder']}: {what}")
        log.debug("fold.step", step="told")
        log.info("incident.folded", incident=slugs["younger"], into=slugs["elder"], pagerduty=self._paged.id)
        slug: str = slugs["younger"]
        return slug

    async def _hand_over(self, row: Any, younger: int, elder: int) -> None:
        """A note on an object that both report to is the elder's now; any other says where the report goes on."""
        connection = self._connection
        shown = row["foreign_id"] is not None
        on_its_way = row["state"] in ("sending", "uncertain")
        log.debug("fold.step", step="hand over")
        if row["object"] and not row["over"]:
            theirs = await connection.fetchrow(sql.DELIVERY_OF, elder, row["sink"], row["object"])
            if theirs is None:
                await connection.execute(sql.MOVE_DELIVERY, row["id"], elder)
            else:
                await connection.execute(sql.TAKE_OVER, theirs["id"], row["foreign_id"], on_its_way)
                await connection.execute(sql.CLOSE_DELIVERY, row["id"])
        elif shown or on_its_way:
            await connection.execute(sql.SAY_WHERE, row["id"])
            kind = f"deliver:{row['sink']}"
            await ask(connection, [Ask(kind=kind, key=str(row["id"]))])
        else:
            await connection.execute(sql.CLOSE_DELIVERY, row["id"])

    async def _link(self, elder: int) -> None:
        paged = self._paged
        new = await self._connection.fetchval(
            sql.LINK_PAGED, self._id, elder, paged.id, paged.url, paged.status.value, paged.as_of
        )
        if new:
            await self._say(elder, f"pagerduty incident {paged.id} found")
        log.debug("adopt.linked", pagerduty=paged.id)

    async def _keep_alerts(self, elder: int, groups: set[bytes]) -> tuple[bool, bool]:
        """Keep what only PagerDuty has told us of, and a place for a group's own webhook.

        Whether there was any, and whether such a webhook is awaited.
        """
        is_heard = await self._connection.fetchval(sql.IS_HEARD, self._id)
        missing = [it for it in self._held if it.group not in groups]
        kept = False
        for it in missing:
            link = await self._connection.fetchval(sql.RESERVE, RESERVED, it.group, elder, self._paged.id)
            if is_heard and it.alerts:  # its end will be heard as well
                await self._connection.execute(ALERTS, *_columns(link, elder, it.alerts))
                kept = True
        if kept or groups:
            await self._connection.execute(sql.DROP_MIRROR, elder, self._id)
        return kept, any(it.is_group for it in missing)

    async def _open_delivery(self, elder: int, sink: str) -> None:
        await self._connection.execute(sql.DROP_WAITING, elder, sink)
        await self._connection.execute(sql.OPEN_DELIVERY, elder, sink, self._paged.id)
        rank = await self._connection.fetchval("select severity_rank from incidents where id = $1", elder)
        await ask_deliveries(self._connection, elder, [sink], gravity=5 if rank is None else rank)

    async def _say(self, incident: int, what: str) -> None:
        await self._connection.execute(
            "insert into timeline (incident, what) values ($1, $2)", incident, self._store.redacted(what)
        )


def _columns(link: int, incident: int, alerts: Sequence[Alert]) -> list[list[Any]]:
    """As the acceptance writes them."""
    unique = sorted({it.fingerprint: it for it in alerts}.items())
    rows = [
        (
            link,
            bytes.fromhex(fingerprint),
            incident,
            int(it.status),
            it.starts_at,
            it.ends_at,
            json.dumps(dict(it.labels)),
            json.dumps(dict(it.annotations)),
            it.generator_url,
        )
        for fingerprint, it in unique
    ]
    return [list(column) for column in zip(*rows, strict=True)]
