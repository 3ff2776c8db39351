"""What all checks of Kubernetes take, and which pods are meant by it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, model_validator

from responder.clients.kubernetes import KubernetesDoor, Listed
from responder.clients.kubernetes_objects import Deployment, Metadata, Pod
from responder.clients.kubernetes_paths import DEPLOYMENTS, LABEL_VALUE, NAME, PODS, SELECTOR
from responder.model.catalogue import Parameters
from responder.model.pack import Target
from responder.model.template import PLACE

REASON = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,59}")


def _checked(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    """A text, labels not yet put in, that will be such a thing; empty is not given."""

    def check(text: str) -> str:
        if text and not pattern.fullmatch(PLACE.sub("x", text)):
            raise ValueError(f"expected {what}, got {text[:80]!r}")
        return text

    return check


def _whole(pattern: re.Pattern[str]) -> Callable[[str], str]:
    """Puts a label's value in as it is where it is one word of Kubernetes; in quotes, which are refused, elsewhere."""
    return lambda value: value if pattern.fullmatch(value) else f'"{value}"'


Name = Annotated[str, AfterValidator(_checked(NAME, "a name such as api-7c9d"))]
LabelSelector = Annotated[str, AfterValidator(_checked(SELECTOR, "a label selector such as app=api,tier!=cache"))]
ESCAPES: Mapping[str, Callable[[str], str]] = {
    "namespace": _whole(NAME),
    "selector": _whole(LABEL_VALUE),
    "deployment": _whole(NAME),
    "pod": _whole(NAME),
    "node": _whole(NAME),
}


class Where(Parameters):
    """`namespace`: without one, all of them; `selector`: of labels; `deployment`, `pod`, `node`: by their names."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = ESCAPES

    namespace: Name = ""
    selector: LabelSelector = ""
    deployment: Name = ""
    pod: Name = ""
    node: Name = ""

    @model_validator(mode="after")
    def _a_deployment_has_a_namespace(self) -> Any:
        if self.deployment and not self.namespace:
            raise ValueError("a deployment is looked for in its namespace; expected `namespace` too")
        return self

    @property
    def words(self) -> str:
        """` of deployment api on node n1 in namespace shop`."""
        said = {
            "named": self.pod,
            "of deployment": self.deployment,
            "with": self.selector,
            "on node": self.node,
            "in namespace": self.namespace,
        }
        return "".join(f" {word} {value}" for word, value in said.items() if value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """The pods that are meant, and how kubectl would list them: the words after `kubectl get pods`."""

    pods: Listed[Pod]
    options: str


async def pods_meant(door: KubernetesDoor, asked: Where) -> Meant:
    """Raises CouldNotLook; a deployment is asked for the selector of its pods."""
    labels = [asked.selector] if asked.selector else []
    if asked.deployment:
        workload = await door.get(DEPLOYMENTS, Deployment, asked.namespace, asked.deployment)
        labels.append(workload.spec.selector.text)
    given = {"metadata.name": asked.pod, "spec.nodeName": asked.node}
    fields = [f"{key}={value}" for key, value in given.items() if value]
    selected, narrowed = ",".join(labels), ",".join(fields)
    listed = await door.list(PODS, Pod, asked.namespace, labels=selected, fields=narrowed)
    return Meant(pods=listed, options=options(asked.namespace, labels=selected, fields=narrowed))


def kubectl(target: Target) -> str:
    """`kubectl --kubeconfig /etc/kube.yaml --context prod`: the cluster that was looked at, quoted for a shell."""
    return shlex.join(["kubectl", *_cluster(target, "--context")])


def helm(target: Target) -> str:
    """The same for Helm, which calls the context otherwise."""
    return shlex.join(["helm", *_cluster(target, "--kube-context")])


def _cluster(target: Target, context: str) -> list[str]:
    """Nothing in a pod, nor where the kubeconfig is the one that kubectl takes by itself."""
    if not isinstance(target.address, Mapping):
        return []
    path, name = (str(target.address.get(it, "")) for it in ("kubeconfig", "context"))
    words = ["--kubeconfig", str(Path(path).expanduser())] if path else []
    return [*words, context, name] if name else words


def options(namespace: str | None, *, labels: str = "", fields: str = "") -> str:
    """` -n shop -l app=api`, quoted for a shell; an empty namespace is all of them, None of what is in none."""
    words = ["-n", namespace] if namespace else ["-A"] if namespace is not None else []
    words += ["-l", labels] if labels else []
    words += ["--field-selector", fields] if fields else []
    return f" {shlex.join(words)}" if words else ""


def deployment_of(pod: Metadata) -> str:
    """The deployment that a pod belongs to, by the names that Kubernetes gives; empty when it has none."""
    tail = f"-{pod.labels.get('pod-template-hash', '')}"
    owners = [it.name for it in pod.owner_references if it.kind == "ReplicaSet"]
    return owners[0].removesuffix(tail) if owners and len(tail) > 1 and owners[0].endswith(tail) else ""


def reason(text: str, otherwise: str = "") -> str:
    """`CrashLoopBackOff`: one word; whatever else stands there may be a sentence that holds data."""
    return text if REASON.fullmatch(text) else otherwise
