from __future__ import annotations

import json
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.kubernetes_asked import kubectl
from responder.diagnostics.kubernetes_events import DIAGNOSTIC, Asked
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from tests.diagnostics.kubernetes_things import WELL, ago, clock, event, pod
from tests.systems.kubernetes import Cluster

pytestmark = pytest.mark.system


async def look(kubernetes: Target, doors: Doors, **asked: Any) -> Finding:
    finding = await DIAGNOSTIC.examine(kubernetes, Asked(**asked), doors)
    assert "s3cret" not in repr(finding)
    return finding


async def test_warnings_are_counted_by_reason_and_object(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    api = ("Pod", "api-1")
    back_off = event(namespace, api, "BackOff", times=46, last=2, first=50)
    unhealthy = event(namespace, ("Pod", "web-1"), "Unhealthy", times=3, last=10)
    for it in (
        back_off,
        event(namespace, api, "BackOff", times=2, last=20, first=30),
        unhealthy,
        event(namespace, api, "Pulled", type="Normal"),
        event(namespace, api, "Failed", last=90, first=100),
    ):
        cluster.add(it)

    finding = await look(kubernetes, doors, namespace=namespace)

    last, first = clock(back_off["lastTimestamp"]), clock(back_off["firstTimestamp"])
    assert finding.outcome is Outcome.UNHEALTHY
    assert finding.headline == f"BackOff ×48 on pod api-1, last {last}; 3 warnings more"
    assert finding.table is not None
    seen = clock(unhealthy["firstTimestamp"]), clock(unhealthy["lastTimestamp"])
    assert finding.table.rows == (
        ("BackOff", "pod api-1", "48", first, last),
        ("Unhealthy", "pod web-1", "3", *seen),
    )
    assert finding.equivalent == f"{kubectl(kubernetes)} get events -n {namespace} --field-selector type=Warning"


async def test_nothing_of_late_is_healthy(cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors) -> None:
    cluster.add(event(namespace, ("Pod", "api-1"), "Failed", last=40, first=100))

    finding = await look(kubernetes, doors, namespace=namespace, since="30m")

    assert (finding.outcome, finding.table, finding.gravity) == (Outcome.HEALTHY, None, 0)
    assert finding.headline == f"no warning in namespace {namespace} in the last 30m"
    assert (await look(kubernetes, doors, namespace=namespace)).outcome is Outcome.UNHEALTHY


async def test_an_event_of_the_newer_kind_is_dated_by_its_series(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    newer = event(namespace, ("Pod", "api-1"), "FailedScheduling", times=0)
    newer |= {"firstTimestamp": None, "lastTimestamp": None, "eventTime": f"{ago(50)[:-1]}.000001Z"}
    newer |= {"series": {"count": 7, "lastObservedTime": f"{ago(1)[:-1]}.000001Z"}}
    newer |= {"reportingComponent": "scheduler", "reportingInstance": "a", "action": "Scheduling"}
    newer["metadata"] = {"namespace": namespace, "name": "api-1.1"}
    cluster.add(newer)

    finding = await look(kubernetes, doors, namespace=namespace)

    last = clock(newer["series"]["lastObservedTime"])
    assert finding.headline == f"FailedScheduling ×7 on pod api-1, last {last}"


async def test_events_are_chosen_by_deployment_pod_label_and_node(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    node = f"node-of-{namespace}"
    cluster.add(pod(namespace, "api-7c9d8f6b5c-x2x4z", WELL, labels={"app": "api"}))
    for about, reason in {
        ("Deployment", "api"): "OfDeployment",
        ("ReplicaSet", "api-7c9d8f6b5c"): "OfReplicaSet",
        ("Pod", "api-7c9d8f6b5c-x2x4z"): "OfPod",
        ("Pod", "api-worker-7c9d8f6b5c-x2x4z"): "OfAnother",
    }.items():
        cluster.add(event(namespace, about, reason))
    cluster.add(event("default", ("Node", node), "OfNode"))

    async def reasons(**asked: str) -> set[str]:
        finding = await look(kubernetes, doors, **asked)
        return {row[0] for row in finding.table.rows} if finding.table else set()

    assert await reasons(namespace=namespace, deployment="api") == {"OfDeployment", "OfReplicaSet", "OfPod"}
    assert await reasons(namespace=namespace, pod="api-worker-7c9d8f6b5c-x2x4z") == {"OfAnother"}
    assert await reasons(namespace=namespace, selector="app=api") == {"OfPod"}
    assert await reasons(namespace=namespace, node=node) == {"OfNode"}
    assert await reasons(namespace=namespace, selector="app=web") == set()


async def test_a_reason_that_is_no_word_is_not_shown(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    cluster.add(event(namespace, ("Pod", "api-1"), "patient s3cret not found"))

    assert (await look(kubernetes, doors, namespace=namespace)).headline.startswith("other ×1 on pod api-1")


async def test_none_among_the_first_of_many_is_no_answer(
    cluster: Cluster, namespace: str, answered: Any, doors: Doors
) -> None:
    old = event(namespace, ("Pod", "other"), "BackOff", last=90, first=100)
    old["metadata"]["name"] = "other.1"
    page = {"kind": "EventList", "apiVersion": "v1", "metadata": {"continue": "more"}, "items": [old] * 250}
    target = answered({f"/api/v1/namespaces/{namespace}/events": json.dumps(page).encode()})

    finding = await look(target, doors, namespace=namespace)

    assert finding.outcome is Outcome.INCONCLUSIVE
    assert finding.headline.endswith(" in the last 1h among the first 1000, there are more")
