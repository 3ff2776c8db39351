"""Checks by hand, as a process, against real systems."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from responder.diagnostics.catalogue import catalogue
from responder.errors import UsageError
from responder.model.catalogue import CheckSpec
from responder.model.pack import Pack
from responder.rules.by_hand import chosen, compiled, parsed
from responder.rules.packs import pack_from_files
from tests.cli.conftest import REPOSITORY, Command
from tests.systems.plugin import Postgres, System, free_port

RULES = """
targets:
  database: {postgres: "${DATABASE_READONLY}"}
  cache: {redis: "${CACHE}"}
  {more}
defaults:
  redis.queues: {keys: [mail], over: 2}
bundles:
  triage: [postgres.ping, redis.ping]
rules:
  - {name: any, default: true, diagnose: [triage]}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Callable[..., Path]:
    def write(more: str = "") -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(RULES.replace("{more}", more))
        return path

    return write


@pytest.mark.system
async def test_one_check_by_hand_says_the_line_and_what_it_stands_on(
    command: Command, rules: Callable[..., Path], redis_server: System, postgres_server: Postgres
) -> None:
    subprocess.run(["redis-cli", "-p", str(redis_server.port), "rpush", "mail", "a", "b", "c"], check=True)
    where = {"RESPONDER_RULES": str(rules()), "CACHE": redis_server.address}
    where["DATABASE_READONLY"] = postgres_server.readonly_dsn

    backlog = await command("diagnose", "redis.queues", **where)
    none = await command("diagnose", "redis.queues", "over=1k", "keys=[mail, letters]", **where)
    both = await command("diagnose", "triage", "--json", **where)

    subprocess.run(["redis-cli", "-p", str(redis_server.port), "flushall"], check=True)
    assert backlog.returncode == 1, backlog.stderr
    first, headline, *below = backlog.stdout.splitlines()
    assert first.startswith("redis.queues(cache)  unhealthy, in ")
    assert headline == "  mail 3 waiting (over 2)"
    assert any(line.split() == ["Marks", "backlog"] for line in below)
    assert none.returncode == 0, none.stdout
    assert both.returncode == 0, both.stdout
    told = json.loads(both.stdout)["findings"]
    assert [(it["name"], it["outcome"]) for it in told] == [
        ("postgres.ping(database)", "healthy"),
        ("redis.ping(cache)", "healthy"),
    ]


async def test_what_could_not_look_is_said_and_no_secret_with_it(command: Command, rules: Callable[..., Path]) -> None:
    address = f"redis://someone:canary-8814@127.0.0.1:{free_port()}"

    done = await command("diagnose", "redis.info", RESPONDER_RULES=str(rules()), CACHE=address, DATABASE_READONLY="")
    unset = await command("diagnose", "postgres.locks", RESPONDER_RULES=str(rules()), CACHE=address)

    assert done.returncode == unset.returncode == 1
    assert "redis.info(cache)  could not look, in " in done.stdout
    assert "connection refused" in done.stdout
    assert "canary-8814" not in done.stdout + done.stderr
    assert "DATABASE_READONLY is not set" in unset.stdout


async def test_without_a_check_all_are_listed_with_their_question(command: Command) -> None:
    done = await command("diagnose", COLUMNS="200")
    told = json.loads((await command("diagnose", "--json")).stdout)["checks"]

    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines()[1:])
    assert lines == {name: it.question for name, it in catalogue().items()}
    assert {it["check"]: it["question"] for it in told} == lines


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("redis.qeues", "redis.qeues: unknown check or bundle `redis.qeues`; did you mean `redis.queues`?"),
        (
            "redis.nosuch",
            "redis.nosuch: unknown check or bundle `redis.nosuch`; expected one of `redis.",
        ),
        ("nosuch", "nosuch: unknown check or bundle `nosuch`; `responder diagnose` lists the checks"),
        ("redis.queues kees=a", "kees=a: unknown key `kees`; did you mean `keys`?"),
        ("redis.queues over=lots", 'over=lots: `over`: expected a number such as 500 or 1k, got "lots"'),
        ("redis.queues target=database", "target=database: target `database` is of kind postgres; expected one of"),
        ("redis.queues target=cash", "target=cash: unknown target `cash`; did you mean `cache`?"),
        ("redis.queues over", "over: expected name=value, such as target=database"),
        ("redis.queues over=1 over=2", "over: given twice"),
        ("redis.queues keys=[a", "keys=[a: not YAML: "),
        ("redis.queues pack=others", "pack=others: unknown pack; expected `mine`"),
        ("http.status", "http.status: no target of kind http; expected one under `targets`"),
    ],
)
async def test_a_mistake_is_said_with_its_cure_and_exit_is_2(
    words: str, says: str, command: Command, rules: Callable[..., Path]
) -> None:
    done = await command("diagnose", *words.split(), RESPONDER_RULES=str(rules()))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"responder: {says}")


@pytest.fixture
def specs() -> dict[str, CheckSpec]:
    from responder.diagnostics.catalogue import specs

    return dict(specs())


def pack(name: str, text: str, specs: dict[str, CheckSpec]) -> Pack:
    return pack_from_files(name, {"a.yaml": text + "\nrules: [{name: any, default: true}]"}, specs)


def test_what_is_missing_is_shown_as_it_is_typed(specs: dict[str, CheckSpec]) -> None:
    mine = pack("mine", "targets: {p: {prometheus: 'http://p'}, r: {redis: 'redis://r'}}", specs)

    with pytest.raises(UsageError) as keys:
        compiled(mine, "redis.queues", {"over": "1k"}, specs)
    with pytest.raises(UsageError) as query:
        compiled(mine, "prometheus.query", {}, specs)

    assert str(keys.value) == "redis.queues: missing: keys=[…]"
    assert str(query.value) == "prometheus.query: missing: query=…"


def test_text_that_begins_with_a_bracket_stays_text_where_text_is_meant(specs: dict[str, CheckSpec]) -> None:
    mine = pack("mine", "targets: {p: {prometheus: 'http://p'}, r: {redis: 'redis://r'}}", specs)

    _, query = compiled(mine, "prometheus.query", {"query": '{job="api"}'}, specs)
    _, keys = compiled(mine, "redis.queues", {"keys": "[bull:*:wait, mail]", "over": "1k"}, specs)

    assert query.diagnose[0].parameters.model_dump()["query"] == '{job="api"}'
    assert keys.diagnose[0].parameters.model_dump() == {"keys": ("bull:*:wait", "mail"), "over": 1000.0}


def test_of_several_packs_the_one_with_the_target_is_meant_or_has_to_be_said(specs: dict[str, CheckSpec]) -> None:
    shop = pack("shop", "targets: {cache: {redis: 'redis://r'}}", specs)
    blog = pack("blog", "targets: {store: {redis: 'redis://r'}, page: {http: 'http://b'}}", specs)

    assert chosen([shop, blog], "http.status", None, None) is blog
    assert chosen([shop, blog], "redis.ping", "cache", None) is shop
    assert chosen([shop, blog], "redis.ping", None, "blog") is blog
    with pytest.raises(UsageError, match=r"several packs could be meant: shop, blog; say which with pack=shop"):
        chosen([shop, blog], "redis.ping", None, None)


def test_labels_stand_where_a_default_asks_for_them(specs: dict[str, CheckSpec]) -> None:
    given, labels = parsed(["labels.cluster=east", "over=5"])

    assert (given, labels) == ({"over": "5"}, {"cluster": "east"})


async def test_a_terminal_sees_what_is_waited_for_and_a_pipe_does_not(
    rules: Callable[..., Path], raw_server: Callable[[bytes | None], Awaitable[int]]
) -> None:
    hangs = f"redis://127.0.0.1:{await raw_server(None)}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RESPONDER_")}
    variables = {"RESPONDER_RULES": str(rules()), "CACHE": hangs, "RESPONDER_DIAGNOSTIC_TIMEOUT": "2s"}
    read, write = pty.openpty()
    started = subprocess.Popen(
        [sys.executable, "-m", "responder.cli.main", "diagnose", "redis.info"],
        stdout=subprocess.PIPE,
        stderr=write,
        env=clean | {"PYTHONPATH": str(REPOSITORY), "DATABASE_READONLY": ""} | variables,
    )
    os.close(write)

    seen = "".join(_until_closed(read))
    out, _ = started.communicate(timeout=30)

    assert "asking redis.info(cache), 1 s" in seen
    assert seen.endswith("\r\x1b[K")
    assert b"no answer within 2 s" in out


def _until_closed(terminal: int) -> Iterator[str]:
    until = time.monotonic() + 30
    while time.monotonic() < until and select.select([terminal], [], [], 30)[0]:
        try:
            yield os.read(terminal, 4096).decode()
        except OSError:  # the other end has gone
            return
