"""Our own samples of signals that hold no history of their own, of an incident or of a rule that watches."""

from __future__ import annotations

from datetime import datetime

from responder.model.reading import AnyReading, Reading, Sample
from responder.store.store import Store

MOST_SAMPLES = 1_000

Owner = int | str  # the number of an incident, or the name of a watch

_OF_INCIDENT, _OF_WATCH = ("samples", "incident"), ("watch_samples", "watch")
SAVE = """insert into {table} ({owner}, signal, labels, at, reading, counts) values ($1, $2, $3, $4, $5, $6)
          on conflict do nothing"""
LOAD = """select at, reading, counts from {table} where {owner} = $1 and signal = $2 and labels = $3 and at >= $4
          order by at desc limit $5"""


async def save(store: Store, owner: Owner, reading: AnyReading) -> None:
    """Keep the newest sample of a reading; of one that failed, that nothing was there."""
    newest = reading.past[-1] if isinstance(reading, Reading) and reading.past else None
    value = newest.value if newest else None
    counts = [dict(it) for it in newest.counts] if newest and newest.counts else None
    async with store.connection() as connection:
        statement = SAVE.format(table=_table(owner)[0], owner=_table(owner)[1])
        await connection.execute(statement, owner, reading.signal, repr(reading.labels), reading.at, value, counts)


async def load(store: Store, owner: Owner, reading: AnyReading, since: datetime) -> tuple[Sample, ...]:
    """The samples of the same signal and label values since then, oldest first, at most the last thousand."""
    async with store.connection() as connection:
        statement = LOAD.format(table=_table(owner)[0], owner=_table(owner)[1])
        rows = await connection.fetch(statement, owner, reading.signal, repr(reading.labels), since, MOST_SAMPLES)
        return tuple(
            Sample(at=row["at"], value=row["reading"], counts=tuple(row["counts"] or ())) for row in reversed(rows)
        )


def _table(owner: Owner) -> tuple[str, str]:
    return _OF_INCIDENT if isinstance(owner, int) else _OF_WATCH
