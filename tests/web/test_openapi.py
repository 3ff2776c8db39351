"""The description of the API is one, names every path there is, and the daemon's answers are as it says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from responder.web.api import PREFIX, Api
from responder.web.diagnose import DiagnoseApi
from responder.web.openapi import openapi
from responder.web.rules import RulesApi
from tests.kept import BAD, FIRING, Kept, kept_in

DOCUMENT = openapi()
ASKED = {
    "/incidents": "/incidents",
    "/incidents/{id}": "/incidents/inc-0001",
    "/incidents/{id}/timeline": "/incidents/inc-0001/timeline",
    "/incidents/{id}/report": "/incidents/inc-0001/report",
    "/quarantine": "/quarantine",
    "/quarantine/{id}": "/quarantine/1",
    "/trace": "/trace?id=inc-0001",
    "/targets": "/targets",
    "/rules": "/rules",
}
WRONG = {
    "/incidents": "/incidents?limit=0",
    "/incidents/{id}": "/incidents/inc-9999",
    "/quarantine/{id}": "/quarantine/x",
    "/trace": "/trace?id=nothing-of-that-name",
}


def mistakes(path: str, method: str, status: int, kind: str, body: Any) -> list[str]:
    schema = DOCUMENT["paths"][path][method]["responses"][str(status)]["content"][kind]["schema"]
    whole = {**schema, "components": DOCUMENT["components"]}
    return [f"{path} {status}: {it.json_path}: {it.message}" for it in Draft202012Validator(whole).iter_errors(body)]


def test_it_is_a_description() -> None:
    validate(DOCUMENT)

    ids = [it["operationId"] for path in DOCUMENT["paths"].values() for it in path.values()]
    assert len(ids) == len(set(ids))


async def test_the_daemon_answers_as_it_is_described(embedded_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with kept_in(embedded_database, monkeypatch) as kept:
        await kept.post(FIRING, BAD)
        await kept.report()

        assert await kept.json("/api/v1/openapi.json") == json.loads(json.dumps(DOCUMENT))
        assert [it for path in ASKED for it in await asked(kept, path, ASKED[path])] == []
        assert [it for path in WRONG for it in await asked(kept, path, WRONG[path])] == []
        async with kept.http.post(f"{kept.daemon.url}/api/v1/rules/reload") as answer:
            assert mistakes("/rules/reload", "post", 200, answer.content_type, await answer.json()) == []
        for slug, status in (("inc-0001", 200), ("inc-9999", 404)):
            async with kept.http.post(f"{kept.daemon.url}/api/v1/incidents/{slug}/diagnose") as answer:
                assert answer.status == status
                body = await answer.json()
                assert mistakes("/incidents/{id}/diagnose", "post", status, answer.content_type, body) == []
        async with kept.http.post(f"{kept.daemon.url}/api/v1/rules/reload", headers={"Origin": "https://x"}) as answer:
            assert mistakes("/rules/reload", "post", 403, answer.content_type, await answer.json()) == []


async def asked(kept: Kept, path: str, address: str) -> list[str]:
    status, kind, text = await kept.get(f"/api/v1{address}")
    assert (status == 200) == (address in ASKED.values()), (address, status)
    return mistakes(path, "get", status, kind, json.loads(text))


def test_every_path_of_the_api_is_described() -> None:
    router = web.Application().router
    nothing: Any = None
    Api(nothing, "test", nothing).add_to(router, lambda handler: handler)
    RulesApi(nothing, nothing).add_to(router, lambda handler: handler)
    DiagnoseApi(nothing, nothing).add_to(router, lambda handler: handler)
    served = {(it.method, it.resource.canonical) for it in router.routes() if it.resource and it.method != "HEAD"}

    described = {(verb.upper(), PREFIX + path) for path, verbs in DOCUMENT["paths"].items() for verb in verbs}

    assert served == described
