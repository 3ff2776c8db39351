"""The daemon as a process: files that change below it, a ConfigMap that is swapped, SIGHUP."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.daemon import Daemon
from tests.faults.world import WEBHOOK_TOKEN
from tests.reload.mutants import GOOD
from tests.rules.test_stamp import publish

WITHIN_SECONDS = 30.0
SERVED = GOOD.replace("> 5% for 2m", "> {percent}% for 2m").replace("{", "{{").replace("}", "}}")
SERVED = SERVED.replace("{{percent}}", "{percent}")


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A ConfigMap with one file of rules."""
    made = tmp_path / "rules"
    put(made, 5)
    (made / "rules.yaml").symlink_to("..data/rules.yaml")
    return made


def put(mount: Path, percent: object) -> None:
    publish(mount, f"v{percent}", SERVED.format(percent=percent))


@pytest.fixture
def daemon(mount: Path, embedded_database: str) -> Iterator[Daemon]:
    made = Daemon.made(
        {
            "RESPONDER_RULES": str(mount),
            "RESPONDER_ALERTMANAGER_TOKENS": WEBHOOK_TOKEN,
            "RESPONDER_DATABASE_URL": embedded_database,
        }
    )
    made.start()
    yield made
    made.clean_up()


def until(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def critical(daemon: Daemon) -> str:
    with urllib.request.urlopen(f"{daemon.url}/api/v1/rules", timeout=10) as answer:
        body = json.load(answer)
    text: str = body["packs"][0]["rules"][0]["thresholds"]["error_rate"]["critical"]
    return text


def test_rules_are_taken_while_it_runs_and_bad_ones_are_not(daemon: Daemon, mount: Path) -> None:
    assert critical(daemon) == "> 5% for 2m"

    put(mount, 6)
    until(lambda: critical(daemon) == "> 6% for 2m")

    put(mount, "six")
    until(lambda: [it for it in daemon.events("rules.problem") if "six" in it["why"]])
    (problem,) = [it for it in daemon.events("rules.problem") if "six" in it["why"]]
    assert problem["at"] == f"{mount}/rules.yaml:12:54"
    assert critical(daemon) == "> 6% for 2m"

    (mount / "rules.yaml").unlink()  # an ordinary file from now on, half of which is written first
    (mount / "rules.yaml").write_text(SERVED.format(percent=7)[:400])
    until(lambda: len(daemon.events("rules.refused")) >= 2)
    (mount / "rules.yaml").write_text(SERVED.format(percent=7))
    until(lambda: critical(daemon) == "> 7% for 2m")

    assert daemon.process is not None
    reloads = len(daemon.events("rules.reloaded"))
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: len(daemon.events("rules.reloaded")) == reloads + 1)
    last = daemon.events("rules.reloaded")[-1]
    assert (last["by"], last["changed"], last["rules"]) == ("SIGHUP", [], 2)
    assert daemon.terminate()[0] == 0
