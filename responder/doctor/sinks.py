"""Where reports go and who posts: PagerDuty's key, its webhook subscription, the Alertmanagers that can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from typing import Any

from responder.clients.alertmanager import AlertmanagerDoor
from responder.clients.pagerduty import PagerDutyApi, webhook_subscriptions
from responder.doctor.line import Line, ok, unknown, warning, wrong
from responder.errors import CouldNotLook, NotConfigured, Refused
from responder.incidents.reconcile import PATH, to_us
from responder.model.asked import Subscription
from responder.model.quantities import several
from responder.settings import Settings

WITHIN_SECONDS = 10.0
SINK, WEBHOOK = "sink pagerduty", "webhook pagerduty"
# Roles that may not write notes: https://support.pagerduty.com/main/docs/user-roles
MAY_ONLY_READ = frozenset({"read_only_user", "read_only_limited_user", "observer"})
NO_NOTE = "whether it may write notes is seen at the first one"


async def pagerduty(settings: Settings, api: PagerDutyApi) -> list[Line]:
    """The key, and whether our webhooks come; the same requests as the daemon's."""
    return [*await _in_time(SINK, _key(settings, api)), *await _in_time(WEBHOOK, _subscription(settings, api))]


async def _in_time(about: str, lines: Awaitable[list[Line]]) -> list[Line]:
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            return await lines
    except TimeoutError:
        return [wrong(about, f"no answer within {WITHIN_SECONDS:g} s")]
    except CouldNotLook as why:
        return [wrong(about, f"{'does not let us in' if isinstance(why, Refused) else 'not reachable'}: {why}")]


async def _key(settings: Settings, api: PagerDutyApi) -> list[Line]:
    user = await api.whose_key()
    try:
        abilities = (await api.get("/abilities")).get("abilities")
        told = (
            f"; the account has {several(len(abilities), 'ability', 'abilities')}"
            if isinstance(abilities, list)
            else ""
        )
    except CouldNotLook as why:
        abilities, told = None, f"; its abilities were not told ({why})"
    facts = {"user": user, "abilities": abilities}
    if user is not None:
        role = str(user.get("role") or "")
        who = f"the key of {user.get('name') or user.get('id')}, {role or 'role not told'}"
        if role in MAY_ONLY_READ:
            return [wrong(SINK, f"{who}, who may not write notes{told}", "use the key of a user who may", **facts)]
        return [ok(SINK, f"{who}{told}; {NO_NOTE}", **facts)]
    return [await _sender(settings.pagerduty_from, api, told, facts)]


async def _sender(sender: str, api: PagerDutyApi, told: str, facts: Mapping[str, Any]) -> Line:
    """An account's key writes for somebody, who has to be there."""
    if not sender:
        cure = "set RESPONDER_PAGERDUTY_FROM to the e-mail of a user, for whom notes are written"
        return wrong(SINK, f"the key of an account, and nobody to write for{told}", cure, **facts)
    users = (await api.get("/users", [("query", sender), ("limit", "100")])).get("users", [])
    if not any(isinstance(it, dict) and str(it.get("email", "")).lower() == sender.lower() for it in users):
        cure = "RESPONDER_PAGERDUTY_FROM has to be the e-mail of a user of that account"
        return wrong(SINK, f"the key of an account that has no user {sender}{told}", cure, **facts)
    return ok(SINK, f"the key of an account, writes for {sender}{told}; {NO_NOTE}", **facts)


async def _subscription(settings: Settings, api: PagerDutyApi) -> list[Line]:
    ours = to_us(await webhook_subscriptions(api), settings.public_url)
    hears = bool(settings.pagerduty_webhook_secrets)
    if not ours:
        says = f"no subscription leads to {settings.public_url.rstrip('/') or '…'}{PATH}"
        if hears:
            return [wrong(WEBHOOK, says, "docs/operations.md, PagerDuty, both ways, says how to make one")]
        return [ok(WEBHOOK, f"{says}, and no secret is set: incidents are found by asking")]
    return [_of(it, hears=hears) for it in ours]


def _of(it: Subscription, *, hears: bool) -> Line:
    says = f"{it.id} for {it.scope.name}, to {it.url}"
    facts = {"id": it.id, "active": it.active, "scope": it.scope.name, "events": list(it.events)}
    if not it.active:
        return wrong(WEBHOOK, f"{says}: switched off", "switch it on again in PagerDuty", **facts)
    if not hears:
        cure = "set RESPONDER_PAGERDUTY_WEBHOOK_SECRETS to the secret that was shown when it was made"
        return wrong(WEBHOOK, f"{says}: no secret is set, so each is answered 503", cure, **facts)
    if not it.tells_of_new:
        return warning(WEBHOOK, f"{says}: does not tell of new incidents", "add incident.triggered to it", **facts)
    return ok(WEBHOOK, says, **facts)


async def alertmanagers(settings: Settings) -> list[Line]:
    """Each that settings name, asked what fires."""
    peers = [(source, url) for source, urls in settings.alertmanagers.items() for url in urls]
    return list(await asyncio.gather(*(_alertmanager(*it) for it in peers)))


async def _alertmanager(source: str, url: str) -> Line:
    about = f"alertmanager {source}"
    try:
        door = AlertmanagerDoor.at(source, url)
    except NotConfigured as why:
        return wrong(about, str(why))
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            peer = await door.ask()
    except TimeoutError:
        return wrong(about, f"{door.shown}: no answer within {WITHIN_SECONDS:g} s")
    except CouldNotLook as why:
        return wrong(about, str(why))
    finally:
        await door.close()
    firing = f"{len(peer.fingerprints)} alert{'' if len(peer.fingerprints) == 1 else 's'} firing"
    return ok(about, f"{door.shown}: {firing}" + ("" if peer.in_step else ", still settling with its peers"))


def others(settings: Settings) -> Iterator[Line]:
    """Sinks that cannot be asked without sending, and that there is none."""
    if settings.report_webhook_url:
        yield unknown("sink report webhook", "not asked: whatever is posted there is a report")
    if settings.pagerduty_routing_key:
        yield unknown("sink pagerduty_event", "not asked: whatever is sent there pages somebody")
    if not (settings.pagerduty_token or settings.report_webhook_url or settings.prints_reports):
        yield warning(
            "sinks", "none: reports are on the page only", "set RESPONDER_PAGERDUTY_TOKEN to have them posted"
        )


def senders(let_nobody_in: Mapping[str, bool], not_acted_on: Iterable[str]) -> Iterator[Line]:
    """Of settings: who may post, and what has no effect. `let_nobody_in`: by the kind of sender."""
    open_to = [kind for kind, shut in let_nobody_in.items() if not shut]
    if open_to:
        yield ok("settings", f"webhooks are taken from {', '.join(open_to)}")
    else:
        cure = "set RESPONDER_ALERTMANAGER_TOKENS, say"
        yield warning("settings", "no sender is let in: every webhook is answered 503", cure)
    for name in not_acted_on:
        yield warning("settings", f"{name} has no effect yet in this version")
