"""Decide what one event of PagerDuty changes. Older news than what is held is stale, whatever the order of arrival.

A change to open is a reason to start, as an alert that fires is; a change to resolved settles the incident whatever
its alerts say, unless it was merged: then the one that goes on decides.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from responder.model.alert import Alert, AlertStatus, Webhook
from responder.model.folding import GroupPlan, Heard, Held, Told
from responder.model.paged import PagedEvent, PagedStatus

ACKNOWLEDGED = "incident.acknowledged"
UNACKNOWLEDGED = "incident.unacknowledged"
PRIORITY = "incident.priority_updated"
RESOLVED = "incident.resolved"


def hear(group: GroupPlan, webhook: Webhook, event: PagedEvent, now: datetime, reopen_within: timedelta) -> Told:
    """Take one event into its group's plan."""
    if event.is_ours:
        return Told.IGNORED
    if event.status is None:
        return _remark(group, event)
    if group.told_at is not None and event.at < group.told_at:
        return _late(group, event)
    was_open = group.status in (PagedStatus.TRIGGERED, PagedStatus.ACKNOWLEDGED)
    is_open = event.status is not PagedStatus.RESOLVED
    if not was_open and any(it.fingerprint in webhook.unwanted for it in webhook.alerts):
        return Told.IGNORED
    heard = group.heard = _heard(group, event)
    if is_open and not was_open:
        group.start(now, reopen_within)
        heard.read_again = True
    elif not is_open and not event.merged_into and (was_open or event.type == RESOLVED):
        heard.settled_by = event.agent_name or "PagerDuty"
    _note_people(heard, event, was=group.status)
    if event.type == PRIORITY and event.by_person:
        _note_priority(group, heard, event)
    is_told = _is_told(group, event)
    group.status, group.told_at = event.status, event.at
    if event.line and not is_told and (group.incident is not None or group.opens):
        group.lines.append(event.line)
    for alert in webhook.alerts:
        _mirror(group, alert, event)
    return Told.ACCEPTED


def _late(group: GroupPlan, event: PagedEvent) -> Told:
    """Older than the status that we know, and so stale, but for a priority where we know of none: no status tells who
    gave it."""
    gives = event.type == PRIORITY and event.by_person and event.priority and not group.has_priority
    if not gives or group.status is None or group.told_at is None or (group.incident is None and not group.opens):
        return Told.STALE
    group.heard = group.heard or Heard(status=group.status, told_at=group.told_at)
    _note_priority(group, group.heard, event)
    group.lines.append(event.line)
    return Told.ACCEPTED


def _remark(group: GroupPlan, event: PagedEvent) -> Told:
    """What does not carry the incident can only add a line to one that we know."""
    if not event.line or (group.incident is None and not group.opens):
        return Told.IGNORED
    if event.note and event.trimmed:
        group.cut_notes[event.note] = event.line
    else:
        group.lines.append(event.line)
    return Told.ACCEPTED


def _heard(group: GroupPlan, event: PagedEvent) -> Heard:
    assert event.status is not None
    if group.heard is None:
        return Heard(status=event.status, told_at=event.at, read_again=bool(event.merged_into))
    group.heard.status, group.heard.told_at, group.heard.settled_by = event.status, event.at, ""
    group.heard.read_again = group.heard.read_again or bool(event.merged_into)
    return group.heard


def _note_people(heard: Heard, event: PagedEvent, was: PagedStatus | None) -> None:
    """Who took it on, and whether they still have it."""
    is_first = heard.acknowledged_by is None and event.type == ACKNOWLEDGED  # REST may have shown it before
    if event.status is PagedStatus.ACKNOWLEDGED and (was is not PagedStatus.ACKNOWLEDGED or is_first):
        heard.acknowledged_by, heard.unacknowledged = event.agent_name, False
    elif event.status is PagedStatus.TRIGGERED and (was is PagedStatus.ACKNOWLEDGED or event.type == UNACKNOWLEDGED):
        heard.acknowledged_by, heard.unacknowledged = None, True


def _note_priority(group: GroupPlan, heard: Heard, event: PagedEvent) -> None:
    heard.priority = (event.priority or "", event.agent_name)
    group.has_priority = True


def _is_told(group: GroupPlan, event: PagedEvent) -> bool:
    """Whether asking PagerDuty put this on the timeline before: REST's times are of whole seconds."""
    is_known = event.type in (ACKNOWLEDGED, UNACKNOWLEDGED) and group.status is event.status
    return is_known and group.told_at == event.at.replace(microsecond=0)


def _mirror(group: GroupPlan, alert: Alert, event: PagedEvent) -> None:
    """The incident itself as an alert, which stands where nothing better is known: it goes once its alerts are read."""
    if not (group.opens or group.reopens or alert.fingerprint in group.states):
        return
    starts_at = event.at if group.reopens else alert.starts_at
    alert = replace(alert, starts_at=starts_at)
    group.changed[alert.fingerprint] = alert
    group.states[alert.fingerprint] = Held(
        status=alert.status,
        starts_at=starts_at,
        ends_at=alert.ends_at if alert.status is AlertStatus.RESOLVED else None,
    )
