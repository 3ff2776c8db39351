import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.systems import install

SCRIPT = Path(install.__file__)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH where no system is, with an apt-get of our own that writes down what it was asked."""
    apt = tmp_path / "apt-get"
    apt.write_text(
        f'#!/bin/sh\necho "$DEBIAN_FRONTEND $RUNLEVEL $*" >> {tmp_path}/asked\n'
        'case "$*" in *redis*) echo "E: no such package" >&2; exit 100;; *install*)'
        f" for last; do :; done; printf '#!/bin/sh\\n' > {tmp_path}/$last; /bin/chmod +x {tmp_path}/$last;; esac\n"
    )
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(install, "PACKAGES", {"prometheus": "prometheus", "redis-server": "redis-server"})
    monkeypatch.setattr(install, "NPM_PACKAGES", {})
    monkeypatch.setattr(install, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.delenv("RESPONDER_TEST_REQUIRE_SYSTEMS", raising=False)
    return tmp_path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may install")
def test_what_is_missing_is_installed_and_what_cannot_be_is_named(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = install.main()

    asked = (bare / "asked").read_text().splitlines()
    assert status == 0
    assert all(line.startswith("noninteractive 1 ") for line in asked)
    assert [line.split()[-1] for line in asked] == ["update", "prometheus", "redis-server"]
    assert all("--no-install-recommends" in line for line in asked[1:])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["systems: apt-get update", "systems: installing prometheus (1 of 2)"]
    assert lines[-1] == "systems: redis-server is missing (E: no such package): its tests will be skipped"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may install")
def test_where_nothing_may_be_skipped_a_missing_system_is_an_error(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESPONDER_TEST_REQUIRE_SYSTEMS", "1")

    assert install.main() == 1


def test_without_apt_it_says_so(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bare / "apt-get").unlink()

    assert install.main() == 0
    assert (
        "systems: prometheus is missing (there is no apt-get here): its tests will be skipped"
        in capsys.readouterr().out
    )


def test_packages_of_npm_run_no_script_and_stand_beside_those_of_python(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (bare / "npm").write_text(f'#!/bin/sh\necho "$*" >> {bare}/asked\nfor last; do :; done\n'
                              'case "$last" in b@*) echo "npm error 404" >&2; exit 1;; esac\n')  # fmt: skip
    (bare / "npm").chmod(0o755)
    monkeypatch.setattr(install, "PACKAGES", {})
    monkeypatch.setattr(install, "NPM_PACKAGES", {"a@1": "a-server", "b@2": "b-server"})

    assert install.main() == 0

    asked = (bare / "asked").read_text().splitlines()
    assert [line.split()[-1] for line in asked] == ["a@1", "b@2"]
    assert all(f"--prefix {sys.prefix}/node --ignore-scripts" in line for line in asked)
    assert "systems: b@2 is missing (npm error 404): its tests will be skipped" in capsys.readouterr().out


def test_no_service_starts_while_packages_are_installed(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"

    with install.no_service_starts(policy):
        status = subprocess.run([policy], check=False).returncode

    assert status == 101
    assert not policy.exists()


def test_a_policy_that_is_there_stays(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("theirs")

    with install.no_service_starts(policy):
        pass

    assert policy.read_text() == "theirs"


def test_it_runs_as_a_script() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import runpy; runpy.run_path({str(SCRIPT)!r})"], capture_output=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, b"")


def test_what_cannot_be_built_from_source_is_said(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, str(install.APISERVER), "--behind"]

    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)

    assert done.stdout.startswith("systems: kube-apiserver cannot be built here (")
    assert done.stdout.endswith("): its tests will be skipped\n")
