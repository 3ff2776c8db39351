"""What every test may use: the real systems, a fresh database, alerts with meaning."""

from __future__ import annotations

import asyncio
import itertools
import logging
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import structlog

from responder.embedded.server import EmbeddedPostgres
from responder.model.alert import Alert, AlertStatus, Webhook
from responder.store.migrate import migrate
from responder.store.store import Store

pytest_plugins = [
    "tests.plugins.pagerduty_contract",
    "tests.systems.plugin",
    "tests.systems.kafka",
    "tests.systems.kubernetes",
]

asyncio.set_event_loop(
    None
)  # some plug-ins ask for the current loop in sync tests; saying "none" keeps warnings errors

LONGEST = "tests/deploy/test_image.py"  # first, so that the others are run beside it

START = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files are handed out in this order."""
    items.sort(key=lambda it: not it.nodeid.startswith(LONGEST))


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """A command that ran in this process has set up its own log; the next test captures everything again."""
    root = logging.getLogger()
    handlers, level, shown = list(root.handlers), root.level, warnings.showwarning
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    warnings.showwarning = shown
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


@pytest.fixture(scope="session")
def embedded_dsn() -> Iterator[str]:
    """The embedded PostgreSQL, once for all tests; its own loop, because each test has another."""
    folder = Path(tempfile.mkdtemp(prefix="responder-tests-", dir="/tmp"))
    folder.chmod(0o755)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(EmbeddedPostgres.start(folder))
    yield server.dsn
    loop.run_until_complete(server.stop())
    loop.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["embedded", pytest.param("debian", marks=pytest.mark.system)])
def database_server(request: pytest.FixtureRequest) -> str:
    """The embedded PostgreSQL, and Debian's."""
    embedded = request.param == "embedded"
    dsn: str = request.getfixturevalue("embedded_dsn") if embedded else request.getfixturevalue("postgres_server").dsn
    return dsn


@pytest.fixture
async def database(database_server: str) -> AsyncIterator[str]:
    """The address of an empty database, in each of the two."""
    async with fresh_database(database_server) as address:
        yield address


@pytest.fixture
async def embedded_database(embedded_dsn: str) -> AsyncIterator[str]:
    """The address of an empty database in the embedded PostgreSQL."""
    async with fresh_database(embedded_dsn) as address:
        yield address


@asynccontextmanager
async def fresh_database(server: str) -> AsyncIterator[str]:
    """Create a database, drop it afterwards whoever is still in it."""
    name = f"responder_test_{next(_numbers)}"
    admin = await asyncpg.connect(server)
    await admin.execute(f"create database {name}")
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    """A store with the newest schema."""
    opened = await Store.open(database, redact=lambda text: text)
    await migrate(opened)
    yield opened
    await opened.close()


@pytest.fixture
def alert() -> Callable[..., Alert]:
    """`alert("aa", starts=5, resolved=9)`: an alert that started five minutes after START and ended at nine."""

    def make(fingerprint: str = "aa", *, starts: float = 0, resolved: float | None = None, **labels: str) -> Alert:
        return Alert(
            fingerprint=fingerprint.rjust(16, "0"),
            status=AlertStatus.FIRING if resolved is None else AlertStatus.RESOLVED,
            starts_at=START + timedelta(minutes=starts),
            ends_at=None if resolved is None else START + timedelta(minutes=resolved),
            labels={"alertname": "HighErrorRate"} | labels,
            annotations={"summary": "errors"},
        )

    return make


@pytest.fixture
def webhook() -> Callable[..., Webhook]:
    """`webhook(alert(), group=b"g")`: what one Alertmanager request says."""

    def make(*alerts: Alert, group: bytes = b"g", source: str = "default", cut_until: float | None = None) -> Webhook:
        until = None if cut_until is None else START + timedelta(minutes=cut_until)
        return Webhook(
            kind="alertmanager",
            source=source,
            key=group.ljust(32, b"\0"),
            title="HighErrorRate",
            alerts=alerts,
            ends_others_until=until,
        )

    return make
