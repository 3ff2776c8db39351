"""`include` and `override`: a pack together with those it is made of, before anything of them is compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from responder.model.located_yaml import Document, Graft, overlaid, read
from responder.rules.complaints import At, Complaints, suggestion, what_is

PACK_FILE = "pack.yaml"
INCLUDED = "include:"  # texts of included packs are kept as `include:FOLDER/file`, beside the pack's own
MAX_INCLUDES = 20  # inside one another
BY_NAME = ("targets", "signals", "rules", "bundles", "calendars", "contacts", "escalation", "slos", "templates")
WHOLE = ("severity", "intake", "channels")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Where packs stand beside one another. `texts`: of a folder's files, None when there is no such pack; `names`:
    every folder there is; `shown`: how a file of this pack, or `include:FOLDER/file`, is named to people."""

    texts: Callable[[str], Mapping[str, str] | None]
    names: Callable[[], Iterable[str]]
    shown: Callable[[str], str]


@dataclass(slots=True, kw_only=True)
class Assembled:
    """A pack's own documents, and those of every pack that it includes, with all overrides in place. `texts`: all
    that it was read from."""

    own: list[Document] = field(default_factory=list)
    included: list[Document] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)


def assemble(texts: Mapping[str, str], folder: str, shelf: Shelf, complaints: Complaints) -> Assembled:
    """The pack of these files; `folder`: its own name on the shelf, by which others may include it."""
    assembly = _Assembly(shelf, complaints)
    assembly.texts.update(texts)
    own = assembly.documents(texts, "")
    below = assembly.visit(own, (folder,))
    included = [document for name in below for document in assembly.folders[name]]
    return Assembled(own=own, included=included, texts=assembly.texts)


class _Assembly:
    """Walks from a pack to those that it includes; each is read once, however many want it."""

    def __init__(self, shelf: Shelf, complaints: Complaints) -> None:
        self._shelf, self._complaints = shelf, complaints
        self.texts: dict[str, str] = {}
        self.folders: dict[str, list[Document]] = {}
        self._below: dict[str, list[str]] = {}

    def documents(self, texts: Mapping[str, str], prefix: str) -> list[Document]:
        """What can be read of these files, the file of the pack first."""
        documents: list[Document] = []
        for file, text in sorted(texts.items(), key=lambda it: (it[0] != PACK_FILE, it[0])):
            document, mistakes = read(text, self._shelf.shown(prefix + file))
            for it in mistakes:
                line = document.lines[it.position.line - 1] if it.position.line <= len(document.lines) else ""
                self._complaints.mistake(it.position, it.text, line)
            if mistakes:
                # What it defines is unknown: names that others want from it are not complained of.
                self._complaints.partial = True
            else:
                documents.append(document)
        return documents

    def visit(self, documents: Sequence[Document], way: tuple[str, ...]) -> list[str]:
        """Names of all that these documents include, directly or not, nearest first, with the overrides applied."""
        found: dict[str, None] = {}
        for name, at in _included(documents):
            if name in way:
                path = " → ".join((*way[way.index(name) :], name))
                self._complaints.error(at, f"the pack `{name}` includes itself: {path}")
            elif len(way) > MAX_INCLUDES:
                self._complaints.error(at, f"found more than {MAX_INCLUDES} packs that include one another")
                self._complaints.partial = True
            elif self._opened(name, at):
                found |= dict.fromkeys((name, *self._of(name, way)))
        _Overrides(documents, self.folders, list(found), self._complaints).apply()
        return list(found)

    def _of(self, name: str, way: tuple[str, ...]) -> list[str]:
        if name not in self._below:
            self._below[name] = self.visit(self.folders[name], (*way, name))
        return self._below[name]

    def _opened(self, name: str, at: At) -> bool:
        if name in self.folders:
            return True
        texts = self._shelf.texts(name)
        if texts is None:
            self._complaints.error(at, f"no pack `{name}` beside this one{suggestion(name, self._shelf.names())}")
            self._complaints.partial = True
            return False
        prefix = f"{INCLUDED}{name}/"
        self.texts |= {prefix + file: text for file, text in texts.items()}
        self.folders[name] = self.documents(texts, prefix)
        return True


class _Overrides:
    """Lays what `override` says over the documents that were included."""

    def __init__(
        self, documents: Sequence[Document], folders: dict[str, list[Document]], names: list[str], to: Complaints
    ) -> None:
        self._documents, self._folders, self._names, self._complaints = documents, folders, names, to
        self._grafts: dict[tuple[str, int], list[Graft]] = {}
        self._places: dict[tuple[str, str], tuple[str, int, tuple[str | int, ...]]] | None = None

    def apply(self) -> None:
        """Change `folders` in place; what cannot be changed is complained of."""
        for document in self._documents:
            found = document.value.get("override") if isinstance(document.value, dict) else None
            for section, value in found.items() if isinstance(found, dict) else ():
                self._section(section, value, At(document=document, loc=("override", section)))
        for (folder, index), grafts in self._grafts.items():
            self._folders[folder][index] = overlaid(self._folders[folder][index], grafts)

    def _section(self, section: str, value: Any, at: At) -> None:
        if section in WHOLE:
            self._change(section, "", at)
        elif section not in BY_NAME:
            known = suggestion(section, (*BY_NAME, *WHOLE))
            self._complaints.error(at, f"`{section}` cannot be overridden{known}", key=True)
        elif not isinstance(value, dict):
            like = "a mapping of names to what changes there"
            self._complaints.error(at, f"`{section}`: expected {like}, got {what_is(value)}")
        else:
            for name in value:
                self._change(section, name, at / name)

    def _change(self, section: str, name: str, at: At) -> None:
        places = self._index()
        if (section, name) in places:
            folder, index, loc = places[section, name]
            self._grafts.setdefault((folder, index), []).append(Graft(loc=loc, document=at.document, source=at.loc))
            return
        if not name:
            self._complaints.error(at, f"no included pack has a section `{section}`", key=True)
            return
        what = f"{section.removesuffix('s')} `{name}`"
        own = next((it for it in self._documents if name in _names(it, section)), None)
        if own is not None:
            here = At(document=own, loc=_names(own, section)[name]).key
            text = f"the {what} is this pack's own; change it where it is written: {here}"
            self._complaints.error(at, text, key=True)
            return
        known = [there for where, there in places if where == section]
        text = f"no included pack has the {what}{suggestion(name, known)}"
        if not self._complaints.partial:
            self._complaints.error(at, text, key=True)

    def _index(self) -> dict[tuple[str, str], tuple[str, int, tuple[str | int, ...]]]:
        """(section, name) → where it stands: folder, document of that, path; the nearest counts."""
        if self._places is None:
            self._places = {}
            for folder in self._names:
                for index, document in enumerate(self._folders[folder]):
                    for section, name, loc in _entries(document):
                        self._places.setdefault((section, name), (folder, index, loc))
        return self._places


def _included(documents: Iterable[Document]) -> Iterator[tuple[str, At]]:
    for document in documents:
        names = document.value.get("include") if isinstance(document.value, dict) else None
        at = At(document=document, loc=("include",))
        if isinstance(names, str):
            yield names, at
        for index, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str):
                yield name, at / index


def _entries(document: Document) -> Iterator[tuple[str, str, tuple[str | int, ...]]]:
    if not isinstance(document.value, dict):
        return
    for section in WHOLE:
        if section in document.value:
            yield section, "", (section,)
    for section in BY_NAME:
        for name, loc in _names(document, section).items():
            yield section, name, loc


def _names(document: Document, section: str) -> dict[str, tuple[str | int, ...]]:
    """The names of a section → where each stands."""
    found = document.value.get(section) if isinstance(document.value, dict) else None
    if isinstance(found, dict):
        return {name: (section, name) for name in found}
    entries = found if isinstance(found, list) else []
    return {
        it["name"]: (section, index)
        for index, it in enumerate(entries)
        if isinstance(it, dict) and isinstance(it.get("name"), str)
    }
