from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from responder.clients.doors import Doors
from responder.diagnostics.http_metrics import DIAGNOSTIC, Asked
from responder.errors import Unreachable
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.servers import Handler

Serve = Callable[[Handler], Awaitable[str]]
Made = Callable[..., Target]
PAGE = """\
# TYPE queue_depth gauge
queue_depth 12
# TYPE http_requests_total counter
http_requests_total{status="200",path="/"} 100
http_requests_total{status="500",path="/"} 3
http_requests_total{status="500",path="/pay"} 4.5
broken{ 1
"""


async def page(request: web.Request) -> web.Response:
    return web.Response(text=PAGE) if request.path == "/metrics" else web.Response(status=404)


async def test_series_are_shown_each_and_summed_by_name(serve: Serve, doors: Doors, target: Made) -> None:
    base = await serve(page)
    asked = Asked(series=["queue_depth", 'http_requests_total{status="500"}', "nothing_total"])

    finding = await DIAGNOSTIC.examine(target("http", base), asked, doors)

    assert (finding.outcome, finding.gravity, finding.marks) == (Outcome.HEALTHY, 0, ())
    assert finding.headline == (
        'queue_depth 12, http_requests_total{status="500"} 7.5 (sum of 2), nothing_total not there'
    )
    assert isinstance(finding.table, Table)
    assert finding.table.rows == (
        ("queue_depth", "12"),
        ('http_requests_total{path="/", status="500"}', "3"),
        ('http_requests_total{path="/pay", status="500"}', "4.5"),
    )
    assert finding.equivalent == f"curl -sS {base}/metrics"


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"series": "nothing_total"}, "`nothing_total` is not on the page"),
        ({"series": "broken"}, "is not on the page|does not stand there in the exposition format"),
        ({"series": "queue_depth", "path": "/elsewhere"}, "HTTP 404, not a page of metrics"),
    ],
)
async def test_without_any_of_them_it_could_not_look(
    asked: dict[str, Any], why: str, serve: Serve, doors: Doors, target: Made
) -> None:
    with pytest.raises(Unreachable, match=why):
        await DIAGNOSTIC.examine(target("http", await serve(page)), Asked(**asked), doors)


@pytest.mark.parametrize("series", [[], "{", 'up{job=~"{{ labels.job }}"}', ""])
def test_what_cannot_be_meant_is_refused(series: Any) -> None:
    with pytest.raises(ValidationError):
        Asked(series=series)
