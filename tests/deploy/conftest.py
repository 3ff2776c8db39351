"""The image, built once from this checkout on a small Debian of our own, and its root file system to start programs in.

Nothing is pulled. The base is kept in the cache folder; delete it there to have a newer one.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from responder.settings import Settings, load_settings
from tests.systems.plugin import folder_for, missing, program

REPOSITORY = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "responder-tests"
SUITE, PYTHON = "bookworm", "3.11"  # that Debian's Python
INSIDE_BASE = "python3,python3-venv,ca-certificates"
UID = 10001
MANYLINUX = ("manylinux_2_28", "manylinux_2_27", "manylinux2014")  # pip takes the names one by one

# Read-only but for the volume, in a process name space of its own: responder is number 1, as in a container.
ENTER = """
mount --bind "$1" "$1"
mount --bind "$2" "$1/var/lib/responder"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -o remount,bind,ro "$1"
root=$1; shift 2
exec chroot --userspec={user} "$root" "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Image:
    """`root`: its root file system, mounted. `config`: what the Dockerfile says of how to run it. Sizes in bytes."""

    root: Path
    config: dict[str, Any]
    container: str
    buildah: tuple[str, ...]
    base_bytes: int
    bytes: int

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one command in it, as its user."""
        given = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        run = [*self.buildah, "run", "--isolation", "chroot", "--user", str(UID), *given, self.container, "--"]
        return subprocess.run([*run, *command], capture_output=True, text=True, timeout=60, check=False)

    def command(self, volume: Path, *words: str, **environment: str) -> list[str]:
        """How to run it with `words` after its entry point, as an engine would, with a read-only root."""
        own = [f"{name}={value}" for name, value in environment.items()]
        inside = ["env", "-i", f"--chdir={self.config['WorkingDir']}", *self.config["Env"], *own]
        enter = ["unshare", "--mount", "--pid", "--fork", "sh", "-ec"]
        script = ENTER.format(user=shlex.quote(self.config["User"]))
        return [*enter, script, "sh", str(self.root), str(volume), *inside, *self.config["Entrypoint"], *words]


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Mapping[str, str]], Settings]:
    """The settings that responder has with this environment and no other; raises UsageError when one is wrong."""

    def settings_with(environment: Mapping[str, str]) -> Settings:
        for name in [it for it in os.environ if it.startswith("RESPONDER_")]:
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)  # where there is no .env
        return load_settings()

    return settings_with


@pytest.fixture(scope="session")
def base() -> Path:
    """An archive of a minimal Debian with Python: what stands for the base that cannot be pulled."""
    for name in ("buildah", "mmdebstrap"):
        program(name, f"apt-get install {name}")
    if os.geteuid() != 0:
        missing("a builder of images", "run as root")
    archive = CACHE / f"{SUITE}-{INSIDE_BASE.replace(',', '-')}.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        fresh = archive.with_suffix(f".{os.getpid()}.tar")
        _done("mmdebstrap", "--variant=minbase", f"--include={INSIDE_BASE}", SUITE, str(fresh))
        fresh.rename(archive)  # whole or not at all
    return archive


@pytest.fixture(scope="session")
def wheels() -> Iterator[Path]:
    """What the lock names, fetched the way this machine fetches packages: the build itself needs no network."""
    with folder_for("wheels") as folder:
        lock = (REPOSITORY / "requirements/extras.txt").read_text()
        # pip looks at the conditions with the Python that runs it, which need not be the base's.
        (folder / "all.txt").write_text(re.sub(r"^(\S+==\S+) ;[^\\\n]*", r"\1 ", lock, flags=re.MULTILINE))
        platforms = [word for name in MANYLINUX for word in ("--platform", f"{name}_{platform.machine()}")]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        target = ["--python-version", PYTHON, *platforms, "--dest", str(folder)]
        _done(*pip, "--require-hashes", "--requirement", str(folder / "all.txt"), *target)
        yield folder


@pytest.fixture(scope="session")
def image(base: Path, wheels: Path) -> Iterator[Image]:
    """The image, in a storage of its own that is removed at the end."""
    with folder_for("image") as folder, contextlib.ExitStack() as stack:
        places = ("--root", str(folder / "images"), "--runroot", str(folder / "run"))
        buildah = ("buildah", *places)  # overlay where the kernel lets it, else whole copies
        stack.callback(_ended, *buildah, "rm", "--all")
        empty = _done(*buildah, "from", "scratch")
        _done(*buildah, "add", "--quiet", empty, str(base), "/")
        _done(*buildah, "commit", "--quiet", "--rm", empty, "localhost/base")
        pip_conf = folder / "pip.conf"
        pip_conf.write_text("[install]\nno-index = true\nfind-links = /run/wheels\n")
        how = ("--isolation", "chroot", "--format", "docker", "--pull-never", "--build-arg", "BASE=localhost/base")
        with_wheels = ("--secret", f"id=pip,src={pip_conf}", "--volume", f"{wheels}:/run/wheels:ro")
        _done(*buildah, "bud", "--quiet", *how, *with_wheels, "--tag", "localhost/responder", str(REPOSITORY))
        container = _done(*buildah, "from", "--pull-never", "localhost/responder")
        inspected = json.loads(_done(*buildah, "inspect", "--type", "image", "localhost/responder"))
        yield Image(
            root=Path(_done(*buildah, "mount", container)),
            config=inspected["Docker"]["config"],
            container=container,
            buildah=buildah,
            base_bytes=_bytes(buildah, "localhost/base"),
            bytes=_bytes(buildah, "localhost/responder"),
        )


def _bytes(buildah: tuple[str, ...], name: str) -> int:
    answer = _done(*buildah, "images", "--json", name)
    number, unit = json.loads(answer)[0]["size"].split()
    return int(float(number) * {"KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}[unit])


def _done(*command: str) -> str:
    """What it printed; fails with the end of what it said when it does not go well."""
    done = _ended(*command)
    if done.returncode != 0:
        pytest.fail(f"{shlex.join(command)}\nexit status {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout.strip()


def _ended(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
