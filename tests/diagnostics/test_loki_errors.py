from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from responder.clients import loki as client
from responder.clients.doors import Doors
from responder.clients.loki import MOST_LINES
from responder.diagnostics.loki_errors import DIAGNOSTIC, Asked
from responder.errors import CouldNotLook, Refused, Unreachable
from responder.model.catalogue import Beside
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from tests.systems.servers import Handler
from tests.systems.vendors import NOW

Serve = Callable[[Handler], Awaitable[str]]
PATH = "/loki/api/v1/query_range"
QUERY = '{app="api"} |= "error"'


class Loki:
    """Answers as https://grafana.com/docs/loki/latest/reference/loki-http-api/ shows it; takes only what stands there.
    `answer`: streams as (minutes ago, line), or status and text."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[dict[str, str]] = []
        self.tenants: set[str] = set()

    async def __call__(self, request: web.Request) -> web.Response:
        assert (request.method, request.path) == ("GET", PATH)
        assert set(request.query) <= {"query", "limit", "start", "end", "since", "step", "interval", "direction"}
        self.asked.append(dict(request.query))
        self.tenants.add(request.headers.get("X-Scope-OrgID", ""))
        headers = {"Date": format_datetime(NOW, usegmt=True)}
        if isinstance(self.answer, tuple):
            status, text = self.answer
            return web.Response(status=status, text=text, headers=headers)
        data = self.answer if isinstance(self.answer, dict) else {"resultType": "streams", "result": self._streams()}
        return web.Response(
            text=json.dumps({"status": "success", "data": {**data, "stats": {"summary": {"execTime": 0.1}}}}),
            content_type="application/json",
            headers=headers,
        )

    def _streams(self) -> list[Any]:
        return [
            {
                "stream": {"app": "api", "pod": "s3cret"},
                "values": [[str(int((NOW - timedelta(minutes=ago)).timestamp() * 1e9)), line] for ago, line in lines],
            }
            for lines in self.answer
        ]


async def look(loki: Loki, serve: Serve, **parameters: Any) -> Finding:
    doors = Doors({"TENANT": "clinic"})
    target = Target(name="logs", kind="loki", address=await serve(loki), headers={"X-Scope-OrgID": "${TENANT}"})
    try:
        return await DIAGNOSTIC.examine(target, Asked.model_validate({"query": QUERY, **parameters}), doors)
    finally:
        await doors.close()


async def test_errors_of_all_streams_are_grouped_and_what_is_new_leads(serve: Serve) -> None:
    new = [(4 - it / 100, "level=error msg=\"KeyError: 'STRIPE_KEY'\"") for it in range(20)]
    known = [(29 - it, 'level=error msg="TimeoutError: slow"') for it in range(20)]
    loki = Loki([new, [*known, (3, "ERROR chart of s3cret is gone")]])

    finding = await look(loki, serve)

    assert (finding.outcome, finding.marks) == (Outcome.UNHEALTHY, ("new_errors",))
    assert finding.headline.startswith("KeyError 'STRIPE_KEY' ×20, new since 03:04 UTC")
    assert finding.equivalent.endswith(f"--since=30m --limit=1000 '{QUERY}'")
    assert loki.asked == [{"query": QUERY, "since": "1800s", "limit": "1000", "direction": "backward"}]
    assert loki.tenants == {"clinic"}
    assert "s3cret" not in repr(finding)


def test_the_question_of_an_incident_knows_its_onset() -> None:
    asked = Asked(query=QUERY).beside(Beside(onset=NOW, excerpts=True))

    assert (asked.query, asked.onset, asked.excerpts) == (QUERY, NOW, True)


async def test_errors_that_are_always_there_are_no_news(serve: Serve) -> None:
    known = Loki([[(29 - it, "TimeoutError: slow") for it in range(28)]])

    finding = await look(known, serve)
    none = await look(Loki([]), serve, since="2h")

    assert (finding.outcome, finding.marks) == (Outcome.HEALTHY, ())
    assert finding.headline == "no new error in the last 30m; known: TimeoutError: slow ×28"
    assert (none.outcome, none.headline) == (Outcome.HEALTHY, "no line that fits in the last 2h")


async def test_a_full_answer_claims_nothing_about_what_came_before(serve: Serve) -> None:
    finding = await look(Loki([[(1, "TimeoutError: slow")] * MOST_LINES]), serve)

    assert (finding.outcome, finding.marks) == (Outcome.UNHEALTHY, ())
    assert finding.headline.endswith("whether that is new is not known")
    assert finding.details == "cut at the newest 1000 lines"


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        ((400, "parse error at line 1, col 5: syntax error"), Unreachable, "HTTP 400: parse error at line 1, col 5"),
        ((401, "no org id"), Refused, "HTTP 401, the credentials are not accepted"),
        ((500, "s3cret"), Unreachable, "HTTP 500, expected 200"),
        ((200, "s3cret"), Unreachable, "not JSON"),
        ({"resultType": "matrix", "result": []}, Refused, "the query gives numbers, not lines"),
        ({"resultType": "streams", "result": [{"values": [["s3cret"]]}]}, Unreachable, "not an answer of Loki"),
        ({"resultType": "streams", "result": [{"values": [["s3cret", "x"]]}]}, Unreachable, "not an answer of Loki"),
    ],
)
async def test_what_is_no_list_of_lines_could_not_be_looked_at(
    answer: Any, error: type[CouldNotLook], why: str, serve: Serve
) -> None:
    with pytest.raises(error, match=why) as caught:
        await look(Loki(answer), serve)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "query", ['sum(rate({app="api"}[5m]))', "{app='api'}", '{app="{{ labels.app }}', "{app=`{{ labels.app }}`}"]
)
async def test_a_query_that_could_mean_something_else_is_refused(query: str, serve: Serve) -> None:
    loki = Loki([])

    with pytest.raises(Refused, match="the query cannot be asked"):
        await look(loki, serve, query=query)
    assert loki.asked == []


async def test_what_a_server_gives_beyond_the_limit_is_cut_and_read_beside_the_event_loop(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_in: set[bool] = set()
    line = client._line

    def watched(*told: Any) -> client.Line:
        read_in.add(threading.current_thread() is threading.main_thread())
        return line(*told)

    monkeypatch.setattr(client, "_line", watched)

    finding = await look(Loki([[(1, "ERROR it failed")] * (MOST_LINES + 500)]), serve)

    assert finding.details.startswith(f"cut at the newest {MOST_LINES} lines")
    assert read_in == {False}
