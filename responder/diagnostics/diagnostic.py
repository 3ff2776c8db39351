"""The seam of a diagnostic: one safe question, asked through doors that cannot write."""

from __future__ import annotations

from typing import Any, Protocol

from responder.clients.doors import Doors
from responder.model.catalogue import Parameters
from responder.model.finding import Finding
from responder.model.pack import Target


class Diagnostic(Protocol):
    """One check; its module ends in `DIAGNOSTIC = …` and stands in this folder, which is the registry."""

    name: str
    target_kind: str
    question: str
    parameters: type[Parameters]
    marks: frozenset[str]

    async def examine(self, target: Target, parameters: Any, doors: Doors) -> Finding:
        """Ask once. Raises CouldNotLook when there is no answer; keeps no time, the runner does."""
        ...
