"""Canaries in every source, a daemon as a process, and each byte that it stores, sends, serves, prints or logs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from tests.redaction.heard import Heard, one_incident
from tests.redaction.hosted import HOSTED
from tests.redaction.sources import SOURCES, Stage, caches, postgres
from tests.systems.plugin import Postgres, System

pytestmark = pytest.mark.system
# Of what Google has, `fields` keeps these from being sent at all.
MASKED = {f"Google{it}" for it in ("Argument", "Condition", "Label", "Resource", "Terminal", "Uri", "Variable")}
Planted = tuple[Stage, set[str], Heard]  # in between: the kinds of canaries that hosts must have shown


@pytest.fixture(scope="module")
def planted_and_heard(
    postgres_server: Postgres, start_redis: Callable[..., System], tmp_path_factory: pytest.TempPathFactory
) -> Planted:
    async def live() -> Planted:
        async with AsyncExitStack() as stack:
            stage = Stage(stack=stack)
            for source in SOURCES:
                await source(stage)
            await postgres(stage, postgres_server)
            await caches(stage, start_redis())
            before = set(stage.kinds)
            for source in HOSTED:
                await source(stage)
            hosted = set(stage.kinds) - before
            heard = await one_incident(stage, tmp_path_factory.mktemp("pack") / "rules.yaml")
            return stage, hosted, heard

    return asyncio.run(live())


def test_no_canary_is_in_any_byte_that_is_stored_or_leaves(planted_and_heard: Planted) -> None:
    stage, _, heard = planted_and_heard

    assert len(stage.planted) > 250
    assert heard.leaks == []


def test_every_source_was_looked_at_and_every_way_out_used(planted_and_heard: Planted) -> None:
    stage, _, heard = planted_and_heard

    assert heard.silent == []
    # No certificate is looked at by http, and nobody installed pg_stat_statements; Loki and ClickHouse refuse.
    assert heard.not_looked == {"no_tls", "postgres.slow_statements", "loki refused", "clickhouse.clusters"}
    assert len(heard.report["findings"]) == len(stage.checks)
    assert "[redacted:" in str(heard.report["findings"])
    for way in ("the report webhook", "PagerDuty", "the log", "standard output", "GET /", "GET /metrics"):
        assert way in heard.everywhere
    assert any(where.startswith("table ") for where in heard.everywhere)
    assert b"[redacted:" in heard.everywhere["notes"]
    assert b'"event_action":"trigger"' in heard.everywhere["PagerDuty"].replace(b": ", b":")


def test_every_kind_of_canary_at_a_host_was_shown_to_responder(planted_and_heard: Planted) -> None:
    stage, hosted, _ = planted_and_heard
    exchanged = b"".join(stage.exchanged)

    unseen = {it for it in hosted if not any(word.encode() in exchanged for word in stage.kinds[it])}

    assert len(hosted) > 40
    assert unseen == MASKED


def test_libraries_and_uncaught_exceptions_are_in_the_log_as_events(
    planted_and_heard: Planted,
) -> None:
    lines = planted_and_heard[2].everywhere["the log"].decode().splitlines()

    events = [json.loads(line) for line in lines]

    said = {it["library"] for it in events if it["event"] == "library.said"}
    assert {"asyncio", "aiohttp.server", "urllib3", "a.library", "py.warnings"} <= said
    assert {it["where"] for it in events if it["event"] == "bug.uncaught"} >= {"main", "gossip"}
    assert any("[redacted:secret]" in it.get("exception", "") for it in events)
