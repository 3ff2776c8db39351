"""Where a daemon under fault keeps its work: an embedded store of its own, or a database of a given PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import fresh_database
from tests.faults.sizes import FULL

EMBEDDED, GIVEN = "embedded", "given"


def both(*, short: str) -> list[str]:
    """The kinds that a test is run on: both, in the short form one of them."""
    return [EMBEDDED, GIVEN] if FULL else [short]


@dataclass(frozen=True, kw_only=True)
class Stores:
    """`seed`: an embedded one to begin with; `server`: the given PostgreSQL, None where there is none."""

    seed: Path
    server: str | None

    def kind(self, number: int) -> str:
        """In turns."""
        return GIVEN if number % 2 and self.server else EMBEDDED

    @asynccontextmanager
    async def one(self, kind: str) -> AsyncIterator[Mapping[str, Any]]:
        """An empty one, as `World.daemon` wants to be told of it. A database is gone behind the block."""
        if kind == EMBEDDED:
            yield {"seed": self.seed}
            return
        assert self.server is not None
        async with fresh_database(self.server) as address:
            yield {"DATABASE_URL": address}
