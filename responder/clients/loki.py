"""Lines of logs by Loki, https://grafana.com/docs/loki/latest/reference/loki-http-api/#query-logs-within-a-range-of-time"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from responder.clients.api import not_an_answer, told
from responder.clients.http import HttpDoor
from responder.errors import Refused, Unreachable

MAX_BODY_BYTES = 8 * 1024 * 1024
MOST_LINES = 1000  # a server gives at most 5000 unless it is told otherwise (max_entries_limit_per_query)
PATH = "/loki/api/v1/query_range"
LONGEST_COMPLAINT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`text`: what was logged, which may be about anybody."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The newest first; `now` by the server's clock; `cut` when there may be more."""

    listed: tuple[Line, ...]
    now: datetime
    cut: bool


class LokiDoor:
    """Asks for lines; every method raises CouldNotLook."""

    def __init__(self, http: HttpDoor) -> None:
        self._http = http

    @property
    def shown(self) -> str:
        """Scheme, host and port."""
        return self._http.shown

    async def lines(self, query: str, since_seconds: float) -> Lines:
        """The newest that the query finds, at most 1000, none older than that by Loki's own clock."""
        params = {
            "query": query,
            "since": f"{since_seconds:.0f}s",
            "limit": str(MOST_LINES),
            "direction": "backward",
        }
        answer = await self._http.get(PATH, params, "application/json")
        if answer.status == 400:  # in plain text, and says where in the query the mistake is
            raise Unreachable(f"{self.shown}{PATH}: HTTP 400: {self._http.clean(answer.text)[:LONGEST_COMPLAINT]}")
        given = await told(self._http, PATH, answer)
        if given.at is None:
            raise Unreachable(f"{self.shown}{PATH}: the answer has no date, so what is new is not known")
        try:
            found = await asyncio.to_thread(_lines, given.document)  # beside the event loop, which takes webhooks
        except ValidationError:
            raise not_an_answer(self._http, PATH, "Loki") from None
        return Lines(listed=tuple(found[:MOST_LINES]), now=given.at, cut=len(found) >= MOST_LINES)

    async def close(self) -> None:
        """Close the session below."""
        await self._http.close()


def _lines(document: Any) -> list[Line]:
    """The newest first; raises ValidationError."""
    data = _ANSWER.validate_python(document).data
    if data.resultType != "streams":
        raise Refused('the query gives numbers, not lines; expected one such as {app="api"} |= "error"')
    found = [_line(*it[:2]) for stream in data.result for it in stream.values]
    return sorted(found, key=lambda it: it.at, reverse=True)


def _line(nanoseconds: int, text: str) -> Line:
    return Line(at=datetime.fromtimestamp(nanoseconds / 1e9, UTC), text=text)


Nanoseconds = Annotated[int, Field(ge=0, lt=2**63)]  # since 1970; a number as text


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _Stream(_Wire):
    """Each of `values`: when, the line, and of late what was structured beside it."""

    values: list[tuple[Nanoseconds, str] | tuple[Nanoseconds, str, dict[str, object]]] = []


class _Streams(_Wire):
    resultType: Literal["streams"]  # noqa: N815 - the name on the wire
    result: list[_Stream]


class _Numbers(_Wire):
    resultType: Literal["matrix", "vector", "scalar"]  # noqa: N815 - the name on the wire


class _Answer(_Wire):
    data: _Streams | _Numbers


_ANSWER = TypeAdapter(_Answer)
