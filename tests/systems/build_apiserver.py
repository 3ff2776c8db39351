"""Build a real kube-apiserver from Debian 12's source package `kubernetes` (1.20.2), once: it then lies in the cache.

Takes about 5 minutes of two cores, so `make test` starts it beside everything else; tests that
need it wait for it. Later Debian releases' sources hold kubectl only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

VERSION = "1.20.2"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "responder-tests"
BUILT = CACHE / f"kube-apiserver-{VERSION}"
LOG = CACHE / "kube-apiserver.log"
LOCK = CACHE / "kube-apiserver.lock"
BUILD_WITHIN_SECONDS = 1800
NEEDED = ("apt-get", "go", "gcc", "make", "rsync", "dpkg-source", "xz", "jq")
# What the version is linked into; without rsync `make generated_files` fails with a misleading "Permission denied".
STAMPED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
MAJOR, MINOR, _ = VERSION.split(".")


class CannotBuild(Exception):
    """Why there can be none here."""


def why_not() -> str:
    """Why it cannot be built on this machine; empty when it can."""
    if BUILT.exists():
        return ""
    release = Path("/etc/os-release")
    if not release.exists() or "VERSION_CODENAME=bookworm" not in release.read_text():
        return f"only Debian 12 has the source of kube-apiserver {VERSION}"
    absent = [it for it in NEEDED if shutil.which(it) is None]
    return f"{', '.join(absent)} needed to build it" if absent else ""


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One builder at a time; others wait here until it is done."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def start_build() -> subprocess.Popen[bytes]:
    """Build in a process of its own, which goes on when this one ends. Where another builds already it waits for it."""
    nothing = subprocess.DEVNULL
    command = [sys.executable, __file__]
    return subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)


def last_words() -> str:
    """Why there is none, once a build has ended."""
    lines = LOG.read_text(errors="replace").splitlines() if LOG.exists() else []
    return f"{lines[-1] if lines else 'not built'} ({LOG})"


def build() -> None:
    """Fetch the source, build, put the program into the cache in one step. Raises CannotBuild."""
    why = why_not()
    if why:
        raise CannotBuild(why)
    with tempfile.TemporaryDirectory(prefix="build-", dir=CACHE, ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        tree = _source(place)
        made = _compiled(place, tree)
        made.chmod(0o755)
        made.rename(BUILT)


def _source(place: Path) -> Path:
    """The unpacked tree, by apt's own ways, with lists of its own: the machine's are left as they are."""
    parts = place / "sources"
    parts.mkdir()
    for path in (*Path("/etc/apt").glob("sources.list"), *Path("/etc/apt/sources.list.d").glob("*")):
        if path.suffix in (".list", ".sources"):
            (parts / path.name).write_text(as_source(path.read_text()))
    (place / "lists").mkdir()
    (place / "kept").mkdir()
    options = {"Etc::SourceList": "/dev/null", "Etc::SourceParts": parts, "State::Lists": place / "lists"}
    apt = ["apt-get", "-q", *(f"-oDir::{name}={at}" for name, at in options.items()), f"-oDir::Cache={place / 'kept'}"]
    _run(*apt, "-oAPT::Sandbox::User=root", "update", check=False)  # a list without sources does not matter
    _run(*apt, "source", "kubernetes", cwd=place)
    trees = [it for it in place.glob("kubernetes-*") if it.is_dir()]
    if not trees or not re.match(rf"kubernetes-{MAJOR}\.{MINOR}\.", trees[0].name):
        raise CannotBuild(f"apt's source of kubernetes is {', '.join(it.name for it in trees)}, not {VERSION}")
    return trees[0]


def as_source(written: str) -> str:
    """A list of packages' places as one of their sources' places; both of apt's formats."""
    written = re.sub(r"^Types:.*", "Types: deb-src", written, flags=re.MULTILINE)
    return re.sub(r"^deb(?:-src)?\s", "deb-src ", written, flags=re.MULTILINE)


def _compiled(place: Path, tree: Path) -> Path:
    stamp = f"v{VERSION}"
    environment = {
        "GOPATH": str(place / "go"),
        "GOCACHE": str(place / "cache"),
        "HOME": str(place),
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
        "KUBE_GIT_VERSION": stamp,
        "KUBE_GIT_COMMIT": "debian",
        "KUBE_GIT_TREE_STATE": "clean",
        "KUBE_GIT_MAJOR": MAJOR,
        "KUBE_GIT_MINOR": MINOR,
    }
    _run("make", "generated_files", cwd=tree, environment=environment)
    values = {"gitVersion": stamp, "gitMajor": MAJOR, "gitMinor": MINOR}
    flags = [f"-X k8s.io/kubernetes/vendor/{at}.{name}={value}" for at in STAMPED for name, value in values.items()]
    local = tree / "_output" / "local" / "go"
    command = ["go", "build", "-tags", "providerless", "-ldflags", " ".join(["-s -w", *flags])]
    made, here = place / "kube-apiserver", local / "src" / "k8s.io" / "kubernetes"
    # `here` is a link into the tree; Go believes PWD, and finds vendored packages only below GOPATH.
    inside = environment | {"GOPATH": str(local), "PWD": str(here)}
    _run(*command, "-o", str(made), "./cmd/kube-apiserver", cwd=here, environment=inside)
    return made


def _run(*command: str, cwd: Path | None = None, environment: dict[str, str] | None = None, check: bool = True) -> None:
    with LOG.open("a") as log:
        print("+", " ".join(command), file=log, flush=True)
        status = subprocess.run(
            command,
            cwd=cwd,
            env=os.environ | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=BUILD_WITHIN_SECONDS,
            check=False,
        ).returncode
    if check and status != 0:
        raise CannotBuild(f"{command[0]} ended with exit status {status}")


def main(behind: bool) -> int:
    """Build unless it is there; why it could not be is the last line of the log. `behind`: say what is done, do not
    wait for it."""
    if behind:
        why = why_not()
        if why:
            print(f"systems: kube-apiserver cannot be built here ({why}): its tests will be skipped", flush=True)
        elif not BUILT.exists():
            start_build()
            print(f"systems: building kube-apiserver, once; about 5 minutes, beside the tests ({LOG})", flush=True)
        return 0
    os.nice(5)  # tests wait most of their time, and the last of them for this
    with alone():
        if BUILT.exists():
            return 0
        LOG.write_text("")
        try:
            build()
        except (CannotBuild, subprocess.TimeoutExpired, OSError) as reason:
            with LOG.open("a") as log:
                print(f"not built: {reason}", file=log)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(behind="--behind" in sys.argv))
