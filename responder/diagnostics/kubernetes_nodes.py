"""Which nodes are not ready or under pressure?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from responder.clients.doors import Doors
from responder.clients.kubernetes_objects import Condition, Node
from responder.clients.kubernetes_paths import NODES
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.kubernetes_asked import ESCAPES, LabelSelector, Name, kubectl, options, reason
from responder.diagnostics.text import age, moment, table
from responder.model.catalogue import Parameters
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several

NOT_READY_GRAVITY = 80
PRESSURE_GRAVITY = 55
CHANGES_WITHIN = timedelta(hours=6)
JOINING = timedelta(minutes=5)  # a node's first words on each condition
PRESSURES = {
    "MemoryPressure": "memory pressure",
    "DiskPressure": "disk pressure",
    "PIDPressure": "PID pressure",
    "NetworkUnavailable": "network unavailable",
}


class Asked(Parameters):
    """`node`: one by its name; `selector`: of labels, such as `pool=api`; without either, all nodes."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {name: ESCAPES[name] for name in ("node", "selector")}

    node: Name = ""
    selector: LabelSelector = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One condition of one node that is not as it should be. `gone`: it is not ready at all."""

    node: str
    what: str
    why: str
    since: datetime | None
    gone: bool


class KubernetesNodes:
    """By their conditions: Ready, pressure of memory, disk and PIDs, the network. What changed of late is a dated
    change. A node that is cordoned is counted, and is no fault."""

    name = "kubernetes.nodes"
    target_kind = "kubernetes"
    question = "Which nodes are not ready or under pressure?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"node_not_ready", "pressure"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when they cannot be listed; no node at all is inconclusive."""
        fields = f"metadata.name={parameters.node}" if parameters.node else ""
        listed = await doors.kubernetes(target).list(NODES, Node, labels=parameters.selector, fields=fields)
        troubles = sorted(
            (it for node in listed.items for it in _troubles(node)), key=lambda it: (not it.gone, it.node, it.what)
        )
        gone, pressed = any(it.gone for it in troubles), any(not it.gone for it in troubles)
        return Finding(
            check=self.name,
            target=target.name,
            outcome=_outcome(listed.items, troubles),
            headline=_headline(parameters, listed.items, troubles, listed.now),
            details=f"only the first {len(listed.items)} nodes were looked at" if listed.cut else "",
            table=table(("node", "is", "because", "since"), [_row(it, listed.now) for it in troubles])
            if troubles
            else None,
            changes=tuple(it for node in listed.items for it in _changes(node, listed.now)),
            marks=tuple(mark for mark, given in (("node_not_ready", gone), ("pressure", pressed)) if given),
            found={"node": troubles[0].node} if troubles else {},
            gravity=(NOT_READY_GRAVITY if gone else PRESSURE_GRAVITY) if troubles else 0,
            equivalent=f"{kubectl(target)} get nodes{options(None, labels=parameters.selector, fields=fields)}",
        )


def _outcome(nodes: Sequence[Node], troubles: Sequence[Trouble]) -> Outcome:
    if not nodes:
        return Outcome.INCONCLUSIVE
    return Outcome.UNHEALTHY if troubles else Outcome.HEALTHY


def _troubles(node: Node) -> list[Trouble]:
    return [
        Trouble(
            node=node.metadata.name,
            what=_in_words(it),
            why=reason(it.reason),
            since=it.since,
            gone=it.type == "Ready",
        )
        for it in _conditions(node)
        if _is_bad(it)
    ]


def _conditions(node: Node) -> list[Condition]:
    """Those that are known; a node that says nothing of being ready is not."""
    known = [it for it in node.status.conditions if it.type == "Ready" or it.type in PRESSURES]
    return known if any(it.type == "Ready" for it in known) else [Condition(type="Ready", status="Unknown"), *known]


def _is_bad(it: Condition) -> bool:
    return it.status != "True" if it.type == "Ready" else it.status == "True"


def _in_words(it: Condition) -> str:
    if it.type == "Ready":
        return "ready" if it.status == "True" else "not ready"
    return PRESSURES[it.type] if it.status == "True" else f"no {PRESSURES[it.type]} any more"


def _headline(asked: Asked, nodes: Sequence[Node], troubles: Sequence[Trouble], now: datetime) -> str:
    """`1 of 5 nodes not ready: node-3 for 4m (KubeletNotReady); 1 under pressure: node-4 disk pressure for 2m`."""
    if not nodes:
        named = f" named {asked.node}" if asked.node else f" with {asked.selector}" if asked.selector else ""
        return f"there is no node{named}"
    cordoned = sum(it.spec.unschedulable for it in nodes)
    if not troubles:
        return f"{several(len(nodes), 'node')} ready" + (f", {cordoned} cordoned" if cordoned else "")
    gone = [it for it in troubles if it.gone]
    pressed = [it for it in troubles if not it.gone]
    shown = [f"{len(gone)} of {several(len(nodes), 'node')} not ready: {_one(gone[0], '', now)}"] if gone else []
    if pressed:
        many = len({it.node for it in pressed})
        who = f"{many} under pressure" if gone else f"{many} of {several(len(nodes), 'node')} under pressure"
        shown.append(f"{who}: {_one(pressed[0], f' {pressed[0].what}', now)}")
    return "; ".join(shown)


def _one(it: Trouble, what: str, now: datetime) -> str:
    since = f" for {age((now - it.since).total_seconds())}" if it.since else ""
    return f"{it.node}{what}{since}" + (f" ({it.why})" if it.why and it.gone else "")


def _row(it: Trouble, now: datetime) -> tuple[str, ...]:
    return (it.node, it.what, it.why, moment(it.since, now) if it.since else "")


def _changes(node: Node, now: datetime) -> list[Change]:
    """Also for the better: a node that came back has been away. Of a new node only that it is ready is news."""
    joined = node.metadata.creation_timestamp
    return [
        Change(at=it.since, what=f"Node {node.metadata.name}: {_in_words(it)}")
        for it in _conditions(node)
        if it.since is not None
        and now - it.since <= CHANGES_WITHIN
        and (_is_bad(it) or it.type == "Ready" or joined is None or it.since - joined > JOINING)
    ]


DIAGNOSTIC: Diagnostic = KubernetesNodes()
