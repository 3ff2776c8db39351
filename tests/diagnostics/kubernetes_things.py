"""Objects of a cluster as its parts would have written them: pods that crash, warnings, nodes that went away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from responder.diagnostics.text import moment
from responder.model.pack import Target
from tests.systems.kubernetes import NODE

Thing = dict[str, Any]


def ago(minutes: float) -> str:
    """A moment before now, as Kubernetes writes it, to the second."""
    return f"{datetime.now(UTC) - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"


def ended(exit_code: int = 1, minutes: float = 3, reason: str = "Error") -> Thing:
    """A container that ended so many minutes ago."""
    return {"terminated": {"exitCode": exit_code, "reason": reason, "finishedAt": ago(minutes)}}


def when(state: Thing) -> str:
    """When a container ended, as a report says it."""
    return clock(state["terminated"]["finishedAt"])


def clock(written: str) -> str:
    """A moment as a report says it."""
    return moment(datetime.fromisoformat(written), datetime.now(UTC))


def waiting(reason: str) -> Thing:
    """A container that is kept from running; the message holds data."""
    return {"waiting": {"reason": reason, "message": "s3cret"}}


RUNS = {"running": {"startedAt": ago(90)}}


def container(
    name: str = "api", state: Thing | None = None, last: Thing | None = None, restarts: int = 0, ready: bool = False
) -> Thing:
    """The status of one container."""
    return {
        "name": name,
        "image": "api:1",
        "imageID": "",
        "ready": ready,
        "restartCount": restarts,
        "state": state or RUNS,
        "lastState": last or {},
    }


WELL = container(ready=True)


def pod(
    namespace: str,
    name: str,
    *statuses: Thing,
    phase: str = "Running",
    ready: bool | None = None,
    init: tuple[Thing, ...] = (),
    owner: tuple[str, str] | None = None,
    labels: dict[str, str] | None = None,
    resources: Thing | None = None,
    node: str = NODE,
    **more: Any,
) -> Thing:
    """One pod; ready when all its containers are, unless `ready` says otherwise."""
    is_ready = all(it["ready"] for it in statuses) if ready is None else ready
    names = [it["name"] for it in statuses] or ["api"]
    made: Thing = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": labels or {}},
        "spec": {
            "nodeName": node,
            "containers": [
                {
                    "name": it,
                    "image": "api:1",
                    "env": [{"name": "TOKEN", "value": "s3cret"}],
                    "resources": resources or {},
                }
                for it in names
            ],
            "initContainers": [{"name": it["name"], "image": "api:1"} for it in init],
        },
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": str(is_ready), "lastTransitionTime": ago(4)}],
            "containerStatuses": list(statuses),
            "initContainerStatuses": list(init),
            **more,
        },
    }
    if owner is not None:
        kind, of = owner
        version = "batch/v1" if kind == "Job" else "apps/v1"
        reference = {"apiVersion": version, "kind": kind, "name": of, "uid": "u", "controller": True}
        made["metadata"]["ownerReferences"] = [reference]
    return made


def deployment(namespace: str, name: str = "api", **labels: str) -> Thing:
    """One whose pods bear these labels."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "api", "image": "api:1"}]},
            },
        },
    }


def event(
    namespace: str, about: tuple[str, str], why: str, times: int = 1, last: float = 3, first: float = 30, **more: Any
) -> Thing:
    """One about (kind, name), last seen so many minutes ago."""
    kind, name = about
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": namespace, "generateName": f"{name}."},
        "involvedObject": {"kind": kind, "name": name, "namespace": namespace},
        "type": "Warning",
        "reason": why,
        "message": "s3cret",
        "count": times,
        "firstTimestamp": ago(first),
        "lastTimestamp": ago(last),
    } | more


def condition(kind: str, status: str, why: str, minutes: float) -> Thing:
    """Of a node or an autoscaler."""
    return {
        "type": kind,
        "status": status,
        "reason": why,
        "message": "s3cret",
        "lastTransitionTime": ago(minutes),
    }


def of_kubeconfig(path: Path) -> Target:
    """A target as a rule file would give it."""
    return Target(name="it", kind="kubernetes", address={"kubeconfig": str(path)}, per_minute=1000)
