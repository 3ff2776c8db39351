"""The seam of a sink: a place that reports go to. Its module ends in `SINK = …`; this folder is the registry."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import SecretStr

from responder.clients.pagerduty import PagerDutyApi, PagerDutyDoor
from responder.model.report import Report

Print = Callable[[str, float], Awaitable[None]]
"""Writes a text, begun within so many seconds or not at all; raises DeliveryError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """One report of ours as the sink shows it, known by its marker."""

    id: str
    marker: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """What is said with a report beside its content. `continued_in`: slug of the incident that goes on for it.

    `edition`: the same over retries of one delivery, another for the next one. `short`: the sink has refused all of it.
    """

    marker: str
    tag: str = ""
    continues: str = ""
    continued_in: str = ""
    edition: str = ""
    short: bool = False


class Sink(Protocol):
    """Shows one text on one object. `post` and `edit` raise DeliveryError, never a library's exception."""

    name: str
    foreign_kind: str | None
    """The kind of link whose incident is the object (`pagerduty`, `page`); None when the sink itself is the object."""
    reads_back: bool
    """Whether `find` can tell what is shown; without it an uncertain post is repeated, tagged."""
    repeats_safely: bool
    """Whether a repeated post is known as such by whoever takes it, so that it needs no tag."""

    def render(self, report: Report, said: Rendering) -> Any:
        """The report in this sink's form; a sink that has no shorter one takes no notice of `short`."""
        ...

    async def find(self, object: str, markers: Sequence[str]) -> list[Posted]:  # noqa: A002 - the ledger's word
        """What the object shows with any of these markers, or beginnings of one, oldest first; raises CouldNotLook."""
        ...

    async def post(self, object: str, text: Any, *, within: float) -> str:  # noqa: A002 - the ledger's word
        """Show it, answer its id there. `within`: seconds, after which nothing may be sent any more."""
        ...

    async def edit(self, object: str, id: str, text: Any, *, within: float) -> None:  # noqa: A002 - the ledger's word
        """Show this instead."""
        ...

    async def delete(self, object: str, id: str) -> None:  # noqa: A002 - the ledger's word
        """Take one of ours away."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """What sinks are made from; a sink that needs what is not there does not exist."""

    pagerduty: PagerDutyApi | None = None
    write: Print | None = None
    report_webhook_url: SecretStr | None = None
    events: PagerDutyDoor | None = None
    routing_key: SecretStr | None = None


def sinks(outlets: Outlets) -> Mapping[str, Sink]:
    """Every sink of this folder that is configured, by name."""
    found: dict[str, Sink] = {}
    package = importlib.import_module("responder.delivery")
    for module in pkgutil.iter_modules(package.__path__):
        make = getattr(importlib.import_module(f"responder.delivery.{module.name}"), "SINK", None)
        sink = make(outlets) if make is not None else None
        if sink is not None:
            found[sink.name] = sink
    return found
