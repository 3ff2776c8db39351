"""One incident through the daemon as a process, and each byte that it stores, sends, serves, prints or logs."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from aiohttp import web

from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from responder.demo.pagerduty_account import BOT_EMAIL
from tests.faults.daemon import Daemon
from tests.redaction.sources import Stage

# Also half of a word is a leak; what is always the same of `Canary` in base64, wherever it stands in a text.
ANY = re.compile(
    rb"Canary\d{3}x\w*|canary[a-j]{3}x|8\d{3}4471936|"
    + b"|".join(
        base64.b64encode(b"\0" * before + b"Canary")[(0, 2, 3)[before] : (8, 9, 10)[before]] for before in range(3)
    )
)
COMPLETE = re.compile(rb'"complete": ?true')
GROUP_KEY = '{{}}:{{password="{}"}}'
ROUTING_KEY = "0123456789abcdef0123456789abcdef"
LEAKY = Path(__file__).parent / "leaky.py"
PACK = """
pack: canaries
targets:
  {targets}
  health: {{http: "${{HEALTH_URL}}"}}
signals:
  serving: {{unit: percent, http: {{target: health, up: [/health]}}}}
rules:
  - name: everything
    summary: All is looked at
    match: ['alertname="AllOfIt"']
    level: critical
    diagnose:
      {checks}
  - name: watched
    summary: Somebody is to be called
    watch: 5s
    page: true
    labels: {{service: api}}
    thresholds: {{serving: {{critical: "< 1%"}}}}
    diagnose: [http.status: {{target: health, paths: [/health]}}]
severity:
  levels: {{P1: }}
  otherwise: {{critical: P1}}
"""


@dataclass(kw_only=True)
class Heard:
    """All that left or was stored, by where it was found."""

    everywhere: dict[str, bytes] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def leaks(self) -> list[tuple[Any, ...]]:
        """The first canaries by where they were found."""
        return [(where, *found) for where, data in self.everywhere.items() if (found := ANY.findall(data)[:3])]

    @property
    def silent(self) -> list[str]:
        """Ways out that nothing took."""
        return [where for where, data in self.everywhere.items() if not data]

    @property
    def not_looked(self) -> set[str]:
        """Checks that could not look."""
        return {it["check"] for it in self.report["could_not_look"]}


async def one_incident(stage: Stage, pack: Path) -> Heard:
    pagerduty = await StandInPagerDuty.start(event_delay_seconds=0)
    stage.stack.push_async_callback(pagerduty.stop)
    group_key = GROUP_KEY.format(stage.canary("GroupKey"))
    paged = _told_by_others(stage, pagerduty, group_key)
    stage.checks += [f"pagerduty.{it}: {{incident: {paged}}}" for it in ("changes", "related", "past_incidents")]
    pack.write_text(
        PACK.format(targets="\n  ".join(stage.targets), checks="\n      ".join(f"- {it}" for it in stage.checks))
    )
    received: list[bytes] = []

    async def fail(_: web.Request) -> web.Response:
        return web.Response(status=503, text=stage.sentences("Health"), headers={"X-Token": stage.canary("Healthy")})

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
        "RESPONDER_PAGERDUTY_EVENTS_URL": pagerduty.url,
        "RESPONDER_PAGERDUTY_ROUTING_KEY": ROUTING_KEY,
        "HEALTH_URL": await stage.serve(fail),
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
        await _post(stage, daemon, client, webhook_token, group_key)
        await _settled(daemon, pagerduty, received)
        await _read_everything(daemon, client, heard)
    heard.everywhere["the report webhook"] = b"".join(received)
    heard.everywhere["PagerDuty"] = str([(it.path, it.body) for it in pagerduty.requests]).encode()
    heard.everywhere["notes"] = "\n".join(_notes(pagerduty)).encode()
    await asyncio.to_thread(daemon.terminate)
    heard.everywhere["the log"] = daemon.log.encode()
    heard.everywhere["standard output"] = daemon.out.encode()
    for file in (daemon.folder / "data").rglob("*"):
        if file.is_file() and file.stat().st_size:
            heard.everywhere[f"file {file.relative_to(daemon.folder)}"] = file.read_bytes()
    return heard


async def _post(stage: Stage, daemon: Daemon, client: aiohttp.ClientSession, token: str, group_key: str) -> None:
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
        "groupKey": group_key,
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


def _told_by_others(stage: Stage, pagerduty: StandInPagerDuty, group_key: str) -> str:
    """What Alertmanager tells PagerDuty of this group beside us, and what else is there; the id of its incident."""
    event = {
        "routing_key": ROUTING_KEY,
        "event_action": "trigger",
        "payload": {
            "summary": stage.sentences("EventSummary"),
            "source": stage.sentences("EventSource"),
            "severity": "critical",
            "custom_details": {"firing": stage.sentences("EventDetails"), "password": stage.canary("EventPassword")},
        },
    }
    for where in ("PastIncident", "RelatedIncident"):
        other = pagerduty.create_incident(f"password={stage.canary(where)} at {stage.canary(where)}@example.com")
        pagerduty.add_note(other, stage.sentences(f"{where}Note"))
        if where == "PastIncident":
            pagerduty.resolve(other)
    pagerduty.add_change(
        stage.sentences("ChangeEvent"), source=f"token={stage.canary('ChangeSource')}", link="https://ci.example.com/1"
    )
    key = hashlib.sha256(group_key.encode()).hexdigest()
    opened = pagerduty.account.take_event(event, key, datetime.now(UTC))
    assert opened is not None
    return opened.id


async def _settled(daemon: Daemon, pagerduty: StandInPagerDuty, received: list[bytes]) -> None:
    """Until every check has answered, the report of all is delivered, and a page and two notes are written."""
    async with asyncio.timeout(90):
        while not (
            daemon.events("alert.handled")
            and any(COMPLETE.search(it) and b"AllOfIt" in it for it in received)
            and pagerduty.asked("POST /v2/enqueue")
            and len(_notes(pagerduty)) == 2
            and all("still looking" not in it.lower() for it in _notes(pagerduty))
        ):
            await asyncio.sleep(0.1)


def _notes(pagerduty: StandInPagerDuty) -> list[str]:
    bot = pagerduty.account.bot
    return [note.content for it in pagerduty.account.incidents.values() for note in it.notes if note.user is bot]


@asynccontextmanager
async def _store(daemon: Daemon) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(daemon.dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def _read_everything(daemon: Daemon, client: aiohttp.ClientSession, heard: Heard) -> None:
    api = "/api/v1"
    paths = ["/", "/metrics", "/rules", "/targets", "/quarantine", "/nowhere", f"{api}/incidents"]
    for slug in ("inc-0001", "inc-0002"):
        below = ("", "/timeline", "/report", "/report?format=markdown", "/postmortem")
        paths += [f"/incidents/{slug}", *(f"{api}/incidents/{slug}{it}" for it in below)]
    paths += [f"{api}/{it}" for it in ("quarantine", "quarantine/1", "targets", "rules", "openapi.json")]
    for path in paths:
        async with client.get(daemon.url + path) as answer:
            heard.everywhere[f"GET {path}"] = await answer.read()
            heard.everywhere[f"headers of {path}"] = str(answer.headers).encode()
    async with _store(daemon) as store:
        for name in await store.fetch("select schemaname, tablename from pg_tables where schemaname !~ '^(pg_|info)'"):
            table = f'"{name["schemaname"]}"."{name["tablename"]}"'
            rows = await store.fetch(f"select t::text from {table} t")
            if rows:
                heard.everywhere[f"table {table}"] = "\n".join(it[0] for it in rows).encode()
    reports = [json.loads(heard.everywhere[f"GET {api}/incidents/{it}/report"]) for it in ("inc-0001", "inc-0002")]
    heard.report = next(it for it in reports if "AllOfIt" in it["title"])
