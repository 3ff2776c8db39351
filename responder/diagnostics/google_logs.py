"""Which errors does Cloud Logging hold, and which of them are new?"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from responder.clients.doors import Doors
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

COMMENT = "--"


def _why_not(text: str) -> str | None:
    if not text.strip():
        return "expected a filter such as severity>=ERROR"
    return why_not_quoted(text, comment=COMMENT)


class Asked(Parameters):
    """`filter`: in the Logging query language; label values may stand in it inside double quotes. `since`: how far
    back; `limit`: how many entries at most, the newest."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {"filter": escaped}
    why_not: ClassVar[Mapping[str, Callable[[str], str | None]]] = {"filter": _why_not}

    filter: str = "severity>=ERROR"
    since: Annotated[Seconds, Field(ge=60, le=7 * 86_400)] = 1800.0
    limit: Annotated[int, Field(ge=1, le=1000)] = 200  # Google gives no more at once

    def beside(self, it: Beside) -> AskedBeside:
        """The same, told since when there is an incident."""
        return AskedBeside.of(self, it)


class AskedBeside(Asked, AtIncident):
    """The question of an incident."""


class GoogleLogs:
    """Lines by their shape, how many and since when; what stands in one line only is shown nowhere."""

    name = "google.logs"
    target_kind = "google"
    question = "Which errors does Cloud Logging hold, and which of them are new?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"new_errors"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when Google does not list them, or when the target does not allow it."""
        door = doors.google(target)
        why = _why_not(parameters.filter)
        if why:
            raise Refused(f"the filter cannot be asked: {why}")
        given = await door.entries(parameters.filter, parameters.since, parameters.limit)
        lines = [LogLine(it.at, it.text) for it in given.listed]
        told = await told_of(lines, parameters, since_seconds=parameters.since, now=given.now, cut=given.cut)
        wanted = shlex.quote(door.narrowed(parameters.filter))
        within = f"--freshness={show_duration(parameters.since)} --limit={parameters.limit}"
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
            equivalent=f"gcloud logging read {wanted} {within} --project={shlex.quote(door.place.project)}",
        )


DIAGNOSTIC: Diagnostic = GoogleLogs()
