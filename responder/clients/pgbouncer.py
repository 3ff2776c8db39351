"""What the console of a PgBouncer shows of its pools.

The console is a database called `pgbouncer` that speaks the simple protocol only, whose rows the library throws away:
it makes the connection (TLS, passwords), and a reader of a few lines takes it over. What is sent is four constants; a
stranger's text never goes this way. https://www.pgbouncer.org/usage.html#admin-console
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from responder.clients.budget import Budget
from responder.clients.network import check_host
from responder.clients.postgres import LIBRARY_ERRORS, NAME, connect, no_connection
from responder.clients.resolve import Resolved
from responder.errors import Refused, Unreachable

DATABASE = "pgbouncer"
SHOWS = ("SHOW POOLS", "SHOW DATABASES", "SHOW LISTS", "SHOW CONFIG")
PORT = 5432  # where the address names none, as for every address of this kind
MAX_BYTES = 1 << 20  # of one answer; a pool takes about 150
NEEDS = "the user must be one of PgBouncer's `stats_users`"

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The rows of SHOW POOLS and SHOW DATABASES without the console's own, and clients without ourselves.

    `max_clients` 0: it does not tell.
    """

    pools: tuple[Row, ...]
    databases: tuple[Row, ...]
    clients: int
    max_clients: int


class PgBouncerDoor:
    """A connection for each look: the console keeps none that is idle for anybody."""

    def __init__(self, resolved: Resolved, budget: Budget) -> None:
        self._resolved = resolved
        self._budget = budget

    @property
    def shown(self) -> str:
        """Scheme, host and port, for people."""
        return self._resolved.shown

    async def close(self) -> None:
        """Nothing stays open."""

    async def look(self) -> Shown:
        """Its pools and their limits, also when no client has a place left. Raises Unreachable and Refused."""
        async with self._budget.turn():
            await check_host(self._resolved, PORT)
            connection = await self._connected()
            try:
                pools, databases, lists, settings = await self._shows(connection._transport)
            finally:
                connection.terminate()
        counts = {it.get("list", ""): it.get("items", "") for it in lists}
        limits = {it.get("key", ""): it.get("value", "") for it in settings}
        return Shown(
            pools=tuple(it for it in pools if it.get("database") != DATABASE),
            databases=tuple(it for it in databases if it.get("name") != DATABASE),
            clients=max(whole(counts.get("used_clients", "")) - 1, 0),
            max_clients=whole(limits.get("max_client_conn", "")),
        )

    async def _connected(self) -> Any:
        try:
            return await connect(self._resolved, NAME, database=DATABASE)
        except asyncpg.InvalidCatalogNameError:
            raise Refused(f"{self.shown}: no PgBouncer; expected the address that its clients use") from None
        except LIBRARY_ERRORS as reason:
            if isinstance(reason, asyncpg.ProtocolViolationError) and "not allowed" in str(reason):
                raise Refused(f"{self.shown}: not allowed; {NEEDS}") from None
            raise no_connection(self._resolved, reason) from None

    async def _shows(self, transport: Any) -> list[tuple[Row, ...]]:
        console = _Console()
        transport.set_protocol(console)
        answers = []
        for statement in SHOWS:
            try:
                answers.append(await console.answer(transport, statement))
            except _Said as why:
                said = self._resolved.clean(str(why))
                raise Refused(f"{self.shown}: {said} during {statement}; {NEEDS}") from None
            except OSError as why:
                raise Unreachable(f"{self.shown}: the connection was lost during {statement}: {why}") from None
        return answers


def whole(text: str) -> int:
    """
    >>> whole("12"), whole(""), whole("none")
    (12, 0, 0)
    """
    return int(text) if text.isdecimal() else 0


class _Said(Exception):
    """An error message of the server."""


class _Console(asyncio.Protocol):
    """One statement of the simple protocol at a time.

    https://www.postgresql.org/docs/current/protocol-message-formats.html
    """

    def __init__(self) -> None:
        self._unread = bytearray()
        self._columns: list[str] = []
        self._rows: list[Row] = []
        self._error = ""
        self._taken = 0
        self._done: asyncio.Future[tuple[Row, ...]] | None = None
        self._lost: OSError | None = None

    async def answer(self, transport: Any, statement: str) -> tuple[Row, ...]:
        """All of its rows; raises _Said and OSError."""
        if self._lost is not None:
            raise self._lost
        self._columns, self._rows, self._error, self._taken = [], [], "", 0
        self._done = asyncio.get_running_loop().create_future()
        body = statement.encode() + b"\0"
        transport.write(b"Q" + (len(body) + 4).to_bytes(4, "big") + body)
        return await self._done

    def data_received(self, data: bytes) -> None:
        """Take apart what is whole."""
        self._unread += data
        self._taken += len(data)
        if self._taken > MAX_BYTES:
            self._fail(OSError(f"an answer of more than {MAX_BYTES} bytes"))
            return
        while len(self._unread) >= 5:
            end = 1 + int.from_bytes(self._unread[1:5], "big")
            if end < 5 or len(self._unread) < end:
                return
            kind, body = chr(self._unread[0]), bytes(self._unread[5:end])
            del self._unread[:end]
            self._message(kind, body)

    def connection_lost(self, exc: Exception | None) -> None:
        """It hung up, or we did."""
        self._fail(OSError(type(exc).__name__ if exc else "it hung up"))

    def _message(self, kind: str, body: bytes) -> None:
        if kind == "T":
            self._columns = _columns(body)
        elif kind == "D":
            self._rows.append(dict(zip(self._columns, _values(body), strict=False)))
        elif kind == "E":
            self._error = _error(body)
        elif kind == "Z" and self._done is not None and not self._done.done():
            if self._error:
                self._done.set_exception(_Said(self._error))
            else:
                self._done.set_result(tuple(self._rows))

    def _fail(self, why: OSError) -> None:
        self._lost = why
        if self._done is not None and not self._done.done():
            self._done.set_exception(why)


def _columns(body: bytes) -> list[str]:
    names, at = [], 2
    for _ in range(int.from_bytes(body[:2], "big")):
        end = body.index(b"\0", at)
        names.append(body[at:end].decode(errors="replace"))
        at = end + 19  # behind the name: table, column, type, its size and modifier, format
    return names


def _values(body: bytes) -> list[str]:
    values, at = [], 2
    for _ in range(int.from_bytes(body[:2], "big")):
        size = int.from_bytes(body[at : at + 4], "big", signed=True)
        at += 4
        values.append(body[at : at + max(size, 0)].decode(errors="replace"))
        at += max(size, 0)
    return values


def _error(body: bytes) -> str:
    """Its message, the field `M`."""
    fields = {part[:1]: part[1:] for part in body.split(b"\0")}
    return fields.get(b"M", b"an error").decode(errors="replace")
