"""What responder is held against: an aiohttp server that decodes a body and answers 202, and does nothing else."""

from __future__ import annotations

import json
import sys

from aiohttp import web

MAX_BODY_BYTES = 1024 * 1024


async def _take(request: web.Request) -> web.Response:
    json.loads(await request.read())
    return web.Response(status=202, text='{"accepted": 1}', content_type="application/json")


async def _health(_: web.Request) -> web.Response:
    return web.Response(text="ok")


def main() -> None:
    """Serve on loopback at the port given."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/webhooks/{kind}", _take)
    app.router.add_get("/health", _health)  # the healthy system at which an instant diagnostic looks
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, keepalive_timeout=75)


if __name__ == "__main__":
    main()
