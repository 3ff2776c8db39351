"""JMESPath expressions of rule files: read once, and asked with a bound on what the answer may cost.

https://jmespath.org/specification.html
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from jmespath.exceptions import IncompleteExpressionError, JMESPathError, JMESPathTypeError, LexerError, ParseError
from jmespath.functions import Functions
from jmespath.lexer import Lexer
from jmespath.parser import Parser
from jmespath.visitor import TreeInterpreter

MAX_EXPRESSION = 1_000  # characters; a promise of the language
MAX_LEVELS = 50  # of brackets, pipes and the like in one another; people's expressions have three or four
MAX_STEPS = 1_000_000  # about a second; 1 MiB of JSON holds some 60,000 values
CHARACTERS_A_STEP = 64
_BUILDING = frozenset(
    {
        "multi_select_list",
        "multi_select_dict",
        "flatten",
        "projection",
        "value_projection",
        "filter_projection",
        "function_expression",
    }
)
_NAMES = {
    "null": "nothing",
    "string": "text",
    "array": "a list",
    "object": "an object",
    "number": "a number",
    "boolean": "true or false",
}


class CannotAnswer(ValueError):
    """An expression does not fit the document; the text quotes nothing of the document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """One expression; `text` as written."""

    text: str
    tree: Mapping[str, Any] = field(compare=False, repr=False)

    def of(self, document: Any) -> Any:
        """What it finds in a JSON document, None for nothing; raises CannotAnswer."""
        try:
            return _Bounded().visit(self.tree, document)
        except CannotAnswer:
            raise
        except JMESPathTypeError as wrong:  # its own text quotes the document
            found = _NAMES.get(str(wrong.actual_type), "something else")
            raise CannotAnswer(f"{wrong.function_name}() got {found}") from None
        except RecursionError:
            raise CannotAnswer("the answer is nested too deeply") from None
        except (JMESPathError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as wrong:
            raise CannotAnswer(f"the expression fails on this answer ({type(wrong).__name__})") from None


def parse_expression(text: str) -> Expression:
    """Read one; raises ValueError with what is wrong and at which character, counted from 1."""
    if len(text) > MAX_EXPRESSION:
        raise ValueError(f"expected at most {MAX_EXPRESSION} characters, got {len(text)}")
    tree = _parsed(text)
    for level, node in _nodes(tree):
        if level > MAX_LEVELS:
            raise ValueError(f"nests more than {MAX_LEVELS} levels deep")
        if node["type"] == "function_expression":
            _check_call(str(node["value"]), len(node["children"]))
    return Expression(text=text, tree=tree)


def why_doubtful(text: str) -> str | None:
    """Why a readable expression hardly means what it says: a name in double quotes compared with, as text is in SQL."""
    tokens = list(Lexer().tokenize(text))
    for before, token in pairwise(tokens):
        if before["type"] in {"eq", "ne"} and token["type"] == "quoted_identifier":
            name = str(token["value"])
            return f"\"{name}\" in double quotes is the name of a key; text stands in single quotes: '{name}'"
    return None


def in_words(found: Any) -> str:
    """The kind of a JSON value, never the value: `text`, `a list`, `nothing`."""
    match found:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "something else"


class _Bounded(TreeInterpreter):  # type: ignore[misc]  # its types are not known
    """Counts what is visited and what is built: `[@, @] | [@, @] | …` would double the document with every part."""

    def __init__(self) -> None:
        super().__init__()
        self._left = MAX_STEPS

    def visit(self, node: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        self._spend(1)
        found = super().visit(node, *args, **kwargs)
        if node["type"] in _BUILDING:
            self._spend(_weight(found, self._left))
        return found

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise CannotAnswer(f"the expression takes more than {MAX_STEPS:,} steps on this answer")


def _weight(value: Any, most: int) -> int:
    """How many values there are in a value, what is shared counted each time; more than `most` is not counted out."""
    weight, open_ones = 0, [value]
    while open_ones and weight <= most:
        one = open_ones.pop()
        weight += 1
        if isinstance(one, str):
            weight += len(one) // CHARACTERS_A_STEP
        elif isinstance(one, dict):
            open_ones.extend(one.values())
        elif isinstance(one, list):
            open_ones.extend(one)
    return weight


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        with warnings.catch_warnings():  # `state == `open`` with bare words in backquotes: old, and still common
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            parsed: Mapping[str, Any] = Parser().parse(text).parsed
    except RecursionError:
        raise ValueError("nests too deeply") from None
    except IncompleteExpressionError:
        raise ValueError(f"expected more after character {len(text)}, where it ends") from None
    except LexerError as wrong:
        raise ValueError(f"{wrong.message[:80]} at character {wrong.lex_position + 1}") from None
    except ParseError as wrong:
        found = f"`{str(wrong.token_value)[:40]}`" if wrong.token_value else "its end"
        raise ValueError(f"found {found} at character {wrong.lex_position + 1}, where it cannot stand") from None
    except JMESPathError as wrong:
        raise ValueError(f"expected a JMESPath expression: {wrong}") from None
    return parsed


def _nodes(tree: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Every node with its level."""
    open_ones: list[tuple[int, Any]] = [(1, tree)]
    while open_ones:
        level, node = open_ones.pop()
        yield level, node
        # The parts of a slice are numbers, not nodes.
        open_ones.extend((level + 1, it) for it in node.get("children", ()) if isinstance(it, dict))


def _check_call(name: str, given: int) -> None:
    """JMESPath itself finds out only when the function is called."""
    known = Functions.FUNCTION_TABLE
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        raise ValueError(f"unknown function `{name}`" + (f"; did you mean `{close[0]}`?" if close else ""))
    signature = known[name]["signature"]
    more = bool(signature) and signature[-1].get("variadic", False)
    if given < len(signature) or (given > len(signature) and not more):
        least = "at least " if more else ""
        raise ValueError(f"`{name}()` takes {least}{len(signature)}, got {given} in its brackets")
