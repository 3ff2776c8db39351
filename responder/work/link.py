"""Bring the links of one incident in line with PagerDuty, whichever side was heard first.

A PagerDuty incident that its webhook told us of is read: its alerts' keys are the keys of Alertmanager's groups,
SHA-256 of the groupKey. A group that Alertmanager told us of is looked up by that key; both are told side by side and
PagerDuty works asynchronously, so its incident may not be there yet: at 0, 2, 4, 8, 15, 30 s, then each minute for 15.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import Enum, auto
from functools import partial
from typing import Any

import structlog

from responder.clients.pagerduty import MOST_ALERTS, PagerDutyApi
from responder.errors import CouldNotLook, Throttled, Unreachable
from responder.incidents.join import join
from responder.intake.arrange import arranged
from responder.intake.pagerduty import labels_of
from responder.intake.pagerduty_alerts import alerts_of, is_from_alertmanager
from responder.intake.pagerduty_asked import webhook_of
from responder.intake.source import Limits
from responder.model.folding import ALSO_AT_PAGERDUTY
from responder.model.incident import PAGERDUTY, Incident, IncidentState, Link
from responder.model.joining import PagedAlerts
from responder.model.paged import PagedEvent, PagedIncident, PagedStatus
from responder.rules.packs import is_ignored
from responder.store import deliveries as ledger
from responder.store import incidents
from responder.store.adopt import adopt
from responder.store.work import Claimed
from responder.work.desk import OVER, Desk, Next
from responder.work.work import Kind

LOOK_AT_SECONDS = (0, 2, 4, 8, 15, 30, *range(60, 16 * 60, 60))
EACH_MINUTE = LOOK_AT_SECONDS.index(60)
LONGEST_OUTAGE = timedelta(days=1)
EARLIER = timedelta(minutes=2)  # PagerDuty may have heard of it before us
NO_TURN_SECONDS = 1.0
SINK = "pagerduty_note"
TOLD_AS = {PagedStatus.ACKNOWLEDGED: "incident.acknowledged", PagedStatus.TRIGGERED: "incident.unacknowledged"}
log = structlog.get_logger()


async def link(row: Claimed, desk: Desk) -> Next:
    """One look; the next one is due by the schedule."""
    seen = await incidents.load(desk.store, int(row.key))
    if seen is None or seen.incident.state is IncidentState.FOLDED or desk.pagerduty is None:
        return OVER
    looks, once_more = _looks(row), bool(row.payload.get("once_more"))
    linking = _Linking(desk, desk.pagerduty)
    try:
        found = await linking.bring_in_line(seen.incident, even_if_linked=once_more)
    except Throttled as busy:
        pause = max(busy.after_seconds, NO_TURN_SECONDS)
        return Next(in_seconds=NO_TURN_SECONDS, waits_for=str(busy), payload=row.payload, rests=pause)
    except CouldNotLook as why:
        if seen.incident.state is IncidentState.OPEN or seen.now - seen.incident.opened_at < LONGEST_OUTAGE:
            looks = min(looks, EACH_MINUTE)  # what could not look has not used up the quarter of an hour
        wait = await _wait(desk, seen.incident, looks, f" ({why}), last looked {seen.now:%H:%M}")
        return replace(wait, unreachable=isinstance(why, Unreachable))
    match found:
        case Found.NOTHING if not once_more:
            return await _wait(desk, seen.incident, looks, f", last looked {seen.now:%H:%M}")
        case Found.BY_KEY if not once_more and looks + 1 < len(LOOK_AT_SECONDS):
            payload = {"looks": looks + 1, "once_more": True}
            return Next(in_seconds=_pause(looks), waits_for="a second service's incident", payload=payload)
        case _:
            return OVER


class Found(Enum):
    """What one look came to. `BY_KEY`: there may be more of them, one a service."""

    NOTHING = auto()
    BY_KEY = auto()
    ALL = auto()


class _Linking:
    """Asks PagerDuty about one incident, and has the store adopt what it answers."""

    def __init__(self, desk: Desk, api: PagerDutyApi) -> None:
        self._desk, self._api = desk, api

    async def bring_in_line(self, incident: Incident, *, even_if_linked: bool) -> Found:
        """Raises CouldNotLook for what could not be read, once everything else is in line."""
        paged = [it for it in incident.links if it.kind == PAGERDUTY]
        is_open = any(it.is_open for it in paged if it.is_read)
        unreadable: CouldNotLook | None = None
        for it in (it for it in paged if not it.is_read):
            try:
                goes_on, status = await self._read(incident.id, it.external_id)
            except CouldNotLook as why:
                unreadable = why
                continue
            if goes_on != incident.id:
                return Found.ALL
            is_open = is_open or status is not PagedStatus.RESOLVED
        groups = [it for it in incident.links if it.kind in ALSO_AT_PAGERDUTY]
        is_done = not groups or (is_open and not even_if_linked)
        found = Found.ALL if is_done else await self._search(incident, groups)
        if unreadable is not None:
            raise unreadable
        return found

    async def _read(
        self,
        incident: int,
        id: str,  # noqa: A002 - PagerDuty's word
        *,
        follow: bool = True,
    ) -> tuple[int, PagedStatus]:
        """Adopt one PagerDuty incident, and the one that it was merged into.

        Answers which of our incidents goes on, and the status of theirs: what was held of it may be from before.
        """
        paged, raw = await self._api.incident(id)
        goes_on = await self._adopt(incident, paged, await self._api.alerts(id), raw)
        if paged.merged_into and follow:
            return await self._read(goes_on, paged.merged_into, follow=False)
        return goes_on, paged.status

    async def _search(self, incident: Incident, groups: Sequence[Link]) -> Found:
        """Every PagerDuty incident that holds an alert of one of these groups and is of this time."""
        known = {it.external_id for it in incident.links if it.kind == PAGERDUTY}
        found = Found.NOTHING
        for key in (it.key.hex() for it in groups):
            for paged, raw in await self._api.incidents_of(key):
                if paged.id in known:
                    found = Found.BY_KEY if paged.status is not PagedStatus.RESOLVED else found
                elif not await self._is_of_before(paged, incident):
                    alerts = await self._alerts_with(key, paged.id)
                    if not alerts:
                        continue
                    if await self._adopt(incident.id, paged, alerts, raw) != incident.id:
                        return Found.ALL
                    log.info("incident.linked", incident=incident.slug, pagerduty=paged.id)
                    known.add(paged.id)
                    found = Found.BY_KEY
        return found

    async def _alerts_with(self, key: str, paged: str) -> list[Mapping[str, Any]]:
        """The alerts of a PagerDuty incident that holds one with this key; none where it holds none."""
        alerts = await self._api.alerts(paged)
        if any(it.get("alert_key") == key for it in alerts):
            return alerts
        named = await self._api.alerts(paged, key=key) if len(alerts) >= MOST_ALERTS else []
        return [*alerts, *named] if any(it.get("alert_key") == key for it in named) else []

    async def _is_of_before(self, paged: PagedIncident, incident: Incident) -> bool:
        """One that is over, and was before this incident or is another one's."""
        if paged.status is not PagedStatus.RESOLVED:
            return False
        return paged.created_at < incident.opened_at - EARLIER or await incidents.is_linked(
            self._desk.store, PAGERDUTY, paged.id.encode()
        )

    async def _adopt(
        self, incident: int, paged: PagedIncident, alerts: Sequence[Mapping[str, Any]], raw: Mapping[str, Any]
    ) -> int:
        desk = self._desk
        labels = labels_of(raw, desk.redactor, Limits())
        adopted = await adopt(
            desk.store,
            incident,
            paged,
            [self._held(it, labels) for it in alerts if it.get("alert_key")],
            partial(join, reopen_within=desk.reopen_within),
            sink=SINK if SINK in desk.told else None,
            told=self._told(paged, raw),
        )
        return adopted.incident

    def _told(self, paged: PagedIncident, raw: Mapping[str, Any]) -> PagedEvent | None:
        """That somebody took it on, or nobody has it any more, as the webhook would have told it."""
        type_ = TOLD_AS.get(paged.status)
        return webhook_of(raw, type_, paged.as_of, self._desk.redactor, Limits()).event if type_ else None

    def _held(self, raw: Mapping[str, Any], labels: Mapping[str, str]) -> PagedAlerts:
        desk = self._desk
        found = alerts_of(raw, labels, desk.redactor, Limits())
        alerts = [it.with_labels(arranged(it.labels, desk.intake)) for it in found]
        wanted = tuple(it for it in alerts if not is_ignored(desk.packs, it.labels))
        return PagedAlerts(
            key=str(raw["alert_key"]),
            alerts=wanted,
            is_group=is_from_alertmanager(raw),
            is_ignored=bool(alerts) and not wanted,
        )


async def _wait(desk: Desk, incident: Incident, looks: int, looked: str) -> Next:
    over = looks + 1 >= len(LOOK_AT_SECONDS)
    why = f"{'no' if over else 'waiting for a'} PagerDuty incident{looked}"
    if SINK in desk.told:
        state = "none" if over else "waiting"
        await ledger.wait_for_object(desk.store, incident.id, SINK, state=state, why=why)
    if over:
        return OVER
    return Next(in_seconds=_pause(looks), waits_for=why, payload={"looks": looks + 1})


def _pause(looks: int) -> float:
    return float(LOOK_AT_SECONDS[looks + 1] - LOOK_AT_SECONDS[looks])


def _looks(row: Claimed) -> int:
    looks = row.payload.get("looks", 0)
    return looks if isinstance(looks, int) else 0


def KIND(desk: Desk) -> list[Kind]:  # noqa: N802 - the name that the registry looks for
    """None without a key for PagerDuty: a replica that has one may do it."""
    return [Kind(name="link", do=link, at_once=8)] if desk.pagerduty is not None else []
