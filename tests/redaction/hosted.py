"""Canaries at what others host: GitHub, Sentry, Loki, Tempo, Google, ClickHouse and Kafka, by the stand-ins that the
tests of their checks have."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from typing import Any

from aiohttp import web

from tests.diagnostics.google_service import ENTRIES, REVISIONS, SERVICE, condition, revision, service
from tests.redaction.sources import Source, Stage
from tests.systems.google import GoogleCloud
from tests.systems.kafka import OwnBroker
from tests.systems.vendors import NOW, Vendor

AT = "2026-11-21T03:04:00Z"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
LINES = 12


async def github(stage: Stage) -> None:
    """Names of branches, environments, workflows and people; what they wrote; the token."""
    stage.environment["GITHUB_TOKEN"] = stage.canary("GithubToken")
    deployment = {
        "id": 5,
        "sha": "1a2b3c4d",
        "ref": f"fix/token={stage.canary('GithubRef')}",
        "task": "deploy",
        "payload": {"deploy": stage.canary("GithubPayload")},
        "environment": f"production password={stage.canary('GithubEnvironment')}",
        "description": stage.canary("GithubDescription"),
        "creator": {"login": f"{stage.canary('GithubCreator')}@example.com", "id": 1, "type": "User"},
        "created_at": AT,
        "updated_at": AT,
        "transient_environment": False,
        "production_environment": True,
    }
    state = {"id": 1, "state": "failure", "description": stage.canary("GithubState"), "created_at": AT}
    run = {
        "id": 30433642,
        "name": f"Deploy password={stage.canary('WorkflowName')}",
        "head_branch": f"main-token={stage.canary('WorkflowBranch')}",
        "head_sha": "1a2b3c4d",
        "display_title": stage.canary("WorkflowTitle"),
        "run_number": 1,
        "event": "push",
        "status": "completed",
        "conclusion": "success",
        "workflow_id": 159038,
        "created_at": AT,
        "updated_at": AT,
        "run_started_at": AT,
        "actor": {"login": f"{stage.canary('WorkflowActor')}@example.com"},
        "triggering_actor": {"login": f"{stage.canary('WorkflowTrigger')}@example.com"},
        "head_commit": {"message": stage.canary("Commit"), "author": {"email": "x@example.com"}},
    }
    answers = {
        "/repos/shop/api/deployments": [deployment],
        "/repos/shop/api/deployments/5/statuses": [state],
        "/repos/shop/api/actions/runs": {"total_count": 1, "workflow_runs": [run]},
        "/repos/shop/api": {"default_branch": "main", "description": stage.canary("Repository")},
    }
    stage.environment["GITHUB_API_URL"] = await stage.serve(Vendor(answers))
    stage.targets.append('deploys: {github: shop/api, headers: {Authorization: "Bearer ${GITHUB_TOKEN}"}}')
    stage.checks += ["github.deployments: {target: deploys}", "github.workflow_runs: {target: deploys}"]


async def sentry(stage: Stage) -> None:
    """Titles, values and places of errors; the token."""
    stage.environment["SENTRY_TOKEN"] = stage.canary("SentryToken")
    issue = {
        "id": "1",
        "shortId": "API-1F",
        "title": f"KeyError: {stage.canary('SentryTitle')}",
        "culprit": f"/patients/{stage.canary('SentryCulprit')}",
        "permalink": f"https://shop.sentry.io/issues/1/?token={stage.canary('SentryLink')}",
        "level": "error",
        "status": "unresolved",
        "metadata": {"type": f"Key token={stage.canary('SentryType')}", "value": stage.canary("SentryValue")},
        "count": "212",
        "userCount": 4,
        "firstSeen": AT,
        "lastSeen": "2026-11-21T03:07:00Z",
        "assignedTo": {"email": f"{stage.canary('SentryPerson')}@example.com"},
    }
    stage.environment["SENTRY_AT"] = await stage.serve(Vendor({"/api/0/organizations/shop/issues/": [issue]}))
    address = 'sentry: {url: "${SENTRY_AT}", organization: shop, project: api}'
    stage.targets.append(f'errors: {{{address}, headers: {{Authorization: "Bearer ${{SENTRY_TOKEN}}"}}}}')
    stage.checks.append("sentry.issues: {target: errors}")


def lines(stage: Stage, where: str, *, raw: bool) -> list[str]:
    """Lines of a log that say one thing many times, and `raw`: many things that no redactor could know."""
    same = [f"ERROR app.worker: cannot bill: KeyError: {stage.sentences(f'{where}Line')}"] * LINES
    if not raw:
        return same
    traceback = f'Traceback (most recent call last):\n  File "x.py", line 3\nValueError: {stage.canary(f"{where}Raw")}'
    names = [f"ERROR app.mail: no letter to {stage.name(f'{where}Name')}" for _ in range(LINES)]
    numbered = [f"ERROR app.post: no parcel to {stage.canary(f'{where}Raw')}" for _ in range(LINES)]
    return [*same, *names, *numbered, traceback]


async def loki(stage: Stage) -> None:
    """Labels of streams, and lines: as shapes, and with excerpts; an error that tells the query."""
    told = {query: lines(stage, f"Loki{query.title()}", raw=query == "shapes") for query in ("shapes", "excerpts")}
    stream = {"app": "api", "pod": f"password={stage.canary('LokiLabel')}"}
    complains = stage.sentences("LokiError")

    async def answer(request: web.Request) -> web.Response:
        name = request.query["query"].split('"')[1]
        if name not in told:
            return web.Response(status=400, text=f"parse error: {complains}")
        times = [str(int((NOW - timedelta(seconds=it)).timestamp() * 1e9)) for it in range(len(told[name]))]
        result = [{"stream": stream, "values": [list(it) for it in zip(times, told[name], strict=True)]}]
        data = {"resultType": "streams", "result": result, "stats": {}}
        return web.json_response({"status": "success", "data": data}, headers={"Date": "Sat, 21 Nov 2026 03:08:00 GMT"})

    stage.environment["LOKI_AT"] = await stage.serve(answer)
    stage.targets.append('logs: {loki: "${LOKI_AT}", allow: [logs]}')
    stage.checks += [
        """loki.errors: {target: logs, query: '{app="shapes"}', as: loki shapes}""",
        """loki.errors: {target: logs, query: '{app="excerpts"}', excerpts: true, as: loki excerpts}""",
        """loki.errors: {target: logs, query: '{app="refused"}', as: loki refused}""",
    ]


async def tempo(stage: Stage) -> None:
    """Attributes, messages and names of spans."""

    def said(name: str, where: str) -> dict[str, Any]:
        return {"key": name, "value": {"stringValue": stage.sentences(where)}}

    def id_(number: int) -> str:
        return base64.b64encode(number.to_bytes(8, "big")).decode()

    began = 1_795_230_000_000_000_000
    spans = [
        {
            "traceId": base64.b64encode(bytes.fromhex(TRACE)).decode(),
            "spanId": id_(it),
            "parentSpanId": id_(it - 1) if it > 1 else "",
            "name": f"GET /pay?token={stage.canary('SpanName')}",
            "kind": "SPAN_KIND_SERVER",
            "startTimeUnixNano": str(began),
            "endTimeUnixNano": str(began + 10**9),
            "attributes": [said("http.url", "SpanAttribute")],
            "events": [{"name": "exception", "attributes": [said("exception.message", "SpanEvent")]}],
            "status": {"code": "STATUS_CODE_ERROR", "message": stage.canary("SpanStatus")},
        }
        for it in (1, 2)
    ]
    named = {"key": "service.name", "value": {"stringValue": f"pay password={stage.canary('SpanService')}"}}
    batch = {"resource": {"attributes": [named]}, "scopeSpans": [{"scope": {"name": "x"}, "spans": spans}]}
    stage.environment["TEMPO_AT"] = await stage.serve(Vendor({f"/api/traces/{TRACE}": {"batches": [batch]}}))
    stage.targets.append('traces: {tempo: "${TEMPO_AT}"}')
    stage.checks.append(f"tempo.trace: {{target: traces, id: {TRACE}}}")


async def google(stage: Stage) -> None:
    """Values of variables, arguments, conditions, people; entries of the log; the token."""
    stage.environment["GOOGLE_TOKEN"] = stage.canary("GoogleToken")
    told = revision(8, "21T03:04:00.5", f":v8-token={stage.canary('GoogleImage')}")
    told["containers"][0] |= {
        "args": [f"--password={stage.canary('GoogleArgument')}"],
        "env": [{"name": "STRIPE_KEY", "value": stage.canary("GoogleVariable")}],
    }
    told["labels"] = {"owner": stage.canary("GoogleLabel")}
    told["creator"] = f"{stage.canary('GoogleCreator')}@example.com"
    told["conditions"] = [condition("Ready", "FAILED", message=stage.sentences("GoogleCondition"))]
    entries = [
        {
            "insertId": "5f2a",
            "logName": "projects/shop-prod/logs/run.googleapis.com%2Fstderr",
            "resource": {"type": "cloud_run_revision", "labels": {"service_name": stage.canary("GoogleResource")}},
            "timestamp": f"{NOW - timedelta(seconds=place):%Y-%m-%dT%H:%M:%S}.5Z",
            "severity": "ERROR",
            "textPayload": it,
        }
        for place, it in enumerate(lines(stage, "Google", raw=False))
    ]
    cloud = GoogleCloud(
        {
            SERVICE: service(8, ready=7, uri=f"https://{stage.canary('GoogleUri')}.run.app")
            | {"terminalCondition": condition("Ready", "FAILED", message=stage.sentences("GoogleTerminal"))},
            REVISIONS: {"revisions": [told]},
            ENTRIES: {"entries": entries},
        }
    )
    base = await stage.serve(cloud)
    stage.environment |= {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{it}": f"{base}/" for it in ("RUN", "LOGGING")}
    address = "google: {project: shop-prod, region: europe-west1, service: api}"
    stage.targets.append(f'run: {{{address}, allow: [logs], headers: {{Authorization: "Bearer ${{GOOGLE_TOKEN}}"}}}}')
    stage.checks += [
        "google.revisions: {target: run}",
        "google.service: {target: run}",
        "google.logs: {target: run, excerpts: true}",
    ]


async def clickhouse(stage: Stage) -> None:
    """Names of users and queries; a refusal that quotes the statement; the key that we show."""
    stage.environment["CLICKHOUSE_KEY"] = stage.canary("ClickhouseKey")
    row = {
        "user": f"etl password={stage.canary('ClickhouseUser')}",
        "seconds": 861.2,
        "kind": "Select",
        "initial": 1,
        "read": "1200000",
        "memory": 3221225472,
        "id": f"token={stage.canary('ClickhouseId')}",
        "hash": "1234567890",
    }
    refusal = f"Code: 241. DB::Exception: Memory limit: while executing {stage.sentences('ClickhouseError')}"

    async def answer(request: web.Request) -> web.Response:
        if "system.processes" in request.query["query"]:
            return web.json_response({"meta": [], "data": [row], "rows": 1})
        return web.Response(status=500, text=refusal)

    stage.environment["CLICKHOUSE_AT"] = await stage.serve(answer)
    key = 'headers: {X-ClickHouse-Key: "${CLICKHOUSE_KEY}"}'
    stage.targets.append(f'warehouse: {{clickhouse: "${{CLICKHOUSE_AT}}", {key}}}')
    stage.checks += ["clickhouse.queries: {target: warehouse}", "clickhouse.clusters: {target: warehouse}"]


async def kafka(stage: Stage) -> None:
    """Names of groups and topics."""
    topic = f"orders-token={stage.canary('KafkaTopic')}"
    groups = {f"billing password={stage.canary('KafkaGroup')}": {(topic, 0): 10}}
    broker = _Noted(groups=groups, ends={(topic, 0): 90_000})
    broker.exchanged = stage.exchanged
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    broker.port = server.sockets[0].getsockname()[1]
    stage.stack.callback(server.close)
    stage.targets.append(f"broker: {{kafka: '127.0.0.1:{broker.port}'}}")
    stage.checks.append("kafka.lag: {target: broker, over: 100}")


class _Noted(OwnBroker):
    exchanged: list[bytes]

    def _answer(self, key: int, version: int, body: bytes) -> bytes:
        said = super()._answer(key, version, body)
        self.exchanged.append(said)
        return said


HOSTED: tuple[Source, ...] = (github, sentry, loki, tempo, google, clickhouse, kafka)
