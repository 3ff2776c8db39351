"""Real systems for tests: each fixture starts the program itself, on a free loopback port, in a folder of its own.

A system that is not installed skips the test and says so; with RESPONDER_TEST_REQUIRE_SYSTEMS=1 it fails instead.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from responder.embedded.preflight import server_user
from responder.embedded.programs import installed_programs, reachable_programs
from tests.systems.servers import raw_server, serve  # noqa: F401 - fixtures of this plugin too

STARTS_WITHIN_SECONDS = 30.0
STOPS_WITHIN_SECONDS = 10.0
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class System:
    """One running program. `address` is how it is reached; `folder` holds its data and its `log`."""

    name: str
    address: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    stopped_by: signal.Signals = signal.SIGTERM

    def freeze(self) -> None:
        """It keeps its connections and answers nothing. (Sessions of PostgreSQL are in groups of their own.)"""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        os.killpg(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it and everything it started."""
        stop(self.process, self.stopped_by)


@dataclass(frozen=True, kw_only=True)
class Postgres(System):
    """`dsn` is the superuser's, `readonly_dsn` that of the role `responder`, which is in pg_monitor only."""

    dsn: str
    readonly_dsn: str


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as it:
        it.bind((LOOPBACK, 0))
        return int(it.getsockname()[1])


def missing(what: str, how: str) -> Any:
    """Skip, or fail where nothing may be skipped."""
    says = f"{what} is not installed: {how}"
    if os.environ.get("RESPONDER_TEST_REQUIRE_SYSTEMS") == "1":
        pytest.fail(says)
    pytest.skip(says)


def program(name: str, how: str) -> str:
    """Where a program is; skips or fails when it is nowhere."""
    return shutil.which(name) or missing(name, how)


def postgres_programs() -> Path:
    """Debian's folder of server programs: 15 where it is there, else the newest."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda it: int(it.parent.parent.name))
    ours = [it for it in found if it.parent.parent.name == "15"] or found
    if ours:
        return ours[-1].parent
    here = shutil.which("initdb")
    return Path(here).resolve().parent if here else missing("postgresql", "apt-get install postgresql")


def start(
    name: str,
    command: Sequence[str],
    folder: Path,
    ready: Callable[[], bool],
    *,
    user: str | None = None,
    within_seconds: float = STARTS_WITHIN_SECONDS,
) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own and wait until it is ready; fails with the end of its log."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            process_group=0,
        )
    until = time.monotonic() + within_seconds
    while time.monotonic() < until and process.poll() is None:
        if ready():
            return process
        time.sleep(0.02)
    stop(process)
    pytest.fail(f"{name} did not get ready:\n{(folder / 'log').read_text(errors='replace')[-2000:]}")


def stop(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
    """End a process group: kindly first, then for good."""
    for number in (signal.SIGCONT, how, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        if number is not signal.SIGCONT:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOPS_WITHIN_SECONDS)
                return


def listens(port: int) -> bool:
    """Whether something takes connections there."""
    with socket.socket() as it:
        it.settimeout(1)
        return it.connect_ex((LOOPBACK, port)) == 0


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=1) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


@contextlib.contextmanager
def folder_for(name: str, user: str | None = None) -> Iterator[Path]:
    """A folder that the program's user can reach; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix=f"responder-{name}-"))
    folder.chmod(0o755)
    if user:
        shutil.chown(folder, user, user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def postgres_user() -> str | None:
    """PostgreSQL refuses root: the user to drop to, None when we are somebody already."""
    return "postgres" if os.geteuid() == 0 else None


def initialised(programs: Path, folder: Path) -> Path:
    """A new data folder below this one."""
    user = postgres_user()
    initdb = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust"]
    subprocess.run(
        [*initdb, "--no-sync", "--locale=C", "-E", "UTF8"],
        check=True,
        stdout=subprocess.DEVNULL,
        user=user,
        group=user,
        cwd=folder,
    )
    return folder / "data"


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[Path]:
    """An initialised data folder to copy; makes each further server a matter of a tenth of a second."""
    programs = postgres_programs()
    with folder_for("postgres-template", postgres_user()) as folder:
        yield initialised(programs, folder)


@pytest.fixture(scope="session")
def start_postgres(postgres_template: Path) -> Iterator[Callable[..., Postgres]]:
    """Start a PostgreSQL of its own, with these settings: `start_postgres(max_connections=20)`."""
    with contextlib.ExitStack() as stack:

        def start_one(**settings: object) -> Postgres:
            folder = stack.enter_context(folder_for("postgres", postgres_user()))
            subprocess.run(["cp", "-a", str(postgres_template), str(folder / "data")], check=True, cwd=folder)
            return started_postgres(stack, postgres_programs(), folder, settings)

        yield start_one


@pytest.fixture(scope="session")
def start_embedded_postgres() -> Iterator[Callable[..., Postgres]]:
    """The same with the programs of the embedded one."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(folder_for("embedded", postgres_user()))
        user = server_user(os.geteuid(), cluster=folder / "data")
        programs = reachable_programs(installed_programs(), folder, user).path("initdb").parent
        template = initialised(programs, folder)

        def start_one(**settings: object) -> Postgres:
            own = stack.enter_context(folder_for("postgres", postgres_user()))
            subprocess.run(["cp", "-a", str(template), str(own / "data")], check=True, cwd=own)
            return started_postgres(stack, programs, own, settings)

        yield start_one


def started_postgres(
    stack: contextlib.ExitStack, programs: Path, folder: Path, settings: Mapping[str, object]
) -> Postgres:
    """A server on the data in `folder`, stopped with the stack, with the role that responder is to have."""
    port, user = free_port(), postgres_user()
    given = {"listen_addresses": LOOPBACK, "unix_socket_directories": folder, "fsync": "off"} | dict(settings)
    options = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
    command = [str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port), *options]
    ask = [str(programs / "psql"), "-h", LOOPBACK, "-p", str(port), "-U", "postgres", "-qAtX"]
    probe = [str(programs / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(port)]
    process = start(
        "postgresql", command, folder, lambda: subprocess.run(probe, check=False).returncode == 0, user=user
    )
    stack.callback(stop, process, signal.SIGINT)
    role = "create role responder login password 'pw' in role pg_monitor"
    subprocess.run([*ask, "-c", role], check=True, cwd=folder)
    at = f"{LOOPBACK}:{port}/postgres"
    return Postgres(
        name="postgresql",
        address=f"postgresql://postgres@{at}",
        port=port,
        folder=folder,
        process=process,
        stopped_by=signal.SIGINT,  # the fast shutdown: it does not wait for clients
        dsn=f"postgresql://postgres@{at}",
        readonly_dsn=f"postgresql://responder:pw@{at}",
    )


@pytest.fixture(scope="session")
def postgres_server(start_postgres: Callable[..., Postgres]) -> Postgres:
    """One PostgreSQL for the whole run; tests that fill or freeze it start their own."""
    return start_postgres()


@pytest.fixture(scope="session")
def start_pgbouncer() -> Iterator[Callable[..., System]]:
    """Start a PgBouncer before this server, with `responder` (password `pw`) among its `stats_users`; settings are
    those of its file: `start_pgbouncer(server, default_pool_size=3)`."""
    with contextlib.ExitStack() as stack:

        def start_one(server: Postgres, **settings: object) -> System:
            pooler = "/usr/sbin/pgbouncer"
            if not Path(pooler).exists():
                pooler = program("pgbouncer", "apt-get install pgbouncer")
            user = postgres_user()  # it refuses root too
            folder, port = stack.enter_context(folder_for("pgbouncer", user)), free_port()
            given: dict[str, object] = {
                "listen_addr": LOOPBACK,
                "listen_port": port,
                "unix_socket_dir": "",
                "auth_type": "scram-sha-256",
                "auth_file": folder / "users",
                "stats_users": "responder",
                "pool_mode": "transaction",
            } | settings
            lines = [f"{name} = {value}" for name, value in given.items()]
            databases = ["[databases]", f"* = host={LOOPBACK} port={server.port}", "[pgbouncer]"]
            (folder / "pgbouncer.ini").write_text("\n".join([*databases, *lines, ""]))
            (folder / "users").write_text('"responder" "pw"\n"app" "pw"\n"boss" "pw"\n')
            process = start("pgbouncer", [pooler, "pgbouncer.ini"], folder, lambda: listens(port), user=user)
            stack.callback(stop, process, signal.SIGINT)
            address = f"postgresql://responder:pw@{LOOPBACK}:{port}"
            return System(name="pgbouncer", address=address, port=port, folder=folder, process=process)

        yield start_one


@pytest.fixture(scope="session")
def start_redis() -> Iterator[Callable[..., System]]:
    """Start a Redis of its own, with these settings: `start_redis("--maxmemory", "4mb")`."""
    with contextlib.ExitStack() as stack:

        def start_one(*settings: str, port: int | None = None) -> System:
            server = program("redis-server", "apt-get install redis-server")
            folder, port = stack.enter_context(folder_for("redis")), port or free_port()
            command = [server, "--port", str(port), "--bind", LOOPBACK, "--save", "", "--dir", str(folder), *settings]
            process = start("redis-server", command, folder, lambda: listens(port))
            stack.callback(stop, process)
            return System(
                name="redis", address=f"redis://{LOOPBACK}:{port}/0", port=port, folder=folder, process=process
            )

        yield start_one


@pytest.fixture(scope="session")
def redis_server(start_redis: Callable[..., System]) -> System:
    """One Redis for the whole run; tests that fill or freeze it start their own."""
    return start_redis()


CLICKHOUSE = """<yandex>
<logger><level>warning</level><console>1</console></logger>
<http_port>{http}</http_port><tcp_port>{tcp}</tcp_port><listen_host>127.0.0.1</listen_host>
<path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path><user_files_path>{folder}/files/</user_files_path>
<format_schema_path>{folder}/schemas/</format_schema_path><mark_cache_size>5368709</mark_cache_size>
<users_config>users.xml</users_config><default_profile>default</default_profile>
<default_database>default</default_database>
<remote_servers><shop><shard>
<replica><host>127.0.0.1</host><port>{tcp}</port></replica><replica><host>127.0.0.1</host><port>1</port></replica>
</shard></shop></remote_servers>
<query_log><database>system</database><table>query_log</table>
<flush_interval_milliseconds>200</flush_interval_milliseconds></query_log>
</yandex>
"""
CLICKHOUSE_USERS = """<yandex>
<profiles><default><log_queries>1</log_queries></default></profiles><quotas><default/></quotas>
<users><default><password></password><networks><ip>::/0</ip></networks><profile>default</profile>
<quota>default</quota></default></users>
</yandex>
"""


@pytest.fixture(scope="session")
def start_clickhouse() -> Iterator[Callable[[], System]]:
    """Start a ClickHouse, Debian's 18.16, with the shipped user `responder` (password `pw`), whose queries are logged;
    a cluster `shop` of which one server is nowhere. `default` may do everything."""
    with contextlib.ExitStack() as stack:

        def start_one() -> System:
            server = program("clickhouse-server", "apt-get install clickhouse-server")
            folder, port, tcp = stack.enter_context(folder_for("clickhouse")), free_port(), free_port()
            (folder / "config.xml").write_text(CLICKHOUSE.format(http=port, tcp=tcp, folder=folder))
            (folder / "users.xml").write_text(CLICKHOUSE_USERS)
            (folder / "users.d").mkdir()
            ours = (Path(__file__).parents[2] / "deploy" / "roles" / "clickhouse.xml").read_text()
            ours = ours.replace("PASSWORD_SHA256", hashlib.sha256(b"pw").hexdigest())
            logged = "<readonly>1</readonly><log_queries>1</log_queries>"
            (folder / "users.d" / "responder.xml").write_text(ours.replace("<readonly>1</readonly>", logged))
            url = f"http://{LOOPBACK}:{port}"
            process = start("clickhouse", [server, "--config-file=config.xml"], folder, lambda: answers(f"{url}/ping"))
            stack.callback(stop, process)
            return System(name="clickhouse", address=url, port=port, folder=folder, process=process)

        yield start_one


@pytest.fixture(scope="session")
def clickhouse_server(start_clickhouse: Callable[[], System]) -> System:
    """One ClickHouse for the whole run; tests that fill or freeze it start their own."""
    return start_clickhouse()


@pytest.fixture(scope="module")
def prometheus_server() -> Iterator[Callable[..., System]]:
    """Start a Prometheus: `prometheus_server(config, files={"rules.yml": …}, openmetrics=…)`.

    `config` is prometheus.yml; `openmetrics`, if given, becomes the past, whatever its dates are.
    """
    with contextlib.ExitStack() as stack:

        def start_one(
            config: str = "global: {}\n",
            *,
            files: dict[str, str] | None = None,
            openmetrics: str = "",
            arguments: Sequence[str] = (),
        ) -> System:
            server = program("prometheus", "apt-get install prometheus")
            folder, port = stack.enter_context(folder_for("prometheus")), free_port()
            for name, text in {"prometheus.yml": config, **(files or {})}.items():
                (folder / name).write_text(text)
            if openmetrics:
                (folder / "past").write_text(openmetrics)
                promtool = program("promtool", "apt-get install prometheus")
                blocks = [promtool, "tsdb", "create-blocks-from", "openmetrics", "past", "data"]
                subprocess.run(blocks, check=True, cwd=folder, stdout=subprocess.DEVNULL)
            command = [
                server,
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address={LOOPBACK}:{port}",
                "--web.enable-lifecycle",
                *arguments,
            ]
            url = f"http://{LOOPBACK}:{port}"
            process = start("prometheus", command, folder, lambda: answers(f"{url}/-/ready"))
            stack.callback(stop, process)
            return System(name="prometheus", address=url, port=port, folder=folder, process=process)

        yield start_one


@pytest.fixture(scope="module")
def alertmanager_server() -> Iterator[Callable[..., System]]:
    """Start an Alertmanager: `alertmanager_server(config)` where `config` is alertmanager.yml."""
    with contextlib.ExitStack() as stack:

        def start_one(config: str, *, files: dict[str, str] | None = None, arguments: Sequence[str] = ()) -> System:
            server = program("prometheus-alertmanager", "apt-get install prometheus-alertmanager")
            folder, port = stack.enter_context(folder_for("alertmanager")), free_port()
            for name, text in {"alertmanager.yml": config, **(files or {})}.items():
                (folder / name).write_text(text)
            command = [
                server,
                "--config.file=alertmanager.yml",
                "--storage.path=data",
                f"--web.listen-address={LOOPBACK}:{port}",
                "--cluster.listen-address=",  # no gossip
                *arguments,
            ]
            url = f"http://{LOOPBACK}:{port}"
            process = start("prometheus-alertmanager", command, folder, lambda: answers(f"{url}/-/ready"))
            stack.callback(stop, process)
            return System(name="alertmanager", address=url, port=port, folder=folder, process=process)

        yield start_one


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return found or missing("chromium", f"apt-get install chromium, then run as {getpass.getuser()}")
