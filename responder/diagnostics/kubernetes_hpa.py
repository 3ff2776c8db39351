"""Which autoscalers are at their maximum or cannot scale?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from responder.clients.doors import Doors
from responder.clients.kubernetes import KubernetesDoor, Listed, NotServed
from responder.clients.kubernetes_objects import Condition, Event, Scaler
from responder.clients.kubernetes_paths import EVENTS, SCALERS, SCALERS_V1
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.kubernetes_asked import ESCAPES, Name, kubectl, options, reason
from responder.diagnostics.text import age, table
from responder.errors import CouldNotLook
from responder.model.catalogue import Parameters
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several

AT_MAXIMUM_GRAVITY = 55
BLIND_GRAVITY = 50
SCALING_WEIGHT = 0.4  # it answers load, more often than it brings it
CHANGES_WITHIN = timedelta(hours=6)
RESCALED = "type=Normal,reason=SuccessfulRescale,involvedObject.kind=HorizontalPodAutoscaler"
NEW_SIZE = re.compile(r"New size: (?P<size>[0-9]{1,6});")  # as the controller says it since Kubernetes 1.2
COLUMNS = ("autoscaler", "of", "replicas", "wanted", "from", "to", "says")


class Asked(Parameters):
    """`namespace`: without one, all of them; `deployment`: only the autoscaler of that one."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {
        name: ESCAPES[name] for name in ("namespace", "deployment")
    }

    namespace: Name = ""
    deployment: Name = ""


class KubernetesHpa:
    """By autoscaling/v2, or v1 where the cluster is older, which does not say why. Each scaling of late is a dated
    change."""

    name = "kubernetes.hpa"
    target_kind = "kubernetes"
    question = "Which autoscalers are at their maximum or cannot scale?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"at_maximum"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when they cannot be listed; none at all is inconclusive."""
        door = doors.kubernetes(target)
        listed = await _listed(door, parameters.namespace)
        scalers = [it for it in listed.items if parameters.deployment in ("", _scaled(it))]
        full = [it for it in scalers if _is_full(it)]
        blind = [it for it in scalers if _why_blind(it)]
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if full or blind else Outcome.HEALTHY if scalers else Outcome.INCONCLUSIVE,
            headline=_headline(parameters, scalers, full, blind, listed.now),
            details=f"only the first {len(listed.items)} autoscalers were looked at" if listed.cut else "",
            table=table(COLUMNS, [_row(it) for it in (*full, *(it for it in scalers if it not in full))])
            if scalers
            else None,
            changes=tuple(await _changes(door, parameters.namespace, scalers, listed.now)),
            marks=("at_maximum",) if full else (),
            found=_found((full or blind)[0]) if full or blind else {},
            gravity=AT_MAXIMUM_GRAVITY if full else BLIND_GRAVITY if blind else 0,
            equivalent=f"{kubectl(target)} get hpa{options(parameters.namespace)}",
        )


async def _listed(door: KubernetesDoor, namespace: str) -> Listed[Scaler]:
    try:
        return await door.list(SCALERS, Scaler, namespace)
    except NotServed:  # before Kubernetes 1.23
        return await door.list(SCALERS_V1, Scaler, namespace)


def _scaled(it: Scaler) -> str:
    """The name of the deployment that it scales; empty of other kinds."""
    return it.spec.scale_target_ref.name if it.spec.scale_target_ref.kind == "Deployment" else ""


def _condition(it: Scaler, kind: str) -> Condition | None:
    return next((said for said in it.status.conditions if said.type == kind), None)


def _wants_more(it: Scaler) -> bool:
    limited = _condition(it, "ScalingLimited")
    return limited is not None and limited.status == "True" and limited.reason == "TooManyReplicas"


def _is_full(it: Scaler) -> bool:
    """One whose minimum is its maximum is always there, and is only if it says that it wants more."""
    reached = it.status.current_replicas >= it.spec.max_replicas > it.spec.min_replicas
    return _wants_more(it) or (reached and it.status.desired_replicas >= it.spec.max_replicas)


def _why_blind(it: Scaler) -> str:
    """Why it does not scale: `FailedGetResourceMetric`; empty when it does, or is switched off by a size of 0."""
    for kind in ("AbleToScale", "ScalingActive"):
        said = _condition(it, kind)
        if said is not None and said.status == "False" and said.reason != "ScalingDisabled":
            return reason(said.reason, kind)
    return ""


def _headline(
    asked: Asked, scalers: Sequence[Scaler], full: Sequence[Scaler], blind: Sequence[Scaler], now: datetime
) -> str:
    """`1 of 3 autoscalers at its maximum: api 10 of 10 replicas and wants more, for 12m`."""
    if not scalers:
        of = f" of deployment {asked.deployment}" if asked.deployment else ""
        inside = f" in namespace {asked.namespace}" if asked.namespace else ""
        return f"there is no autoscaler{of}{inside}"
    whole = f" of {len(scalers)} autoscalers" if len(scalers) > 1 else " autoscaler"
    shown = []
    if full:
        maximum = "their maximum" if len(full) > 1 else "its maximum"
        shown.append(f"{len(full)}{whole} at {maximum}: {_full(full[0], now)}")
    if blind:
        shown.append(f"{len(blind)}{whole} cannot scale: {blind[0].metadata.name} ({_why_blind(blind[0])})")
    if shown:
        return "; ".join(shown)
    return _well(scalers)


def _well(scalers: Sequence[Scaler]) -> str:
    free = [it for it in scalers if it.spec.max_replicas > it.spec.min_replicas]
    if not free:
        return f"of a fixed size: {_replicas(scalers[0])}"
    closest = max(free, key=lambda it: it.status.current_replicas / it.spec.max_replicas)
    count = f"{len(free)} autoscalers below their maximum, closest" if len(free) > 1 else "below its maximum:"
    return f"{count} {_replicas(closest)}"


def _full(it: Scaler, now: datetime) -> str:
    limited = _condition(it, "ScalingLimited")
    more = " and wants more" if _wants_more(it) else ""
    since = limited.since if limited is not None and more else None
    return _replicas(it) + more + (f", for {age((now - since).total_seconds())}" if since else "")


def _replicas(it: Scaler) -> str:
    return f"{it.metadata.name} {it.status.current_replicas} of {several(it.spec.max_replicas, 'replica')}"


def _row(it: Scaler) -> tuple[str, ...]:
    ref, status = it.spec.scale_target_ref, it.status
    says = _why_blind(it) or ("wants more" if _wants_more(it) else "at its maximum" if _is_full(it) else "")
    numbers = (status.current_replicas, status.desired_replicas, it.spec.min_replicas, it.spec.max_replicas)
    name = f"{it.metadata.namespace}/{it.metadata.name}"
    return (name, f"{ref.kind.lower()}/{ref.name}", *(str(number) for number in numbers), says)


async def _changes(door: KubernetesDoor, namespace: str, scalers: Sequence[Scaler], now: datetime) -> list[Change]:
    """By their events, which Kubernetes keeps for an hour; else the last time alone that each of them tells."""
    if not scalers:
        return []
    try:
        events = (await door.list(EVENTS, Event, namespace, fields=RESCALED)).items
    except CouldNotLook:
        events = ()
    by_name = {(it.metadata.namespace, it.metadata.name): it for it in scalers}
    told: dict[tuple[str, str], list[Change]] = {}
    for event in events:
        who = (event.involved_object.namespace, event.involved_object.name)
        size = NEW_SIZE.match(event.message)
        if who in by_name and size is not None and event.last is not None:
            told.setdefault(who, []).append(_change(by_name[who], int(size["size"]), event.last))
    for who, it in by_name.items():
        if who not in told and it.status.last_scale_time is not None:
            told[who] = [_change(it, it.status.desired_replicas, it.status.last_scale_time)]
    recent = [it for several in told.values() for it in several if now - it.at <= CHANGES_WITHIN]
    return sorted(recent, key=lambda it: it.at)


def _change(it: Scaler, size: int, at: datetime) -> Change:
    ref = it.spec.scale_target_ref
    replicas = "1 replica" if size == 1 else f"{size} replicas"
    return Change(
        at=at,
        what=f"{ref.kind.lower()}/{ref.name} scaled to {replicas}",
        by=f"autoscaler {it.metadata.name}",
        about={ref.kind.lower(): ref.name, "namespace": it.metadata.namespace},
        weight=SCALING_WEIGHT,
    )


def _found(it: Scaler) -> dict[str, str]:
    named = {"namespace": it.metadata.namespace, "autoscaler": it.metadata.name, "deployment": _scaled(it)}
    return {key: value for key, value in named.items() if value}


DIAGNOSTIC: Diagnostic = KubernetesHpa()
