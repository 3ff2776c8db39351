"""One connection to one broker of Kafka, over which a few questions can be asked and nothing else.

https://kafka.apache.org/protocol.html; the messages are aiokafka's, the connection is ours: its address is checked
where the socket is made (a cluster says itself where its brokers are), an answer has a limit, and what is cancelled
takes the connection with it. Imported only where aiokafka is there.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import Any, Self

from aiokafka import errors
from aiokafka.protocol.admin import ApiVersionRequest

from responder.clients.network import NoAnswer, NotAllowed, in_words, why_never
from responder.clients.resolve import Resolved
from responder.errors import CouldNotLook, Refused, Unreachable

API_VERSIONS, LIST_OFFSETS, METADATA, OFFSET_FETCH, FIND_COORDINATOR, LIST_GROUPS = 18, 2, 3, 9, 10, 16
ALLOWED = frozenset({API_VERSIONS, LIST_OFFSETS, METADATA, OFFSET_FETCH, FIND_COORDINATOR, LIST_GROUPS})
MAX_ANSWER_BYTES = 2 * 1024 * 1024  # some 50,000 partitions, which need 20 times as much once they are read
DECODED_AT_ONCE = 64 * 1024  # larger answers are decoded beside the event loop
TLS_ALERT = 0x15  # the first byte of what a TLS listener says to one who speaks plainly


class Broker:
    """Open it by `async with`. Every method raises CouldNotLook, whose text names host and port."""

    def __init__(self, resolved: Resolved, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._resolved = resolved
        self._host, self._port = host, port
        self._context = context
        self._versions: dict[int, tuple[int, int]] = {}
        self._number = 0
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def shown(self) -> str:
        """`kafka://host:port`."""
        return self._resolved.shown

    async def __aenter__(self) -> Self:
        """Connect, and learn which questions it understands."""
        try:
            await self._connect()
            answer = await self.ask(ApiVersionRequest())
        except BaseException:  # cancelled too: nobody else will close it
            self._close()
            raise
        self._versions = {key: (first, last) for key, first, last in answer.api_versions or ()}
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up."""
        self._close()

    def understands(self, key: int) -> int:
        """The newest version of this kind of question that it understands, -1 when it does not."""
        return self._versions.get(key, (0, -1))[1]

    async def ask(self, request: Any) -> Any:
        """Send one question and give its answer."""
        if request.API_KEY not in ALLOWED:
            raise Refused(f"{self.shown}: a question of kind {request.API_KEY} is not one that responder asks")
        try:
            prepared = request.prepare(self._versions)
        except (errors.IncompatibleBrokerVersion, NotImplementedError):
            raise Refused(f"{self.shown}: it does not understand {type(request).__name__} as we ask it") from None
        try:
            body = await self._exchange(prepared)
            if len(body) > DECODED_AT_ONCE:
                return await asyncio.to_thread(prepared.RESPONSE_TYPE.decode, body)
            return prepared.RESPONSE_TYPE.decode(body)
        except asyncio.IncompleteReadError:
            raise NoAnswer(f"{self.shown}: {self._hung_up()}") from None
        except OSError as reason:
            raise in_words(self._resolved, reason) from None
        except (ValueError, TypeError, UnicodeError, MemoryError):  # what aiokafka says of bytes that are no answer
            raise self._nonsense() from None

    async def _exchange(self, prepared: Any) -> bytes:
        assert self._reader is not None
        assert self._writer is not None
        self._number += 1
        header = prepared.build_request_header(correlation_id=self._number, client_id="responder")
        message = header.encode() + prepared.encode()
        self._writer.write(len(message).to_bytes(4, "big") + message)
        await self._writer.drain()
        length = await self._reader.readexactly(4)
        size = int.from_bytes(length, "big", signed=True)
        if length[0] == TLS_ALERT and self._context is None:
            raise Refused(f"{self.shown}: it speaks TLS; give its authority as `ca` of the target")
        if size > MAX_ANSWER_BYTES and size >> 24 == 0:
            raise Unreachable(f"{self.shown}: the answer is larger than {MAX_ANSWER_BYTES >> 20} MiB")
        if not 4 <= size <= MAX_ANSWER_BYTES:
            raise self._nonsense()
        answer = await self._reader.readexactly(size)
        if int.from_bytes(answer[:4], "big") != self._number:
            raise self._nonsense()
        return answer[4:]

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            address = _allowed(found)
            named = {"ssl": self._context, "server_hostname": self._host} if self._context else {}
            self._reader, self._writer = await asyncio.open_connection(address, self._port, **named)  # type: ignore[arg-type]
        except (OSError, UnicodeError, ValueError) as reason:
            raise in_words(self._resolved, reason) from None

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()  # also where it does not take what we say

    def _hung_up(self) -> str:
        """It takes the first question from everybody, the second from those it knows."""
        if self._number > 1:
            return "hung up on the first question; it may want SASL, which this version does not speak"
        return "hung up without an answer" + ("" if self._context else "; it may speak TLS only")

    def _nonsense(self) -> CouldNotLook:
        return NoAnswer(f"{self.shown}: the answer is not of Kafka")


def _allowed(found: list[Any]) -> str:
    """The first address; raises NotAllowed when any of them may never be looked at."""
    addresses = [str(sockaddr[0]) for *_, sockaddr in found]
    for it in addresses:
        why = why_never(it)
        if why:
            raise NotAllowed(errno.EACCES, f"the address is {why}, which may not be looked at")
    return addresses[0]
