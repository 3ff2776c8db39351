"""The whole catalogue against the systems that are here, a kind at a time: what `bench/diagnostics.py` runs.

It is a file of tests for the sake of their fixtures, which start the systems; what is not installed is skipped and
named. Each hands its row to the script by `record_property`.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import subprocess
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from redis.asyncio import Redis

from bench.looking import PER_MINUTE, Counts, asks_of, looked
from responder.clients.doors import Doors
from responder.clients.kafka_wire import Broker
from responder.clients.pagerduty_around import Account
from responder.clients.pgbouncer import _Console
from responder.model.pack import Target
from responder.telemetry import set_up_log
from tests.diagnostics.kubernetes_things import WELL, deployment, event, pod
from tests.diagnostics.test_changes_nothing import GOOGLE, ROLES, VENDORS
from tests.diagnostics.test_changes_nothing_in_kubernetes import (
    WHO,
    filled,
    in_namespace,
    responder,  # noqa: F401 - a fixture
)
from tests.systems import build_apiserver
from tests.systems.google import GoogleCloud
from tests.systems.kafka import MockCluster
from tests.systems.kubernetes import Cluster, keys
from tests.systems.plugin import LOOPBACK, Postgres, System, missing, postgres_programs, program
from tests.systems.vendors import Vendor

Tell = Callable[..., Awaitable[None]]
SESSIONS = 20
KEYS = 1_000
PODS = 30
GIVEN_SECONDS = 30
REQUESTS, ACCEPTED = (
    'prometheus_http_requests_total{code="200",handler=',
    'net_conntrack_listener_conn_accepted_total{listener_name="http"}',
)
RULES = "groups: [{name: all, rules: [{alert: HighErrorRate, expr: vector(1)}]}]"


@pytest.fixture(autouse=True)
def _log() -> None:
    """As the daemon's, into what pytest holds back."""
    set_up_log(as_json=True, level="info", redact=lambda text: text)


@pytest.fixture
def row(record_property: Callable[[str, object], None]) -> Tell:
    """`await row(system, asks, tell)`: look, and hand on what it cost."""

    async def made(*given: Any) -> None:
        record_property("row", await looked(*given))

    return made


def at(kind: str, address: Any, **more: Any) -> Target:
    return Target(name="it", kind=kind, address=address, per_minute=PER_MINUTE, **more)


async def test_http(row: Tell, tmp_path: Path) -> None:
    pki = keys(program("openssl", "apt-get install openssl"), tmp_path / "pki")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki / "server.crt", pki / "server.key")
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text="up 1\n" if request.path == "/metrics" else '{"state": "ok"}')

    async def tell() -> Counts:
        return Counts(sent=len(asked), unit="requests")

    async with served(answer, context) as base:
        await row("http, TLS by aiohttp", asks_of("http", at("http", base, ca=str(pki / "ca.crt"))), tell)


async def test_prometheus(row: Tell, prometheus_server: Callable[..., System]) -> None:
    scraped = prometheus_server()
    job = f"{{job_name: api, scrape_interval: 1s, static_configs: [{{targets: ['{LOOPBACK}:{scraped.port}']}}]}}"
    server = prometheus_server(f"rule_files: [rules.yml]\nscrape_configs: [{job}]\n", files={"rules.yml": RULES})
    async with asyncio.timeout(GIVEN_SECONDS):
        while b'"up"' not in await asyncio.to_thread(_got, f"{server.address}/api/v1/query?query=up"):
            await asyncio.sleep(0.1)
    times = 0

    async def tell() -> Counts:
        nonlocal times
        times += 1
        told = _samples(await asyncio.to_thread(_got, f"{server.address}/metrics"))
        sent = sum(it for name, it in told.items() if name.startswith(f'{REQUESTS}"/api/'))
        return Counts(sent=int(sent), unit="requests", connections=int(told[ACCEPTED]) - times)

    await row("prometheus 2.42", asks_of("prometheus", at("prometheus", server.address), query="vector(1)"), tell)


def _got(url: str) -> bytes:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return bytes(answer.read())


def _samples(exposition: bytes) -> dict[str, float]:
    lines = (it.rpartition(" ") for it in exposition.decode().splitlines() if it[:1] != "#")
    return {name: float(value) for name, _, value in lines}


async def test_postgres(row: Tell, start_postgres: Callable[..., Postgres]) -> None:
    """By its log: pg_stat_statements misses every query of ours, whose transaction is rolled back while it is open."""
    logged = {"log_connections": "on", "log_statement": "all", "log_line_prefix": "%u "}
    server = start_postgres(shared_preload_libraries="pg_stat_statements", **logged)
    psql = [str(postgres_programs() / "psql"), "-qX", "-d", server.dsn]
    subprocess.run([*psql, "-c", "create extension pg_stat_statements"], check=True)
    role = ["-v", "role=watcher", "-v", "password=pw", "-f", str(ROLES / "postgres.sql")]
    subprocess.run([*psql, *role], check=True, stdout=subprocess.DEVNULL)
    held = [await asyncpg.connect(server.dsn) for _ in range(SESSIONS)]

    async def tell() -> Counts:
        log = (server.folder / "log").read_text()
        sent = len(re.findall(r"^watcher LOG:  (?:statement|execute \S+): ", log, re.MULTILINE))
        return Counts(sent=sent, unit="statements", connections=log.count("connection authorized: user=watcher"))

    address = f"postgresql://watcher:pw@{LOOPBACK}:{server.port}/postgres"
    version = (await held[0].fetchval("show server_version")).split()[0]
    asks = asks_of("postgres", at("postgres", address), but=["postgres.pgbouncer"])
    await row(f"postgres {version}", asks, tell)
    for it in held:
        await it.close()


async def test_pgbouncer(
    row: Tell, start_pgbouncer: Callable[..., System], postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    pooler = start_pgbouncer(postgres_server)
    sent = counting(monkeypatch, _Console, "answer")

    async def tell() -> Counts:
        logged = (pooler.folder / "log").read_text().count("login attempt: db=pgbouncer user=responder")
        return Counts(sent=sent.total(), unit="statements*", connections=logged)

    await row("pgbouncer 1.18", asks_of("postgres", at("postgres", pooler.address), only=["postgres.pgbouncer"]), tell)


async def test_redis(row: Tell, start_redis: Callable[..., System]) -> None:
    server = start_redis()
    granted = (ROLES / "redis.acl").read_text().replace("PASSWORD", "pw").split()[1:]
    target = at("redis", f"redis://responder:pw@{LOOPBACK}:{server.port}", allow=frozenset({"scan", "slowlog"}))
    times = 0
    async with Redis(port=server.port) as admin:
        await admin.execute_command("ACL", "SETUSER", *granted, "+scan", "+slowlog|get")
        await admin.mset({f"key:{it}": it for it in range(KEYS)})
        await admin.rpush("queue", *range(10))
        await admin.config_resetstat()

        async def tell() -> Counts:
            nonlocal times
            times += 2
            calls = sum(it["calls"] for it in (await admin.info("commandstats")).values()) - times
            connections = (await admin.info("stats"))["total_connections_received"]
            return Counts(sent=calls, unit="commands", connections=connections)

        version = (await admin.info("server"))["redis_version"]
        times += 1
        await row(f"redis {version}, no cluster", asks_of("redis", target), tell)


@pytest.fixture(scope="session")
def apiserver_program() -> Path:
    """Built by the tests; it takes minutes, and is not begun here."""
    if not build_apiserver.BUILT.exists():
        missing("kube-apiserver", ".venv/bin/python tests/systems/build_apiserver.py")
    return build_apiserver.BUILT


async def test_kubernetes(row: Tell, cluster: Cluster, responder: Path, namespace: str) -> None:  # noqa: F811
    filled(cluster, namespace)
    for number in range(PODS):
        name = f"web-{number}"
        cluster.add(pod(namespace, name, WELL, labels={"app": "web"}))
        cluster.add(event(namespace, ("Pod", name), "BackOff"))
        cluster.kubelet.logs[namespace, name, "api"] = b"ERROR it failed\n" * 200
    cluster.add(deployment(namespace, name="web", app="web"))
    for it in (*in_namespace("pod-logs", namespace), *in_namespace("helm-history", namespace)):
        cluster.add(it)
    target = at("kubernetes", {"kubeconfig": str(responder)}, allow=frozenset({"logs", "helm"}))

    async def tell() -> Counts:
        return Counts(sent=len(cluster.audited(WHO)), unit="requests")

    await row(f"kubernetes 1.20, {PODS} pods", asks_of("kubernetes", target, namespace=namespace), tell)


async def test_clickhouse(row: Tell, clickhouse_server: System) -> None:
    """By its `default`: the shipped user may see system tables alone, and would have to be given a database first."""
    url = clickhouse_server.address
    await row("clickhouse 18.16", asks_of("clickhouse", at("clickhouse", url)), lambda: _logged(url))


async def _logged(url: str) -> Counts:
    """By its query_log, which is written a moment later: when it says the same twice."""
    ours = "type in (1, 3) and http_user_agent like 'responder/%'"  # begun, and refused before
    count = f"select count() as n from system.query_log where {ours} format JSON"
    former, now = -1, 0
    async with aiohttp.ClientSession() as session:
        while former != now:
            await asyncio.sleep(0.6)
            async with session.post(url, data=count) as answer:
                told = json.loads(await answer.read()) if answer.status == 200 else {"data": [{"n": 0}]}
            former, now = now, int(told["data"][0]["n"])
    return Counts(sent=now, unit="statements")


async def test_kafka(row: Tell, kafka_cluster: MockCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka_cluster.produce("orders", {0: 300, 1: 20, 3: 1400})
    kafka_cluster.commit("billing", "orders", {0: 100, 1: 20, 3: 100})
    sent = counting(monkeypatch, Broker, "ask")

    async def tell() -> Counts:
        return Counts(sent=sent.total(), unit="requests*")

    target = at("kafka", ", ".join(kafka_cluster.addresses))
    await row("kafka, librdkafka's mock", asks_of("kafka", target, group="billing"), tell)


@pytest.mark.parametrize("kind", ["statuspage", "github", "sentry", "pagerduty", "loki", "tempo"])
async def test_vendor(kind: str, row: Tell) -> None:
    vendor = Vendor(VENDORS)

    async def tell() -> Counts:
        return Counts(sent=len(vendor.requests), unit="requests")

    async with served(vendor) as base:
        address = {"github": "shop/api", "sentry": {"organization": "shop", "url": base}}.get(kind, base)
        doors = Doors({"GITHUB_API_URL": base}, Account(token="key", url=base))
        await row(f"{kind}, stand-in", asks_of(kind, at(kind, address)), tell, doors)


async def test_google(row: Tell) -> None:
    cloud = GoogleCloud(GOOGLE)

    async def tell() -> Counts:
        return Counts(sent=len(cloud.asked), unit="requests")

    async with served(cloud) as base:
        doors = Doors({"CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN": base, "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING": base})
        address = {"project": "shop-prod", "region": "europe-west1", "service": "api"}
        target = at("google", address, headers={"Authorization": "Bearer x"}, allow=frozenset({"logs"}))
        await row("google, stand-in", asks_of("google", target), tell, doors)


@asynccontextmanager
async def served(handler: Any, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server in this process."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, 0, ssl_context=context).start()
    try:
        yield f"http{'s' if context else ''}://{LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def counting(patch: pytest.MonkeyPatch, kind: type, method: str) -> Counter[str]:
    """How often a method is called from now on."""
    real, times = getattr(kind, method), Counter[str]()

    async def counted(*given: Any) -> Any:
        times[method] += 1
        return await real(*given)

    patch.setattr(kind, method, counted)
    return times
