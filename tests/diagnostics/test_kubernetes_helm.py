"""Helm's history from the metadata of its Secrets alone, on a real apiserver."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.kubernetes_asked import helm
from responder.errors import CouldNotLook, Refused
from responder.model.finding import Finding, Outcome
from tests.diagnostics.kubernetes_workloads import look, target
from tests.systems.kubernetes import Cluster

pytestmark = pytest.mark.system

PAYLOAD = "SDRzSUFBQUFBQUFBQS9zZWNyZXQ="  # what a release holds, values included


def release(cluster: Cluster, namespace: str, name: str, number: int, status: str, *, ago: float = 0) -> None:
    labels = {"owner": "helm", "name": name, "version": str(number), "status": status}
    labels |= {"modifiedAt": str(int(time.time() - ago))} if ago else {}
    cluster.add(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"namespace": namespace, "name": f"sh.helm.release.v1.{name}.v{number}", "labels": labels},
            "type": "helm.sh/release.v1",
            "data": {"release": PAYLOAD},
        }
    )


async def asked(cluster: Cluster, doors: Doors, namespace: str, *allow: str, **more: Any) -> Finding:
    where = target(cluster.kubeconfig, *(allow or ("helm",)))
    return await look("kubernetes.helm", where, doors, namespace=namespace, **more)


def undated(text: str) -> str:
    return re.sub(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d UTC", "AT", text)


async def test_the_latest_revision_is_told_and_dated(cluster: Cluster, namespace: str, doors: Doors) -> None:
    release(cluster, namespace, "payments", 11, "superseded", ago=90_000)
    release(cluster, namespace, "payments", 12, "deployed")

    found = await asked(cluster, doors, namespace)

    assert undated(found.headline) == "Helm release payments revision 12, AT: deployed"
    assert (found.outcome, found.marks) == (Outcome.HEALTHY, ("recent_rollout",))
    assert [it.what for it in found.changes] == ["Helm release payments revision 12: deployed"]
    assert found.found == {
        "release": "payments",
        "namespace": namespace,
        "revision": "12",
        "previous_revision": "11",
    }
    assert found.equivalent == f"{helm(target(cluster.kubeconfig))} history payments -n {namespace}"
    assert PAYLOAD not in repr(found)


async def test_a_release_is_chosen_by_its_name(cluster: Cluster, namespace: str, doors: Doors) -> None:
    release(cluster, namespace, "payments", 1, "deployed")
    release(cluster, namespace, "ledger", 7, "deployed")

    found = await asked(cluster, doors, namespace, release="ledger")

    assert [it.what for it in found.changes] == ["Helm release ledger revision 7: deployed"]


async def test_old_revisions_are_no_news_but_the_latest_is_named(
    cluster: Cluster, namespace: str, doors: Doors
) -> None:
    release(cluster, namespace, "payments", 3, "deployed", ago=90_000)

    found = await asked(cluster, doors, namespace)

    assert undated(found.headline) == "no revision in the last 6h, latest payments 3, AT"
    assert (found.marks, found.changes, found.found) == ((), (), {})


async def test_one_that_failed_or_hangs_is_a_fault_and_names_the_last_that_worked(
    cluster: Cluster, namespace: str, doors: Doors
) -> None:
    release(cluster, namespace, "payments", 1, "superseded", ago=90_000)
    release(cluster, namespace, "payments", 2, "failed", ago=80_000)
    release(cluster, namespace, "payments", 3, "pending-upgrade", ago=3_600)

    found = await asked(cluster, doors, namespace)

    assert (found.outcome, found.gravity, found.found["previous_revision"]) == (Outcome.UNHEALTHY, 55, "1")
    expected = "the latest revision of release payments (3) pending-upgrade for 1h, AT"
    assert undated(found.headline) == expected


async def test_no_release_is_said(cluster: Cluster, namespace: str, doors: Doors) -> None:
    assert (await asked(cluster, doors, namespace)).headline == "no release of Helm is kept here"


async def test_it_is_asked_only_where_the_target_allows_it_and_a_namespace_is_given(
    cluster: Cluster, namespace: str, doors: Doors
) -> None:
    with pytest.raises(Refused, match=r"only where the target says `allow: \[helm\]`"):
        await asked(cluster, doors, namespace, "logs")
    with pytest.raises(CouldNotLook, match="expected `namespace`"):
        await asked(cluster, doors, "")


async def test_a_role_without_the_right_says_which_it_lacks(cluster: Cluster, namespace: str, doors: Doors) -> None:
    nobody = target(cluster.kubeconfig_of(cluster.account(namespace), namespace), "helm")

    with pytest.raises(Refused, match=f"forbidden: list secrets in namespace {namespace}"):
        await look("kubernetes.helm", nobody, doors, namespace=namespace)
