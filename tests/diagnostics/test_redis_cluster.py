import subprocess
import time
from collections.abc import Callable

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.redis_cluster import DIAGNOSTIC, Node, nodes_in
from responder.errors import Refused
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import LOOPBACK, System, free_port, program

Made = Callable[..., Target]
FORMS_WITHIN_SECONDS = 60


@pytest.fixture
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


def _until(node: System, line: str) -> None:
    until = time.monotonic() + FORMS_WITHIN_SECONDS
    asked = ["redis-cli", "-p", str(node.port), "cluster", "info"]
    while line not in subprocess.run(asked, check=True, capture_output=True, text=True).stdout:
        assert time.monotonic() < until, f"{node.address} does not say {line}"
        time.sleep(0.05)
