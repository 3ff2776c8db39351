"""`intake.ignore`: what a webhook is without the alerts that nobody wants to hear of."""

from __future__ import annotations

from dataclasses import replace

from responder.model.alert import AlertStatus, Webhook
from responder.model.pack import Pack
from responder.rules.packs import is_ignored


def without_ignored(webhook: Webhook, packs: tuple[Pack, ...]) -> Webhook:
    """`intake.ignore` of the pack that would take the alert; what is left out is counted.

    What tells of an end, or of an incident of PagerDuty, is only marked: it may be about one that was accepted before.
    """
    if not any(pack.ignore for pack in packs):
        return webhook
    kept, unwanted = [], set()
    for alert in webhook.alerts:
        if is_ignored(packs, alert.labels):
            if alert.status is AlertStatus.FIRING and webhook.event is None:
                continue
            unwanted.add(alert.fingerprint)
        kept.append(alert)
    left_out = len(webhook.alerts) - len(kept)
    if not left_out and not unwanted:
        return webhook
    return replace(webhook, alerts=tuple(kept), ignored=webhook.ignored + left_out, unwanted=frozenset(unwanted))
