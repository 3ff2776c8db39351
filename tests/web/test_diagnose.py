"""The request to ask the checks of an incident now, made of a daemon."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.kept import BAD, FIRING, Kept, kept_in


@pytest.fixture
async def kept(embedded_database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kept]:
    async with kept_in(embedded_database, monkeypatch) as made:
        await made.post(FIRING, BAD)
        await made.report()
        yield made


async def diagnose(kept: Kept, slug: str, expect: int, **headers: str) -> dict[str, Any]:
    async with kept.http.post(f"{kept.daemon.url}/api/v1/incidents/{slug}/diagnose", headers=headers) as answer:
        told: dict[str, Any] = await answer.json()
        assert answer.status == expect, told
        return told


async def versions(kept: Kept) -> list[Any]:
    async with kept.daemon.desk.store.connection() as connection:
        return [tuple(it) for it in await connection.fetch("select incident, version, at from reports")]


async def test_the_checks_of_an_incident_are_asked_now_and_nothing_is_kept_or_sent(kept: Kept) -> None:
    before, posts = await versions(kept), len(kept.posts)

    told = await diagnose(kept, "0001", 200)

    assert told["incident"] == "inc-0001"
    found = {it["name"]: it for it in told["findings"]}
    assert set(found) == {"http.status(api)", "slow"}
    assert {it["outcome"] for it in found.values()} == {"unhealthy"}
    first = {it["name"]: it["asked_at"] for it in kept.posts[-1]["findings"]}
    assert all(it["asked_at"] > first[name] for name, it in found.items())
    assert await versions(kept) == before
    assert len(kept.posts) == posts
    assert "canary" not in json.dumps(told)


async def test_what_is_not_there_and_who_may_not_ask_is_refused(kept: Kept) -> None:
    missing = await diagnose(kept, "inc-9999", 404)
    elsewhere = await diagnose(kept, "inc-0001", 403, Origin="https://evil.example")

    assert missing["detail"] == 'there is no incident "inc-9999" here; an identifier looks like inc-7K3F'
    assert elsewhere["detail"] == "this is not asked for from another site"


async def test_an_incident_without_a_look_has_nothing_to_ask(kept: Kept) -> None:
    await kept.post(FIRING | {"labels": {"alertname": "NoRuleKnowsThis"}}, group="another")

    told = await diagnose(kept, "inc-0002", 409)

    assert told["detail"] == "inc-0002: no look was made at it yet; its timeline says why"
