"""Which errors does Loki hold, and which of them are new?"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from responder.clients.doors import Doors
from responder.clients.loki import MOST_LINES
from responder.clients.quoted import escaped, why_not_quoted
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.log_lines import LogLine
from responder.diagnostics.log_lookup import AtIncident, told_of
from responder.diagnostics.parameters import Seconds
from responder.errors import Refused
from responder.model.catalogue import Beside, Parameters
from responder.model.finding import Finding
from responder.model.pack import Target
from responder.model.quantities import show_duration

COMMENT = "#"


def _why_not(query: str) -> str | None:
    if not query.lstrip().startswith("{"):
        return 'expected a query for lines such as {app="api"} |= "error"'
    return why_not_quoted(query, comment=COMMENT)


class Asked(Parameters):
    """`query`: LogQL that finds lines; label values may stand in it inside double quotes. `since`: how far back."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {"query": escaped}
    why_not: ClassVar[Mapping[str, Callable[[str], str | None]]] = {"query": _why_not}

    query: Annotated[str, Field(min_length=1)]
    since: Annotated[Seconds, Field(ge=60, le=7 * 86_400)] = 1800.0

    def beside(self, it: Beside) -> AskedBeside:
        """The same, told since when there is an incident."""
        return AskedBeside.of(self, it)


class AskedBeside(Asked, AtIncident):
    """The question of an incident."""


class LokiErrors:
    """Lines by their shape, how many and since when; what stands in one line only is shown nowhere."""

    name = "loki.errors"
    target_kind = "loki"
    question = "Which errors does Loki hold, and which of them are new?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"new_errors"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when Loki gives no lines."""
        door = doors.loki(target)
        why = _why_not(parameters.query)
        if why:
            raise Refused(f"the query cannot be asked: {why}")
        given = await door.lines(parameters.query, parameters.since)
        lines = [LogLine(it.at, it.text) for it in given.listed]
        told = await told_of(lines, parameters, since_seconds=parameters.since, now=given.now, cut=given.cut)
        options = f"--addr={door.shown} --since={show_duration(parameters.since)} --limit={MOST_LINES}"
        return Finding(
            check=self.name,
            target=target.name,
            outcome=told.outcome,
            headline=told.headline,
            details=told.details,
            table=told.table,
            marks=told.marks,
            found=told.found,
            gravity=told.gravity,
            equivalent=f"logcli query {options} {shlex.quote(parameters.query)}",
        )


DIAGNOSTIC: Diagnostic = LokiErrors()
