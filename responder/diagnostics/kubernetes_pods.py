"""Which pods crash, are killed or are not ready?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from responder.clients.doors import Doors
from responder.clients.kubernetes_objects import Pod, Terminated
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.kubernetes_asked import Meant, Where, deployment_of, kubectl, pods_meant, reason
from responder.diagnostics.kubernetes_pod_states import Trouble, is_over, trouble_of
from responder.diagnostics.text import age, moment, table
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome, Table
from responder.model.pack import Target
from responder.model.quantities import several

SHOWN_KINDS = 2
COLUMNS = ("pod", "container", "is", "restarts", "last end", "since")


class Asked(Where):
    """`namespace`: without one, all of them; `selector`: of labels, such as `app=api`; `deployment`: its pods, which
    needs the namespace; `pod`: one by its name; `node`: those on a node."""


class KubernetesPods:
    """Restarts, the last end with its code, and what keeps containers from running. Completed pods, pods on their way
    out and old failures are left out."""

    name = "kubernetes.pods"
    target_kind = "kubernetes"
    question = "Which pods crash, are killed or are not ready?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"crash_loop", "oom_killed", "not_ready"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when they cannot be listed; no pod at all is inconclusive."""
        meant = await pods_meant(doors.kubernetes(target), parameters)
        now = meant.pods.now
        counted = [it for it in meant.pods.items if not is_over(it, now)]
        troubles = [it for pod in counted if (it := trouble_of(pod, now)) is not None]
        troubles.sort(key=lambda it: (-it.gravity, it.pod.metadata.name))
        return Finding(
            check=self.name,
            target=target.name,
            outcome=_outcome(meant, troubles),
            headline=_headline(meant, parameters, counted, troubles),
            details=f"only the first {len(meant.pods.items)} pods were looked at" if meant.pods.cut else "",
            table=_table(troubles, now),
            marks=tuple(sorted({mark for it in troubles for mark in it.marks})),
            found=_found(troubles[0]) if troubles else {},
            gravity=troubles[0].gravity if troubles else 0,
            equivalent=f"{kubectl(target)} get pods{meant.options}",
        )


def _outcome(meant: Meant, troubles: Sequence[Trouble]) -> Outcome:
    if not meant.pods.items:
        return Outcome.INCONCLUSIVE
    if troubles:
        return Outcome.UNHEALTHY
    return Outcome.INCONCLUSIVE if meant.pods.cut else Outcome.HEALTHY  # some say nothing of the others


def _headline(meant: Meant, asked: Where, counted: Sequence[Pod], troubles: Sequence[Trouble]) -> str:
    if not meant.pods.items:
        return f"there is no pod{asked.words}"
    if not troubles:
        among = f" among the first {len(meant.pods.items)}, there are more" if meant.pods.cut else ""
        return _healthy(counted, len(meant.pods.items), meant.pods.now) + among
    groups: dict[str, list[Trouble]] = defaultdict(list)
    for it in troubles:
        groups[it.what].append(it)
    shown = [_group(it, len(counted), meant.pods.now) for it in list(groups.values())[:SHOWN_KINDS]]
    more = sum(len(it) for it in list(groups.values())[SHOWN_KINDS:])
    return "; ".join([*shown, *([f"{more} more in trouble"] if more else [])])


def _healthy(counted: Sequence[Pod], all_of_them: int, now: datetime) -> str:
    if not counted:
        return f"no pod runs, {all_of_them} completed or on the way out"
    statuses = [it for pod in counted for it in pod.status.container_statuses]
    ends = [it.last_state.terminated.finished_at for it in statuses if it.last_state.terminated]
    last = max((it for it in ends if it is not None), default=None)
    restarts = sum(it.restart_count for it in statuses)
    since = f", the last {age((now - last).total_seconds())} ago" if last else ""
    return f"{several(len(counted), 'pod')} ready" + (f", {several(restarts, 'restart')}{since}" if restarts else "")


def _group(troubles: Sequence[Trouble], of: int, now: datetime) -> str:
    """`3 of 6 pods CrashLoopBackOff (exit 1, 14 restarts, last 02:51 UTC)`."""
    first = troubles[0]
    who = f"{len(troubles)} of {of} pods" if of > 1 else f"pod {first.pod.metadata.name}"
    ends = [it.ended for it in troubles if it.ended is not None and it.ended.finished_at is not None]
    last = max(ends, key=lambda it: it.finished_at or now, default=None)
    restarts = sum(it.restarts for it in troubles)
    facts = [_code(last)] if last else []
    facts += [several(restarts, "restart")] if restarts else []
    if last is not None and last.finished_at is not None:
        facts.append(f"last {moment(last.finished_at, now)}")
    else:
        since = min((it.since for it in troubles if it.since is not None), default=None)
        facts += [f"for {age((now - since).total_seconds())}"] if since else []
    return f"{who} {first.what}" + (f" ({', '.join(facts)})" if facts else "")


def _code(ended: Terminated) -> str:
    return f"signal {ended.signal}" if ended.signal and not ended.exit_code else f"exit {ended.exit_code}"


def _table(troubles: Sequence[Trouble], now: datetime) -> Table | None:
    return table(COLUMNS, [_row(it, now) for it in troubles]) if troubles else None


def _row(it: Trouble, now: datetime) -> tuple[str, ...]:
    metadata = it.pod.metadata
    end = ""
    if it.ended is not None:
        at = f", {moment(it.ended.finished_at, now)}" if it.ended.finished_at else ""
        end = f"{_code(it.ended)} {reason(it.ended.reason)}".rstrip() + at
    since = moment(it.since, now) if it.since else ""
    return (f"{metadata.namespace}/{metadata.name}", it.container, it.what, str(it.restarts), end, since)


def _found(it: Trouble) -> dict[str, str]:
    metadata = it.pod.metadata
    named = {
        "namespace": metadata.namespace,
        "pod": metadata.name,
        "container": it.container,
        "deployment": deployment_of(metadata),
        "node": it.pod.spec.node_name,
    }
    return {key: value for key, value in named.items() if value}


DIAGNOSTIC: Diagnostic = KubernetesPods()
