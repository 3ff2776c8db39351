"""One number in what an address answers as JSON, found by an expression."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from pydantic_core import from_json

from responder.clients.doors import Doors
from responder.clients.http import Answer
from responder.errors import Unreachable
from responder.model.json_expression import CannotAnswer, Expression, in_words
from responder.model.reading import AnyReading
from responder.model.sources import JsonSource
from responder.signals.signal import Wanted, filled_path, sampled

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


async def read_json(wanted: Wanted, doors: Doors) -> AnyReading:
    """Read the body whatever its status is: many a health page answers 503 and says why in it.

    What is no JSON, and what gives no number, raises Unreachable, whose text quotes nothing of the body.
    """
    source = wanted.signal.source
    assert isinstance(source, JsonSource)
    door = doors.http(wanted.target)
    path = filled_path(source.path, wanted)
    answer = await door.get(path, accept="application/json, */*;q=0.5")
    try:
        # The event loop also takes webhooks: a large body must not hold those up.
        value = await asyncio.to_thread(_number, answer, source)
    except CannotAnswer as why:
        raise Unreachable(f"{door.shown}{path}: HTTP {answer.status}, {why}") from None
    expression = source.value or source.count
    assert expression is not None
    return sampled(wanted, value, f"{'count' if source.count else 'value'} {expression.text} of GET {door.shown}{path}")


def _number(answer: Answer, source: JsonSource) -> float:
    document = _document(answer)
    if source.count is not None:
        return _length(source.count.of(document), source.count)
    assert source.value is not None
    return _value(source.value.of(document), source.value)


def _document(answer: Answer) -> Any:
    if answer.cut:
        raise CannotAnswer("the answer is larger than 1 MiB")
    if not answer.body.strip():
        raise CannotAnswer("the answer is empty, expected JSON")
    try:
        return from_json(answer.body.removeprefix(BYTE_ORDER_MARK), allow_inf_nan=False)
    except ValueError:
        raise CannotAnswer("the answer is not JSON") from None


def _length(found: Any, expression: Expression) -> float:
    if not isinstance(found, list):
        raise CannotAnswer(f"`{expression.text}` gives {in_words(found)}, expected a list")
    return float(len(found))


def _value(found: Any, expression: Expression) -> float:
    if not isinstance(found, int | float):  # true and false are 1 and 0
        raise CannotAnswer(f"`{expression.text}` gives {in_words(found)}, expected a number")
    try:
        value = float(found)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise CannotAnswer(f"`{expression.text}` gives a number that is too large")
    return value
