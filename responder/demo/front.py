"""The door of a stand-in: writes down each request, and does wrong what it was told to."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from responder.demo.faults import Fault, Faults, RecordedRequest

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answering = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


class Front:
    """`answer`: checks a request and has it handled. `usual_bodies`: what the system says at a status.

    `is_private`: requests that are neither written down nor met by faults: a test's own, and a person's.
    """

    def __init__(
        self,
        answer: Answering,
        *,
        clock: Callable[[], datetime],
        is_private: Callable[[web.Request], bool],
        usual_bodies: Mapping[int, Mapping[str, Any]],
    ) -> None:
        self.faults = Faults()
        self.requests: list[RecordedRequest] = []
        self.stopping = asyncio.Event()
        self._answer = answer
        self._clock = clock
        self._is_private = is_private
        self._usual_bodies = usual_bodies

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let one request in."""
        if self._is_private(request):
            return await self._answer(request, handler)
        record = await self._record(request)
        fault = self.faults.take(request.method, request.path)
        if fault is None:
            response = await self._answer(request, handler)
        else:
            record.fault = fault.do
            response = await self._misbehave(fault, request, handler)
        transport = request.transport
        record.answered = None if transport is None or transport.is_closing() else response.status
        return response

    async def _record(self, request: web.Request) -> RecordedRequest:
        body = (await request.read()).decode("utf-8", "replace")
        record = RecordedRequest(
            method=request.method,
            path=request.path,
            query=list(request.query.items()),
            headers=dict(request.headers),
            body=body,
            at=self._clock(),
        )
        self.requests.append(record)
        return record

    async def _misbehave(self, fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await self._answer(request, handler) if fault.store else None
        match fault.do:
            case "hang":
                await self.wait(fault.seconds)
                return _drop(request)
            case "reset":
                return _drop(request)
            case "slow":
                await self.wait(fault.seconds)
                return await self._answer(request, handler) if answer is None else answer
            case "cut":
                return await _cut(request, answer)
            case "garbage":
                return web.Response(text="<html><body>It works!</body></html>", content_type="text/html")
            case "status":
                return self._told(fault)

    async def wait(self, seconds: float | None) -> None:
        """Until the seconds are over or the server stops; None: until it stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()

    def _told(self, fault: Fault) -> web.StreamResponse:
        text = fault.body
        if text is None:
            text = json.dumps({"error": self._usual_bodies.get(fault.status, self._usual_bodies[500])})
        headers = {"Content-Type": "application/json"} if text else {}
        return web.Response(status=fault.status, headers={**headers, **fault.headers}, body=text.encode())


def _drop(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)  # goes nowhere


async def _cut(request: web.Request, answer: web.StreamResponse | None) -> web.StreamResponse:
    body = answer.body if isinstance(answer, web.Response) else None
    whole = body if isinstance(body, bytes) and body else b'{"incidents": [], "limit": 25, "offset": 0}'
    head = {"Content-Type": "application/json", "Content-Length": str(len(whole))}
    response = web.StreamResponse(status=answer.status if answer else 200, headers=head)
    await response.prepare(request)
    await response.write(whole[: len(whole) // 2])
    if request.transport is not None:
        request.transport.close()  # after what was written, unlike abort
    return response
