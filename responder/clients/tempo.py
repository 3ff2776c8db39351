"""One trace by Tempo, https://grafana.com/docs/tempo/latest/api_docs/#query: OpenTelemetry's JSON under names of its
own, with ids in base64 (https://github.com/grafana/tempo/issues/5437)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from responder.clients.api import not_an_answer, told
from responder.clients.http import HttpDoor
from responder.errors import Unreachable

MAX_BODY_BYTES = 8 * 1024 * 1024
SERVICE = "service.name"  # the one attribute that is read
FAILED = ("STATUS_CODE_ERROR", 2)
# A name of a program or of a kind of work, and nothing that somebody typed.
NAME = re.compile(r"[A-Za-z_$][\w$.:-]{0,79}")
CALL = re.compile(r"[A-Za-z_][\w.]{0,79}/[A-Za-z_]\w{0,79}")  # gRPC: package.Service/Method
METHOD = "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"
REQUEST = re.compile(rf"(?:HTTP )?(?P<method>{METHOD})(?: (?P<first>/[A-Za-z_][\w-]{{0,39}})?(?P<more>/.*)?)?")
STATEMENT = re.compile(r"(?:SELECT|INSERT|UPDATE|DELETE)(?: [A-Za-z_][\w.]{0,79})?")
LONG_NUMBER = re.compile(r"\d{4,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """`service`, `name`: empty where they could be about somebody. `parent`: empty where it has none."""

    id: str
    parent: str
    service: str
    name: str
    began_seconds: float
    took_seconds: float
    failed: bool


class TempoDoor:
    """Asks for one trace; every method raises CouldNotLook."""

    def __init__(self, http: HttpDoor) -> None:
        self._http = http

    @property
    def shown(self) -> str:
        """Scheme, host and port."""
        return self._http.shown

    async def trace(self, trace_id: str) -> tuple[Span, ...]:
        """Its spans in order of time, at least one. `trace_id`: hexadecimal digits."""
        path = f"/api/traces/{trace_id}"
        answer = await self._http.get(path, None, "application/json")
        if answer.status == 404:
            raise Unreachable(f"{self.shown}: no trace of this id; not sampled, not yet there, or no longer kept")
        given = await told(self._http, path, answer)
        try:
            spans = await asyncio.to_thread(_spans, given.document)
        except ValidationError:
            raise not_an_answer(self._http, path, "Tempo") from None
        if not spans:
            raise Unreachable(f"{self.shown}: the trace has no spans")
        return spans

    async def close(self) -> None:
        """Close the session below."""
        await self._http.close()


def _spans(document: Any) -> tuple[Span, ...]:
    trace = _TRACE.validate_python(document)
    found = [span for batch in trace.batches for span in batch.read()]
    return tuple(sorted(found, key=lambda it: it.began_seconds))


def shown_name(text: str) -> str:
    """A span's name as far as it is no more than a name: of a path its first part."""
    text = " ".join(text.split())
    request = REQUEST.fullmatch(text)
    if request is not None:
        first = request["first"] or ""
        rest = "/…" if request["more"] not in (None, "/") else ""
        return request["method"] + (f" {first}{rest}" if (first or rest) and not LONG_NUMBER.search(first) else "")
    fits = any(it.fullmatch(text) for it in (NAME, CALL, STATEMENT))
    return text if fits and not LONG_NUMBER.search(text) else ""


Nanoseconds = Annotated[int, Field(ge=0, lt=2**64)]  # since 1970; a number as text


class _Wire(BaseModel):
    """Also as older versions wrote it."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _Value(_Wire):
    stringValue: str = ""  # noqa: N815 - the name on the wire


class _Attribute(_Wire):
    key: str = ""
    value: _Value | None = None


class _Resource(_Wire):
    attributes: list[_Attribute] = []


class _Status(_Wire):
    code: str | int = 0


class _Span(_Wire):
    spanId: str = ""  # noqa: N815 - the name on the wire
    parentSpanId: str = ""  # noqa: N815 - the name on the wire
    name: str = ""
    startTimeUnixNano: Nanoseconds  # noqa: N815 - the name on the wire
    endTimeUnixNano: Nanoseconds = 0  # noqa: N815 - the name on the wire
    status: _Status = _Status()


class _Scope(_Wire):
    spans: list[_Span] = []


class _Batch(_Wire):
    resource: _Resource = _Resource()
    scopes: list[_Scope] = Field(
        default=[], validation_alias=AliasChoices("scopeSpans", "instrumentationLibrarySpans", "ilSpans")
    )

    def read(self) -> Iterator[Span]:
        named = (it.value.stringValue for it in self.resource.attributes if it.key == SERVICE and it.value)
        service = next(named, "")
        for it in (span for scope in self.scopes for span in scope.spans):
            yield Span(
                id=it.spanId,
                parent=it.parentSpanId,
                service=service if NAME.fullmatch(service) and not LONG_NUMBER.search(service) else "",
                name=shown_name(it.name),
                began_seconds=it.startTimeUnixNano / 1e9,
                took_seconds=max(it.endTimeUnixNano - it.startTimeUnixNano, 0) / 1e9,
                failed=it.status.code in FAILED,
            )


class _Trace(_Wire):
    batches: list[_Batch] = Field(validation_alias=AliasChoices("batches", "resourceSpans"))


_TRACE = TypeAdapter(_Trace)
