"""A real apiserver's ReplicaSets and ControllerRevisions tell what was rolled out, and no value of the environment."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.kubernetes_asked import kubectl
from responder.errors import Refused
from responder.model.finding import Finding, Outcome
from tests.diagnostics.kubernetes_workloads import look, revised, rolled_out, target
from tests.systems.kubernetes import Cluster

pytestmark = pytest.mark.system

SECRET = "s3cret-value"
BEFORE: dict[str, Any] = {"image": "shop/api:2.14.0", "env": [{"name": "STRIPE_KEY", "value": SECRET}]}
AFTER: dict[str, Any] = {"image": "shop/api:2.15.0", "env": [{"name": "PAY_KEY", "value": SECRET}]}


async def asked(cluster: Cluster, doors: Doors, namespace: str, **more: Any) -> Finding:
    return await look("kubernetes.rollouts", target(cluster.kubeconfig), doors, namespace=namespace, **more)


def undated(text: str) -> str:
    return re.sub(r"\d\d:\d\d UTC", "AT", text)


async def test_a_rollout_is_told_with_what_changed_and_who_did_it(
    cluster: Cluster, namespace: str, doors: Doors
) -> None:
    rolled_out(cluster, namespace, "payments-api", BEFORE, AFTER)

    found = await asked(cluster, doors, namespace)

    changed = "image 2.14.0 → 2.15.0, environment +PAY_KEY -STRIPE_KEY"
    assert undated(found.headline) == f"Rollout payments-api rev 2, AT: {changed}, by ci"
    assert (found.outcome, found.marks, found.details) == (Outcome.HEALTHY, ("recent_rollout",), "")
    assert [(it.what, it.by) for it in found.changes] == [(f"Rollout payments-api rev 2: {changed}", "ci")]
    assert found.found == {
        "deployment": "payments-api",
        "namespace": namespace,
        "revision": "2",
        "previous_revision": "1",
        "image": "shop/api:2.15.0",
        "previous_image": "shop/api:2.14.0",
    }
    assert found.equivalent == (
        f"{kubectl(target(cluster.kubeconfig))} rollout history deployment/payments-api -n {namespace}"
    )
    assert SECRET not in repr(found)


async def test_a_stateful_set_is_no_deployment_to_a_suggestion(cluster: Cluster, namespace: str, doors: Doors) -> None:
    revised(cluster, namespace, "db", {"image": "db:15"}, {"image": "db:16"})

    found = await asked(cluster, doors, namespace)

    assert undated(found.headline) == "Rollout db rev 2, AT: image 15 → 16"
    assert (found.found["statefulset"], found.found.get("deployment")) == ("db", None)


async def test_several_are_counted_and_narrowed_by_labels_or_by_name(
    cluster: Cluster, namespace: str, doors: Doors
) -> None:
    for name in ("api", "worker"):
        rolled_out(cluster, namespace, name, BEFORE, AFTER)

    whole = await asked(cluster, doors, namespace)
    labelled = await asked(cluster, doors, namespace, selector="app=worker")
    named = await asked(cluster, doors, namespace, deployment="api")

    assert whole.headline.startswith("2 rollouts in the last 6h, latest ")
    assert whole.table is not None
    assert {row[1]: row[5] for row in whole.table.rows} == {
        f"{namespace}/api": "0/6 ready",
        f"{namespace}/worker": "0/6 ready",
    }
    assert labelled.headline.startswith("Rollout worker rev 2, ")
    assert named.headline.startswith("Rollout api rev 2, ")


async def test_what_is_no_longer_recent_is_no_change(cluster: Cluster, namespace: str, doors: Doors) -> None:
    rolled_out(cluster, namespace, "api", BEFORE, AFTER)

    async with asyncio.timeout(20):
        while (found := await asked(cluster, doors, namespace, since="1s")).changes:
            await asyncio.sleep(0.3)

    assert undated(found.headline) == "no rollout in the last 1s, latest api rev 2, AT"
    assert (found.marks, found.found) == ((), {})


async def test_nothing_that_was_ever_rolled_out_is_said(cluster: Cluster, namespace: str, doors: Doors) -> None:
    assert (await asked(cluster, doors, namespace)).headline == "no rollout in the last 6h"


async def test_a_rollout_that_is_stuck_is_a_fault(cluster: Cluster, namespace: str, doors: Doors) -> None:
    rolled_out(cluster, namespace, "api", BEFORE, AFTER)
    condition = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/api/status"
    cluster.made("PATCH", path, {"status": {"replicas": 6, "readyReplicas": 3, "conditions": [condition]}})

    found = await asked(cluster, doors, namespace)

    assert (found.outcome, found.gravity) == (Outcome.UNHEALTHY, 55)
    assert found.headline.startswith("the rollout of api rev 2 is stuck, 3/6 ready: image 2.14.0 → 2.15.0")


def may(cluster: Cluster, namespace: str, *resources: str) -> Path:
    """A kubeconfig of an account that may list these."""
    api = "rbac.authorization.k8s.io/v1"
    metadata = {"namespace": namespace, "name": "some"}
    rules = [{"apiGroups": ["apps"], "resources": list(resources), "verbs": ["list"]}]
    account = cluster.account(namespace)
    cluster.add({"apiVersion": api, "kind": "Role", "metadata": metadata, "rules": rules})
    cluster.add(
        {
            "apiVersion": api,
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "some"},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        }
    )
    return cluster.kubeconfig_of(account, namespace)


async def test_a_role_that_lacks_rights_hides_only_what_it_must(cluster: Cluster, namespace: str, doors: Doors) -> None:
    rolled_out(cluster, namespace, "api", BEFORE, AFTER)
    only_sets = target(may(cluster, namespace, "replicasets"))

    found = await look("kubernetes.rollouts", only_sets, doors, namespace=namespace)

    assert undated(found.headline).startswith("Rollout api rev 2, AT: image 2.14.0 → 2.15.0")
    assert "StatefulSets and DaemonSets were not looked at: " in found.details
    assert f"forbidden: list controllerrevisions in namespace {namespace}" in found.details
    assert "who rolled out, and whether it got stuck, is not known: " in found.details


async def test_without_the_right_to_list_replica_sets_it_could_not_look(
    cluster: Cluster, namespace: str, doors: Doors
) -> None:
    nobody = target(may(cluster, namespace, "deployments"))

    with pytest.raises(Refused, match="forbidden: list replicasets in namespace"):
        await look("kubernetes.rollouts", nobody, doors, namespace=namespace)


async def test_a_name_that_an_owner_gives_is_no_part_of_a_command(
    cluster: Cluster, namespace: str, doors: Doors
) -> None:
    rolled_out(cluster, namespace, "api", BEFORE, AFTER, owner="api; touch x")

    found = await asked(cluster, doors, namespace)

    assert found.equivalent == (
        f"{kubectl(target(cluster.kubeconfig))} rollout history 'deployment/api; touch x' -n {namespace}"
    )
