"""Write down what a batch of webhooks was decided to mean: set-wise, keys sorted, in as few statements as may be.

Each statement is a way to the database and back; numbers are drawn first, so that nothing that is written waits for
what another row was given.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import itemgetter
from typing import Any

from pydantic_core import to_json

from responder.model.alert import Alert, Webhook
from responder.model.folding import GroupPlan, Heard, Held, Told, WebhookPlan
from responder.model.incident import slug_of
from responder.store import accept_sql as sql
from responder.store.afresh import all_locked
from responder.store.work import IS_PAGERDUTY_ASKED, Ask, ask

MAX_BODY_KEPT = 64 * 1024
PAGERDUTY = "pagerduty"  # the kind of its links
LOOK_ANEW = {"looks": 0, "once_more": False}  # of `work/link.py`: from the beginning of its schedule
LOOK_ANEW_TEXT, NOTHING = json.dumps(LOOK_ANEW), "{}"
# The gravity of a look: nobody knows yet of an incident that has just begun. What its sender thinks of it says which of
# many is looked at first, no more: severity is decided by rules.
NEW, TOLD, ROUTINE = 1, 5, 9
AlertRow = tuple[Any, ...]  # link, fingerprint, incident, status, start, end, labels, annotations, address
NEW_BY_LABEL = {"critical": 0, "page": 0, "warning": 2, "info": 3, "none": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for every incident. `asks_pagerduty`: whether its REST API can be asked; `awaits_alerts_for`: how long
    an incident that PagerDuty opened may wait for its alerts' own webhook."""

    first_report_within: timedelta
    asks_pagerduty: bool
    awaits_alerts_for: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """One batch, inside its transaction. `wakes`: whether to tell those who wait for work."""

    connection: Any
    terms: Terms
    wakes: bool

    async def write(self, plans: Sequence[WebhookPlan]) -> dict[int, str]:
        """All of it; returns the slug of every incident that the batch speaks of."""
        groups = _groups(plans)
        slugs = await self._number(groups)
        again = [it.incident for it in groups if it.reopens]
        if again:
            await self.connection.execute(sql.REOPEN, again)
            await self.connection.execute(sql.READ_AGAIN, again)
        await self._keep(plans, groups, slugs)
        going_on = sorted((it.link, it.incident) for it in groups if it.opens and not it.is_linked_anew)
        if going_on:
            await self.connection.execute(sql.TAKE_ALONG, *columns(going_on, 2))
        await _join_reserved(self.connection, groups)
        await _write_known_alerts(self.connection, groups)
        await _write_heard(self.connection, groups)
        await self._write_cut_notes(groups)
        await _write_aside(self.connection, plans)
        ending = sorted({it.incident for it in groups if it.incident is not None and _ends_something(it)})
        settled = [it["id"] for it in await self.connection.fetch(sql.SETTLE, ending)] if ending else []
        await self._tell(groups, settled)
        return slugs

    async def _number(self, groups: Sequence[GroupPlan]) -> dict[int, str]:
        """Give new incidents and links their numbers; returns the slug of each."""
        opening = [it for it in groups if it.opens]
        unlinked = [it for it in groups if it.link is None and (it.is_news or it.opens)]
        if opening or unlinked:
            numbers = await self.connection.fetchrow(sql.NUMBERS, len(opening), len(unlinked))
            for group, incident in zip(opening, numbers["incidents"], strict=True):
                group.incident = incident
            for group, link in zip(unlinked, numbers["links"], strict=True):
                group.link, group.is_linked_anew = link, True
        return {group.incident: slug_of(group.incident) for group in groups if group.incident is not None}

    async def _keep(self, plans: Sequence[WebhookPlan], groups: Sequence[GroupPlan], slugs: dict[int, str]) -> None:
        """Raises LinksMoved where a link was made by somebody who held no lock on its group."""
        new = [it for it in groups if it.opens]
        opened = [
            (it.incident, slugs[it.incident or 0], it.continues, it.title, self._waits_for_alerts(it)) for it in new
        ]
        links = sorted(
            (*it.key, it.link, it.incident, it.url, _external_id(it))
            for it in groups
            if it.is_linked_anew or it.opens or (it.reserved is not None and it.changed)
        )
        rows = await self.connection.fetch(
            sql.KEEP,
            rows_as_json(_changed(groups)),
            *columns(opened, 5),
            self.terms.first_report_within,
            self.terms.awaits_alerts_for,
            *columns([_noted(it) for it in plans], 5),
            *columns(links, 7),
        )
        all_locked({it[3] or 0 for it in links}, {it["id"] for it in rows})

    def _waits_for_alerts(self, group: GroupPlan) -> bool:
        return group.key[0] == PAGERDUTY and self.terms.asks_pagerduty

    async def _write_cut_notes(self, groups: Sequence[GroupPlan]) -> None:
        """Have a note that came cut read whole; where PagerDuty cannot be asked, what came has to do."""
        for group in (it for it in groups if it.incident is not None):
            for note, line in sorted(group.cut_notes.items()):
                if self.terms.asks_pagerduty:
                    key = f"{group.incident}/{group.key[2].decode()}/{note}"
                    await ask(self.connection, [Ask(kind="read_note", key=key)], payload={"line": line})
                else:
                    group.lines.append(line)

    async def _tell(self, groups: Sequence[GroupPlan], settled: Sequence[int]) -> None:
        """What happened, for the timeline, and what is to be done about it."""
        lines = [(it.incident, "opened" if it.opens else "reopened") for it in groups if it.opens or it.reopens]
        lines += [(it.incident, line) for it in groups if it.incident is not None for line in it.lines]
        lines += [(it, "resolved: no alert of it fires any more") for it in settled]
        asks = self._asks(groups)
        if lines or asks:
            told = (*columns(lines, 2), *columns(asks, 4), self.wakes, self.terms.asks_pagerduty)
            await self.connection.fetchval(sql.TELL, *told)

    def _asks(self, groups: Sequence[GroupPlan]) -> list[tuple[str, str, int, str]]:
        new = {it.incident for it in groups if it.incident is not None and (it.opens or it.reopens)}
        gravities = {it.incident: _gravity(it) for it in groups if it.incident in new}
        touched = {it.incident for it in groups if it.incident is not None and it.is_news}
        asks = [("respond", str(it), gravities.get(it, TOLD), NOTHING) for it in touched]
        again = {it.incident for it in groups if it.incident is not None and it.heard and it.heard.read_again}
        asks += [("link", str(it), ROUTINE, LOOK_ANEW_TEXT) for it in new | again]
        return sorted(asks)


async def ask_to_link(connection: Any, incident: int, *, by_us: bool, once_more: bool = False) -> None:
    """Have PagerDuty asked for this incident, where anybody does: `by_us`, or a replica that was set up otherwise."""
    if by_us or await connection.fetchval(f"select {IS_PAGERDUTY_ASKED}"):
        await ask(connection, [Ask(kind="link", key=str(incident))], payload=LOOK_ANEW | {"once_more": once_more})


async def _join_reserved(connection: Any, groups: Sequence[GroupPlan]) -> None:
    """Groups whose place PagerDuty's news had kept: their own links have taken it."""
    joining = [it for it in groups if it.reserved is not None and it.changed]
    if not joining:
        return
    places = sorted({it.reserved for it in joining if it.reserved is not None})
    await connection.execute(sql.FORGET_RESERVED, places)
    await connection.execute(sql.UNRESERVE, places)
    await connection.execute(sql.ADOPTED, sorted({it.incident for it in joining if it.incident is not None}))


def _external_id(group: GroupPlan) -> str:
    return group.key[2].decode() if group.key[0] == PAGERDUTY else ""


async def _write_heard(connection: Any, groups: Sequence[GroupPlan]) -> None:
    """News of PagerDuty incidents: their state, who took them on, who settled them, which priority they were given."""
    told = sorted((it for it in groups if it.heard), key=lambda it: it.key)
    if not told:
        return
    states = sorted((it.link, it.heard.status.value, it.heard.told_at, it.heard.read_again) for it in told if it.heard)
    await connection.execute(sql.HEARD, *columns(states, 4))
    for group in told:
        if group.heard is not None and group.incident is not None:
            await _write_incident_heard(connection, group.incident, group, group.heard)


async def _write_incident_heard(connection: Any, incident: int, group: GroupPlan, heard: Heard) -> None:
    if heard.acknowledged_by is not None or heard.unacknowledged:
        at = None if heard.unacknowledged else heard.told_at
        await connection.execute(sql.TAKEN, incident, at, heard.acknowledged_by or "")
    if heard.priority is not None:
        await connection.execute(sql.PRIORITY, incident, *heard.priority)
    if heard.settled_by:
        await connection.execute(sql.END_PAGED, incident, _external_id(group), heard.told_at)
        if await connection.fetchval(sql.SETTLE_PAGED, incident, heard.settled_by, heard.told_at) is not None:
            group.lines.append(f"resolved: {heard.settled_by} settled it at PagerDuty")


def _changed(groups: Sequence[GroupPlan]) -> list[AlertRow]:
    """The rows of alerts with news."""
    return sorted(
        (
            alert_row(it.link, it.incident, it.states[fingerprint], alert)
            for it in groups
            for fingerprint, alert in it.changed.items()
        ),
        key=itemgetter(0, 1),
    )


def alert_row(link: int | None, incident: int | None, state: Held | Alert, alert: Alert) -> AlertRow:
    """What `accept_sql.ALERTS` takes of one alert; `state` may be newer than what the alert itself says."""
    return (
        link,
        alert.fingerprint,
        incident,
        int(state.status),
        state.starts_at,
        state.ends_at,
        alert.labels,
        alert.annotations,
        alert.generator_url,
    )


def rows_as_json(rows: Sequence[AlertRow]) -> str:
    """All of them as one text."""
    return _json(rows)


async def _write_known_alerts(connection: Any, groups: Sequence[GroupPlan]) -> None:
    """Alerts that were told again as they are, or ended without being named."""
    refreshed = sorted(
        (it.link or 0, bytes.fromhex(fingerprint), _json(alert.annotations))
        for it in groups
        for fingerprint, alert in it.refreshed.items()
    )
    if refreshed:
        await connection.execute(sql.REFRESH, *columns(refreshed, 3))
    ended = sorted(
        (it.link or 0, bytes.fromhex(fingerprint), it.states[fingerprint].ends_at)
        for it in groups
        for fingerprint in it.ended
    )
    if ended:
        await connection.execute(sql.END, *columns(ended, 3))


def _noted(plan: WebhookPlan) -> tuple[Any, ...]:
    """The row of one webhook."""
    incident = plan.group.incident if plan.group else None
    return plan.webhook.kind, plan.webhook.source, plan.webhook.key, incident, _json(_outcome(plan))


async def _write_aside(connection: Any, plans: Sequence[WebhookPlan]) -> None:
    aside = [
        (plan.webhook.kind, plan.webhook.source, it.reason, it.text[:MAX_BODY_KEPT], json.dumps(dict(it.identities)))
        for plan in plans
        if not plan.again
        for it in plan.webhook.quarantined
    ]
    if aside:
        await connection.execute(sql.QUARANTINE, *columns(aside, 5))


def _outcome(plan: WebhookPlan) -> dict[str, Any]:
    alerts = [
        [alert.fingerprint, alert.status.word, alert.starts_at, told.value]
        for alert, told in (zip(plan.webhook.alerts, plan.told, strict=True) if plan.webhook.event is None else ())
    ]
    outcome = {"alerts": alerts, "ignored": plan.webhook.ignored, "quarantined": aside_of(plan.webhook)}
    event = plan.webhook.event
    if event is not None:
        told = str(plan.told[0]) if plan.told else str(Told.IGNORED)
        outcome["event"] = {"id": event.id, "type": event.type, "at": event.at.isoformat(), "told": told}
    return outcome


def aside_of(webhook: Webhook) -> int:
    return sum(it.alerts for it in webhook.quarantined)


def _ends_something(group: GroupPlan) -> bool:
    """Whether an alert of it stopped firing just now; nothing else can settle an incident."""
    return bool(group.ended) or any(it.status for it in group.changed.values())


def _gravity(group: GroupPlan) -> int:
    """Of the first look at its incident: that of its gravest alert."""
    words = {it.labels.get("severity", "") for it in group.changed.values()}
    return min((NEW_BY_LABEL.get(it, NEW) for it in words), default=NEW)


def _groups(plans: Sequence[WebhookPlan]) -> list[GroupPlan]:
    return list({it.group.key: it.group for it in plans if it.group}.values())


def columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as columns for unnest()."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _json(value: Any) -> str:
    """As text; four times faster than the standard library's, and it knows datetimes."""
    return to_json(value).decode()
