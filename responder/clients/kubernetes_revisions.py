"""What a workload was to be at each of its revisions: images, names of the environment, references to configuration.

A Deployment keeps a ReplicaSet for each revision, a StatefulSet and a DaemonSet a ControllerRevision:
https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#checking-rollout-history-of-a-deployment
Values of the environment and commands go through a hash as they come in, which tells that they changed and not what
they are; it is another one in each process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, Field, model_validator

from responder.clients.kubernetes_objects import Amounts, Condition, Metadata, Wire

REVISION = "deployment.kubernetes.io/revision"
RESTARTED = "kubectl.kubernetes.io/restartedAt"  # `kubectl rollout restart`
CONTROLLERS = frozenset({"kube-controller-manager"})


def _hashed(value: Any) -> int:
    """Salted anew in each process, as Python's own hash of a text is."""
    return hash(json.dumps(value, sort_keys=True))


class Variable(Wire):
    """One of the environment. `value`: a hash; `refers`: the ConfigMap or Secret that it comes from, or empty."""

    name: str
    value: int = Field(default=0, repr=False)
    refers: str = ""

    @model_validator(mode="before")
    @classmethod
    def _without_value(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        source = given.get("valueFrom")
        refers = next(iter(_references(source)), "") if isinstance(source, Mapping) else ""
        return {"name": given.get("name"), "value": _hashed([given.get("value"), source]), "refers": refers}


class Template(Wire):
    """One container. `mounts`: references to whole ConfigMaps and Secrets; `rest`: a hash of all else."""

    name: str
    image: str = ""
    env: tuple[Variable, ...] = ()
    mounts: tuple[str, ...] = ()
    resources: Amounts = Amounts()
    command: int = Field(default=0, repr=False)
    rest: int = Field(default=0, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _taken_apart(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        known = {"name", "image", "env", "envFrom", "resources", "command", "args"}
        return {
            "name": given.get("name"),
            "image": given.get("image") or "",
            "env": given.get("env") or (),
            "mounts": tuple(it for one in given.get("envFrom") or () for it in _references(one)),
            "resources": given.get("resources") or {},
            "command": _hashed([given.get("command"), given.get("args")]),
            "rest": _hashed({key: it for key, it in given.items() if key not in known}),
        }


class PodTemplate(Wire):
    """All containers, those that run first among them. `volumes`: references to ConfigMaps and Secrets."""

    containers: tuple[Template, ...] = ()
    volumes: tuple[str, ...] = ()
    restarted: str = ""
    rest: int = Field(default=0, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _taken_apart(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        spec, metadata = given.get("spec") or {}, given.get("metadata") or {}
        known = {"containers", "initContainers", "volumes"}
        return {
            "containers": [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())],
            "volumes": tuple(it for one in spec.get("volumes") or () for it in _references(one)),
            "restarted": str((metadata.get("annotations") or {}).get(RESTARTED) or ""),
            "rest": _hashed({key: it for key, it in spec.items() if key not in known}),
        }

    @property
    def references(self) -> frozenset[str]:
        """Every ConfigMap and Secret that it names: `configMap api-settings`."""
        named = (it for one in self.containers for it in (*one.mounts, *(var.refers for var in one.env)))
        return frozenset(it for it in (*self.volumes, *named) if it)


def _references(given: Mapping[str, Any]) -> Iterator[str]:
    """Of an entry of `volumes`, `envFrom` or `valueFrom`."""
    for kind, keys in (
        ("configMap", ("configMap", "configMapRef", "configMapKeyRef")),
        ("secret", ("secret", "secretRef", "secretKeyRef")),
    ):
        for key in keys:
            found = given.get(key)
            if isinstance(found, Mapping) and (name := found.get("name") or found.get("secretName")):
                yield f"{kind} {name}"
    projected = given.get("projected")
    for source in (projected.get("sources") or ()) if isinstance(projected, Mapping) else ():
        yield from _references(source)


class _Spec(Wire):
    template: PodTemplate = PodTemplate()


class Writer(Wire):
    """Who last wrote some fields of an object. `of_template`: the template of pods is among them."""

    manager: str = ""
    time: AwareDatetime | None = None
    of_template: bool = False

    @model_validator(mode="before")
    @classmethod
    def _without_fields(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        fields = given.get("fieldsV1") or {}
        spec = fields.get("f:spec") or {} if isinstance(fields, Mapping) else {}
        return {
            "manager": str(given.get("manager") or ""),
            "time": given.get("time"),
            "ofTemplate": isinstance(spec, Mapping) and "f:template" in spec,
        }


class WorkloadMetadata(Metadata):
    """Also who wrote it. Of the annotations only the revision's number is kept."""

    managed_fields: tuple[Writer, ...] = ()
    annotations: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _only_the_revision(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        number = (given.get("annotations") or {}).get(REVISION)
        return {**given, "annotations": {REVISION: number} if isinstance(number, str) else {}}

    @property
    def revision(self) -> int:
        """Of a Deployment and its ReplicaSets; 0 where it does not say."""
        number = self.annotations.get(REVISION, "")
        return int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else 0


class ReplicaSet(Wire):
    """One revision of a Deployment."""

    metadata: WorkloadMetadata
    spec: _Spec = _Spec()

    @property
    def template(self) -> PodTemplate:
        """What its pods are to be."""
        return self.spec.template

    @property
    def number(self) -> int:
        """Of the revision."""
        return self.metadata.revision


class _Data(Wire):
    spec: _Spec = _Spec()


class ControllerRevision(Wire):
    """One revision of a StatefulSet or a DaemonSet."""

    metadata: Metadata
    data: _Data = _Data()
    revision: int = 0

    @property
    def template(self) -> PodTemplate:
        """What its pods are to be."""
        return self.data.spec.template

    @property
    def number(self) -> int:
        """Of the revision."""
        return self.revision


class _Replicas(Wire):
    replicas: int = 1


class WorkloadStatus(Wire):
    """How far it is."""

    ready_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Workload(Wire):
    """One Deployment."""

    metadata: WorkloadMetadata
    spec: _Replicas = _Replicas()
    status: WorkloadStatus = WorkloadStatus()

    @property
    def is_stuck(self) -> bool:
        """Its rollout has not moved on for as long as it may take."""
        return any(
            it.type == "Progressing" and it.status == "False" and it.reason == "ProgressDeadlineExceeded"
            for it in self.status.conditions
        )

    def writer_at(self, at: datetime | None, within_seconds: float) -> str:
        """Who wrote the template then, empty when that is not known: the only one who ever did, or who last did it at
        that moment."""
        wrote = [it for it in self.metadata.managed_fields if it.of_template and it.manager not in CONTROLLERS]
        if len(wrote) > 1 and at is not None:
            wrote = [it for it in wrote if it.time and abs((it.time - at).total_seconds()) <= within_seconds]
        return wrote[0].manager if len(wrote) == 1 else ""
