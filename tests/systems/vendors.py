"""A stand-in for somebody's API: what it answers at which path, with a clock of its own; GET is all that it knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from aiohttp import web

NOW = datetime(2026, 11, 21, 3, 8, tzinfo=UTC)


class Vendor:
    """`answers`: path → JSON, or a status alone. `asked`: each path with its query; `requests`: method, path and body;
    `tokens`: what was shown."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []
        self.requests: list[tuple[str, str, bytes]] = []
        self.tokens: set[str] = set()

    async def __call__(self, request: web.Request) -> web.Response:
        self.requests.append((request.method, request.path, await request.read()))
        if request.method != "GET":
            return web.Response(status=405)
        self.asked.append(request.path_qs)
        self.tokens.add(request.headers.get("Authorization", ""))
        answer = self.answers.get(request.path, 404)
        headers = {"Date": format_datetime(NOW, usegmt=True)}
        if isinstance(answer, int):
            return web.Response(status=answer, text='{"message": "s3cret"}', headers=headers)
        return web.Response(text=json.dumps(answer), content_type="application/json", headers=headers)
