"""One figure of a PostgreSQL, by a reviewed query or a guarded one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from responder.clients.doors import Doors
from responder.clients.postgres import NoConnectionLeft
from responder.clients.postgres_queries import (
    BLOCKED,
    CONNECTION_LIMITS,
    OLDEST_TRANSACTION,
    REPLICATION_LAG,
    NamedQuery,
)
from responder.clients.sql_guard import NotASafeQuery, guarded
from responder.errors import Refused
from responder.model.reading import AnyReading, NoReading
from responder.model.sources import POSTGRES_READINGS, PostgresSource
from responder.signals.signal import Wanted, converted, sampled

Row = Mapping[str, Any]
NOT_VISIBLE = "the role does not see other sessions; grant it pg_monitor"


async def read_postgres(wanted: Wanted, doors: Doors) -> AnyReading:
    """Raises Refused where the figure cannot be known, such as sessions that the role may not see into."""
    source = wanted.signal.source
    assert isinstance(source, PostgresSource)
    if source.query:
        return await _by_query(wanted, source.query, doors)
    door = doors.postgres(wanted.target)
    query, figure = FIGURES[source.reading]
    try:
        value = figure((await door.fetch(query)).rows[0])
    except NoConnectionLeft:
        if source.reading != "connections_used":
            raise
        value = 100.0
    except _Unknown as why:
        raise Refused(f"{door.shown}: {why}") from None
    native = POSTGRES_READINGS[source.reading]
    return sampled(wanted, converted(value, native, wanted.signal.unit), f"{source.reading} of {door.shown}")


async def _by_query(wanted: Wanted, text: str, doors: Doors) -> AnyReading:
    """What the rule files' check has passed is judged again: here it runs."""
    door = doors.postgres(wanted.target)
    try:
        query = guarded(text)
    except NotASafeQuery as why:
        return NoReading(signal=wanted.signal.name, why=f"the query is refused: {why}", at=wanted.now)
    value = await door.number(query, [wanted.labels[name] for name in query.binds])
    if value is None or math.isnan(value):
        raise Refused(f"{door.shown}: the query gave {'no value' if value is None else 'NaN'}")
    return sampled(wanted, value, f"a query of {door.shown}")


class _Unknown(Exception):
    """There is an answer, and it does not give the figure."""


def _connections_used(row: Row) -> float:
    return float(100.0 * row["used"] / row["maximum"])


def _oldest_transaction(row: Row) -> float:
    if row["hidden"]:
        raise _Unknown(NOT_VISIBLE)
    return float(row["seconds"])


def _blocked(row: Row) -> float:
    return float(row["sessions"])


def _replication_lag(row: Row) -> float:
    """Of a standby how long ago what it last replayed was committed, unless it has replayed all that there is."""
    if row["hidden"]:
        raise _Unknown(NOT_VISIBLE)
    if row["is_standby"]:
        return _behind_the_primary(row)
    if not row["standbys"]:
        raise _Unknown("no standby is connected, so that there is no lag to be read")
    if row["unmeasured"]:
        raise _Unknown("a standby has not said yet how far behind it is")
    return float(row["behind_seconds"])


def _behind_the_primary(row: Row) -> float:
    if row["caught_up"]:
        return 0.0
    if row["replayed_seconds_ago"] is None:
        raise _Unknown("this standby has replayed no transaction yet")
    return float(row["replayed_seconds_ago"])


FIGURES: Mapping[str, tuple[NamedQuery, Callable[[Row], float]]] = {
    "connections_used": (CONNECTION_LIMITS, _connections_used),
    "oldest_transaction": (OLDEST_TRANSACTION, _oldest_transaction),
    "replication_lag": (REPLICATION_LAG, _replication_lag),
    "blocked": (BLOCKED, _blocked),
}
