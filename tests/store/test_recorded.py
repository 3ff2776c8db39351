"""What is kept of each look for those who ask afterwards, and how much of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from responder.model.alert import Alert, Webhook
from responder.model.finding import Finding, Outcome
from responder.model.reading import Reading
from responder.store import incidents
from responder.store.incidents import FINDING, LEAVE_OUT_LOOKS, LOOKS_KEPT, READINGS
from responder.store.recorded import numbers, recorded
from responder.store.store import Store
from tests.conftest import START
from tests.store.test_incidents import accepted


async def looked(store: Store, run: int, *, found: bool = False) -> None:
    reading = Reading(signal="errors", value=float(run), at=START)
    await incidents.save_step(store, 1, run, "readings", READINGS.dump_python({"errors": (reading,)}, mode="json"))
    if found:
        finding = Finding(check="http.status", target="api", outcome=Outcome.HEALTHY, headline=f"look {run}")
        await incidents.save_step(store, 1, run, f"finding:{finding.name}", FINDING.dump_python(finding, mode="json"))


async def test_each_look_is_told_with_what_was_found_by_then(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    await accepted(store, webhook(alert()))
    for run, found in ((0, True), (1, False), (2, True)):
        await looked(store, run, found=found)

    it = await recorded(store, 1)

    assert it is not None
    assert [one.readings["errors"][0].value for one in it.moments] == [0, 1, 2]  # type: ignore[union-attr]
    assert [[found.headline for found in one.findings] for one in it.moments] == [["look 0"], ["look 0"], ["look 2"]]
    assert await numbers(store, timedelta(days=7)) == [1]
    assert await numbers(store, timedelta(0)) == []
    assert await recorded(store, 2) is None


async def test_of_an_incident_that_stays_open_the_first_and_the_last_looks_are_kept(
    store: Store, alert: Callable[..., Alert], webhook: Callable[..., Webhook]
) -> None:
    await accepted(store, webhook(alert()))
    last = 2 * LOOKS_KEPT + 5
    async with store.connection() as connection:
        await connection.execute(
            """insert into steps (incident, run, name, outcome)
               select 1, n, 'readings', '{}' from generate_series(0, $1) n""",
            last,
        )
        await connection.execute(LEAVE_OUT_LOOKS, 1, last, LOOKS_KEPT)
        kept = [it["run"] for it in await connection.fetch("select run from steps order by 1")]

    assert kept == [*range(LOOKS_KEPT), *range(last - LOOKS_KEPT + 1, last + 1)]
