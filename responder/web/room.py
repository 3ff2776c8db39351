"""How much strangers may take up: connections, bytes on their way in, and the parser.

What is oldest makes room for what is new, so that whoever sends at once is heard while others stall: a connection that
asks nothing is closed, a body that is still arriving is answered 503.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from time import thread_time
from typing import Any

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

MOST_CONNECTIONS = 512
LEAST_CONNECTIONS = 32  # senders and a few who look
FOR_THE_REST = 200  # descriptors of the daemon: the store, targets, sinks, files
DESCRIPTORS = 4096
MOST_BYTES = 32 * 1024 * 1024
TAKEN_AT_ONCE = 64  # new connections before any of them is served
QUEUE = 4096  # in the kernel; a connection that finds it full comes again after a second
UNREAD_FOR_MS = 10_000
READ_AT_ONCE_BYTES = 16 * 1024
READ_AT_ONCE_IN_CHUNKS_BYTES = 4 * 1024
PARSED_IN_A_THREAD_BYTES = 32 * 1024  # more than a group of 50
PARSED_CAREFULLY_BYTES = 4 * 1024  # nothing but short secrets takes 4 ms a KiB, a thousand times as long as other text
HELD_UP_SECONDS = 0.03  # of the processor: in a storm others have it now and then, which says nothing of the body
CAREFUL_SECONDS = 60.0
BROKEN_OFF_AT_MOST = 256  # bodies, before their garbage is looked for
SAID_AGAIN_SECONDS = 60.0
log = structlog.get_logger()


def ask_for_descriptors() -> None:
    """Take as many as this process may have, of those that are of use. It is no harm where the system gives none."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connections_that_fit() -> int:
    """How many connections leave the rest of the daemon its descriptors."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= MOST_CONNECTIONS + FOR_THE_REST:
        return MOST_CONNECTIONS
    fit = max(LEAST_CONNECTIONS, soft - FOR_THE_REST)
    log.warning("connections.few", connections=fit, descriptors=soft, cure=f"ulimit -n {DESCRIPTORS}")
    return fit


class NoRoom(Exception):
    """As much is being parsed as we have memory and time for; the sender is told 503."""


class Room:
    """Counts what is there; belongs to one event loop."""

    def __init__(self, *, most_connections: int | None = None, most_bytes: int = MOST_BYTES) -> None:
        self._most_connections = connections_that_fit() if most_connections is None else most_connections
        self._most_bytes = most_bytes
        self._answering: set[asyncio.BaseProtocol] = set()
        self._arriving: dict[asyncio.Timeout, int] = {}  # and its bytes; oldest first
        self._bytes = 0
        self._parser = asyncio.Lock()
        self._said_at = float("-inf")
        self._careful_until = float("-inf")
        self._broken_off = 0

    async def listen(self, server: web.Server, host: str, port: int) -> asyncio.Server:
        """Serve on this address, the port chosen by the system where it is 0; raises OSError."""

        def connection() -> asyncio.Protocol:
            return server() if self._has_room_beside(server.connections) else _Closed()

        loop = asyncio.get_running_loop()
        listening = await loop.create_server(connection, host, port, backlog=TAKEN_AT_ONCE)
        for it in listening.sockets:
            _wait_in_the_kernel(it.fileno(), it.family)
        return listening

    def answer(self, request: web.Request) -> None:
        """The request is here as a whole, so its connection stays until `answered`."""
        self._answering.add(request.protocol)

    def answered(self, request: web.Request) -> None:
        """Also for one that never was here as a whole."""
        self._answering.discard(request.protocol)

    @contextlib.contextmanager
    def arriving(self, request: web.Request, deadline: asyncio.Timeout) -> Iterator[Callable[[int], None]]:
        """While a body is on its way: tell what this gives of each piece's size. The oldest body may meet its deadline
        early."""
        # asyncio hands over up to 256 KiB in one go: in chunks of a byte that is a fifth of a second of parsing, during
        # which nobody else is heard. Other loops have no such attribute.
        transport: Any = request.transport
        if hasattr(transport, "max_size"):
            in_chunks = request.content_length is None
            transport.max_size = READ_AT_ONCE_IN_CHUNKS_BYTES if in_chunks else READ_AT_ONCE_BYTES

        def came(more: int) -> None:
            if deadline in self._arriving:  # not given up
                self._arriving[deadline] += more
                self._bytes += more
                self._give_one_up()

        self._arriving[deadline] = 0
        try:
            yield came
        except BaseException:
            self._left_behind()
            raise
        finally:
            self._bytes -= self._arriving.pop(deadline, 0)

    def _left_behind(self) -> None:
        """What broke off is a ring of tracebacks, connection and buffers. It outlived a look for garbage while it
        waited, so that the next such look comes hundreds of MB later."""
        self._broken_off += 1
        if self._broken_off >= BROKEN_OFF_AT_MOST:
            self._broken_off = 0
            gc.collect()

    @contextlib.asynccontextmanager
    async def parsing(self, size: int, until: float) -> AsyncIterator[None]:
        """The turn of one large body: two at once would only take the interpreter from one another. Raises NoRoom when
        it does not come before `until`, on the loop's clock."""
        self._bytes += size
        try:
            async with _held(self._parser, until):
                yield
        finally:
            self._bytes -= size

    def may_hold_up(self, size: int) -> bool:
        """Whether a body of so many bytes could keep others waiting if the loop itself parsed it."""
        careful = asyncio.get_running_loop().time() < self._careful_until
        return size > (PARSED_CAREFULLY_BYTES if careful else PARSED_IN_A_THREAD_BYTES)

    @contextlib.contextmanager
    def holding_up(self) -> Iterator[None]:
        """While the loop parses a body. One that takes long is seldom alone: the next ones are given less."""
        began = thread_time()
        try:
            yield
        finally:
            if thread_time() - began > HELD_UP_SECONDS:
                self._careful_until = asyncio.get_running_loop().time() + CAREFUL_SECONDS

    def _give_one_up(self) -> None:
        if self._bytes > self._most_bytes and self._arriving:
            oldest = next(iter(self._arriving))
            self._bytes -= self._arriving.pop(oldest)  # now: it goes soon, and must not cost the next one its place
            oldest.reschedule(asyncio.get_running_loop().time())

    def _has_room_beside(self, connections: list[RequestHandler]) -> bool:
        """Whether one more fits, by closing another if need be."""
        there = [it for it in connections if it.connected]
        if len(there) < self._most_connections:
            return True
        self._say_full(len(there))
        idle = next((it for it in there if it not in self._answering), None)
        if idle is not None:
            idle.force_close()
        return idle is not None

    def _say_full(self, connections: int) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said_at >= SAID_AGAIN_SECONDS:
            self._said_at = now
            log.warning("connections.full", connections=connections, why="the oldest idle ones are closed for new ones")


class _Closed(asyncio.Protocol):
    """A connection that there is no room for."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


@contextlib.asynccontextmanager
async def _held(lock: asyncio.Lock, until: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(until):
            await lock.acquire()
    except TimeoutError:
        raise NoRoom("other large bodies were parsed all the while") from None
    try:
        yield
    finally:
        lock.release()


def _wait_in_the_kernel(descriptor: int, family: int) -> None:
    """asyncio takes as many connections in one go as the queue is long; the queue may be longer than that. Accepted
    sockets inherit that who does not read its answer is cut off."""
    with socket.fromfd(descriptor, family, socket.SOCK_STREAM) as same:
        same.listen(QUEUE)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            same.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_FOR_MS)
