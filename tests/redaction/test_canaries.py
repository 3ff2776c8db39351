"""Canaries in every source, a daemon as a process, and each byte that it stores, sends, serves, prints or logs."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from responder.demo.pagerduty_account import BOT_EMAIL
from tests.faults.daemon import Daemon
from tests.redaction.sources import SOURCES, Stage
from tests.systems.plugin import Postgres, System

pytestmark = pytest.mark.system
# Also half of a word is a leak; what is always the same of `Canary` in base64, wherever it stands in a text.
ANY = re.compile(
    rb"Canary\d{3}x\w*|8\d{3}4471936|"
    + b"|".join(
        base64.b64encode(b"\0" * before + b"Canary")[(0, 2, 3)[before] : (8, 9, 10)[before]] for before in range(3)
    )
)
COMPLETE = re.compile(rb'"complete": ?true')
LEAKY = Path(__file__).parent / "leaky.py"
PACK = """
pack: canaries
targets:
  {targets}
rules:
  - name: everything
    summary: All is looked at
    match: ['alertname="AllOfIt"']
    level: critical
    diagnose:
      {checks}
severity:
  levels: {{P1: }}
  otherwise: {{critical: P1}}
"""


@dataclass(kw_only=True)
class Heard:
    """All that left or was stored, by where it was found."""

    everywhere: dict[str, bytes] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def planted_and_heard(
    postgres_server: Postgres, start_redis: Callable[..., System], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Stage, Heard]:
    async def live() -> tuple[Stage, Heard]:
        async with AsyncExitStack() as stack:
            stage = Stage(postgres=postgres_server, redis=start_redis(), stack=stack)
            for source in SOURCES:
                await source(stage)
            return stage, await _one_incident(stage, tmp_path_factory.mktemp("pack") / "rules.yaml")

    return asyncio.run(live())


def test_no_canary_is_in_any_byte_that_is_stored_or_leaves(planted_and_heard: tuple[Stage, Heard]) -> None:
    stage, heard = planted_and_heard

    leaks = [(where, *found) for where, data in heard.everywhere.items() if (found := ANY.findall(data)[:3])]

    assert len(stage.planted) > 100
    assert leaks == []


def test_every_source_was_looked_at_and_every_way_out_used(planted_and_heard: tuple[Stage, Heard]) -> None:
    stage, heard = planted_and_heard

    silent = [where for where, data in heard.everywhere.items() if not data]

    assert silent == []
    # No certificate is looked at by http, and nobody installed pg_stat_statements: all else has something to tell.
    assert {it["check"] for it in heard.report["could_not_look"]} == {"no_tls", "postgres.slow_statements"}
    assert len(heard.report["findings"]) == len(stage.checks)
    assert "[redacted:" in str(heard.report["findings"])
    for way in ("the report webhook", "PagerDuty", "the log", "standard output", "GET /", "GET /metrics"):
        assert way in heard.everywhere
    assert any(where.startswith("table ") for where in heard.everywhere)


def test_libraries_and_uncaught_exceptions_are_in_the_log_as_events(
    planted_and_heard: tuple[Stage, Heard],
) -> None:
    lines = planted_and_heard[1].everywhere["the log"].decode().splitlines()

    events = [json.loads(line) for line in lines]

    said = {it["library"] for it in events if it["event"] == "library.said"}
    assert {"asyncio", "aiohttp.server", "urllib3", "a.library", "py.warnings"} <= said
    assert {it["where"] for it in events if it["event"] == "bug.uncaught"} >= {"main", "gossip"}
    assert any("[redacted:secret]" in it.get("exception", "") for it in events)


async def _one_incident(stage: Stage, pack: Path) -> Heard:
    pack.write_text(
        PACK.format(targets="\n  ".join(stage.targets), checks="\n      ".join(f"- {it}" for it in stage.checks))
    )
    pagerduty = await StandInPagerDuty.start(event_delay_seconds=0)
    stage.stack.push_async_callback(pagerduty.stop)
    received: list[bytes] = []

    async def receive(request: web.Request) -> web.Response:
        received.append(str(request.headers).encode() + await request.read())
        return web.Response(status=204)

    webhook_token = stage.canary("WebhookToken")
    environment = stage.environment | {
        "RESPONDER_NAME": "canaries",
        "RESPONDER_RULES": str(pack),
        "RESPONDER_ALERTMANAGER_TOKENS": webhook_token,
        "RESPONDER_PAGERDUTY_TOKEN": TOKEN,
        "RESPONDER_PAGERDUTY_FROM": BOT_EMAIL,
        "RESPONDER_PAGERDUTY_URL": pagerduty.url,
        "RESPONDER_REPORT_WEBHOOK_URL": f"{await stage.serve(receive)}/{stage.canary('PathOfTheHook')}",
        "RESPONDER_REPORT_STDOUT": "true",
        "GOSSIP": stage.sentences("Gossip"),
        "RAW_GOSSIP": stage.canary("LibraryDebug"),
    }
    daemon = Daemon.made(environment)
    daemon.program = (str(LEAKY),)
    stage.stack.callback(daemon.clean_up)
    await asyncio.to_thread(daemon.start)
    heard = Heard()
    async with aiohttp.ClientSession(headers={"User-Agent": stage.sentences("Agent").replace("\n", " ")}) as client:
        await _post(stage, daemon, client, webhook_token)
        await _settled(daemon, received)
        await _read_everything(daemon, client, heard)
    heard.everywhere["the report webhook"] = b"".join(received)
    heard.everywhere["PagerDuty"] = str([(it.path, it.body) for it in pagerduty.requests]).encode()
    await asyncio.to_thread(daemon.terminate)
    heard.everywhere["the log"] = daemon.log.encode()
    heard.everywhere["standard output"] = daemon.out.encode()
    for file in (daemon.folder / "data").rglob("*"):
        if file.is_file() and file.stat().st_size:
            heard.everywhere[f"file {file.relative_to(daemon.folder)}"] = file.read_bytes()
    return heard


async def _post(stage: Stage, daemon: Daemon, client: aiohttp.ClientSession, token: str) -> None:
    """What senders say, in every text that there is; then what is refused, and what is put aside."""
    alert = {
        "status": "firing",
        "labels": {
            "alertname": "AllOfIt",
            "password": stage.canary("Label"),
            "note": stage.sentences("LabelText"),
            f"of {stage.canary('LabelName')}@example.com": "x",
        },
        "annotations": {"summary": stage.sentences("Summary"), "api_key": stage.canary("Annotation")},
        "startsAt": "2026-11-21T02:51:38.961Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": f"http://p.example.com/graph?token={stage.canary('GeneratorUrl')}",
    }
    body = {
        "version": "4",
        "groupKey": f'{{}}:{{password="{stage.canary("GroupKey")}"}}',
        "status": "firing",
        "externalURL": f"http://user:{stage.canary('ExternalUrl')}@alertmanager.example.com",
        "commonAnnotations": {"description": stage.sentences("Common")},
        "alerts": [alert],
    }
    bad = {**alert, "status": "smouldering", "labels": {**alert["labels"], "alertname": "Bad"}}
    url = f"{daemon.url}/webhooks/alertmanager"
    headers = {"Authorization": f"Bearer {token}", "X-Request-Id": stage.sentences("RequestId")}
    for it, status in ((body, 202), ({**body, "alerts": [bad]}, 202)):
        async with client.post(url, json=it, headers=headers) as answer:
            assert answer.status == status, await answer.text()
    wrong = {"Authorization": f"Bearer {stage.canary('WrongToken')}"}
    async with client.post(f"{url}?token={stage.canary('Query')}", json=body, headers=wrong) as answer:
        assert answer.status == 401
    async with client.post(url, data=f"no JSON: {stage.sentences('NoJson')}", headers=headers) as answer:
        assert answer.status == 400


async def _settled(daemon: Daemon, received: list[bytes]) -> None:
    """Until every check has answered and the report of all is delivered."""
    async with asyncio.timeout(90):
        while not (daemon.events("alert.handled") and any(COMPLETE.search(it) for it in received)):
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _store(daemon: Daemon) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(daemon.dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def _read_everything(daemon: Daemon, client: aiohttp.ClientSession, heard: Heard) -> None:
    slug = "inc-0001"
    api = "/api/v1"
    paths = ["/", "/metrics", "/rules", "/targets", "/quarantine", f"/incidents/{slug}", "/nowhere", f"{api}/incidents"]
    paths += [f"{api}/incidents/{slug}{it}" for it in ("", "/timeline", "/report", "/report?format=markdown")]
    paths += [f"{api}/{it}" for it in ("quarantine", "quarantine/1", "targets", "rules", "openapi.json")]
    for path in paths:
        async with client.get(daemon.url + path) as answer:
            heard.everywhere[f"GET {path}"] = str(answer.headers).encode() + await answer.read()
    async with _store(daemon) as store:
        for name in await store.fetch("select schemaname, tablename from pg_tables where schemaname !~ '^(pg_|info)'"):
            table = f'"{name["schemaname"]}"."{name["tablename"]}"'
            rows = await store.fetch(f"select t::text from {table} t")
            if rows:
                heard.everywhere[f"table {table}"] = "\n".join(it[0] for it in rows).encode()
    async with client.get(f"{daemon.url}{api}/incidents/{slug}/report") as answer:
        heard.report = await answer.json()
