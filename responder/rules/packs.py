"""Packs of rules from files: which files belong to which pack, in which order packs are asked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from responder.errors import UsageError
from responder.model.catalogue import Catalogue
from responder.model.located_yaml import MAX_CHARACTERS, Document, read
from responder.model.pack import Pack, Position
from responder.rules.complaints import At, Complaints, Problem
from responder.rules.intake_section import check_together
from responder.rules.parse import parse_pack

MAX_FILES = 2_000  # of one pack; above it, a wrong folder was named

PACK_FILE = "pack.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a folder holds. `packs` in the order in which they are asked; those with a problem are left out."""

    packs: tuple[Pack, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def load_packs(path: Path, catalogue: Catalogue, environment: Mapping[str, str] | None = None) -> Loaded:
    """A pack or a folder of packs, with every problem of all of them; never raises for what is written there.

    `environment`: given to be warned of every `${NAME}` in targets that is not set there.
    """
    complaints = Complaints()
    loaded: list[tuple[Pack, At]] = []
    for folder in _pack_folders(path, complaints):
        mine = Complaints(environment)
        files = _texts(folder, mine)
        prefix = "" if folder.is_file() else f"{folder.as_posix()}/"
        found = _compile(folder.stem if folder.is_file() else folder.resolve().name, files, prefix, catalogue, mine)
        if found is not None and not mine.problems:
            loaded.append(found)
        complaints.take(mine)
    loaded.sort(key=lambda it: (not it[0].covers, it[0].name))
    _check_packs(loaded, complaints)
    check_together([pack for pack, _ in loaded], complaints)
    return Loaded(packs=tuple(pack for pack, _ in loaded), problems=complaints.problems, warnings=complaints.warnings)


def pack_from_files(name: str, files: Mapping[str, str], catalogue: Catalogue) -> Pack:
    """A pack from the texts of its files, as the store keeps them; raises UsageError with every problem."""
    complaints = Complaints()
    found = _compile(name, files, "", catalogue, complaints)
    if found is None or complaints.problems:
        raise UsageError("\n".join(str(it) for it in complaints.problems) or f"no rule files in the pack {name}")
    return found[0]


def pack_for(packs: Sequence[Pack], labels: Mapping[str, str]) -> Pack | None:
    """The first pack, in the order given, whose `for` holds for these labels; None when there is none."""
    return next((pack for pack in packs if not pack.covers or any(line.holds(labels) for line in pack.covers)), None)


def is_ignored(packs: Sequence[Pack], labels: Mapping[str, str]) -> bool:
    """Whether `intake.ignore` of the pack that would take such an alert names it."""
    pack = pack_for(packs, labels)
    return pack is not None and any(line.holds(labels) for line in pack.ignore)


def _compile(
    name: str, files: Mapping[str, str], prefix: str, catalogue: Catalogue, complaints: Complaints
) -> tuple[Pack, At] | None:
    """The pack and the place of its first file."""
    documents: list[Document] = []
    for file, text in sorted(files.items(), key=lambda it: (it[0] != PACK_FILE, it[0])):
        document, mistakes = read(text, prefix + file)
        for it in mistakes:
            line = document.lines[it.position.line - 1] if it.position.line <= len(document.lines) else ""
            complaints.mistake(it.position, it.text, line)
        if not mistakes:
            documents.append(document)
    if not documents:
        return None
    # What a file that cannot be read defines is unknown: names that others want from it are not complained of.
    complaints.partial = len(documents) < len(files)
    return parse_pack(name, files, documents, catalogue, complaints), At(document=documents[0])


def _pack_folders(path: Path, complaints: Complaints) -> list[Path]:
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
        if not any(_yaml_files(path)):
            complaints.mistake(here, "no rule files; expected *.yaml below it")
            return []
        return [path]
    for stray in sorted(it for it in path.glob("*.yaml") if not it.name.endswith(".test.yaml")):
        complaints.mistake(
            Position(file=stray.as_posix(), line=1, column=1),
            f"belongs to no pack; expected it in one of the folders beside it, or a {PACK_FILE} here",
        )
    return [it for it in below if any(_yaml_files(it))]


def _yaml_files(folder: Path) -> Iterator[Path]:
    """All rule files below, in order of name; hidden folders are left out (Kubernetes keeps `..data` beside)."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(it for it in folders if not it.startswith("."))
        for name in sorted(names):
            if name.endswith((".yaml", ".yml")) and not name.startswith(".") and ".test." not in name:
                yield Path(root) / name


def _texts(folder: Path, complaints: Complaints) -> dict[str, str]:
    """Relative name → text of every rule file that can be read."""
    if folder.is_file():
        text = _text(folder, complaints)
        return {} if text is None else {folder.as_posix(): text}
    texts: dict[str, str] = {}
    for file in _yaml_files(folder):
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


def _check_packs(loaded: Sequence[tuple[Pack, At]], complaints: Complaints) -> None:
    places: dict[str, At] = {}
    catch_all: Pack | None = None
    for pack, at in loaded:
        if pack.name in places:
            first = places[pack.name].value
            complaints.error(at, f"found the pack `{pack.name}` twice; first at {first}", key=True)
        places.setdefault(pack.name, at)
        if catch_all is not None and pack.name != catch_all.name:
            complaints.warn(at, f"never asked: the pack `{catch_all.name}` comes before and has no `for` either")
        catch_all = catch_all or (pack if not pack.covers else None)
