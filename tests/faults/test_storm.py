"""More than there is room or a rate for: what is taken is bounded, what is refused is said so, the gravest go first."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from responder.demo.alertmanager_bodies import NOT_YET, fingerprint, go_json, go_time
from responder.demo.faults import RecordedRequest
from responder.demo.local_server import LocalServer
from responder.demo.pagerduty_account import PagedIncident
from tests.conftest import fresh_database
from tests.faults.daemon import Daemon
from tests.faults.oracle import check_one_note
from tests.faults.round_robin import RoundRobin
from tests.faults.sizes import FULL, size
from tests.faults.world import GROUP, WEBHOOK_TOKEN, Case, World, noted, ours, until
from tests.systems.plugin import Postgres

STORM = 10_000
BODY = 50
FLAPS_SECONDS = size(full=100, short=8)
SINKS_INCIDENTS = 64
HANGS_SECONDS = 4.0  # at least, after it has arrived: a sink is given six
SIDE_BY_SIDE = 8  # deliveries of one sink
GRAVE, MILD = 6, 60
REFUSED = 300  # bodies of fifty alerts; the queue has room for 10,000 alerts
TOO_MANY = size(full=2400, short=600)  # connections; there is room for 512
CONNECTED_AT_ONCE = 60  # fewer than wait in the kernel's queue, from which a connection is tried again after seconds
DISTINCT = size(full=1000, short=60)
DISTINCT_WITHIN_SECONDS = size(full=60, short=4)
PER_MINUTE = 900
ANSWERED_WITHIN_SECONDS = 3.0
SLACK_SECONDS = 2.0  # of a busy machine
MOST_MIB = 256
BUSY, BUSY_SECONDS = 12, 8
STORM_CASE = Case(name="KilledStorm", severity="warning")
HEADERS = {"Authorization": f"Bearer {WEBHOOK_TOKEN}", "Content-Type": "application/json"}
RULES = """
pack: storms
rules:
  - {name: grave, summary: Grave, match: ['severity="critical"'], level: critical}
  - {name: mild, summary: Mild, match: ['severity="warning"'], level: warning}
severity:
  levels: {P1: , P2: , P3: }
  otherwise: {critical: P1, warning: P3}
"""
pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800 if FULL else 400)]


@pytest.fixture
def rules(tmp_path: Path) -> str:
    """Rules that look at nothing: what takes time is the rest."""
    path = tmp_path / "storms.yaml"
    path.write_text(RULES)
    return str(path)


def body_of(names: Sequence[str], *, truncated: int = 0, starts_at: datetime, ended: bool = False) -> bytes:
    """A webhook about one group of many alerts, as `max_alerts` cuts it."""
    labels = dict(STORM_CASE.alert.labels)
    alerts = [
        {
            "status": "resolved" if ended else "firing",
            "labels": {**labels, "instance": name},
            "annotations": {"summary": "it storms"},
            "startsAt": go_time(starts_at),
            "endsAt": go_time(starts_at) if ended else NOT_YET,
            "generatorURL": "http://prometheus.example.com:9090/graph",
            "fingerprint": fingerprint({**labels, "instance": name}),
        }
        for name in names
    ]
    return go_json(
        {
            "receiver": "responder",
            "status": "resolved" if ended else "firing",
            "alerts": alerts,
            "groupLabels": GROUP.labels_of(STORM_CASE.alert),
            "commonLabels": labels,
            "commonAnnotations": {"summary": "it storms"},
            "externalURL": "http://alertmanager.example.com:9093",
            "version": "4",
            "groupKey": GROUP.key_of(STORM_CASE.alert),
            "truncatedAlerts": truncated,
        }
    )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`status` None: none came."""

    status: int | None
    seconds: float
    retry_after: str | None = None
    body: Any = None


@dataclass(kw_only=True)
class Sender:
    """Posts to one address with so many connections; `answers` are all that came, refusals included."""

    url: str
    http: aiohttp.ClientSession
    answers: list[Answer] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str, *, connections: int = 16) -> AsyncIterator[Sender]:
        connector = aiohttp.TCPConnector(limit=connections)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as http:
            yield cls(url=url, http=http)

    async def post(self, body: bytes) -> Answer:
        began = time.monotonic()
        try:
            async with self.http.post(f"{self.url}/webhooks/alertmanager", data=body, headers=HEADERS) as answer:
                text = await answer.text()
                made = Answer(
                    status=answer.status,
                    seconds=time.monotonic() - began,
                    retry_after=answer.headers.get("Retry-After"),
                    body=json.loads(text) if answer.status == 202 else text,
                )
        except (aiohttp.ClientError, TimeoutError):
            made = Answer(status=None, seconds=time.monotonic() - began)
        self.answers.append(made)
        return made

    async def tell(self, body: bytes) -> None:
        """Until it is taken."""
        while (answer := await self.post(body)).status != 202:
            assert answer.status in (None, 503), answer
            await asyncio.sleep(0.5)

    async def tell_all(self, bodies: Iterable[bytes], *, at_once: int = 16) -> None:
        waiting = iter(bodies)

        async def some() -> None:
            for body in waiting:
                await self.tell(body)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(some())

    def counted(self) -> dict[str, int]:
        """The sums over all that was taken."""
        taken = [it.body for it in self.answers if it.status == 202]
        return {it: sum(body[it] for body in taken) for it in ("accepted", "duplicates", "stale", "quarantined")}


def peak_mib(daemon: Daemon) -> float:
    """The most memory that it ever held."""
    lines = Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
    return next(int(it.split()[1]) for it in lines if it.startswith("VmHWM")) / 1024


def most_within(seconds: float, moments: Sequence[float]) -> int:
    """How many fall into the fullest window of that length."""
    moments, first, most = sorted(moments), 0, 0
    for last, moment in enumerate(moments):
        while moment - moments[first] > seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def written_at(world: World, method: str) -> list[float]:
    return [it.at.timestamp() for it in world.pagerduty.asked(f"{method} /incidents/*/notes*")]


async def paged_storm(world: World) -> PagedIncident:
    """The PagerDuty incident of the storm's group: Alertmanager tells it of the same group key."""
    return await world.page(STORM_CASE)


async def listed(world: World, daemon: Daemon) -> list[Any]:
    async with world.http.get(f"{daemon.url}/api/v1/incidents") as answer:
        found: list[Any] = (await answer.json())["incidents"]
        return found


async def test_a_storm_of_one_group_is_one_incident_and_one_note_that_counts_it(seed: Path, rules: str) -> None:
    async with World.opened() as world, Sender.opened("") as sender:
        daemon = await world.daemon(seed=seed, RULES=rules)
        incident = await paged_storm(world)
        await world.start(daemon)
        sender.url = daemon.url
        names = [f"node-{n:05d}" for n in range(STORM)]
        starts_at = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
        pieces = [names[n : n + BODY] for n in range(0, STORM, BODY)]

        began = time.monotonic()
        await sender.tell_all(
            body_of(it, starts_at=starts_at, truncated=(STORM - BODY) * (n % 2)) for n, it in enumerate(pieces)
        )
        took = time.monotonic() - began
        await until(lambda: noted(incident), else_tell=lambda: daemon.log[-3000:])
        await until_alerts(world, daemon, {"firing": STORM, "total": STORM})
        if FULL:
            await until(
                lambda: f" of {STORM} alerts firing" in ours(incident)[0], 150, else_tell=lambda: ours(incident)[0]
            )
            await asyncio.sleep(130)

        edits, peak = written_at(world, "PUT"), peak_mib(daemon)
        print(f"{STORM / took:.0f} alerts/s, {sender.counted()}, {len(edits)} edits, {peak:.0f} MiB at most")
        assert sender.counted() == {"accepted": STORM, "duplicates": 0, "stale": 0, "quarantined": 0}
        assert len(await listed(world, daemon)) == 1
        assert len(incident.notes) == len(ours(incident)) == len(written_at(world, "POST")) == 1
        assert "alerts firing" in ours(incident)[0]
        assert most_within(59, edits) <= 1
        assert peak <= MOST_MIB


async def until_alerts(world: World, daemon: Daemon, counted: dict[str, int]) -> None:
    async def so_many() -> bool:
        return [it["alerts"] for it in await listed(world, daemon)] == [counted]

    await until(so_many, every_seconds=0.2)


async def test_an_alert_that_flaps_a_hundred_times_a_second_is_one_note_and_an_edit_a_minute(
    seed: Path, rules: str
) -> None:
    async with World.opened() as world, Sender.opened("", connections=8) as sender:
        daemon = await world.daemon(seed=seed, RULES=rules)
        incident = await paged_storm(world)
        await world.start(daemon)
        sender.url = daemon.url
        first = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)

        async with asyncio.TaskGroup() as group:
            for n in range(100 * FLAPS_SECONDS):
                body = body_of(["node"], starts_at=first + timedelta(milliseconds=10 * (n // 2)), ended=n % 2 == 1)
                group.create_task(sender.tell(body))
                await asyncio.sleep(0.01)
        await until(lambda: noted(incident))
        await asyncio.sleep(size(full=70, short=3))

        edits = written_at(world, "PUT")
        print(f"{len(sender.answers)} posts, {sender.counted()}, {len(edits)} edits")
        assert sum(sender.counted().values()) == 100 * FLAPS_SECONDS
        assert len(await listed(world, daemon)) == 1
        assert len(incident.notes) == len(ours(incident)) == len(written_at(world, "POST")) == 1
        assert most_within(59, edits) <= 1
        assert daemon.events("work.failed") == []


@pytest.mark.system
async def test_a_429_to_one_replica_makes_all_of_them_wait(postgres_server: Postgres, rules: str) -> None:
    async with fresh_database(postgres_server.dsn) as url, World.opened() as world:
        daemons = [await world.daemon(DATABASE_URL=url, RULES=rules) for _ in range(3)]
        await asyncio.gather(*(world.start(it) for it in daemons))
        cases = [Case(name=f"KilledBusy{n:02d}", service=f"busy-{n}") for n in range(BUSY)]
        paged = [await world.page(it) for it in cases]
        await until(lambda: len(asked(world)) >= len(daemons))  # who they are
        world.pagerduty.fault("*", "status", status=429, headers={"Retry-After": f"{BUSY_SECONDS}"})

        async with RoundRobin.opened(daemons) as front, Sender.opened(front.url, connections=BUSY) as sender:
            await asyncio.gather(*(sender.tell(it.body) for it in cases))
            await until(lambda: all(map(noted, paged)), 120)

        moments = [it.at.timestamp() for it in asked(world)]
        refused = next(it.at.timestamp() for it in asked(world) if it.fault)
        meanwhile = [it - refused for it in moments if 1 < it - refused < BUSY_SECONDS - 1]
        after = [it - refused for it in moments if it - refused >= BUSY_SECONDS - 1]
        assert meanwhile == []
        assert len(after) >= 2 * BUSY
        print(f"none of {len(moments)} requests while all had to wait, the next after {min(after):.1f} s")
        assert [len(it.notes) for it in paged] == [1] * BUSY


def asked(world: World) -> list[RecordedRequest]:
    """What was asked of the REST API."""
    return [it for it in world.pagerduty.requests if not it.path.startswith("/v2/")]


@dataclass(kw_only=True)
class Reports:
    """Takes report webhooks: at once, or never (`hangs`), or with this refusal."""

    hangs: bool = False
    status: int = 204
    incidents: set[str] = field(default_factory=set)
    posted_at: list[float] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[str]:
        """Its address."""
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.add_routes([web.post("/reports", self._take)])
        server = LocalServer(app)
        await server.start()
        try:
            yield f"{server.url}/reports"
        finally:
            self.stopping.set()
            await server.stop()

    async def _take(self, request: web.Request) -> web.Response:
        self.posted_at.append(time.time())
        if self.hangs:
            await self.stopping.wait()
        if self.status < 300:
            self.incidents.add((await request.json())["marker"])
        return web.Response(status=self.status, headers={"Retry-After": "2"} if self.status == 429 else {})


@pytest.mark.parametrize(
    "what", ["the webhook hangs", "PagerDuty's notes hang", "the webhook says 429"][: size(full=3, short=2)]
)
async def test_a_sink_that_is_slow_delays_no_other(what: str, seed: Path, rules: str) -> None:
    reports = Reports(hangs=what == "the webhook hangs", status=429 if "429" in what else 204)
    async with World.opened() as world, reports.opened() as address, Sender.opened("") as sender:
        if "PagerDuty" in what:
            world.pagerduty.fault("POST /incidents/*/notes", "hang", times=None)
        daemon = await world.daemon(seed=seed, RULES=rules, REPORT_WEBHOOK_URL=address)
        await world.start(daemon)
        sender.url = daemon.url
        cases = [Case(name=f"KilledBoth{n:02d}", service=f"service-{n}") for n in range(SINKS_INCIDENTS)]
        paged = [await world.page(it) for it in cases]
        began = time.monotonic()
        await sender.tell_all(it.body for it in cases)

        def all_told() -> bool:
            return all(map(noted, paged)) if "webhook" in what else len(reports.incidents) == len(cases)

        await until(all_told, 90, else_tell=lambda: daemon.log[-3000:])
        took = time.monotonic() - began
        notes, posts = written_at(world, "POST"), reports.posted_at
        slow, other = (posts, notes) if "webhook" in what else (notes, posts)
        print(f"{what}: the other sink had all {len(cases)} after {took:.1f} s; {len(slow)} posts to the slow one")
        if "hang" in what:  # while as much as may be hangs, the other goes on
            assert any(sum(at - HANGS_SECONDS < it <= at for it in slow) >= SIDE_BY_SIDE for at in other)


async def test_the_gravest_go_first_where_the_sink_is_slower_than_they_come(seed: Path, rules: str) -> None:
    async with World.opened() as world, Sender.opened("") as sender:
        world.pagerduty.fault("POST /incidents/*/notes", "slow", seconds=1, times=None)
        daemon = await world.daemon(seed=seed, RULES=rules)
        await world.start(daemon)
        sender.url = daemon.url
        mild = [Case(name=f"KilledMild{n:02d}", service=f"mild-{n}", severity="warning") for n in range(MILD)]
        grave = [Case(name=f"KilledGrave{n:02d}", service=f"grave-{n}") for n in range(GRAVE)]
        paged = {it: await world.page(it) for it in (*mild, *grave)}

        await sender.tell_all(it.body for it in mild)
        await sender.tell_all(it.body for it in grave)
        await until(lambda: all(noted(it) for it in paged.values()), 120, else_tell=lambda: daemon.log[-3000:])

        order = [it.path.split("/")[2] for it in world.pagerduty.asked("POST /incidents/*/notes")]
        places = [order.index(paged[it].id) for it in grave]
        print(f"of {len(order)} notes the gravest, told last, were numbers {[it + 1 for it in places]}")
        assert max(places) <= (GRAVE + MILD) // 2
        for case, incident in paged.items():
            check_one_note(case, incident)


@pytest.mark.system
async def test_while_the_store_stands_still_every_webhook_is_told_to_come_again_in_time(
    start_postgres: Callable[..., Postgres], rules: str
) -> None:
    server = start_postgres()
    async with (
        fresh_database(server.dsn) as url,
        World.opened() as world,
        Sender.opened("", connections=TOO_MANY) as sender,
    ):
        daemon = await world.daemon(DATABASE_URL=url, RULES=rules)
        incident = await paged_storm(world)
        await world.start(daemon)
        sender.url = daemon.url
        starts_at = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
        bodies = [body_of([f"{n}-{k}" for k in range(BODY)], starts_at=starts_at) for n in range(REFUSED)]
        before = peak_mib(daemon)

        with standing_still(server):
            answers = await posted_together(sender, bodies)
            beyond = await posted_together(sender, [bodies[0]] * TOO_MANY)
        slowest = max(it.seconds for it in answers)
        peak = peak_mib(daemon)
        said = Counter("are waiting already" in it.body for it in answers)
        print(
            f"{len(answers)} refused, {said[True]} of them at once, the slowest after {slowest:.1f} s; "
            f"{before:.0f} to {peak:.0f} MiB; of {TOO_MANY} connections {Counter(it.status for it in beyond)}"
        )
        await sender.tell_all(bodies)
        await until(lambda: noted(incident), else_tell=lambda: daemon.log[-3000:])

        assert {(it.status, it.retry_after is not None) for it in answers} == {(503, True)}
        assert slowest <= ANSWERED_WITHIN_SECONDS + SLACK_SECONDS
        assert peak <= MOST_MIB
        assert said[True] > 0
        assert {it.status for it in beyond} <= {503, None}  # None: closed, as there was no room for the connection
        await until_alerts(world, daemon, {"firing": REFUSED * BODY, "total": REFUSED * BODY})
        assert len(incident.notes) == len(ours(incident)) == 1


async def posted_together(sender: Sender, bodies: Sequence[bytes]) -> list[Answer]:
    """Each on a connection of its own, each once."""
    async with asyncio.TaskGroup() as group:
        tasks = []
        for n, body in enumerate(bodies, 1):
            tasks.append(group.create_task(sender.post(body)))
            if n % CONNECTED_AT_ONCE == 0:
                await asyncio.sleep(0.05)
    return [it.result() for it in tasks]


@contextmanager
def standing_still(postgres: Postgres) -> Iterator[None]:
    """Every process of a PostgreSQL, its sessions too, keeps its connections and does nothing."""
    first = postgres.process.pid
    pids = [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.system
async def test_three_replicas_keep_one_rate_between_them_while_a_thousand_incidents_open(
    postgres_server: Postgres, rules: str
) -> None:
    async with fresh_database(postgres_server.dsn) as url, World.opened() as world:
        daemons = [await world.daemon(DATABASE_URL=url, RULES=rules) for _ in range(3)]
        await asyncio.gather(*(world.start(it) for it in daemons))
        severities = ("critical", "warning")
        cases = [
            Case(name=f"KilledMany{n:04d}", service=f"many-{n}", severity=severities[n % 10 > 0])
            for n in range(DISTINCT)
        ]
        async with RoundRobin.opened(daemons) as front, Sender.opened(front.url, connections=6) as sender:
            began = time.monotonic()
            paged: dict[Case, PagedIncident] = {}
            async with asyncio.TaskGroup() as group:
                for n, case in enumerate(cases):
                    paged[case] = await world.page(case)
                    group.create_task(sender.tell(case.body))
                    await asyncio.sleep(began + (n + 1) * DISTINCT_WITHIN_SECONDS / DISTINCT - time.monotonic())
            opened = time.monotonic() - began
            await until(lambda: all(map(noted, paged.values())), 900, every_seconds=0.2)
            done = time.monotonic() - began

        moments = [it.at.timestamp() for it in asked(world)]
        minute, burst = most_within(60, moments), most_within(5, moments)
        peaks = [f"{peak_mib(it):.0f}" for it in daemons]
        print(
            f"{DISTINCT} incidents in {opened:.0f} s, all noted after {done:.0f} s with {len(moments)} requests: "
            f"{minute} in the fullest minute, {burst} in the fullest 5 s; {', '.join(peaks)} MiB at most"
        )
        assert minute <= PER_MINUTE
        for case, incident in paged.items():
            check_one_note(case, incident)
        if FULL:
            assert len(moments) > 3 * PER_MINUTE  # which three that knew nothing of each other would ask in a minute
            assert gravest_first(cases, paged) >= 0.8


def gravest_first(cases: Sequence[Case], paged: dict[Case, PagedIncident]) -> float:
    """The share of P1 that were noted before half of the P3 were."""
    told = {it: paged[it].notes[0].created_at for it in cases}
    half = sorted(told[it] for it in cases if it.severity == "warning")[len(cases) // 2 - 50]
    grave = [it for it in cases if it.severity == "critical"]
    return sum(told[it] <= half for it in grave) / len(grave)
