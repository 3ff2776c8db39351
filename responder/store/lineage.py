"""Notice that the database goes on from a replica or a backup: it may lack what was committed last before that.

Every connection is asked once, when it is made: those to the former primary have all ended, and none is made to a
replica before it is promoted (`target_session_attrs` in `store.py`).
"""

from __future__ import annotations

import contextlib
from typing import Any

import asyncpg

NOTICE = """insert into lineage (timeline) select t from substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) t
            where not exists (select 1 from lineage where timeline = t) on conflict do nothing"""
# A week: as long as the ids of webhooks are kept. By then what was lost has been found, or is over.
MAY_LACK = """exists (select 1 from lineage l where l.since > now() - interval '7 days'
              and exists (select 1 from lineage former where former.since < l.since))"""


async def notice(connection: Any) -> None:
    """Write down a timeline that is new; a server that does not tell (of a provider, or read-only) tells nothing."""
    with contextlib.suppress(asyncpg.PostgresError):
        await connection.execute(NOTICE)
