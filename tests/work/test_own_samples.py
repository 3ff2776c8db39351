"""Sources without a past are judged by the samples that responder takes itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, generate_latest

from tests.systems.servers import Handler
from tests.work.test_respond import PACK, Start


async def test_a_bound_on_json_is_pending_until_our_own_samples_cover_it(world: Start) -> None:
    lasting = PACK.replace('critical: "< 1%"}}', 'critical: "< 1 for 3s"}}').replace(
        "{unit: percent, http: {up: [/health]}}", '{unit: count, json: {path: /health, value: "length(@)", step: 5s}}'
    )
    it = await world(lasting.replace('{serving: "< 1%"}', '{serving: "< 1"}'))
    incident = await it.page()
    await it.post()
    await it.until(lambda: it.notes(incident))
    await it.until(lambda: len(it.events("report.composed")) >= 2)

    titles = [event["title"] for event in it.events("report.composed")]
    assert "; pending: " in titles[0]
    assert "breached for" in titles[1]


async def test_a_share_of_counters_is_pending_until_two_samples_cover_its_window(
    world: Start, serve: Callable[[Handler], Awaitable[str]]
) -> None:
    page = CollectorRegistry()
    scored = Counter("scored", "Scored", ["how"], registry=page)

    async def answer(_: web.Request) -> web.Response:
        scored.labels("fallback").inc(4)
        scored.labels("model").inc(6)
        return web.Response(body=generate_latest(page))

    ratio = """{unit: percent, metrics: {ratio: ['scored_total{how="fallback"}', scored_total], step: 5s}}"""
    counted = PACK.replace("{unit: percent, http: {up: [/health]}}", ratio).replace("< 1%", "> 30% for 5s")
    it = await world(counted.replace('"${TARGET_URL}"', await serve(answer)))
    incident = await it.page()
    await it.post()
    await it.until(lambda: it.notes(incident))
    await it.until(lambda: len(it.events("report.composed")) >= 2)

    titles = [event["title"] for event in it.events("report.composed")]
    assert "serving not known yet (critical: > 30 % for 5s; pending: " in titles[0]
    assert "serving 40 % (critical: > 30 % for 5s; breached for at least" in titles[1]
