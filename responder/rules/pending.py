"""What rule files ask for and this version lacks: keys that are read and not acted on, targets without a door."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from responder.clients.doors import SCHEMES
from responder.model.located_yaml import Document, Loc, read
from responder.model.pack import Position
from responder.rules.complaints import Complaints
from responder.rules.packs import text_of
from responder.rules.shapes import TARGET_KINDS
from responder.rules.stamp import rule_files

What = Literal["key", "target"]

ALLOWED = ("custom_sql", "helm", "logs", "scan", "slowlog")  # what `allow` makes a difference for

# A line leaves this table when something is done because of the key; `*` is any name, or any entry of a list.
NOT_ACTED_ON = tuple(
    tuple(line.split())
    for line in (
        "calendars", "contacts", "escalation", "channels", "slos", "templates",
        "rules * notify",
        "severity levels * acknowledge", "severity levels * respond", "severity levels * notify",
        "severity levels * update", "severity levels * roles", "severity levels * channel",
        "severity levels * deadlines",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pending:
    """One thing that is lacking, and everywhere it is asked for. `name`: the kind of target, or the key
    with the sections above it (`severity.levels.*.notify`)."""

    what: What
    name: str
    positions: tuple[Position, ...]


def pending(path: Path) -> tuple[Pending, ...]:
    """Of all files below a path, by kind and name; files that cannot be read have nothing to say here."""
    found: dict[tuple[What, str], list[Position]] = defaultdict(list)
    for file in rule_files(path):
        text = text_of(file, Complaints())
        if text is None:
            continue
        document, mistakes = read(text, file.as_posix())
        if not mistakes:
            for what, name, loc in _lacking(document):
                found[what, name].append(document.place(loc).key)
    return tuple(sorted(Pending(what=what, name=name, positions=tuple(at)) for (what, name), at in found.items()))


def _lacking(document: Document) -> Iterator[tuple[What, str, Loc]]:
    for loc in document.marks:
        for pattern in NOT_ACTED_ON:
            if len(loc) == len(pattern) and all(want in ("*", part) for want, part in zip(pattern, loc, strict=True)):
                yield "key", ".".join(pattern), loc
        match loc:
            case ("targets", _, kind) if kind in TARGET_KINDS and kind not in SCHEMES:
                yield "target", str(kind), loc
            case ("targets", _, "allow", int()) if (allowed := _value(document, loc)) not in ALLOWED:
                yield "key", f"targets.*.allow: {allowed}", loc


def _value(document: Document, loc: Loc) -> Any:
    value = document.value
    for part in loc:
        value = value[part]
    return value
