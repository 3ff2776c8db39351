"""Alertmanager's matchers: `service=~"api|gateway", environment!="dev"`.

Syntax as in https://prometheus.io/docs/alerting/latest/configuration/#matcher: classic names or quoted UTF-8 ones,
values quoted or bare, an optional pair of braces, a comma between two. Regular expressions are anchored and compiled
by RE2, as Alertmanager's are, so that none of them can take long.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, cast

import re2

from responder.model.pack import Matcher, MatcherLine

MAX_PATTERN = 2000

Operator = Literal["=", "!=", "=~", "!~"]

# Looser than a name, as in Alertmanager's classic mode (`code=~5[0-9]{2}`); with a blank in it, it takes quotes.
_BARE_VALUE = re.compile(r"[^\s,\"'`]*")
_BARE_NAME = re.compile(r"[^\s{}!=~,\\\"'`]+")
_OPERATOR = re.compile(r"=~|!~|!=|=")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\", "t": "\t", "r": "\r"}


def parse_line(text: str) -> MatcherLine:
    """All matchers of one line; raises ValueError with what was expected and what was found."""
    inner = text.strip()
    if inner.startswith("{"):
        if not inner.endswith("}"):
            raise ValueError(f"expected a closing brace, got {_quote(text)}")
        inner = inner[1:-1].strip()
    if not inner:
        raise ValueError(f'expected a matcher such as alertname="HighErrorRate", got {_quote(text)}')
    matchers: list[Matcher] = []
    position = 0
    while position < len(inner):
        matcher, position = _matcher_at(inner, position)
        matchers.append(matcher)
        position = _after_comma(inner, position)
    return MatcherLine(matchers=tuple(matchers), text=text)


def matcher(label: str, operator: Operator, value: str) -> Matcher:
    """One matcher, ready to be asked; raises ValueError for a bad regular expression."""
    return Matcher(label=label, operator=operator, value=value, fits=_fits(operator, value))


def _matcher_at(text: str, position: int) -> tuple[Matcher, int]:
    label, after_label = _token(text, position, _BARE_NAME, "a label name")
    found = _OPERATOR.match(text, _skip(text, after_label))
    if found is None:
        rest = text[after_label:].strip()
        raise ValueError(f"expected =, !=, =~ or !~ after `{label}`, got {_quote(rest)}")
    value, end = _token(text, _skip(text, found.end()), _BARE_VALUE, f"a value after `{label}{found[0]}`")
    return matcher(label, cast(Operator, found[0]), value), end


def _token(text: str, position: int, bare_form: re.Pattern[str], expected: str) -> tuple[str, int]:
    """A quoted or bare token, and where it ends."""
    quoted = _QUOTED.match(text, position)
    if quoted is not None:
        return _unescape(quoted[0][1:-1]), quoted.end()
    bare = bare_form.match(text, position)
    if bare is None or text[bare.end() : bare.end() + 1] in {"'", '"', "`"}:
        rest = text[position:].strip()
        hint = ", in double quotes" if rest[:1] in {"'", '"', "`"} else ""
        raise ValueError(f"expected {expected}{hint}, got {_quote(rest)}")
    return bare[0], bare.end()


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


def _unescape(text: str) -> str:
    # Alertmanager leaves a backslash it does not know in place, so that regular expressions need no doubling.
    return re.sub(r"\\(.)", lambda it: _ESCAPES.get(it[1], it[0]), text, flags=re.DOTALL)


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
    options.dot_nl = True  # a label's value may hold line ends; in Alertmanager `.` matches those too
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
