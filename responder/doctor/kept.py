"""The store, as it is now: writable, of this version, by a clock like ours, with work that moves."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from responder.doctor.line import Line, ok, warning, wrong
from responder.embedded.server import LOW_DISK_BYTES
from responder.model.asked import Asked
from responder.store import reconcile
from responder.store.store import Store

STORE = "store"
SKEW = timedelta(seconds=5)  # leases and timers run by the database's clock alone, dates in reports by ours
STALE = timedelta(minutes=10)  # what is asked each minute by whoever runs


OVERDUE = """select kind, count(*)::int as n from work where not held and due_at < now() - interval '1 minute'
             group by kind order by kind"""


async def lines(store: Store, clock: Callable[[], datetime], kinds: Collection[str]) -> list[Line]:
    """`kinds`: of the work that these settings do. Raises StoreUnavailable."""
    before = clock()
    async with store.connection() as connection:
        row = await connection.fetchrow(
            "select clock_timestamp() as now, current_setting('server_version') as version, "
            "(select count(*) from incidents where state = 'open') as open"
        )
        overdue = {it["kind"]: it["n"] for it in await connection.fetch(OVERDUE)}
    skew = row["now"] - (before + (clock() - before) / 2)
    said = f"PostgreSQL {row['version']}, {row['open']} open incident{'' if row['open'] == 1 else 's'}"
    found = [ok(STORE, said) if await store.writable() else wrong(STORE, f"{said}, but nothing can be written")]
    found.append(_clock(skew))
    found.append(_timers(sum(number for kind, number in overdue.items() if kind in kinds)))
    found += _of_others({kind: number for kind, number in overdue.items() if kind not in kinds})
    return [*found, *_asked(await reconcile.outcomes(store), row["now"])]


def _clock(skew: timedelta) -> Line:
    seconds = skew.total_seconds()
    if abs(skew) <= SKEW:
        return ok("clock", f"the database's and ours are {abs(seconds):.1f} s apart", skew_seconds=seconds)
    way = "ahead of" if seconds > 0 else "behind"
    says = f"the database's clock is {abs(seconds):.0f} s {way} ours: dates in reports will not fit"
    return wrong("clock", says, "run a time service (chrony, say) on both machines", skew_seconds=seconds)


def _timers(overdue: int) -> Line:
    if not overdue:
        return ok("timers", "nothing is overdue", overdue=0)
    says = f"{overdue} piece{'' if overdue == 1 else 's'} of work due for more than a minute"
    return wrong("timers", says, "is a daemon running? its log and /readyz say what it waits for", overdue=overdue)


def _of_others(overdue: Mapping[str, int]) -> Iterator[Line]:
    """What a replica with these settings leaves to others."""
    if overdue:
        named = ", ".join(f"{number} of {kind}" for kind, number in overdue.items())
        says = f"due for more than a minute, and nothing that these settings do: {named}"
        yield warning("timers of others", says, "does a replica run that is set up for it?", overdue=dict(overdue))


def _asked(outcomes: tuple[Asked, ...], now: datetime) -> Iterator[Line]:
    """What the daemon itself was told when it asked last, where that was no answer."""
    for it in outcomes:
        if it.why and now - it.at < STALE:
            yield wrong(f"daemon's asking of {it.whom}", f"{it.at:%H:%M} UTC: {it.why}")


def disk(data_dir: Path) -> Line:
    """Room on the disk of the embedded store, for accounts other than root."""
    there = next(it for it in (data_dir, *data_dir.parents) if os.path.isdir(it))
    free = os.statvfs(there)
    free_bytes = free.f_bavail * free.f_frsize
    if free_bytes < LOW_DISK_BYTES:
        cure = f"webhooks are answered 503 below {LOW_DISK_BYTES >> 20} MB"
        return wrong("data folder", f"{data_dir}: {free_bytes >> 20} MB of disk free", cure)
    if there != data_dir:
        return warning("data folder", f"{data_dir} is not there yet; the first start makes it")
    return ok("data folder", f"{data_dir}: {free_bytes >> 30} GB of disk free")
