import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from typing import Any

import asyncpg
import pytest

from responder.clients.doors import Doors
from responder.diagnostics.postgres_replication import DIAGNOSTIC, Asked
from responder.errors import Refused
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import (
    LOOPBACK,
    Postgres,
    folder_for,
    free_port,
    postgres_programs,
    postgres_user,
    start,
    stop,
)

Made = Callable[..., Target]
Connect = Callable[..., Any]

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def primary(start_postgres: Callable[..., Postgres]) -> Postgres:
    return start_postgres(max_slot_wal_keep_size="64MB", max_wal_size="32MB")


@pytest.fixture(scope="module")
def standby_dsn(primary: Postgres) -> Any:
    """A standby of the primary, both for the whole module; gives its address as the responder's role."""
    with ExitStack() as stack:
        folder = stack.enter_context(folder_for("standby", postgres_user()))
        port, user = free_port(), postgres_user()
        data = folder / "data"
        copied = f"-h {LOOPBACK} -p {primary.port} -U postgres -D {data} -R -c fast --no-sync"
        subprocess.run(
            [str(postgres_programs() / "pg_basebackup"), *copied.split()],
            check=True,
            cwd=folder,
            user=user,
            group=user,
        )
        settings = f"-c listen_addresses={LOOPBACK} -c unix_socket_directories={folder} -c fsync=off"
        command = [str(postgres_programs() / "postgres"), "-D", str(data), "-p", str(port), *settings.split()]
        probe = [str(postgres_programs() / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(port)]
        process = start(
            "postgresql", command, folder, lambda: subprocess.run(probe, check=False).returncode == 0, user=user
        )
        stack.callback(stop, process)
        yield f"postgresql://responder:pw@{LOOPBACK}:{port}/postgres"


@pytest.fixture
async def admin(primary: Postgres) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(primary.dsn)
    yield connection
    await connection.close()


async def test_a_server_without_standbys_says_so(primary: Postgres, doors: Doors, target: Made) -> None:
    finding = await DIAGNOSTIC.examine(target("postgres", primary.readonly_dsn), Asked(), doors)

    assert (finding.outcome, finding.headline, finding.table) == (
        Outcome.HEALTHY,
        "no standby is connected, and this is none",
        None,
    )


async def test_a_standby_that_keeps_up_is_healthy_on_both_sides(
    primary: Postgres, standby_dsn: str, admin: Any, doors: Doors, target: Made
) -> None:
    await _until_replayed(admin)

    there = await DIAGNOSTIC.examine(target("postgres", primary.readonly_dsn), Asked(), doors)
    here = await DIAGNOSTIC.examine(target("postgres", standby_dsn), Asked(), doors)

    assert (there.outcome, there.marks) == (Outcome.HEALTHY, ())
    assert re.match(r"standby walreceiver (is 0s behind|has 0 B to replay)", there.headline)
    assert isinstance(there.table, Table)
    assert there.table.rows[0][:2] == ("standby walreceiver (127.0.0.1)", "streaming, async")
    assert (here.outcome, here.headline) == (Outcome.HEALTHY, "this standby is 0s behind (streaming)")


async def test_a_standby_that_is_behind_is_named_on_both_sides(
    primary: Postgres, standby_dsn: str, admin: Any, doors: Doors, target: Made
) -> None:
    await admin.execute("create table grows (n int)")
    await _until_replayed(admin)
    standby = await asyncpg.connect(standby_dsn.replace("responder:pw", "postgres"))
    await standby.execute("select pg_wal_replay_pause()")
    await admin.execute("insert into grows select generate_series(1, 1000)")
    while await standby.fetchval("select pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn()"):
        await asyncio.sleep(0.01)

    here = await DIAGNOSTIC.examine(target("postgres", standby_dsn), Asked(lag=0), doors)
    await standby.execute("select pg_wal_replay_resume()")
    await standby.close()
    await _until_lag_is_measured(admin)
    there = await DIAGNOSTIC.examine(target("postgres", primary.readonly_dsn), Asked(lag=0), doors)

    assert (here.outcome, here.marks) == (Outcome.UNHEALTHY, ("lagging",))
    assert re.fullmatch(r"this standby is \d+s behind \(paused\)", here.headline)
    assert (there.outcome, there.marks) == (Outcome.UNHEALTHY, ("lagging",))
    assert re.match(r"standby walreceiver is \d+s behind", there.headline)


async def test_a_slot_that_nobody_reads_and_that_has_outgrown_its_bound_is_named(
    primary: Postgres, admin: Any, doors: Doors, target: Made
) -> None:
    await admin.execute("select pg_create_physical_replication_slot('left_behind', true)")
    calm = await DIAGNOSTIC.examine(target("postgres", primary.readonly_dsn), Asked(), doors)
    for _ in range(4):
        await admin.execute("select pg_switch_wal()")
        await admin.execute("select txid_current()")
    await admin.execute("checkpoint")

    finding = await DIAGNOSTIC.examine(target("postgres", primary.readonly_dsn), Asked(), doors)
    await admin.execute("select pg_drop_replication_slot('left_behind')")

    assert calm.outcome is Outcome.HEALTHY
    assert (finding.outcome, finding.marks) == (Outcome.UNHEALTHY, ("lagging",))
    assert re.match(r"slot left_behind has no consumer and keeps \d+(\.\d)? MiB WAL", finding.headline)


async def test_a_role_that_does_not_see_standbys_could_not_look(
    primary: Postgres, standby_dsn: str, admin: Any, doors: Doors, target: Made
) -> None:
    await admin.execute("drop role if exists blind; create role blind login")
    await _until_replayed(admin)

    for dsn in (primary.dsn, standby_dsn.replace("responder:pw", "postgres")):
        with pytest.raises(Refused, match="grant it pg_monitor"):
            await DIAGNOSTIC.examine(target("postgres", dsn.replace("postgres@", "blind@")), Asked(), doors)


async def _until_replayed(admin: Any) -> None:
    behind = "select count(*) from pg_stat_replication where replay_lsn = pg_current_wal_lsn()"
    while not await admin.fetchval(behind):
        await asyncio.sleep(0.02)


async def _until_lag_is_measured(admin: Any) -> None:
    while not await admin.fetchval("select count(*) from pg_stat_replication where replay_lag > interval '0'"):
        await asyncio.sleep(0.02)
