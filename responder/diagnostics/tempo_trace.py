"""Where in this trace did the time go, and what failed in it?"""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from responder.clients.doors import Doors
from responder.clients.tempo import Span
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.text import table
from responder.errors import Refused
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.template import PLACE

HEX = re.compile(r"[0-9a-fA-F]{1,32}")  # Tempo fills up with zeros on the left
EXPECTED = "expected the id of a trace, at most 32 hexadecimal digits"
GRAVITY = 45
STEPS_IN_HEADLINE = 4


def _trace_id(text: str) -> str:
    """As Tempo takes it; ids that are written as a UUID are the same digits with dashes between them."""
    if PLACE.fullmatch(text.strip()):
        return text.strip()
    with suppress(ValueError):
        if len(text) == 36:
            return uuid.UUID(text).hex
    if not HEX.fullmatch(text):
        raise ValueError(EXPECTED)
    return text.lower()


class Asked(Parameters):
    """`id`: of the trace, in hexadecimal digits; a label's value may stand for all of it."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {"id": str}

    id: Annotated[str, AfterValidator(_trace_id)]


class TempoTrace:
    """Services, names of spans where they are no more than names, and times. Attributes stay at Tempo."""

    name = "tempo.trace"
    target_kind = "tempo"
    question = "Where in this trace did the time go, and what failed in it?"
    parameters: type[Parameters] = Asked
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when Tempo has no such trace."""
        if not HEX.fullmatch(parameters.id):
            raise Refused(EXPECTED)
        door = doors.tempo(target)
        spans = await door.trace(parameters.id)
        path = slowest_path(spans)
        failed = [it for it in spans if it.failed]
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if failed else Outcome.HEALTHY,
            headline=_headline(spans, failed, path),
            table=table(("slowest path", "took", "failed"), [_row(it) for it in path]),
            found={"service": service} if failed and (service := _deepest(failed).service) else {},
            gravity=GRAVITY if failed else 0,
            equivalent=f"curl -sS {door.shown}/api/traces/{parameters.id}",
        )


def slowest_path(spans: Sequence[Span]) -> list[Span]:
    """From the longest span without a parent down, each time to the child that took longest."""
    known = {it.id for it in spans}
    children: defaultdict[str, list[Span]] = defaultdict(list)
    for it in spans:
        children[it.parent if it.parent in known else ""].append(it)
    path: list[Span] = []
    seen: set[str] = set()  # who reports badly may be its own ancestor
    below = children[""] or list(spans)
    while below:
        longest = max(below, key=lambda it: it.took_seconds)
        path.append(longest)
        seen.add(longest.id)
        below = [it for it in children[longest.id] if it.id not in seen] if longest.id else []
    return path


def _deepest(failed: Sequence[Span]) -> Span:
    """The first that failed without one below it that failed: the others pass its failure on."""
    parents = {it.parent for it in failed}
    return next((it for it in failed if it.id not in parents), failed[0])


def _headline(spans: Sequence[Span], failed: Sequence[Span], path: Sequence[Span]) -> str:
    """`1 of 12 spans failed, first payments POST /charge; slowest: web GET /checkout 2.3 s → payments … 2.1 s`."""
    services = len({it.service for it in spans})
    many = f"{len(spans)} spans" if len(spans) > 1 else "1 span"
    shown = [f"{_name(it)} {_took(it)}" for it in path[:STEPS_IN_HEADLINE]]
    way = " → ".join(shown) + (" → …" if len(path) > STEPS_IN_HEADLINE else "")
    if failed:
        return f"{len(failed)} of {many} failed, first {_name(_deepest(failed))}; slowest: {way}"
    return f"no failure in {many} of {services} service{'s' if services > 1 else ''}; slowest: {way}"


def _name(it: Span) -> str:
    return f"{it.service or 'a service'} {it.name}".strip()


def _took(it: Span) -> str:
    return f"{it.took_seconds:.1f} s" if it.took_seconds >= 1 else f"{it.took_seconds * 1000:.0f} ms"


def _row(it: Span) -> tuple[str, ...]:
    return (_name(it), _took(it), "yes" if it.failed else "")


DIAGNOSTIC: Diagnostic = TempoTrace()
