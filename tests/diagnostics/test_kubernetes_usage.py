from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.clients.kubernetes import NotServed
from responder.diagnostics.kubernetes_asked import kubectl
from responder.diagnostics.kubernetes_usage import DIAGNOSTIC, Asked
from responder.errors import Unreachable
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from tests.diagnostics.kubernetes_things import WELL, Thing, ago, pod
from tests.systems.kubernetes import Cluster

pytestmark = pytest.mark.system

Answered = Callable[[Any], Target]
API = "/apis/metrics.k8s.io/v1beta1"


def measured(namespace: str, *used: tuple[str, str, str], minutes: float = 0.5, nodes: tuple[Thing, ...] = ()) -> Thing:
    """As metrics-server lists it: name, CPU, memory of pods with one container `api`; and nodes."""
    version = "metrics.k8s.io/v1beta1"
    return {
        f"{API}/nodes": {"kind": "NodeMetricsList", "apiVersion": version, "metadata": {}, "items": list(nodes)},
        f"{API}/namespaces/{namespace}/pods": {
            "kind": "PodMetricsList",
            "apiVersion": "metrics.k8s.io/v1beta1",
            "metadata": {},
            "items": [
                {
                    "metadata": {"name": name, "namespace": namespace, "creationTimestamp": ago(0)},
                    "timestamp": ago(minutes),
                    "window": "15s",
                    "containers": [{"name": "api", "usage": {"cpu": cpu, "memory": memory}}],
                }
                for name, cpu, memory in used
            ],
        },
    }


def limited(namespace: str, name: str, limits: Thing | None = None) -> Thing:
    return pod(
        namespace, name, WELL, resources={"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": limits or {}}
    )


async def look(target: Target, doors: Doors, **asked: Any) -> Finding:
    finding = await DIAGNOSTIC.examine(target, Asked(**asked), doors)
    assert "s3cret" not in repr(finding)
    return finding


async def test_who_is_near_a_limit_is_told_with_both_numbers(
    cluster: Cluster, namespace: str, answered: Answered, doors: Doors
) -> None:
    for name in ("api-1", "api-2", "api-3"):
        cluster.add(limited(namespace, name, {"cpu": "1", "memory": "512Mi"}))
    target = answered(measured(namespace, ("api-1", "250m", "480Mi"), ("api-2", "950000u", "131072Ki")))

    finding = await look(target, doors, namespace=namespace)

    assert finding.outcome is Outcome.UNHEALTHY
    assert finding.headline == (
        "2 near a limit: api-2/api CPU 0.95 cores of 1 core (95 %), api-1/api memory 480 MiB of 512 MiB (94 %)"
    )
    assert (finding.marks, finding.gravity) == (("near_limit",), 65)
    assert finding.found == {"namespace": namespace, "pod": "api-2", "container": "api"}
    assert finding.details == "no figures of 1 pod"
    assert finding.table is not None
    assert finding.table.rows == (
        ("api-2/api", "CPU", "0.95 cores", "0.1 cores", "1 core", "95 %"),
        ("api-1/api", "memory", "480 MiB", "256 MiB", "512 MiB", "94 %"),
        ("api-1/api", "CPU", "0.25 cores", "0.1 cores", "1 core", "25 %"),
        ("api-2/api", "memory", "128 MiB", "256 MiB", "512 MiB", "25 %"),
    )
    assert finding.equivalent == f"{kubectl(target)} top pods --containers -n {namespace}"


async def test_what_is_within_its_limits_is_healthy(
    cluster: Cluster, namespace: str, answered: Answered, doors: Doors
) -> None:
    cluster.add(limited(namespace, "api-1", {"memory": "1Gi"}))
    cluster.add(limited(namespace, "api-2"))
    target = answered(measured(namespace, ("api-1", "250m", "256Mi"), ("api-2", "3", "2Gi")))

    finding = await look(target, doors, namespace=namespace)
    without = await look(target, doors, namespace=namespace, pod="api-2")

    assert (finding.outcome, finding.marks) == (Outcome.HEALTHY, ())
    assert finding.headline == "all below 90 % of their limits, most api-1/api memory 256 MiB of 1 GiB (25 %)"
    assert without.headline == "no limit is set; 1 pod uses memory 2 GiB, CPU 3 cores"


async def test_a_node_is_held_against_what_pods_may_use_of_it(
    cluster: Cluster, namespace: str, answered: Answered, doors: Doors
) -> None:
    name = f"node-of-{namespace}"
    status = {"allocatable": {"cpu": "4", "memory": "8Gi"}}
    cluster.add({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status})
    cluster.add(limited(namespace, "api-1", {"memory": "1Gi"}))
    used = {"cpu": "500m", "memory": "7680Mi"}
    node = {"metadata": {"name": name}, "timestamp": ago(0.5), "window": "15s", "usage": used}
    target = answered(measured(namespace, ("api-1", "1", "64Mi"), nodes=(node,)))

    named = await look(target, doors, namespace=namespace, node=name)
    beside = await look(target, doors, namespace=namespace)
    narrowed = await look(target, doors, namespace=namespace, pod="api-1")

    assert named.headline == f"1 near a limit: node {name} memory 7.5 GiB of 8 GiB (94 %)"
    assert named.found == {"node": name}
    assert beside.headline == named.headline
    assert narrowed.outcome is Outcome.HEALTHY


async def test_a_right_to_nodes_that_is_missing_is_named_beside_the_pods(
    cluster: Cluster, namespace: str, answered: Answered, doors: Doors
) -> None:
    cluster.add(limited(namespace, "api-1", {"memory": "1Gi"}))
    target = answered(measured(namespace, ("api-1", "1", "64Mi")) | {"/api/v1/nodes": 403})

    finding = await look(target, doors, namespace=namespace)

    assert finding.outcome is Outcome.HEALTHY
    assert finding.details.startswith("nodes were not looked at: ")
    assert "forbidden: list nodes" in finding.details


async def test_without_the_api_of_metrics_it_could_not_look(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    with pytest.raises(NotServed, match=r"metrics\.k8s\.io is not served"):
        await look(kubernetes, doors, namespace=namespace)


async def test_old_figures_are_no_figures(cluster: Cluster, namespace: str, answered: Answered, doors: Doors) -> None:
    cluster.add(limited(namespace, "api-1", {"memory": "1Gi"}))
    target = answered(measured(namespace, ("api-1", "1", "1Mi"), minutes=12))

    with pytest.raises(Unreachable, match=r"the newest figures of metrics\.k8s\.io are 12m old"):
        await look(target, doors, namespace=namespace)


async def test_pods_without_figures_are_not_taken_for_healthy(
    cluster: Cluster, namespace: str, answered: Answered, doors: Doors
) -> None:
    target = answered(measured(namespace))
    empty = await look(target, doors, namespace=namespace)
    cluster.add(limited(namespace, "api-1", {"memory": "1Gi"}))

    finding = await look(target, doors, namespace=namespace)

    assert (empty.outcome, empty.headline) == (Outcome.INCONCLUSIVE, f"there is no pod in namespace {namespace}")
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert finding.headline == f"metrics.k8s.io has no figures of 1 pod in namespace {namespace}"


async def test_figures_of_nodes_alone_say_nothing_of_pods(
    cluster: Cluster, namespace: str, answered: Answered, doors: Doors
) -> None:
    name = f"node-of-{namespace}"
    status = {"allocatable": {"cpu": "4", "memory": "8Gi"}}
    cluster.add({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status})
    cluster.add(limited(namespace, "api-1", {"memory": "1Gi"}))
    node = {"metadata": {"name": name}, "timestamp": ago(0.5), "window": "15s", "usage": {"cpu": "1", "memory": "1Gi"}}

    finding = await look(answered(measured(namespace, nodes=(node,))), doors, namespace=namespace)

    assert (finding.outcome, finding.details) == (Outcome.INCONCLUSIVE, "no figures of 1 pod")
