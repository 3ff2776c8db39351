"""A stand-in for PagerDuty: a real HTTP server with the part of its REST and Events v2 APIs that responder meets.

It checks what it gets as the real one does, works events off later as the real one does, and does wrong what it is
told to. It remembers in memory only, and sends signed v3 webhooks to its subscriptions.

Not as the real one: every routing key of 32 characters is known, the one API key belongs to the bot user unless it
is said to be an account's, and every write needs `From`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from aiohttp import web

from responder.demo import pagerduty_page as pages
from responder.demo.faults import Do, Fault, Faults, RecordedRequest
from responder.demo.front import Front, Handler
from responder.demo.local_server import LocalServer, run_until_interrupted, wall_clock
from responder.demo.pagerduty_account import Account
from responder.demo.pagerduty_around import AroundApi
from responder.demo.pagerduty_checks import USUAL_BODIES, Complaint, check_headers, event_of, not_found, refuse
from responder.demo.pagerduty_hands import Hands
from responder.demo.pagerduty_records import PagedIncident, User
from responder.demo.pagerduty_rest import RestApi, wants_page
from responder.demo.pagerduty_shapes import alert_shape, incident_shape, note_shape
from responder.demo.pagerduty_subscriptions import EVENT_TYPES, Subscription
from responder.demo.pagerduty_subscriptions_rest import SubscriptionsApi, needs_content_type
from responder.demo.pagerduty_webhooks import ANSWER_WITHIN_SECONDS, RETRY_SECONDS, Delivery, Webhooks

TOKEN = "stand-in-key-000001"  # noqa: S105 - opens nothing but a stand-in
EVENT_DELAY_SECONDS = 0.3
# As the real one takes at most: https://developer.pagerduty.com/docs/events-api-v2-overview (512 KB for an event)
MAX_BODY_BYTES = 512 * 1024


class StandInPagerDuty(Hands):
    """One account behind one port. Make it with `start`."""

    def __init__(
        self,
        *,
        token: str,
        account_key: bool,
        event_delay_seconds: float,
        per_minute: int | None,
        webhooks: Webhooks,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(Account(webhooks.publish), clock)
        self.webhooks = webhooks
        self.token = token
        self.account_key = account_key
        self.event_delay_seconds = event_delay_seconds
        self.per_minute = per_minute
        self._counted_at: deque[float] = deque()
        self._events_on_their_way: set[asyncio.TimerHandle] = set()
        self._front = Front(self._answer, clock=clock, is_private=_is_private, usual_bodies=USUAL_BODIES)
        app = web.Application(middlewares=[self._front.middleware], client_max_size=MAX_BODY_BYTES)
        app.add_routes(self._routes())
        app.add_routes(RestApi(self.account, webhooks, clock, account_key=account_key).routes())
        app.add_routes(AroundApi(self.account, clock).routes())
        app.add_routes(SubscriptionsApi(self.account, webhooks, clock, self._user_of).routes())
        self._server = LocalServer(app)

    @classmethod
    async def start(
        cls,
        port: int = 0,
        *,
        token: str = TOKEN,
        account_key: bool = False,
        event_delay_seconds: float = EVENT_DELAY_SECONDS,
        per_minute: int | None = None,
        webhook_retry_seconds: Sequence[float] = RETRY_SECONDS,
        webhook_answer_within_seconds: float = ANSWER_WITHIN_SECONDS,
        clock: Callable[[], datetime] = wall_clock,
    ) -> StandInPagerDuty:
        """Listen on loopback.

        `account_key`: the API key is the account's and no user's, so that `/users/me` is refused.
        `event_delay_seconds`: from the 202 for an event to its incident.
        `per_minute`: requests after which 429 is answered, 960 at the real one; None for no limit.
        `webhook_retry_seconds`: pauses after the first, second, … failed attempt; the last one is repeated.
        """
        server = cls(
            token=token,
            account_key=account_key,
            event_delay_seconds=event_delay_seconds,
            per_minute=per_minute,
            webhooks=Webhooks(
                clock=clock,
                retry_seconds=webhook_retry_seconds,
                answer_within_seconds=webhook_answer_within_seconds,
            ),
            clock=clock,
        )
        await server._server.start(port)
        await server.webhooks.start()
        return server

    async def stop(self) -> None:
        """Drop every connection, and forget the events and webhooks that are still on their way."""
        self._front.stopping.set()
        for timer in self._events_on_their_way:
            timer.cancel()
        try:
            await self.webhooks.stop()
        finally:
            await self._server.stop()

    @property
    def url(self) -> str:
        """The base address of the REST API and of the pages."""
        return self._server.url

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request that was not a person's or a test's own, oldest first."""
        return self._front.requests

    @property
    def deliveries(self) -> list[Delivery]:
        """Every attempt to deliver a webhook, in the order in which they ended."""
        return self.webhooks.deliveries

    @property
    def events_url(self) -> str:
        """Where Events v2 go to."""
        return f"{self.url}/v2/enqueue"

    # What a test or the demo tells it -----------------------------------------------------------------------------

    def fault(
        self,
        match: str,
        do: Do,
        *,
        status: int = 500,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        store: bool = False,
        times: int | None = 1,
        seconds: float | None = None,
    ) -> None:
        """Do this wrong from now on; see `Fault` for the words."""
        self._front.faults.add(
            Fault(
                match=match,
                do=do,
                status=status,
                headers=headers or {},
                body=body,
                store=store,
                times=times,
                seconds=seconds,
            )
        )

    async def pause(self) -> None:
        """Refuse connections, and drop those that are open, until `resume`."""
        await self._server.pause()

    async def resume(self) -> None:
        """Take connections again, at the same port."""
        await self._server.resume()

    def asked(self, match: str) -> list[RecordedRequest]:
        """The requests so far whose `METHOD /path` matches, such as `POST /incidents/*/notes`."""
        wanted = Faults()
        wanted.add(Fault(match=match, do="reset", times=None))
        return [request for request in self.requests if wanted.take(request.method, request.path)]

    def subscribe(self, url: str, *, events: Sequence[str] = EVENT_TYPES, service: str = "") -> Subscription:
        """Send webhooks there from now on: all, or of these types, or of the service with this id.

        Raises ValueError for an address or a type that cannot be, and where there are ten.
        """
        made = Subscription(
            id=self.account.new_id("P", 7),
            url=url,
            events=tuple(events),
            filter_type="service_reference" if service else "account_reference",
            filter_id=service,
        )
        return self.webhooks.subscribe(made)

    def state(self) -> dict[str, Any]:
        """Every incident with its alerts and notes, and every attempt to deliver a webhook, as JSON."""
        return {
            "incidents": [self._with_all(incident) for incident in self.account.incidents.values()],
            "deliveries": [delivery.shape() for delivery in self.deliveries],
        }

    def _with_all(self, incident: PagedIncident) -> dict[str, Any]:
        return {
            **incident_shape(incident),
            "alerts": [alert_shape(alert, incident) for alert in incident.alerts],
            "notes": [note_shape(note) for note in incident.notes],
        }

    def _user_of(self, headers: Mapping[str, str]) -> User | None:
        """Whose a request is: that of the `From` header, else the owner of the key."""
        return self.account.users.get(headers.get("From", ""), None if self.account_key else self.account.bot)

    # What every request goes through ------------------------------------------------------------------------------

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if _is_private(request) or request.path == "/v2/enqueue":
                return await handler(request)
            check_headers(request.headers, self.token, with_content_type=needs_content_type(request))
            rate_headers = self._count_request()
            response = await handler(request)
        except Complaint as complaint:
            return web.json_response(complaint.body, status=complaint.status, headers=complaint.headers)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
            return web.json_response(not_found().body, status=404)
        response.headers.update(rate_headers)
        return response

    def _count_request(self) -> dict[str, str]:
        """The rate-limit headers for one more request. Raises Complaint when it is one too many."""
        if self.per_minute is None:
            return {}
        now = asyncio.get_running_loop().time()
        while self._counted_at and self._counted_at[0] <= now - 60:
            self._counted_at.popleft()
        remaining = self.per_minute - len(self._counted_at)
        if remaining > 0:
            self._counted_at.append(now)
        headers = {
            "ratelimit-limit": str(self.per_minute),
            "ratelimit-remaining": str(max(0, remaining - 1)),
            "ratelimit-reset": str(int(61 - (now - self._counted_at[0]))),
        }
        if remaining <= 0:
            raise Complaint(429, {"error": USUAL_BODIES[429]}, headers)
        return headers

    def _routes(self) -> Iterable[web.RouteDef]:
        return (
            web.post("/v2/enqueue", self._enqueue),
            web.get("/", self._list_page),
            web.get("/_requests", self._tell_requests),
            web.get("/_state", self._tell_state),
            web.post("/_fault", self._take_fault),
            web.post("/_do", self._take_order),
        )

    # Events v2 ----------------------------------------------------------------------------------------------------

    async def _enqueue(self, request: web.Request) -> web.StreamResponse:
        event = event_of(await request.read())
        dedup_key = event.get("dedup_key") or self.account.new_id("", 32).lower()

        def happen() -> None:
            self._events_on_their_way.discard(timer)
            self.account.take_event(event, dedup_key, self._clock())

        timer = asyncio.get_running_loop().call_later(self.event_delay_seconds, happen)
        self._events_on_their_way.add(timer)
        answer = {"status": "success", "message": "Event processed", "dedup_key": dedup_key}
        return web.json_response(answer, status=202)

    # For another process, and for people --------------------------------------------------------------------------

    async def _list_page(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text=pages.list_page(self.account.incidents.values()), content_type="text/html")

    async def _tell_requests(self, _: web.Request) -> web.StreamResponse:
        return web.json_response([record.shape() for record in self.requests])

    async def _tell_state(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(self.state())

    async def _take_fault(self, request: web.Request) -> web.StreamResponse:
        said = await _said(request)
        match said:
            case {"do": "pause", "seconds": int() | float() as seconds}:
                return await self._pause_for(request, seconds)
            case {"do": "clear"}:
                self._front.faults.clear()
            case _:
                try:
                    self._front.faults.add(Fault(**said))
                except (TypeError, ValueError) as reason:
                    raise refuse(400, str(reason), 2001) from reason
        return web.json_response({"ok": True})

    async def _pause_for(self, request: web.Request, seconds: float) -> web.StreamResponse:
        """Answer, then be away for a while: nobody could ask for `resume` over a door that is closed."""
        answer = web.json_response({"ok": True}, headers={"Connection": "close"})
        await answer.prepare(request)
        await answer.write_eof()
        await self._server.pause(spare=request.transport)
        await self._front.wait(seconds)
        if not self._front.stopping.is_set():
            await self._server.resume()
        return answer

    async def _take_order(self, request: web.Request) -> web.StreamResponse:
        try:
            made = self.obey(await _said(request))
        except ValueError as reason:
            raise refuse(400, str(reason), 2001) from reason
        return web.json_response({"ok": True, **made})


def _is_private(request: web.Request) -> bool:
    return request.path.startswith("/_") or wants_page(request)


async def _said(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError as reason:
        raise refuse(400, f"expected JSON: {reason}", 2001) from reason


@click.command()
@click.option("--port", default=0, help="Port on loopback; 0 takes a free one.")
@click.option("--token", default=TOKEN, show_default=True, help="API key that clients must show.")
def main(port: int, token: str) -> None:
    """Run a stand-in PagerDuty; prints its address."""

    async def start() -> str:
        return (await StandInPagerDuty.start(port, token=token)).url

    run_until_interrupted(start)


if __name__ == "__main__":
    main()
