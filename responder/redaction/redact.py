"""The one choke point: every text passes here before it is stored, logged or sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

import re2

from responder.redaction.clean import clean
from responder.redaction.encoded import base64_texts, cut_off, readings
from responder.redaction.patterns import Patterns
from responder.redaction.places import MOST_LOOKS, Place, Taken, united
from responder.redaction.values import is_marker
from responder.redaction.words import PERSONAL_NAME, SECRET_NAME

# A redaction can uncover another one; two passes are usual, the bound is for texts made to need more.
_MOST_PASSES = 6
_DEEPEST_BASE64 = 2  # the `auth` in a Secret's `.dockerconfigjson`
_MOST_RUNS, _RUNS_TOGETHER = 4096, 64  # of base64 in one text; what comes after goes whole
_MOST_BASE64 = 1024  # and what comes after so many that hold something


class Redactor:
    """Takes secrets and personal data out of texts and puts `[redacted:kind]` in their place.

    `known_secrets`: our own credentials, found by exact value in several encodings (ones under 6 characters are
    ignored). `counted`: told the kind and how many were taken out.
    """

    def __init__(self, known_secrets: Iterable[str] = (), counted: Callable[[str, int], None] | None = None) -> None:
        self._counted = counted
        self._secrets = frozenset(known_secrets)
        self._patterns = Patterns(self._secrets)
        self._secret_name = re2.compile(rf"{SECRET_NAME}\z")
        self._telling_name = re2.compile(rf"(?:{SECRET_NAME}|{PERSONAL_NAME})\n")
        self._personal_name = re2.compile(rf"{PERSONAL_NAME}\z")

    def know(self, secrets: Iterable[str]) -> None:
        """Also take these out, from now on; may be called from any thread. What was known stays known."""
        more = self._secrets | frozenset(secrets)
        if more != self._secrets:
            self._patterns, self._secrets = Patterns(more), more

    def text(self, text: str) -> str:
        """The text without secrets, personal data and control characters; twice is the same as once."""
        if not self._patterns.may_hit(text):
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

    def _redacted(self, text: str, deep: int = 0) -> str:
        data = cut_off(clean(text).encode())
        for _ in range(_MOST_PASSES):
            data, places = self._shortened(data, deep)
            for reading in readings(data):
                found = self._places(reading.text, deep)
                places += [(*reading.place(start, end), kind) for start, end, kind in found]
            if not places:
                break
            data = self._cut(data, united(places))
        return data.decode("utf-8", "replace")

    def _shortened(self, data: bytes, deep: int) -> tuple[bytes, list[Place]]:
        """What goes of the text as it stands; one that is nothing but hits loses its end before more is done."""
        while len(places := self._places(data, deep)) > MOST_LOOKS:
            data = self._cut(data, [(places[MOST_LOOKS][0], len(data), places[MOST_LOOKS][2])])
        return data, places

    def _places(self, read: bytes, deep: int) -> list[Place]:
        """What goes of one reading. Where two rules find the same, the first one's is taken: what is left of the
        second's is looked at in the next pass."""
        taken = Taken()
        rules, base64 = self._patterns.found(read)
        for compiled in rules:
            taken.add(compiled.places(read), compiled.rule.kind)
        if base64 and deep < _DEEPEST_BASE64:
            taken.add(self._in_base64(read, deep), "encoded")
        return taken.places

    def _in_base64(self, data: bytes, deep: int) -> list[tuple[int, int]]:
        """Runs whose meaning holds something: nobody reads the rest of them, so they go whole. Most hold nothing, so
        many are looked at together."""
        places: list[tuple[int, int]] = []
        runs = base64_texts(data)
        for _ in range(_MOST_RUNS // _RUNS_TOGETHER):
            several = list(islice(runs, _RUNS_TOGETHER))
            if not several:
                return places
            if self._patterns.hit("\n".join(meaning for _, _, meaning in several)):
                places += [(start, end) for start, end, meaning in several if self._holds(meaning, deep)]
            if len(places) > _MOST_BASE64:
                break
        return [*places, *((start, len(data)) for start, _, _ in islice(runs, 1))]

    def _holds(self, meaning: str, deep: int) -> bool:
        return self._patterns.hit(meaning) and self._redacted(meaning, deep + 1) != meaning

    def _cut(self, data: bytes, places: Sequence[Place]) -> bytes:
        """Each place replaced by its mark; they are in order and do not touch."""
        pieces: list[bytes] = []
        kept_from = 0
        for start, end, kind in places:
            pieces += (data[kept_from:start], b"[redacted:%b]" % kind.encode())
            kept_from = end
        for kind, how_many in Counter(kind for _, _, kind in places).items():
            self._count(kind, how_many)
        return b"".join((*pieces, data[kept_from:])) if pieces else data

    def _count(self, kind: str, how_many: int) -> None:
        if self._counted is not None:
            self._counted(kind, how_many)


def _same(one: str, other: str) -> bool:
    return one is other
