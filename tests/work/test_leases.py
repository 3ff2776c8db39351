"""A look that takes longer than a lease is still made once: whoever does it goes on holding it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.work.conftest import World

Start = Callable[..., Awaitable[World]]


async def test_a_look_that_takes_longer_than_a_lease_is_made_once(
    world: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.work.work.LEASE_SECONDS", 2.0)
    monkeypatch.setattr("responder.work.work.RENEW_SECONDS", 0.4)
    it = await world()
    it.target.seconds = 5.0

    await it.post()
    await it.until(lambda: it.events("alert.handled"))

    assert len([e for e in it.events("work.claimed") if e["work"] == "respond"]) == 1
    assert it.events("work.lease_lost") == []
    assert len(it.events("report.composed")) == 1
