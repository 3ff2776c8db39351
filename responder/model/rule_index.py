"""Which rules may match an alert, found by the alert's own labels instead of asking every rule.

Every line of matchers is filed under one matcher that must hold for it: an equality; a regular expression that is a
choice of plain texts; one that begins with plain text. What has none of these is tried for each alert. An index only
leaves out what cannot match: those that it names are still asked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # a pack holds its rules with their index
    from responder.model.pack import Matcher, MatcherLine, Rule

_PLAIN = r"[A-Za-z0-9_:/ @%,;<>=!~&#\"'-]"
_CHOICE = re.compile(rf"(?:{_PLAIN}|[.*+?|])+")
_GROUP = re.compile(r"\((?:\?:)?([^()]*)\)")
_BEGINNING = re.compile(rf"{_PLAIN}+")


class Key(NamedTuple):
    """A value of a label, or how it begins."""

    label: str
    text: str
    whole: bool = True


class RuleIndex:
    """Rules by what one of their matchers asks of a label."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._exact: dict[tuple[str, str], list[int]] = {}
        self._begins: dict[tuple[str, str], list[int]] = {}
        self._lengths: dict[str, set[int]] = {}
        self._always: list[int] = []
        lines = [(number, line) for number, rule in enumerate(rules) for line in rule.match]
        counted = Counter((it.label, it.value) for _, line in lines for it in line.matchers if it.operator == "=")
        for number, line in lines:
            self._file(number, _keys_of(line, counted))

    def candidates(self, alerts_labels: Iterable[Mapping[str, str]]) -> list[int]:
        """Places of the rules that may match any of these, in order."""
        found = set(self._always)
        for labels in alerts_labels:
            for label, value in labels.items():
                found.update(self._exact.get((label, value), ()))
                for length in self._lengths.get(label, ()):
                    found.update(self._begins.get((label, value[:length]), ()))
        return sorted(found)

    def _file(self, number: int, keys: Sequence[Key]) -> None:
        if not keys:
            self._always.append(number)
        for key in keys:
            where = self._exact if key.whole else self._begins
            where.setdefault((key.label, key.text), []).append(number)
            if not key.whole:
                self._lengths.setdefault(key.label, set()).add(len(key.text))


def _keys_of(line: MatcherLine, counted: Mapping[tuple[str, str], int]) -> tuple[Key, ...]:
    """The keys under one of which an alert is found when the line holds for it; none when that cannot be said."""
    equal = [it for it in line.matchers if it.operator == "=" and it.value]  # an empty value fits a missing label
    if equal:
        rarest = min(equal, key=lambda it: counted[it.label, it.value])
        return (Key(rarest.label, rarest.value),)
    found = [keys for it in line.matchers if it.operator == "=~" and (keys := _keys_of_pattern(it))]
    return min(found, key=_breadth, default=())


def _breadth(keys: Sequence[Key]) -> tuple[bool, int, int]:
    """How many values keys let through: those for whole values few, those for beginnings more the shorter they are."""
    return any(not it.whole for it in keys), -min(len(it.text) for it in keys), len(keys)


def _keys_of_pattern(matcher: Matcher) -> tuple[Key, ...]:
    """What a value that the pattern fits is, or begins with; none when any value may fit."""
    group = _GROUP.fullmatch(matcher.value)
    pattern = group[1] if group else matcher.value
    if _CHOICE.fullmatch(pattern):
        keys = [_key(matcher.label, it) for it in pattern.split("|")]
    elif "|" not in pattern:
        keys = [_key(matcher.label, pattern)]
    else:
        return ()
    return tuple(it for it in keys if it) if all(keys) else ()


def _key(label: str, pattern: str) -> Key | None:
    beginning = _BEGINNING.match(pattern)
    if beginning is None:
        return None
    if beginning.end() == len(pattern):
        return Key(label, pattern)
    optional = pattern[beginning.end()] in "*?{"  # the last character before these may be missing
    text = beginning[0][:-1] if optional else beginning[0]
    return Key(label, text, whole=False) if text else None
