"""A real HTTP server on loopback that can be started, refused, and stopped: what all the stand-ins are built on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

HOST = "127.0.0.1"


def wall_clock() -> datetime:
    """The time in UTC. The stand-ins are other people's systems, so they have a clock of their own."""
    return datetime.now(UTC)  # noqa: TID251 - see above; tests hand in another one


class LocalServer:
    """One aiohttp application behind one port of the loopback address."""

    def __init__(self, app: web.Application) -> None:
        # A short farewell: handlers that were told to hang must not hold up a test's end.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        self._site: web.SockSite | None = None
        self._bound: socket.socket | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`, without a slash at its end."""
        return f"http://{HOST}:{self.port}"

    async def start(self, port: int = 0) -> None:
        """Listen; port 0 takes a free one. Raises OSError when the port is taken."""
        await self._runner.setup()
        try:
            self._bind(port)
            await self.resume()
        except OSError:
            await self._runner.cleanup()
            raise

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._bound is not None:
            self._bound.close()
        self._site = None
        await self._runner.cleanup()

    async def pause(self, spare: asyncio.BaseTransport | None = None) -> None:
        """Refuse new connections and drop the open ones, but keep the port; `spare` is one that stays."""
        if self._site is None:
            return
        await self._site.stop()
        self._site = None
        self._bind(self.port)  # bound without listening: nobody else gets the port, and connecting is refused
        server = self._runner.server
        for connection in list(server.connections) if server else []:
            if connection.transport is not None and connection.transport is not spare:
                connection.transport.abort()

    async def resume(self) -> None:
        """Listen again; no matter when nothing was paused."""
        if self._site is None and self._bound is not None:
            self._site = web.SockSite(self._runner, self._bound)
            self._bound = None
            await self._site.start()

    def _bind(self, port: int) -> None:
        self._bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._bound.bind((HOST, port))
        except OSError:
            self._bound.close()
            raise
        self.port = self._bound.getsockname()[1]


def run_until_interrupted(start: Callable[[], Coroutine[Any, Any, str]]) -> None:
    """Run a stand-in as a program of its own: print its address, then serve until Ctrl-C or SIGTERM."""

    async def serve() -> None:
        print(await start(), flush=True)
        await asyncio.Event().wait()

    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        print("stopped")
