"""Do clients of PgBouncer wait for a connection, and which of its pools are full?"""

from __future__ import annotations

from dataclasses import dataclass

from responder.clients.doors import Doors
from responder.clients.pgbouncer import Row, Shown, whole
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.limits import FULL_GRAVITY, NEAR_LIMIT
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.text import age, table
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several

BUSY_GRAVITY = 75  # full, and nobody waits
COLUMNS = ("database", "user", "mode", "clients", "waiting", "longest", "servers in use", "pool size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What one user's connections to one database share. `size` 0: not told."""

    database: str
    user: str
    mode: str
    active: int
    waiting: int
    waited_seconds: int
    in_use: int
    size: int
    paused: bool

    @property
    def name(self) -> str:
        """`shop/api`: database and user."""
        return f"{self.database}/{self.user}"

    @property
    def full(self) -> bool:
        """Whether the next client would have to wait."""
        return 0 < self.size <= self.in_use

    @property
    def graveness(self) -> tuple[int, int, float]:
        """Those that keep clients waiting first, the longest of them before."""
        return (self.waited_seconds, self.waiting, self.in_use / self.size if self.size else 0.0)


class PostgresPgbouncer:
    """Clients waiting, or a pool or PgBouncer itself being full, is unhealthy; the pool that matters most is named."""

    name = "postgres.pgbouncer"
    target_kind = "postgres"
    question = "Do clients of PgBouncer wait for a connection, and which of its pools are full?"
    parameters: type[Parameters] = Nothing
    marks = frozenset({"near_limit"})

    async def examine(self, target: Target, parameters: Nothing, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer."""
        door = doors.pgbouncer(target)
        shown = await door.look()
        pools = sorted(_pools(shown), key=lambda it: it.graveness, reverse=True)
        crowded = shown.clients >= NEAR_LIMIT * shown.max_clients if shown.max_clients else False
        troubled = [it for it in pools if it.waiting or it.full]
        near = bool(troubled) or crowded
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if near else Outcome.HEALTHY,
            headline=_headline(shown, pools, crowded=crowded),
            table=table(COLUMNS, [_row(it) for it in pools]) if pools else None,
            marks=("near_limit",) if near else (),
            found={"database": troubled[0].database, "user": troubled[0].user} if troubled else {},
            gravity=(FULL_GRAVITY if any(it.waiting for it in troubled) else BUSY_GRAVITY) if near else 0,
            equivalent=f"psql {door.shown}/pgbouncer -c 'show pools'",
        )


def _pools(shown: Shown) -> list[Pool]:
    databases = {it.get("name", ""): it for it in shown.databases}
    return [_pool(it, databases.get(it.get("database", ""), {})) for it in shown.pools]


def _pool(row: Row, database: Row) -> Pool:
    return Pool(
        database=row.get("database", ""),
        user=row.get("user", ""),
        mode=row.get("pool_mode", ""),
        active=whole(row.get("cl_active", "")),
        waiting=whole(row.get("cl_waiting", "")),
        waited_seconds=whole(row.get("maxwait", "")),
        in_use=whole(row.get("sv_active", "")),
        size=whole(database.get("pool_size", "")),
        paused=database.get("paused") == "1",
    )


def _headline(shown: Shown, pools: list[Pool], *, crowded: bool) -> str:
    """`2 clients wait, longest 12s (shop/api): 3 of 3 server connections in use`."""
    allowed = several(shown.max_clients, "client")
    clients = f"{shown.clients} of {allowed}" if shown.max_clients else several(shown.clients, "client")
    if not pools:
        return f"no pool is in use, {clients}"
    first, waiting = pools[0], sum(it.waiting for it in pools)
    in_use = f"{first.in_use} of {several(first.size, 'server connection')} in use" + (
        ", paused" if first.paused else ""
    )
    if waiting:
        who = "1 client waits" if waiting == 1 else f"{waiting} clients wait"
        parts = [f"{who}, longest {age(first.waited_seconds)} ({first.name}): {in_use}"]
    elif first.full:
        parts = [f"pool {first.name} is full: {in_use}"]
    else:
        parts = [f"nobody waits, fullest pool {first.name}: {in_use}"]
    return ", ".join([clients, *parts] if crowded else [*parts, clients])


def _row(pool: Pool) -> tuple[str, ...]:
    return (
        pool.database,
        pool.user,
        f"{pool.mode}, paused" if pool.paused else pool.mode,
        str(pool.active + pool.waiting),
        str(pool.waiting),
        age(pool.waited_seconds) if pool.waiting else "",
        str(pool.in_use),
        str(pool.size) if pool.size else "not told",
    )


DIAGNOSTIC: Diagnostic = PostgresPgbouncer()
