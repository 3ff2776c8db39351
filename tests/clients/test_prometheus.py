import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from responder.clients.doors import Doors
from responder.clients.prometheus import Series
from responder.errors import Refused, Unreachable
from responder.model.pack import Target
from responder.model.reading import Sample
from tests.systems.plugin import System
from tests.systems.servers import Handler

NOW = datetime(2026, 11, 20, 3, 14, tzinfo=UTC)
Made = Callable[..., Target]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture(scope="module")
def url(prometheus_server: Callable[..., System]) -> str:
    lines = ["# TYPE queue gauge"]
    for second in range(-300, 1, 15):
        lines.append(f'queue{{name="a"}} {7 if second else 9} {NOW.timestamp() + second:.0f}')
    lines.append(f'queue{{name="b"}} 1 {NOW.timestamp():.0f}')
    return prometheus_server(openmetrics="\n".join([*lines, "# EOF\n"])).address


@pytest.mark.system
async def test_an_instant_query_gives_one_sample_a_series(url: str, doors: Doors, target: Made) -> None:
    series = await doors.prometheus(target("prometheus", url)).instant("queue * 2", NOW)

    assert series == (
        Series(labels={"name": "a"}, samples=(Sample(at=NOW, value=18.0),)),
        Series(labels={"name": "b"}, samples=(Sample(at=NOW, value=2.0),)),
    )
    assert series[0].shown == '{name="a"}'
    assert Series(labels={"__name__": "up", "job": "a"}, samples=()).shown == 'up{job="a"}'
    assert Series(labels={"__name__": "up"}, samples=()).shown == "up"


@pytest.mark.system
async def test_a_range_query_gives_every_step(url: str, doors: Doors, target: Made) -> None:
    door = doors.prometheus(target("prometheus", url))
    (series,) = await door.range('queue{name="a"}', NOW - timedelta(seconds=60), NOW, 30)

    assert series.samples == (
        Sample(at=NOW - timedelta(seconds=60), value=7.0),
        Sample(at=NOW - timedelta(seconds=30), value=7.0),
        Sample(at=NOW, value=9.0),
    )


@pytest.mark.system
async def test_scalars_nan_and_infinity_are_numbers(url: str, doors: Doors, target: Made) -> None:
    door = doors.prometheus(target("prometheus", url))
    values = [(await door.instant(it, NOW))[0].samples[0].value for it in ("scalar(vector(3))", "0/vector(0)", "1/0")]

    assert values[0] == 3
    assert values[1] is not None
    assert math.isnan(values[1])
    assert values[2] == math.inf


@pytest.mark.system
async def test_no_series_is_no_error(url: str, doors: Doors, target: Made) -> None:
    assert await doors.prometheus(target("prometheus", url)).instant("nothing_here", NOW) == ()


@pytest.mark.system
async def test_prometheus_own_words_about_a_bad_query_are_passed_on(url: str, doors: Doors, target: Made) -> None:
    with pytest.raises(Refused) as caught:
        await doors.prometheus(target("prometheus", url)).instant("sum(rate(", NOW)

    assert str(caught.value) == (
        f'{url}: bad_data: invalid parameter "query": 1:10: parse error: unclosed left parenthesis'
    )


@pytest.mark.system
async def test_a_string_is_no_number(url: str, doors: Doors, target: Made) -> None:
    with pytest.raises(Refused, match="the query gives a string, expected numbers"):
        await doors.prometheus(target("prometheus", url)).instant('"text"', NOW)


async def test_too_much_is_not_asked(doors: Doors, target: Made) -> None:
    door = doors.prometheus(target("prometheus", "http://127.0.0.1:1"))

    with pytest.raises(Refused, match="1001 steps asked, at most 1000"):
        await door.range("up", NOW - timedelta(seconds=1001), NOW, 1)
    with pytest.raises(Refused, match="the query has 8193 characters, at most 8192"):
        await door.instant("x" * 8193, NOW)


@pytest.mark.parametrize(
    ("status", "body", "kind", "why"),
    [
        (200, "<html>sign in</html>", Unreachable, "HTTP 200, not an answer of Prometheus"),
        (200, '{"status": "success"}', Unreachable, "HTTP 200, not an answer"),
        (200, '{"status":"success","data":{"resultType":"vector","result":[{"metric":1}]}}', Unreachable, "not an"),
        (200, '{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}', Refused, "histograms"),
        (401, "no s3cret", Refused, "HTTP 401, the credentials are not accepted"),
        (
            503,
            '{"status":"error","errorType":"timeout","error":"too s3cret slow"}',
            Unreachable,
            "timeout: too \\*\\*\\*",
        ),
        (422, '{"status":"error","errorType":"execution","error":"many-to-many"}', Refused, "execution: many-to-many"),
        (
            200,
            '{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["store x is down"]}',
            Unreachable,
            "no samples, but a warning: store x is down",
        ),
        (200, "[" * 100000, Unreachable, "not an answer of Prometheus"),
        (200, " " * 2_000_000, Unreachable, "the answer is larger than 1 MiB"),
    ],
)
async def test_other_answers_are_none(
    status: int, body: str, kind: type[Exception], why: str, serve: Serve, doors: Doors, target: Made
) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    given = target("prometheus", await serve(handler), headers={"Authorization": "s3cret"})

    with pytest.raises(kind, match=why) as caught:
        await doors.prometheus(given).instant("up", NOW)
    assert "s3cret" not in str(caught.value)


async def test_a_warning_beside_samples_is_kept(serve: Serve, doors: Doors, target: Made) -> None:
    async def handler(_: web.Request) -> web.Response:
        result = {"resultType": "vector", "result": [{"metric": {}, "value": [1, "2"]}]}
        return web.json_response({"status": "success", "data": result, "warnings": ["store x is down"]})

    (series,) = await doors.prometheus(target("prometheus", await serve(handler))).instant("up", NOW)

    assert series.warnings == ("store x is down",)
