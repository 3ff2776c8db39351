"""Packs of rules from files: which files belong to which pack, in which order packs are asked."""

from __future__ import annotations

import gc
import os
import posixpath
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from responder.errors import UsageError
from responder.model.catalogue import Catalogue
from responder.model.located_yaml import MAX_CHARACTERS
from responder.model.pack import Pack, Position
from responder.rules.complaints import At, Complaints, Problem
from responder.rules.include import INCLUDED, PACK_FILE, Shelf, assemble
from responder.rules.intake_section import check_together
from responder.rules.parse import parse_pack
from responder.rules.stamp import PACK_NAME, Stamp, is_pack, packs_beside, rule_files, stamp, stamp_of

NO_FILE = "found a pipe or a device; expected a file: write the rules into one, or move it out of the pack"
MAX_FILES = 2_000  # of one pack; above it, a wrong folder was named


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a folder holds. `packs` in the order in which they are asked; those with a problem are left out. `stamp`:
    of the files, before they were read; `folders`: where each pack stands, by its name."""

    packs: tuple[Pack, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    stamp: Stamp = frozenset()
    folders: Mapping[str, Path] = field(default_factory=dict)


def load_packs(path: Path, catalogue: Catalogue, environment: Mapping[str, str] | None = None) -> Loaded:
    """A pack or a folder of packs, with every problem of all of them; never raises for what is written there.

    `environment`: given to be warned of every `${NAME}` in targets that is not set there.
    """
    try:
        with _nothing_collected():
            return _load(path, catalogue, environment)
    except OSError as wrong:  # a folder that goes, or is closed, while we walk through it
        here = Position(file=path.as_posix(), line=1, column=1)
        problem = Problem(position=here, text=cannot_be_read(wrong))
        return Loaded(packs=(), problems=(problem,), warnings=(), stamp=stamp_of(wrong))


def cannot_be_read(wrong: OSError) -> str:
    """What is said of it; with the name that it happened to, where the system told that."""
    where = f": {os.fsdecode(wrong.filename)}" if isinstance(wrong.filename, str | bytes) else ""
    return f"cannot be read: {wrong.strerror or wrong}{where}"


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Loading makes a million small things of which nearly all stay; looking for garbage among them, again and again,
    takes as long as all else."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _load(path: Path, catalogue: Catalogue, environment: Mapping[str, str] | None) -> Loaded:
    complaints, before = Complaints(), stamp(path)
    loaded: list[tuple[Pack, At]] = []
    folders: dict[str, Path] = {}
    for folder in _pack_folders(path, complaints):
        mine = Complaints(environment)
        files = _texts(folder, mine)
        own = folder.stem if os.path.isfile(folder) else folder.resolve().name
        found = _compile(own, files, _beside(folder, mine), catalogue, mine, folder=own)
        if found is not None and not mine.problems:
            loaded.append(found)
            folders[found[0].name] = folder
        complaints.take(mine)
    loaded.sort(key=lambda it: (not it[0].covers, it[0].name))
    _check_packs(loaded, complaints)
    check_together([pack for pack, _ in loaded], complaints)
    packs = tuple(pack for pack, _ in loaded)
    return Loaded(
        packs=packs, problems=complaints.problems, warnings=complaints.warnings, stamp=before, folders=folders
    )


def pack_from_files(name: str, files: Mapping[str, str], catalogue: Catalogue) -> Pack:
    """A pack from the texts of its files, as the store keeps them; raises UsageError with every problem."""
    pack, problems = compiled_files(name, files, catalogue)
    if pack is None or problems:
        raise UsageError("\n".join(str(it) for it in problems) or f"no rule files in the pack {name}")
    return pack


def compiled_files(
    name: str, files: Mapping[str, str], catalogue: Catalogue
) -> tuple[Pack | None, tuple[Problem, ...]]:
    """The same with its problems; worth using only where there are none. None: there is no file."""
    complaints = Complaints()
    own = {file: text for file, text in files.items() if not file.startswith(INCLUDED)}
    found = _compile(name, own, _kept(files), catalogue, complaints)
    return (found[0] if found else None), complaints.problems


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
    prefix = "" if os.path.isfile(folder) else f"{folder.as_posix()}/"

    def texts(name: str) -> Mapping[str, str] | None:
        there = above / name
        if not PACK_NAME.fullmatch(name) or not os.path.isdir(there):
            return None
        return _texts(there, complaints) or None

    def names() -> list[str]:
        return [it.name for it in packs_beside(folder)]

    def shown(file: str) -> str:
        if not file.startswith(INCLUDED):
            return f"{prefix}{file}"
        return posixpath.normpath(f"{folder.as_posix()}/../{file.removeprefix(INCLUDED)}")

    return Shelf(texts=texts, names=names, shown=shown)


def _kept(files: Mapping[str, str]) -> Shelf:
    """The packs that were kept together with one: `include:FOLDER/file`."""
    folders: dict[str, dict[str, str]] = {}
    for file, text in files.items():
        if file.startswith(INCLUDED):
            folder, _, name = file.removeprefix(INCLUDED).partition("/")
            folders.setdefault(folder, {})[name] = text
    return Shelf(texts=folders.get, names=lambda: folders, shown=lambda file: file.removeprefix(INCLUDED))


def _pack_folders(path: Path, complaints: Complaints) -> list[Path]:
    here = Position(file=path.as_posix(), line=1, column=1)
    if os.path.isfile(path):
        return [path]
    if not os.path.isdir(path):
        with suppress(FileNotFoundError, NotADirectoryError):  # it may be there, and closed to us
            path.stat()
        complaints.mistake(here, "no such file or folder; expected a pack or a folder of packs")
        return []
    if is_pack(path):
        return [path]
    below = sorted(it for it in path.iterdir() if os.path.isdir(it) and not it.name.startswith("."))
    if not any(is_pack(it) for it in below):
        closed: list[OSError] = []
        if not any(rule_files(path, closed.append)) and not closed:
            complaints.mistake(here, "no rule files; expected *.yaml below it")
            return []
        return [path]
    for stray in sorted(it for it in path.glob("*.yaml") if not it.name.endswith(".test.yaml")):
        complaints.mistake(
            Position(file=stray.as_posix(), line=1, column=1),
            f"belongs to no pack; expected it in one of the folders beside it, or a {PACK_FILE} here",
        )
    return [it for it in below if any(rule_files(it))]


def _texts(folder: Path, complaints: Complaints) -> dict[str, str]:
    """Relative name → text of every rule file that can be read."""
    if os.path.isfile(folder):
        text = text_of(folder, complaints)
        return {} if text is None else {folder.as_posix(): text}
    texts: dict[str, str] = {}
    for file in rule_files(folder, partial(_complain_of_closed, complaints=complaints)):
        here = Position(file=file.as_posix(), line=1, column=1)
        if file.suffix == ".yml":
            complaints.mistake(here, f"rule files end in .yaml; expected the name {file.stem}.yaml")
            continue
        if len(texts) >= MAX_FILES:
            complaints.mistake(here, f"more than {MAX_FILES} rule files in one pack")
            break
        text = text_of(file, complaints)
        if text is not None:
            texts[file.relative_to(folder).as_posix()] = text
    return texts


def _complain_of_closed(wrong: OSError, complaints: Complaints) -> None:
    """What it holds may be the rule that an alert needs."""
    complaints.mistake(
        Position(file=os.fsdecode(wrong.filename), line=1, column=1),
        f"found a folder that cannot be listed: {wrong.strerror}; expected one that responder may read: "
        "let its user list it, or move it out of the pack",
    )


def text_of(file: Path, complaints: Complaints) -> str | None:
    """What a file holds; None, with a complaint, where it cannot be read."""
    here = Position(file=file.as_posix(), line=1, column=1)
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:  # a pipe would keep us
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                complaints.mistake(here, NO_FILE)
                return None
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
