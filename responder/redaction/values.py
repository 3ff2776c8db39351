"""Where the value after `password=` ends: quotes of any depth of escaping, or the next pair, or white space."""

from __future__ import annotations

import re

# The standard engine serves where it is linear by shape (each class excludes what starts the next try): it answers
# ten times sooner than google-re2's wrapper does.
_MARKER = re.compile(rb"\[redacted:[a-z-]+\]")
_ESCAPED = rb"(?:&#?\w{1,8};?|%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\+[\"'])"
_MARKER_IN_QUOTES = re.compile(rb"(?:%b)*+\[redacted:[a-z-]+\](?:%b)*+" % (_ESCAPED, _ESCAPED))
# Up to the next pair, `&user=`, which is looked for on the way: a long run may be nothing but pairs.
_RUN = re.compile(rb"(?:[^\s\"'<>&,;|]++|[&,;|](?![A-Za-z_][\w.-]*+\\*+[=:]))*+")
# Nearly every value: nothing in it is looked at twice, and white space or nothing follows.
_PLAIN = re.compile(rb"[^\s\"'<>`\[\]&,;|(){}\\]++(?=\s|\Z)")
_MARKER_ALONE = re.compile(rb"\[redacted:[a-z-]+\](?=\s|\Z)")
# What follows `password:` on the next line may be the next field rather than the value.
_NEXT_FIELD = re.compile(rb"(?:- )?[A-Za-z_][\w.-]*[\"']?(?::(?:\s|\Z)| = |=(?![=\s]|\Z))")
QUOTES = b"\"'`"
_CLOSES = re.compile(rb"[\s,;)}\]]|\Z")
_LONGEST_FOLDED = 256  # bytes after the first line
# Words that say "there is none"; of use to a reader and no secret.
_EMPTY = frozenset((b"null", b"none", b"nil", b"true", b"false", b"undefined"))
_BRACKETS = re.compile(rb"[\[{(<|>-]{1,3}")  # what follows is no value, but has some inside
_LONGEST_EMPTY = max(map(len, _EMPTY))
_BACKSLASH = 0x5C
# `>+1700000000` in an expression is a number, `call +1700…` is none.
_ARITHMETIC = (b"<", b">", b"+", b"-", b"*", b"/", b"^")
_COMPARISONS = (b"==", b"!=", b"<=", b">=")
_LINE_BREAKS = (b"\\n", b"\\r", b"\\t")  # as JSON text has them


def is_marker(value: bytes) -> bool:
    """Whether nothing but a mark of an earlier redaction stands there."""
    return b"[redacted:" in value and _MARKER_IN_QUOTES.fullmatch(value) is not None


def value_end(text: bytes, start: int, opening: bytes, introduced_by: bytes) -> int:
    """The end of the value that begins at `start`, after its opening quote; `start` when there is none to take out.

    `introduced_by`: the name, separator and opening quote before it.
    """
    if b"\n" in introduced_by and _NEXT_FIELD.match(text, start) is not None:
        return start
    if not opening:
        if (plain := _PLAIN.match(text, start)) is not None:
            end = plain.end()
            return start if end - start <= _LONGEST_EMPTY and plain.group().lower() in _EMPTY else end
        if _MARKER_ALONE.match(text, start) is not None:
            return start
    end = _quoted_end(text, start, opening) if opening else _bare_end(text, start)
    value = text[start:end]
    return start if is_marker(value) or value.strip().lower() in _EMPTY or _BRACKETS.fullmatch(value) else end


def _quoted_end(text: bytes, start: int, opening: bytes) -> int:
    """The closing quote, which stands behind as many backslashes as the opening one, each level of escaping doubling
    those before a quote inside; without one, the end of the line. A folded value ends a few lines on, if its quote is
    one that closes."""
    depth, quote = len(opening) - 1, opening[-1:]
    looked, at, line_end = start, text.find(quote, start), -1
    while at >= 0:  # the line's end is looked for up to the quote: a long line of many values is read once
        if line_end < 0:
            line_end = text.find(b"\n", looked, at)
        if line_end >= 0 and at - line_end > _LONGEST_FOLDED:
            return line_end
        if _backslashes_before(text, at, start) % (2 * depth + 2) == depth:
            return at - depth if line_end < 0 or _CLOSES.match(text, at + 1) else line_end
        looked, at = at, text.find(quote, at + 1)
    line_end = text.find(b"\n", looked) if line_end < 0 else line_end
    return len(text) if line_end < 0 else line_end


def _backslashes_before(text: bytes, at: int, start: int) -> int:
    first = at
    while first > start and text[first - 1] == _BACKSLASH:
        first -= 1
    return at - first


def _bare_end(text: bytes, start: int) -> int:
    run = _RUN.match(text, start)
    end = run.end() if run is not None else start
    if end < len(text) and text[end] in QUOTES:
        end = start + len(text[start:end].rstrip(b"\\"))
    marker = _MARKER.match(text, max(text.rfind(b"[redacted:", start, end), start), end)
    least = marker.end() if marker is not None else start
    return least + len(text[least:end].rstrip(b",;)}]`"))


def stands_alone(text: bytes, start: int, end: int) -> bool:
    """Whether no letter, digit or joining character touches it: `pod-123-45-6789` and `1.555.123.4567` are names."""
    before = text[max(start - 2, 0) : start]
    after = text[end : end + 2]
    if text[start : start + 1] == b"+" and (before[-1:] in _ARITHMETIC or before in _COMPARISONS):
        return False
    return not (
        (_joins(before[-1:]) and before not in _LINE_BREAKS)
        or _word(after[:1])
        or (after[:1] in (b"-", b".", b"/") and _word(after[1:]))
    )


def _word(character: bytes) -> bool:
    return character.isalnum() or character == b"_" or character >= b"\x80"


def _joins(character: bytes) -> bool:
    return _word(character) or character in (b"-", b".", b"/", b"%")
