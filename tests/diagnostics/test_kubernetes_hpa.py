from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.kubernetes_asked import kubectl
from responder.diagnostics.kubernetes_hpa import DIAGNOSTIC, Asked
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target
from tests.diagnostics.kubernetes_things import Thing, ago, condition, event
from tests.systems.kubernetes import Cluster

pytestmark = pytest.mark.system

Answered = Callable[[Any], Target]


def scaler(name: str, now: int, wanted: int, least: int = 2, most: int = 10, *conditions: Thing, **more: Any) -> Thing:
    return {
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": least,
            "maxReplicas": most,
        },
        "status": {"currentReplicas": now, "desiredReplicas": wanted, "conditions": list(conditions), **more},
    }


def listed(namespace: str, *scalers: Thing) -> Thing:
    """As a cluster of today lists them."""
    path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
    items = [it | {"metadata": it["metadata"] | {"namespace": namespace}} for it in scalers]
    return {path: {"kind": "HorizontalPodAutoscalerList", "apiVersion": "autoscaling/v2", "items": items}}


def older(namespace: str, it: Thing) -> Thing:
    """The same in version 1, which has no conditions."""
    status = {key: value for key, value in it["status"].items() if key != "conditions"}
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": it["metadata"] | {"namespace": namespace},
        "spec": it["spec"],
        "status": status,
    }


async def look(target: Target, doors: Doors, **asked: Any) -> Finding:
    finding = await DIAGNOSTIC.examine(target, Asked(**asked), doors)
    assert "s3cret" not in repr(finding)
    return finding


async def test_an_autoscaler_that_wants_more_than_it_may_is_told_and_dated(
    namespace: str, answered: Answered, doors: Doors
) -> None:
    limited = condition("ScalingLimited", "True", "TooManyReplicas", 12)
    full = scaler("api", 10, 10, 2, 10, limited, lastScaleTime=ago(14))
    target = answered(listed(namespace, full, scaler("web", 3, 3), scaler("worker", 4, 4)))

    finding = await look(target, doors, namespace=namespace)

    assert finding.outcome is Outcome.UNHEALTHY
    assert finding.headline == "1 of 3 autoscalers at its maximum: api 10 of 10 replicas and wants more, for 12m"
    assert finding.marks == ("at_maximum",)
    assert finding.found == {"namespace": namespace, "autoscaler": "api", "deployment": "api"}
    assert finding.changes == (
        Change(
            at=datetime.fromisoformat(full["status"]["lastScaleTime"]),
            what="deployment/api scaled to 10 replicas",
            by="autoscaler api",
            about={"deployment": "api", "namespace": namespace},
            weight=0.4,
        ),
    )
    assert finding.table is not None
    assert finding.table.rows[0] == (f"{namespace}/api", "deployment/api", "10", "10", "2", "10", "wants more")
    assert finding.equivalent == f"{kubectl(target)} get hpa -n {namespace}"


async def test_one_of_a_fixed_size_is_not_at_its_maximum_unless_it_says_so(
    namespace: str, answered: Answered, doors: Doors
) -> None:
    limited = condition("ScalingLimited", "True", "TooManyReplicas", 2)
    fixed = await look(answered(listed(namespace, scaler("api", 3, 3, 3, 3))), doors, namespace=namespace)
    wanting = await look(answered(listed(namespace, scaler("api", 3, 3, 3, 3, limited))), doors, namespace=namespace)

    assert (fixed.outcome, fixed.headline) == (Outcome.HEALTHY, "of a fixed size: api 3 of 3 replicas")
    assert wanting.headline == "1 autoscaler at its maximum: api 3 of 3 replicas and wants more, for 2m"


async def test_one_that_cannot_read_its_metrics_is_told(namespace: str, answered: Answered, doors: Doors) -> None:
    blind = condition("ScalingActive", "False", "FailedGetResourceMetric", 30)
    off = condition("ScalingActive", "False", "ScalingDisabled", 30)
    target = answered(listed(namespace, scaler("api", 2, 2, 2, 10, blind), scaler("off", 0, 0, 2, 10, off)))

    finding = await look(target, doors, namespace=namespace)

    assert finding.headline == "1 of 2 autoscalers cannot scale: api (FailedGetResourceMetric)"
    assert (finding.outcome, finding.marks) == (Outcome.UNHEALTHY, ())


async def test_an_older_cluster_is_asked_by_version_1(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    cluster.add(older(namespace, scaler("api", 10, 10)))
    cluster.add(older(namespace, scaler("web", 3, 3)))

    finding = await look(kubernetes, doors, namespace=namespace)
    one = await look(kubernetes, doors, namespace=namespace, deployment="web")

    assert finding.headline == "1 of 2 autoscalers at its maximum: api 10 of 10 replicas"
    assert (one.outcome, one.headline) == (Outcome.HEALTHY, "below its maximum: web 3 of 10 replicas")


async def test_every_scaling_of_late_is_a_change(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    cluster.add(older(namespace, scaler("api", 5, 5)))
    about = ("HorizontalPodAutoscaler", "api")
    up = event(namespace, about, "SuccessfulRescale", last=9, type="Normal", message="New size: 9; reason: s3cret")
    down = event(namespace, about, "SuccessfulRescale", last=4, type="Normal", message="New size: 1; reason: s3cret")
    old = event(namespace, about, "SuccessfulRescale", last=500, first=500, type="Normal", message="New size: 2; x")
    for it in (down, up, old):
        cluster.add(it)

    finding = await look(kubernetes, doors, namespace=namespace)

    assert [(it.at.isoformat(), it.what, it.by) for it in finding.changes] == [
        (up["lastTimestamp"].replace("Z", "+00:00"), "deployment/api scaled to 9 replicas", "autoscaler api"),
        (down["lastTimestamp"].replace("Z", "+00:00"), "deployment/api scaled to 1 replica", "autoscaler api"),
    ]


async def test_no_autoscaler_at_all_is_not_taken_for_health(kubernetes: Target, namespace: str, doors: Doors) -> None:
    finding = await look(kubernetes, doors, namespace=namespace, deployment="api")

    assert finding.outcome is Outcome.INCONCLUSIVE
    assert finding.headline == f"there is no autoscaler of deployment api in namespace {namespace}"
