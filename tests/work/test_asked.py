"""What is written down of targets holds no secret, and what PagerDuty answered stands beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from tests.work.conftest import PACK, World

API = "/api/v1/targets"
SECRET = "canary-of-the-target-5b1"
ADDRESSES = f"""
targets:
  api: {{http: "${{TARGET_URL}}", headers: {{X-Token: "${{TARGET_TOKEN}}"}}}}
  cached: {{redis: "rediss://user:{SECRET}@cache.example.com:6380/3?key={SECRET}"}}
  unset: {{postgres: "${{NOT_SET_ANYWHERE}}"}}
"""


async def test_no_password_query_or_path_is_shown_and_what_is_not_set_is_said(world: Callable[..., Any]) -> None:
    it: World = await world(PACK.partition("signals:")[1].join([ADDRESSES, PACK.partition("signals:")[2]]))

    body = await it.get(API)
    page = await it.get("/targets")

    lines = {one["name"]: one for one in json.loads(body)["targets"]}
    assert lines["cached"]["address"] == "rediss://cache.example.com:6380"
    assert (lines["unset"]["outcome"], lines["unset"]["address"]) == ("not configured", "")
    assert "NOT_SET_ANYWHERE is not set" in lines["unset"]["why"]
    assert "rediss://cache.example.com:6380" in page
    assert SECRET not in body + page
    assert "canary-target-token-81" not in body + page


async def test_pagerdutys_subscription_is_shown(world: Callable[..., Any]) -> None:
    it: World = await world(webhooks=True)
    async with asyncio.timeout(30):
        while not json.loads(await it.get(API))["subscriptions"]:
            await asyncio.sleep(0.05)

    body, page = json.loads(await it.get(API)), await it.get("/targets")

    (subscription,) = body["subscriptions"]
    assert (subscription["active"], subscription["tells_of_new"]) == (True, True)
    assert f"{subscription['id']}, for account" in page
    assert {one["whom"] for one in body["asked"]} >= {"pagerduty", "pagerduty/subscriptions"}
