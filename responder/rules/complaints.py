"""What is wrong in rule files: collected, placed at line and column, said with the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from responder.model.located_yaml import Document, Loc
from responder.model.pack import Position

Severity = Literal["error", "warning"]
MAX_PROBLEMS = 500
_MOST_KEPT = 2 * MAX_PROBLEMS  # of errors, and of warnings: a file may be wrong in a hundred thousand places
_MOST_LOOKED_UP = 200  # names for which one is proposed
_MOST_SAID = 12  # names to choose from
_MOST_NEAR = 100  # names that are compared letter by letter with one that is not there


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake. `line`: the line it stands on, empty where that could show a secret (`targets`)."""

    position: Position
    text: str
    severity: Severity = "error"
    line: str = ""

    def __str__(self) -> str:
        warning = "warning: " if self.severity == "warning" else ""
        return f"{self.position}: {warning}{self.text}"


@dataclass(slots=True)  # not frozen, which takes three times as long to make: a big pack makes hundreds of thousands
class At:
    """A place in a document that remembers its path, so that what is built from it can still point there."""

    document: Document
    loc: Loc = ()

    def __truediv__(self, part: str | int) -> At:
        return At(self.document, (*self.loc, part))

    def below(self, loc: Iterable[str | int]) -> At:
        """A place further down."""
        return At(document=self.document, loc=(*self.loc, *loc))

    @property
    def written(self) -> At:
        """The same place without the parts that are not in the file, such as pydantic's tags."""
        return At(document=self.document, loc=self.document.written(self.loc))

    @property
    def key(self) -> Position:
        """Where the key stands, or the entry of a list."""
        return self.document.place(self.loc).key

    @property
    def value(self) -> Position:
        """Where the value stands."""
        return self.document.place(self.loc).value

    @property
    def name(self) -> str:
        """The last part of the path that is a name."""
        return next((str(part) for part in reversed(self.loc) if isinstance(part, str)), "")


class Complaints:
    """Collects problems; the same one at the same place is kept once.

    `environment`: what `${NAME}` in targets will be replaced from; None where that is not asked.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.environment = environment
        self._found: dict[tuple[Position, str], Problem] = {}
        self._counted = {"error": 0, "warning": 0}
        self._looked_up = 0
        self.partial = False  # a file of the pack could not be read: names may stand there

    def error(self, at: At, text: str, *, key: bool = False) -> None:
        """Something that must be changed, pointing at the value, or at the key."""
        if at.loc in at.document.cut:  # what is missed here was there, and has been complained of
            return
        self._add(at, at.key if key else at.value, text, "error")

    def warn(self, at: At, text: str, *, key: bool = False) -> None:
        """Something that is likely not meant, or not acted on."""
        self._add(at, at.key if key else at.value, text, "warning")

    def unknown(
        self, at: At, what: str, name: str, known: Iterable[str], *, key: bool = False, listed: str = ""
    ) -> None:
        """A name that is not there. `listed`: where all that are stand, when they are many."""
        if self.partial or self.is_full:
            return
        self._looked_up += 1
        near = suggestion(name, known, listed) if self._looked_up <= _MOST_LOOKED_UP else ""
        self.error(at, f"unknown {what} `{name}`{near}", key=key)

    @property
    def is_full(self) -> bool:
        """Whether there are more errors already than anybody is shown."""
        return self._counted["error"] >= _MOST_KEPT

    def take(self, other: Complaints) -> None:
        """Everything that another collection holds."""
        for problem in other._found.values():
            self._keep(problem)

    def mistake(self, position: Position, text: str, line: str = "") -> None:
        """An error at a place that is no part of a document that could be read."""
        self._keep(Problem(position=position, text=text, line=line))

    def _add(self, at: At, position: Position, text: str, severity: Severity) -> None:
        hidden = at.loc[:1] == ("targets",) or at.loc[:2] == ("override", "targets")  # an address may hold a secret
        line = "" if hidden else at.document.line(at.loc, position.line)
        self._keep(Problem(position=position, text=text, severity=severity, line=line))

    def _keep(self, problem: Problem) -> None:
        key = (problem.position, problem.text)
        if key not in self._found and self._counted[problem.severity] < _MOST_KEPT:
            self._found[key] = problem
            self._counted[problem.severity] += 1

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The errors, in order of place."""
        return self._of("error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The warnings, in order of place."""
        return self._of("warning")

    def _of(self, severity: Severity) -> tuple[Problem, ...]:
        found = sorted((it for it in self._found.values() if it.severity == severity), key=lambda it: it.position)
        return tuple(found[:MAX_PROBLEMS])


def pointed(problem: Problem, before: int = 80) -> str:
    """The line that it stands on and a caret below the place, cut so that the caret stays on a screen that takes
    `before` characters; empty where the line is not shown."""
    if not problem.line.strip():
        return ""
    start = max(0, problem.position.column - before)
    shown = problem.line[start : start + 110].replace("\t", " ")
    return f"{shown}\n{' ' * (problem.position.column - 1 - start)}^"


def suggestion(name: str, known: Iterable[str], listed: str = "") -> str:
    """`; did you mean …?`, or what there is to choose from, or nothing. Of `kind.name` those of the same kind count.

    `listed`: where all stand, when they are more than can be said.
    """
    names = _near(name, known)
    kind = name[: name.find(".") + 1]
    kind = kind if any(it.startswith(kind) for it in names) else ""
    tails = [it.removeprefix(kind) for it in names if it.startswith(kind)]
    close = difflib.get_close_matches(name.removeprefix(kind)[:80], tails, n=1, cutoff=0.6)
    if close:
        return f"; did you mean `{kind}{close[0]}`?"
    if not tails:
        return ""
    if listed and not kind and len(tails) > _MOST_SAID:
        return f"; {listed}"
    more = ", …" if len(tails) > _MOST_SAID else ""
    some = ", ".join(f"`{kind}{it}`" for it in tails[:_MOST_SAID]) + more
    whole = f"; {listed}" if listed and kind else ""
    return f"; expected {'one of ' if len(tails) > 1 else ''}{some}{whole}"


def _near(name: str, known: Iterable[str]) -> list[str]:
    """The names that it may have been meant for, in order; of very many only those that begin or end alike."""
    names = set(known)
    if len(names) > _MOST_NEAR:
        names = {it for it in names if it[:2] == name[:2] or it[-2:] == name[-2:]}
    return sorted(names)[:_MOST_NEAR]


def what_is(value: Any) -> str:
    """A found value in a few words: `"abc"`, `a list`, `a mapping`, `nothing`."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    text = str(value).replace("\n", " ")
    return f'"{text}"' if len(text) <= 60 else f'"{text[:59]}…"'
