"""Where canaries are planted: one function a source, and what they share. A new kind of target adds one here, or in a
file beside this one, and its name to the test that asks it."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from urllib.parse import quote

import asyncpg
import redis.asyncio
from aiohttp import web

from responder.demo.local_server import LocalServer
from tests.systems.plugin import Postgres, System


@dataclass(kw_only=True)
class Stage:
    """What the sources put together: a pack's targets and checks, the daemon's environment, all that was planted.

    `kinds`: the words by where they were put; `exchanged`: all that went between responder and our servers.
    """

    stack: AsyncExitStack
    environment: dict[str, str] = field(default_factory=dict)
    targets: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    planted: list[str] = field(default_factory=list)
    kinds: dict[str, list[str]] = field(default_factory=dict)
    exchanged: list[bytes] = field(default_factory=list)

    def canary(self, where: str) -> str:
        """A word that stands nowhere else."""
        word = f"Canary{len(self.planted):03}x{where}Qz7"
        self.planted.append(word[: len("Canary000x")])  # also half of it is a leak
        self.kinds.setdefault(where, []).append(word)
        return word

    def name(self, where: str) -> str:
        """The same of small letters alone, as a name may be written in a line of a log."""
        number = "".join("abcdefghij"[int(it)] for it in f"{len(self.planted):03}")
        word = f"canary{number}x"
        self.planted.append(word)
        self.kinds.setdefault(where, []).append(word)
        return word

    def sentences(self, where: str) -> str:
        """A text with a canary in each of many dresses, none of which a redactor was told of."""
        canary = self.canary
        said = json.dumps({"password": canary(where), "user": "joe"})
        return (
            f"password={canary(where)} Authorization: Bearer {canary(where)} postgresql://a:{canary(where)}@db/x "
            f"{canary(where)}@example.com {said} {json.dumps(said)} {html.escape(said)} {quote(said)} "
            f"{base64.b64encode(said.encode()).decode()} patient_name='{canary(where)}' MRN: {self.number()}"
        )

    def number(self) -> str:
        """A record number that stands nowhere else."""
        word = f"8{len(self.planted):03}4471936"
        self.planted.append(word)
        return word

    async def serve(self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
        """A server that answers everything so; its address."""

        async def noted(request: web.Request) -> web.StreamResponse:
            answer = await handler(request)
            assert isinstance(answer, web.Response)
            assert isinstance(answer.body, bytes | None)
            said = f"{request.path_qs} {request.headers} {answer.headers}"
            self.exchanged.append(said.encode() + await request.read() + (answer.body or b""))
            return answer

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", noted)
        server = LocalServer(application)
        await server.start()
        self.stack.push_async_callback(server.stop)
        return server.url


Source = Callable[[Stage], Awaitable[None]]


async def http(stage: Stage) -> None:
    """Headers, JSON, metrics and pages of a service that also tells everybody which token it was shown."""
    token = stage.environment["HTTP_TOKEN"] = stage.canary("HeaderToken")

    async def answer(request: web.Request) -> web.Response:
        shown = request.headers.get("X-Shown", "")
        headers = {"X-Debug": stage.sentences("Header"), "X-Echo": shown, "Server": f"token={token}"}
        document = {
            "echo": shown,
            "encoded": base64.b64encode(b"x" + shown.encode()).decode(),
            "mail": f"{stage.canary('Json')}@example.com",
            "github": "ghp_" + stage.canary("JsonToken").ljust(36, "0"),
            "said": stage.sentences("JsonText"),
        }
        if request.path == "/metrics":
            text = f'# HELP x {stage.sentences("Help")}\nx{{password="{token}",mail="{token}@example.com"}} 1\n'
            return web.Response(text=text, headers=headers)
        status = 503 if request.path == "/health" else 200
        return web.json_response(document, status=status, headers=headers, reason=f"token={token}")

    stage.environment["HTTP_URL"] = await stage.serve(answer)
    stage.targets.append('service: {http: "${HTTP_URL}", headers: {X-Shown: "${HTTP_TOKEN}"}}')
    stage.checks += [
        "http.status: {target: service, paths: [/health, /other]}",
        "http.json: {target: service, path: /json, pick: {echo: echo, b64: encoded, mail: mail, gh: github, s: said}}",
        "http.metrics: {target: service, series: [x]}",
    ]


async def unreachable(stage: Stage) -> None:
    """An address with a password, at which nobody listens; another whose server answers what is no HTTP."""
    stage.environment["DOWN_URL"] = f"http://user:{stage.canary('DownUrl')}@127.0.0.1:9"
    stage.targets.append('down: {http: "${DOWN_URL}"}')
    stage.checks += ["http.status: {target: down, paths: [/x], as: down}", "http.tls: {target: down, as: no_tls}"]


async def prometheus(stage: Stage) -> None:
    """Labels, warnings and errors of Prometheus."""

    async def answer(request: web.Request) -> web.Response:
        labels = {"__name__": "up", "password": stage.canary("Series"), "mail": f"{stage.canary('Mail')}@example.com"}
        match request.path.rpartition("/")[2]:
            case "query":
                data = {"resultType": "vector", "result": [{"metric": labels, "value": [1790000000, "0"]}]}
                return web.json_response({"status": "success", "data": data, "warnings": [stage.sentences("Warning")]})
            case "alerts":
                alert = {
                    "labels": {"alertname": "X", "service": "api", **labels},
                    "annotations": {"summary": stage.sentences("AlsoFiring")},
                    "state": "firing",
                    "activeAt": "2026-11-21T02:51:38.961Z",
                    "value": "1",
                }
                return web.json_response({"status": "success", "data": {"alerts": [alert]}})
        error = {"status": "error", "errorType": "bad_data", "error": stage.sentences("Error")}
        return web.json_response(error, status=400)

    stage.environment["PROMETHEUS_ADDRESS"] = await stage.serve(answer)
    stage.targets.append('metrics: {prometheus: "${PROMETHEUS_ADDRESS}"}')
    stage.checks += [
        "prometheus.query: {target: metrics, query: up}",
        "prometheus.alerts: {target: metrics}",
        "prometheus.targets: {target: metrics}",
    ]


async def vendors(stage: Stage) -> None:
    """What a vendor's status page says."""

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("summary.json"):
            incident = {
                "id": "8zc",
                "name": stage.sentences("VendorIncident"),
                "status": "investigating",
                "impact": "major",
                "created_at": "2026-11-21T02:43:00.000Z",
                "started_at": "2026-11-21T02:41:00.000Z",
                "incident_updates": [{"body": stage.sentences("VendorUpdate"), "status": "investigating"}],
            }
            page = {"id": "y2", "name": stage.sentences("VendorPage"), "updated_at": "2026-11-12T02:55:00.000Z"}
            status = {"indicator": "major", "description": stage.sentences("VendorSays")}
            body = {"page": page, "components": [], "incidents": [incident], "scheduled_maintenances": []}
            return web.json_response(body | {"status": status})
        return web.json_response({"message": stage.sentences("VendorError")}, status=403)

    stage.environment["VENDOR_URL"] = await stage.serve(answer)
    stage.targets.append('page: {statuspage: "${VENDOR_URL}"}')
    stage.checks += ["statuspage.status: {target: page}"]


async def postgres(stage: Stage, server: Postgres) -> None:
    """Statements, names of applications and tables; the password that we sign in with."""
    password = stage.canary("PostgresPassword")
    stage.environment["POSTGRES_URL"] = server.readonly_dsn.replace("responder@", f"responder:{password}@")
    named = f"worker password={stage.canary('Application')}"
    idle = await asyncpg.connect(server.dsn, server_settings={"application_name": named})
    stage.stack.push_async_callback(idle.close)
    await idle.execute(f'create table if not exists "t token={stage.canary("Table")}" (id int)')
    await idle.execute("begin")
    await idle.execute(f"select '{stage.canary('RawStatement')}', 'password={stage.canary('Statement')}'")
    stage.targets.append('db: {postgres: "${POSTGRES_URL}"}')
    stage.checks += [
        "postgres.ping: {target: db}",
        "postgres.connections: {target: db}",
        "postgres.long_queries: {target: db, over: 1ms}",
        "postgres.idle_in_transaction: {target: db, over: 1ms}",
        "postgres.locks: {target: db}",
        "postgres.table_sizes: {target: db}",
        "postgres.slow_statements: {target: db}",
        "postgres.vacuum: {target: db}",
    ]


async def caches(stage: Stage, server: System) -> None:
    """Names of keys, values, commands of the slow log; the password that we sign in with."""
    word = stage.canary("RedisPassword")
    async with redis.asyncio.Redis.from_url(server.address) as client:
        await client.config_set("slowlog-log-slower-than", 0)
        await client.lpush("queue:emails", stage.canary("RawValue"))
        await client.set(f"session:{stage.canary('Key')}@example.com", stage.canary("Value"))
        await client.set("raw", stage.canary("SlowArgument"))
        await client.client_setname(f"password={stage.canary('ClientName')}")
        await client.config_set("requirepass", word)
    stage.stack.push_async_callback(_open_again, server.address, word)
    stage.environment["REDIS_ADDRESS"] = server.address.replace("redis://", f"redis://:{word}@")
    stage.targets.append('cache: {redis: "${REDIS_ADDRESS}", allow: [scan, slowlog]}')
    stage.checks += [
        "redis.ping: {target: cache}",
        "redis.info: {target: cache}",
        "redis.queues: {target: cache, keys: ['queue:emails'], over: 0}",
        "redis.keys: {target: cache, pattern: 'session:*'}",
        "redis.slowlog: {target: cache}",
    ]


async def _open_again(address: str, word: str) -> None:
    async with redis.asyncio.Redis.from_url(address, password=word) as client:
        await client.config_set("requirepass", "")


async def environment(stage: Stage) -> None:
    """What the daemon is started with, of ours and of others."""
    stage.environment["UNRELATED_PASSWORD"] = stage.canary("Unrelated")
    stage.environment["RESPONDER_GENERIC_TOKENS"] = stage.canary("GenericToken")


SOURCES: tuple[Source, ...] = (http, unreachable, prometheus, vendors, environment)
