"""What is wrong with one pod, if anything: decided from what its status says, nothing is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.clients.kubernetes_objects import ContainerStatus, Pod, Terminated
from responder.diagnostics.kubernetes_asked import reason

RECENT = timedelta(hours=1)  # an end that is older is no news of a pod that runs well since
LATELY = timedelta(minutes=10)  # the back-off between crashes is five minutes at most; a container may run meanwhile
LOOPING_RESTARTS = 3
CRASH_LOOP = "CrashLoopBackOff"
OOM_KILLED = "OOMKilled"
STARTING = frozenset({"ContainerCreating", "PodInitializing", ""})  # a waiting that says no more than "not ready"
GRAVITIES = {CRASH_LOOP: 80, OOM_KILLED: 75, "stuck": 70, "not ready": 60, "failed": 55, "restarted": 45}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """`what`: a word for people; `kind`: which of GRAVITIES; `container`: whose it is, empty of a whole pod; `ended`:
    how that container ended last; `since`: how long it has been so, None when nobody knows."""

    pod: Pod
    kind: str
    what: str
    marks: tuple[str, ...] = ()
    container: str = ""
    restarts: int = 0
    ended: Terminated | None = None
    since: datetime | None = None

    @property
    def gravity(self) -> int:
        """0 to 100."""
        return GRAVITIES[self.kind]


def is_over(pod: Pod, now: datetime) -> bool:
    """It has done its work, or is on its way out, or failed so long ago that it is only remembered."""
    if pod.status.phase == "Succeeded" or pod.metadata.deletion_timestamp is not None:
        return True
    return pod.status.phase == "Failed" and not _is_recent(_last_end(pod), now, RECENT)


def trouble_of(pod: Pod, now: datetime) -> Trouble | None:
    """The gravest thing that is wrong with it."""
    if pod.status.phase == "Failed":
        return _failed(pod)
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    found = [it for status in statuses if (it := _of_container(pod, status, now)) is not None]
    if not found or max(it.gravity for it in found) < GRAVITIES["not ready"]:
        found += [it for it in (_not_ready(pod),) if it is not None]
    return max(found, key=lambda it: it.gravity, default=None)


def _of_container(pod: Pod, status: ContainerStatus, now: datetime) -> Trouble | None:
    ended = status.state.terminated or status.last_state.terminated
    waiting = status.state.waiting
    finished = ended.finished_at if ended else None
    killed = ended is not None and ended.reason == OOM_KILLED
    looping = (waiting is not None and waiting.reason == CRASH_LOOP) or (
        status.restart_count >= LOOPING_RESTARTS
        and ended is not None
        and ended.exit_code != 0
        and _is_recent(finished, now, LATELY)
    )
    marks: tuple[str, ...]
    if looping:
        kind, marks = CRASH_LOOP, ("crash_loop", "oom_killed") if killed else ("crash_loop",)
    elif killed and _is_recent(finished, now, RECENT):
        kind, marks = OOM_KILLED, ("oom_killed",)
    elif waiting is not None and waiting.reason not in STARTING:
        kind, marks = "stuck", ("not_ready",)
    elif status.restart_count and _is_recent(finished, now, RECENT) and ended is not None and ended.exit_code != 0:
        kind, marks = "restarted", ()
    else:
        return None
    return Trouble(
        pod=pod,
        kind=kind,
        what=reason(waiting.reason if waiting else "", "waiting") if kind == "stuck" else kind,
        marks=marks if status.ready or "not_ready" in marks else (*marks, "not_ready"),
        container=status.name,
        restarts=status.restart_count,
        ended=ended,
        since=finished,
    )


def _not_ready(pod: Pod) -> Trouble | None:
    """By its conditions; one that no node takes says so."""
    said = {it.type: it for it in pod.status.conditions}
    ready, scheduled = said.get("Ready"), said.get("PodScheduled")
    if ready is not None and ready.status == "True":
        return None
    if scheduled is not None and scheduled.status == "False":
        what, since = reason(scheduled.reason, "not scheduled"), scheduled.since
    else:
        what, since = "not ready", ready.since if ready else pod.status.start_time
    kind = "stuck" if what == "Unschedulable" else "not ready"
    return Trouble(pod=pod, kind=kind, what=what, marks=("not_ready",), since=since)


def _failed(pod: Pod) -> Trouble:
    """One that will not start again: evicted, or a Job's whose container failed."""
    ends = [it for status in pod.status.container_statuses if (it := status.state.terminated) is not None]
    ended = max(ends, key=lambda it: it.exit_code, default=None)
    name = next((it.name for it in pod.status.container_statuses if it.state.terminated is ended), "") if ended else ""
    killed = ended is not None and ended.reason == OOM_KILLED
    return Trouble(
        pod=pod,
        kind="failed",
        what=reason(pod.status.reason, "failed"),
        marks=("oom_killed",) if killed else (),
        container=name,
        ended=ended,
        since=_last_end(pod),
    )


def _last_end(pod: Pod) -> datetime | None:
    """When its last container ended; of one that never had any, when it came to its node."""
    ends = [it.state.terminated.finished_at for it in pod.status.container_statuses if it.state.terminated]
    known = [it for it in (*ends, *(it.since for it in pod.status.conditions)) if it is not None]
    return max(known, default=pod.status.start_time or pod.metadata.creation_timestamp)


def _is_recent(moment: datetime | None, now: datetime, within: timedelta) -> bool:
    return moment is not None and now - moment <= within
