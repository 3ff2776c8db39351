"""A receiver of report webhooks: it keeps every post, and misbehaves at the first ones about each alert."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from responder.demo.local_server import LocalServer

Way = Literal["hang", "reset", "status", "rubbish", "html"]
RUBBISH = b"\x16\x03\x01\x00\x00 this is no HTTP\r\n\r\n"


@dataclass(frozen=True, kw_only=True)
class Post:
    """One post as it came, stored whatever was answered."""

    key: str
    body: dict[str, Any]

    @property
    def marker(self) -> str:
        return str(self.body["marker"])

    @property
    def alert(self) -> str:
        """The name of its alert."""
        return str(self.body["alerts"]["names"][0])


@dataclass(kw_only=True)
class Receiver:
    """Open it with `opened`. `ways`: alert name → what to do at its first post, after storing it.

    `hang` answers nothing; `reset` drops the connection; `status` answers 500; `rubbish` what is no HTTP; `html` 200
    with a page, which is a delivery: only the status counts.
    """

    ways: dict[str, Way] = field(default_factory=dict)
    posts: list[Post] = field(default_factory=list)
    server: LocalServer = field(init=False)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncIterator[Receiver]:
        """Ended with the block."""
        self = cls()
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.add_routes([web.post("/reports", self._take)])
        self.server = LocalServer(app)
        await self.server.start()
        try:
            yield self
        finally:
            self.stopping.set()
            await self.server.stop()

    @property
    def url(self) -> str:
        return f"{self.server.url}/reports"

    def of(self, alert: str) -> list[Post]:
        """The posts about one alert, oldest first."""
        return [it for it in self.posts if it.alert == alert]

    async def _take(self, request: web.Request) -> web.StreamResponse:
        post = Post(key=request.headers["Idempotency-Key"], body=await request.json())
        self.posts.append(post)
        match self.ways.pop(post.alert, None):
            case "hang":
                await self.stopping.wait()
                return _dropped(request)
            case "reset":
                return _dropped(request)
            case "status":
                return web.Response(status=500, text="stored, and then it broke")
            case "rubbish":
                return _rubbish(request)
            case "html":
                return web.Response(text="<html><body>It works!</body></html>", content_type="text/html")
            case None:
                return web.Response(status=204)


def _dropped(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _rubbish(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.write(RUBBISH)  # type: ignore[attr-defined]
        request.transport.close()
    return web.Response()
