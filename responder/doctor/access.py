"""What the credentials of a target may do beyond looking: one file a kind of target, found by listing this folder."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from responder import doctor
from responder.clients.doors import Doors
from responder.model.pack import Target


class Power(StrEnum):
    """`writes`: it could change what is looked at. `reads`: it could read what no check needs, such as patients."""

    WRITES = "writes"
    READS = "reads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One thing that credentials may do and need not, as the target itself says it."""

    power: Power
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a target told of our credentials, without any of it having been tried.

    `who`: whom it takes us for, where it has names. `grants`: what is too much; `lacks`: what checks need and do not
    have; `cure`: of both. `notes`: what is good to know and nothing to change before the next start.
    `not_known`: why the target cannot tell what is too much, empty when it can.
    """

    who: str = ""
    grants: tuple[Grant, ...] = ()
    lacks: tuple[str, ...] = ()
    cure: str = ""
    notes: tuple[str, ...] = ()
    not_known: str = ""

    @property
    def writes(self) -> tuple[str, ...]:
        """What they could change."""
        return tuple(it.what for it in self.grants if it.power is Power.WRITES)


class Asks(Protocol):
    """Asks one kind of target; its module is called like the kind and ends in `ASKS = …`."""

    async def __call__(self, target: Target, doors: Doors) -> Access:
        """Ask, changing nothing. Raises CouldNotLook when the target does not answer or does not let us in."""
        ...


def kinds() -> Mapping[str, Asks]:
    """Who can ask, by the kind of target."""
    names = [it.name for it in pkgutil.iter_modules(doctor.__path__)]
    modules = {name: importlib.import_module(f"{doctor.__name__}.{name}") for name in names}
    return {name: module.ASKS for name, module in modules.items() if hasattr(module, "ASKS")}
