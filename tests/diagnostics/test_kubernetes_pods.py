from __future__ import annotations

import json
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.clients.kubernetes import NotThere
from responder.diagnostics.kubernetes_asked import kubectl
from responder.diagnostics.kubernetes_pods import DIAGNOSTIC, Asked
from responder.errors import Refused
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from tests.diagnostics.kubernetes_things import WELL, ago, container, deployment, ended, pod, waiting, when
from tests.systems.kubernetes import Cluster

pytestmark = pytest.mark.system

HASH = "7c9d8f6b5c"


async def look(kubernetes: Target, doors: Doors, **asked: Any) -> Finding:
    finding = await DIAGNOSTIC.examine(kubernetes, Asked(**asked), doors)
    assert "s3cret" not in repr(finding)
    return finding


async def test_a_crash_loop_is_told_with_exit_code_restarts_and_date(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    labels = {"pod-template-hash": HASH, "app": "api"}
    crashed = ended(1, minutes=3)
    crashing = container(state=waiting("CrashLoopBackOff"), last=crashed, restarts=14)
    for name in ("a", "b", "c"):
        cluster.add(pod(namespace, f"api-{HASH}-{name}", WELL))
    cluster.add(pod(namespace, f"api-{HASH}-d", crashing, owner=("ReplicaSet", f"api-{HASH}"), labels=labels))

    finding = await look(kubernetes, doors, namespace=namespace)

    assert finding.outcome is Outcome.UNHEALTHY
    assert finding.headline == f"1 of 4 pods CrashLoopBackOff (exit 1, 14 restarts, last {when(crashed)})"
    assert finding.marks == ("crash_loop", "not_ready")
    assert finding.found == {
        "namespace": namespace,
        "pod": f"api-{HASH}-d",
        "container": "api",
        "deployment": "api",
        "node": "node-1",
    }
    assert finding.table is not None
    assert finding.table.rows == (
        (f"{namespace}/api-{HASH}-d", "api", "CrashLoopBackOff", "14", f"exit 1 Error, {when(crashed)}", when(crashed)),
    )
    assert finding.equivalent == f"{kubectl(kubernetes)} get pods -n {namespace}"


async def test_a_container_that_runs_between_two_crashes_is_in_the_same_loop(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    crashed = ended(2, minutes=1)
    cluster.add(pod(namespace, "api-1", container(last=crashed, restarts=5, ready=True)))

    finding = await look(kubernetes, doors, namespace=namespace)

    assert finding.headline == f"pod api-1 CrashLoopBackOff (exit 2, 5 restarts, last {when(crashed)})"
    assert finding.marks == ("crash_loop",)


async def test_what_the_kernel_killed_for_its_memory_is_told(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    killed = ended(137, minutes=12, reason="OOMKilled")
    cluster.add(pod(namespace, "api-1", container(last=killed, restarts=1, ready=True)))
    cluster.add(pod(namespace, "api-2", WELL))

    finding = await look(kubernetes, doors, namespace=namespace)

    assert finding.headline == f"1 of 2 pods OOMKilled (exit 137, 1 restart, last {when(killed)})"
    assert finding.marks == ("oom_killed",)


async def test_both_are_marked_where_the_loop_is_of_memory(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    killed = ended(137, reason="OOMKilled")
    cluster.add(pod(namespace, "api-1", container(state=waiting("CrashLoopBackOff"), last=killed, restarts=4)))

    finding = await look(kubernetes, doors, namespace=namespace)

    assert finding.marks == ("crash_loop", "not_ready", "oom_killed")


async def test_what_keeps_pods_from_starting_is_told_gravest_first(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": ago(9)}
    crashed = ended(3, minutes=2)
    migrating = container("migrate", waiting("CrashLoopBackOff"), crashed, 2)
    cluster.add(pod(namespace, "image", container(state=waiting("ImagePullBackOff"))))
    cluster.add(pod(namespace, "init", container(state=waiting("PodInitializing")), init=(migrating,), phase="Pending"))
    cluster.add(pod(namespace, "nowhere", phase="Pending", ready=False, conditions=[unscheduled]))
    cluster.add(pod(namespace, "slow", container()))

    finding = await look(kubernetes, doors, namespace=namespace)

    assert finding.headline == (
        f"1 of 4 pods CrashLoopBackOff (exit 3, 2 restarts, last {when(crashed)}); 1 of 4 pods ImagePullBackOff; "
        "2 more in trouble"
    )
    assert finding.found["container"] == "migrate"
    assert finding.table is not None
    assert [row[:3] for row in finding.table.rows] == [
        (f"{namespace}/init", "migrate", "CrashLoopBackOff"),
        (f"{namespace}/image", "api", "ImagePullBackOff"),
        (f"{namespace}/nowhere", "", "Unschedulable"),
        (f"{namespace}/slow", "", "not ready"),
    ]


async def test_a_pod_that_is_not_ready_says_for_how_long(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    cluster.add(pod(namespace, "api-1", container()))

    finding = await look(kubernetes, doors, namespace=namespace)

    assert finding.headline == "pod api-1 not ready (for 4m)"
    assert finding.marks == ("not_ready",)


async def test_a_restart_of_late_is_news_and_an_old_one_is_none(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    cluster.add(pod(namespace, "old", container(last=ended(137, 3000, "OOMKilled"), restarts=9, ready=True)))
    healthy = await look(kubernetes, doors, namespace=namespace)
    crashed = ended(1, minutes=40)
    cluster.add(pod(namespace, "new", container(last=crashed, restarts=1, ready=True)))

    finding = await look(kubernetes, doors, namespace=namespace)

    assert (healthy.outcome, healthy.headline) == (Outcome.HEALTHY, "1 pod ready, 9 restarts, the last 2d2h ago")
    assert finding.headline == f"1 of 2 pods restarted (exit 1, 1 restart, last {when(crashed)})"
    assert (finding.marks, finding.gravity) == ((), 45)


async def test_pods_that_are_done_are_left_out_and_jobs_that_failed_of_late_are_not(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    done = container(state=ended(0, reason="Completed"))
    cluster.add(pod(namespace, "backup-1", done, phase="Succeeded", ready=False, owner=("Job", "backup")))
    over = await look(kubernetes, doors, namespace=namespace)
    long_ago = [{"type": "Ready", "status": "False", "lastTransitionTime": ago(700)}]
    failed = ended(2, minutes=7)
    old, new = container(state=ended(1, minutes=700)), container(state=failed)
    cluster.add(pod(namespace, "report-1", old, phase="Failed", owner=("Job", "report"), conditions=long_ago))
    cluster.add(pod(namespace, "report-2", new, phase="Failed", owner=("Job", "report")))
    cluster.add(pod(namespace, "web-1", phase="Failed", ready=False, reason="Evicted"))

    finding = await look(kubernetes, doors, namespace=namespace)

    assert (over.outcome, over.headline) == (Outcome.HEALTHY, "no pod runs, 1 completed or on the way out")
    assert finding.headline == f"1 of 2 pods failed (exit 2, last {when(failed)}); 1 of 2 pods Evicted (for 4m)"


async def test_no_pod_at_all_is_not_taken_for_health(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    finding = await look(kubernetes, doors, namespace=namespace, selector="app=ap1")

    assert finding.outcome is Outcome.INCONCLUSIVE
    assert finding.headline == f"there is no pod with app=ap1 in namespace {namespace}"
    assert finding.equivalent == f"{kubectl(kubernetes)} get pods -n {namespace} -l app=ap1"


async def test_a_namespace_that_is_not_there_is_told_from_an_empty_one(
    namespace: str, kubernetes: Target, answered: Any, doors: Doors
) -> None:
    typo = f"{namespace}x"
    forbidden = answered({f"/api/v1/namespaces/{typo}": 403})

    with pytest.raises(NotThere, match=rf"^there is no namespace {typo}; did you mean {namespace}\?$"):
        await look(kubernetes, doors, namespace=typo)
    with pytest.raises(NotThere, match=r"^there is no namespace qqqqqqqqqqqqqq$"):
        await look(kubernetes, doors, namespace="qqqqqqqqqqqqqq")
    assert (await look(forbidden, doors, namespace=typo)).headline == f"there is no pod in namespace {typo}"


async def test_no_trouble_among_the_first_of_many_is_no_answer(namespace: str, answered: Any, doors: Doors) -> None:
    page = {
        "kind": "PodList",
        "apiVersion": "v1",
        "metadata": {"continue": "more"},
        "items": [pod(namespace, "api-1", WELL)] * 250,
    }
    target = answered({f"/api/v1/namespaces/{namespace}/pods": json.dumps(page).encode()})

    finding = await look(target, doors, namespace=namespace)

    assert finding.outcome is Outcome.INCONCLUSIVE
    assert finding.headline == "1000 pods ready among the first 1000, there are more"


async def test_pods_are_chosen_by_deployment_name_node_and_label(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors
) -> None:
    cluster.add(deployment(namespace, app="api"))
    cluster.add(pod(namespace, "api-1", container(), labels={"app": "api"}))
    cluster.add(pod(namespace, "web-1", container(), labels={"app": "web"}, node=f"node-of-{namespace}"))

    said = {
        words: (await look(kubernetes, doors, **asked)).headline
        for words, asked in {
            "deployment": {"namespace": namespace, "deployment": "api"},
            "pod": {"namespace": namespace, "pod": "web-1"},
            "node": {"node": f"node-of-{namespace}"},
            "selector": {"namespace": namespace, "selector": "app in (api, web)"},
        }.items()
    }

    assert said == {
        "deployment": "pod api-1 not ready (for 4m)",
        "pod": "pod web-1 not ready (for 4m)",
        "node": "pod web-1 not ready (for 4m)",
        "selector": "2 of 2 pods not ready (for 4m)",
    }
    with pytest.raises(Refused, match="there is no worker"):
        await look(kubernetes, doors, namespace=namespace, deployment="worker")


async def test_where_not_all_were_looked_at_it_says_so(
    cluster: Cluster, namespace: str, kubernetes: Target, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.clients.kubernetes.PAGE", 1)
    for name in ("a", "b"):
        cluster.add(pod(namespace, name, WELL))

    async def one_page(door: Any, *asked: Any, **more: Any) -> Any:
        return await whole(door, *asked, **more, most=1)

    whole = doors.kubernetes(kubernetes).__class__.list
    monkeypatch.setattr("responder.clients.kubernetes.KubernetesDoor.list", one_page)

    finding = await look(kubernetes, doors, namespace=namespace)

    assert finding.details == "only the first 1 pods were looked at"
