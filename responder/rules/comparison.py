"""The bound in a Prometheus alert's expression: which value it holds against which number, found without a parser.

Only what is certain is taken: one comparison with a number at the top of the expression, at most guarded by `and` and
`unless`. Everything else is None, and the alert itself stays the evidence.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_BRACKETS = 8
LONGEST = 4_000  # characters; what is longer is for people to take apart

_TOKEN = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)|(?P<comment>\#[^\n]*)|(?P<open>[(\[{])|(?P<close>[)\]}])
    |(?P<compare>==|!=|>=|<=|>|<)|(?P<word>[A-Za-z_:][A-Za-z0-9_:]*)|(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_MIRRORED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}
_ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`value` is PromQL whose samples are held against `number`; guards of the expression are part of it."""

    value: str
    operator: str
    number: float


@dataclass(frozen=True, slots=True)
class _Part:
    """A token outside of all brackets and quotes."""

    text: str
    start: int
    end: int


def comparison_in(expression: str) -> Comparison | None:
    """The comparison that decides whether the alert fires, None where it is not certain which."""
    expression = _without_comments(expression)
    if len(expression) > LONGEST or (expression := _bare(expression)) == "":
        return None
    parts = list(_top(expression))
    words = [it for it in parts if it.text.lower() in ("and", "unless", "or")]
    if any(it.text.lower() == "or" for it in words):
        return None
    end = words[0].start if words else len(expression)
    head, guards = expression[:end], expression[end:].strip()
    if guards and (inner := _bare(head)) != head.strip():
        head, parts = inner, list(_top(inner))
    compared = [it for it in parts if it.text in _MIRRORED and it.end <= len(head)]
    if not compared:
        return None
    found = _split(head, compared[-1])
    if found is None or not guards:
        return found
    return Comparison(value=f"({found.value}) {guards}", operator=found.operator, number=found.number)


def _split(text: str, at: _Part) -> Comparison | None:
    left, right = text[: at.start].strip(), text[at.end :].strip()
    number = _constant(right)
    if number is not None:
        return Comparison(value=left, operator=at.text, number=number) if _constant(left) is None else None
    number = _constant(left)
    if number is None or re.match(r"bool\b|on\b|ignoring\b", right):
        return None
    return Comparison(value=right, operator=_MIRRORED[at.text], number=number)


def _constant(text: str) -> float | None:
    """The value of arithmetic on numbers alone, `14.4 * (1 - 0.999)`."""
    if len(text) > 80 or not re.fullmatch(r"[0-9.eE+\-*/() ]+", text):
        return None
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError):
        return None


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return float(_ARITHMETIC[type(op)](_value(left), _value(right)))
    raise ValueError("no arithmetic")


def _bare(text: str) -> str:
    """Without brackets around the whole of it; more than a few pairs are left."""
    text = text.strip()
    for _ in range(MOST_BRACKETS):
        if not text.startswith("(") or _closes_at(text) != len(text) - 1:
            break
        text = text[1:-1].strip()
    return text


def _closes_at(text: str) -> int:
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += bool(token["open"]) - bool(token["close"])
        if depth == 0:
            return token.start()
    return -1


def _top(text: str) -> Iterator[_Part]:
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += bool(token["open"]) - bool(token["close"])
        if depth == 0 and (token["compare"] or token["word"]):
            yield _Part(token[0], token.start(), token.end())


def _without_comments(text: str) -> str:
    return "".join(token[0] if not token["comment"] else " " for token in _TOKEN.finditer(text)).strip()
