"""A stand-in for PagerDuty: a real HTTP server with the part of its REST and Events v2 APIs that responder meets.

It checks what it gets as the real one does, works events off later as the real one does, and does wrong what it is
told to. It remembers in memory only. Signed v3 webhooks to subscriptions belong where `_changed` is called.

Not as the real one: every routing key of 32 characters is known, and the one API key belongs to the bot user.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import click
from aiohttp import web

from responder.demo import pagerduty_page as pages
from responder.demo.faults import Do, Fault, Faults, RecordedRequest
from responder.demo.front import Front, Handler
from responder.demo.local_server import LocalServer, run_until_interrupted, wall_clock
from responder.demo.pagerduty_account import Account, Note, PagedIncident, User
from responder.demo.pagerduty_checks import USUAL_BODIES, Complaint, check_headers, event_of, not_found, refuse
from responder.demo.pagerduty_rest import RestApi, wants_page
from responder.demo.pagerduty_shapes import alert_shape, incident_shape, note_shape

TOKEN = "stand-in-key-000001"  # noqa: S105 - opens nothing but a stand-in
EVENT_DELAY_SECONDS = 0.3
# As the real one takes at most: https://developer.pagerduty.com/docs/events-api-v2-overview (512 KB for an event)
MAX_BODY_BYTES = 512 * 1024


class StandInPagerDuty:
    """One account behind one port. Make it with `start`."""

    def __init__(
        self, *, token: str, event_delay_seconds: float, per_minute: int | None, clock: Callable[[], datetime]
    ) -> None:
        self.account = Account()
        self.token = token
        self.event_delay_seconds = event_delay_seconds
        self.per_minute = per_minute
        self._clock = clock
        self._counted_at: deque[float] = deque()
        self._events_on_their_way: set[asyncio.TimerHandle] = set()
        self._front = Front(self._answer, clock=clock, is_private=_is_private, usual_bodies=USUAL_BODIES)
        app = web.Application(middlewares=[self._front.middleware], client_max_size=MAX_BODY_BYTES)
        app.add_routes(self._routes())
        app.add_routes(RestApi(self.account, clock, self._changed).routes())
        self._server = LocalServer(app)

    @classmethod
    async def start(
        cls,
        port: int = 0,
        *,
        token: str = TOKEN,
        event_delay_seconds: float = EVENT_DELAY_SECONDS,
        per_minute: int | None = None,
        clock: Callable[[], datetime] = wall_clock,
    ) -> StandInPagerDuty:
        """Listen on loopback.

        `event_delay_seconds`: from the 202 for an event to its incident.
        `per_minute`: requests after which 429 is answered, 960 at the real one; None for no limit.
        """
        server = cls(token=token, event_delay_seconds=event_delay_seconds, per_minute=per_minute, clock=clock)
        await server._server.start(port)
        return server

    async def stop(self) -> None:
        """Drop every connection and forget the events that are still on their way."""
        self._front.stopping.set()
        for timer in self._events_on_their_way:
            timer.cancel()
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

    # A person's hands ---------------------------------------------------------------------------------------------

    def acknowledge(self, incident_id: str) -> None:
        """The person on call takes the incident on. Raises KeyError for an unknown id."""
        incident = self.account.incidents[incident_id]
        self.account.acknowledge(incident, self.account.person, self._clock())
        self._changed(incident)

    def resolve(self, incident_id: str) -> None:
        """The person on call ends the incident. Raises KeyError for an unknown id."""
        incident = self.account.incidents[incident_id]
        self.account.resolve(incident, self._clock())
        self._changed(incident)

    def add_note(self, incident_id: str, content: str, *, by: User | None = None) -> Note:
        """Somebody writes a note; None for the person on call. Raises KeyError for an unknown id."""
        incident = self.account.incidents[incident_id]
        note = self.account.add_note(incident, by or self.account.person, content, self._clock())
        self._changed(incident)
        return note

    def state(self) -> dict[str, Any]:
        """Every incident with its alerts and notes, as JSON."""
        return {"incidents": [self._with_all(incident) for incident in self.account.incidents.values()]}

    def _with_all(self, incident: PagedIncident) -> dict[str, Any]:
        return {
            **self._incident(incident),
            "alerts": [alert_shape(alert, incident) for alert in incident.alerts],
            "notes": [note_shape(note) for note in incident.notes],
        }

    def _incident(self, incident: PagedIncident) -> dict[str, Any]:
        return incident_shape(incident, self.account.person)

    def _changed(self, incident: PagedIncident) -> None:
        """An incident is other than it was; webhooks to subscriptions would start here."""

    # What every request goes through ------------------------------------------------------------------------------

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if _is_private(request) or request.path == "/v2/enqueue":
                return await handler(request)
            check_headers(request.headers, self.token)
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
            incident = self.account.take_event(event, dedup_key, self._clock())
            if incident is not None:
                self._changed(incident)

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
        match await _said(request):
            case {"do": "resolve", "incident": str() as id_} if id_ in self.account.incidents:
                self.resolve(id_)
            case {"do": "acknowledge", "incident": str() as id_} if id_ in self.account.incidents:
                self.acknowledge(id_)
            case {"do": "add_note", "incident": str() as id_, "content": str() as content} if (
                id_ in self.account.incidents
            ):
                self.add_note(id_, content)
            case said:
                raise refuse(400, f"expected do: resolve, acknowledge or add_note, and an incident; got {said}", 2001)
        return web.json_response({"ok": True})


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
