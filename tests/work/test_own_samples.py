"""Sources without a past are judged by the samples that responder takes itself."""

from __future__ import annotations

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
    assert titles[0].endswith("ms of 3s)")
    assert "breached for" in titles[1]
