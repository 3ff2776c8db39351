"""The hosts of the store's address, each with a time of its own.

asyncpg tries them one after the other within one time for all: a first one that answers nothing, as a machine that was
switched off, would use it up, and the one that took its place would never be asked.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import asyncpg

NOT_A_PRIMARY = asyncpg.TargetServerAttributeNotMatched
NEXT = (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, NOT_A_PRIMARY)


class Hosts:
    """Connects to the first that will do, the one that did last time before all others."""

    def __init__(self, dsn: str, *, within: float) -> None:
        self._each = _each_of(dsn)
        self._within = within / len(self._each)

    async def connect(self, _dsn: str, **settings: Any) -> Any:
        """As asyncpg's own. Raises what one of them said: that it is no primary, because of another's silence; else
        what the first said."""
        said: list[Exception] = []
        for dsn in list(self._each):
            try:
                connection = await asyncpg.connect(dsn, timeout=self._within, **settings)
            except NEXT as why:
                said.append(why)
                continue
            self._each.remove(dsn)
            self._each.insert(0, dsn)
            return connection
        standby = next((it for it in said if isinstance(it, NOT_A_PRIMARY)), None)
        silent = next((it for it in said if not isinstance(it, NOT_A_PRIMARY)), None)
        if standby is not None:
            raise standby from silent
        raise said[0]


def _each_of(dsn: str) -> list[str]:
    """`user@one,two/db` as two addresses; hosts in the query are asyncpg's to try."""
    address = urlsplit(dsn)
    user, at, hosts = address.netloc.rpartition("@")
    if "," not in hosts:
        return [dsn]
    return [address._replace(netloc=f"{user}{at}{host}").geturl() for host in hosts.split(",")]
