"""What the fault tests share: an embedded store that was started before, since making one takes most of a start."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.daemon import Daemon
from tests.faults.oracle import TALLIES
from tests.faults.stores import Stores
from tests.faults.world import PACK, WEBHOOK_TOKEN

MOST_SESSIONS = 500  # some forty daemons at once


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many faults really fell where they had to."""
    if TALLIES:
        terminalreporter.section("faults")
        for it in TALLIES:
            terminalreporter.write_line(str(it))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run in which fewer faults fell than are stated has failed, whatever its tests say."""
    if session.exitstatus == pytest.ExitCode.OK and any(it.fell < it.stated for it in TALLIES):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def seed() -> Iterator[Path]:
    """The store that a first start and an orderly end leave."""
    first = Daemon.made({"RESPONDER_RULES": str(PACK), "RESPONDER_ALERTMANAGER_TOKENS": WEBHOOK_TOKEN})
    try:
        first.start()
        assert first.terminate()[0] == 0
        yield first.folder / "data" / "postgres"
    finally:
        first.clean_up()
        shutil.rmtree(first.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def stores(request: pytest.FixtureRequest, seed: Path) -> Stores:
    """Embedded ones, and those of a given PostgreSQL where one is installed."""
    try:
        server: str | None = request.getfixturevalue("start_postgres")(max_connections=MOST_SESSIONS).dsn
    except pytest.skip.Exception:
        server = None
    return Stores(seed=seed, server=server)
