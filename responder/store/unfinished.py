"""What was left undone under other settings: in shadow, or without a key for PagerDuty, nobody asked for it.

A change of settings takes a restart, so a start is when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from responder.model.folding import ALSO_AT_PAGERDUTY
from responder.model.incident import PAGERDUTY
from responder.store.accept_sql import READ_AGAIN
from responder.store.accept_write import LOOK_ANEW
from responder.store.work import Ask, ask

# Where it is looked for, or none was found, a delivery says so.
NEVER_LOOKED = """select i.id from incidents i where i.state = 'open'
                  and exists (select 1 from links l where l.incident = i.id and l.kind = any($1))
                  and not exists (select 1 from deliveries d where d.incident = i.id and d.sink = $2) order by i.id"""
SHOWN_OTHERWISE = """select d.id, d.sink from deliveries d join incidents i on i.id = d.incident
                     where d.sink = any($1) and d.foreign_id is not null and d.state not in ('gone', 'withheld')
                     and d.shown_state is distinct from i.state order by d.sink, d.id"""


async def take_up(connection: Any, told: Mapping[str, str | None]) -> None:
    """Have open incidents looked up at PagerDuty that never were, and have reports brought up to date that say another
    state than the incident's; what was over before anybody reported stays untold. `told`: as a desk has it."""
    shown = await connection.fetch(SHOWN_OTHERWISE, list(told))
    deliveries = [Ask(kind=f"deliver:{row['sink']}", key=str(row["id"])) for row in shown]
    await ask(connection, deliveries)  # before `link`, as looks do: else each would wait for the other
    for sink in (name for name, kind in told.items() if kind == PAGERDUTY):
        rows = await connection.fetch(NEVER_LOOKED, [*ALSO_AT_PAGERDUTY, PAGERDUTY], sink)
        never = [row["id"] for row in rows]
        await connection.execute(READ_AGAIN, never)
        await ask(connection, [Ask(kind="link", key=str(it)) for it in never], payload=LOOK_ANEW)
