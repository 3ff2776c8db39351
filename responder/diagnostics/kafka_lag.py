"""How far are consumers behind, and on which partition most?"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from responder.clients.doors import Doors
from responder.clients.kafka import Lag, Lags
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Count
from responder.diagnostics.text import table
from responder.errors import Refused, Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several

MOST_ROWS = 200
GRAVITY = 55


class Asked(Parameters):
    """`group`: the consumer group; without it all groups that the cluster lists, at most 50. `over`: from how many
    messages on a group has a backlog; without it lags are shown and not judged."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {"group": str}

    group: Annotated[str, Field(max_length=255)] = ""
    over: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One consumer group and what it has committed, the worst first."""

    name: str
    partitions: Sequence[Lag]

    @property
    def behind(self) -> int:
        """Messages, over the partitions whose end is known."""
        return sum(it.behind for it in self.partitions)

    @property
    def unknown(self) -> list[Lag]:
        """Partitions whose end is not known."""
        return [it for it in self.partitions if it.end is None]


class KafkaLag:
    """Committed offsets against the ends of partitions. That a group reads at all is not seen, only what it has
    committed."""

    name = "kafka.lag"
    target_kind = "kafka"
    question = "How far are consumers behind, and on which partition most?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"backlog"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer, when nothing was committed, or when ends that are not known
        could make the difference."""
        door = doors.kafka(target)
        lags = await door.lags(parameters.group)
        groups = _groups(lags)
        if not groups:
            raise Refused(f"{door.shown}: {_nothing(lags, parameters.group)}")
        over = [it for it in groups if parameters.over is not None and it.behind > parameters.over]
        unsure = [it for it in groups if it.unknown]
        if unsure and not over:
            raise Unreachable(f"{door.shown}: {_unknown(unsure[0])}")
        rows = sorted((it for group in groups for it in group.partitions), key=lambda it: -it.behind)
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if over else Outcome.HEALTHY,
            headline=_headline(groups, over),
            details=_details(lags, groups, unsure),
            table=table(
                ("group", "topic", "partition", "behind", "committed", "end"), [_row(it) for it in rows], most=MOST_ROWS
            ),
            marks=("backlog",) if over else (),
            found={"group": over[0].name, "topic": over[0].partitions[0].topic} if over else {},
            gravity=GRAVITY if over else 0,
            equivalent=_equivalent(door.shown, parameters.group),
        )


def _groups(lags: Lags) -> list[Group]:
    """Those that have committed anything, the one that is furthest behind first."""
    there = (
        Group(name=name, partitions=sorted((it for it in lags.partitions if it.group == name), key=_by_worst))
        for name in lags.groups
    )
    return sorted((it for it in there if it.partitions), key=lambda it: (-it.behind, it.name))


def _by_worst(it: Lag) -> tuple[int, str, int]:
    return (-it.behind, it.topic, it.partition)


def _headline(groups: Sequence[Group], over: Sequence[Group]) -> str:
    """`group billing: 12,400 behind, worst topic orders partition 3 (9,100)`."""
    first = groups[0]
    if not first.behind:
        if len(groups) > 1:
            return f"{len(groups)} groups, none behind"
        many = len(first.partitions)
        return f"group {first.name}: not behind on {many} {'partitions' if many > 1 else 'partition'}"
    worst = first.partitions[0]
    lead = f"group {first.name}: {first.behind:,} behind, "
    lead += f"worst topic {worst.topic} partition {worst.partition} ({worst.behind:,})"
    if len(over) > 1:
        return f"{lead}; {len(over)} of {len(groups)} groups have a backlog"
    return lead + (f", the furthest of {len(groups)} groups" if len(groups) > 1 else "")


def _details(lags: Lags, groups: Sequence[Group], unsure: Sequence[Group]) -> str:
    told = [_unknown(it) for it in unsure]
    if lags.refused:
        told.append(f"{several(len(lags.refused), 'group')} not shown to us, such as {lags.refused[0]}")
    if len(groups) < len(lags.groups):
        told.append(f"{several(len(lags.groups) - len(groups), 'group')} without anything committed")
    if lags.cut:
        told.append(f"only {several(len(lags.groups) + len(lags.refused), 'group')} were looked at, in order of name")
    return "; ".join(told)


def _unknown(group: Group) -> str:
    first, many = group.unknown[0], len(group.partitions)
    count = f"{len(group.unknown)} of {many} {'partitions' if many > 1 else 'partition'}"
    return (
        f"group {group.name}: the end of {count} is not known ({first.topic} {first.partition}: {first.why}), "
        f"{group.behind:,} behind on the others"
    )


def _nothing(lags: Lags, group: str) -> str:
    if group:
        return f"group {group} has committed nothing: no such group, or its offsets have expired"
    if lags.refused:
        return f"none of {several(len(lags.refused), 'group')} is shown to us; grant DESCRIBE on groups"
    return f"no group has committed anything ({several(len(lags.groups), 'group')})"


def _row(it: Lag) -> tuple[str, ...]:
    known = it.end is not None
    return (
        it.group,
        it.topic,
        str(it.partition),
        f"{it.behind:,}" if known else "not known",
        str(it.committed),
        str(it.end) if known else "not known",
    )


def _equivalent(shown: str, group: str) -> str:
    which = f"--group {shlex.quote(group)}" if group else "--all-groups"
    return f"kafka-consumer-groups.sh --bootstrap-server {shown.removeprefix('kafka://')} --describe {which}"


DIAGNOSTIC: Diagnostic = KafkaLag()
