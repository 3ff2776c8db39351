"""Rules that look by themselves: a breach opens an incident, alerts join it, and it is settled by what is read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from responder.store import watches
from responder.store.watches import Opening, Watch
from responder.store.work import Claimed
from responder.work.watch import watch
from tests.work.conftest import World
from tests.work.test_respond import Start

PACK = """
targets:
  api: {http: "${TARGET_URL}", headers: {X-Token: "${TARGET_TOKEN}"}}
signals:
  serving: {unit: percent, http: {up: ["/health?{{ labels.service }}"]}}
rules:
  - name: api-watch
    summary: API does not answer
    match: ['alertname="ApiDown"']
    watch: 5s
    labels: {service: api}
    thresholds: {serving: {critical: "< 1%"}}
    diagnose: [http.status: {paths: ["/ready?{{ labels.service }}"]}]
severity:
  hold: 1s
  decide:
    - {ask: "Is it the API?", when: {labels: 'service="api"', serving: "< 1%"}, then: P1}
  otherwise: {critical: P2, warning: P3, pending: P3, unknown: P3, clear: P4}
"""
WATCH = Watch(pack="rules", rule="api-watch")


async def look(it: World, watched: Watch = WATCH) -> None:
    """What its row of work does each time."""
    row = Claimed(id=0, kind="watch", key=watched.name, attempt=0, failures=0)
    assert (await watch(row, it.daemon.desk)).in_seconds is not None


async def look_at_incident(it: World) -> None:
    """Its next look, now."""
    await it.rows("update work set due_at = now() where kind = 'respond' and not held returning id")


async def until(it: World, is_so: Callable[[], Awaitable[Any]], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await is_so():
            await look_at_incident(it)
            await asyncio.sleep(0.1)


async def states(it: World) -> list[str]:
    return [state for _, state in await it.incidents()]


async def started(world: Start, pack: str = PACK, **settings: Any) -> World:
    """With a target that answers, and the watch at rest until a test looks."""
    it: World = await world(pack, answers=200, report_stdout=True, **settings)
    rest = """update work set due_at = now() + interval '1 hour'
              where kind = 'watch' and key <> '' and not held returning id"""
    async with asyncio.timeout(10):
        while not await it.rows(rest):
            await asyncio.sleep(0.02)
    assert await it.incidents() == []
    return it


async def test_a_breach_opens_an_incident_that_is_told_where_no_foreign_one_is_needed(world: Start) -> None:
    it = await started(world)
    await look(it)
    assert await it.incidents() == []

    it.target.status = 503
    await look(it)
    await it.until(lambda: [text for text in it.printed if "API does not answer" in text and "Resolved" not in text])

    (slug, state) = (await it.incidents())[-1]
    assert state == "open"
    links = await it.rows("select kind, source, external_id, state from links")
    assert links == [("watch", "rules", "api-watch", "breach")]
    assert "P1 · API does not answer: serving 0 % (critical: < 1 %" in it.printed[-1]
    assert it.target.asked[-1].startswith(("/ready", "/health"))
    assert not it.pagerduty.account.incidents
    assert (await it.rows("select count(*) from alerts"))[0] == (0,)
    assert slug in (await it.get("/api/v1/incidents"))
    assert "API does not answer" in (await it.get(f"/incidents/{slug}"))


async def test_it_is_settled_once_all_was_clear_for_the_hold_and_told_so(world: Start) -> None:
    it = await started(world)
    it.target.status = 503
    await look(it)
    await it.until(lambda: it.events("report.composed"))
    slug = (await it.incidents())[-1][0]

    it.target.status = 200
    await until(it, lambda: it.rows(f"select 1 from incidents where slug = '{slug}' and state = 'resolved'"))

    await it.until(lambda: "Resolved after" in it.events("report.composed")[-1]["title"])
    assert [event["severity"] for event in it.events("report.composed")][-1] == "P1"
    assert (await it.rows("select state from links where kind = 'watch'")) == [("",)]
    lines = await it.get(f"/api/v1/incidents/{slug}/timeline")
    assert "the watched rule api-watch is in breach" in lines
    assert "resolved: the watched rule has been clear for long enough" in lines


async def test_what_cannot_be_read_neither_opens_nor_settles(world: Start) -> None:
    timed = PACK.replace('{up: ["/health?{{ labels.service }}"]}', "{time: /health}").replace("percent", "seconds")
    it = await started(world, timed.replace("< 1%", "> 1s"))
    await it.target.server.stop()
    await look(it)
    assert "open" not in await states(it)

    pack, five = it.daemon.desk.packs[0], timedelta(seconds=5)
    opening = Opening(rule_set=pack.hash, files=pack.files, first_report_within=five, reopen_within=five)
    await watches.breach(it.daemon.desk.store, WATCH, opening)
    await it.until(lambda: it.events("report.composed"))
    for _ in range(3):
        await look_at_incident(it)
        await asyncio.sleep(0.7)

    assert (await states(it))[-1] == "open"
    assert (await it.rows("select clear_since from incidents order by id desc limit 1")) == [(None,)]


async def test_an_alert_that_the_rule_matches_joins_it(world: Start) -> None:
    it = await started(world)
    it.target.status = 503
    await look(it)
    await it.until(lambda: it.events("report.composed"))
    slug = (await it.incidents())[-1][0]

    await it.post()
    await until(it, lambda: it.rows("select 1 from incidents where state = 'folded'"))
    await it.until(lambda: it.events("alert.handled"))

    assert (await it.incidents())[-1] == (slug, "open")
    assert {
        kind
        for (kind,) in await it.rows(
            f"select l.kind from links l join incidents i on i.id = l.incident where i.slug = '{slug}'"
        )
    } == {"watch", "alertmanager"}

    it.target.status = 200
    await it.post(status="resolved")
    await until(it, lambda: it.rows(f"select 1 from incidents where slug = '{slug}' and state = 'resolved'"))


async def test_the_end_of_its_alerts_alone_does_not_settle_it(world: Start) -> None:
    it = await started(world)
    it.target.status = 503
    await look(it)
    await it.post()
    await it.until(lambda: it.events("alert.handled"))
    await it.post(status="resolved")
    await look_at_incident(it)
    await asyncio.sleep(1.5)

    assert (await states(it)).count("open") == 1


async def test_a_breach_joins_the_incident_that_alerts_have_opened(world: Start) -> None:
    it = await started(world)
    it.target.status = 503
    await it.post()
    await it.until(lambda: it.events("alert.handled"))
    before = await it.incidents()
    await look(it)

    assert await it.incidents() == before
    assert ("breach",) in await it.rows("select state from links where kind = 'watch'")


async def test_a_look_that_began_before_its_incident_was_folded_links_no_watch_to_it(world: Start) -> None:
    """A link of a folded incident would have the next breach open that one again."""
    it = await started(world)
    await it.post()
    await it.post(group="h")
    await until(it, lambda: it.rows("select 1 from incidents where id = 2 and folded_into = 1"))
    await it.until(lambda: len(it.events("alert.handled")) >= 2)
    await it.rows("delete from links where kind = 'watch' returning id")

    goes_on = await watches.join(it.daemon.desk.store, 2, WATCH, ask_pagerduty=False)

    assert goes_on == 1
    assert (2,) not in await it.rows("select incident from links where kind = 'watch'")


async def test_replicas_that_see_the_same_breach_open_one_incident(world: Start) -> None:
    it = await started(world)
    it.target.status = 503
    await asyncio.gather(*(look(it) for _ in range(6)))

    assert len(await it.incidents()) == 1
    assert len(it.events("watch.breached")) == 1


async def test_what_a_person_has_settled_stays_so_until_it_was_clear(world: Start) -> None:
    it = await started(world)
    it.target.status = 503
    await look(it)
    await it.until(lambda: it.events("report.composed"))
    await it.rows("update incidents set state = 'resolved', resolved_at = now(), settled_by = 'Ann' returning id")

    await look(it)
    assert (await states(it))[-1] == "resolved"
    it.target.status = 200
    await look(it)
    it.target.status = 503
    await look(it)
    assert (await states(it))[-1] == "open"


async def test_samples_from_before_the_breach_count_for_its_incident(world: Start) -> None:
    lasting = PACK.replace('critical: "< 1%"', 'critical: "< 1% for 10s"')
    it = await started(world, lasting.replace('up: ["/health?{{ labels.service }}"]', "up: [/health], step: 5s"))
    await it.rows("delete from watch_samples returning at")  # from when it was well
    it.target.status = 503
    for _ in range(2):
        await look(it)
        await it.rows("update watch_samples set at = at - interval '6 s' returning at")
    assert await it.incidents() == []
    await look(it)
    await it.until(lambda: it.events("report.composed"))

    assert "breached for" in it.events("report.composed")[-1]["title"]
    await it.until(lambda: [text for text in it.printed if "breached for" in text])


async def test_each_watched_rule_has_its_row_of_work_and_a_rule_that_is_gone_has_none(world: Start) -> None:
    it = await started(world)
    desk = it.daemon.desk

    assert (await it.rows("select key from work where kind = 'watch' order by key")) == [("",), ("rules/api-watch",)]
    gone = Claimed(id=0, kind="watch", key="rules/other", attempt=0, failures=0)
    assert (await watch(gone, desk)).in_seconds is None


async def test_a_page_that_is_not_built_is_said(world: Start) -> None:
    it = await started(world, PACK.replace("watch: 5s", "watch: 5s\n    page: true"))
    it.target.status = 503
    await look(it)

    assert it.events("watch.not_paged")[-1]["rule"] == "api-watch"
