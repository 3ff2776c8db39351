"""Targets as rule files would give them, and doors that are closed at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.model.pack import Target


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    doors = Doors({})
    yield doors
    await doors.close()


@pytest.fixture
def target() -> Callable[..., Target]:
    def made(kind: str, address: Any, **more: Any) -> Target:
        return Target(name="it", kind=kind, address=address, **more)

    return made
