from datetime import UTC, datetime

import pytest

from responder.clients.doors import Doors
from responder.model.pack import HttpSource, Signal, Target
from responder.model.reading import NoReading
from responder.signals import read as read_module
from responder.signals.read import read

NOW = datetime(2026, 11, 20, 3, 14, tzinfo=UTC)


async def test_a_bug_in_one_reader_costs_only_its_own_signal(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> NoReading:
        raise KeyError("oops")

    monkeypatch.setitem(read_module.READERS, HttpSource, broken)
    signal = Signal(name="it", unit="percent", source=HttpSource(target="api", up=("/",)))
    targets = {"api": Target(name="api", kind="http", address="http://127.0.0.1:1")}

    readings = await read({signal: 0.0}, [], targets, doors, NOW, within_seconds=1)

    assert readings == {
        "it": (NoReading(signal="it", why="bug in reading it: KeyError: 'oops'", at=NOW, step_seconds=15.0),)
    }
