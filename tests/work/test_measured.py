"""What `/metrics` says of each guarantee, of a daemon to which it happens."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from responder.store.store import FOR_THE_REST
from responder.telemetry import REFUSED_BECAUSE
from tests.work.conftest import World

LOOKS = """
targets:
  api: {http: "${TARGET_URL}"}
  dark: {http: "http://127.0.0.1:1"}
rules:
  - name: any
    default: true
    diagnose: [http.metrics: {target: api, path: /, series: [nothing_total]}, http.status: {target: dark}]
"""
LATE = "update deliveries set first_at = null, state = 'uncertain', known_at = known_at - interval '10 minutes'"
OPENED = "update incidents set opened_at = opened_at - interval '10 minutes'"


async def value(world: World, series: str) -> float | None:
    """Of one series, its labels as they are written; None when it is not there."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", await world.get("/metrics"), re.MULTILINE)
    return float(found[1]) if found else None


async def test_rare_counters_are_there_before_they_count(world: Callable[..., Any]) -> None:
    it: World = await world()

    wanted = [f'responder_webhooks_refused_total{{reason="{why}",source="grafana"}}' for why in REFUSED_BECAUSE]
    wanted += [
        'responder_writes_total{object="other",to="pagerduty"}',
        'responder_duplicates_total{outcome="stays",sink="pagerduty_note"}',
        'responder_leases_lost_total{kind="respond"}',
        'responder_work_failures_total{kind="deliver:pagerduty_note"}',
        'responder_reports_total{outcome="refused",sink="pagerduty_note"}',
        'responder_redactions_total{kind="jwt"}',
        "responder_work_found_again_total",
    ]
    assert {series: await value(it, series) for series in wanted} == dict.fromkeys(wanted, 0.0)


async def test_a_target_that_another_replica_found_dark_is_dark_here_too(world: Callable[..., Any]) -> None:
    it: World = await world(pack=LOOKS)
    await it.post()
    await it.until(lambda: it.events("alert.handled"))
    assert await value(it, 'responder_target_up{target="api"}') == 1

    await it.rows("""insert into target_looks (pack, target, outcome, why, at, answered_at)
                     select pack, 'api', 'no answer', '', now() + interval '1 hour', now() from incidents
                     on conflict (pack, target) do update set at = excluded.at, answered_at = excluded.answered_at
                     returning target""")

    assert await value(it, 'responder_target_up{target="api"}') == 0


async def test_it_tells_how_late_work_is_while_every_connection_for_work_is_taken(world: Callable[..., Any]) -> None:
    it: World = await world()
    it.daemon.worker.stop()
    await it.until(lambda: it.daemon.worker.busy == 0)
    await it.rows("insert into work (kind, key, due_at) values ('link', '1', now() - interval '1 hour') returning id")
    async with AsyncExitStack() as held:
        for _ in range(FOR_THE_REST):
            await held.enter_async_context(it.daemon.desk.store.connection())
        late = await value(it, "responder_oldest_pending_seconds")

    assert late is not None
    assert late >= 3600


async def test_a_503_is_counted_with_its_reason(world: Callable[..., Any]) -> None:
    it: World = await world()

    async with it.http.post(f"{it.daemon.url}/webhooks/grafana", json={}) as answer:
        assert answer.status == 503

    assert await value(it, 'responder_webhooks_refused_total{reason="not_configured",source="grafana"}') == 1
    assert await value(it, 'responder_webhooks_refused_total{reason="store",source="grafana"}') == 0


async def test_it_says_that_it_is_ready_and_what_it_wrote_where(world: Callable[..., Any]) -> None:
    it: World = await world()
    paged = await it.page()
    await it.post()
    await it.until(lambda: it.events("delivery.sent"))

    assert len(it.notes(paged)) == 1
    for series, expected in {
        "responder_ready": 1,
        "responder_store_writable": 1,
        "responder_webhooks_waiting": 0,
        "responder_first_reports_overdue": 0,
        'responder_writes_total{object="note",to="pagerduty"}': 1,
        'responder_writes_total{object="other",to="pagerduty"}': 0,
        'responder_deliveries{sink="pagerduty_note",state="visible"}': 1,
    }.items():
        assert (series, await value(it, series)) == (series, expected)
    assert (await value(it, "process_resident_memory_bytes") or 0) > 1e6


async def test_a_first_report_that_is_late_is_counted(world: Callable[..., Any]) -> None:
    it: World = await world()
    await it.page()
    await it.post()
    await it.until(lambda: it.events("delivery.sent"))
    await it.rows(OPENED)
    await it.rows(LATE)

    assert await value(it, "responder_first_reports_overdue") == 1
    assert await value(it, 'responder_deliveries{sink="pagerduty_note",state="uncertain"}') == 1
    assert await value(it, 'responder_deliveries{sink="pagerduty_note",state="visible"}') is None


async def test_a_target_is_up_when_it_answers_whatever_a_check_makes_of_it(world: Callable[..., Any]) -> None:
    it: World = await world(LOOKS, answers=200)
    await it.post()
    await it.until(lambda: len(it.events("diagnostic.finished")) == 2)

    outcomes = {one["diagnostic"]: one["outcome"] for one in it.events("diagnostic.finished")}
    assert outcomes == {"http.metrics(api)": "inconclusive", "http.status(dark)": "unhealthy"}
    await it.until(lambda: it.events("report.composed"))
    assert await value(it, 'responder_target_up{target="api"}') == 1
    assert await value(it, 'responder_target_up{target="dark"}') == 0
