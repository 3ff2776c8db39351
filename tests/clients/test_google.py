"""What goes to Google: who asks, and that nothing but the list of log entries can be asked by POST."""

from __future__ import annotations

import pkgutil
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from responder import clients
from responder.clients.doors import Doors
from responder.clients.google import EntriesHttp
from responder.clients.http import HttpDoor
from responder.diagnostics.catalogue import catalogue
from responder.errors import Refused, Unreachable
from responder.model.finding import Finding
from responder.model.pack import Target
from tests.clients.test_google_credentials import Metadata
from tests.diagnostics.google_service import ADDRESS, ENTRIES, REVISIONS, SERVICE, look, revision, service
from tests.systems.google import GoogleCloud
from tests.systems.servers import Handler

Serve = Callable[[Handler], Awaitable[str]]
Made = Callable[..., Target]
ANSWERS = {SERVICE: service(42), REVISIONS: {"revisions": [revision(42, "21T03:04:00", ":2")]}, ENTRIES: {}}


@pytest.mark.parametrize("name", ["google.service", "google.revisions", "google.logs"])
async def test_each_question_says_who_asks(name: str, serve: Serve) -> None:
    cloud = GoogleCloud(ANSWERS)
    machine = Metadata({"access_token": "ya29.x", "expires_in": 3599})
    environment = {"GCE_METADATA_HOST": (await serve(machine)).removeprefix("http://")}

    finding = await look(catalogue()[name], cloud, serve, environment=environment)

    assert isinstance(finding, Finding)
    assert cloud.tokens == {"Bearer ya29.x"}


async def test_a_token_that_comes_back_is_not_shown(serve: Serve) -> None:
    def reflected(_: dict[str, str], __: Any) -> web.Response:
        return web.Response(text="no", headers={"Content-Type": "text/ya29.x"})

    cloud = GoogleCloud({SERVICE: reflected})
    machine = Metadata({"access_token": "ya29.x", "expires_in": 3599})
    environment = {"GCE_METADATA_HOST": (await serve(machine)).removeprefix("http://")}

    with pytest.raises(Unreachable) as caught:
        await look(catalogue()["google.service"], cloud, serve, environment=environment)
    assert str(caught.value).endswith("HTTP 200, not JSON but text/***")


def doors_by_http() -> Iterator[type[HttpDoor]]:
    for it in pkgutil.iter_modules(clients.__path__):
        for found in vars(import_module(f"{clients.__name__}.{it.name}")).values():
            if isinstance(found, type) and issubclass(found, HttpDoor):
                yield found


def test_one_path_alone_is_read_by_post() -> None:
    assert {(it.__name__, path) for it in doors_by_http() for path in it._read_by_post} == {
        ("EntriesHttp", "/v2/entries:list")
    }
    # Notes and events are written in `delivery`; here nobody says POST but the door that is held to that list, and that
    # of Kubernetes, which asks by one what its own account may do.
    saying = {it.name for it in Path(clients.__file__).parent.glob("*.py") if '"POST"' in it.read_text()}
    assert saying == {"http.py", "google.py", "kubernetes.py", "kubernetes_paths.py"}


def test_the_door_that_lists_entries_has_no_method_that_writes() -> None:
    public = {name for name in dir(EntriesHttp) if not name.startswith("_")}

    assert public == {"get", "head", "certificate", "close", "shown", "shows_credentials", "clean", "list_entries"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/entries:write"),
        ("POST", "/v2/entries:list/"),
        ("POST", "/v2/entries%3Alist"),
        ("POST", "/v2/entries:list?alt=json"),
        ("PUT", "/v2/entries:list"),
        ("PATCH", "/v2/entries:list"),
        ("DELETE", "/v2/entries:list"),
        ("post", "/v2/entries:list"),
    ],
)
async def test_nothing_else_can_be_posted(method: str, path: str, serve: Serve) -> None:
    cloud = GoogleCloud(ANSWERS)
    doors = Doors({"REGION": "r", "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING": await serve(cloud)})
    door = doors.google(Target(name="run", kind="google", address=ADDRESS, headers={"Authorization": "Bearer x"}))

    with pytest.raises(Refused, match="may not be asked, it could write"):
        await door._apis.entries._ask(method, path, None, None, None, b"{}")
    await doors.close()
    assert cloud.asked == []


async def test_no_other_door_can_post_at_all(serve: Serve, doors: Doors, target: Made) -> None:
    cloud = GoogleCloud(ANSWERS)
    door = doors.http(target("http", await serve(cloud)))

    with pytest.raises(Refused, match="may not be asked, it could write"):
        await door._ask("POST", ENTRIES, None, None, None, b"{}")
    assert cloud.asked == []
