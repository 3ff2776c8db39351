"""Every rule at once: one look says whether there may be anything in a text, in any reading of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import re2

from responder.redaction.clean import UNCLEAN
from responder.redaction.encoded import BASE64_TEXT, has_too_many, may_be_escaped, readings
from responder.redaction.known import known_pattern
from responder.redaction.personal import PERSONAL_RULES
from responder.redaction.places import Compiled
from responder.redaction.rule import Rule
from responder.redaction.rules import SECRET_RULES

KINDS = frozenset(it.kind for it in (*SECRET_RULES, *PERSONAL_RULES)) | {"known", "encoded"}
_MOST_REMEMBERED, _LONGEST_REMEMBERED = 8192, 256  # texts, characters of one
_MEMORY = 64 << 20  # bytes; the automaton of so many rules at once needs more than the default of 8 MiB


class _Group:
    """Some of the rules in one automaton. All in a single one would have more states than stay in a cache."""

    def __init__(self, rules: Sequence[Rule], *others: str) -> None:
        options = _options()
        self._compiled = [Compiled(rule, re2.compile(rule.pattern.encode(), options)) for rule in rules]
        looked_for = re2.Set.SearchSet(options)
        for pattern in (*(rule.pattern for rule in rules), *others):
            looked_for.Add(pattern)
        looked_for.Compile()
        self.match: Callable[[bytes], list[int] | None] = looked_for.Match

    def found(self, data: bytes) -> list[Compiled]:
        """The rules that may have something to take out, in their order."""
        return [self._compiled[index] for index in sorted(self.match(data) or ())]


class Patterns:
    """Every rule, compiled, and the texts in which there is nothing: one piece, so that another thread sees all of it
    exchanged, or none."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = known_pattern(secrets)
        ours = (Rule(kind="known", pattern=known),) if known else ()
        self._groups = [_Group((*ours, *SECRET_RULES)), _Group(PERSONAL_RULES)]
        self._others = _Group((), BASE64_TEXT, UNCLEAN)
        self._match = tuple(it.match for it in (*self._groups, self._others))
        self.harmless: set[str] = set()

    def may_hit(self, text: str) -> bool:
        """Whether it is worth to look for something in it; soon said."""
        try:
            data = text.encode()
        except UnicodeEncodeError:  # a lone surrogate
            return True
        return may_be_escaped(data) or self._hit(data)

    def hit(self, text: str) -> bool:
        """Whether there may be something in it, in any reading."""
        try:
            data = text.encode()
        except UnicodeEncodeError:
            return True
        if self._hit(data):
            return True
        return may_be_escaped(data) and (has_too_many(data) or any(self._hit(it.text) for it in readings(data)))

    def _hit(self, data: bytes) -> bool:
        secret, personal, other = self._match
        return bool(secret(data) or personal(data) or other(data))

    def found(self, data: bytes) -> tuple[list[Compiled], bool]:
        """The rules that may have something to take out, in their order; whether readable base64 stands there."""
        return [it for group in self._groups for it in group.found(data)], 0 in (self._others.match(data) or ())

    def remember(self, harmless: Iterable[str]) -> None:
        """Only what holds nothing is remembered, so that no secret is."""
        if len(self.harmless) > _MOST_REMEMBERED:
            self.harmless.clear()
        self.harmless.update(text for text in harmless if len(text) <= _LONGEST_REMEMBERED)


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    return options
