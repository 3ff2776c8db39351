"""The daemon with three checks more, which do what no check may: a program of its own.

`http.stubborn` ignores its cancellation, `http.computes` keeps the event loop to itself by computing, `http.calls` by
waiting in a C function; none of them ever answers.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from responder.cli.main import main
from responder.clients.doors import Doors
from responder.diagnostics import catalogue
from responder.diagnostics.diagnostic import Diagnostic
from responder.model.catalogue import Parameters
from responder.model.pack import Target

BLOCKS_SECONDS = 1.5


@dataclass(frozen=True, kw_only=True)
class Hung:
    """`block`: what it does before it waits for ever."""

    name: str
    block: Callable[[], None] = lambda: None
    target_kind: str = "http"
    question: str = "Does it ever end?"
    parameters: type[Parameters] = Parameters
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Any, doors: Doors) -> NoReturn:
        """Never ends."""
        self.block()
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if self.name != "http.stubborn":
                    raise


def compute() -> None:
    """Nothing but Python, for a while."""
    until = time.monotonic() + BLOCKS_SECONDS
    while time.monotonic() < until:
        sum(range(100))


def call() -> None:
    """Nothing but C, for a while."""
    time.sleep(BLOCKS_SECONDS)


HUNG = (
    Hung(name="http.stubborn"),
    Hung(name="http.computes", block=compute),
    Hung(name="http.calls", block=call),
)

if __name__ == "__main__":
    ours: dict[str, Diagnostic] = {it.name: it for it in HUNG}
    theirs = catalogue.catalogue
    catalogue.catalogue = lambda: theirs() | ours
    sys.argv[1:] = ["serve"]
    main()
