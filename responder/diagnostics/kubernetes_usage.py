"""Who uses nearly all the memory or CPU that it may?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.clients.doors import Doors
from responder.clients.kubernetes import KubernetesDoor, Listed
from responder.clients.kubernetes_objects import Node, NodeUsage, Pod, PodUsage
from responder.clients.kubernetes_paths import NODE_USAGE, NODES, POD_USAGE
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.kubernetes_asked import Meant, Where, deployment_of, kubectl, options, pods_meant
from responder.diagnostics.kubernetes_quantities import of, shown
from responder.diagnostics.text import age, table
from responder.errors import CouldNotLook, Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome, Table
from responder.model.pack import Target
from responder.model.quantities import several

NEAR = 0.9  # of a limit: what comes next of memory is the kernel's end of it, of CPU that it is held back
STALE = timedelta(minutes=5)  # metrics-server measures each 15 s, older ones each minute
GRAVITIES = {"memory": 65, "cpu": 50}
WORDS = {"memory": "memory", "cpu": "CPU"}


class Asked(Where):
    """`namespace`: without one, all of them; `selector`: of labels, such as `app=api`; `deployment`: its pods, which
    needs the namespace; `pod`: one by its name; `node`: that node and the pods on it. All nodes are looked at too
    unless `selector`, `deployment` or `pod` is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one container, or one node, uses of one resource. `limit`: what it may use at most, `request`: what was
    asked for it; of a node the limit is what pods may use of it."""

    who: str
    resource: str
    used: float
    request: float | None
    limit: float | None
    named: Mapping[str, str]

    @property
    def share(self) -> float:
        """Of the limit; 0 where there is none."""
        return self.used / self.limit if self.limit else 0.0


class KubernetesUsage:
    """Memory and CPU as metrics.k8s.io has them, against limits and requests."""

    name = "kubernetes.usage"
    target_kind = "kubernetes"
    question = "Who uses nearly all the memory or CPU that it may?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"near_limit"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when metrics.k8s.io is not served, or has nothing that is fresh."""
        door = doors.kubernetes(target)
        meant = await pods_meant(door, parameters)
        measured = await door.list(POD_USAGE, PodUsage, parameters.namespace, labels=parameters.selector)
        fresh = _fresh(measured.items, measured.now)
        uses = [it for pod in meant.pods.items for it in _of_pod(pod, fresh)]
        of_nodes, unseen = await _of_nodes_beside(door, parameters)
        uses += of_nodes
        uses.sort(key=lambda it: (-it.share, it.who))
        near = [it for it in uses if it.share >= NEAR]
        return Finding(
            check=self.name,
            target=target.name,
            outcome=_outcome(meant, fresh, uses, near),
            headline=_headline(parameters, meant.pods.items, uses, near),
            details="; ".join(it for it in (_details(meant, measured, fresh), unseen) if it),
            table=_table(uses),
            marks=("near_limit",) if near else (),
            found=near[0].named if near else {},
            gravity=max((GRAVITIES[it.resource] for it in near), default=0),
            equivalent=f"{kubectl(target)} top pods --containers"
            + options(parameters.namespace, labels=parameters.selector),
        )


def _outcome(
    meant: Meant, fresh: Mapping[tuple[str, str], PodUsage], uses: Sequence[Use], near: Sequence[Use]
) -> Outcome:
    """Figures of nodes alone say nothing of the pods that were meant."""
    if near:
        return Outcome.UNHEALTHY
    return Outcome.HEALTHY if uses and (fresh or not meant.pods.items) else Outcome.INCONCLUSIVE


def _fresh(measured: Sequence[PodUsage], now: datetime) -> dict[tuple[str, str], PodUsage]:
    """By namespace and name; raises Unreachable when all figures are old."""
    fresh = [it for it in measured if it.timestamp is None or now - it.timestamp <= STALE]
    if measured and not fresh:
        newest = max(it.timestamp for it in measured if it.timestamp is not None)
        raise Unreachable(f"the newest figures of metrics.k8s.io are {age((now - newest).total_seconds())} old")
    return {(it.metadata.namespace, it.metadata.name): it for it in fresh}


def _details(meant: Meant, measured: Listed[PodUsage], fresh: Mapping[tuple[str, str], PodUsage]) -> str:
    """What was not looked at; a pod that does not run has no figures."""
    without = sum((it.metadata.namespace, it.metadata.name) not in fresh for it in meant.pods.items)
    said = [f"no figures of {several(without, 'pod')}"] if without else []
    return ", ".join([*said, *(["not all pods were looked at"] if meant.pods.cut or measured.cut else [])])


def _of_pod(pod: Pod, measured: Mapping[tuple[str, str], PodUsage]) -> list[Use]:
    metadata = pod.metadata
    found = measured.get((metadata.namespace, metadata.name))
    amounts = {it.name: it.resources for it in pod.spec.containers}
    uses = []
    for container in found.containers if found else ():
        resources = amounts.get(container.name)
        for resource in WORDS:
            used = of(container.usage, resource)
            if used is None or resources is None:
                continue
            uses.append(
                Use(
                    who=f"{metadata.name}/{container.name}",
                    resource=resource,
                    used=used,
                    request=of(resources.requests, resource),
                    limit=of(resources.limits, resource),
                    named=_named(pod, container.name),
                )
            )
    return uses


def _named(pod: Pod, container: str) -> dict[str, str]:
    metadata = pod.metadata
    named = {"namespace": metadata.namespace, "pod": metadata.name, "container": container}
    deployment = deployment_of(metadata)
    return named | ({"deployment": deployment} if deployment else {})


async def _of_nodes(door: KubernetesDoor, name: str) -> list[Use]:
    """Of all nodes, or of the one of that name; the API of metrics need not know how to select."""
    nodes = await door.list(NODES, Node, fields=f"metadata.name={name}" if name else "")
    measured = {it.metadata.name: it for it in (await door.list(NODE_USAGE, NodeUsage)).items}
    return [
        Use(
            who=f"node {node.metadata.name}",
            resource=resource,
            used=used,
            request=None,
            limit=of(node.status.allocatable, resource),
            named={"node": node.metadata.name},
        )
        for node in nodes.items
        for resource in WORDS
        if node.metadata.name in measured and (used := of(measured[node.metadata.name].usage, resource)) is not None
    ]


async def _of_nodes_beside(door: KubernetesDoor, asked: Asked) -> tuple[list[Use], str]:
    """Where nobody asked for a node, pods of one workload say nothing of them; a right to nodes may be missing."""
    if asked.node:
        return await _of_nodes(door, asked.node), ""
    if asked.selector or asked.deployment or asked.pod:
        return [], ""
    try:
        return await _of_nodes(door, ""), ""
    except CouldNotLook as why:
        return [], f"nodes were not looked at: {why}"


def _headline(asked: Where, pods: Sequence[Pod], uses: Sequence[Use], near: Sequence[Use]) -> str:
    """`2 near a limit: api-1/api memory 480 MiB of 512 MiB (94 %), api-2/api CPU 0.95 cores of 1 cores (95 %)`."""
    if not uses:
        some = f"metrics.k8s.io has no figures of {several(len(pods), 'pod')}" if pods else "there is no pod"
        return f"{some}{asked.words}"
    if near:
        more = f", {len(near) - 2} more" if len(near) > 2 else ""
        return f"{len(near)} near a limit: {', '.join(_one(it) for it in near[:2])}{more}"
    limited = [it for it in uses if it.limit]
    if not limited:
        total = [f"{WORDS[it]} {shown(it, sum(use.used for use in uses if use.resource == it))}" for it in WORDS]
        verb = "uses" if len(pods) == 1 else "use"
        return f"no limit is set; {several(len(pods), 'pod')} {verb} {', '.join(total)}"
    return f"all below {NEAR * 100:.0f} % of their limits, most {_one(limited[0])}"


def _one(it: Use) -> str:
    used, limit = shown(it.resource, it.used), _amount(it.resource, it.limit)
    return f"{it.who} {WORDS[it.resource]} {used} of {limit} ({it.share * 100:.0f} %)"


def _amount(resource: str, amount: float | None) -> str:
    return shown(resource, amount) if amount is not None else ""


def _table(uses: Sequence[Use]) -> Table | None:
    rows: list[tuple[str, ...]] = [
        (
            it.who,
            WORDS[it.resource],
            shown(it.resource, it.used),
            _amount(it.resource, it.request),
            _amount(it.resource, it.limit),
            f"{it.share * 100:.0f} %" if it.limit else "",
        )
        for it in uses
    ]
    return table(("who", "of", "uses", "requested", "limit", "of limit"), rows) if rows else None


DIAGNOSTIC: Diagnostic = KubernetesUsage()
