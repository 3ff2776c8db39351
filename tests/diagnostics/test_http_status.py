import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from responder.clients.doors import Doors
from responder.diagnostics.http_status import DIAGNOSTIC, Asked
from responder.errors import CouldNotLook
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import free_port
from tests.systems.servers import Handler

Serve = Callable[[Handler], Awaitable[str]]
Made = Callable[..., Target]


async def answer(request: web.Request) -> web.Response:
    return web.Response(status=int(request.path[1:]) if request.path[1:].isdecimal() else 200)


def without_time(text: str) -> str:
    return " ".join("N" if word.isdecimal() and before == "in" else word for before, word in pairs(text.split()))


def pairs(words: list[str]) -> list[tuple[str, str]]:
    return list(zip(["", *words], words, strict=False))


@pytest.mark.parametrize(
    ("asked", "outcome", "headline", "gravity"),
    [
        ({}, Outcome.HEALTHY, "/ 200 in N ms", 0),
        ({"paths": "/302"}, Outcome.HEALTHY, "/302 302 in N ms", 0),
        ({"paths": ["/503"]}, Outcome.UNHEALTHY, "HTTP 503 in N ms at /503", 80),
        ({"paths": ["/404"]}, Outcome.UNHEALTHY, "HTTP 404 in N ms at /404", 60),
        ({"paths": ["/404"], "expect": 404}, Outcome.HEALTHY, "/404 404 in N ms", 0),
        ({"paths": ["/204"], "expect": "200"}, Outcome.UNHEALTHY, "HTTP 204 in N ms at /204", 60),
        ({"paths": ["/", "/404", "/503"]}, Outcome.UNHEALTHY, "HTTP 503 in N ms at /503 (2 of 3 paths)", 70),
    ],
)
async def test_a_status_is_held_against_what_is_expected(
    asked: dict[str, Any], outcome: Outcome, headline: str, gravity: int, serve: Serve, doors: Doors, target: Made
) -> None:
    finding = await DIAGNOSTIC.examine(target("http", await serve(answer)), Asked(**asked), doors)

    assert (finding.outcome, without_time(finding.headline), finding.gravity) == (outcome, headline, gravity)
    assert finding.marks == (("failing",) if outcome is Outcome.UNHEALTHY else ())


async def test_several_paths_are_shown_each(serve: Serve, doors: Doors, target: Made) -> None:
    base = await serve(answer)
    finding = await DIAGNOSTIC.examine(target("http", base), Asked(paths=("/", "/503")), doors)

    assert isinstance(finding.table, Table)
    assert [row[:2] for row in finding.table.rows] == [("/", "200"), ("/503", "503")]
    assert finding.equivalent == f"curl -sS -o /dev/null -w '%{{http_code}} %{{time_total}}\\n' {base}/503"


async def test_a_service_where_nothing_listens_is_unhealthy(doors: Doors, target: Made) -> None:
    finding = await DIAGNOSTIC.examine(target("http", f"http://127.0.0.1:{free_port()}"), Asked(), doors)

    assert finding.outcome is Outcome.UNHEALTHY
    assert (finding.headline, finding.marks) == ("no answer at /: connection refused", ("failing",))
    assert finding.gravity == 90


async def test_one_that_hangs_up_is_too(
    raw_server: Callable[[bytes], Awaitable[int]], doors: Doors, target: Made
) -> None:
    given = target("http", f"http://127.0.0.1:{await raw_server(b'')}")

    assert (await DIAGNOSTIC.examine(given, Asked(), doors)).headline == (
        "no answer at /: closed the connection without an answer"
    )


@pytest.mark.parametrize("address", ["http://nowhere.invalid", "http://169.254.169.254", "${API_URL}"])
async def test_what_cannot_be_reached_or_asked_is_no_finding(address: str, doors: Doors, target: Made) -> None:
    with pytest.raises(CouldNotLook):
        await DIAGNOSTIC.examine(target("http", address), Asked(), doors)


async def test_paths_are_asked_at_once_within_the_budget(serve: Serve, doors: Doors, target: Made) -> None:
    now = most = 0

    async def slow(_: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        return web.Response()

    given = target("http", await serve(slow), concurrency=3)
    await DIAGNOSTIC.examine(given, Asked(paths=tuple(f"/{number}" for number in range(9))), doors)

    assert most == 3


@pytest.mark.parametrize(
    "asked", [{"paths": []}, {"expect": "fine"}, {"expect": "<40"}, {"path": "/"}, {"expect": True}]
)
def test_what_cannot_be_meant_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Asked(**asked)
