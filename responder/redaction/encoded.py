"""What a text says when it is read as a browser, a form or a JSON parser would, and where each part of that stands.

A secret is searched in every reading; what is cut is the place in the text itself, so that what surrounds it stays
as it was: valid JSON stays valid JSON.
"""

from __future__ import annotations

import base64
import html
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from urllib.parse import unquote_to_bytes

import re2

from responder.redaction.clean import clean

_DEEPEST = 3  # a URL in a URL, JSON in JSON in JSON
MOST_ESCAPES = 200_000  # of one text
_Parts = Sequence[bytes]

# Linear with the standard engine: nothing in it repeats without a bound. One character of UTF-8 at a time.
_ESCAPE = re.compile(
    rb"(\\(?:[\"\\/bfnrt]|u[0-9A-Fa-f]{4})"
    rb"|%(?:[0-7][0-9A-Fa-f]|[89A-Fa-f][0-9A-Fa-f](?:%[89ABab][0-9A-Fa-f]){0,3})"
    rb"|&(?:#(?:[0-9]{1,7}|[xX][0-9A-Fa-f]{1,6})|[A-Za-z][A-Za-z0-9]{1,31});)"
)
_LETTERS = {b"n": b"\n", b"r": b"\n", b"t": b"\t", b"b": b"", b"f": b""}

# Three printable bytes give four characters of these classes
# (https://www.rfc-editor.org/rfc/rfc4648#section-4); hashes and words hardly ever have three such in a row.
_QUAD = "[CI-Za-f][AC-HQS-Xgi-nwyz0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]"
BASE64_TEXT = f"(?:{_QUAD}){{3}}"
_BASE64_TEXT = re2.compile(BASE64_TEXT.encode())
_ALIGNED = re.compile(b"(?s:.{4})*?" + BASE64_TEXT.encode())
_LETTERS_BACK = re.compile(rb"[A-Za-z0-9+/_-]*")
_LONGEST_BEFORE = 256  # of what is no readable text, before what is
_RUN = re.compile(
    rb"(?:(?:[A-Za-z0-9+/_-]{60,76}\r?\n[ \t]*)+[A-Za-z0-9+/_-]{2,}|[A-Za-z0-9+/_-]{12,})={0,2}"
)  # the first: lines as mail and `openssl base64` wrap them
_NO_LETTERS = re.compile(rb"[\s=]+")


class Reading:
    """A text with its escapes read, once; `before`: the text that it is a reading of, `parts`: literal, escape, literal
    … of that, `read`: of this."""

    def __init__(self, text: bytes, before: Reading | None = None, parts: _Parts = (), read: _Parts = ()) -> None:
        self.text = text
        self._before = before
        self._parts = parts, read
        self._ends: tuple[list[int], list[int]] | None = None  # of the parts, in the text and in the reading

    def read(self) -> Reading | None:
        """The next reading, None when nothing in this one is escaped."""
        parts = _ESCAPE.split(self.text)
        read = parts.copy()
        read[1::2] = map(_meaning, parts[1::2])
        text = b"".join(read)
        return None if text == self.text else Reading(text, self, parts, read)

    def as_form(self) -> Reading:
        """The same with each plus a space, as forms have it; of the text itself, and no longer than it."""
        return Reading(self.text.replace(b"+", b" "))

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text itself this part of the reading stands; an escape is never cut in two."""
        if self._before is None:
            return start, end
        if self._ends is None:
            text, read = self._parts
            self._ends = list(accumulate(map(len, text))), list(accumulate(map(len, read)))
        return self._before.place(_first(*self._ends, start), _last(*self._ends, end))


def may_be_escaped(text: bytes) -> bool:
    """Whether there can be any reading but the text itself."""
    return b"%" in text or b"\\" in text or b"&" in text or b"+" in text


def has_too_many(text: bytes) -> bool:
    """Whether it has far more escapes than any text that is not made to cost."""
    return len(text) > MOST_ESCAPES and text.count(b"\\") + text.count(b"%") + text.count(b"&") > MOST_ESCAPES


def cut_off(text: bytes) -> bytes:
    """The text, without its end when it has too many."""
    return text[:MOST_ESCAPES] + b"[redacted:encoded]" if has_too_many(text) else text


def readings(text: bytes) -> Iterator[Reading]:
    """Every reading but the text itself."""
    plain = Reading(text)
    yield from _deeper(plain)
    if b"+" in text:
        form = plain.as_form()
        yield form
        yield from _deeper(form)


def _deeper(reading: Reading | None) -> Iterator[Reading]:
    for _ in range(_DEEPEST):
        if reading is None or (reading := reading.read()) is None:
            return
        yield reading


def base64_texts(text: bytes) -> Iterator[tuple[int, int, str]]:
    """Start, end and meaning of each run of base64 that is readable text; of several joined by a slash, each."""
    at = 0
    while (readable := _BASE64_TEXT.search(text, at)) is not None:
        start = readable.start()
        before = _LETTERS_BACK.match(text[max(at, start - _LONGEST_BEFORE) : start][::-1])
        start -= before.end() if before is not None else 0
        run = _RUN.match(text, start)
        at = run.end() if run is not None else readable.end()
        letters = _NO_LETTERS.sub(b"", text[start:at])
        meanings = [_of_base64(letters[it:]) for it in range(4) if _ALIGNED.match(letters, it) is not None]
        yield start, at, "\n".join(meanings)


def _of_base64(letters: bytes) -> str:
    whole = letters[: len(letters) - (len(letters) % 4 == 1)]
    decoded = base64.b64decode(whole + b"=" * (-len(whole) % 4), b"-_" if b"-" in whole or b"_" in whole else None)
    return clean(decoded.decode("utf-8", "replace"))


@lru_cache(4096)
def _meaning(escape: bytes) -> bytes:
    match escape[:1]:
        case b"%":
            said = unquote_to_bytes(escape).decode("utf-8", "replace")
        case b"&":
            said = html.unescape(escape.decode("ascii"))
        case _ if escape[1:2] == b"u":
            said = chr(int(escape[2:], 16))
        case _:
            return _LETTERS.get(escape[1:], escape[1:])
    return clean(said).encode()


def _first(text_ends: list[int], read_ends: list[int], at: int) -> int:
    """Where the character at this place of the reading begins in the text; every other part is an escape."""
    part = bisect_right(read_ends, at)
    if part % 2:
        return text_ends[part - 1]
    return text_ends[part] - (read_ends[part] - at) if part < len(text_ends) else text_ends[-1]


def _last(text_ends: list[int], read_ends: list[int], at: int) -> int:
    """Where what ends at this place of the reading ends in the text."""
    part = bisect_left(read_ends, at)
    return text_ends[part] if part % 2 else text_ends[part] - (read_ends[part] - at)
