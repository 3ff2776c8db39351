"""What the fault tests share: an embedded store that was started before, since making one takes most of a start."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.daemon import Daemon
from tests.faults.oracle import TALLIES
from tests.faults.world import PACK, WEBHOOK_TOKEN


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many faults really fell where they had to."""
    if TALLIES:
        terminalreporter.section("faults")
        for it in TALLIES:
            terminalreporter.write_line(str(it))


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
