"""Does PostgreSQL take a connection and answer, and since when is it up?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from responder.clients.doors import Doors
from responder.clients.network import NoAnswer
from responder.clients.postgres import NoConnectionLeft
from responder.clients.postgres_queries import SERVER
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.text import age
from responder.model.catalogue import Parameters
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target

RECENT_SECONDS = 6 * 3600  # a start longer ago is no news


class PostgresPing:
    """One connection, one query. A server that refuses the connection is unhealthy; one that cannot be found or that
    does not like our password is one we could not look at."""

    name = "postgres.ping"
    target_kind = "postgres"
    question = "Does PostgreSQL take a connection and answer, and since when is it up?"
    parameters: type[Parameters] = Nothing
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Nothing, doors: Doors) -> Finding:
        """Raises CouldNotLook when nobody knows whether it would answer others."""
        door = doors.postgres(target)
        loop = asyncio.get_running_loop()
        asked = loop.time()
        try:
            server = (await door.fetch(SERVER)).rows[0]
        except (NoAnswer, NoConnectionLeft) as reason:
            why = str(reason).removeprefix(f"{door.shown}: ")
            return self._finding(target, door.shown, f"PostgreSQL does not answer: {why}", gravity=95)
        return self._finding(target, door.shown, _headline(server, loop.time() - asked), changes=_changes(server))

    def _finding(
        self, target: Target, shown: str, headline: str, *, gravity: int = 0, changes: tuple[Change, ...] = ()
    ) -> Finding:
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if gravity else Outcome.HEALTHY,
            headline=headline,
            changes=changes,
            gravity=gravity,
            equivalent=f"pg_isready -d {shown}",
        )


def _headline(server: Mapping[str, Any], took_seconds: float) -> str:
    """`PostgreSQL 15.18 answers in 4 ms, standby, up 3d4h`."""
    version = server["version"].split(" ")[0]
    role = ", standby" if server["standby"] else ""
    return f"PostgreSQL {version} answers in {took_seconds * 1000:.0f} ms{role}, up {age(server['up_seconds'])}"


def _changes(server: Mapping[str, Any]) -> tuple[Change, ...]:
    if server["up_seconds"] > RECENT_SECONDS:
        return ()
    return (Change(at=server["started_at"], what="PostgreSQL started"),)


DIAGNOSTIC: Diagnostic = PostgresPing()
