"""The daemon's wall clock is wrong or jumps: its reports come in time, once, and nothing is asked without end.

Leases and timers run by the database's clock, deadlines by one that nobody sets; libfaketime moves only the wall clock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from responder.demo.pagerduty_account import PagedIncident
from tests.faults.cluster import Cluster
from tests.faults.daemon import Daemon
from tests.faults.oracle import check_one_note
from tests.faults.sizes import FULL, size
from tests.faults.world import Case, World, noted, until
from tests.systems.plugin import folder_for, missing

LIBRARIES = "usr/lib/*/faketime/libfaketime.so.1"
WATCHED_SECONDS = size(full=6, short=4)
IN_TIME_SECONDS = 15.0
CALM = {"work.failed", "work.waits", "work.lease_lost", "work.left_to_its_lease", "delivery.uncertain"}
pytestmark = [pytest.mark.faults, pytest.mark.system, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def faketime() -> str:
    """Where the library is that a program asks for the time in the kernel's place."""
    found = sorted(Path("/").glob(LIBRARIES))
    return str(found[0]) if found else missing("faketime", "apt-get install faketime")


def shifted(library: str, **more: str) -> Mapping[str, str]:
    """The environment of a daemon whose wall clock alone is moved."""
    return {"LD_PRELOAD": library, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DISABLE_SHM": "1", **more}


async def daemon_at(world: World, seed: Path, environment: Mapping[str, str]) -> Daemon:
    """Started; its PostgreSQL has the right time."""
    daemon = await world.daemon(seed=seed)
    daemon.environment = {**daemon.environment, **environment}
    await world.start(daemon)
    return daemon


SHIFTS = [
    pytest.param("-1d", timedelta(days=-1), id="a day behind"),
    pytest.param("@2038-01-19 04:14:02", None, id="over the end of 32 bits"),
    pytest.param("+1d", timedelta(days=1), id="a day ahead"),
    pytest.param("+1h", timedelta(hours=1), id="an hour ahead"),
    pytest.param("-1h", timedelta(hours=-1), id="an hour behind"),
    pytest.param("@2017-01-01 00:59:50", None, id="over a leap second"),
    pytest.param("@2026-10-25 02:59:50", None, id="over the end of summer time"),
    pytest.param("@2027-03-28 01:59:50", None, id="over the beginning of summer time"),
    pytest.param("+0 x1.2", timedelta(0), id="a fifth too fast"),
    pytest.param("+0 x0.8", timedelta(0), id="a fifth too slow"),
]
JUMPS = ["+1d", "-1h", "+1h", "-1d"]


@pytest.mark.parametrize(("shift", "off"), SHIFTS[: size(full=len(SHIFTS), short=2)])
async def test_a_daemon_whose_clock_is_wrong_reports_in_time_and_once(
    seed: Path, faketime: str, shift: str, off: timedelta | None
) -> None:
    async with World.opened() as world:
        daemon = await daemon_at(
            world, seed, shifted(faketime, FAKETIME=shift, TZ="UTC" if off is not None else "Europe/Berlin")
        )
        case = Case(name="KilledShifted")
        incident = await world.page(case)

        assert await world.post(daemon, case) == 202
        accepted_at = time.monotonic()
        await until(lambda: noted(incident), else_tell=lambda: daemon.log[-3000:])
        took = time.monotonic() - accepted_at
        await asyncio.sleep(WATCHED_SECONDS)

        says = datetime.fromisoformat(daemon.events("report.composed")[0]["timestamp"])
        print(f"note after {took:.1f} s; the daemon believes that it is {says}")
        assert off is None or abs(says - datetime.now(UTC) - off) < timedelta(minutes=5)
        assert off is not None or abs(says - datetime.now(UTC)) > timedelta(days=20)
        assert took <= IN_TIME_SECONDS
        check_calm(world, daemon, case, incident)
        assert await first_report_seconds(world, daemon) <= IN_TIME_SECONDS


@pytest.mark.parametrize("jump", JUMPS[: size(full=len(JUMPS), short=1)])
async def test_a_clock_that_jumps_in_the_middle_of_a_look_costs_nothing(
    seed: Path, faketime: str, jump: str, tmp_path: Path
) -> None:
    async with World.opened() as world:
        world.slow_seconds = 3
        file = tmp_path / "shift"
        file.write_text("+0")
        given = shifted(faketime, FAKETIME_TIMESTAMP_FILE=str(file), FAKETIME_NO_CACHE="1")
        daemon = await daemon_at(world, seed, given)
        case = Case(name="KilledJumped")
        incident = await world.page(case)

        assert await world.post(daemon, case) == 202
        accepted_at = time.monotonic()
        await until(lambda: daemon.events("finding.kept"))
        file.write_text(jump)
        await until(lambda: noted(incident), else_tell=lambda: daemon.log[-3000:])
        took = time.monotonic() - accepted_at
        await asyncio.sleep(WATCHED_SECONDS)

        first, *_, last = [datetime.fromisoformat(it["timestamp"]) for it in daemon.events()]
        print(f"note after {took:.1f} s; the log goes from {first} to {last}")
        assert abs(last - first) > timedelta(minutes=50)
        assert world.slow_seconds <= took <= IN_TIME_SECONDS
        check_calm(world, daemon, case, incident)


@pytest.mark.parametrize("jump", JUMPS if FULL else ["-1h"])
async def test_a_database_whose_clock_jumps_holds_up_nothing_that_waits(
    postgres_template: Path, faketime: str, jump: str
) -> None:
    """One note is uncertain, another waits for its incident, and there is a turn to take at PagerDuty's rate."""
    with folder_for("clock") as folder:
        folder.chmod(0o755)
        file = folder / "shift"
        file.write_text("+0")
        words = shifted(faketime, FAKETIME_TIMESTAMP_FILE=str(file), FAKETIME_NO_CACHE="1")
        before = ["env", *(f"{name}={value}" for name, value in words.items())]
        async with Cluster.opened(postgres_template, before=before) as cluster, World.opened() as world:
            daemon = await world.daemon(DATABASE_URL=cluster.dsn)
            await world.start(daemon)
            uncertain, waiting = Case(name="KilledUncertain"), Case(name="KilledWaiting", service="other")
            incident = await world.page(uncertain)
            world.pagerduty.fault("POST /incidents/*/notes", "status", status=500)
            await world.tell(daemon, uncertain)
            await world.tell(daemon, waiting)
            await until(lambda: daemon.events("delivery.uncertain"), else_tell=lambda: daemon.log[-3000:])
            file.write_text(jump)
            jumped_at = time.monotonic()
            later = await world.page(waiting)
            await until(lambda: noted(incident) and noted(later), else_tell=lambda: daemon.log[-5000:])
            print(f"both notes {time.monotonic() - jumped_at:.1f} s after {jump}")
            await asyncio.sleep(WATCHED_SECONDS)

            for case, it in ((uncertain, incident), (waiting, later)):
                check_one_note(case, it)
            assert len(world.pagerduty.requests) <= 40
            assert len(daemon.events("work.claimed")) <= 60
            assert daemon.events("work.failed") == []
            assert bool(daemon.events("store.clock_set_back")) == jump.startswith("-")


def check_calm(world: World, daemon: Daemon, case: Case, incident: PagedIncident) -> None:
    """One note, one look, no edit, nothing asked again and again."""
    check_one_note(case, incident)
    assert world.note_requests(incident) == ["POST"]
    assert len(daemon.events("report.composed")) == 1
    assert len(world.pagerduty.requests) <= 12
    assert len(daemon.events("work.claimed")) <= 20
    assert [it for it in daemon.events() if it["event"] in CALM] == []


async def first_report_seconds(world: World, daemon: Daemon) -> float:
    """What the daemon says itself of how long the first report took."""
    async with world.http.get(f"{daemon.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    [seconds] = [float(it.split()[1]) for it in lines if it.startswith("responder_first_report_seconds_sum ")]
    assert seconds > 0
    return seconds
