"""A failover to a replica that lagged: what it never heard of is found by asking, and noted once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web

from responder.demo.local_server import LocalServer
from responder.demo.pagerduty_account import PagedIncident
from tests.faults.cluster import Cluster
from tests.faults.daemon import Daemon
from tests.faults.oracle import OURS, Tally, check_one_note
from tests.faults.sizes import size
from tests.faults.world import Case, World, noted, ours, until

HURRIED = str(Path(__file__).parent / "hurried.py")
FAILOVERS = size(full=5, short=1)
OF_EACH = size(full=4, short=2)
LONG_AGO = timedelta(hours=1)
pytestmark = [pytest.mark.faults, pytest.mark.system, pytest.mark.timeout(400)]


@dataclass(kw_only=True)
class PlayedAlertmanager:
    """What Alertmanager's API says of its alerts. Open it with `opened`."""

    firing: set[str] = field(default_factory=set)
    url: str = ""

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncIterator[PlayedAlertmanager]:
        """It has been up for an hour; ended with the block."""
        self = cls()
        app = web.Application()
        app.add_routes([web.get("/api/v2/alerts", self._alerts), web.get("/api/v2/status", self._status)])
        server = LocalServer(app)
        await server.start()
        self.url = server.url
        try:
            yield self
        finally:
            await server.stop()

    async def _alerts(self, _: web.Request) -> web.Response:
        return web.json_response([{"fingerprint": it} for it in sorted(self.firing)])

    async def _status(self, _: web.Request) -> web.Response:
        since = (datetime.now(UTC) - LONG_AGO).isoformat()
        return web.json_response({"cluster": {"status": "disabled"}, "uptime": since})


@dataclass(kw_only=True)
class Told:
    """Alerts that were accepted, by what the replica heard of them."""

    known: dict[Case, PagedIncident] = field(default_factory=dict)
    over: dict[Case, PagedIncident] = field(default_factory=dict)
    """Known to it, but not that they are resolved."""
    noted: dict[Case, PagedIncident] = field(default_factory=dict)
    """Unknown to it, their notes too."""
    unnoted: dict[Case, PagedIncident] = field(default_factory=dict)
    """Unknown to it; there was no note yet."""
    started: dict[Case, PagedIncident] = field(default_factory=dict)
    """Known to it, but not that their notes were posted."""

    @property
    def all(self) -> dict[Case, PagedIncident]:
        return self.known | self.over | self.noted | self.unnoted | self.started


def fingerprint(case: Case) -> str:
    return str(json.loads(case.body)["alerts"][0]["fingerprint"])


@pytest.mark.parametrize("number", range(FAILOVERS))
async def test_what_a_replica_that_lagged_never_heard_of_is_found_again_and_noted_once(
    postgres_template: Path, number: int
) -> None:
    tally = Tally(name=f"accepted, and lost by a failover ({number})", stated=4 * OF_EACH)
    async with (
        Cluster.opened(postgres_template) as primary,
        primary.standby() as standby,
        World.opened() as world,
        PlayedAlertmanager.opened() as alertmanager,
    ):
        daemon = await following(world, alertmanager, primary, standby)
        told = Told()
        told.known = await tell(world, daemon, alertmanager, "Known")
        told.over = await tell(world, daemon, alertmanager, "Over")
        await until(lambda: all(noted(it) for it in told.all.values()), else_tell=lambda: daemon.log[-3000:])
        world.pagerduty.fault("POST /incidents/*/notes", "status", status=503, times=None)
        told.started = await tell(world, daemon, alertmanager, "Started")
        await until(lambda: len(daemon.events("delivery.uncertain")) >= OF_EACH)
        await calm(primary)
        await until(lambda: lagless(primary, standby))
        await asyncio.to_thread(standby.end, "fast")

        await world.mend()
        await lost(world, daemon, alertmanager, told)
        seen = {case: [note.id for note in it.notes] for case, it in told.all.items()}
        await asyncio.to_thread(primary.end, "kill -9")
        await asyncio.to_thread(standby.start)
        lacking = await lacking_after(standby, told)
        for case in told.all:
            tally.count(fell=case in lacking)

        await world.mend()
        await until(
            lambda: is_settled(world, daemon, told), 90, every_seconds=0.5, else_tell=lambda: daemon.log[-6000:]
        )
        await asyncio.sleep(3)  # for a second note, if there were one

        for case, incident in told.all.items():
            assert len(incident.notes) == 1, f"{case.name}:\n" + "\n\n".join(it.content for it in incident.notes)
            assert OURS.search(incident.notes[0].content)
            if case in told.known:
                check_one_note(case, incident)
            if case not in told.unnoted:
                assert [it.id for it in incident.notes] == seen[case], case  # the one that stood there, edited
        assert daemon.runs == 1
        assert daemon.events("work.failed") == []
        tally.check()


async def following(world: World, alertmanager: PlayedAlertmanager, primary: Cluster, standby: Cluster) -> Daemon:
    """A daemon that goes where the primary is, and asks Alertmanager and PagerDuty."""
    hosts = ",".join(f"127.0.0.1:{it.port}" for it in (primary, standby))
    daemon = await world.daemon(
        DATABASE_URL=f"postgresql://postgres@{hosts}/postgres",
        ALERTMANAGER_URLS=alertmanager.url,
    )
    subscription = world.pagerduty.subscribe(f"{daemon.url}/webhooks/pagerduty")
    daemon.environment = {**daemon.environment, "RESPONDER_PAGERDUTY_WEBHOOK_SECRETS": subscription.secret}
    daemon.program = (HURRIED,)
    await world.start(daemon)
    return daemon


async def tell(world: World, daemon: Daemon, alertmanager: PlayedAlertmanager, name: str) -> dict[Case, PagedIncident]:
    """Some alerts, to PagerDuty and to the daemon."""
    cases = [Case(name=f"Killed{name}{n}", service=f"{name}-{n}") for n in range(OF_EACH)]
    paged = {case: await world.page(case) for case in cases}
    alertmanager.firing |= {fingerprint(it) for it in cases}
    for case in cases:
        await world.tell(daemon, case)
    return paged


async def lost(world: World, daemon: Daemon, alertmanager: PlayedAlertmanager, told: Told) -> None:
    """All that the replica does not hear of any more."""
    told.noted = await tell(world, daemon, alertmanager, "Noted")
    await until(lambda: all(noted(it) for it in (told.noted | told.started).values()))
    for case in told.over:
        over = replace(case, ends_at=case.alert.starts_at + timedelta(minutes=9))
        alertmanager.firing.discard(fingerprint(case))
        await world.tell(daemon, over)
    await until(
        lambda: all("esolved" in ours(it)[0] for it in told.over.values()), else_tell=lambda: daemon.log[-3000:]
    )
    world.pagerduty.fault("POST /incidents/*/notes", "status", status=503, times=None)
    told.unnoted = await tell(world, daemon, alertmanager, "Unnoted")


async def lacking_after(standby: Cluster, told: Told) -> set[Case]:
    """Promote it; the alerts of which it has not heard all that was accepted or posted."""
    connection = await asyncpg.connect(standby.dsn)
    alerts = dict(await connection.fetch("select labels->>'alertname', status from alerts"))
    objects = {it[0] for it in await connection.fetch("select object from deliveries where foreign_id is not null")}
    await connection.execute("select pg_promote()")
    await connection.close()
    unheard = {it for it in told.all if it.name not in alerts}
    firing = {it for it in told.over if alerts.get(it.name) == 0}
    return unheard | firing | {case for case, it in told.started.items() if it.id not in objects}


async def calm(cluster: Cluster) -> None:
    """Nothing that was shown waits to be looked at once more."""
    connection = await asyncpg.connect(cluster.dsn)

    async def is_calm() -> bool:
        return bool(await connection.fetchval("select count(*) from deliveries where verify") == 0)

    await until(is_calm, every_seconds=0.2)
    await connection.close()


async def lagless(primary: Cluster, standby: Cluster) -> bool:
    """Whether the standby has replayed all that the primary had written a moment ago."""
    there, here = [await asyncpg.connect(it.dsn) for it in (primary, standby)]
    try:
        written = await there.fetchval("select pg_current_wal_lsn()::text")
        return bool(await here.fetchval("select pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written))
    finally:
        await there.close()
        await here.close()


async def is_settled(world: World, daemon: Daemon, told: Told) -> bool:
    """Every alert has its incident, in the state that it is in, and its note says the same."""
    async with world.http.get(f"{daemon.url}/api/v1/incidents?limit=500") as answer:
        if answer.status != 200:
            return False
        listed: list[Any] = (await answer.json())["incidents"]
    open_ = [it for it in listed if it["state"] == "open"]
    shown = all(noted(it) for it in told.all.values())
    over = all("esolved" in ours(it)[0] for it in told.over.values()) if shown else False
    return shown and over and len(open_) == len(told.all) - len(told.over)
