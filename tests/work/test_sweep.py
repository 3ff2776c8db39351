"""What is older than its setting says is forgotten by the daemon itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from responder.work.sweep import sweep
from tests.work.conftest import World

SWEPT = "update work set due_at = now() - interval '1 second' where kind = 'sweep' and not held"
AGED = (
    "update incidents set opened_at = opened_at - interval '{0}', resolved_at = resolved_at - interval '{0}'",
    "update alerts set first_seen = first_seen - interval '{0}', last_seen = last_seen - interval '{0}'",
)


async def swept(world: World, is_so: Callable[[], Any]) -> None:
    """Let the daemon sweep until it is so."""
    async with asyncio.timeout(30):
        while not await is_so():
            await world.rows(SWEPT)
            await asyncio.sleep(0.1)


async def over(world: World) -> str:
    """One incident with a note, resolved; its PagerDuty incident."""
    paged = await world.page()
    await world.post()
    await world.until(lambda: world.notes(paged))
    await world.post(status="resolved")
    await world.page(action="resolve")
    await world.until(lambda: world.events("report.composed")[-1]["title"].startswith("Resolved"))
    async with asyncio.timeout(30):
        while await world.rows("select 1 from work where kind like 'deliver:%' or kind in ('respond', 'link')"):
            await world.rows("update deliveries set delivered_at = now() - interval '2 minutes'")
            await world.rows("update work set due_at = now() where kind like 'deliver:%' and not held")
            await asyncio.sleep(0.1)
    return paged


async def test_findings_go_first_and_then_the_incident(world: Callable[..., Any]) -> None:
    it: World = await world()
    await over(it)
    for statement in AGED:
        await it.rows(statement.format("100 days"))

    async def stripped() -> Any:
        return await it.rows("select 1 from reports where stripped_at is not null")

    async def gone() -> Any:
        return not await it.incidents()

    before = await it.get("/incidents/inc-0001")
    await swept(it, stripped)
    after = await it.get("/incidents/inc-0001")
    for statement in AGED:
        await it.rows(statement.format("301 days"))
    await swept(it, gone)

    kept = "What each check found is not kept any more (RESPONDER_RETAIN_FINDINGS)."
    assert (kept in before, kept in after) == (False, True)
    assert ('<h2 id="findings">' in before, '<h2 id="findings">' in after) == (True, False)
    assert "There is no incident inc-0001 here" in await it.get("/incidents/inc-0001")
    assert it.events("incidents.forgotten")[0]["incidents"] == 1
    assert it.events("work.failed") == []


async def test_a_refire_of_what_was_forgotten_is_a_new_incident_with_a_note_of_its_own(
    world: Callable[..., Any],
) -> None:
    it: World = await world(retain_incidents="1s", retain_findings="1s")
    first = await over(it)

    async def gone() -> Any:
        return not await it.incidents()

    await swept(it, gone)
    second = await it.page()
    told = await it.post(starts="2026-11-21T06:00:00Z")
    await it.until(lambda: it.notes(second))

    assert told["incidents"] == ["inc-0002"]
    assert second != first
    assert "inc-0002" in it.notes(second)[0]
    assert "continues" not in it.notes(second)[0].lower()


async def test_an_open_incident_is_kept_however_short_the_retention_is(world: Callable[..., Any]) -> None:
    it: World = await world(retain_incidents="0s", retain_findings="0s")
    await it.post()
    await it.until(lambda: it.events("report.composed"))
    for statement in AGED:
        await it.rows(statement.format("1000 days"))

    after = [await sweep(None, it.daemon.desk) for _ in range(2)]  # type: ignore[arg-type]  # the row is not looked at

    assert [next_.in_seconds for next_ in after] == [3600.0, 3600.0]
    assert await it.incidents() == [("inc-0001", "open")]
    assert await it.rows("select stripped_at from reports") == [(None,)]
