"""The one choke point: every text passes here before it is stored, logged or sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import re2

from responder.redaction.clean import UNCLEAN, clean
from responder.redaction.known import known_pattern
from responder.redaction.rules import PERSONAL_NAME, RULES, SECRET_NAME, Rule
from responder.redaction.values import QUOTES, is_marker, stands_alone, value_end

# A redaction can uncover another one; two passes are usual, the bound is for texts made to need more.
_MOST_PASSES = 6
_MOST_REMEMBERED, _LONGEST_REMEMBERED = 8192, 256  # texts, characters of one
_PREFILTER_MEMORY = 64 << 20  # bytes; the automaton of all rules at once needs more than the default of 8 MiB
_ENCODED = re2.compile(r"[^\s\"'<>&?#]*%[0-9A-Fa-f]{2}[^\s\"'<>&?#]*")
_ENCODED_TOGETHER = 64
_DIGITS = re.compile(rb"\d*")
_KEPT_IN_URLS = "[]:/@!$'()*,;={}|~"
_UNQUOTE: tuple[tuple[Callable[[str], str], Callable[..., str]], ...] = (
    (unquote, quote),
    (unquote_plus, quote_plus),
)


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: Rule
    pattern: Any


class _Patterns:
    """Every rule, compiled, and the texts in which there is nothing: one piece, so that another thread sees all of it
    exchanged, or none."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = known_pattern(secrets)
        rules = (*((Rule(kind="known", pattern=known),) if known else ()), *RULES)
        options = _options()
        self._rules = [_Compiled(rule, re2.compile(rule.pattern.encode(), options)) for rule in rules]
        self._prefilter = re2.Set.SearchSet(options)
        for pattern in (*(rule.pattern for rule in rules), UNCLEAN):
            self._prefilter.Add(pattern)
        self._prefilter.Compile()
        self.harmless: set[str] = set()

    def hit(self, text: str) -> bool:
        """Whether there may be something in it."""
        try:
            return bool(self._prefilter.Match(text)) or ("%" in text and self.hit_decoded(text))
        except UnicodeEncodeError:  # a lone surrogate
            return True

    def hit_decoded(self, text: str) -> bool:
        """Whether there may be something in what is percent-encoded of it."""
        encoded = "\n".join({line for line in text.split("\n") if "%" in line})
        return any(bool(self._prefilter.Match(decoded)) for decoded in _decodings(encoded))

    def found(self, data: bytes) -> list[_Compiled]:
        """The rules that have something to take out, in their order."""
        unclean = len(self._rules)
        return [self._rules[index] for index in sorted(self._prefilter.Match(data) or ()) if index != unclean]

    def remember(self, harmless: Iterable[str]) -> None:
        """Only what holds nothing is remembered, so that no secret is."""
        if len(self.harmless) > _MOST_REMEMBERED:
            self.harmless.clear()
        self.harmless.update(text for text in harmless if len(text) <= _LONGEST_REMEMBERED)


class Redactor:
    """Takes secrets and personal data out of texts and puts `[redacted:kind]` in their place.

    `known_secrets`: our own credentials, found by exact value in several encodings (ones under 6 characters are
    ignored). `counted`: told the kind and how many were taken out.
    """

    def __init__(self, known_secrets: Iterable[str] = (), counted: Callable[[str, int], None] | None = None) -> None:
        self._counted = counted
        self._secrets = frozenset(known_secrets)
        self._patterns = _Patterns(self._secrets)
        self._secret_name = re2.compile(rf"{SECRET_NAME}\z")
        self._telling_name = re2.compile(rf"(?:{SECRET_NAME}|{PERSONAL_NAME})\n")
        self._personal_name = re2.compile(rf"{PERSONAL_NAME}\z")

    def know(self, secrets: Iterable[str]) -> None:
        """Also take these out, from now on; may be called from any thread. What was known stays known."""
        more = self._secrets | frozenset(secrets)
        if more != self._secrets:
            self._patterns, self._secrets = _Patterns(more), more

    def text(self, text: str) -> str:
        """The text without secrets, personal data and control characters; twice is the same as once."""
        if not self._patterns.hit(text):
            return text
        redacted = self._redacted(text)
        return text if redacted == text else redacted

    def texts(self, texts: Sequence[str]) -> list[str]:
        """Each text redacted, in order; when nothing is found in any, the very same strings at the cost of one look.

        Most of a body was in the one before it: what is harmless is remembered.
        """
        patterns = self._patterns
        new = [text for text in texts if text not in patterns.harmless]
        if not new:
            return list(texts)
        if not patterns.hit("\n".join(new)):
            patterns.remember(new)
            return list(texts)
        return [self.text(text) for text in texts]

    def again(self, text: str) -> str:
        """The same as `text`, for what repeats itself, as most of a log does."""
        patterns = self._patterns
        if text in patterns.harmless:
            return text
        clean = self.text(text)
        if clean == text:
            patterns.remember([text])
        return clean

    def fields(self, fields: Mapping[str, str]) -> dict[str, str]:
        """Labels or annotations: values of secret-named keys go whole, other values and the keys by rule."""
        return self.mappings([dict(fields)], [])[0][0]

    def mappings(
        self, mappings: Sequence[dict[str, str]], texts: Sequence[str]
    ) -> tuple[list[dict[str, str]], list[str]]:
        """Many `fields` and `texts` with one look at all of them together, each distinct string once; when nothing is
        found, the very same dicts and strings."""
        names: set[str] = set().union(*mappings)
        distinct = [*names.union(texts, *(mapping.values() for mapping in mappings))]
        redacted = self.texts(distinct)
        kinds = self._kinds_of_names(names)
        if not kinds and all(map(_same, distinct, redacted)):
            return list(mappings), list(texts)
        new = dict(zip(distinct, redacted, strict=True))
        return [self._replaced(mapping, new, kinds) for mapping in mappings], [new[text] for text in texts]

    def kind_of_name(self, name: str) -> str:
        """`secret` or `personal` when the values of a field of this name go whole, else empty."""
        try:
            return self._kind_of_clean_name(name)
        except UnicodeEncodeError:
            return self._kind_of_clean_name(clean(name))

    def _kinds_of_names(self, names: Iterable[str]) -> dict[str, str]:
        try:
            some = self._telling_name.search("\n".join((*names, ""))) is not None
        except UnicodeEncodeError:
            some = True
        return {name: kind for name in names if (kind := self.kind_of_name(name))} if some else {}

    def _kind_of_clean_name(self, name: str) -> str:
        if self._secret_name.search(name):
            return "secret"
        return "personal" if self._personal_name.search(name) else ""

    def _replaced(self, mapping: Mapping[str, str], new: Mapping[str, str], kinds: Mapping[str, str]) -> dict[str, str]:
        return {new[name]: self._whole(kinds[name], it) if name in kinds else new[it] for name, it in mapping.items()}

    def _whole(self, kind: str, value: str) -> str:
        if not value or is_marker(value.encode("utf-8", "replace")):
            return value
        self._count(kind, 1)
        return f"[redacted:{kind}]"

    def _redacted(self, text: str) -> str:
        text = clean(text)
        for _ in range(_MOST_PASSES):
            before = text
            text = self._by_rules(text)
            if "%" in text:
                text = self._by_rules_in_encoded(text)
            if text == before:
                break
        return text

    def _by_rules(self, text: str) -> str:
        data = text.encode()
        for compiled in self._patterns.found(data):
            data = self._by_rule(data, compiled)
        return data.decode("utf-8", "replace")

    def _by_rule(self, data: bytes, compiled: _Compiled) -> bytes:
        pieces: list[bytes] = []
        kept_from = 0
        mark = f"[redacted:{compiled.rule.kind}]".encode()
        for start, end in _places(data, compiled):
            pieces += (data[kept_from:start], mark)
            kept_from = end
        if not pieces:
            return data
        self._count(compiled.rule.kind, len(pieces) // 2)
        return b"".join((*pieces, data[kept_from:]))

    def _by_rules_in_encoded(self, text: str) -> str:
        """Parts of URLs hide `password%3Dx`: what is found after decoding is taken out, the part encoded again."""
        pieces: list[str] = []
        kept_from = 0
        for match in self._hit_when_decoded(text):
            part = match.group()
            new = self._decoded_and_redacted(part)
            if new is not part:
                pieces += (text[kept_from : match.start()], new)
                kept_from = match.end()
        return "".join((*pieces, text[kept_from:])) if pieces else text

    def _hit_when_decoded(self, text: str) -> Iterator[Any]:
        """Matches of the encoded parts that may hold something: many are looked at together, as most hold nothing."""
        matches = _ENCODED.finditer(text)
        while several := list(islice(matches, _ENCODED_TOGETHER)):
            if self._patterns.hit_decoded("\n".join(it.group() for it in several)):
                yield from several

    def _decoded_and_redacted(self, part: str) -> str:
        for decode, encode in _UNQUOTE:
            decoded = _decoded(part, decode)
            redacted = self._by_rules(clean(decoded))
            if redacted != decoded:
                return encode(redacted, safe=_KEPT_IN_URLS)
        return part

    def _count(self, kind: str, how_many: int) -> None:
        if self._counted is not None:
            self._counted(kind, how_many)


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _PREFILTER_MEMORY
    options.log_errors = False
    return options


def _same(one: str, other: str) -> bool:
    return one is other


def _decoded(text: str, decode: Callable[[str], str]) -> str:
    """Decoded up to three times: a URL inside a URL is encoded twice."""
    for _ in range(3):
        decoded = decode(text)
        if decoded == text:
            break
        text = decoded
    return text


def _decodings(text: str) -> Iterator[str]:
    for decode, _ in _UNQUOTE:
        yield _decoded(text, decode)


def _places(data: bytes, compiled: _Compiled) -> Iterator[tuple[int, int]]:
    """Start and end of what one rule takes out, in order."""
    return _values(data, compiled) if compiled.rule.keyed else _shapes(data, compiled)


def _values(data: bytes, compiled: _Compiled) -> Iterator[tuple[int, int]]:
    """Of a keyed rule. A text can be nothing but hits, so what is asked of each one is as little as may be."""
    holds = compiled.rule.holds
    at = 0
    matches = compiled.pattern.finditer(data)
    while (match := next(matches, None)) is not None:
        found, start = match.span()
        if found < at:  # it begins inside of the value before it
            if start > at:
                matches = compiled.pattern.finditer(data, at)
            continue
        opening = match.group(1) if data[start - 1] in QUOTES else b""  # the group ends the match
        at = value_end(data, start, opening, data[found:start])
        if at > start and (holds is None or holds(data[start:at])):
            yield start, at


def _shapes(data: bytes, compiled: _Compiled) -> Iterator[tuple[int, int]]:
    """Of a rule that describes what goes by itself."""
    rule = compiled.rule
    matches = compiled.pattern.finditer(data)
    while (match := next(matches, None)) is not None:
        start, end = match.span(1)
        if end > start and _counts(rule, data, start, end):
            yield start, end
        elif rule.alone:  # a number may begin inside of what was none: `+555-123-4567`, `1234 4111 1111 1111 1111`
            matches = compiled.pattern.finditer(data, start + _first_group(data[start:end]))


def _first_group(value: bytes) -> int:
    """The length of a number up to its first separator; at least 1, for `+` or `(` at its beginning."""
    group = _DIGITS.match(value)
    return max(group.end() if group is not None else 0, 1)


def _counts(rule: Rule, data: bytes, start: int, end: int) -> bool:
    value = data[start:end]
    if is_marker(value) or (rule.alone and not stands_alone(data, start, end)):
        return False
    return rule.holds is None or rule.holds(value)
