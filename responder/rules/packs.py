"""Packs of rules from files: which files belong to which pack, in which order packs are asked."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from responder.errors import UsageError
from responder.model.catalogue import Catalogue
from responder.model.pack import Pack
from responder.rules.complaints import At, Complaints, Problem
from responder.rules.files import PACK_FILE, pack_folders, texts_of
from responder.rules.include import ABOVE, Shelf, assemble
from responder.rules.intake_section import check_together
from responder.rules.parse import parse_pack

_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


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
    for folder in pack_folders(path, complaints):
        mine = Complaints(environment)
        files = texts_of(folder, mine)
        own = folder.stem if folder.is_file() else folder.resolve().name
        found = _compile(own, files, _beside(folder, mine), catalogue, mine, folder=own)
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
    own = {file: text for file, text in files.items() if not file.startswith(ABOVE)}
    found = _compile(name, own, _kept(files), catalogue, complaints)
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
    name: str, files: Mapping[str, str], shelf: Shelf, catalogue: Catalogue, complaints: Complaints, folder: str = ""
) -> tuple[Pack, At] | None:
    """The pack and the place of its first file."""
    assembled = assemble(files, folder, shelf, complaints)
    if not assembled.own:
        return None
    return parse_pack(name, assembled, catalogue, complaints), At(document=assembled.own[0])


def _beside(folder: Path, complaints: Complaints) -> Shelf:
    """The packs in the folder that holds this one."""
    above = folder.resolve().parent
    prefix = "" if folder.is_file() else f"{folder.as_posix()}/"

    def texts(name: str) -> Mapping[str, str] | None:
        there = above / name
        if not _FOLDER.fullmatch(name) or not there.is_dir():
            return None
        return texts_of(there, complaints) or None

    def names() -> list[str]:
        return [it.name for it in above.iterdir() if it.is_dir() and (it / PACK_FILE).is_file()]

    def shown(file: str) -> str:
        return posixpath.normpath(f"{folder.as_posix()}/{file}") if file.startswith(ABOVE) else f"{prefix}{file}"

    return Shelf(texts=texts, names=names, shown=shown)


def _kept(files: Mapping[str, str]) -> Shelf:
    """The packs that were kept together with one: `../FOLDER/file`."""
    folders: dict[str, dict[str, str]] = {}
    for file, text in files.items():
        if file.startswith(ABOVE):
            folder, _, name = file.removeprefix(ABOVE).partition("/")
            folders.setdefault(folder, {})[name] = text
    return Shelf(texts=folders.get, names=lambda: folders, shown=lambda file: file)


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
