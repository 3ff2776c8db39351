"""What holds for every kind that can be asked, and for those that cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from responder.clients.doors import Doors, as_written
from responder.doctor.access import Access, kinds
from responder.doctor.line import Line, State
from responder.doctor.targets import Judged, judge, line_of
from responder.errors import Refused
from responder.model.pack import Target
from tests.systems.plugin import free_port
from tests.systems.servers import Handler
from tests.systems.vendors import Vendor

Serve = Callable[[Handler], Awaitable[str]]


def now() -> datetime:
    return datetime(2026, 11, 21, 3, 12, tzinfo=UTC)


async def judged(kind: str, address: Any, environment: dict[str, str] | None = None, **more: Any) -> Line:
    doors = Doors(environment or {})
    target = Target(name="it", kind=kind, address=address, **more)
    found = await judge("shop", target, doors, now, within_seconds=5)
    await doors.close()
    return line_of(found)


def test_the_folder_is_the_registry() -> None:
    assert {"postgres", "redis", "http", "github"} <= set(kinds())


@pytest.mark.parametrize("kind", ["postgres", "redis", "http", "prometheus", "statuspage"])
async def test_what_does_not_answer_is_wrong_and_keeps_its_secret(kind: str) -> None:
    scheme = {"postgres": "postgresql", "redis": "redis"}.get(kind, "http")

    line = await judged(kind, f"{scheme}://s3cretuser:s3cretword@127.0.0.1:{free_port()}")

    assert (line.state, line.about) == (State.WRONG, "target shop/it")
    assert line.says.startswith("not reachable: ")
    assert (line.facts["reachable"], line.facts["too_allowed"]) == (False, None)
    assert "s3cret" not in repr(line)


async def test_the_log_names_the_check_that_was_asked() -> None:
    with capture_logs() as said:
        await judged("prometheus", f"http://127.0.0.1:{free_port()}")

    assert [it["diagnostic"] for it in said if it["event"] == "diagnostic.finished"] == ["prometheus.alerts(it)"]


@pytest.mark.parametrize("kind", ["postgres", "redis", "http", "prometheus"])
async def test_what_is_not_configured_is_a_warning(kind: str) -> None:
    line = await judged(kind, "${THE_URL}")

    assert (line.state, line.says) == (State.WARNING, "not configured: THE_URL is not set")


async def test_what_hangs_is_given_up(raw_server: Callable[[bytes | None], Awaitable[int]]) -> None:
    target = Target(name="it", kind="redis", address=f"redis://127.0.0.1:{await raw_server(None)}")
    doors = Doors({})

    async with asyncio.timeout(10):
        found = await judge("shop", target, doors, now, within_seconds=0.2)

    await doors.close()
    assert line_of(found).says == "not reachable: no answer within 0.2 s"


async def test_a_bug_in_one_kind_is_told_and_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(target: Target, doors: Doors) -> Access:
        raise KeyError("oops")

    monkeypatch.setattr("responder.doctor.targets.kinds", lambda: {"redis": broken})

    assert (await judged("redis", "redis://r")).says == "not reachable: bug: KeyError: 'oops'"


async def test_of_http_nobody_can_tell_what_credentials_may_do(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=200 if request.headers.get("Authorization") != "Bearer old" else 401)

    base = await serve(answer)
    said = {
        token: await judged("http", base, headers={"Authorization": token} if token else {})
        for token in ("", "Bearer good", "Bearer old")
    }

    assert [it.state for it in said.values()] == [State.OK, State.UNKNOWN, State.WRONG]
    assert said[""].says.endswith("; no credentials are sent")
    assert "HTTP has no way to ask" in said["Bearer good"].says
    assert said["Bearer old"].says == f"does not let us in: {base}/: HTTP 401, the credentials are not accepted"


async def test_a_kind_that_cannot_be_asked_is_looked_at_by_a_check(serve: Serve) -> None:
    vendor = Vendor({"/api/v1/alerts": {"status": "success", "data": {"alerts": []}}})
    base = await serve(vendor)

    without, shown = await judged("prometheus", base), await judged("prometheus", base, headers={"X-Key": "k"})
    elsewhere = await judged("prometheus", f"{base}/elsewhere")

    assert (without.state, shown.state, elsewhere.state) == (State.OK, State.UNKNOWN, State.WRONG)
    assert "prometheus cannot be asked what these credentials may do" in shown.says


@pytest.mark.parametrize(
    ("scopes", "state", "says"),
    [
        ("repo, read:org", State.WRONG, "TOO ALLOWED: the token has the scope repo"),
        ("read:org, user:email", State.OK, "answers in "),
        ("", State.OK, "answers in "),
        (None, State.UNKNOWN, "GitHub does not say what a token of this kind may do"),
    ],
)
async def test_scopes_of_a_token_stand_in_the_answer(scopes: str | None, state: State, says: str, serve: Serve) -> None:
    async def answer(request: web.Request) -> web.Response:
        headers = {"Date": "Sat, 21 Nov 2026 03:12:00 GMT"} | ({} if scopes is None else {"X-OAuth-Scopes": scopes})
        return web.json_response({"default_branch": "main"}, headers=headers)

    line = await judged(
        "github",
        "shop/api",
        {"GITHUB_API_URL": await serve(answer), "T": "t"},
        headers={"Authorization": "Bearer ${T}"},
    )

    assert line.state is state
    assert says in line.says


async def test_a_shut_target_is_not_looked_through() -> None:
    doors = Doors({})
    target = Target(name="it", kind="redis", address="redis://127.0.0.1:1")
    doors.shut = {as_written(target): "its credentials can write (may run set), which is refused here"}

    with pytest.raises(Refused, match=r"redis://127.0.0.1:1: its credentials can write \(may run set\)"):
        doors.redis(target)


def test_what_is_told_says_all_of_it() -> None:
    target = Target(name="it", kind="redis", address="redis://r")
    access = Access(who="me", lacks=("+info",), cure="the cure", notes=("a note",))

    line = line_of(Judged(pack="shop", target=target, access=access, took_seconds=0.0123))

    assert (line.state, line.says, line.cure) == (
        State.WRONG,
        "answers in 12 ms as me; lacks +info; a note",
        "the cure",
    )
    assert line.facts["allowed"] is False
