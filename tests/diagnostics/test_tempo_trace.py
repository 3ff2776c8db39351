from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from responder.clients.doors import Doors
from responder.clients.tempo import shown_name
from responder.diagnostics.tempo_trace import DIAGNOSTIC, Asked
from responder.errors import CouldNotLook, Refused, Unreachable
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from tests.systems.servers import Handler

Serve = Callable[[Handler], Awaitable[str]]
ID = "4bf92f3577b34da6a3ce929d0e0e4736"
BEGAN = 1_795_230_000_000_000_000


class Tempo:
    """Answers as https://grafana.com/docs/tempo/latest/api_docs/ and https://github.com/grafana/tempo/issues/5437
    show it. `answer`: JSON, or a status."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def __call__(self, request: web.Request) -> web.Response:
        assert (request.method, request.headers["Accept"]) == ("GET", "application/json")
        self.asked.append(request.path_qs)
        if isinstance(self.answer, int):
            return web.Response(status=self.answer, text="s3cret")
        return web.Response(text=json.dumps(self.answer), content_type="application/json")


def span(number: int, parent: int, name: str, start_ms: int, took_ms: int, **more: Any) -> dict[str, Any]:
    """Ids in base64, times as text, enumerations by name: protobuf's JSON."""
    begin = BEGAN + start_ms * 1_000_000
    return {
        "traceId": base64.b64encode(bytes.fromhex(ID)).decode(),
        "spanId": _id(number),
        "parentSpanId": _id(parent) if parent else "",
        "name": name,
        "kind": "SPAN_KIND_SERVER",
        "startTimeUnixNano": str(begin),
        "endTimeUnixNano": str(begin + took_ms * 1_000_000),
        "attributes": [{"key": "http.url", "value": {"stringValue": "https://api/patients/s3cret"}}],
        "events": [{"name": "exception", "attributes": [{"key": "m", "value": {"stringValue": "s3cret"}}]}],
        "status": {},
        **more,
    }


def _id(number: int) -> str:
    return base64.b64encode(number.to_bytes(8, "big")).decode()


def batch(service: str, *spans: Mapping[str, Any]) -> dict[str, Any]:
    attributes = [
        {"key": "host.name", "value": {"stringValue": "s3cret"}},
        {"key": "process.pid", "value": {"intValue": "7"}},
        {"key": "service.name", "value": {"stringValue": service}},
    ]
    return {"resource": {"attributes": attributes}, "scopeSpans": [{"scope": {"name": "x"}, "spans": list(spans)}]}


ERROR = {"status": {"code": "STATUS_CODE_ERROR", "message": "s3cret"}}
CHECKOUT = [
    batch("web", span(1, 0, "GET /checkout", 0, 2300, **ERROR)),
    batch(
        "payments",
        span(2, 1, "POST /charge/7", 100, 2100, **ERROR),
        span(3, 2, "SELECT charges", 150, 40),
        span(5, 2, "call Jane s3cret", 200, 1900, **ERROR),
    ),
    batch("stock", span(4, 1, "stock.Stock/Reserve", 50, 30)),
]


async def look(tempo: Tempo, serve: Serve, trace_id: str = ID) -> Finding:
    doors = Doors({})
    target = Target(name="traces", kind="tempo", address=f"{await serve(tempo)}/tempo")
    try:
        return await DIAGNOSTIC.examine(target, Asked(id=trace_id), doors)
    finally:
        await doors.close()


async def test_what_failed_first_and_where_the_time_went_are_told(serve: Serve) -> None:
    tempo = Tempo({"batches": CHECKOUT})

    finding = await look(tempo, serve)

    assert (finding.outcome, finding.gravity) == (Outcome.UNHEALTHY, 45)
    assert finding.headline == (
        "3 of 5 spans failed, first payments; "
        "slowest: web GET /checkout 2.3 s → payments POST /charge/… 2.1 s → payments 1.9 s"
    )
    assert finding.found == {"service": "payments"}
    assert tempo.asked == [f"/tempo/api/traces/{ID}"]
    assert "s3cret" not in repr(finding)
    assert "Jane" not in repr(finding)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"resourceSpans": CHECKOUT[2:]}, id="by OpenTelemetry's own name"),
        pytest.param(
            {
                "batches": [
                    {
                        "resource": CHECKOUT[2]["resource"],
                        "instrumentationLibrarySpans": CHECKOUT[2]["scopeSpans"],
                    }
                ]
            },
            id="as older versions wrote it",
        ),
    ],
)
async def test_a_trace_without_a_failure_is_healthy(answer: Any, serve: Serve) -> None:
    finding = await look(Tempo(answer), serve)

    assert finding.outcome is Outcome.HEALTHY
    assert finding.headline == "no failure in 1 span of 1 service; slowest: stock stock.Stock/Reserve 30 ms"


async def test_spans_that_are_their_own_ancestors_come_to_an_end(serve: Serve) -> None:
    circle = batch("web", span(1, 2, "a", 0, 10), span(2, 1, "b", 0, 20), span(3, 3, "c", 0, 5))

    finding = await look(Tempo({"batches": [circle]}), serve)

    assert finding.headline == "no failure in 3 spans of 1 service; slowest: web b 20 ms → web a 10 ms"


@pytest.mark.parametrize("service", ["s3cret of Jane", "tenant-123456"])
async def test_a_service_that_could_be_somebody_is_not_named(service: str, serve: Serve) -> None:
    finding = await look(Tempo({"batches": [batch(service, span(1, 0, "GET", 0, 10, **ERROR))]}), serve)

    assert finding.headline == "1 of 1 span failed, first a service GET; slowest: a service GET 10 ms"
    assert finding.found == {}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("GET", "GET"),
        ("HTTP GET", "GET"),
        ("GET /patients/7", "GET /patients/…"),
        ("GET /1234567890", "GET /…"),
        ("billing.Invoices/Create", "billing.Invoices/Create"),
        ("SELECT shop.orders", "SELECT shop.orders"),
        ("SELECT * FROM users WHERE name = 'Jane'", ""),
        ("Jane Doe", ""),
        ("jane@example.com", ""),
        ("user-123456", ""),
        ("", ""),
    ],
)
def test_of_a_span_its_name_is_shown_as_far_as_it_is_one(name: str, shown: str) -> None:
    assert shown_name(name) == shown


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (404, Unreachable, "no trace of this id; not sampled, not yet there, or no longer kept"),
        (401, Refused, "the credentials are not accepted"),
        ({"batches": []}, Unreachable, "the trace has no spans"),
        ({"traces": "s3cret"}, Unreachable, "not an answer of Tempo"),
        ({"batches": [{"scopeSpans": [{"spans": [{"name": "s3cret"}]}]}]}, Unreachable, "not an answer of Tempo"),
    ],
)
async def test_what_is_no_trace_could_not_be_looked_at(
    answer: Any, error: type[CouldNotLook], why: str, serve: Serve
) -> None:
    with pytest.raises(error, match=why) as caught:
        await look(Tempo(answer), serve)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("4BF92F", "4bf92f"),
        ("4bf92f35-77b3-4da6-a3ce-929d0e0e4736", ID),
        ("{{ labels.trace_id }}", "{{ labels.trace_id }}"),
    ],
)
def test_an_id_is_taken_as_people_write_it(written: str, asked: str) -> None:
    assert Asked(id=written).id == asked


@pytest.mark.parametrize("wrong", ["", "xyz", "../metrics", "4bf9 2f", "a" * 33, "4bf92f?x", "a{{ labels.x }}"])
def test_what_is_no_id_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError, match="at most 32 hexadecimal digits"):
        Asked(id=wrong)


async def test_an_id_that_was_not_filled_is_asked_nowhere(serve: Serve) -> None:
    tempo = Tempo(404)

    with pytest.raises(Refused, match="expected the id of a trace"):
        await look(tempo, serve, "{{ labels.trace_id }}")
    assert tempo.asked == []
