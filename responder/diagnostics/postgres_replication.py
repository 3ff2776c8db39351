"""How far are the standbys behind?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from responder.clients.doors import Doors
from responder.clients.postgres import PostgresDoor
from responder.clients.postgres_queries import OWN_REPLAY, REPLICAS, REPLICATION_SLOTS
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Seconds
from responder.diagnostics.postgres_sessions import Row
from responder.diagnostics.text import age, size, table
from responder.errors import Refused
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several

GRAVITY = 60
OUTGROWN = frozenset({"extended", "unreserved", "lost"})  # a slot that keeps more WAL than max_wal_size
EQUIVALENT = "select application_name, state, replay_lag from pg_stat_replication"


class Asked(Parameters):
    """`lag`: from how much on a standby is behind."""

    lag: Seconds = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One standby, slot or this server itself. `behind`: what is wrong with it, empty when nothing is."""

    row: tuple[str, ...]
    said: str
    behind: bool = False


class PostgresReplication:
    """Of a primary its standbys and slots, of a standby itself. A lag that is not measured yet is shown, not judged."""

    name = "postgres.replication"
    target_kind = "postgres"
    question = "How far are the standbys behind?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"lagging"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer, or when the role does not see the standbys."""
        door = doors.postgres(target)
        replicas = (await door.fetch(REPLICAS)).rows
        there = [it for it in replicas if it["name"] is not None]
        if any(it["state"] is None for it in there):
            raise Refused(f"{door.shown}: the role does not see how far standbys are; grant it pg_monitor")
        lines = [_standby(it, parameters.lag) for it in there]
        lines += [_slot(it) for it in (await door.fetch(REPLICATION_SLOTS)).rows if not it["active"]]
        if replicas[0]["standby"]:
            lines.insert(0, await _itself(door, parameters.lag))
        bad = [it for it in lines if it.behind]
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if bad else Outcome.HEALTHY,
            headline=_headline(lines, bad),
            table=table(("what", "state", "lag", "behind"), [it.row for it in lines]) if lines else None,
            marks=("lagging",) if bad else (),
            gravity=GRAVITY if bad else 0,
            equivalent=door.psql(EQUIVALENT),
        )


def _standby(it: Row, lag: float) -> Line:
    seconds, behind = it["lag_seconds"], it["behind_bytes"]
    name = f"standby {it['name'] or it['address']}"
    by = f", {size(behind)}" if behind else ""
    said = (
        f"{name} is {age(seconds)} behind{by}" if seconds is not None else f"{name} has {size(behind or 0)} to replay"
    )
    return Line(
        row=(
            f"{name} ({it['address']})",
            f"{it['state']}, {it['sync_state']}",
            age(seconds) if seconds is not None else "not measured" if behind else "none",
            size(behind) if behind is not None else "",
        ),
        said=said,
        behind=seconds is not None and seconds > lag,
    )


def _slot(it: Row) -> Line:
    kept = size(it["kept_bytes"]) if it["kept_bytes"] is not None else "no"
    return Line(
        row=(f"slot {it['name']} ({it['kind']})", f"inactive, {it['wal_status']}", "", kept),
        said=f"slot {it['name']} has no consumer and keeps {kept} WAL",
        behind=it["wal_status"] in OUTGROWN,
    )


async def _itself(door: PostgresDoor, lag: float) -> Line:
    own = (await door.fetch(OWN_REPLAY)).rows[0]
    if own["hidden"]:
        raise Refused(f"{door.shown}: the role does not see this standby's replication; grant it pg_monitor")
    ago = own["replayed_seconds_ago"]
    # What was replayed last may be old because the primary does nothing: only where something is left is it a lag.
    idle = own["caught_up"] and own["streaming"]
    seconds = 0.0 if idle else ago
    state = "paused" if own["paused"] else "streaming" if own["streaming"] else "not connected to its primary"
    said = "this standby has replayed nothing yet" if seconds is None else f"this standby is {age(seconds)} behind"
    return Line(
        row=("this standby", state, age(seconds) if seconds is not None else "not measured", ""),
        said=f"{said} ({state})",
        behind=seconds is not None and seconds > lag,
    )


def _headline(lines: Sequence[Line], bad: Sequence[Line]) -> str:
    if bad:
        return bad[0].said + (f", and {len(bad) - 1} more" if len(bad) > 1 else "")
    if not lines:
        return "no standby is connected, and this is none"
    return lines[0].said + (f", and {several(len(lines) - 1, 'more is', 'more are')} fine" if len(lines) > 1 else "")


DIAGNOSTIC: Diagnostic = PostgresReplication()
