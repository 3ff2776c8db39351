"""The report on standard output: for a terminal, and for whoever collects a container's output."""

from __future__ import annotations

from collections.abc import Sequence

from responder.delivery.plain_text import plain_text
from responder.delivery.sink import Outlets, Posted, Print, Rendering, Sink
from responder.model.report import Report


class Stdout:
    """Prints; what was printed cannot be read back or edited, so an edit prints again."""

    name = "stdout"
    foreign_kind: str | None = None
    reads_back = False
    repeats_safely = False

    def __init__(self, write: Print) -> None:
        self._write = write

    def render(self, report: Report, said: Rendering) -> str:
        """The same text as a note."""
        return plain_text(
            report, marker=said.marker, tag=said.tag, continues=said.continues, continued_in=said.continued_in
        )

    async def find(self, object: str, markers: Sequence[str]) -> list[Posted]:  # noqa: A002 - the ledger's word
        """Nothing can be read back."""
        return []

    async def post(self, object: str, text: str, *, within: float) -> str:  # noqa: A002 - the ledger's word
        """Print it."""
        await self._write(f"\n{text}\n", within)
        return "printed"

    async def edit(self, object: str, id: str, text: str, *, within: float) -> None:  # noqa: A002 - the ledger's word
        """Print it again."""
        await self._write(f"\n{text}\n", within)

    async def delete(self, object: str, id: str) -> None:  # noqa: A002 - the ledger's word
        """What was printed stays."""


def SINK(outlets: Outlets) -> Sink | None:  # noqa: N802 - the name that the registry looks for
    """Made when there is somewhere to write."""
    return Stdout(outlets.write) if outlets.write else None
