"""Workloads as controllers would make them: there is no controller beside the real apiserver of the tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from responder.clients.doors import Doors
from responder.diagnostics.catalogue import catalogue
from responder.model.finding import Finding
from responder.model.pack import Target
from tests.diagnostics.kubernetes_things import of_kubeconfig
from tests.systems.kubernetes import Cluster

REVISION = "deployment.kubernetes.io/revision"


def target(kubeconfig: Path, *allow: str) -> Target:
    """Looked at by whom the kubeconfig says."""
    return replace(of_kubeconfig(kubeconfig), allow=frozenset(allow))


async def look(check: str, where: Target, doors: Doors, **asked: Any) -> Finding:
    diagnostic = catalogue()[check]
    return await diagnostic.examine(where, diagnostic.parameters(**asked), doors)


def rolled_out(
    cluster: Cluster, namespace: str, name: str, *containers: dict[str, Any], by: str = "ci", owner: str = ""
) -> None:
    """A Deployment with one ReplicaSet for each of its revisions, the latest last. `owner`: what they say instead of
    its name."""
    made = cluster.made(
        "POST",
        f"/apis/apps/v1/namespaces/{namespace}/deployments?fieldManager={by}",
        _workload("Deployment", namespace, name, _template(name, containers[-1])) | {"status": {}},
    )
    owned = {"name": owner} if owner else {}
    for number, container in enumerate(containers, start=1):
        thing = _workload("ReplicaSet", namespace, f"{name}-{number}", _template(name, container))
        thing["metadata"] |= {"annotations": {REVISION: str(number)}, "ownerReferences": [_owner(made) | owned]}
        cluster.add(thing)


def revised(cluster: Cluster, namespace: str, name: str, *containers: dict[str, Any]) -> None:
    """A StatefulSet with its ControllerRevisions."""
    thing = _workload("StatefulSet", namespace, name, _template(name, containers[-1]))
    thing["spec"]["serviceName"] = name
    made = cluster.add(thing)
    for number, container in enumerate(containers, start=1):
        metadata = {"namespace": namespace, "name": f"{name}-{number}", "labels": {"app": name}}
        cluster.add(
            {
                "apiVersion": "apps/v1",
                "kind": "ControllerRevision",
                "metadata": metadata | {"ownerReferences": [_owner(made)]},
                "data": {"spec": {"template": _template(name, container)}},
                "revision": number,
            }
        )


def _owner(made: dict[str, Any]) -> dict[str, Any]:
    metadata = made["metadata"]
    return {"apiVersion": "apps/v1", "kind": made["kind"], "name": metadata["name"], "uid": metadata["uid"]}


def _template(name: str, container: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "api", **container}]}}


def _workload(kind: str, namespace: str, name: str, template: dict[str, Any]) -> dict[str, Any]:
    labels = template["metadata"]["labels"]
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {"replicas": 6, "selector": {"matchLabels": labels}, "template": template},
    }
