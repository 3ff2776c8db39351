"""What holds for every diagnostic that is found in the folder."""

import asyncio
import atexit
import os
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from responder import diagnostics
from responder.clients.doors import Doors
from responder.clients.locate import LOGGING_VARIABLE, RUN_VARIABLE
from responder.clients.pagerduty_around import Account
from responder.diagnostics.catalogue import catalogue, specs
from responder.diagnostics.diagnostic import Diagnostic
from responder.errors import CouldNotLook
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from tests.systems.plugin import free_port

ALL = list(catalogue().values())
SCHEME = {"postgres": "postgresql", "redis": "redis", "kafka": "kafka"}  # all others: http
NEEDED: dict[str, dict[str, Any]] = {
    "prometheus.query": {"query": "up"},
    "prometheus.graph": {"query": "up"},
    "prometheus.rules": {"alert": "HighErrorRate"},
    "redis.queues": {"keys": "queue"},
    "http.metrics": {"series": "up"},
    "http.json": {"path": "/", "pick": {"state": "state"}},
    "kubernetes.helm": {"namespace": "shop"},
    **{f"pagerduty.{name}": {"incident": "Q2STH1QX0AJT5J"} for name in ("changes", "related", "past_incidents")},
    "loki.errors": {"query": '{app="api"}'},
    "tempo.trace": {"id": "4bf92f3577b34da6a3ce929d0e0e4736"},
}
ASK_WHETHER_IT_ANSWERS = {"http.status", "postgres.ping", "redis.ping"}
KUBECONFIG = """\
clusters: [{name: c, cluster: {server: "https://HOST/s3cretpath"}}]
users: [{name: u, user: {token: s3crettoken}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""
SECRETS = ("s3cretuser", "s3cret/word", "s3cret%2Fword", "s3crettoken", "s3cretpath")
every = pytest.mark.parametrize("diagnostic", ALL, ids=lambda it: it.name)


def asked(diagnostic: Diagnostic) -> Parameters:
    return diagnostic.parameters(**NEEDED.get(diagnostic.name, {}))


def address_of(kind: str, at: str) -> Any:
    """As rule files would write it."""
    if kind == "kubernetes":
        file, name = tempfile.mkstemp(suffix=".kubeconfig")
        os.write(file, KUBECONFIG.replace("HOST", at.rpartition("@")[2].partition("/")[0]).encode())
        os.close(file)
        atexit.register(os.unlink, name)
        return {"kubeconfig": name}
    service = {"project": "shop", "region": "europe-west1", "service": "api"}
    given: dict[str, Any] = {
        "github": "owner/repository",
        "google": service,
        "kafka": at.partition("@")[2],
        "sentry": {"organization": "shop", "url": at},
    }
    return given.get(kind, at)


def target_at(diagnostic: Diagnostic, host: str) -> tuple[Target, Doors]:
    """A target there, and doors that lead to it."""
    scheme = "https" if diagnostic.name == "http.tls" else SCHEME.get(diagnostic.target_kind, "http")
    path = "/s3cretpath" if diagnostic.target_kind not in SCHEME else ""
    at = f"{scheme}://s3cretuser:s3cret%2Fword@{host}{path}"
    target = Target(
        name="it",
        kind=diagnostic.target_kind,
        address=address_of(diagnostic.target_kind, at),
        headers={} if diagnostic.target_kind in SCHEME else {"Authorization": "Bearer ${TOKEN}"},
        allow=frozenset({"scan", "slowlog", "logs", "helm"}),
    )
    account = Account(token="s3crettoken", url=f"http://{host}/s3cretpath")
    elsewhere = ("GITHUB_API_URL", RUN_VARIABLE, LOGGING_VARIABLE)
    return target, Doors({"TOKEN": "s3crettoken", **dict.fromkeys(elsewhere, at)}, account)


def test_the_folder_is_the_registry() -> None:
    modules = [it for it in Path(diagnostics.__file__).parent.glob("*.py") if "DIAGNOSTIC: " in it.read_text()]

    assert {"http.status", "postgres.connections", "prometheus.query", "redis.info"} <= set(catalogue())
    assert len(modules) == len(catalogue()) == len(specs())


@every
def test_it_says_what_it_asks_and_stands_in_the_file_of_its_name(diagnostic: Diagnostic) -> None:
    spec = specs()[diagnostic.name]

    assert spec.question.endswith("?")
    assert spec.target_kind == diagnostic.name.partition(".")[0]
    assert issubclass(spec.parameters, Parameters)
    assert sys.modules[type(diagnostic).__module__].__file__ == str(
        Path(diagnostics.__file__).parent / f"{diagnostic.name.replace('.', '_')}.py"
    )


def test_no_diagnostic_reaches_a_network_library_by_itself() -> None:
    for path in Path(diagnostics.__file__).parent.glob("*.py"):
        lines = path.read_text().splitlines()
        imported = {it.split()[1].split(".")[0] for it in lines if it.startswith(("import ", "from "))}
        assert not imported & {"aiohttp", "aiokafka", "asyncpg", "google", "redis", "socket", "subprocess"}, path


@every
async def test_it_gives_up_when_cancelled(
    diagnostic: Diagnostic, raw_server: Callable[[bytes | None], Awaitable[int]]
) -> None:
    target, doors = target_at(diagnostic, f"127.0.0.1:{await raw_server(None)}")
    looking = asyncio.get_running_loop().create_task(diagnostic.examine(target, asked(diagnostic), doors))
    await asyncio.sleep(0.1)

    looking.cancel()
    done, _ = await asyncio.wait({looking}, timeout=2)

    assert done == {looking}
    assert looking.cancelled()
    await doors.close()


@every
@pytest.mark.parametrize("host", ["nowhere.invalid", "169.254.169.254", "PORT"])
async def test_it_survives_an_unreachable_target_and_leaks_no_secret(diagnostic: Diagnostic, host: str) -> None:
    """What is no connection to a name or address is CouldNotLook; only these take a refusal for news."""
    at = f"127.0.0.1:{free_port()}" if host == "PORT" else host
    target, doors = target_at(diagnostic, at)

    said: CouldNotLook | Finding
    try:
        said = await diagnostic.examine(target, asked(diagnostic), doors)
    except CouldNotLook as reason:
        said = reason

    if isinstance(said, Finding):
        assert diagnostic.name in ASK_WHETHER_IT_ANSWERS
        assert (host, said.outcome) == ("PORT", Outcome.UNHEALTHY)
    assert not [secret for secret in SECRETS if secret in repr(said) + str(said)]
    await doors.close()


@every
async def test_a_target_that_is_not_configured_is_named(diagnostic: Diagnostic) -> None:
    keys = {"sentry": "organization", "kubernetes": "kubeconfig", "google": "project"}
    key = keys.get(diagnostic.target_kind)
    address = {key: "${THE_URL}"} if key else "${THE_URL}"
    target = Target(name="it", kind=diagnostic.target_kind, address=address)

    lacking = "RESPONDER_PAGERDUTY_TOKEN" if diagnostic.target_kind == "pagerduty" else "THE_URL"
    with pytest.raises(CouldNotLook, match=f"{lacking} is not set"):
        await diagnostic.examine(target, asked(diagnostic), Doors({}))


@every
@pytest.mark.parametrize(
    "says",
    [b"", b"\x00\xff\x00\xff\r\n", b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", b"-ERR s3cretuser\r\n"],
)
async def test_it_survives_nonsense(
    diagnostic: Diagnostic, says: bytes, raw_server: Callable[[bytes], Awaitable[int]]
) -> None:
    target, doors = target_at(diagnostic, f"127.0.0.1:{await raw_server(says)}")

    said: CouldNotLook | Finding
    try:
        said = await diagnostic.examine(target, asked(diagnostic), doors)
    except CouldNotLook as reason:
        said = reason

    if isinstance(said, Finding):
        assert said.outcome is not Outcome.HEALTHY
    assert not [secret for secret in SECRETS if secret in repr(said) + str(said)]
    await doors.close()


def test_listing_all_checks_loads_only_what_their_files_need() -> None:
    program = "import sys; from responder.diagnostics.catalogue import specs; print(len(specs()))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == f"{len(ALL)}\n"
