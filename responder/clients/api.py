"""What somebody's API answers with JSON; whatever is no such answer is CouldNotLook, and says what it is instead."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from pydantic_core import from_json

from responder.clients.http import Answer, HttpDoor
from responder.errors import Refused, Unreachable

REDIRECTS = frozenset({301, 302, 303, 307, 308})
UTF_16 = (codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)
STALE_SECONDS = 3600.0  # a cache that has kept an answer for so long keeps it whatever happens


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """`document`: the JSON. `at`: the time by the server's clock, None where it does not tell. `headers`: of the
    answer, their names in lower case."""

    document: Any
    at: datetime | None
    headers: Mapping[str, str]


async def ask(
    door: HttpDoor, path: str, params: Mapping[str, str] | None = None, accept: str = "application/json"
) -> Told:
    """Ask once; raises CouldNotLook whose text names scheme, host, port and path below the base address."""
    return await told(door, path, await door.get(path, params, accept))


async def told(door: HttpDoor, path: str, answer: Answer) -> Told:
    """What an answer says; raises as `ask` does."""
    where = f"{door.shown}{path}"
    _check_status(door, where, answer)
    if answer.cut:
        raise Unreachable(f"{where}: the answer is larger than {door.max_body_bytes >> 20} MiB")
    kept = answer.headers.get("age", "")
    if kept.isascii() and kept.isdigit() and int(kept) > STALE_SECONDS:
        raise Unreachable(f"{where}: the answer is stale, a cache has kept it for {int(kept) // 60} minutes")
    try:
        # The event loop also takes webhooks: a large body must not hold those up.
        document = await asyncio.to_thread(_document, answer.body)
    except ValueError:
        kind = door.clean(answer.headers.get("content-type", "").partition(";")[0])
        raise Unreachable(f"{where}: HTTP {answer.status}, not JSON" + (f" but {kind}" if kind else "")) from None
    return Told(document=document, at=answer.sent_at, headers=answer.headers)


def not_an_answer(door: HttpDoor, path: str, of: str) -> Unreachable:
    """JSON, of another shape than that API has."""
    return Unreachable(f"{door.shown}{path}: JSON, but not an answer of {of}")


def _check_status(door: HttpDoor, where: str, answer: Answer) -> None:
    why = f"{where}: HTTP {answer.status}"
    if answer.status in REDIRECTS:
        raise Refused(f"{why}, redirects{_elsewhere(answer)}; redirects are not followed")
    if answer.status == 429 or (answer.status == 403 and answer.headers.get("x-ratelimit-remaining") == "0"):
        raise Unreachable(f"{why}, the rate that it allows is used up")
    if answer.status in (401, 403):
        raise Refused(f"{why}, the credentials are not accepted, or lack a right")
    if answer.status == 404:
        raise Refused(f"{why}, nothing there that these credentials may see")
    if answer.status != 200:
        raise Unreachable(f"{why}, expected 200")


def _elsewhere(answer: Answer) -> str:
    """` to https://host`, of where a redirect leads no more than that."""
    try:
        parts = urlsplit(answer.headers.get("location", ""))
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return ""
    return f" to {parts.scheme}://{parts.hostname}{port}" if parts.scheme and parts.hostname else ""


def _document(body: bytes) -> Any:
    """UTF-8, or UTF-16 where a byte order mark says so; raises ValueError."""
    text = body.decode("utf-16") if body.startswith(UTF_16) else body.removeprefix(codecs.BOM_UTF8)
    return from_json(text, allow_inf_nan=False)
