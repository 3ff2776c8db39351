"""How much more memory one look needs, in a process of its own: `python -m tests.harm.weigh KIND ADDRESS`.

Prints MiB at the peak beyond what the process had after a small look, then what was found.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from responder.clients.clickhouse_statements import Statement
from responder.clients.doors import Doors
from responder.clients.postgres_queries import NamedQuery
from responder.errors import CouldNotLook
from responder.model.pack import Target

WIDE = NamedQuery(name="wide", sql="select it, repeat('x', 400) as text from generate_series(1, $1::int) as it")


async def look(doors: Doors, target: Target, *, large: bool) -> str:
    """A large one, or one of the same kind that is small."""
    match target.kind:
        case "http":
            answer = await doors.http(target).get("/large" if large else "/small")
            return f"{len(answer.body)} bytes{', cut' if answer.cut else ''}"
        case "postgres":
            fetched = await doors.postgres(target).fetch(WIDE, 1_000_000 if large else 1)
            return f"{len(fetched.rows)} rows{', cut' if fetched.cut else ''}"
        case "redis":
            scanned = await doors.redis(target).scan("*" if large else "none")
            return f"{len(scanned.keys)} keys of {scanned.total}"
        case "clickhouse":
            sql = f"select number, '{'x' * 400}' as text from system.numbers limit {1_000_000 if large else 1}"
            rows = await doors.clickhouse(target).fetch(Statement(name="wide", sql=sql))
            return f"{len(rows.rows)} rows{', cut' if rows.cut else ''}"
        case "prometheus":
            return str(await doors.prometheus(target).instant("up"))[:80]
        case _:
            return f"{len((await doors.kafka(target).lags('large' if large else 'small')).partitions)} partitions"


async def weigh(kind: str, address: str) -> None:
    """See above."""
    doors = Doors({})
    target = Target(name="it", kind=kind, address=address, allow=frozenset({"scan"}), per_minute=1000)
    try:
        await look(doors, target, large=False)
    except CouldNotLook as why:
        print(why, file=sys.stderr)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _kib("VmRSS")
    try:
        said = await look(doors, target, large=True)
    except CouldNotLook as why:
        said = str(why)
    print((_kib("VmHWM") - before) / 1024, said)
    await doors.close()


def _kib(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


if __name__ == "__main__":
    asyncio.run(weigh(*sys.argv[1:3]))
