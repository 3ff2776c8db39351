"""Which files below a path hold rules, and whether they have changed, told without reading them.

We look by ourselves: a library that is told by the kernel is not told of network file systems, nor of what another node
does to a shared volume, and brings 2.3 MB for what is one `stat` a file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from responder.rules.include import PACK_FILE

TEST_ENDING = ".test.yaml"
PACK_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # of a folder that may be included

OF_THE_FILE_SYSTEM = (
    "lost+found"  # root's alone, at the top of many a volume that is mounted; what it holds is no pack's
)

Stamp = frozenset[tuple[str, int, int, int, int, int]]


def rule_files(path: Path, say_closed: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """The path itself, or all rule files below it, in order of name. `say_closed`: told of each folder below that
    cannot be listed."""
    if os.path.isfile(path):
        yield path
        return
    yield from (it for it in _files(path, say_closed) if it.suffix in {".yaml", ".yml"} and ".test." not in it.name)


def test_files(path: Path) -> Iterator[Path]:
    """All files with tests of rules below it, or, of a pack that is a single file, beside it; also those whose names do
    not end as they should, so that they can be complained of."""
    below = _files(path.parent if os.path.isfile(path) else path)
    yield from (it for it in below if ".test." in it.name and it.suffix in {".yaml", ".yml"})


def _files(path: Path, say_closed: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """All files below, in order of name. Hidden folders are left out: Kubernetes keeps `..data` beside the links that
    lead into it."""
    seen: set[str] = set()
    for root, folders, names in os.walk(path, onerror=say_closed, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:  # a link may lead up again
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(it for it in folders if not it.startswith(".") and it != OF_THE_FILE_SYSTEM)
        yield from (Path(root) / name for name in sorted(names) if not name.startswith("."))


def is_pack(folder: Path) -> bool:
    """Whether it holds the file of a pack. A folder that we may not look into does not: `Path.is_file` would raise."""
    return os.path.isfile(folder / PACK_FILE)


def packs_beside(folder: Path) -> list[Path]:
    """The packs that this one may include, in order of name. Most of what stands there may be no business of ours:
    a pack that is mounted as `/rules` stands beside `/root`."""
    here = Path(os.path.realpath(folder))
    try:
        names = sorted(os.listdir(here.parent))
    except OSError:
        return []
    return [
        here.parent / it for it in names if it != here.name and PACK_NAME.fullmatch(it) and is_pack(here.parent / it)
    ]


def files_read(path: Path) -> Iterator[Path]:
    """Every file that loading this path may read: what is below it, and the packs beside it that it may include."""
    yield from rule_files(path)
    for folder in packs_beside(path) if is_pack(path) else ():
        yield from rule_files(folder)


def stamp(path: Path) -> Stamp:
    """Name, device, inode, size and times of every rule file, of those that links lead to: another one for a link that
    was swapped as well as for a file that was written."""
    found = set()
    for file in files_read(path):
        with suppress(OSError):
            it = os.stat(file)
            found.add((str(file), it.st_dev, it.st_ino, it.st_size, it.st_mtime_ns, it.st_ctime_ns))
    return frozenset(found)


def stamp_of(wrong: OSError) -> Stamp:
    """What stands for the stamp of a path that cannot be looked at: the same one for as long as that lasts."""
    return frozenset({(str(wrong), 0, 0, 0, 0, 0)})
