"""What do these series on a page of metrics stand at?"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from responder.clients.doors import Doors
from responder.clients.exposition import ACCEPT, CannotRead, Shown, series_on
from responder.clients.http import Answer
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.http_status import part_of_path
from responder.diagnostics.parameters import as_list
from responder.diagnostics.text import number, table
from responder.errors import Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.selector import check_selector, in_quotes, parse_selector

MOST_ROWS = 200
SHOWN_IN_HEADLINE = 5


def _checked(text: str) -> str:
    check_selector(text)
    return text


class Asked(Parameters):
    """`path`: below the target's address; `series`: names, with matchers in braces."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {"path": part_of_path, "series": in_quotes}

    path: Annotated[str, Field(min_length=1)] = "/metrics"
    series: Annotated[
        tuple[Annotated[str, AfterValidator(_checked)], ...],
        BeforeValidator(as_list),
        Field(min_length=1, max_length=20),
    ]


class HttpMetrics:
    """Shows values as they stand and judges none; the series that fit one name are summed in the headline."""

    name = "http.metrics"
    target_kind = "http"
    question = "What do these series on a page of metrics stand at?"
    parameters: type[Parameters] = Asked
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer, no such page, or none of the series on it."""
        door = doors.http(target)
        answer = await door.get(parameters.path, accept=ACCEPT)
        try:
            # The event loop also takes webhooks: a long page must not hold those up.
            found = await asyncio.to_thread(_found, answer, parameters.series)
        except CannotRead as why:
            raise Unreachable(f"{door.shown}{parameters.path}: HTTP {answer.status}, {why}") from None
        rows: list[tuple[str, ...]] = [
            (_name(text, it), number(it.value)) for text, several in found.items() for it in several
        ]
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.HEALTHY,
            headline=_headline(found),
            table=table(("series", "value"), rows, most=MOST_ROWS) if len(rows) > 1 else None,
            gravity=0,
            equivalent=f"curl -sS {shlex.quote(door.shown + parameters.path)}",
        )


def _found(answer: Answer, texts: Sequence[str]) -> dict[str, list[Shown]]:
    """By selector; one that is not on the page is empty, unless none is."""
    if answer.status >= 400:
        raise CannotRead("not a page of metrics")
    if answer.cut:
        raise CannotRead("the page is larger than 1 MiB")
    found: dict[str, list[Shown]] = {}
    missing: list[CannotRead] = []
    for text in texts:
        try:
            found[text] = series_on(answer.text, parse_selector(text))
        except CannotRead as why:
            found[text] = []
            missing.append(why)
    if len(missing) == len(found):
        raise missing[0]
    return found


def _headline(found: Mapping[str, Sequence[Shown]]) -> str:
    """`queue_depth 12, http_requests_total{status="500"} 7 (sum of 3)`."""
    shown = [_sum(text, several) for text, several in found.items()]
    more = f", and {len(shown) - SHOWN_IN_HEADLINE} more" if len(shown) > SHOWN_IN_HEADLINE else ""
    return ", ".join(shown[:SHOWN_IN_HEADLINE]) + more


def _sum(text: str, several: Sequence[Shown]) -> str:
    if not several:
        return f"{text} not there"
    of = f" (sum of {len(several)})" if len(several) > 1 else ""
    return f"{text} {number(sum(it.value for it in several))}{of}"


def _name(text: str, it: Shown) -> str:
    labels = ", ".join(f'{name}="{value}"' for name, value in sorted(it.labels.items()))
    name = parse_selector(text).name
    return f"{name}{{{labels}}}" if labels else name


DIAGNOSTIC: Diagnostic = HttpMetrics()
