"""YAML of which every key and value knows its line and column, and of which only the plain part is read.

It stands on PyYAML's event stream and never on its composer: libyaml's tree building dies at 100,000 nested `[`, and
the composer takes the last of two equal keys without a word. Every scalar stays text (`010`, `1.10`, `yes` and
`12:30` are what was written); only an empty value, `~` and `null` are None. What a text means is for the reader of a
key to say, so nothing is guessed here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from responder.model.pack import Position

MAX_CHARACTERS = 1024 * 1024
MAX_DEPTH = 32
MAX_MISTAKES = 50

Loc = tuple[str | int, ...]
Marks = tuple[int, int, int, int]  # line and column of the key, of the value, from 0: a Place is made when asked for

_NULLS = {"", "~", "null", "Null", "NULL"}
_NOT_FINITE = re.compile(r"[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN")
_FLOAT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")
# Octal for YAML 1.1, decimal for 1.2: nobody can know which was meant.
_AMBIGUOUS = re.compile(r"[-+]?0[0-9_]+")
_TAB = re.compile("^ *(?=\t)", re.M)
# Characters that no text has, and line ends that editors do not count as such (libyaml takes those).
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff]")
_LINE_END = re.compile("\r\n|\r|\n")
_HINTS = {
    "found character that cannot start any token": "text that starts with %, @, > or a backquote stands in quotes, "
    "and each quote above is closed",
    "did not find expected comment or line break": 'text that starts with > or | stands in quotes: "> 5%"',
    "mapping values are not allowed in this context": 'text with ": " in it stands in quotes',
    "found unknown escape character": "text with a backslash stands in single quotes",
    "did not find expected ',' or ']'": 'a list ends with ], and text with " in it stands in single quotes: \'a="b"\'',
    "did not find expected ',' or '}'": 'a mapping ends with }, and text with a brace stands in quotes: "${NAME}"',
    "did not find expected '-' indicator": "entries of one list, and keys of one entry, start in the same column",
    "did not find expected key": "keys of one mapping start in the same column",
    "could not find expected ':'": "a key ends with a colon and a space; the line above may lack them",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """What is wrong, and where."""

    position: Position
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a key stands (a list's entry: where the entry starts), and where its value does."""

    key: Position
    value: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file: nested dict, list, str and None, and the place of each by its path from the root.

    `cut`: paths below which something was taken away, see `without`. `elsewhere`: paths of what is written in another
    document, see `overlaid`."""

    file: str
    value: Any
    marks: dict[Loc, Marks] = field(repr=False)
    lines: tuple[str, ...] = field(repr=False)
    cut: frozenset[Loc] = frozenset()
    elsewhere: dict[Loc, tuple[Document, Loc]] = field(default_factory=dict, repr=False)

    def place(self, loc: Loc) -> Place:
        """The place of a path; parts that are not written in the file are skipped over."""
        written = self.written(loc)
        document, there = self.elsewhere.get(written, (self, written))
        return _place(document.file, document.marks[there])

    def line(self, loc: Loc, number: int) -> str:
        """A line, counted from 1, of the file in which a path is written; empty where there is none."""
        lines = self.elsewhere.get(self.written(loc), (self, loc))[0].lines if self.elsewhere else self.lines
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def written(self, loc: Loc) -> Loc:
        """The parts of a path that are written in the file."""
        known: Loc = ()
        for part in loc:
            if (*known, part) in self.marks:
                known = (*known, part)
        return known


def without(document: Document, dropped: Collection[Loc]) -> Document:
    """The document less these paths. What is left keeps its places, entries of lists move up."""
    marks: dict[Loc, Marks] = {}
    elsewhere: dict[Loc, tuple[Document, Loc]] = {}
    cut = set(document.cut)

    def kept(value: Any, old: Loc, new: Loc) -> Any:
        marks[new] = document.marks[old]
        if old in document.elsewhere:
            elsewhere[new] = document.elsewhere[old]
        if not isinstance(value, dict | list):
            return value
        parts = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        stay = [(part, it) for part, it in parts if (*old, part) not in dropped]
        if len(stay) < len(parts):
            cut.add(new)
        if isinstance(value, dict):
            return {part: kept(it, (*old, part), (*new, part)) for part, it in stay}
        return [kept(it, (*old, part), (*new, index)) for index, (part, it) in enumerate(stay)]

    value = kept(document.value, (), ())
    return replace(document, value=value, marks=marks, cut=frozenset(cut), elsewhere=elsewhere)


@dataclass(frozen=True, slots=True, kw_only=True)
class Graft:
    """What stands at `source` of another document is to be laid over what stands at `loc`."""

    loc: Loc
    document: Document
    source: Loc


def overlaid(document: Document, grafts: Iterable[Graft]) -> Document:
    """The document with these laid over it: mappings are merged, a key with nothing behind it is taken out, all else
    is replaced. What is new knows where it is written."""
    layers = _Layers(document)
    value = document.value
    for graft in grafts:
        value = layers.laid(value, graft)
    return replace(document, value=value, marks=layers.marks, elsewhere=layers.elsewhere)


class _Layers:
    """Lays grafts over a document, keeping where everything is written."""

    def __init__(self, document: Document) -> None:
        self.marks, self.elsewhere = dict(document.marks), dict(document.elsewhere)

    def laid(self, value: Any, graft: Graft, depth: int = 0) -> Any:
        """A copy of the value in which what stands at the graft's place is changed; all beside the path is shared."""
        if depth == len(graft.loc):
            new = graft.document.value
            for part in graft.source:
                new = new[part]
            return self._merged(value, new, graft.loc, graft, graft.source)
        copy: Any = dict(value) if isinstance(value, dict) else list(value)
        part = graft.loc[depth]
        copy[part] = self.laid(copy[part], graft, depth + 1)
        return copy

    def _merged(self, old: Any, new: Any, loc: Loc, graft: Graft, source: Loc) -> Any:
        if not (isinstance(old, dict) and isinstance(new, dict)):
            self._written(new, loc, graft, source)
            return new
        merged = dict(old)
        for key, value in new.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = self._merged(old.get(key), value, (*loc, key), graft, (*source, key))
        return merged

    def _written(self, value: Any, loc: Loc, graft: Graft, source: Loc) -> None:
        self.marks[loc] = graft.document.marks[source]
        self.elsewhere[loc] = graft.document.elsewhere.get(source, (graft.document, source))
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for part, it in parts:
            self._written(it, (*loc, part), graft, (*source, part))


def read(text: str, file: str) -> tuple[Document, tuple[Mistake, ...]]:
    """The document and every mistake in it; after a mistake of syntax the rest of the file is not read.

    Never raises, whatever the text. The document is worth looking at only where there is no mistake.
    """
    reader = _Reader(file)
    text = text.removeprefix("\ufeff")
    try:
        reader.refuse_at_sight(text)
        reader.document(text)
    except _Stop:
        pass
    lines = tuple(_LINE_END.split(text)) if len(text) <= MAX_CHARACTERS else ()
    return Document(file=file, value=reader.root, marks=reader.marks, lines=lines), tuple(reader.mistakes)


class _Stop(Exception):
    """Nothing more can be read from this file."""


class _Reader:
    """Builds one document from events, keeping a list of what is wrong."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Any = None
        self.marks: dict[Loc, Marks] = {(): (0, 0, 0, 0)}
        self.mistakes: list[Mistake] = []

    def refuse_at_sight(self, text: str) -> None:
        """What need not be parsed to be refused; raises _Stop."""
        if len(text) > MAX_CHARACTERS:
            self._stop(self._at(0, 0), f"expected a file of at most 1 MiB, got {len(text)} characters")
        if "\t" in text and (tab := _TAB.search(text)):
            self._stop(self._index(text, tab.end()), "found a tab; expected spaces in front of a line")
        if not text.isascii():
            self._refuse_characters(text)

    def _refuse_characters(self, text: str) -> None:
        if found := _FORBIDDEN.search(text):
            at = self._index(text, found.start())
            self._stop(at, f"found the character U+{ord(found[0]):04X}; expected text")

    def document(self, text: str) -> None:
        """Read the whole text; raises _Stop where it cannot go on."""
        try:
            events = _events(text)
            while not isinstance(event := next(events), yaml.DocumentStartEvent):
                if isinstance(event, yaml.StreamEndEvent):
                    return
            self.root = self._value(next(events), events, ())
            next(events)
            if isinstance(event := next(events), yaml.DocumentStartEvent):
                self._stop(self._mark(event.start_mark), "found a second document; expected one in a file")
        except yaml.MarkedYAMLError as wrong:
            mark = wrong.problem_mark or wrong.context_mark
            hint = _HINTS.get(wrong.problem or "", "")
            at = self._mark(mark) if mark else self._at(0, 0)
            at = self._end(text) if at.line > text.count("\n") + 1 else at
            self._stop(at, f"not YAML: {wrong.problem or wrong.context}{f'; {hint}' if hint else ''}")
        except yaml.YAMLError as wrong:
            self._refuse_characters(text)
            self._stop(self._at(0, 0), f"not YAML: {str(wrong).splitlines()[0]}")

    def _value(self, event: Any, events: Iterator[Any], loc: Loc) -> Any:
        self._refuse(event)
        match event:
            case yaml.ScalarEvent():
                return self._scalar(event)
            case yaml.SequenceStartEvent():
                return self._sequence(event, events, loc)
            case yaml.MappingStartEvent():
                return self._mapping(event, events, loc)
            case _:  # an alias, already refused
                return None

    def _sequence(self, start: Any, events: Iterator[Any], loc: Loc) -> list[Any]:
        self._deeper(start, loc)
        entries: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            at, below = event.start_mark, (*loc, len(entries))
            self.marks[below] = (at.line, at.column, at.line, at.column)
            entries.append(self._value(event, events, below))
        return entries

    def _mapping(self, start: Any, events: Iterator[Any], loc: Loc) -> dict[str, Any]:
        self._deeper(start, loc)
        found: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(event, events, loc)
            below = (*loc, key)
            if key in found:
                first = _place(self.file, self.marks[below]).key
                self._wrong(self._mark(event.start_mark), f"found the key `{_short(key)}` twice; first at {first}")
            value = next(events)
            at, there = event.start_mark, value.start_mark
            self.marks[below] = (at.line, at.column, there.line, there.column)
            found[key] = self._value(value, events, below)
        return found

    def _key(self, event: Any, events: Iterator[Any], loc: Loc) -> str:
        self._refuse(event)
        if not isinstance(event, yaml.ScalarEvent):
            self._value(event, events, (*loc, "?"))
            self._wrong(self._mark(event.start_mark), "found a list, a mapping or an alias as a key; expected text")
            return "?"
        if event.value == "<<" and event.implicit[0]:
            self._wrong(self._mark(event.start_mark), "found a merge key `<<`; expected the keys themselves")
        elif not event.value:
            self._wrong(self._mark(event.start_mark), "found an empty key; expected text")
        return str(event.value)

    def _scalar(self, event: Any) -> str | None:
        text = str(event.value)
        if not event.implicit[0]:  # quoted: text, whatever it looks like
            return text
        if text in _NULLS:
            return None
        if text[0] not in "+-.0123456789":
            return text
        if _NOT_FINITE.fullmatch(text) or (
            _FLOAT.fullmatch(text) and len(text) < 400 and abs(float(text)) == float("inf")
        ):
            self._wrong(self._mark(event.start_mark), f"found `{_short(text)}`; expected a finite number")
        elif _AMBIGUOUS.fullmatch(text):
            plain = _short(text.lstrip("+-0_") or "0")
            why = f"found `{_short(text)}`, octal to some, decimal to others; expected `{plain}`, or quotes around text"
            self._wrong(self._mark(event.start_mark), why)
        return text

    def _refuse(self, event: Any) -> None:
        """Note what makes YAML a language with hidden meanings; reading goes on."""
        if event.anchor is None and getattr(event, "tag", None) is None:
            return
        at = self._mark(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            self._wrong(at, f"found an alias `*{_short(str(event.anchor))}`; expected the value itself")
        elif event.anchor is not None:
            self._wrong(at, f"found an anchor `&{_short(str(event.anchor))}`; expected the value alone")
        if getattr(event, "tag", None) is not None:
            self._wrong(at, f"found a tag `{_short(str(event.tag))}`; expected the value alone")

    def _deeper(self, event: Any, loc: Loc) -> None:
        if len(loc) >= MAX_DEPTH:
            self._stop(self._mark(event.start_mark), f"found more than {MAX_DEPTH} levels inside one another")

    def _wrong(self, at: Position, text: str) -> None:
        self.mistakes.append(Mistake(position=at, text=text))
        if len(self.mistakes) >= MAX_MISTAKES:
            raise _Stop

    def _stop(self, at: Position, text: str) -> None:
        self.mistakes.append(Mistake(position=at, text=text))
        raise _Stop

    def _index(self, text: str, index: int) -> Position:
        before = _LINE_END.split(text[:index])
        return self._at(len(before) - 1, len(before[-1]))

    def _mark(self, mark: Any) -> Position:
        return self._at(mark.line, mark.column)

    def _end(self, text: str) -> Position:
        """Where a text ends that has no line break there; the parser names the line that would follow."""
        return self._at(text.count("\n"), len(text) - text.rfind("\n") - 1)

    def _at(self, line: int, column: int) -> Position:
        return Position(file=self.file, line=line + 1, column=column + 1)


def _events(text: str) -> Iterator[Any]:
    # The stubs know the pure parser only; the one in C is twenty times as fast and has the same events.
    parser: Any = getattr(getattr(yaml, "cyaml", None), "CParser", None)
    return iter(parser(text).get_event, None) if parser else iter(yaml.parse(text, Loader=yaml.SafeLoader))


def _place(file: str, marks: Marks) -> Place:
    line, column, value_line, value_column = marks
    return Place(
        key=Position(file=file, line=line + 1, column=column + 1),
        value=Position(file=file, line=value_line + 1, column=value_column + 1),
    )


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
