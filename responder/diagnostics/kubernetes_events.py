"""What do Kubernetes' warnings of late say?"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from responder.clients.doors import Doors
from responder.clients.kubernetes import KubernetesDoor, Listed
from responder.clients.kubernetes_objects import Event
from responder.clients.kubernetes_paths import EVENTS
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.kubernetes_asked import Where, kubectl, options, pods_meant, reason
from responder.diagnostics.parameters import Seconds
from responder.diagnostics.text import moment, table
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several, show_duration

GRAVITY = 35  # a warning is what Kubernetes noticed, other checks say what it means
WARNINGS = "type=Warning"
# A ReplicaSet's name ends in a hash, a pod's in five characters more; they have no vowels, so that no word is made.
HASH = "[bcdfghjklmnpqrstvwxz2456789]"


class Asked(Where):
    """`since`: how long ago a warning still is recent; `namespace`: without one, all of them; `selector`: of the labels
    of pods; `deployment`: with its pods, which needs the namespace; `pod`, `node`: by their names."""

    since: Seconds = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The warnings of one reason about one object."""

    reason: str
    what: str
    times: int
    first: datetime | None
    last: datetime


class KubernetesEvents:
    """Warnings by reason and object, with how often and when; what they say in words stays where it is, for it may hold
    data. Kubernetes forgets events after an hour unless it is told otherwise."""

    name = "kubernetes.events"
    target_kind = "kubernetes"
    question = "What do Kubernetes' warnings of late say?"
    parameters: type[Parameters] = Asked
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when they cannot be listed."""
        door = doors.kubernetes(target)
        pods = await _pods(door, parameters)
        fields = ",".join([WARNINGS, *_exact(parameters)])
        namespace = "" if parameters.node and not parameters.pod else parameters.namespace
        listed = await door.list(EVENTS, Event, namespace, fields=fields)
        groups = _groups([it for it in _recent(listed, parameters.since) if _is_meant(it, parameters, pods)])
        return Finding(
            check=self.name,
            target=target.name,
            outcome=_outcome(groups, listed),
            headline=_headline(groups, parameters, listed),
            details=f"only {len(listed.items)} warnings were looked at" if listed.cut else "",
            table=table(
                ("reason", "object", "times", "first", "last"), [_row(it, listed.now) for it in groups], cut=listed.cut
            )
            if groups
            else None,
            gravity=GRAVITY if groups else 0,
            equivalent=f"{kubectl(target)} get events{options(namespace, fields=fields)}",
        )


async def _pods(door: KubernetesDoor, asked: Asked) -> Collection[str] | None:
    """The names of the pods that a selector means; None where there is none."""
    if not asked.selector:
        return None
    meant = await pods_meant(door, asked)
    return {it.metadata.name for it in meant.pods.items}


def _exact(asked: Asked) -> list[str]:
    """What the server itself can select by."""
    if asked.pod:
        return ["involvedObject.kind=Pod", f"involvedObject.name={asked.pod}"]
    return ["involvedObject.kind=Node", f"involvedObject.name={asked.node}"] if asked.node else []


def _recent(listed: Listed[Event], within: float) -> list[Event]:
    return [it for it in listed.items if it.last is not None and (listed.now - it.last).total_seconds() <= within]


def _is_meant(event: Event, asked: Asked, pods: Collection[str] | None) -> bool:
    about = event.involved_object
    if pods is not None and about.name not in pods:
        return False
    if not asked.deployment or pods is not None:
        return True
    own = rf"{re.escape(asked.deployment)}(-{HASH}+(-{HASH}{{5}})?)?"
    return re.fullmatch(own, about.name) is not None


def _groups(events: Sequence[Event]) -> list[Group]:
    """The most frequent first."""
    by: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for it in events:
        about = it.involved_object
        by[reason(it.reason, "other"), f"{about.kind.lower()} {about.name}"].append(it)
    groups = [
        Group(
            reason=why,
            what=what,
            times=sum(it.times for it in several_of_it),
            first=min((it.first for it in several_of_it if it.first is not None), default=None),
            last=max(it.last for it in several_of_it if it.last is not None),
        )
        for (why, what), several_of_it in by.items()
    ]
    return sorted(groups, key=lambda it: (-it.times, it.reason, it.what))


def _outcome(groups: Sequence[Group], listed: Listed[Event]) -> Outcome:
    """That there is none among some of them says nothing of the others."""
    if groups:
        return Outcome.UNHEALTHY
    return Outcome.INCONCLUSIVE if listed.cut else Outcome.HEALTHY


def _headline(groups: Sequence[Group], asked: Asked, listed: Listed[Event]) -> str:
    """`BackOff ×48 on pod api-1, last 02:51 UTC; 3 warnings more`."""
    if not groups:
        among = f" among the first {len(listed.items)}, there are more" if listed.cut else ""
        return f"no warning{asked.words} in the last {show_duration(asked.since)}{among}"
    first = groups[0]
    others = sum(it.times for it in groups[1:])
    more = f"; {several(others, 'warning')} more" if others else ""
    return f"{first.reason} ×{first.times} on {first.what}, last {moment(first.last, listed.now)}{more}"


def _row(it: Group, now: datetime) -> tuple[str, ...]:
    first = moment(it.first, now) if it.first else ""
    return (it.reason, it.what, str(it.times), first, moment(it.last, now))


DIAGNOSTIC: Diagnostic = KubernetesEvents()
