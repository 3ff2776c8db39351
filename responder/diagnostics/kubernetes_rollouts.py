"""Which workloads were rolled out of late, and what changed with it?"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime

from responder.clients.doors import Doors
from responder.clients.kubernetes import KubernetesDoor
from responder.clients.kubernetes_paths import DEPLOYMENTS, REPLICA_SETS, REVISIONS
from responder.clients.kubernetes_revisions import ControllerRevision, ReplicaSet, Workload
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.kubernetes_asked import Where, kubectl, options
from responder.diagnostics.kubernetes_revisions import Revision, Rollout, rollouts
from responder.diagnostics.parameters import Seconds
from responder.diagnostics.text import moment, table
from responder.errors import CouldNotLook
from responder.model.catalogue import Parameters
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several, show_duration

STUCK_GRAVITY = 55
MOST_CHANGES = 20


class Asked(Where):
    """`since`: how long ago a rollout still is recent. `namespace`: without one, all of them; `selector`: of labels of
    pods; `deployment`: by its name; `pod` and `node` do not narrow what was rolled out."""

    since: Seconds = 6 * 3600.0


class KubernetesRollouts:
    """Revisions of Deployments, StatefulSets and DaemonSets: images, names of the environment, references to
    configuration. A rollout is news and no fault, unless it is stuck. Values of the environment are never told."""

    name = "kubernetes.rollouts"
    target_kind = "kubernetes"
    question = "Which workloads were rolled out of late, and what changed with it?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"recent_rollout"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when the revisions of Deployments cannot be listed."""
        door = doors.kubernetes(target)
        revisions, now, notes = await _revisions(door, parameters)
        workloads, note = await _workloads(door, parameters)
        made = rollouts(revisions, workloads)
        wanted = [it for it in made if not parameters.deployment or _is_named(it, parameters.deployment)]
        wanted.sort(key=lambda it: (it.at is not None, it.at, it.called), reverse=True)
        recent = [it for it in wanted if it.at is not None and (now - it.at).total_seconds() <= parameters.since]
        stuck = [it for it in wanted if it.workload and it.workload.is_stuck]
        within = show_duration(parameters.since)
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if stuck else Outcome.HEALTHY,
            headline=_headline(recent, stuck, wanted, now, within),
            details="\n".join(it for it in (*notes, note) if it),
            table=table(("at", "workload", "revision", "what changed", "by", "ready"), [_row(it, now) for it in recent])
            if len(recent) > 1
            else None,
            changes=tuple(_change(it) for it in recent[:MOST_CHANGES]),
            marks=("recent_rollout",) if recent else (),
            found=_found((stuck or recent)[0]) if stuck or recent else {},
            gravity=STUCK_GRAVITY if stuck else 0,
            equivalent=_equivalent(target, parameters, recent),
        )


async def _revisions(door: KubernetesDoor, asked: Asked) -> tuple[list[Revision], datetime, list[str]]:
    """Of all kinds of workloads; those that are no Deployments are news to an older role, and may not be listed."""
    sets = await door.list(REPLICA_SETS, ReplicaSet, asked.namespace, labels=asked.selector)
    found: list[Revision] = list(sets.items)
    notes = [f"cut at {len(sets.items)} revisions"] if sets.cut else []
    if not asked.deployment:
        try:
            others = await door.list(REVISIONS, ControllerRevision, asked.namespace, labels=asked.selector)
        except CouldNotLook as why:
            notes.append(f"StatefulSets and DaemonSets were not looked at: {why}")
        else:
            found += others.items
            notes += [f"cut at {len(others.items)} revisions of StatefulSets and DaemonSets"] if others.cut else []
    return found, sets.now, notes


async def _workloads(door: KubernetesDoor, asked: Asked) -> tuple[dict[tuple[str, str], Workload], str]:
    """Deployments, which say who wrote them and whether a rollout is stuck."""
    try:
        listed = await door.list(DEPLOYMENTS, Workload, asked.namespace)
    except CouldNotLook as why:
        return {}, f"who rolled out, and whether it got stuck, is not known: {why}"
    return {(it.metadata.namespace, it.metadata.name): it for it in listed.items}, ""


def _is_named(it: Rollout, deployment: str) -> bool:
    return it.kind == "Deployment" and it.name == deployment


def _headline(
    recent: Sequence[Rollout], stuck: Sequence[Rollout], every: Sequence[Rollout], now: datetime, within: str
) -> str:
    """`payments-api rev 42, 03:08 UTC: image 2.14.0 → 2.15.0, by ci`."""
    if stuck:
        it = stuck[0]
        more = f"; {several(len(stuck) - 1, 'more is', 'more are')} stuck" if len(stuck) > 1 else ""
        return f"the rollout of {it.called} is stuck, {_ready(it)}: {it.told}{more}"
    if recent:
        lead = f"{len(recent)} rollouts in the last {within}, latest " if len(recent) > 1 else "Rollout "
        return lead + _whole(recent[0], now)
    latest = next((it for it in every if it.at is not None), None)
    tail = f", latest {latest.called}, {moment(latest.at, now)}" if latest and latest.at else ""
    return f"no rollout in the last {within}{tail}"


def _whole(it: Rollout, now: datetime) -> str:
    by = f", by {it.by}" if it.by else ""
    return f"{it.called}, {moment(it.at, now) if it.at else 'when is not known'}: {it.told}{by}"


def _ready(it: Rollout) -> str:
    if it.workload is None:
        return ""
    return f"{it.workload.status.ready_replicas}/{it.workload.spec.replicas} ready"


def _row(it: Rollout, now: datetime) -> tuple[str, ...]:
    at = moment(it.at, now) if it.at else ""
    return (at, f"{it.namespace}/{it.name}", str(it.number), it.told, it.by, _ready(it))


def _change(it: Rollout) -> Change:
    assert it.at is not None
    about = {it.kind.lower(): it.name, "namespace": it.namespace}
    return Change(at=it.at, what=f"Rollout {it.called}: {it.told}", by=it.by, about=about)


def _found(it: Rollout) -> dict[str, str]:
    """`deployment`, `statefulset` or `daemonset` by its kind: a command for one never gets the name of another."""
    named = {
        it.kind.lower(): it.name,
        "namespace": it.namespace,
        "revision": str(it.number),
        "previous_revision": str(it.previous or ""),
        "image": it.images[1],
        "previous_image": it.images[0],
    }
    return {name: value for name, value in named.items() if value}


def _equivalent(target: Target, asked: Asked, recent: Sequence[Rollout]) -> str:
    if asked.deployment or len(recent) == 1:
        kind, name = (recent[0].kind.lower(), recent[0].name) if recent else ("deployment", asked.deployment)
        namespace = recent[0].namespace if recent else asked.namespace
        return f"{kubectl(target)} rollout history {shlex.quote(f'{kind}/{name}')}{options(namespace)}"
    return f"{kubectl(target)} get replicasets,controllerrevisions{options(asked.namespace, labels=asked.selector)}"


DIAGNOSTIC: Diagnostic = KubernetesRollouts()
