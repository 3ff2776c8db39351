"""What does this JSON say at these places?"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field
from pydantic_core import from_json

from responder.clients.doors import Doors
from responder.clients.http import Answer
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.http_status import part_of_path
from responder.diagnostics.text import number, table
from responder.errors import Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.json_expression import CannotAnswer, in_words, parse_expression
from responder.model.pack import Target
from responder.model.quantities import several

GRAVITY = 40
SHOWN_IN_HEADLINE = 5
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/+-]{0,63}")
LONG_NUMBER = re.compile(r"\d{6,}")


def _checked(text: str) -> str:
    parse_expression(text)
    return text


class Asked(Parameters):
    """`path`: below the target's address; `pick`: what each value is called, and the JMESPath that finds it."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {"path": part_of_path}

    path: Annotated[str, Field(min_length=1)]
    pick: Annotated[
        dict[Annotated[str, Field(max_length=60)], Annotated[str, AfterValidator(_checked)]],
        Field(min_length=1, max_length=20),
    ]


class HttpJson:
    """Shows numbers, yes or no, and texts that look like identifiers; of other texts only that they are there, since
    they may be anybody's. The body is read whatever the status: many a health page answers 503 and says why in it."""

    name = "http.json"
    target_kind = "http"
    question = "What does this JSON say at these places?"
    parameters: type[Parameters] = Asked
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer, or no JSON in it."""
        door = doors.http(target)
        answer = await door.get(parameters.path, accept="application/json, */*;q=0.5")
        try:
            # The event loop also takes webhooks: a large body must not hold those up.
            picked = await asyncio.to_thread(_picked, answer, parameters.pick)
        except CannotAnswer as why:
            raise Unreachable(f"{door.shown}{parameters.path}: HTTP {answer.status}, {why}") from None
        bad = answer.status >= 400
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if bad else Outcome.HEALTHY,
            headline=_headline(picked, answer.status if bad else None),
            table=table(("what", "value"), list(picked.items())) if len(picked) > 1 else None,
            gravity=GRAVITY if bad else 0,
            equivalent=f"curl -sS {shlex.quote(door.shown + parameters.path)} | jq .",
        )


def _picked(answer: Answer, pick: Mapping[str, str]) -> dict[str, str]:
    document = _document(answer)
    return {name: _shown(expression, document) for name, expression in pick.items()}


def _document(answer: Answer) -> Any:
    if answer.cut:
        raise CannotAnswer("the answer is larger than 1 MiB")
    try:
        return from_json(answer.body.removeprefix(BYTE_ORDER_MARK), allow_inf_nan=False)
    except ValueError:
        raise CannotAnswer("the answer is not JSON") from None


def _shown(expression: str, document: Any) -> str:
    """One value in a few words; an expression that does not fit says so in its place."""
    try:
        found = parse_expression(expression).of(document)
    except CannotAnswer as why:
        return f"could not be picked: {why}"
    match found:
        case bool():
            return "yes" if found else "no"
        case int() | float():
            return number(float(found))
        case str():
            return _text(found)
        case list() | dict():
            return f"{in_words(found)} of {len(found)}"
        case _:
            return in_words(found)


def _text(found: str) -> str:
    """An identifier as it is: no blank, no long number, no @."""
    if IDENTIFIER.fullmatch(found) and not LONG_NUMBER.search(found):
        return found
    return f"a text of {several(len(found), 'character')}" if found else "an empty text"


def _headline(picked: Mapping[str, str], status: int | None) -> str:
    """`state open, waiting 12`, with `HTTP 503: ` before it where that is the status."""
    shown = [f"{name} {value}" for name, value in picked.items()]
    more = f", and {len(shown) - SHOWN_IN_HEADLINE} more" if len(shown) > SHOWN_IN_HEADLINE else ""
    lead = f"HTTP {status}: " if status is not None else ""
    return lead + ", ".join(shown[:SHOWN_IN_HEADLINE]) + more


DIAGNOSTIC: Diagnostic = HttpJson()
