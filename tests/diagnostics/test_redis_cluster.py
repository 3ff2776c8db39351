import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.redis_cluster import DIAGNOSTIC, Node, nodes_in
from responder.diagnostics.redis_info import DIAGNOSTIC as INFO
from responder.diagnostics.redis_keys import DIAGNOSTIC as KEYS
from responder.diagnostics.redis_keys import Asked as KeysAsked
from responder.diagnostics.redis_queues import DIAGNOSTIC as QUEUES
from responder.diagnostics.redis_queues import Asked as QueuesAsked
from responder.errors import Refused
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import LOOPBACK, System, free_port, program

Made = Callable[..., Target]
ServeRedis = Callable[[bytes], Awaitable[int]]
FORMS_WITHIN_SECONDS = 60


@pytest.fixture(scope="module")
def cluster(start_redis: Callable[..., System]) -> list[System]:
    """Three nodes that share the slots; each knows the others and says that all is well."""
    settings = "--cluster-enabled yes --cluster-node-timeout 500 --appendonly no"
    nodes = [start_redis(*settings.split(), port=_port()) for _ in range(3)]
    cli = program("redis-cli", "apt-get install redis-tools")
    addresses = [f"{LOOPBACK}:{it.port}" for it in nodes]
    made = [cli, "--cluster", "create", *addresses, "--cluster-replicas", "0", "--cluster-yes"]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
    for it in nodes:
        _until(it, "cluster_state:ok")
    return nodes


@pytest.fixture(scope="module")
def queues(cluster: list[System]) -> dict[str, int]:
    """Lengths of queues that lie all over the cluster."""
    lengths = {f"bull:{it}:wait": it for it in range(1, 31)} | {"bull:none:wait": 0}
    for name, length in lengths.items():
        if length:
            pushed = ["redis-cli", "-c", "-p", str(cluster[0].port), "rpush", name, *["s3cret"] * length]
            subprocess.run(pushed, check=True, stdout=subprocess.DEVNULL)
    return lengths


@pytest.mark.system
async def test_queues_are_looked_at_on_the_nodes_that_have_them(
    cluster: list[System], queues: dict[str, int], doors: Doors, target: Made
) -> None:
    owners = {_asked(cluster[0], "cluster", "keyslot", name) for name in queues}
    finding = await QUEUES.examine(target("redis", cluster[1].address), QueuesAsked(keys=tuple(queues), over=20), doors)

    assert len(owners) > 20  # slots, so that every node has some
    assert finding.headline == "bull:30:wait 30 waiting (over 20), 10 of 31 queues"
    assert isinstance(finding.table, Table)
    assert dict(finding.table.rows) == {name: str(length) for name, length in queues.items()}


@pytest.mark.system
async def test_a_node_of_a_cluster_finds_not_all_that_fits_a_pattern(
    cluster: list[System], queues: dict[str, int], doors: Doors, target: Made
) -> None:
    given = target("redis", cluster[0].address, allow=frozenset({"scan"}))

    with pytest.raises(Refused, match="has only some of the keys, so a pattern does not find all; name them"):
        await QUEUES.examine(given, QueuesAsked(keys=("bull:*:wait",)), doors)
    with pytest.raises(Refused, match="has only some of the keys"):
        await KEYS.examine(given, KeysAsked(), doors)


@pytest.mark.system
async def test_the_figures_of_a_node_are_its_own(cluster: list[System], doors: Doors, target: Made) -> None:
    finding = await INFO.examine(target("redis", cluster[2].address), Nothing(), doors)

    assert finding.outcome is Outcome.HEALTHY


async def test_a_node_that_a_cluster_names_is_checked_too(serve_redis: ServeRedis, doors: Doors, target: Made) -> None:
    port = await serve_redis(b"-MOVED 866 169.254.169.254:6379\r\n")

    with pytest.raises(Refused, match="which may not be looked at"):
        await doors.redis(target("redis", f"redis://127.0.0.1:{port}")).ask("LLEN", "queue")


async def test_a_cluster_that_sends_us_round_is_left(serve_redis: ServeRedis, doors: Doors, target: Made) -> None:
    second = await serve_redis(b"-MOVED 866 127.0.0.1:1\r\n")
    first = await serve_redis(f"-MOVED 866 127.0.0.1:{second}\r\n".encode())

    with pytest.raises(Refused, match=f"redis://127.0.0.1:{first}: 866 127.0.0.1:1$"):
        await doors.redis(target("redis", f"redis://127.0.0.1:{first}")).ask("LLEN", "queue")


@pytest.fixture
async def serve_redis() -> AsyncIterator[ServeRedis]:
    """A node that says the same to every command: `port = await serve_redis(b"+OK…")`."""
    servers: list[asyncio.Server] = []

    async def start(says: bytes) -> int:
        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(1000):
                writer.write(says)
            writer.close()

        servers.append(await asyncio.start_server(speak, LOOPBACK, 0))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield start
    for it in servers:
        it.close()
        await it.wait_closed()
    await asyncio.sleep(0)


@pytest.mark.system
async def test_a_whole_cluster_and_one_that_has_lost_a_node(cluster: list[System], doors: Doors, target: Made) -> None:
    given = target("redis", cluster[0].address)
    whole = await DIAGNOSTIC.examine(given, Nothing(), doors)
    cluster[2].stop()
    _until(cluster[0], "cluster_state:fail")
    broken = await DIAGNOSTIC.examine(given, Nothing(), doors)
    for it in cluster:
        it.stop()

    assert (whole.outcome, whole.marks) == (Outcome.HEALTHY, ())
    assert whole.headline == "cluster is whole: 3 nodes, all 16384 slots served"
    lost = f"{LOOPBACK}:{cluster[2].port}"
    assert (broken.outcome, broken.marks, broken.gravity) == (Outcome.UNHEALTHY, ("degraded",), 90)
    assert broken.headline == f"cluster is down: 5461 of 16384 slots not served, 1 of 3 nodes fails ({lost})"
    assert broken.found == {"node": lost}
    assert isinstance(broken.table, Table)
    assert broken.table.rows[0] == (lost, "primary", "fails", "5461")


@pytest.mark.system
async def test_a_server_that_is_no_node_could_not_be_looked_at(
    redis_server: System, doors: Doors, target: Made
) -> None:
    with pytest.raises(Refused, match="cluster support disabled"):
        await DIAGNOSTIC.examine(target("redis", redis_server.address), Nothing(), doors)


def test_nodes_are_read_with_their_state_and_slots() -> None:
    text = (
        "07c3 127.0.0.1:30004@31004,hostname4 slave e7d1 0 1426238317239 4 connected\n"
        "67ed 127.0.0.1:30002@31002 master - 0 1426238316232 2 connected 5461-10922 7 [93-<-292f]\n"
        "e7d1 127.0.0.1:30001@31001 myself,master,fail? - 0 0 1 disconnected\n"
        "nonsense\n"
    )

    assert nodes_in(text) == [
        Node(address="127.0.0.1:30004", role="replica", state="ok", slots=0),
        Node(address="127.0.0.1:30002", role="primary", state="ok", slots=5463),
        Node(address="127.0.0.1:30001", role="primary", state="may fail", slots=0),
    ]


def _port() -> int:
    """One with room for the port of the cluster's own talk, which is 10,000 higher."""
    return next(it for it in iter(free_port, None) if it < 55_000)


def _asked(node: System, *words: str) -> str:
    done = subprocess.run(["redis-cli", "-p", str(node.port), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _until(node: System, line: str) -> None:
    until = time.monotonic() + FORMS_WITHIN_SECONDS
    asked = ["redis-cli", "-p", str(node.port), "cluster", "info"]
    while line not in subprocess.run(asked, check=True, capture_output=True, text=True).stdout:
        assert time.monotonic() < until, f"{node.address} does not say {line}"
        time.sleep(0.05)
