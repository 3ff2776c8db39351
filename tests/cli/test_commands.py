"""The command line from outside, as a process."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from responder import __version__
from tests.systems.plugin import System

REPOSITORY = Path(__file__).parents[2]
BODY = {
    "version": "4",
    "groupKey": '{}:{alertname="HighErrorRate"}',
    "status": "firing",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "HighErrorRate", "service": "payments", "password": "canary-5519"},
            "annotations": {},
            "startsAt": "2026-11-21T02:51:38.961Z",
        }
    ],
}
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run("check", "folder", stdin=…, RESPONDER_NAME=…)` in an empty folder."""

    def call(*arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RESPONDER_")}
        return subprocess.run(
            [sys.executable, "-m", "responder.cli.main", *arguments],
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env=clean
            | {"PYTHONPATH": str(REPOSITORY), "RESPONDER_RULES": str(REPOSITORY / "rules/starter")}
            | variables,
        )

    return call


def test_version(run: Run) -> None:
    assert run("version").stdout.startswith(f"responder {__version__} (Python ")
    assert json.loads(run("version", "--json").stdout)["responder"] == __version__


def test_a_command_works_whose_error_output_was_closed(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "RESPONDER_RULES": str(REPOSITORY / "rules/starter")}
    command = f"{sys.executable} -m responder.cli.main explain /dev/null"

    done = subprocess.run(["sh", "-c", f"exec {command} <&- 2>&-"], cwd=tmp_path, env=environment, timeout=60)

    assert done.returncode == 2  # it holds no alert


def test_a_standard_output_that_was_closed_takes_what_is_said_and_refuses_a_report(tmp_path: Path) -> None:
    prints = (
        "import asyncio; from responder.cli import main; from responder.printing import printing; "
        "main._open_what_is_closed(); print('said', flush=True); asyncio.run(printing()('a report', 30))"
    )

    done = subprocess.run(
        ["sh", "-c", f'exec {sys.executable} -c "{prints}" >&-'],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )

    assert done.stderr.splitlines()[-1].endswith("DeliveryRefused: standard output refused it: Bad file descriptor")


def test_mistakes_in_tests_of_rules_are_named_by_check_once_the_pack_has_none(run: Run, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "rules.yaml").write_text("rules: [{name: a, match: ['alertname=\"A\"']}]\n")
    (mine / "a.test.yaml").write_text(
        "tests:\n  - name: one\n    alerts: [{alertname: A}]\n    expect: {rules: [b], sevrity: P1}\n"
    )
    done = run("check", str(mine))
    (mine / "rules.yaml").write_text("rules: [{name: a, mtch: ['alertname=\"A\"']}]\n")
    broken = run("check", str(mine))

    assert done.returncode == broken.returncode == 1
    assert f"{mine}/a.test.yaml:4:26: " in done.stdout
    assert "did you mean `severity`?" in done.stdout
    assert "1 mistake" in done.stdout + done.stderr
    assert "a.test.yaml" not in broken.stdout


@pytest.mark.parametrize("group", [(), ("incidents",), ("quarantine",), ("store",)], ids=str)
def test_help_says_each_command_whole_on_80_columns(run: Run, group: tuple[str, ...]) -> None:
    said = run(*group, "--help", COLUMNS="80").stdout

    assert "Commands:" in said
    assert not [line for line in said.partition("Commands:")[2].splitlines() if line.endswith("...")]


def test_the_starter_pack_has_no_mistake(run: Run) -> None:
    names = ("PROMETHEUS_URL", "API_URL", "DATABASE_URL_READONLY", "REDIS_URL")
    done = run("check", **dict.fromkeys(names, "somewhere"))

    assert done.returncode == 0
    assert "1 pack, 21 rules: 0 mistakes, " in done.stdout + done.stderr
    assert "is not set" not in done.stdout


def test_a_target_whose_variable_is_not_set_is_a_warning_and_no_mistake(run: Run) -> None:
    names = ("PROMETHEUS_URL", "API_URL", "DATABASE_URL_READONLY")
    done = run("check", REDIS_URL="", **dict.fromkeys(names, "somewhere"))

    assert done.returncode == 0
    (warning,) = (it for it in done.stdout.splitlines() if "is not set" in it)
    assert warning.endswith("targets.yaml:7:18: warning: REDIS_URL is not set: the target `cache` is not configured")


def test_every_mistake_is_named_with_its_place_and_exit_is_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "rules.yaml").write_text(
        "rules:\n  - name: a\n    match: ['alertname=\"A\"']\n    treshold: {}\n  - name: b\n    match: []\n"
    )

    done = run("check", "mine")

    assert done.returncode == 1
    assert "mine/rules.yaml:4:5: unknown key `treshold`; did you mean `thresholds`?" in done.stdout
    assert "mine/rules.yaml:6:" in done.stdout


def test_machines_read_mistakes_as_json(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rulez: []\n")

    done = run("check", "--format", "json", "rules.yaml")

    assert [(it["file"], it["line"], it["column"]) for it in json.loads(done.stdout)][:1] == [("rules.yaml", 1, 1)]


def test_settings_are_shown_with_secrets_masked(run: Run) -> None:
    done = run("settings", RESPONDER_PAGERDUTY_TOKEN="canary-7710", RESPONDER_NAME="prod")

    shown = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()}
    assert (shown["RESPONDER_NAME"], shown["RESPONDER_PAGERDUTY_TOKEN"]) == ("prod", "***")
    assert "canary-7710" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"RESPONDER_PAGERDUTY_TOKN": "x"},
            "RESPONDER_PAGERDUTY_TOKN: unknown setting; did you mean RESPONDER_PAGERDUTY_TOKEN?",
        ),
        ({"RESPONDER_LISTEN": "here"}, 'RESPONDER_LISTEN: expected an address such as 127.0.0.1:8080, got "here"'),
        ({"RESPONDER_FIRST_REPORT_WITHIN": "soon"}, "RESPONDER_FIRST_REPORT_WITHIN: "),
        ({"RESPONDER_SLACK_TOKEN_FILE": "/not/there"}, "RESPONDER_SLACK_TOKEN_FILE: cannot read /not/there"),
    ],
)
def test_a_wrong_setting_is_said_with_its_cure_and_exit_is_2(run: Run, variables: dict[str, str], says: str) -> None:
    done = run("settings", **variables)

    assert done.returncode == 2
    assert says in done.stderr


def test_what_kubernetes_sets_for_a_service_is_no_mistake(run: Run) -> None:
    done = run(
        "settings", RESPONDER_SERVICE_HOST="10.0.0.1", RESPONDER_PORT="tcp://10.0.0.1:80", RESPONDER_PORT_80_TCP="x"
    )

    assert done.returncode == 0


def test_a_secret_comes_from_a_file_without_its_line_end(run: Run, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n")

    done = run("settings", "--json", RESPONDER_PAGERDUTY_TOKEN_FILE=str(tmp_path / "token"))

    assert json.loads(done.stdout)["RESPONDER_PAGERDUTY_TOKEN"] == "***"


def test_explain_tells_every_decision_and_keeps_secrets(run: Run) -> None:
    done = run("explain", "-", stdin=json.dumps(BODY))

    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if line[:1].isalpha()] == [
        "Webhook",
        "Pack",
        "Rules",
        "Verdicts",
        "Severity",
        "People",
        "Checks",
        "Note",
    ]
    assert "yes api-error-rate" in done.stdout
    assert "error_rate no reading, held against" in done.stdout
    assert "unknown (PROMETHEUS_URL is not set" in done.stdout
    assert "canary-5519" not in done.stdout + done.stderr


def test_explain_says_that_a_graver_bound_is_pending(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        "signals: {errors: {unit: percent, payload: annotations.value}}\n"
        "rules:\n  - name: errors\n    match: ['alertname=~\".+\"']\n"
        "    thresholds: {errors: {warning: '> 1%', critical: '> 5% for 2m'}}\n"
    )
    alert = {"labels": {"alertname": "A"}, "status": "firing", "startsAt": "2026-11-21T02:51:38Z"}

    def explained(value: str) -> list[str]:
        body = {"version": "4", "groupKey": "g", "alerts": [alert | {"annotations": {"value": value}}]}
        done = run("explain", "-", stdin=json.dumps(body), RESPONDER_RULES=str(tmp_path / "rules.yaml"))
        return [it.strip() for it in done.stdout.splitlines() if it.strip().startswith(("errors ", "and held"))]

    breach, pending = explained("7")
    assert breach.startswith("errors 7 %, held against > 1%: breach (warning")
    assert pending.startswith("and held against > 5% for 2m: pending (critical, since ")
    assert len(explained("3")) == 1


def test_explain_says_of_a_watched_rule_that_no_alert_makes_it_look(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        """
signals: {lag: {unit: count, payload: labels.lag}}
rules:
  - {name: watched, watch: 30s, labels: {lag: "1"}, thresholds: {lag: {warning: "> 5"}}}
  - {name: any, default: true}
"""
    )

    done = run("explain", "-", stdin=json.dumps(BODY), RESPONDER_RULES=str(tmp_path / "rules.yaml"))

    assert "alertmanager, 1 alert; " in done.stdout
    assert "  no  watched: looked at each 30s, whatever alerts there are\n" in done.stdout


@pytest.mark.system
def test_explain_asks_the_checks_when_it_is_told_to(run: Run, tmp_path: Path, redis_server: System) -> None:
    (tmp_path / "rules.yaml").write_text(
        """
targets: {cache: {redis: "${CACHE}"}}
rules: [{name: any, default: true, diagnose: [redis.ping, redis.slowlog]}]
"""
    )
    given = {"RESPONDER_RULES": str(tmp_path / "rules.yaml"), "CACHE": redis_server.address}

    done = run("explain", "-", "--diagnose", stdin=json.dumps(BODY), **given)

    assert done.returncode == 0, done.stderr
    assert "Checks     2\n  redis.ping(cache): healthy, " in done.stdout
    assert "  redis.slowlog(cache): could not look, " in done.stdout
    assert "Could not look: redis.slowlog" in done.stdout


def test_explain_refuses_what_is_no_webhook_with_the_reason(run: Run) -> None:
    done = run("explain", "-", stdin="not json")

    assert done.returncode == 2
    assert "expected a webhook body as alertmanager sends it" in done.stderr


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    assert run("explian").returncode == 2


AS_NOBODY = """
import os, pathlib, sys
from responder.cli import init
from responder.doctor import kept
from responder.errors import UsageError
from responder.settings import load_settings
os.chdir(sys.argv[2])
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
print(kept.disk(pathlib.Path("closed/data").absolute()).says)
first = ["closed/first", "--from", "http://x"]
for do in (lambda: load_settings({}), lambda: init.command(first, standalone_mode=False)):
    try:
        do()
    except UsageError as why:
        print(why)
"""
"""Dropped after the imports: the interpreter may lie where the other user cannot start it."""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_is_closed_to_the_user_is_said_and_no_traceback() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "closed").mkdir(mode=0o700)
        (Path(folder) / ".env").touch(mode=0o600)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(pwd.getpwnam("nobody").pw_uid), folder],
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert done.returncode == 0, done.stderr
    disk, settings, init = done.stdout.splitlines()
    assert disk == f"{folder}/closed/data is not there yet; the first start makes it"
    assert settings == ".env: cannot be read: Permission denied; expected a readable file, or none"
    assert init == "closed/first: Permission denied; expected a new folder that we may make"
