"""What an Alertmanager has, and when its list cannot be trusted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from responder.clients import alertmanager
from responder.clients.alertmanager import AlertmanagerDoor
from responder.errors import CouldNotLook, NotConfigured, Refused, Unreachable
from responder.intake.fingerprint import fingerprint_of
from tests.systems.plugin import System
from tests.systems.servers import Handler

Serve = Callable[[Handler], Awaitable[str]]
SILENT = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
FINGERPRINT = "4342812ac9028691"
STATUS = {"cluster": {"status": "disabled"}, "uptime": "2026-11-21T03:00:00.5Z", "versionInfo": {}}
DATE = "Sat, 21 Nov 2026 03:12:00 GMT"


async def asked(address: str) -> Any:
    door = AlertmanagerDoor.at("default", address)
    try:
        return await door.ask()
    finally:
        await door.close()


def answering(**wrong: Any) -> Handler:
    """As Alertmanager does, but for what is wrong: `alerts`, `status`, `date`, `code`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        said = {"alerts": [{"fingerprint": FINGERPRINT, "labels": {}}], "status": STATUS} | wrong
        body = said[request.path.rpartition("/")[2]]
        text = body if isinstance(body, str) else json.dumps(body)
        headers = {"Date": wrong.get("date", DATE), "Location": "/elsewhere"}
        return web.Response(status=wrong.get("code", 200), text=text, headers=headers)

    return answer


@pytest.mark.system
async def test_a_real_one_has_what_fires_silenced_or_not_and_nothing_that_is_over(
    alertmanager_server: Callable[..., System],
) -> None:
    system = alertmanager_server(SILENT)
    url = f"{system.address}/api/v2"
    labels = [{"alertname": "Fires"}, {"alertname": "IsSilenced"}, {"alertname": "IsOver"}]
    now = datetime.now(UTC)
    posted: list[dict[str, Any]] = [{"labels": it, "startsAt": now.isoformat()} for it in labels]
    posted[2] |= {
        "startsAt": (now - timedelta(hours=1)).isoformat(),
        "endsAt": (now - timedelta(minutes=1)).isoformat(),
    }
    silence = {
        "matchers": [{"name": "alertname", "value": "IsSilenced", "isRegex": False}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "t",
        "comment": "t",
    }
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        await http.post(f"{url}/silences", json=silence)
        await http.post(f"{url}/alerts", json=posted)
        async with asyncio.timeout(20):
            while not await (await http.get(f"{url}/alerts?active=false&inhibited=false&unprocessed=false")).json():
                await asyncio.sleep(0.05)

    peer = await asked(system.address)

    assert peer.fingerprints == {fingerprint_of(it) for it in labels[:2]}
    assert timedelta(seconds=-1) <= peer.up_for < timedelta(minutes=5)
    assert peer.in_step


async def test_every_state_is_asked_for_and_the_status_after_the_alerts(serve: Serve) -> None:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(request.path_qs)
        return await answering()(request)

    peer = await asked(f"{await serve(answer)}/am/")

    states = "active=true&silenced=true&inhibited=true&unprocessed=true"
    assert seen == [f"/am/api/v2/alerts?{states}", "/am/api/v2/status"]
    assert (peer.fingerprints, peer.up_for) == ({FINGERPRINT}, timedelta(minutes=11, seconds=59, milliseconds=500))


@pytest.mark.parametrize(("said", "in_step"), [("ready", True), ("disabled", True), ("settling", False)])
async def test_one_that_settles_is_not_in_step(serve: Serve, said: str, in_step: bool) -> None:
    peer = await asked(await serve(answering(status={**STATUS, "cluster": {"status": said}})))

    assert peer.in_step is in_step


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        pytest.param({"alerts": "<html>"}, Unreachable, "did not answer as Alertmanager does", id="HTML"),
        pytest.param({"alerts": {}}, Unreachable, "did not answer as Alertmanager does", id="no list"),
        pytest.param({"alerts": [{"labels": {}}]}, Unreachable, "as Alertmanager does", id="no fingerprint"),
        pytest.param({"alerts": '[{"fingerprint": "434'}, Unreachable, "as Alertmanager does", id="half a body"),
        pytest.param({"status": {"uptime": "x"}}, Unreachable, "as Alertmanager does", id="another status"),
        pytest.param({"date": "soon"}, Unreachable, "without a Date", id="no clock"),
        pytest.param({"code": 302}, Unreachable, "answered 302", id="a redirect"),
        pytest.param({"code": 503}, Unreachable, "answered 503", id="an error"),
        pytest.param({"code": 401}, Refused, "answered 401", id="a missing credential"),
    ],
)
async def test_what_is_no_answer_is_never_an_empty_list(
    serve: Serve, wrong: dict[str, Any], error: type[CouldNotLook], says: str
) -> None:
    with pytest.raises(error, match=says):
        await asked(await serve(answering(**wrong)))


async def test_more_than_the_bound_is_no_answer(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alertmanager, "MAX_BODY_BYTES", 1024)
    many = [{"fingerprint": FINGERPRINT}] * 100

    with pytest.raises(Unreachable, match="answered more than"):
        await asked(await serve(answering(alerts=many)))


async def test_the_credential_in_the_address_is_sent_and_never_shown(serve: Serve) -> None:
    sent: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        sent.append(request.headers["Authorization"])
        return web.Response(status=500)

    address = (await serve(answer)).replace("http://", "http://ann:canary-77@")
    with pytest.raises(Unreachable) as said:
        await asked(address)

    assert sent == ["Basic YW5uOmNhbmFyeS03Nw=="]
    assert "canary-77" not in str(said.value)


async def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        await asked("http://127.0.0.1:1")


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(NotConfigured, match="alertmanager/default"):
        AlertmanagerDoor.at("default", "http://host:99999999")
