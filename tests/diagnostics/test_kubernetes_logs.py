"""Logs of real pods come through the apiserver from a kubelet, and leave it as shapes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.catalogue import catalogue
from responder.diagnostics.kubernetes_asked import kubectl
from responder.diagnostics.kubernetes_logs import Asked, AskedBeside
from responder.errors import CouldNotLook, Refused
from responder.model.catalogue import Beside
from responder.model.finding import Finding, Outcome
from tests.diagnostics.kubernetes_things import container, pod
from tests.diagnostics.kubernetes_workloads import look, target
from tests.systems.kubernetes import Cluster

pytestmark = pytest.mark.system

NOW = datetime.now(UTC)
PATIENT = "Maria Popescu"


def ago(minutes: float) -> str:
    return f"{NOW - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}.123456789Z"


def log(*texts: str, since: float = 29, until: float = 0) -> bytes:
    """With times from `since` minutes ago on, the last one `until` minutes ago."""
    step = (since - until) / max(len(texts) - 1, 1)
    return "".join(f"{ago(since - number * step)} {text}\n" for number, text in enumerate(texts)).encode()


QUIET = log(*["INFO served a request"] * 30)
BROKEN = log(*["ERROR app.worker: cannot bill: KeyError: 'STRIPE_KEY'"] * 12, since=10, until=9)


@pytest.fixture
def logs(cluster: Cluster, namespace: str) -> Iterator[Any]:
    """`logs(pod, container, body)`: what the kubelet has of it."""
    told: list[tuple[str, str, str]] = []

    def given(name: str, body: bytes | int, of: str = "api") -> None:
        told.append((namespace, name, of))
        cluster.kubelet.logs[namespace, name, of] = body

    yield given
    for it in told:
        del cluster.kubelet.logs[it]


async def asked(cluster: Cluster, doors: Doors, namespace: str, **more: Any) -> Finding:
    return await look("kubernetes.logs", target(cluster.kubeconfig, "logs"), doors, namespace=namespace, **more)


async def test_errors_of_several_pods_are_counted_together_and_the_new_one_is_told(
    cluster: Cluster, namespace: str, doors: Doors, logs: Any
) -> None:
    for name in ("api-1", "api-2"):
        cluster.add(pod(namespace, name, labels={"app": "api"}))
        logs(name, QUIET + BROKEN)
    cluster.add(pod(namespace, "other"))

    found = await asked(cluster, doors, namespace, selector="app=api")

    assert found.headline.startswith("cannot bill: KeyError 'STRIPE_KEY' in app.worker ×24, new since ")
    assert (found.outcome, found.marks, found.found) == (
        Outcome.UNHEALTHY,
        ("new_errors",),
        {"error": "KeyError", "namespace": namespace},
    )
    assert found.details == "read: 2 logs of 2 pods"
    assert found.equivalent == (
        f"{kubectl(target(cluster.kubeconfig))} logs -n {namespace} -l app=api"
        " --all-containers --prefix --timestamps --tail=200 --since=1800s"
    )


async def test_beside_an_incident_the_onset_is_known(cluster: Cluster, namespace: str, doors: Doors, logs: Any) -> None:
    cluster.add(pod(namespace, "api-1"))
    logs("api-1", QUIET + BROKEN)
    beside = Asked(namespace=namespace).beside(Beside(onset=NOW - timedelta(minutes=12)))

    where = target(cluster.kubeconfig, "logs")
    found = await catalogue()["kubernetes.logs"].examine(where, beside, doors)

    assert found.headline.endswith(" ×12, new since onset")


def test_incidents_of_one_minute_ask_the_same() -> None:
    minute = datetime(2026, 11, 20, 3, 8, tzinfo=UTC)
    one, other = (Asked().beside(Beside(onset=minute + timedelta(seconds=it))) for it in (5, 55))

    assert one == other == AskedBeside(onset=minute)
    assert Asked().beside(Beside(excerpts=True)) == AskedBeside(excerpts=True)


async def test_what_the_container_said_before_it_crashed_is_news_however_short(
    cluster: Cluster, namespace: str, doors: Doors, logs: Any
) -> None:
    cluster.add(pod(namespace, "api-1", container(restarts=14)))
    cluster.add(pod(namespace, "api-2", container(ready=True)))
    logs("api-1", log("Traceback (most recent call last):", "KeyError: 'STRIPE_KEY'", since=1), "api (previous)")

    found = await asked(cluster, doors, namespace, previous=True)

    assert found.headline.startswith("KeyError 'STRIPE_KEY' ×1, last ")
    assert found.marks == ("new_errors",)
    assert found.found == {"error": "KeyError", "namespace": namespace, "pod": "api-1"}
    assert found.equivalent.startswith(f"{kubectl(target(cluster.kubeconfig))} logs api-1 -n {namespace} ")
    assert found.equivalent.endswith(" --previous")


async def test_without_a_restart_there_is_no_previous_log(cluster: Cluster, namespace: str, doors: Doors) -> None:
    cluster.add(pod(namespace, "api-1", container(ready=True)))

    found = await asked(cluster, doors, namespace, previous=True)

    assert (found.outcome, found.headline) == (
        Outcome.HEALTHY,
        "no container has restarted, so there is no previous log",
    )


async def test_all_containers_are_read_and_one_that_cannot_be_is_named(
    cluster: Cluster, namespace: str, doors: Doors, logs: Any
) -> None:
    cluster.add(pod(namespace, "api-1", container(), container("proxy")))
    logs("api-1", QUIET)
    logs("api-1", 400, "proxy")

    found = await asked(cluster, doors, namespace)

    assert found.headline == "no error among 30 lines of the last 30m"
    assert "read: 1 log of 1 pod\nthe log of api-1/proxy could not be read: " in found.details


async def test_containers_in_trouble_are_read_first_and_the_rest_is_counted(
    cluster: Cluster, namespace: str, doors: Doors, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.diagnostics.kubernetes_logs.MOST_LOGS", 1)
    cluster.add(pod(namespace, "api-1", container(ready=True)))
    cluster.add(pod(namespace, "api-2", container()))
    logs("api-2", QUIET)

    found = await asked(cluster, doors, namespace)

    assert found.details == "read: 1 log of 1 pod\nnot read: 1 further container"


async def test_no_log_at_all_is_no_healthy_log(cluster: Cluster, namespace: str, doors: Doors, logs: Any) -> None:
    cluster.add(pod(namespace, "api-1"))
    logs("api-1", 500)

    with pytest.raises(CouldNotLook):
        await asked(cluster, doors, namespace)
    with pytest.raises(CouldNotLook, match=r"there is no pod with app=x in namespace .*, so there is no log to read"):
        await asked(cluster, doors, namespace, selector="app=x")


async def test_logs_are_read_only_where_the_target_allows_it(cluster: Cluster, namespace: str, doors: Doors) -> None:
    cluster.add(pod(namespace, "api-1"))

    with pytest.raises(Refused, match=r"only where the target says `allow: \[logs\]`"):
        await look("kubernetes.logs", target(cluster.kubeconfig), doors, namespace=namespace)


async def test_no_line_leaves_as_it_is_unless_excerpts_are_asked_for_and_then_redacted(
    cluster: Cluster, namespace: str, doors: Doors, logs: Any
) -> None:
    cluster.add(pod(namespace, "api-1"))
    logs("api-1", QUIET + log(f"ERROR no bed for {PATIENT}, mail maria@example.com", since=5))
    where, check = target(cluster.kubeconfig, "logs"), catalogue()["kubernetes.logs"]

    without = await check.examine(where, AskedBeside(namespace=namespace), doors)
    with_them = await check.examine(where, AskedBeside(namespace=namespace, excerpts=True), doors)

    assert "Popescu" not in repr(without)
    assert "no bed" not in repr(without)
    assert with_them.details.endswith(f"ERROR no bed for {PATIENT}, mail [redacted:email]")


async def test_what_is_asked_of_the_kubelet_is_bounded(
    cluster: Cluster, namespace: str, doors: Doors, logs: Any
) -> None:
    cluster.add(pod(namespace, "api-1"))
    logs("api-1", QUIET)

    await asked(cluster, doors, namespace, tail=50, since="5m")

    query = next(it for it in reversed(cluster.kubelet.asked) if namespace in it)
    assert {"tailLines=50", "sinceSeconds=300", "limitBytes=1048576", "timestamps=true"} <= set(
        query.partition("?")[2].split("&")
    )


async def test_a_line_cannot_say_of_a_part_of_itself_that_it_is_old(
    cluster: Cluster, namespace: str, doors: Doors, logs: Any
) -> None:
    cluster.add(pod(namespace, "api-1"))
    forged = [f"INFO x{end}2020-01-01T00:00:00Z ERROR KeyError: 'STRIPE_KEY'" for end in ("\u2028", "\x85", "\x0c")]
    logs("api-1", QUIET + log(*forged, since=25, until=20) + BROKEN)

    found = await asked(cluster, doors, namespace, pod="api-1")

    assert (found.outcome, found.marks) == (Outcome.UNHEALTHY, ("new_errors",))
    assert "2020" not in repr(found)
