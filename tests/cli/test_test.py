"""`responder test`, as a process."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Command
from tests.kept import PACK as RULES
from tests.kept import Kept

PACK = """
targets: {prometheus: {prometheus: "http://prometheus:9090"}}
signals: {error_rate: {unit: percent, prometheus: {query: rate}}}
rules: [{name: errors, match: ['alertname="Errors"'], thresholds: {error_rate: {warning: "> 5% for 2m"}}}]
severity: {levels: {P1: , P2: }, otherwise: {warning: P1, clear: P2}}
"""
TESTS = """\
tests:
  - name: over
    alerts: [{alertname: Errors}]
    readings: {error_rate: 6% for 1m}
    expect: {verdict: {errors: pending}, severity: P1}
    then:
      - {at: 1m, expect: {verdict: {errors: warning}, severity: P2}}
"""


def written(folder: Path, tests: str) -> Path:
    (folder / "mine").mkdir()
    (folder / "mine/pack.yaml").write_text(PACK)
    (folder / "mine/errors.test.yaml").write_text(tests)
    return folder / "mine"


async def test_a_failure_shows_what_was_expected_what_came_and_why(command: Command, tmp_path: Path) -> None:
    written(tmp_path, TESTS)

    run = await command("test", "mine")

    assert run.stdout.splitlines() == [
        "mine/errors.test.yaml:7:55: failed: over · at 1m · severity",
        "    - {at: 1m, expect: {verdict: {errors: warning}, severity: P2}}",
        "    expected  P2",
        "    got       P1",
        "    why       errors: error rate 6 % (warning: > 5 % for 2m; breached for 2m)",
        "              otherwise → P1",
    ]
    assert (run.stderr, run.returncode) == ("1 pack, 1 test: 1 failed\n", 1)


async def test_what_holds_says_how_much_there_was(command: Command, tmp_path: Path) -> None:
    written(tmp_path, TESTS.replace("severity: P2", "severity: P1"))

    for run in (await command("test", "mine"), await command("test", "mine/errors.test.yaml")):
        assert (run.stdout, run.stderr, run.returncode) == ("1 pack, 1 test: 0 failed\n", "", 0)


async def test_a_mistake_in_a_test_is_named_with_its_place(command: Command, tmp_path: Path) -> None:
    written(tmp_path, TESTS.replace("error_rate", "eror_rate"))

    run = await command("test", "mine")

    assert run.stdout.splitlines()[0] == (
        "mine/errors.test.yaml:4:16: unknown signal `eror_rate`; did you mean `error_rate`?"
    )
    assert (run.stderr, run.returncode) == ("1 pack, 0 tests: 0 failed, 1 mistake\n", 1)


async def test_a_file_of_tests_that_would_not_be_found_is_named(command: Command, tmp_path: Path) -> None:
    written(tmp_path, TESTS.replace("severity: P2", "severity: P1"))
    (tmp_path / "mine/more.test.yml").write_text(TESTS)

    run = await command("test", "mine")

    assert run.stdout == "mine/more.test.yml:1:1: tests of rules end in .test.yaml; expected the name more.test.yaml\n"
    assert (run.stderr, run.returncode) == ("1 pack, 1 test: 0 failed, 1 mistake\n", 1)


async def test_for_machines(command: Command, tmp_path: Path) -> None:
    written(tmp_path, TESTS)

    told = json.loads((await command("test", "mine", "--json")).stdout)

    assert (told["packs"], told["tests"], told["problems"]) == (["mine"], 1, [])
    (failure,) = told["failures"]
    assert (failure["file"], failure["line"], failure["test"], failure["at_seconds"]) == (
        "mine/errors.test.yaml", 7, "over", 60.0,
    )  # fmt: skip
    assert (failure["key"], failure["expected"], failure["got"]) == ("severity", "P2", "P1")


async def test_changes_that_no_test_notices_are_listed(command: Command, tmp_path: Path) -> None:
    written(tmp_path, TESTS.replace("severity: P2", "severity: P1"))

    run = await command("test", "--mutate", "mine")

    assert run.stdout.splitlines() == [
        'mine/pack.yaml:4:9: no test notices: rule errors: error_rate warning "> 5% for 2m" moved to "> 4% for 2m"',
        'mine/pack.yaml:4:9: no test notices: rule errors: `alertname="Errors"` dropped from `alertname="Errors"`',
    ]
    assert (run.stderr, run.returncode) == ("4 changes, 2 noticed, 2 not\n", 1)


async def test_a_folder_that_is_not_there_is_said(command: Command) -> None:
    run = await command("test", "nowhere")

    assert (run.returncode, "nowhere:1:1: no such file or folder" in run.stdout) == (1, True)


async def test_a_test_of_an_incident_comes_from_the_store(kept: Kept, command: Command, tmp_path: Path) -> None:
    written = await command("test", "--from", "inc-0001")

    assert (written.returncode, written.stderr) == (0, "")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/pack.yaml").write_text(RULES.read_text())
    (tmp_path / "mine/inc-0001.test.yaml").write_text(written.stdout)
    run = await command("test", "mine")
    assert (run.stdout, run.returncode) == ("1 pack, 1 test: 0 failed\n", 0)
    assert "canary-5519" not in written.stdout


async def test_an_incident_that_there_is_not_is_said(kept: Kept, command: Command) -> None:
    run = await command("test", "--from", "inc-9999")

    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "responder: there is no incident 'inc-9999' here; `responder incidents` lists them\n"
