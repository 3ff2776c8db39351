"""The database away in every way: senders are told 503 in time and repeat, nothing is lost, nothing is told twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from responder.demo.pagerduty_account import PagedIncident
from responder.store.store import POOL_SIZE
from tests.faults.cluster import WAYS, Cluster
from tests.faults.daemon import Daemon, Strike
from tests.faults.oracle import Open, check_nothing_is_left_open, check_one_note
from tests.faults.sizes import size
from tests.faults.small_disk import SmallDisk
from tests.faults.world import AGAIN_SECONDS, WEBHOOK_TOKEN, Case, World, noted, until
from tests.systems.plugin import answers, folder_for

ROUNDS = size(full=20, short=0)  # of each way; 0: once each, all with one daemon
AWAY_SECONDS = size(full=600, short=4)
SENDERS = 4
PAUSE_SECONDS = 0.05
TAKEN_BEFORE = size(full=8, short=20)
ANSWERED_WITHIN_SECONDS = 5.0  # what PagerDuty gives a receiver; we promise three, on a machine that is not busy
BACK_WITHIN_SECONDS = 60.0
NOTED_WITHIN_SECONDS = size(full=900, short=60)  # PagerDuty is asked at most 900 times a minute
STOPPED_WITHIN_SECONDS = 25.0
KILLS = size(full=20, short=2)
AWAY_AT_THE_START = "store: the database was not reached yet"

pytestmark = [pytest.mark.faults, pytest.mark.system, pytest.mark.timeout(size(full=3 * 3600, short=600))]


@dataclass(kw_only=True)
class Stream:
    """Senders that post one alert after the other, and each again until it is taken. Open it with `opened`."""

    world: World
    daemon: Daemon
    paged: dict[Case, PagedIncident] = field(default_factory=dict)
    answers: list[tuple[int | None, float]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)
    over: bool = False

    @classmethod
    @asynccontextmanager
    async def opened(cls, world: World, daemon: Daemon) -> AsyncIterator[Stream]:
        """Behind the block everything that was begun has been taken."""
        self = cls(world=world, daemon=daemon)
        async with asyncio.TaskGroup() as group:
            for _ in range(SENDERS):
                group.create_task(self._send())
            try:
                yield self
            finally:
                self.over = True

    @property
    def taken(self) -> int:
        return sum(status == 202 for status, _ in self.answers)

    @property
    def refused(self) -> int:
        return sum(status == 503 for status, _ in self.answers)

    async def _send(self) -> None:
        while not self.over:
            number = next(self.numbers)
            case = Case(name=f"Killed{number:05d}", service=f"service-{number}")
            self.paged[case] = await self.world.page(case)
            async with asyncio.timeout(AWAY_SECONDS + BACK_WITHIN_SECONDS):
                while await self._post(case) != 202:
                    await asyncio.sleep(AGAIN_SECONDS)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _post(self, case: Case) -> int | None:
        began = time.monotonic()
        status = await self.world.post(self.daemon, case)
        self.answers.append((status, time.monotonic() - began))
        return status

    def check(self) -> None:
        """Nobody was told anything that a sender does not repeat after, and nobody waited for long."""
        slowest = {status: max(took for it, took in self.answers if it == status) for status, _ in self.answers}
        print(f"{dict(Counter(it for it, _ in self.answers))}, the slowest of each after {slowest} s")
        assert set(slowest) <= {202, 503}
        assert max(slowest.values()) <= ANSWERED_WITHIN_SECONDS
        for case, incident in self.paged.items():
            check_one_note(case, incident)


Away = Callable[[Cluster], Awaitable[Callable[[], Awaitable[None]]]]


def ended(way: str) -> Away:
    """Ended in one of WAYS; what is given back starts it again."""

    async def away(cluster: Cluster) -> Callable[[], Awaitable[None]]:
        await asyncio.to_thread(cluster.end, way)
        return lambda: asyncio.to_thread(cluster.start)

    return away


async def frozen(cluster: Cluster) -> Callable[[], Awaitable[None]]:
    """It hangs and does not die."""
    await asyncio.to_thread(cluster.freeze)
    return lambda: asyncio.to_thread(cluster.thaw)


async def read_only(cluster: Cluster) -> Callable[[], Awaitable[None]]:
    """What a former primary becomes."""
    await asked(cluster, "alter system set default_transaction_read_only = on", "select pg_reload_conf()")
    return lambda: asked(cluster, "alter system reset default_transaction_read_only", "select pg_reload_conf()")


async def asked(cluster: Cluster, *statements: str) -> None:
    """As its superuser, who may write."""
    connection = await asyncpg.connect(cluster.dsn, server_settings={"default_transaction_read_only": "off"})
    for it in statements:
        await connection.execute(it)
    await connection.close()


AWAY = {**{way: ended(way) for way in WAYS}, "hangs": frozen, "read-only": read_only}
RUNS = {way: [way] * ROUNDS for way in AWAY} if ROUNDS else {"all of them": list(AWAY)}


@pytest.mark.parametrize("ways", RUNS.values(), ids=RUNS)
async def test_a_database_that_goes_under_load_and_comes_back_costs_nothing(
    postgres_template: Path, ways: Sequence[str]
) -> None:
    async with Cluster.opened(postgres_template) as cluster, World.opened() as world:
        daemon = await world.daemon(DATABASE_URL=cluster.dsn)
        await world.start(daemon, Strike())
        before = await Open.of(daemon)
        async with Stream.opened(world, daemon) as stream:
            for way in ways:
                taken = stream.taken
                await until(lambda taken=taken: stream.taken >= taken + TAKEN_BEFORE)
                back = await AWAY[way](cluster)
                await refused_for_a_while(stream)
                await back()
                print(f"{way}: taken again {await taken_again(stream):.1f} s after the return")
        await check_all_is_well(stream, before)


async def refused_for_a_while(stream: Stream, times: int = 3) -> None:
    """Until some have been told 503."""
    refused = stream.refused
    await until(lambda: stream.refused >= refused + times)


async def taken_again(stream: Stream) -> float:
    """Seconds until the next 202."""
    returned, taken = time.monotonic(), stream.taken
    await until(lambda: stream.taken > taken, else_tell=lambda: stream.daemon.log[-5000:])
    return time.monotonic() - returned


async def check_all_is_well(stream: Stream, before: Open | None = None) -> None:
    """Everything has its one note, by the same process, that has no more open than `before`, which takes a while."""
    daemon = stream.daemon
    await until(
        lambda: all(noted(it) for it in stream.paged.values()),
        NOTED_WITHIN_SECONDS,
        else_tell=lambda: daemon.log[-5000:],
    )
    await asyncio.sleep(2)  # for a second note, if there were one
    stream.check()
    assert Path(f"/proc/{daemon.pid}/stat").exists()
    assert daemon.runs == 1
    for event in ("work.failed", "request.failed"):
        assert f'"event": "{event}"' not in daemon.log
    assert "Traceback" not in daemon.log
    if before is not None:
        await check_nothing_is_left_open(daemon, before, most_sessions=POOL_SIZE)


async def test_a_database_that_is_away_for_long_is_waited_for(postgres_template: Path) -> None:
    async with Cluster.opened(postgres_template) as cluster, World.opened() as world:
        daemon = await world.daemon(DATABASE_URL=cluster.dsn)
        await world.start(daemon)
        async with Stream.opened(world, daemon) as stream:
            await until(lambda: stream.taken >= TAKEN_BEFORE)
            await asyncio.to_thread(cluster.end, "immediate")
            await asyncio.sleep(AWAY_SECONDS)
            await asyncio.to_thread(cluster.start)
            print(f"away for {AWAY_SECONDS} s: taken again {await taken_again(stream):.1f} s after the return")
        await check_all_is_well(stream)


async def test_a_failover_under_load_costs_nothing(postgres_template: Path) -> None:
    async with Cluster.opened(postgres_template) as primary, primary.standby() as standby, World.opened() as world:
        await asked(primary, "alter system set synchronous_standby_names = '*'", "select pg_reload_conf()")
        hosts = ",".join(f"127.0.0.1:{it.port}" for it in (primary, standby))
        daemon = await world.daemon(DATABASE_URL=f"postgresql://postgres@{hosts}/postgres?target_session_attrs=primary")
        await world.start(daemon)
        async with Stream.opened(world, daemon) as stream:
            await until(lambda: stream.taken >= TAKEN_BEFORE)
            await asyncio.to_thread(primary.end, "kill -9")
            await refused_for_a_while(stream)
            await asked(standby, "select pg_promote()")
            print(f"failover: taken again {await taken_again(stream):.1f} s after the promotion")
            taken = stream.taken
            await until(lambda: stream.taken >= taken + TAKEN_BEFORE)
        await check_all_is_well(stream)


async def test_a_daemon_whose_database_is_away_at_the_start_listens_and_goes_on_when_it_comes(
    postgres_template: Path,
) -> None:
    async with Cluster.opened(postgres_template) as cluster, World.opened() as world:
        await asyncio.to_thread(cluster.end, "fast")
        daemon = await world.daemon(DATABASE_URL=cluster.dsn)
        case = Case(name="KilledEarly")
        incident = await world.page(case)
        async with asyncio.TaskGroup() as group:
            starting = group.create_task(world.start(daemon))
            await until(lambda: answers(f"{daemon.url}/healthz"), else_tell=lambda: daemon.log)

            assert await said(world, daemon, "/readyz") == (503, "the store cannot be written to", None)
            assert await said(world, daemon, "/") == (503, AWAY_AT_THE_START, "5")
            assert await said(world, daemon, "/api/v1/incidents") == (503, AWAY_AT_THE_START, "5")
            assert await said(world, daemon, "/webhooks/alertmanager", case) == (503, AWAY_AT_THE_START, "5")
            await until(lambda: len(daemon.events("store.waits")) >= 2)
            assert not starting.done()
            await asyncio.to_thread(cluster.start)
        await world.tell(daemon, case)
        await until(lambda: noted(incident), else_tell=lambda: daemon.log)

        check_one_note(case, incident)
        assert daemon.events("request.failed") == []
        assert (await asyncio.to_thread(daemon.terminate))[0] == 0


async def test_a_daemon_that_waits_for_its_database_ends_in_order(postgres_template: Path) -> None:
    async with Cluster.opened(postgres_template) as cluster, World.opened() as world:
        await asyncio.to_thread(cluster.freeze)  # it hangs: an attempt to connect is under way
        daemon = await world.daemon(DATABASE_URL=cluster.dsn)
        daemon.launch()
        await until(lambda: answers(f"{daemon.url}/healthz"), else_tell=lambda: daemon.log)

        status, seconds = await asyncio.to_thread(daemon.terminate)

        assert status == 0, daemon.log
        assert seconds < STOPPED_WITHIN_SECONDS
        assert daemon.events()[-1]["event"] == "daemon.stopped"


async def test_a_database_that_hangs_keeps_nobody_waiting_who_looks(postgres_template: Path) -> None:
    async with Cluster.opened(postgres_template) as cluster, World.opened() as world:
        daemon = await world.daemon(DATABASE_URL=cluster.dsn)
        await world.start(daemon)
        await world.tell(daemon, Case(name="KilledBefore"))
        await asyncio.to_thread(cluster.freeze)

        async def seen(path: str) -> tuple[int, float]:
            began = time.monotonic()
            async with world.http.get(f"{daemon.url}{path}") as answer:
                await answer.read()
                return answer.status, time.monotonic() - began

        paths = {"/healthz": 200, "/readyz": 503, "/metrics": 200, "/": 503, "/api/v1/incidents": 503}
        for _ in range(2):  # at first connections are there that hang, then there are none
            answered = await asyncio.gather(*(seen(it) for it in paths))
            assert [status for status, _ in answered] == list(paths.values())
            assert max(seconds for _, seconds in answered) <= ANSWERED_WITHIN_SECONDS
        await asyncio.to_thread(cluster.thaw)
        await until(lambda: answers(f"{daemon.url}/readyz"))


async def test_an_embedded_server_that_is_killed_under_load_is_up_again_by_itself(seed: Path) -> None:
    async with World.opened() as world:
        daemon = await world.daemon(seed=seed)
        await world.start(daemon, Strike())
        before = await Open.of(daemon)
        async with Stream.opened(world, daemon) as stream:
            for kill in range(1, KILLS + 1):
                taken = stream.taken
                await until(lambda taken=taken: stream.taken >= taken + TAKEN_BEFORE)
                os.kill(postmaster_of(daemon), signal.SIGKILL)
                await until(lambda kill=kill: len(daemon.events("store.restarted")) == kill)
                print(f"taken again {await taken_again(stream):.1f} s after it was up")
        await check_all_is_well(stream, before)


def postmaster_of(daemon: Daemon) -> int:
    """The process number of its embedded server."""
    return int((daemon.folder / "data" / "postgres" / "postmaster.pid").read_text().split()[0])


async def test_a_disk_that_is_full_for_the_database_and_the_log_costs_nothing(postgres_template: Path) -> None:
    with folder_for("disk") as folder, SmallDisk.mounted(folder, megabytes=128) as disk:
        async with Cluster.opened(postgres_template, disk=folder) as cluster, World.opened() as world:
            daemon = await world.daemon(DATABASE_URL=cluster.dsn)
            (daemon.folder / "log.1").symlink_to(folder / "log")
            await world.start(daemon)
            async with Stream.opened(world, daemon) as stream:
                await until(lambda: stream.taken >= TAKEN_BEFORE)
                disk.fill()
                await refused_for_a_while(stream, times=40)  # until the last page of the log is full too
                disk.empty()
                print(f"full: taken again {await taken_again(stream):.1f} s after there was room")
                taken = stream.taken
                await until(lambda: stream.taken >= taken + TAKEN_BEFORE)
                disk.fill()
                with contextlib.suppress(asyncpg.PostgresError, OSError):
                    await asked(cluster, *["select pg_switch_wal()"] * 4)  # there is no room for its own log either
                await refused_for_a_while(stream)
                await asyncio.to_thread(cluster.end, "immediate")
                disk.empty()
                await asyncio.to_thread(cluster.start)
                print(f"full, its own log too: taken again {await taken_again(stream):.1f} s after it was up")
            await check_all_is_well(stream)


async def test_a_disk_of_the_embedded_store_that_is_full_costs_nothing(seed: Path) -> None:
    async with World.opened() as world:
        daemon = await world.daemon()
        with SmallDisk.mounted(daemon.folder / "data", megabytes=512) as disk:
            await asyncio.to_thread(subprocess.run, ["cp", "-a", str(seed), str(disk.folder / "postgres")], check=True)
            try:
                await fill_embedded(world, daemon, disk)
            finally:
                await asyncio.to_thread(daemon.clean_up)


async def fill_embedded(world: World, daemon: Daemon, disk: SmallDisk) -> None:
    await world.start(daemon)
    async with Stream.opened(world, daemon) as stream:
        await until(lambda: stream.taken >= TAKEN_BEFORE)
        disk.fill(but_megabytes=200)
        await refused_for_a_while(stream)
        assert (await said(world, daemon, "/readyz"))[1].startswith("less than 256 MB of disk is free in ")
        disk.fill()
        await log_is_full(daemon)
        await until(lambda: daemon.events("store.restart_failed"), else_tell=lambda: daemon.log[-5000:])
        disk.empty()
        print(f"full: taken again {await taken_again(stream):.1f} s after there was room")
    await check_all_is_well(stream)


async def log_is_full(daemon: Daemon) -> None:
    """Have its server begin a new piece of its own log, for which there is no room: it ends."""
    with contextlib.suppress(asyncpg.PostgresError, OSError):
        connection = await asyncpg.connect(daemon.dsn)
        try:
            for _ in range(8):
                await connection.execute("select pg_switch_wal()")
                await connection.execute("select txid_current()")
        finally:
            await connection.close()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("mysql://u:s3cr3t@127.0.0.1/db", 'found the scheme "mysql"; expected postgresql://'),
        ("postgresql://u:s3cr3t@/db", "it names no host; expected postgresql://"),
        ("postgresql://u:s3cr3t@:5432/db", "it names no host; expected postgresql://"),
        ("postgresql://u:s3cr3t/7@127.0.0.1/db", "a port is no number; expected postgresql://"),
        ("postgresql://u:s3cr3t@127.0.0.1/db?sslmode=never", "`sslmode` parameter must be one of"),
    ],
)
async def test_an_address_that_no_waiting_makes_right_ends_the_start(address: str, why: str) -> None:
    async with World.opened() as world:
        daemon = await world.daemon(DATABASE_URL=address)
        daemon.launch()

        assert await asyncio.to_thread(daemon.died) == 2
        assert f"responder: RESPONDER_DATABASE_URL: {why}" in daemon.log
        assert "s3cr" not in daemon.log


async def said(world: World, daemon: Daemon, path: str, case: Case | None = None) -> tuple[int, str, str | None]:
    """Status, detail and Retry-After of an answer; `case`: what is posted."""
    headers = {"Authorization": f"Bearer {WEBHOOK_TOKEN}"}
    method, body = ("POST", case.body) if case else ("GET", None)
    async with world.http.request(method, f"{daemon.url}{path}", data=body, headers=headers) as answer:
        problem = await answer.json(content_type=None)
        return answer.status, problem["detail"], answer.headers.get("Retry-After")
