"""Make two incidents one: everything that the younger holds is the elder's from now on."""

from __future__ import annotations

from typing import Any

import structlog

from responder.store import adopt_sql as sql
from responder.store.work import Ask, ask

SAY = "insert into timeline (incident, what) values ($1, $2)"
log = structlog.get_logger()


async def fold(connection: Any, younger: int, elder: int, *, what: str) -> str:
    """Both are locked by the caller's transaction; `what` shows that they are one. Answers the younger's slug."""
    for name, statement in sql.FOLD:
        log.debug("fold.step", step=name)
        await connection.execute(statement, younger, elder)
    for row in await connection.fetch(sql.DELIVERIES, younger):
        await _hand_over(connection, row, elder)
    slugs = await connection.fetchrow(sql.SLUGS, younger, elder)
    await connection.execute(SAY, elder, f"{slugs['younger']} folded in: {what}")
    await connection.execute(SAY, younger, f"continued in {slugs['elder']}: {what}")
    log.debug("fold.step", step="told")
    slug: str = slugs["younger"]
    return slug


async def _hand_over(connection: Any, row: Any, elder: int) -> None:
    """A note on an object that both report to is the elder's now; any other says where the report goes on."""
    shown = row["foreign_id"] is not None
    on_its_way = row["state"] in ("sending", "uncertain")
    log.debug("fold.step", step="hand over")
    if row["object"] and not row["over"]:
        theirs = await connection.fetchrow(sql.DELIVERY_OF, elder, row["sink"], row["object"])
        if theirs is None:
            await connection.execute(sql.MOVE_DELIVERY, row["id"], elder)
        else:
            await connection.execute(sql.TAKE_OVER, theirs["id"], row["foreign_id"], on_its_way)
            await connection.execute(sql.CLOSE_DELIVERY, row["id"])
    elif shown or on_its_way:
        await connection.execute(sql.SAY_WHERE, row["id"])
        kind = f"deliver:{row['sink']}"
        await ask(connection, [Ask(kind=kind, key=str(row["id"]))])
    else:
        await connection.execute(sql.CLOSE_DELIVERY, row["id"])
