"""The pages as JSON, for programs: `/api/v1/…`. Errors are problem details (RFC 9457), raised as `Refused`."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from responder.delivery.plain_text import plain_text
from responder.errors import StoreUnavailable, UsageError
from responder.model.incident import IncidentState, marker_of
from responder.store import look_up
from responder.store.look_up import MOST, One
from responder.store.store import Store
from responder.web import answers
from responder.web.looking import LookingAt
from responder.web.webhooks import RETRY_AFTER_SECONDS, Refused

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PREFIX = "/api/v1"
LIMIT = 100
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_MARKED = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~&])")


class Api:
    """Answers of the API. `name`: of this installation, as it stands in markers."""

    def __init__(self, store: Store, name: str, looking: LookingAt) -> None:
        self._store = store
        self._looking = looking
        self._name = name

    def add_to(self, router: web.UrlDispatcher, guard: Callable[[Handler], Handler]) -> None:
        """Mount every path behind the guard of the pages."""
        for path, handler in (
            ("/incidents", self.incidents),
            ("/incidents/{id}", self.incident),
            ("/incidents/{id}/timeline", self.timeline),
            ("/incidents/{id}/report", self.report),
            ("/quarantine", self.quarantine),
            ("/quarantine/{id}", self.put_aside),
            ("/trace", self.trace),
            ("/targets", self.targets),
        ):
            router.add_get(PREFIX + path, guard(_answering(handler)))

    async def incidents(self, request: web.Request) -> web.Response:
        """`?state=open,resolved&before=inc-…&limit=100`: incidents, newest first."""
        states = _states(request)
        limit = _limit(request)
        before = await self._before(request)
        rows = await look_up.listing(self._store, states=states, before=before, limit=limit + 1)
        return answer(answers.listing(rows[:limit], more=len(rows) > limit))

    async def incident(self, request: web.Request) -> web.Response:
        """One, with its alerts, links and deliveries."""
        return answer(answers.one(await self._one(request)))

    async def timeline(self, request: web.Request) -> web.Response:
        """What happened when, oldest first."""
        return answer(answers.timeline(await self._one(request)))

    async def report(self, request: web.Request) -> web.Response:
        """The newest report as JSON; `?format=markdown` or `text`, or an `Accept` header, for people."""
        found = await self._one(request)
        body = answers.report(found, name=self._name)
        if body is None or found.report is None:
            raise Refused(404, f"{found.summary['slug']} has no report yet; its timeline says why")
        form = _format(request)
        if form == "json":
            return answer(body)
        marker = marker_of(self._name, found.summary["slug"])
        text = plain_text(
            found.report,
            marker=marker,
            continues=found.summary["continues"] or "",
            continued_in=found.summary["continued_in"] or "",
        )
        content = _markdown(text) if form == "markdown" else text + "\n"
        kind = "text/markdown" if form == "markdown" else "text/plain"
        return web.Response(text=content, content_type=kind, headers=HEADERS)

    async def quarantine(self, request: web.Request) -> web.Response:
        """`?before=17&limit=100`: what was accepted but not understood, newest first."""
        limit = _limit(request)
        before = _number(request.query["before"], "before") if "before" in request.query else None
        rows = await look_up.quarantine(self._store, before=before, limit=limit + 1)
        return answer(answers.quarantine(rows[:limit], more=len(rows) > limit))

    async def put_aside(self, request: web.Request) -> web.Response:
        """One entry, with its redacted text."""
        number = _number(request.match_info["id"], "id")
        found = await look_up.put_aside(self._store, number)
        if found is None:
            raise Refused(404, f"nothing under {number} in quarantine; it may have been kept long enough")
        return answer(answers.put_aside(found))

    async def trace(self, request: web.Request) -> web.Response:
        """`?id=…`: a fingerprint, a group key or its SHA-256, an incident here or at PagerDuty."""
        try:
            found = await look_up.trace(self._store, request.query.get("id", ""))
        except UsageError as wrong:
            raise Refused(400, f"id: {wrong}") from wrong
        if not (found.incidents or found.quarantine or found.webhooks[None]):
            raise Refused(404, f"nothing was kept of {found.name!r}; webhooks are kept for RESPONDER_RETAIN_WEBHOOKS")
        return answer(answers.trace(found))

    async def targets(self, request: web.Request) -> web.Response:
        """What is looked at, where reports go, who is asked, and what each waits for."""
        return answer(answers.targets(await self._looking.now()))

    async def _one(self, request: web.Request) -> One:
        slug = request.match_info["id"]
        number = await look_up.number_of(self._store, slug)
        found = await look_up.one(self._store, number) if number is not None else None
        if found is None:
            raise Refused(404, f'there is no incident "{slug}" here; an identifier looks like inc-7K3F')
        return found

    async def _before(self, request: web.Request) -> int | None:
        if "before" not in request.query:
            return None
        number = await look_up.number_of(self._store, request.query["before"])
        if number is None:
            raise Refused(400, f'before: there is no incident "{request.query["before"]}" here')
        return number


def _answering(handler: Callable[[web.Request], Awaitable[web.Response]]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except StoreUnavailable as away:
            raise Refused(503, str(away), {"Retry-After": RETRY_AFTER_SECONDS}) from away

    return handle


def answer(body: dict[str, Any]) -> web.Response:
    """200 with this as JSON; nobody keeps it."""
    text = json.dumps(body, ensure_ascii=False, allow_nan=False)
    return web.Response(
        body=text.encode("utf-8", "replace"), content_type="application/json", charset="utf-8", headers=HEADERS
    )


def _states(request: web.Request) -> list[str] | None:
    asked = [it for part in request.query.getall("state", []) for it in part.split(",") if it]
    known = [str(it) for it in IncidentState]
    wrong = [it for it in asked if it not in known]
    if wrong:
        raise Refused(400, f'state: expected {", ".join(known)}, got "{wrong[0]}"')
    return asked or None


def _limit(request: web.Request) -> int:
    limit = _number(request.query.get("limit", str(LIMIT)), "limit")
    if not 1 <= limit <= MOST:
        raise Refused(400, f"limit: expected 1 to {MOST}, got {limit}")
    return limit


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refused(400, f'{name}: expected a number, got "{text[:40]}"')
    return int(text)


def _format(request: web.Request) -> str:
    """`json`, `markdown` or `text`: what `format` says, else the first of the three that `Accept` names."""
    asked = request.query.get("format")
    if asked is not None:
        if asked not in ("json", "markdown", "text"):
            raise Refused(400, f'format: expected json, markdown or text, got "{asked}"')
        return asked
    kinds = {"application/json": "json", "text/markdown": "markdown", "text/plain": "text"}
    accepted = [it.partition(";")[0].strip().lower() for it in request.headers.get("Accept", "").split(",")]
    return next((kinds[it] for it in accepted if it in kinds), "json")


def _markdown(text: str) -> str:
    """The lines of a note, each a line of its own, nothing in them taken for markup."""
    return "".join(f"{_MARKED.sub(_escaped, line.strip())}  \n" for line in text.splitlines())


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[1]}"
