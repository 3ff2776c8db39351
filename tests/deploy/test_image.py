"""The image is what the documentation says: small, closed, without root, and it runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from responder import __version__
from responder.embedded.programs import LIBRARIES
from tests.deploy.conftest import REPOSITORY, UID, Image
from tests.systems.plugin import LOOPBACK, answers, folder_for, free_port

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]  # the first of them waits for the build

TOKEN = "token-of-the-webhook"
READY_WITHIN_SECONDS = 60
OURS_AT_MOST_BYTES = 210_000_000  # 193 MB; half of it serves Kubernetes, Google, Kafka and SQL of one's own
COMPILERS = {"gcc", "cc", "g++", "ld", "make", "clang"}
ALERT = {
    "status": "firing",
    "labels": {"alertname": "HighErrorRate", "service": "payments"},
    "annotations": {"summary": "errors"},
    "startsAt": "2026-11-21T03:12:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus/graph",
    "fingerprint": "00000000000000aa",
}
WEBHOOK = {
    "version": "4",
    "groupKey": '{}:{alertname="HighErrorRate"}',
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "on-call",
    "groupLabels": {"alertname": "HighErrorRate"},
    "commonLabels": ALERT["labels"],
    "commonAnnotations": ALERT["annotations"],
    "externalURL": "http://alertmanager",
    "alerts": [ALERT],
}


@dataclass(frozen=True, kw_only=True)
class Running:
    """The daemon of the image. `process` entered the container; `pid` is the daemon's own, seen from here."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    pid: int
    volume: Path


@pytest.fixture(scope="module")
def volume() -> Iterator[Path]:
    """As an engine makes it: empty, owned by the user of the image."""
    with folder_for("volume") as folder:
        subprocess.run(["chown", f"{UID}:{UID}", str(folder)], check=True)
        yield folder


@pytest.fixture
def running(image: Image, volume: Path) -> Iterator[Running]:
    """`serve` with the embedded store on a read-only root, ready."""
    port = free_port()
    settings = {"RESPONDER_LISTEN": f"{LOOPBACK}:{port}", "RESPONDER_ALERTMANAGER_TOKENS": TOKEN}
    command = image.command(volume, *image.config["Cmd"], **settings)
    with (volume.parent / f"{volume.name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0)
    url = f"http://{LOOPBACK}:{port}"
    try:
        until = time.monotonic() + READY_WITHIN_SECONDS
        while not answers(f"{url}/readyz"):
            said = Path(log.name).read_text()[-2000:]
            assert process.poll() is None, f"ended with {process.returncode}:\n{said}"
            assert time.monotonic() < until, f"not ready:\n{said}"
            time.sleep(0.05)
        yield Running(url=url, port=port, process=process, pid=children(process.pid)[0], volume=volume)
    finally:
        kill(process)
        Path(log.name).unlink()


def children(pid: int) -> list[int]:
    return [int(it) for it in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill(process: subprocess.Popen[bytes]) -> None:
    """Number 1 of a process name space takes all others in it along; the one outside only waits for it."""
    if process.poll() is None:
        for pid in children(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait()


def test_commands_answer_as_the_user_without_rights(image: Image) -> None:
    asked = {
        "id": image.run("id", "-u"),
        "version": image.run("responder", "version"),
        "check": image.run("responder", "check"),
    }

    assert {name: it.returncode for name, it in asked.items()} == {"id": 0, "version": 0, "check": 0}
    assert asked["id"].stdout.strip() == str(UID)
    assert asked["version"].stdout.startswith(f"responder {__version__} (Python ")
    assert "0 mistakes" in asked["check"].stdout + asked["check"].stderr  # no target is configured: warnings


def test_it_says_how_to_run_it(image: Image) -> None:
    said = image.config

    assert (said["User"], said["Entrypoint"], said["Cmd"]) == (f"{UID}:{UID}", ["responder"], ["serve"])
    assert (list(said["ExposedPorts"]), list(said["Volumes"])) == (["8080/tcp"], ["/var/lib/responder"])
    assert "RESPONDER_LISTEN=0.0.0.0:8080" in said["Env"]
    assert not [it for it in said["Env"] if re.search("TOKEN|SECRET|PASSWORD|PIP_", it)]


def test_what_was_locked_is_in_it_and_nothing_else(image: Image) -> None:
    lock = (REPOSITORY / "requirements/extras.txt").read_text()
    locked = dict(re.findall(r"^(\S+?)==(\S+)", lock, re.MULTILINE))
    script = (
        "import importlib.metadata as m, json, re; "
        "print(json.dumps({re.sub('[-_.]+', '-', d.name).lower(): d.version for d in m.distributions()}))"
    )
    found = json.loads(image.run("python", "-I", "-c", script).stdout)

    assert found.items() <= locked.items()
    # The lock serves several versions of Python; what is for others is left out.
    assert set(locked) - set(found) <= {"async-timeout"}


def test_what_only_builds_is_left_behind(image: Image) -> None:
    inside = image.root / "app"
    programs = {it.name for folder in ("bin", "app/venv/bin") for it in (image.root / folder).iterdir()}
    (site,) = inside.glob("venv/lib/python3*/site-packages")

    assert (inside / "LICENSE").read_bytes() == (REPOSITORY / "LICENSE").read_bytes()
    assert sorted(it.name for it in inside.iterdir()) == ["LICENSE", "responder", "rules", "venv"]
    assert not programs & (COMPILERS | {"pip", "pip3"})
    assert not (image.root / "build").exists()
    assert not (image.root / "etc/pip.conf").exists()
    assert not list(image.root.glob("root/.cache/*"))
    assert not list(site.rglob("*.a"))
    assert list((site / LIBRARIES).glob("libpq*"))
    assert (inside / "responder/__pycache__").is_dir()  # compiled already: nobody could write it there later


def test_nothing_of_it_may_be_written_by_its_user(image: Image) -> None:
    looked = image.run("find", "/app", "-not", "-type", "l", "-writable")

    assert (looked.returncode, looked.stdout) == (0, "")


def test_it_stays_small(image: Image) -> None:
    assert image.bytes - image.base_bytes < OURS_AT_MOST_BYTES


def test_it_accepts_a_webhook_on_a_read_only_root_and_stops_when_told(image: Image, running: Running) -> None:
    body = json.dumps(WEBHOOK).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(f"{running.url}/webhooks/alertmanager", body, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        accepted = json.load(answer)
        status = answer.status

    assert (status, accepted["accepted"], accepted["incidents"]) == (202, 1, ["inc-0001"])
    owner = Path(f"/proc/{running.pid}").stat().st_uid
    assert owner == UID
    assert (running.volume / "data/postgres/PG_VERSION").stat().st_uid == UID

    subprocess.run(["kill", "-TERM", str(running.pid)], check=True)

    assert running.process.wait(40) == 0
    assert not (running.volume / "data/postgres/postmaster.pid").exists()  # the store was stopped, not cut off


def test_its_health_check_tells_running_from_not_running(image: Image, running: Running) -> None:
    kind, *probe = image.config["Healthcheck"]["Test"]
    settings = {"RESPONDER_LISTEN": f"{LOOPBACK}:{running.port}", "http_proxy": "http://127.0.0.1:9"}

    assert kind == "CMD"
    assert image.run(*probe, **settings).returncode == 0

    kill(running.process)

    assert image.run(*probe, **settings).returncode == 1
