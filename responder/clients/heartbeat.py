"""Call somebody who notices when we do not call: one GET, whose answer says no more than that it arrived."""

from __future__ import annotations

import asyncio

import aiohttp

from responder import __version__
from responder.clients.network import guarded_socket
from responder.errors import Refused, Unreachable

WITHIN_SECONDS = 10.0


async def beat(url: str) -> None:
    """GET the address, which may hold a secret and is never repeated; raises Unreachable or Refused.

    No redirect is followed, no proxy taken from the environment, and the body is left unread.
    """
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            status = await _status(url)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise Unreachable(f"heartbeat: no answer ({type(error).__name__})") from None
    if not 200 <= status < 300:
        raise Refused(f"heartbeat: answered {status}; expected 2xx")


async def _status(url: str) -> int:
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=guarded_socket, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"responder/{__version__}", "Accept-Encoding": "identity"},
            trust_env=False,
            auto_decompress=False,
        ) as session,
        session.get(url, allow_redirects=False) as response,
    ):
        response.close()
        return response.status
