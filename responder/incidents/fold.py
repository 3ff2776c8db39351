"""Decide what a batch of webhooks means, alert by alert, in the order of arrival.

State is ordered by (startsAt, firing < resolved). One exception, seen with Alertmanager 0.25: startsAt can go
backwards between firing and resolve, so a resolve whose endsAt is not before the held startsAt ends the alert
whatever its own startsAt.

Without a start of its own (`starts_assumed`) an alert is ordered by its arrival alone: firing while it fires is the
same again, resolved ends it, firing after that has begun anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from responder.incidents.hear import hear
from responder.model.alert import Alert, AlertStatus, Webhook
from responder.model.folding import GroupKey, GroupPlan, Held, HeldGroup, Told, WebhookPlan


def fold(
    webhooks: Sequence[Webhook],
    held: Mapping[GroupKey, HeldGroup],
    copies: frozenset[int],
    now: datetime,
    *,
    reopen_within: timedelta,
) -> list[WebhookPlan]:
    """Return one plan a webhook; webhooks of one group share its GroupPlan. `copies`: places of those seen before."""
    groups: dict[GroupKey, GroupPlan] = {}
    return [
        _fold_one(webhook, groups, held, now, reopen_within, again=place in copies)
        for place, webhook in enumerate(webhooks)
    ]


def _fold_one(
    webhook: Webhook,
    groups: dict[GroupKey, GroupPlan],
    held: Mapping[GroupKey, HeldGroup],
    now: datetime,
    reopen_within: timedelta,
    *,
    again: bool,
) -> WebhookPlan:
    if not webhook.key:
        return WebhookPlan(webhook=webhook, group=None, told=(), again=again)
    key = (webhook.kind, webhook.source, webhook.key)
    group = groups.get(key) or groups.setdefault(key, _plan_of(key, webhook, held.get(key)))
    if again:
        told = (Told.DUPLICATE,) * (1 if webhook.event else len(webhook.alerts))
        return WebhookPlan(webhook=webhook, group=group, told=told, again=True)
    group.title, group.url = webhook.title or group.title, webhook.url or group.url
    if webhook.event is not None:
        told = (hear(group, webhook, webhook.event, now, reopen_within),)
    else:
        told = tuple(_told(group, webhook, alert, now, reopen_within) for alert in webhook.alerts)
        _end_what_was_cut(group, webhook)
        if webhook.asked and Told.ACCEPTED in told:
            group.lines.append(webhook.asked)
    return WebhookPlan(webhook=webhook, group=group, told=told)


def _told(group: GroupPlan, webhook: Webhook, alert: Alert, now: datetime, reopen_within: timedelta) -> Told:
    if alert.fingerprint in webhook.unwanted and alert.fingerprint not in group.states:
        return Told.IGNORED
    if webhook.asked and _is_news_since(group, alert):
        return Told.STALE
    return _take(group, webhook, alert, now, reopen_within)


def told_by(alert: Alert, held: Held | None) -> Told:
    """Whether one statement about an alert is news, the same again, or stale."""
    if held is None:
        return Told.ACCEPTED
    if alert.starts_assumed:
        return Told.DUPLICATE if alert.status is held.status else Told.ACCEPTED
    if _same(alert, held):
        return Told.DUPLICATE
    if _ends(alert, held) or (alert.starts_at, alert.status) > (held.starts_at, held.status):
        return Told.ACCEPTED
    return Told.STALE


def state_after(alert: Alert, held: Held | None) -> Held:
    """The state once this statement was accepted; startsAt never goes backwards, and an end without one leaves it."""
    if held is None:
        starts_at = alert.starts_at
    elif alert.starts_assumed and alert.status is AlertStatus.RESOLVED:
        starts_at = held.starts_at
    else:
        starts_at = max(alert.starts_at, held.starts_at)
    return Held(status=alert.status, starts_at=starts_at, ends_at=alert.ends_at)


def _plan_of(key: GroupKey, webhook: Webhook, held: HeldGroup | None) -> GroupPlan:
    return GroupPlan(
        key=key,
        title=webhook.title,
        url=webhook.url,
        link=held.link if held else None,
        incident=held.incident if held else None,
        open_now=held.open_now if held else False,
        resolved_at=held.resolved_at if held else None,
        states=dict(held.alerts) if held else {},
        settled=held.settled if held else False,
        reserved=held.reserved if held else None,
        status=held.status if held else None,
        told_at=held.told_at if held else None,
        has_priority=held.has_priority if held else False,
    )


def _take(group: GroupPlan, webhook: Webhook, alert: Alert, now: datetime, reopen_within: timedelta) -> Told:
    held = group.states.get(alert.fingerprint)
    told = told_by(alert, held)
    if told is Told.DUPLICATE and _is_another(group, webhook, alert):
        told = Told.ACCEPTED
    if told is Told.ACCEPTED:
        group.states[alert.fingerprint] = state_after(alert, held)
        group.changed[alert.fingerprint] = alert
        group.ended.discard(alert.fingerprint)
        group.refreshed.pop(alert.fingerprint, None)
        if alert.status is AlertStatus.FIRING and not _is_settled(group, alert, held):
            group.start(now, reopen_within)
    elif told is Told.DUPLICATE and alert.fingerprint not in group.changed:
        group.refreshed[alert.fingerprint] = alert
    return told


def _is_another(group: GroupPlan, webhook: Webhook, alert: Alert) -> bool:
    """Neither a start nor an end is ever told: once somebody settled the incident, the same words are news."""
    return webhook.never_ends and alert.starts_assumed and not group.open_now


def _is_news_since(group: GroupPlan, alert: Alert) -> bool:
    """It was heard of anew while its sender was asked: the answer is about the time before."""
    held = group.states.get(alert.fingerprint)
    return held is None or held.status is not AlertStatus.FIRING or held.starts_at != alert.starts_at


def _is_settled(group: GroupPlan, alert: Alert, held: Held | None) -> bool:
    """Somebody settled the incident while it fired: only what began after that is a new reason to look."""
    if group.open_now or not group.settled or group.resolved_at is None:
        return False
    return held is None and alert.starts_at <= group.resolved_at


def _end_what_was_cut(group: GroupPlan, webhook: Webhook) -> None:
    """A resolved group whose list was cut (`truncatedAlerts`) ends its other firing alerts as well."""
    if webhook.ends_others_until is None:
        return
    named = {alert.fingerprint for alert in webhook.alerts}
    for fingerprint, held in group.states.items():
        if (
            fingerprint not in named
            and held.status is AlertStatus.FIRING
            and held.starts_at <= webhook.ends_others_until
        ):
            group.states[fingerprint] = Held(
                status=AlertStatus.RESOLVED, starts_at=held.starts_at, ends_at=webhook.ends_others_until
            )
            group.ended.add(fingerprint)


def _same(alert: Alert, held: Held) -> bool:
    if alert.status is not held.status:
        return False
    if alert.status is AlertStatus.RESOLVED and alert.ends_at == held.ends_at:
        return alert.starts_at <= held.starts_at  # the other peer's copy of a resolve that went backwards
    return alert.starts_at == held.starts_at


def _ends(alert: Alert, held: Held) -> bool:
    return (
        alert.status is AlertStatus.RESOLVED
        and held.status is AlertStatus.FIRING
        and alert.ends_at is not None
        and alert.ends_at >= held.starts_at
    )
