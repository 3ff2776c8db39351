"""The files of packs on disk: which folders are packs, which files belong to one, their texts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from responder.model.located_yaml import MAX_CHARACTERS
from responder.model.pack import Position
from responder.rules.complaints import Complaints

MAX_FILES = 2_000  # of one pack; above it, a wrong folder was named

PACK_FILE = "pack.yaml"


def pack_folders(path: Path, complaints: Complaints) -> list[Path]:
    """The folders (or the one file) below a path that are a pack each."""
    here = Position(file=path.as_posix(), line=1, column=1)
    if path.is_file():
        return [path]
    if not path.is_dir():
        complaints.mistake(here, "no such file or folder; expected a pack or a folder of packs")
        return []
    if (path / PACK_FILE).is_file():
        return [path]
    below = sorted(it for it in path.iterdir() if it.is_dir() and not it.name.startswith("."))
    if not any((it / PACK_FILE).is_file() for it in below):
        if not any(yaml_files(path)):
            complaints.mistake(here, "no rule files; expected *.yaml below it")
            return []
        return [path]
    for stray in sorted(it for it in path.glob("*.yaml") if not it.name.endswith(".test.yaml")):
        complaints.mistake(
            Position(file=stray.as_posix(), line=1, column=1),
            f"belongs to no pack; expected it in one of the folders beside it, or a {PACK_FILE} here",
        )
    return [it for it in below if any(yaml_files(it))]


def yaml_files(folder: Path) -> Iterator[Path]:
    """All rule files below, in order of name; hidden folders are left out (Kubernetes keeps `..data` beside)."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(it for it in folders if not it.startswith("."))
        for name in sorted(names):
            if name.endswith((".yaml", ".yml")) and not name.startswith(".") and ".test." not in name:
                yield Path(root) / name


def texts_of(folder: Path, complaints: Complaints) -> dict[str, str]:
    """Relative name → text of every rule file that can be read."""
    if folder.is_file():
        text = _text(folder, complaints)
        return {} if text is None else {folder.as_posix(): text}
    texts: dict[str, str] = {}
    for file in yaml_files(folder):
        here = Position(file=file.as_posix(), line=1, column=1)
        if file.suffix == ".yml":
            complaints.mistake(here, f"rule files end in .yaml; expected the name {file.stem}.yaml")
            continue
        if len(texts) >= MAX_FILES:
            complaints.mistake(here, f"more than {MAX_FILES} rule files in one pack")
            break
        text = _text(file, complaints)
        if text is not None:
            texts[file.relative_to(folder).as_posix()] = text
    return texts


def _text(file: Path, complaints: Complaints) -> str | None:
    here = Position(file=file.as_posix(), line=1, column=1)
    try:
        with file.open("rb") as opened:
            # One byte more than can be right shows that there is more; four bytes make the longest character.
            content = opened.read(4 * MAX_CHARACTERS + 1)
    except OSError as wrong:
        complaints.mistake(here, f"cannot be read: {wrong.strerror}")
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as wrong:
        if len(content) > 4 * MAX_CHARACTERS:
            complaints.mistake(here, "expected a file of at most 1 MiB")
            return None
        before = content[: wrong.start].decode("utf-8", "replace").split("\n")
        at = Position(file=here.file, line=len(before), column=len(before[-1]) + 1)
        complaints.mistake(at, f"found the byte 0x{content[wrong.start]:02X}; expected UTF-8")
        return None
