"""The fixture itself: what other tests lean on is really so."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from kubernetes_validate import ValidationError

from tests.systems.build_apiserver import as_source
from tests.systems.kubernetes import NODE, Cluster
from tests.systems.kubernetes_front import Front, valid

pytestmark = pytest.mark.system


def pod(namespace: str, name: str = "api-1", **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"nodeName": NODE, "containers": [{"name": "api", "image": "api:1"}]},
        "status": status,
    }


def test_objects_keep_the_status_that_they_are_given(cluster: Cluster, namespace: str) -> None:
    made = cluster.add(pod(namespace, phase="Running"))

    assert made["status"]["phase"] == "Running"
    assert cluster.ask("GET", "/version")[1]["gitVersion"] == "v1.20.2"


def test_logs_come_from_the_kubelet_through_the_apiserver(cluster: Cluster, namespace: str) -> None:
    cluster.add(pod(namespace, phase="Running"))
    cluster.kubelet.logs[namespace, "api-1", "api"] = b"one\ntwo\nthree\n"
    cluster.kubelet.logs[namespace, "api-1", "api (previous)"] = b"before\n"
    path = f"/api/v1/namespaces/{namespace}/pods/api-1/log"

    assert cluster.ask("GET", f"{path}?tailLines=2") == (200, "two\nthree\n")
    assert cluster.ask("GET", f"{path}?previous=true") == (200, "before\n")


def test_every_request_is_written_down_with_its_verb(cluster: Cluster, namespace: str) -> None:
    token = cluster.token_of(cluster.account(namespace, "who"), namespace)

    status, _ = cluster.ask("GET", f"/api/v1/namespaces/{namespace}/secrets", token=token)

    (seen,) = cluster.audited(f"{namespace}:who")
    assert status == 403
    assert (seen["verb"], seen["objectRef"]["resource"]) == ("list", "secrets")


def test_an_answer_of_a_newer_kind_must_be_what_its_schema_says() -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    scaler = {"metadata": {"name": "api"}, "spec": {"scaleTargetRef": target, "maxReplicas": 10}}
    listed = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscalerList", "items": [scaler]}
    wrong = {"metadata": {"name": "api"}, "spec": {"scaleTargetRef": target, "maxReplicas": "ten"}}

    assert valid(listed).startswith(b"{")
    with pytest.raises(ValidationError, match="ten"):
        valid({**listed, "items": [wrong]})


def test_what_is_not_said_in_front_comes_from_the_server_behind(
    cluster: Cluster, namespace: str, in_front: Callable[[Mapping[str, Any]], Front]
) -> None:
    before = in_front({"/api/v1/nodes": 429})
    through = replace(cluster, port=before.port)
    token = cluster.token_of(cluster.account(namespace), namespace)

    assert through.ask("GET", "/api/v1/nodes", token=token) == (429, "s3cret\n")
    assert through.ask("GET", "/version", token=token)[1]["gitVersion"] == "v1.20.2"


def test_sources_are_where_the_packages_are() -> None:
    assert as_source("Types: deb\nURIs: a\n\nTypes: deb deb-src\nURIs: b\n") == (
        "Types: deb-src\nURIs: a\n\nTypes: deb-src\nURIs: b\n"
    )
    assert as_source("# here\ndeb [signed-by=k] a b main\ndeb-src a b main\n") == (
        "# here\ndeb-src [signed-by=k] a b main\ndeb-src a b main\n"
    )
