"""Small real servers that a test scripts: one that answers as told, one that takes connections and says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    """Serve every path by one handler: `base = await serve(handler)`."""
    runners: list[web.ServerRunner] = []

    async def start(handler: Handler) -> str:
        runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def raw_server() -> AsyncIterator[Callable[[bytes | None], Awaitable[int]]]:
    """Take connections; after the first byte say this and hang up, or with None never say anything. Gives the port."""
    servers: list[asyncio.Server] = []
    over = asyncio.Event()

    async def start(says: bytes | None) -> int:
        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if says is None:
                await over.wait()
            else:
                await reader.read(1)
                writer.write(says)
            writer.close()

        server = await asyncio.start_server(speak, "127.0.0.1", 0)
        servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    yield start
    over.set()
    for server in servers:
        server.close()
        await server.wait_closed()
    await asyncio.sleep(0)
