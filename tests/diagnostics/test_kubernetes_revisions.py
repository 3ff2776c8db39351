"""Two revisions of a workload differ in images, names and references; values never come as far as here."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from responder.clients.kubernetes_revisions import ControllerRevision, ReplicaSet, Workload
from responder.diagnostics import kubernetes_revisions
from responder.diagnostics.kubernetes_revisions import Rollout, rollouts

OLD, NEW = "2026-11-20T02:00:00Z", "2026-11-20T03:08:20Z"
SECRET = "s3cret-value"


def container(image: str = "shop/api:2.14.0", name: str = "api", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": image, **more}


def pods(*containers: dict[str, Any], annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"annotations": annotations}, "spec": {"containers": list(containers), **spec}}


def replica_set(number: int, template: dict[str, Any], made: str = NEW) -> ReplicaSet:
    metadata = {
        "name": f"api-{number}",
        "namespace": "shop",
        "creationTimestamp": made,
        "annotations": {"deployment.kubernetes.io/revision": str(number), "note": SECRET},
        "ownerReferences": [{"kind": "Deployment", "name": "api"}],
    }
    return ReplicaSet.model_validate({"metadata": metadata, "spec": {"template": template}})


def workload(*written: tuple[str, str], **status: Any) -> Workload:
    """`written`: (manager, when) of the template."""
    fields = {"f:spec": {"f:template": {}}}
    managed = [{"manager": manager, "time": at, "fieldsV1": fields} for manager, at in written]
    metadata = {"name": "api", "namespace": "shop", "managedFields": managed}
    return Workload.model_validate({"metadata": metadata, "spec": {"replicas": 6}, "status": status})


def told(before: dict[str, Any], after: dict[str, Any]) -> str:
    return rolled(replica_set(41, before, OLD), replica_set(42, after)).told


def rolled(*revisions: ReplicaSet | ControllerRevision, deployment: Workload | None = None) -> Rollout:
    (only,) = rollouts(revisions, {("shop", "api"): deployment} if deployment else {})
    return only


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (container(), container("shop/api:2.15.0"), "image 2.14.0 → 2.15.0"),
        (container(), container("other/api:2.15.0"), "image shop/api:2.14.0 → other/api:2.15.0"),
        (container("api@sha256:" + "a" * 64), container("api@sha256:" + "b" * 64),
         f"image sha256:{'a' * 12} → sha256:{'b' * 12}"),
        (container(env=[{"name": "STRIPE_KEY", "value": SECRET}, {"name": "A"}]),
         container(env=[{"name": "A"}, {"name": "PAY_KEY", "value": SECRET}]), "environment +PAY_KEY -STRIPE_KEY"),
        (container(env=[{"name": "POOL", "value": "10"}]), container(env=[{"name": "POOL", "value": SECRET}]),
         "another value of POOL"),
        (container(envFrom=[{"configMapRef": {"name": "one"}}]), container(envFrom=[{"secretRef": {"name": "two"}}]),
         "config +secret two -configMap one"),
        (container(), container(env=[{"name": "K", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}]),
         "environment +K, config +secret keys"),
        (container(resources={"limits": {"memory": "512Mi"}}), container(resources={"limits": {"memory": "256Mi"}}),
         "memory limit 512Mi → 256Mi"),
        (container(), container(resources={"requests": {"cpu": "1"}}), "cpu request none → 1"),
        (container(command=["a", SECRET]), container(command=["b", SECRET]), "command"),
        (container(), container(livenessProbe={"exec": {"command": [SECRET]}}), "settings of its container"),
    ],
)  # fmt: skip
def test_what_changed_is_told_by_name(before: dict[str, Any], after: dict[str, Any], expected: str) -> None:
    said = told(pods(before), pods(after))

    assert said == expected
    assert SECRET not in said


def test_what_changed_around_the_containers_is_told_too() -> None:
    volumes = [
        {"configMap": {"name": "settings"}},
        {"secret": {"secretName": "certificate"}},
        {"projected": {"sources": [{"configMap": {"name": "more"}}]}},
    ]

    assert told(pods(container()), pods(container(), volumes=volumes)) == (
        "config +configMap more, +configMap settings, +secret certificate"
    )
    assert told(pods(container()), pods(container(), annotations={"kubectl.kubernetes.io/restartedAt": "x"})) == (
        "restarted by hand"
    )
    assert told(pods(container()), pods(container(), serviceAccountName="x")) == "settings of its pods"
    assert told(pods(container()), pods(container())) == "its template, in what is not compared"


def test_of_several_containers_each_is_named() -> None:
    before = pods(container(), container("envoy:1", "proxy"))
    after = pods(
        container("shop/api:2.15.0"), container("envoy:1", "mesh"), initContainers=[container("m:1", "migrate")]
    )

    assert told(before, after) == "container +migrate, image of api 2.14.0 → 2.15.0, container +mesh, container -proxy"


def test_many_names_are_cut() -> None:
    env = [{"name": f"V{number}"} for number in range(8)]

    assert told(pods(container()), pods(container(env=env))) == "environment +V0, +V1, +V2, +V3, +V4 and 3 more"


def test_no_value_is_kept_from_the_moment_it_comes_in() -> None:
    env = [{"name": "A", "value": SECRET}]
    given = container(env=env, command=[SECRET], args=[SECRET], lifecycle={"x": SECRET})
    made = replica_set(1, pods(given, annotations={"a": SECRET}, hostname=SECRET))

    assert SECRET not in repr(made) + str(made.model_dump())


def test_the_first_revision_says_so_and_one_whose_former_is_gone_too() -> None:
    assert rolled(replica_set(1, pods(container()))).told == "image 2.14.0 (its first revision)"
    assert rolled(replica_set(9, pods(container()))).told == "image 2.14.0 (the former revision is not kept)"


def test_who_rolled_out_is_named_where_one_wrote_the_template() -> None:
    revisions = replica_set(41, pods(container()), OLD), replica_set(42, pods(container("shop/api:2.15.0")))
    controller = ("kube-controller-manager", NEW)

    assert rolled(*revisions, deployment=workload(("ci", NEW), controller)).by == "ci"
    assert rolled(*revisions, deployment=workload(("ci", OLD), ("helm", "2026-11-20T03:08:19Z"))).by == "helm"
    assert rolled(*revisions, deployment=workload(("ci", OLD), ("helm", OLD))).by == ""
    assert rolled(*revisions, deployment=workload(("ci", NEW), ("helm", NEW))).by == ""
    assert rolled(*revisions).by == ""


def test_going_back_is_dated_by_who_wrote_it_and_not_by_the_revision_that_is_taken_up_again() -> None:
    revisions = replica_set(43, pods(container()), "2026-11-01T00:00:00Z"), replica_set(42, pods(container("b:1")), OLD)

    back = rolled(*revisions, deployment=workload(("kubectl", NEW)))

    assert (back.number, back.previous, str(back.at)) == (43, 42, "2026-11-20 03:08:20+00:00")
    assert rolled(*revisions).at is None


def test_a_controller_revision_is_one_too() -> None:
    def revision(number: int, image: str, made: str) -> ControllerRevision:
        owner = [{"kind": "StatefulSet", "name": "db"}]
        metadata = {"name": f"db-{number}", "namespace": "shop", "creationTimestamp": made, "ownerReferences": owner}
        data = {"spec": {"template": pods(container(image))}}
        return ControllerRevision.model_validate({"metadata": metadata, "data": data, "revision": number})

    found = rolled(revision(2, "db:16", NEW), revision(1, "db:15", OLD))

    assert (found.kind, found.called, found.told, found.images) == (
        "StatefulSet",
        "db rev 2",
        "image 15 → 16",
        ("db:15", "db:16"),
    )


@pytest.mark.parametrize("number", ["", "x", "٣", "9" * 30])
def test_an_odd_number_is_none(number: str) -> None:
    given = {"metadata": {"name": "a", "annotations": {"deployment.kubernetes.io/revision": number}}}

    assert ReplicaSet.model_validate(given).number == 0


def test_the_examples_hold() -> None:
    assert doctest.testmod(kubernetes_revisions).failed == 0
