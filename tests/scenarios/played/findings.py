"""Checks whose door cannot be played: what they find stands in `world.yaml`, the check itself is not run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from responder.clients.doors import Doors
from responder.diagnostics.diagnostic import Diagnostic
from responder.errors import Unreachable
from responder.model.catalogue import CheckSpec, Parameters
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target
from tests.scenarios.played.world import SAYS_NOTHING, World


class Given:
    """In the place of one check."""

    def __init__(self, spec: CheckSpec, world: World) -> None:
        self.name = spec.name
        self.target_kind = spec.target_kind
        self.question = spec.question
        self.parameters: type[Parameters] = spec.parameters
        self.marks = spec.marks
        self._world = world

    async def examine(self, target: Target, parameters: Any, doors: Doors) -> Finding:
        """What the world says it finds."""
        said = self._world.findings.get(self.name)
        if said is None:
            raise Unreachable(f"{SAYS_NOTHING} {self.name}")
        if "could_not_look" in said:
            raise Unreachable(said["could_not_look"])
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome(said.get("outcome", "healthy")),
            headline=said["headline"],
            changes=tuple(self._change(it) for it in said.get("changes", ())),
            marks=tuple(said.get("marks", ())),
            found=said.get("found", {}),
            gravity=said.get("gravity", 50),
        )

    def _change(self, it: Mapping[str, Any]) -> Change:
        return Change(
            at=self._world.moment(it["at"]),
            what=it["what"],
            by=it.get("by", ""),
            about=it.get("about", {}),
            weight=it.get("weight", 1.0),
        )


def with_given(
    catalogue: Mapping[str, Diagnostic], specs: Mapping[str, CheckSpec], world: World
) -> dict[str, Diagnostic]:
    """The catalogue, with what the world speaks of itself in the place of the real check."""
    given = {name: Given(it, world) for name, it in specs.items() if name in world.findings}
    return {**catalogue, **given}
