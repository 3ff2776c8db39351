from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from responder.clients.doors import Doors
from responder.diagnostics.prometheus_query import DIAGNOSTIC, Asked
from responder.errors import CouldNotLook
from responder.model.finding import Finding, Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import System
from tests.systems.servers import Handler

Made = Callable[..., Target]


@pytest.fixture(scope="module")
def url(prometheus_server: Callable[..., System]) -> str:
    return prometheus_server().address


@pytest.mark.system
async def test_one_number_is_the_headline(url: str, doors: Doors, target: Made) -> None:
    finding = await DIAGNOSTIC.examine(target("prometheus", url), Asked(query="vector(0.0730001)"), doors)

    assert finding == Finding(
        check="prometheus.query",
        target="it",
        outcome=Outcome.HEALTHY,
        headline="0.073",
        equivalent=f"promtool query instant {url} 'vector(0.0730001)'",
    )


@pytest.mark.system
async def test_several_series_are_named(url: str, doors: Doors, target: Made) -> None:
    query = " or ".join(f'label_replace(vector({number}), "pod", "p{number}", "", "")' for number in range(1, 5))
    finding = await DIAGNOSTIC.examine(target("prometheus", url), Asked(query=query), doors)

    assert finding.headline == '4 series: {pod="p1"} 1, {pod="p2"} 2, {pod="p3"} 3, …'
    assert isinstance(finding.table, Table)
    assert finding.table.rows[3] == ('{pod="p4"}', "4")


@pytest.mark.system
@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("nothing_here", "^no samples$"),
        ("sum(", "bad_data: .*parse error: unclosed left parenthesis"),
        ("up{pod={{ labels.pod }}}", "{{ labels.pod }} stands outside quotes"),
    ],
)
async def test_no_number_is_no_finding(query: str, why: str, url: str, doors: Doors, target: Made) -> None:
    with pytest.raises(CouldNotLook, match=why):
        await DIAGNOSTIC.examine(target("prometheus", url), Asked(query=query), doors)


async def test_what_prometheus_warned_of_is_said(
    serve: Callable[[Handler], Awaitable[str]], doors: Doors, target: Made
) -> None:
    async def handler(_: web.Request) -> web.Response:
        result = {"resultType": "scalar", "result": [1, "2"]}
        return web.json_response({"status": "success", "data": result, "warnings": ["store x is down"]})

    finding = await DIAGNOSTIC.examine(target("prometheus", await serve(handler)), Asked(query="2"), doors)

    assert (finding.headline, finding.details) == ("2", "Prometheus warned: store x is down")
