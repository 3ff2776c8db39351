"""Canaries in all that a cluster knows, on a real apiserver: no byte of them is stored or leaves the daemon."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.diagnostics.kubernetes_things import RUNS, Thing, condition, container, ended, event, pod
from tests.diagnostics.kubernetes_workloads import rolled_out
from tests.redaction.heard import Heard, one_incident
from tests.redaction.hosted import lines
from tests.redaction.sources import Stage
from tests.systems.kubernetes import Cluster

pytestmark = pytest.mark.system
NODE = "canaries"
CHECKS = """
kubernetes.pods: {NAMESPACE}
kubernetes.events: {NAMESPACE}
kubernetes.rollouts: {NAMESPACE}
kubernetes.nodes: {selector: group=canaries}
kubernetes.hpa: {NAMESPACE}
kubernetes.helm: {NAMESPACE}
kubernetes.usage: {NAMESPACE}
kubernetes.logs: {NAMESPACE, selector: app=shapes, as: logs}
kubernetes.logs: {NAMESPACE, selector: app=excerpts, excerpts: true, as: log excerpts}
"""
HELD_BACK = {"Secret", "ConfigMap"}  # only the metadata of Secrets is asked for, and ConfigMaps never


def test_no_canary_of_a_cluster_is_in_any_byte_that_is_stored_or_leaves(
    cluster: Cluster, namespace: str, fronted: Callable[[Any], Path], tmp_path: Path, node: Callable[[Thing], None]
) -> None:
    who = f"system:serviceaccount:{namespace}:admin"

    async def live() -> tuple[set[str], Stage, Heard]:
        async with AsyncExitStack() as stack:
            stage = Stage(stack=stack)
            node(_node(stage))
            _workloads(stage, cluster, namespace)
            _objects(stage, cluster, namespace)
            kinds = set(stage.kinds) - HELD_BACK
            stage.environment["KUBECONFIG_AT"] = str(fronted({}))
            stage.targets.append('cluster: {kubernetes: {kubeconfig: "${KUBECONFIG_AT}"}, allow: [logs, helm]}')
            stage.checks += CHECKS.replace("NAMESPACE", f"namespace: {namespace}").strip().splitlines()
            return kinds, stage, await one_incident(stage, tmp_path / "rules.yaml")

    kinds, stage, heard = asyncio.run(live())

    assert heard.leaks == []
    assert heard.silent == []
    assert heard.not_looked == {"kubernetes.usage"}  # no metrics-server stands behind this apiserver
    assert len(heard.report["findings"]) == len(stage.checks)
    assert "[redacted:" in str(heard.report["findings"])
    # What was asked for, asked once more: each kind of canary stood in an answer.
    asked = {it["requestURI"] for it in cluster.audited(who) if it["verb"] in ("get", "list")}
    shown = [cluster.ask("GET", it)[1] for it in asked if "/secrets" not in it]
    answers = "".join(it if isinstance(it, str) else json.dumps(it) for it in shown)
    assert len(kinds) > 20
    assert {it for it in kinds if not any(word in answers for word in stage.kinds[it])} == set()
    assert any("/secrets" in it for it in asked)
    assert not any("/configmaps" in it for it in asked)


@pytest.fixture
def node(cluster: Cluster) -> Iterator[Callable[[Thing], None]]:
    """Nodes are not in a namespace: other tests would list it."""
    yield lambda it: cluster.add(it)
    cluster.ask("DELETE", f"/api/v1/nodes/{NODE}")


def _node(stage: Stage) -> Thing:
    message = {"message": stage.sentences("NodeMessage")}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": NODE,
            "labels": {"group": "canaries"},
            "annotations": {"x/y": stage.sentences("NodeAnnotation")},
        },
        "status": {
            "conditions": [
                condition("Ready", "False", "KubeletNotReady", 4) | message,
                condition("DiskPressure", "True", "KubeletHasDiskPressure", 5) | message,
            ]
        },
    }


def _workloads(stage: Stage, cluster: Cluster, namespace: str) -> None:
    """Pods that crash, a rollout, and logs."""
    told = {"message": stage.sentences("TerminationMessage")}
    last = {"terminated": ended(137)["terminated"] | told}
    waits = {"waiting": {"reason": "CrashLoopBackOff", "message": stage.sentences("WaitingMessage")}}
    for name, state in (("shapes", waits), ("excerpts", RUNS)):
        made = pod(namespace, name, container("api", state, last, restarts=7), labels={"app": name})
        made["metadata"]["annotations"] = {"note": stage.sentences("PodAnnotation")}
        made["spec"]["containers"][0] |= _container(stage, "Pod")
        made["status"]["message"] = stage.sentences("PodMessage")
        made["status"]["containerStatuses"][0]["image"] = made["spec"]["containers"][0]["image"]
        cluster.add(made)
        said = lines(stage, f"Pod{name.title()}", raw=name == "shapes")
        cluster.kubelet.logs[namespace, name, "api"] = _log(said)
    by = f"ci-token={stage.canary('FieldManager')}"
    after = _container(stage, "After", scheme="https://")
    rolled_out(cluster, namespace, "api", _container(stage, "Before"), after, by=by)


def _container(stage: Stage, where: str, scheme: str = "") -> Thing:
    return {
        "image": f"{scheme}user:{stage.canary(f'{where}Image')}@registry.example.com/api:1",
        "command": ["/bin/api", f"--password={stage.canary(f'{where}Command')}"],
        "args": [stage.sentences(f"{where}Argument")],
        "env": [
            {"name": f"{where.upper()}_KEY", "value": stage.canary(f"{where}Value")},
            {"name": "URL", "value": f"https://user:{stage.canary(f'{where}Url')}@db.example.com"},
            {"name": f"{where.upper()}_REF", "valueFrom": {"secretKeyRef": {"name": "keys", "key": where}}},
        ],
        "envFrom": [{"configMapRef": {"name": f"{where.lower()}-settings"}}],
    }


def _log(texts: list[str]) -> bytes:
    """As the kubelet tells it: each line with its time."""
    begins = datetime.now(UTC) - timedelta(minutes=5)
    told = [line for it in texts for line in it.splitlines()]
    return "".join(
        f"{begins + timedelta(seconds=place):%Y-%m-%dT%H:%M:%S}.123456789Z {it}\n" for place, it in enumerate(told)
    ).encode()


def _objects(stage: Stage, cluster: Cluster, namespace: str) -> None:
    """What happened, what is configured, and Helm's history."""
    for why in ("BackOff", "Unhealthy"):
        cluster.add(event(namespace, ("Pod", "shapes"), why, 20) | {"message": stage.sentences("EventMessage")})

    def metadata(name: str, where: str, labels: dict[str, str] | None = None) -> Thing:
        annotations = {"note": stage.sentences(where)}
        return {"namespace": namespace, "name": name, "labels": labels or {}, "annotations": annotations}

    cluster.add(
        {
            "apiVersion": "autoscaling/v1",
            "kind": "HorizontalPodAutoscaler",
            "metadata": metadata("api", "ScalerAnnotation"),
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"},
                "minReplicas": 1,
                "maxReplicas": 3,
            },
            "status": {"currentReplicas": 3, "desiredReplicas": 3},
        }
    )
    labels = {"owner": "helm", "name": "shop", "version": "1", "status": "deployed"}
    for name, of in (("sh.helm.release.v1.shop.v1", labels), ("keys", {})):
        data = {"release": base64.b64encode(stage.canary("Secret").encode()).decode()}
        cluster.add({"apiVersion": "v1", "kind": "Secret", "metadata": metadata(name, "Secret", of), "data": data})
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("settings", "ConfigMap")}
    cluster.add(settings | {"data": {"x": stage.canary("ConfigMap")}})
