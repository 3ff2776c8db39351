"""A real TCP round robin in front of several daemons, as a service of Kubernetes is: what is not ready gets nothing.

What breaks breaks for the sender too: a connection to one that dies is dropped, a connection to one that freezes hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from tests.faults.daemon import Daemon
from tests.systems.plugin import LOOPBACK

PROBED_EVERY_SECONDS = 0.5
PROBED_WITHIN_SECONDS = 1.0
PIECE_BYTES = 64 * 1024


@dataclass(kw_only=True)
class RoundRobin:
    """Open it with `opened`. `served`: how many connections each daemon was given, by its address."""

    daemons: Sequence[Daemon]
    served: dict[str, int] = field(default_factory=dict)
    _ready: list[Daemon] = field(default_factory=list)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)
    _port: int = 0
    _turn: int = 0

    @classmethod
    @asynccontextmanager
    async def opened(cls, daemons: Sequence[Daemon]) -> AsyncIterator[RoundRobin]:
        """It listens once one of them is ready; ended with the block."""
        self = cls(daemons=daemons)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
            await self._probe(http)
            server = await asyncio.start_server(self._take, LOOPBACK, 0)
            self._port = server.sockets[0].getsockname()[1]
            async with asyncio.TaskGroup() as group:
                probing = group.create_task(self._go_on_probing(http))
                try:
                    yield self
                finally:
                    probing.cancel()
                    server.close()
                    for it in self._connections:
                        it.cancel()
                    await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._port}"

    async def _go_on_probing(self, http: aiohttp.ClientSession) -> None:
        while True:
            await asyncio.sleep(PROBED_EVERY_SECONDS)
            await self._probe(http)

    async def _probe(self, http: aiohttp.ClientSession) -> None:
        answers = await asyncio.gather(*(self._is_ready(http, it) for it in self.daemons))
        self._ready = [it for it, ready in zip(self.daemons, answers, strict=True) if ready]

    async def _is_ready(self, http: aiohttp.ClientSession, daemon: Daemon) -> bool:
        try:
            async with asyncio.timeout(PROBED_WITHIN_SECONDS), http.get(f"{daemon.url}/readyz") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._pass_on(reader, writer)
        except asyncio.CancelledError:
            pass  # the end of the block; the server's own protocol would log it as an error
        finally:
            self._connections.discard(task)
            await _closed(writer)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened = await self._next()
        if opened is None:
            return  # nobody is ready: the sender sees its connection close
        there, back = opened
        try:
            async with asyncio.TaskGroup() as group:
                to = group.create_task(_copied(reader, back))
                await _copied(there, writer)
                to.cancel()
        finally:
            await _closed(back)

    async def _next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection to the next in turn; who refuses is dropped until it is ready again."""
        while self._ready:
            self._turn += 1
            daemon = self._ready[self._turn % len(self._ready)]
            try:
                opened = await asyncio.open_connection(LOOPBACK, daemon.port)
            except OSError:
                self._ready = [it for it in self._ready if it is not daemon]
            else:
                self.served[daemon.url] = self.served.get(daemon.url, 0) + 1
                return opened
        return None


async def _copied(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Until one side has ended, or is gone."""
    with contextlib.suppress(OSError):
        while piece := await source.read(PIECE_BYTES):
            target.write(piece)
            await target.drain()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
