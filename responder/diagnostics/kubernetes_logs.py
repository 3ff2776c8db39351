"""Which errors do pods log, how often, and which of them are new?"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from responder.clients.doors import Doors
from responder.clients.kubernetes import KubernetesDoor, Log
from responder.clients.kubernetes_objects import Pod
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.kubernetes_asked import Meant, Where, kubectl, pods_meant
from responder.diagnostics.log_errors import told
from responder.diagnostics.log_lines import LogLine
from responder.diagnostics.log_lookup import AtIncident
from responder.diagnostics.log_shapes import MOST_CHARS, Shapes, shapes_of
from responder.diagnostics.parameters import Seconds
from responder.errors import CouldNotLook, Refused
from responder.model.catalogue import Beside, Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several, show_duration

MOST_LOGS = 12  # of containers; each is a request, and at the kubelet a file to read
Tail = Annotated[int, Field(ge=1, le=5000)]
SinceSeconds = Annotated[Seconds, Field(ge=1, le=7 * 86_400)]


class Asked(Where):
    """`tail`: so many of the newest lines of each container; `since`: of the last so long; `previous`: of the run
    before its last restart. `namespace`, `selector`, `deployment`, `pod`, `node`: of which pods."""

    tail: Tail = 200
    since: SinceSeconds = 1800.0
    previous: bool = False

    def beside(self, it: Beside) -> AskedBeside:
        """The same, told of the incident."""
        return AskedBeside.of(self, it)


class AskedBeside(Asked, AtIncident):
    """Told of the incident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One container whose log is read."""

    namespace: str
    pod: str
    container: str

    @property
    def named(self) -> str:
        """`api-7c9d/api`."""
        return f"{self.pod}/{self.container}"


class KubernetesLogs:
    """Lines grouped by the shape of their message. What stands in one line only is not told, and no line as it is
    unless excerpts are asked for."""

    name = "kubernetes.logs"
    target_kind = "kubernetes"
    question = "Which errors do pods log, how often, and which of them are new?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"new_errors"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when no log can be read, or when the target does not allow it."""
        door = doors.kubernetes(target)
        meant = await pods_meant(door, parameters)
        sources, more = _sources(meant.pods.items, previous=parameters.previous)
        asked = parameters if isinstance(parameters, AskedBeside) else AskedBeside(**parameters.model_dump())
        if not sources:
            return self._nothing(target, asked, meant)
        read, unread = await _read(door, sources, asked)
        shapes = await asyncio.to_thread(_grouped, [it.body for it in read], asked)
        within = show_duration(asked.since)
        it = told(
            shapes,
            within=within,
            now=max(log.now for log in read),
            onset=asked.onset,
            crashed=asked.previous,
            excerpts=asked.excerpts,
        )
        notes = [
            f"read: {several(len(read), 'log')} of {several(len({one.pod for one in sources}), 'pod')}",
            f"not read: {several(more, 'further container')}" if more else "",
            "cut: more bytes than are read" if any(log.cut for log in read) else "",
            *unread,
            it.details,
        ]
        return Finding(
            check=self.name,
            target=target.name,
            outcome=it.outcome,
            headline=it.headline,
            details="\n".join(one for one in notes if one),
            table=it.table,
            marks=it.marks,
            found=it.found | (_named(sources) if it.marks else {}),
            gravity=it.gravity,
            equivalent=_equivalent(target, asked, meant.options, sources),
        )

    def _nothing(self, target: Target, asked: AskedBeside, meant: Meant) -> Finding:
        if not meant.pods.items:
            raise CouldNotLook(f"there is no pod{asked.words}, so there is no log to read")
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.HEALTHY,
            headline="no container has restarted, so there is no previous log",
            gravity=0,
            equivalent=_equivalent(target, asked, meant.options, ()),
        )


def _sources(pods: Sequence[Pod], *, previous: bool) -> tuple[list[Source], int]:
    """Containers that are in trouble first; how many there are beyond the most."""
    ranked = [
        (ready, -restarts, Source(namespace=pod.metadata.namespace, pod=pod.metadata.name, container=container))
        for pod in pods
        for container, ready, restarts in _containers(pod)
        if restarts or not previous
    ]
    ranked.sort(key=lambda it: (it[0], it[1], it[2].pod, it[2].container))
    return [it for _, _, it in ranked[:MOST_LOGS]], max(len(ranked) - MOST_LOGS, 0)


def _containers(pod: Pod) -> Iterator[tuple[str, bool, int]]:
    """Name, whether it is ready, restarts; of those that prepare a pod only while they do not succeed."""
    for it in pod.status.init_container_statuses:
        if not (it.state.terminated and it.state.terminated.exit_code == 0):
            yield it.name, False, it.restart_count
    known = {it.name: it for it in pod.status.container_statuses}
    for container in pod.spec.containers:
        status = known.get(container.name)
        yield container.name, bool(status and status.ready), status.restart_count if status else 0


async def _read(door: KubernetesDoor, sources: Sequence[Source], asked: AskedBeside) -> tuple[list[Log], list[str]]:
    """Those that can be read, and of the others why not; raises CouldNotLook when there is none."""
    most = MOST_CHARS // len(sources)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_one(door, it, asked, most)) for it in sources]
    results = [it.result() for it in tasks]
    read = [it for it in results if isinstance(it, Log)]
    failures = [(source, it) for source, it in zip(sources, results, strict=True) if isinstance(it, CouldNotLook)]
    if not read:
        raise next((it for _, it in failures if isinstance(it, Refused)), failures[0][1])
    return read, [f"the log of {source.named} could not be read: {why}" for source, why in failures]


async def _one(door: KubernetesDoor, source: Source, asked: AskedBeside, most: int) -> Log | CouldNotLook:
    try:
        return await door.log(
            source.namespace,
            source.pod,
            source.container,
            tail=asked.tail,
            since_seconds=int(asked.since),
            previous=asked.previous,
            most_bytes=most,
        )
    except CouldNotLook as why:
        return why


def _grouped(bodies: Sequence[bytes], asked: AskedBeside) -> Shapes:
    return shapes_of((line for body in bodies for line in _lines(body)), onset=asked.onset)


def _lines(body: bytes) -> Iterator[LogLine]:
    """Each with the time that the kubelet puts before it. Other ends of lines than its own may be somebody's text,
    with a time of their choice behind them."""
    for text in body.decode("utf-8", "replace").split("\n"):
        at, _, rest = text.partition(" ")
        try:
            when = datetime.fromisoformat(at)
        except ValueError:
            yield LogLine(None, text)  # the first one, where bytes were cut
        else:
            yield LogLine(when if when.tzinfo else None, rest)


def _named(sources: Sequence[Source]) -> dict[str, str]:
    pods = {(it.namespace, it.pod) for it in sources}
    namespace = {"namespace": sources[0].namespace} if len({it for it, _ in pods}) == 1 else {}
    return namespace | ({"pod": sources[0].pod} if len(pods) == 1 else {})


def _equivalent(target: Target, asked: AskedBeside, options: str, sources: Sequence[Source]) -> str:
    how = f" --all-containers --prefix --timestamps --tail={asked.tail} --since={int(asked.since)}s"
    how += " --previous" if asked.previous else ""
    pods = {(it.namespace, it.pod) for it in sources}
    if len(pods) == 1:
        (namespace, pod), *_ = pods
        return f"{kubectl(target)} logs {shlex.quote(pod)} -n {shlex.quote(namespace)}{how}"
    if "--field-selector" in options or " -l " not in options:
        return f"{kubectl(target)} get pods{options} -o name, then of each: {kubectl(target)} logs{how}"
    return f"{kubectl(target)} logs{options}{how}"


DIAGNOSTIC: Diagnostic = KubernetesLogs()
