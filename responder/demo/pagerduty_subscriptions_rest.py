"""The part of PagerDuty's REST API that is about webhook subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from aiohttp import web

from responder.demo.pagerduty_account import Account
from responder.demo.pagerduty_checks import invalid, not_found
from responder.demo.pagerduty_records import User
from responder.demo.pagerduty_rest import page
from responder.demo.pagerduty_subscriptions import Subscription, wanted_fields
from responder.demo.pagerduty_webhooks import Webhooks

SUBSCRIPTIONS = "/webhook_subscriptions"
SCOPES = ("account", "service", "team")


class SubscriptionsApi:
    """Makes, shows, changes and tries out the subscriptions. `user_of`: whose a request is, None for nobody's."""

    def __init__(
        self,
        account: Account,
        webhooks: Webhooks,
        clock: Callable[[], datetime],
        user_of: Callable[[Mapping[str, str]], User | None],
    ) -> None:
        self._account = account
        self._webhooks = webhooks
        self._clock = clock
        self._user_of = user_of

    def routes(self) -> Iterable[web.RouteDef]:
        """What is answered, and by whom."""
        one = f"{SUBSCRIPTIONS}/{{id}}"
        return (
            web.get(SUBSCRIPTIONS, self._list),
            web.post(SUBSCRIPTIONS, self._create),
            web.get(one, self._one),
            web.put(one, self._update),
            web.delete(one, self._delete),
            web.post(f"{one}/enable", self._enable),
            web.post(f"{one}/ping", self._ping),
        )

    async def _list(self, request: web.Request) -> web.StreamResponse:
        scope = _scope_of(request.query)
        found = [it for it in self._webhooks.subscriptions.values() if scope in (None, it.scope)]
        shapes = [it.shape(self._clock()) for it in found]
        return web.json_response(page("webhook_subscriptions", shapes, request.query))

    async def _create(self, request: web.Request) -> web.StreamResponse:
        try:
            fields = wanted_fields(await request.read(), is_new=True)
            made = self._webhooks.subscribe(Subscription(id=self._account.new_id("P", 7), **fields))
        except ValueError as reason:
            raise invalid(str(reason)) from reason
        return self._told(made, is_new=True)

    async def _one(self, request: web.Request) -> web.StreamResponse:
        return self._told(self._find(request))

    async def _update(self, request: web.Request) -> web.StreamResponse:
        subscription = self._find(request)
        try:
            subscription.update(wanted_fields(await request.read(), is_new=False))
        except ValueError as reason:
            raise invalid(str(reason)) from reason
        return self._told(subscription)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        self._webhooks.unsubscribe(self._find(request))
        return web.Response(status=204)

    async def _enable(self, request: web.Request) -> web.StreamResponse:
        subscription = self._find(request)
        subscription.enable()
        return self._told(subscription)

    async def _ping(self, request: web.Request) -> web.StreamResponse:
        self._webhooks.ping(self._find(request), self._user_of(request.headers))
        return web.Response(status=202)

    def _find(self, request: web.Request) -> Subscription:
        subscription = self._webhooks.subscriptions.get(request.match_info["id"])
        if subscription is None:
            raise not_found()
        return subscription

    def _told(self, subscription: Subscription, *, is_new: bool = False) -> web.StreamResponse:
        return web.json_response({"webhook_subscription": subscription.shape(self._clock(), is_new=is_new)})


def _scope_of(query: Mapping[str, str]) -> tuple[str, str] | None:
    kind, id_ = query.get("filter_type"), query.get("filter_id", "")
    if kind is None:
        return None
    if kind not in SCOPES or (kind != "account" and not id_):
        raise invalid(f"filter_type must be one of {', '.join(SCOPES)}, and needs a filter_id unless it is account")
    return f"{kind}_reference", id_ if kind != "account" else ""


def needs_content_type(request: web.Request) -> bool:
    """Elsewhere the schema has Content-Type on every operation; for subscriptions only where there is a body."""
    return not request.path.startswith(SUBSCRIPTIONS) or request.can_read_body
