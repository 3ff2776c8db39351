"""Alertmanager's matchers: `service=~"api|gateway", environment!="dev"`.

Read as Alertmanager reads them (https://prometheus.io/docs/alerting/latest/configuration/#matcher): by its classic
syntax, and what that does not take by the one that knows any UTF-8 name in quotes. Three slips that it takes without a
word are refused: a brace without its other, a value in quotes of another kind, no matcher at all. Regular expressions
are anchored and compiled by RE2, as Alertmanager's are, so that none of them can take long.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple, cast

import re2

from responder.model.pack import Matcher, MatcherLine

MAX_PATTERN = 2000

Operator = Literal["=", "!=", "=~", "!~"]

_BLANK = r"[ \t\n\f\r]*"
_CLASSIC = re.compile(rf"{_BLANK}([a-zA-Z_:][a-zA-Z0-9_:]*){_BLANK}(=~|=|!=|!~){_BLANK}(.*?){_BLANK}", re.DOTALL)
_CLASSIC_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_CLASSIC_BARE = re.compile(r'(?:[^"\\]|\\.)*\\?', re.DOTALL)
_BARE = re.compile(r"[^\s{}!=~,\\\"'`]+")
_OPERATOR = re.compile(r"=~|!~|!=|=")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ESCAPE = re.compile(
    r'\\(?:(?P<letter>[abfnrtv\\"])|x(?P<byte>[0-9a-fA-F]{2})|(?P<octal>[0-3][0-7]{2})'
    r"|(?:u(?P<short>[0-9a-fA-F]{4})|U(?P<long>00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4}))|(?P<other>.?))",
    re.DOTALL,
)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}


class _Read(NamedTuple):
    """One matcher as read; `bare`: its value stood without quotes."""

    label: str
    operator: Operator
    value: str
    bare: bool


def parse_line(text: str) -> MatcherLine:
    """All matchers of one line; raises ValueError with what was expected and what was found."""
    found = _read(text)
    return MatcherLine(matchers=tuple(matcher(it.label, it.operator, it.value) for it in found), text=text)


def matcher(label: str, operator: Operator, value: str) -> Matcher:
    """One matcher, ready to be asked; raises ValueError for a bad regular expression."""
    return Matcher(label=label, operator=operator, value=value, fits=_fits(operator, value))


def doubt_of(text: str) -> str | None:
    """What Alertmanager takes and nobody means: a value without quotes that goes on over another matcher."""
    for it in _read(text):
        if it.bare and (not it.value or re.search(r"[\s=~!]", it.value)):
            shown = _quote(it.value) if it.value else "empty"
            return f"without quotes the value of `{it.label}` is {shown}; expected a comma, or quotes around it"
    return None


def why_never(line: MatcherLine) -> str | None:
    """Why no alert can fit this line, None when one may: two of its matchers ask different things of one label."""
    for one in line.matchers:
        others = [it for it in line.matchers if it is not one and it.label == one.label]
        for value in [one.value] if one.operator == "=" else []:
            for other in others:
                if not other.fits(value):
                    return f"{one.shown} and {other.shown} never hold together"
    return None


def _read(text: str) -> list[_Read]:
    trimmed = text.strip()
    if trimmed.strip("{} ,") == "":
        raise ValueError(f'expected a matcher such as alertname="HighErrorRate", got {_quote(text)}')
    if trimmed.startswith("{") != trimmed.endswith("}"):
        hint = " before it; a value that ends with one takes quotes" if trimmed.endswith("}") else ""
        raise ValueError(f"expected {'an opening' if hint else 'a closing'} brace{hint}, got {_quote(text)}")
    return _classic(text) or _any_name(trimmed[1:-1] if trimmed.startswith("{") else trimmed)


def _classic(text: str) -> list[_Read]:
    """By the classic syntax; empty when it does not take this."""
    found: list[_Read] = []
    for piece in _pieces(text.removeprefix("{").removesuffix("}")):
        parts = _CLASSIC.fullmatch(piece)
        value = _classic_value(parts[3]) if parts else None
        if parts is None or value is None:
            return []
        found.append(_Read(parts[1], cast(Operator, parts[2]), value, bare=not parts[3].startswith('"')))
    return found


def _pieces(text: str) -> list[str]:
    """What stands between commas outside of quotes; blanks after the last comma are nothing."""
    pieces, start, inside, escaped = [], 0, False, False
    for index, letter in enumerate(text):
        if letter == ",":
            if not inside:
                pieces.append(text[start:index])
                start = index + 1
            continue
        if letter == '"' and not escaped:
            inside = not inside
        escaped = letter == "\\" and not escaped
    return [*pieces, text[start:]] if text[start:].strip() else pieces


def _classic_value(written: str) -> str | None:
    if written.startswith(("'", "`")):
        return None
    form = _CLASSIC_QUOTED if written.startswith('"') else _CLASSIC_BARE
    body = form.fullmatch(written)
    # A backslash that stands for nothing stays, so that regular expressions need no doubling.
    known = {"n": "\n", '"': '"', "\\": "\\"}
    inner = body[body.lastindex or 0] if body else ""
    return re.sub(r"\\(.)", lambda it: known.get(it[1], it[0]), inner, flags=re.DOTALL) if body else None


def _any_name(text: str) -> list[_Read]:
    """By the newer syntax, of which all that is wrong with a line is said."""
    found: list[_Read] = []
    position = _skip(text, 0)
    while position < len(text):
        label, _, position = _token(text, position, "a label name")
        sign = _OPERATOR.match(text, _skip(text, position))
        if sign is None:
            raise ValueError(f"expected =, !=, =~ or !~ after `{label}`, got {_quote(text[position:].strip())}")
        value, bare, position = _token(text, _skip(text, sign.end()), f"a value after `{label}{sign[0]}`")
        found.append(_Read(label, cast(Operator, sign[0]), value, bare))
        position = _after_comma(text, position)
    return found


def _token(text: str, position: int, expected: str) -> tuple[str, bool, int]:
    """A quoted or bare token, whether it was bare, and where it ends."""
    if quoted := _QUOTED.match(text, position):
        return _unquoted(quoted[0]), False, quoted.end()
    bare = _BARE.match(text, position)
    if bare is None or text[bare.end() : bare.end() + 1] in {"'", '"', "`"}:
        rest = text[position:].strip()
        hint = ", in double quotes" if rest[:1] in {"'", '"', "`"} else ""
        hint = " (one = compares)" if rest[:1] == "=" and position else hint
        raise ValueError(f"expected {expected}{hint}, got {_quote(rest)}")
    return bare[0], True, bare.end()


def _after_comma(text: str, position: int) -> int:
    position = _skip(text, position)
    if position == len(text):
        return position
    if text[position] != ",":
        raise ValueError(f"expected a comma between two matchers, got {_quote(text[position:])}")
    return _skip(text, position + 1)


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _unquoted(quoted: str) -> str:
    """Text in double quotes as Go reads it, which the newer syntax asks for."""

    def value_of(escape: re.Match[str]) -> bytes:
        if escape["other"] is not None:
            raise ValueError(f"expected a known escape in {_quote(quoted)}, got `{escape[0]}`; double the backslash")
        if escape["letter"]:
            return _LETTERS[escape["letter"]].encode()
        if number := escape["byte"]:
            return bytes([int(number, 16)])
        if number := escape["octal"]:
            return bytes([int(number, 8)])
        return chr(int(escape["short"] or escape["long"], 16)).encode("utf-8")

    inner, read, position = quoted[1:-1], b"", 0
    if "\n" in inner:
        raise ValueError(f"expected \\n for a line end in {_quote(quoted)}, found one")
    try:
        for escape in _ESCAPE.finditer(inner):
            read += inner[position : escape.start()].encode() + value_of(escape)
            position = escape.end()
        return (read + inner[position:].encode()).decode()
    except UnicodeError:
        raise ValueError(f"expected UTF-8, got {_quote(quoted)}") from None


def _fits(operator: Operator, value: str) -> Callable[[str], bool]:
    match operator:
        case "=":
            return lambda found: found == value
        case "!=":
            return lambda found: found != value
        case "=~":
            pattern = _compiled(value)
            return lambda found: pattern.fullmatch(_plain(found)) is not None
        case "!~":
            pattern = _compiled(value)
            return lambda found: pattern.fullmatch(_plain(found)) is None


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


_OPTIONS = _options()


@lru_cache(maxsize=1024)  # the same few patterns stand in many rules
def _compiled(pattern: str) -> re.Pattern[str]:
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"expected a regular expression of at most {MAX_PATTERN} characters, got {len(pattern)}")
    try:
        return cast("re.Pattern[str]", re2.compile(pattern, _OPTIONS))
    except re2.error as wrong:
        why = wrong.args[0].decode() if isinstance(wrong.args[0], bytes) else wrong.args[0]
        raise ValueError(f"expected a regular expression, got {_quote(pattern)}: {why}") from None


def _plain(text: str) -> str:
    """RE2 takes UTF-8: a lone surrogate becomes a replacement character instead of an exception."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _quote(text: str) -> str:
    if not text:
        return "nothing"
    return f"`{text}`" if len(text) <= 60 else f"`{text[:59]}…`"
