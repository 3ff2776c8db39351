"""The compose file: valid, names only what exists, and what it puts together shows a note.

There is no engine here. The programs of its services are started without containers, on loopback: same commands,
environments, configuration files and secrets, with addresses and paths replaced.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from responder.demo.alerting_plan import HIGH_ERROR_RATE, ROUTING_KEY
from responder.demo.pagerduty import TOKEN
from responder.settings import Settings, not_acted_on
from tests.deploy.conftest import REPOSITORY
from tests.systems.plugin import Postgres, answers, folder_for, free_port, program, start, stop

DEPLOY = REPOSITORY / "deploy"
SECRETS_AT = "/run/secrets"
NOTE_WITHIN_SECONDS = 60
OURS = ("responder", "sample", "pagerduty")
DEBIAN = {"prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}
READY = {"responder": "readyz", "prometheus": "-/ready", "alertmanager": "-/ready"}


@pytest.fixture
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


@pytest.fixture
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]
    return found


def mounts(service: Mapping[str, Any]) -> dict[str, str]:
    """Path inside → what of this repository is there; volumes are left out."""
    given = [it.split(":") for it in service.get("volumes", [])]
    return {inside: outside for outside, inside, *_ in given if outside.startswith(".")}


def configuration() -> dict[str, str]:
    return {
        path.relative_to(DEPLOY / "compose").as_posix(): path.read_text()
        for path in (DEPLOY / "compose").rglob("*.yml")
    }


def test_it_is_a_compose_file(compose: dict[str, Any]) -> None:
    assert set(PyCompose.from_yaml(yaml.safe_dump(compose)).service_names()) >= set(OURS)


def test_a_mistake_in_it_would_be_noticed(compose: dict[str, Any]) -> None:
    compose["services"]["responder"]["read_onyl"] = True

    with pytest.raises(ValueError, match="read_onyl"):
        PyCompose.from_yaml(yaml.safe_dump(compose))


def test_what_it_mounts_exists(compose: dict[str, Any], services: dict[str, Any]) -> None:
    files = {name: DEPLOY / it["file"] for name, it in compose["secrets"].items()}

    assert all((DEPLOY / outside).exists() for it in services.values() for outside in mounts(it).values())
    assert all(it.is_file() for it in files.values())
    used = {name for it in services.values() for name in it.get("secrets", [])}
    assert used | {"database-url"} == set(files)
    named = re.findall(rf"{SECRETS_AT}/([\w-]+)", json.dumps(services) + "".join(configuration().values()))
    assert set(named) == used
    assert (DEPLOY / services["responder"]["build"]["context"] / "Dockerfile").resolve() == REPOSITORY / "Dockerfile"


def test_the_database_has_one_password(compose: dict[str, Any]) -> None:
    secrets = {name: (DEPLOY / it["file"]).read_text().strip() for name, it in compose["secrets"].items()}

    assert f":{secrets['database-password']}@" in secrets["database-url"]
    assert (secrets["pagerduty-token"], secrets["routing-key"]) == (TOKEN, ROUTING_KEY)


def test_ports_are_published_to_this_machine_only(services: dict[str, Any]) -> None:
    published = [it for service in services.values() for it in service.get("ports", [])]

    assert published
    assert all(it.startswith("127.0.0.1:") for it in published)


def test_every_address_is_that_of_a_service(services: dict[str, Any]) -> None:
    said = json.dumps([it.get("environment") for it in services.values()]) + "".join(configuration().values())
    named = re.findall(rf"\b({'|'.join(services)}):(\d+)\b", said)
    published = {name: {it.rpartition(":")[2] for it in service.get("ports", [])} for name, service in services.items()}

    assert {name for name, _ in named} >= {"responder", "sample", "pagerduty", "prometheus", "alertmanager"}
    assert [(name, port) for name, port in named if port not in published[name]] == []
    for name in ("sample", "pagerduty"):
        assert published[name] == {services[name]["entrypoint"][-1]}


def test_its_settings_are_accepted(
    services: dict[str, Any], settings_of: Callable[[Mapping[str, str]], Settings]
) -> None:
    environment = {
        name: value.replace(SECRETS_AT, str(DEPLOY / "compose/secrets"))
        for name, value in services["responder"]["environment"].items()
    }

    settings = settings_of(environment)

    assert not_acted_on(settings) == []
    assert settings.database_url is not None
    assert settings.alertmanager_tokens


def test_its_alert_is_that_of_the_demo() -> None:
    """The rules that it uses are the demo's, which know that alert's times."""
    [group] = yaml.safe_load(configuration()["prometheus/rules.yml"])["groups"]
    [rule] = group["rules"]

    assert (rule["alert"], rule["expr"]) == (HIGH_ERROR_RATE.name, HIGH_ERROR_RATE.expression)
    assert rule["for"] == f"{HIGH_ERROR_RATE.hold_seconds}s"
    assert (rule["labels"], rule["annotations"]) == (HIGH_ERROR_RATE.labels, HIGH_ERROR_RATE.annotations)


@pytest.mark.system
@pytest.mark.parametrize(
    ("checker", "arguments", "package"),
    [
        ("promtool", ["check", "config", "prometheus/prometheus.yml"], "prometheus"),
        ("amtool", ["check-config", "alertmanager/alertmanager.yml"], "prometheus-alertmanager"),
    ],
)
def test_their_own_tools_accept_the_configurations(checker: str, arguments: list[str], package: str) -> None:
    command = [program(checker, f"apt-get install {package}"), *arguments]

    done = subprocess.run(command, cwd=DEPLOY / "compose", capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr.count("FAILED")) == (0, 0), done.stdout + done.stderr


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The services on loopback. `port`: by service; `here`: what stands in the files → what stands for it here."""

    services: Mapping[str, Any]
    folder: Path
    port: Mapping[str, int]
    here: Mapping[str, str]

    def local(self, text: str) -> str:
        """With our addresses and paths."""
        longest_first = sorted(self.here, key=len, reverse=True)
        pattern = "|".join(rf"(?<![\w{it[0]}-]){re.escape(it)}(?![\w-])" for it in longest_first)  # http://x is no path
        return re.sub(pattern, lambda found: self.here[found[0]], text)

    def command(self, name: str) -> list[str]:
        """What its container would run, with the program as it is called here."""
        given = [self.local(it) for it in (*self.services[name].get("entrypoint", []), *self.services[name]["command"])]
        if name in DEBIAN:
            server = program(DEBIAN[name], f"apt-get install {DEBIAN[name]}")
            return [server, *given, f"--web.listen-address=127.0.0.1:{self.port[name]}"]
        return [sys.executable, *given[1:-1], str(self.port[name])]

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start it and wait until it is ready."""
        at = f"127.0.0.1:{self.port[name]}"
        ours = name == "responder"
        command = [sys.executable, "-m", "responder.cli.main", "serve"] if ours else self.command(name)
        given = {key: self.local(value) for key, value in self.services[name].get("environment", {}).items()}
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "RESPONDER_LISTEN": at, **given}
        ready = f"http://{at}/{READY.get(name, '')}"
        (self.folder / name).mkdir(exist_ok=True)
        clean = ["env", "-i", *(f"{key}={value}" for key, value in environment.items())]
        return start(name, [*clean, *command], self.folder / name, lambda: answers(ready))

    def said(self) -> str:
        """The ends of all logs."""
        logs = sorted(self.folder.glob("*/log"))
        return "\n".join(f"{it.parent.name}: {it.read_text(errors='replace')[-1500:]}" for it in logs)


@pytest.fixture
def stage(services: dict[str, Any], start_postgres: Callable[..., Postgres]) -> Iterator[Stage]:
    """All services, the database being Debian's."""
    postgres = start_postgres()
    ask = ["psql", "-qX", postgres.dsn, "-c", "create database responder owner responder"]
    subprocess.run(ask, check=True)
    inside = {name: it["ports"][0].rpartition(":")[2] for name, it in services.items() if "ports" in it}
    port = {name: free_port() for name in inside} | {"postgres": postgres.port}
    inside["postgres"] = "5432"
    with folder_for("compose") as folder:
        here = {f"{name}:{number}": f"127.0.0.1:{port[name]}" for name, number in inside.items()} | {
            SECRETS_AT: str(folder / "secrets"),
            "/app/responder": str(REPOSITORY / "responder"),
            "/etc/prometheus": str(folder / "prometheus"),
            "/etc/alertmanager": str(folder / "alertmanager"),
            "/prometheus": str(folder / "series"),
            "/alertmanager": str(folder / "silences"),
            "/demo/stand_in.py": str(DEPLOY / "compose/stand_in.py"),
        }
        made = Stage(services=services, folder=folder, port=port, here=here)
        for path in (it for it in (DEPLOY / "compose").rglob("*") if it.is_file() and it.suffix != ".pyc"):
            to = folder / path.relative_to(DEPLOY / "compose")
            to.parent.mkdir(exist_ok=True)
            to.write_text(made.local(path.read_text()))
        with contextlib.ExitStack() as stack:
            for name in ("sample", "pagerduty", "alertmanager", "prometheus", "responder"):
                stack.callback(stop, made.start(name))
            yield made


def asked(url: str) -> Any:
    headers = {
        "Authorization": f"Token token={TOKEN}",
        "Accept": "application/vnd.pagerduty+json;version=2",
        "Content-Type": "application/json",
    }
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, headers=headers), timeout=5) as answer:
        return json.load(answer)


def notes(port: int) -> list[str]:
    url = f"http://127.0.0.1:{port}/incidents"
    return [note["content"] for it in asked(url)["incidents"] for note in asked(f"{url}/{it['id']}/notes")["notes"]]


@pytest.mark.system
def test_what_it_puts_together_shows_a_note(stage: Stage) -> None:
    # Containers reach one another by other addresses than loopback's first.
    request = urllib.request.Request(f"http://127.0.0.2:{stage.port['sample']}/_break", method="POST")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5).close()

    until = time.monotonic() + NOTE_WITHIN_SECONDS
    while not notes(stage.port["pagerduty"]) and time.monotonic() < until:
        time.sleep(0.2)

    found = notes(stage.port["pagerduty"])
    assert len(found) == 1, stage.said()
    (note,) = found
    assert "[responder:compose:inc-0001]" in note
    assert re.search(r"API error rate [\d.]+ %", note.splitlines()[0])  # it asked this Prometheus
    assert "HTTP 503" in note  # and looked at the sample service
