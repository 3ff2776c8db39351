"""Commands as processes, on the database of a daemon that was told of an alert."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.kept import BAD, FIRING, PACK, Kept, kept_in

REPOSITORY = Path(__file__).parents[2]
Command = Callable[..., Coroutine[Any, Any, "subprocess.CompletedProcess[str]"]]


@pytest.fixture
async def kept(embedded_database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kept]:
    """One incident, reported; one alert in quarantine."""
    async with kept_in(embedded_database, monkeypatch) as made:
        await made.post(FIRING, BAD)
        await made.report()
        yield made


@pytest.fixture
def command(tmp_path: Path, request: pytest.FixtureRequest) -> Command:
    """`await command("incidents", "--json")`; on the database of `kept` where the test has that. 80 columns wide."""

    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RESPONDER_")}
        return subprocess.run(
            [sys.executable, "-m", "responder.cli.main", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            env=clean | {"PYTHONPATH": str(REPOSITORY), "RESPONDER_RULES": str(PACK), "COLUMNS": "80"} | variables,
        )

    async def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        if "kept" in request.fixturenames:
            database = request.getfixturevalue("kept").database
            variables = {"RESPONDER_DATABASE_URL": database, "RESPONDER_NAME": "test"} | variables
        return await asyncio.to_thread(call, *arguments, **variables)

    return run
