"""One GET, and what counts as an answer to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from responder.clients import heartbeat
from responder.clients.heartbeat import beat
from responder.errors import CouldNotLook, Refused, Unreachable
from tests.systems.servers import Handler

Serve = Callable[[Handler], Awaitable[str]]


async def test_it_is_one_get_of_exactly_that_address(serve: Serve) -> None:
    seen: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.method, request.path_qs))
        return web.Response(status=202)

    await beat(f"{await serve(answer)}/ping/canary-uuid?rid=1")

    assert seen == [("GET", "/ping/canary-uuid?rid=1")]


async def test_a_redirect_is_not_followed_and_counts_as_a_failure(serve: Serve) -> None:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    with pytest.raises(Refused, match="answered 302"):
        await beat(f"{await serve(answer)}/ping")
    assert seen == ["/ping"]


async def test_one_that_never_answers_is_given_up(
    raw_server: Callable[[bytes | None], Awaitable[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "WITHIN_SECONDS", 0.2)

    with pytest.raises(Unreachable, match="no answer"):
        async with asyncio.timeout(5):
            await beat(f"http://127.0.0.1:{await raw_server(None)}/canary-uuid")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/canary-uuid", "http://169.254.169.254/canary-uuid"])
async def test_the_address_is_never_repeated(url: str) -> None:
    with pytest.raises(CouldNotLook) as failed:
        await beat(url)

    assert "canary" not in str(failed.value)
