"""An address of several hosts: each is asked in a time of its own."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest

from responder.errors import StoreUnavailable
from responder.store import store as module
from responder.store.hosts import Hosts
from responder.store.store import Store


@contextmanager
def silent() -> Iterator[socket.socket]:
    """Takes connections and says nothing, as a machine behind a router that swallows what is sent to it."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        listening.setblocking(False)
        yield listening


def asked(listening: socket.socket) -> int:
    """How many came since the last time."""
    for number in itertools.count():
        try:
            listening.accept()[0].close()
        except BlockingIOError:
            return number
    raise AssertionError


def hosts_of(listening: socket.socket, *more: str) -> str:
    return ",".join([f"127.0.0.1:{listening.getsockname()[1]}", *more])


@pytest.fixture
def address(postgres_server: object) -> str:
    return str(postgres_server.dsn)  # type: ignore[attr-defined]


async def test_one_that_says_nothing_does_not_use_up_the_time_of_the_next(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HOSTS_SECONDS", 2.0)
    lives = urlsplit(address)
    user, _, host = lives.netloc.rpartition("@")
    with silent() as dead:
        both = lives._replace(netloc=f"{user}@{hosts_of(dead, host)}").geturl()
        store = await Store.open(both, redact=lambda text: text)
        assert asked(dead) > 0
        async with store.connection(), store.connection(), store.housekeeping(), store.housekeeping():
            assert await store.writable()
        await store.close()
        assert asked(dead) == 0  # who answered is asked first from then on


async def test_all_silent_is_no_answer_within_the_time_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOSTS_SECONDS", 0.6)
    with silent() as dead:
        dsn = f"postgresql://u:a,b@{hosts_of(dead, hosts_of(dead))}/db"
        with pytest.raises(StoreUnavailable, match="no answer from the database: TimeoutError"):
            await Store.open(dsn, redact=lambda text: text)


@pytest.mark.parametrize(
    ("dsn", "each"),
    [
        ("postgresql://u:p@one,two:5433/db?a=b", ["postgresql://u:p@one/db?a=b", "postgresql://u:p@two:5433/db?a=b"]),
        ("postgresql://u:p,q@[::1]:5432/db", ["postgresql://u:p,q@[::1]:5432/db"]),
        ("postgresql:///db?host=/run/postgresql", ["postgresql:///db?host=/run/postgresql"]),
        ("postgresql://one/db", ["postgresql://one/db"]),
    ],
)
async def test_each_host_is_an_address_of_its_own(dsn: str, each: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    async def refuse(address: str, **_: object) -> None:
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncpg, "connect", refuse)
    with pytest.raises(ConnectionRefusedError):
        await Hosts(dsn, within=1).connect(dsn)

    assert tried == each
