"""Get the real systems that tests talk to: Debian's packages, where we are root and apt answers; npm's anywhere.

`make test` runs this before pytest. It never starts a service, prints one line for each step, and says what will be
skipped and why. Exit status 0, except that with RESPONDER_TEST_REQUIRE_SYSTEMS=1 anything missing is 1.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGES = {  # package: a program of it that tests start
    "postgresql": "/usr/lib/postgresql/*/bin/initdb",
    "pgbouncer": "/usr/sbin/pgbouncer",
    "redis-server": "redis-server",
    "clickhouse-server": "clickhouse-server",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "chromium": "chromium",
    "openssl": "openssl",
    "faketime": "faketime",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "etcd-server": "etcd",
    "golang-go": "go",  # this and the next ones build kube-apiserver, which is in no package
    "gcc": "gcc",
    "rsync": "rsync",
    "dpkg-dev": "dpkg-source",
    "xz-utils": "xz",
    "jq": "jq",
    "nodejs": "node",
    "npm": "npm",
}
NODE = Path(sys.prefix) / "node"  # npm's packages, beside those of Python
NPM_PACKAGES = {  # the newest that runs on Debian 12's node
    "yaml-language-server@1.25.0": f"{NODE}/node_modules/.bin/yaml-language-server"
}
APISERVER = Path(__file__).parent / "build_apiserver.py"
UPDATE_WITHIN_SECONDS = 120
INSTALL_WITHIN_SECONDS = 300
QUICK = ("-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20")
POLICY = Path("/usr/sbin/policy-rc.d")  # asked by invoke-rc.d before it starts a service; 101 is "no"


def is_there(program: str) -> bool:
    """Whether a program can be started; a pattern is looked for in the file system, then by name on the PATH."""
    if program.startswith("/") and any(Path("/").glob(program[1:])):
        return True
    return shutil.which(Path(program).name) is not None


def missing(packages: Mapping[str, str]) -> list[str]:
    """The packages whose program is nowhere."""
    return [package for package, program in packages.items() if not is_there(program)]


def why_not_installable() -> str:
    """Why nothing can be installed here; empty when it can."""
    if shutil.which("apt-get") is None:
        return "there is no apt-get here"
    if os.geteuid() != 0:
        return "only root can install packages"
    return ""


@contextlib.contextmanager
def no_service_starts(policy: Path) -> Iterator[None]:
    """Packages start their services when they are installed; tests start their own."""
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def run(command: list[str], within_seconds: float) -> str:
    """Run apt quietly; give the last line of its complaint, or "" when all went well."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            timeout=within_seconds,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end within {within_seconds:.0f} s"
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    return "" if done.returncode == 0 else (lines[-1] if lines else f"exit status {done.returncode}")


def install(packages: list[str]) -> dict[str, str]:
    """Install what is missing, one after the other; gives package: why not."""
    say("systems: apt-get update")
    why = run(["apt-get", *QUICK, "-qq", "update"], UPDATE_WITHIN_SECONDS)
    if why:
        say(f"systems: apt-get update failed, going on with the lists that are here: {why}")
    failed = {}
    with no_service_starts(POLICY):
        for number, package in enumerate(packages, 1):
            started = time.monotonic()
            say(f"systems: installing {package} ({number} of {len(packages)})")
            command = ["apt-get", *QUICK, "-qq", "-y", "--no-install-recommends", "install", package]
            why = run(command, INSTALL_WITHIN_SECONDS)
            if why:
                failed[package] = why
            else:
                say(f"systems: {package} is there after {time.monotonic() - started:.0f} s")
    return failed


def install_by_npm(packages: list[str]) -> dict[str, str]:
    """The same for packages of npm; they need no rights, and none of their scripts is run."""
    if shutil.which("npm") is None:
        return dict.fromkeys(packages, "there is no npm here")
    failed = {}
    for package in packages:
        say(f"systems: installing {package}")
        command = ["npm", "install", "--prefix", str(NODE), "--ignore-scripts", "--no-audit", "--no-fund", package]
        why = run(command, INSTALL_WITHIN_SECONDS)
        if why:
            failed[package] = why
    return failed


def begin(build: Path) -> None:
    """Start what is built from source where it is not there yet; tests that need it wait for it."""
    subprocess.run([sys.executable, str(build), "--behind"], stdin=subprocess.DEVNULL, check=False)


def main() -> int:
    """Install what is missing, say what stays missing."""
    absent = missing(PACKAGES)
    why = why_not_installable() if absent else ""
    failed = dict.fromkeys(absent, why) if why else install(absent) if absent else {}
    failed |= install_by_npm(missing(NPM_PACKAGES)) if missing(NPM_PACKAGES) else {}
    begin(APISERVER)
    still = [*missing(PACKAGES), *missing(NPM_PACKAGES)]
    if not still:
        say("systems: all are installed")
    for package in still:
        reason = failed.get(package, "its program is not where we look")
        say(f"systems: {package} is missing ({reason}): its tests will be skipped")
    required = os.environ.get("RESPONDER_TEST_REQUIRE_SYSTEMS") == "1"
    return 1 if required and still else 0


def say(line: str) -> None:
    """One line of progress."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
