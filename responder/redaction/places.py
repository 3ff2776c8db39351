"""Where in a text one rule finds what is to be taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from responder.redaction.rule import Rule
from responder.redaction.values import QUOTES, is_marker, stands_alone, value_end

# Looks at one text by one rule; what comes after goes whole. A text of 64 KiB, as much as is kept of one, cannot hold
# as many numbers of sixteen digits; one that does is made to cost. The same number again comes out of the result.
MOST_LOOKS = 4096
_DIGITS = re.compile(rb"\d*")

_PARTS = frozenset(("token", "jwt", "hash", "known"))

Place = tuple[int, int, str]  # start, end, kind


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule, ready to look."""

    rule: Rule
    pattern: Any

    def places(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Start and end of what the rule takes out, in order."""
        return self._values(data) if self.rule.keyed else self._shapes(data)

    def _values(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Of a keyed rule. A text can be nothing but hits, so what is asked of each one is as little as may be."""
        holds = self.rule.holds
        at = looks = 0
        matches = self.pattern.finditer(data)
        while (match := next(matches, None)) is not None:
            found, start = match.span()
            looks += 1
            if looks > MOST_LOOKS:
                yield max(found, at), len(data)
                return
            if found < at:  # it begins inside of the value before it
                if start > at:
                    matches = self.pattern.finditer(data, at)
                continue
            opening = match.group(1) if data[start - 1] in QUOTES else b""  # the group ends the match
            at = value_end(data, start, opening, data[found:start])
            if at > start and (holds is None or holds(data[start:at])):
                yield start, at

    def _shapes(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Of a rule that describes what goes by itself."""
        looks = 0
        matches = self.pattern.finditer(data)
        while (match := next(matches, None)) is not None:
            start, end = match.span(1)
            looks += 1
            if looks > MOST_LOOKS:
                yield start, len(data)
                return
            if end > start and self._counts(data, start, end):
                yield start, end
            elif self.rule.alone:  # a number may begin inside of what was none: `1234 4111 1111 1111 1111`
                matches = self.pattern.finditer(data, start + _first_group(data[start:end]))

    def _counts(self, data: bytes, start: int, end: int) -> bool:
        value = data[start:end]
        if is_marker(value) or (self.rule.alone and not stands_alone(data, start, end)):
            return False
        return self.rule.holds is None or self.rule.holds(value)


def _first_group(value: bytes) -> int:
    """The length of a number up to its first separator; at least 1, for `+` or `(` at its beginning."""
    group = _DIGITS.match(value)
    return max(group.end() if group is not None else 0, 1)


class Taken:
    """Places of one text that do not overlap. Who comes first has it, unless that is a token and the later one is all
    of it and more: only a part of a credential may look like one."""

    def __init__(self) -> None:
        self.places: list[Place] = []

    def add(self, places: Iterable[tuple[int, int]], kind: str) -> None:
        """Take also these, which are in order."""
        taken, merged, at = self.places, list[Place](), 0
        for start, end in places:
            while at < len(taken) and taken[at][1] <= start:
                merged.append(taken[at])
                at += 1
            after = at
            while after < len(taken) and taken[after][0] < end:
                after += 1
            if after == at or _is_more(start, end, taken[at:after]):
                merged.append((start, end, kind))
                at = after
        self.places = [*merged, *taken[at:]]


def _is_more(start: int, end: int, taken: list[Place]) -> bool:
    first, last = taken[0][0], taken[-1][1]
    return start <= first and last <= end and end - start > last - first and {it[2] for it in taken} <= _PARTS


def united(places: Iterable[Place]) -> list[Place]:
    """In order, those that overlap made one, of the kind of the first."""
    apart: list[Place] = []
    for start, end, kind in sorted(places):
        if apart and start < apart[-1][1]:
            first, last, its = apart[-1]
            apart[-1] = (first, max(last, end), its)
        else:
            apart.append((start, end, kind))
    return apart
