from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.kubernetes_asked import kubectl
from responder.diagnostics.kubernetes_nodes import DIAGNOSTIC, Asked
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target
from tests.diagnostics.kubernetes_things import Thing, clock, condition
from tests.systems.kubernetes import Cluster

pytestmark = pytest.mark.system

READY = condition("Ready", "True", "KubeletReady", 9000)


def node(pool: str, name: str, *conditions: Thing, **spec: Any) -> Thing:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"{pool}-{name}", "labels": {"pool": pool}},
        "spec": spec,
        "status": {"conditions": list(conditions)},
    }


async def look(kubernetes: Target, doors: Doors, **asked: Any) -> Finding:
    finding = await DIAGNOSTIC.examine(kubernetes, Asked(**asked), doors)
    assert "s3cret" not in repr(finding)
    return finding


async def test_nodes_that_are_away_or_under_pressure_are_told_and_dated(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    away = condition("Ready", "Unknown", "NodeStatusUnknown", 4)
    full = condition("DiskPressure", "True", "KubeletHasDiskPressure", 12)
    cluster.add(node(namespace, "1", READY, condition("MemoryPressure", "False", "KubeletHasSufficientMemory", 9000)))
    cluster.add(node(namespace, "2", away))
    cluster.add(node(namespace, "3", READY, full))

    finding = await look(kubernetes, doors, selector=f"pool={namespace}")

    assert finding.outcome is Outcome.UNHEALTHY
    assert finding.headline == (
        f"1 of 3 nodes not ready: {namespace}-2 for 4m (NodeStatusUnknown); "
        f"1 under pressure: {namespace}-3 disk pressure for 12m"
    )
    assert finding.marks == ("node_not_ready", "pressure")
    assert finding.found == {"node": f"{namespace}-2"}
    assert finding.changes == (
        Change(at=datetime.fromisoformat(away["lastTransitionTime"]), what=f"Node {namespace}-2: not ready"),
        Change(at=datetime.fromisoformat(full["lastTransitionTime"]), what=f"Node {namespace}-3: disk pressure"),
    )
    assert finding.table is not None
    assert finding.table.rows == (
        (f"{namespace}-2", "not ready", "NodeStatusUnknown", clock(away["lastTransitionTime"])),
        (f"{namespace}-3", "disk pressure", "KubeletHasDiskPressure", clock(full["lastTransitionTime"])),
    )
    assert finding.equivalent == f"{kubectl(kubernetes)} get nodes -l pool={namespace}"


async def test_pressure_alone_is_no_absence(cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors) -> None:
    cluster.add(node(namespace, "1", READY, condition("PIDPressure", "True", "a", 1)))

    finding = await look(kubernetes, doors, node=f"{namespace}-1")

    assert finding.headline == f"1 of 1 node under pressure: {namespace}-1 PID pressure for 1m"
    assert finding.marks == ("pressure",)
    assert finding.equivalent == f"{kubectl(kubernetes)} get nodes --field-selector metadata.name={namespace}-1"


async def test_a_node_that_came_back_is_healthy_and_a_change(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    back = condition("Ready", "True", "KubeletReady", 7)
    cluster.add(node(namespace, "1", back, unschedulable=True))
    cluster.add(node(namespace, "2", READY))

    finding = await look(kubernetes, doors, selector=f"pool={namespace}")

    assert (finding.outcome, finding.headline) == (Outcome.HEALTHY, "2 nodes ready, 1 cordoned")
    assert [it.what for it in finding.changes] == [f"Node {namespace}-1: ready"]
    assert (finding.marks, finding.found) == ((), {})


async def test_a_node_that_says_nothing_is_not_ready(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    cluster.add(node(namespace, "1"))

    finding = await look(kubernetes, doors, node=f"{namespace}-1")

    assert finding.headline == f"1 of 1 node not ready: {namespace}-1"


async def test_no_node_at_all_is_not_taken_for_health(kubernetes: Target, namespace: str, doors: Doors) -> None:
    finding = await look(kubernetes, doors, node=f"{namespace}-1")

    assert (finding.outcome, finding.headline) == (Outcome.INCONCLUSIVE, f"there is no node named {namespace}-1")
