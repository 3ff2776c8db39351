"""The whole catalogue against a real apiserver that writes down what it is asked: gets and lists of what stands here,
by the shipped roles, which allow nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.clients.kubernetes import NotServed
from responder.diagnostics.catalogue import catalogue
from responder.errors import CouldNotLook
from responder.model.finding import Finding
from responder.model.pack import Target
from tests.deploy.test_kubernetes import MANIFESTS, documents, rendered
from tests.diagnostics.kubernetes_things import WELL, deployment, event, pod
from tests.systems.kubernetes import Cluster

pytestmark = pytest.mark.system

WHO = "system:serviceaccount:responder:responder"
READ = {"get", "list"}
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
ALLOWED = {  # the oracle: what may be asked, and is with every check
    ("list", "pods"),
    ("list", "events"),
    ("list", "nodes"),
    ("get", "namespaces"),  # where a list is empty
    ("get", "deployments"),
    ("list", "deployments"),
    ("list", "replicasets"),
    ("list", "statefulsets"),
    ("list", "controllerrevisions"),
    ("list", "horizontalpodautoscalers"),
    ("get", "pods/log"),
    ("list", "secrets"),  # by Accept of their metadata alone, held below
}


@pytest.fixture(scope="module")
def responder(cluster: Cluster) -> Path:
    """A kubeconfig of responder's account with the default role alone; the roles are those of the files."""
    for it in [*rendered(MANIFESTS.parent / "roles" / "kubernetes"), *base("Namespace", "ServiceAccount")]:
        cluster.add(it)
    return cluster.kubeconfig_of("responder", "responder")


def base(*kinds: str) -> list[dict[str, Any]]:
    files = ("namespace.yaml", "service-account.yaml")
    return [it for name in files for it in documents(MANIFESTS / "base" / name) if it["kind"] in kinds]


def in_namespace(component: str, namespace: str) -> list[dict[str, Any]]:
    """An opt-in role as its file says it, for another namespace."""
    made = documents(MANIFESTS / component / "role.yaml")
    return [it | {"metadata": it["metadata"] | {"namespace": namespace}} for it in made]


def filled(cluster: Cluster, namespace: str) -> None:
    """Something for every check to look at."""
    cluster.add(deployment(namespace, app="api"))
    cluster.add(pod(namespace, "api-1", WELL, labels={"app": "api"}))
    cluster.add(event(namespace, ("Pod", "api-1"), "BackOff"))
    cluster.kubelet.logs[namespace, "api-1", "api"] = b"ERROR s3cret\n"
    labels = {"owner": "helm", "name": "shop", "version": "1", "status": "deployed"}
    metadata = {"namespace": namespace, "name": "sh.helm.release.v1.shop.v1", "labels": labels}
    cluster.add({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"release": "s3cret"}})
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3}
    metadata = {"namespace": namespace, "name": "api"}
    kind = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler"}
    cluster.add({**kind, "metadata": metadata, "spec": spec})


async def everything_asked(
    target: Target, doors: Doors, namespace: str, asked: Mapping[str, Any]
) -> dict[str, Finding | CouldNotLook]:
    """Every check of Kubernetes, of one deployment where it takes one."""
    said: dict[str, Finding | CouldNotLook] = {}
    for name, it in catalogue().items():
        if it.target_kind == "kubernetes":
            given = {"namespace": namespace} | asked
            keys = {key: value for key, value in given.items() if key in it.parameters.model_fields}
            try:
                said[name] = await it.examine(target, it.parameters(**keys), doors)
            except CouldNotLook as why:
                said[name] = why
    return said


async def test_with_the_shipped_roles_every_check_works_and_asks_nothing_but_to_read(
    cluster: Cluster, responder: Path, namespace: str, doors: Doors
) -> None:
    filled(cluster, namespace)
    for it in (*in_namespace("pod-logs", namespace), *in_namespace("helm-history", namespace)):
        cluster.add(it)
    allow = frozenset({"logs", "helm"})
    address = {"kubeconfig": str(responder)}
    target = Target(name="it", kind="kubernetes", address=address, allow=allow, per_minute=1000)
    before = len(cluster.audited(WHO))

    said = await everything_asked(target, doors, namespace, {})
    narrowed = await everything_asked(target, doors, namespace, {"deployment": "api"})
    with suppress(CouldNotLook):  # no metrics-server stands behind this apiserver
        await catalogue()["kubernetes.usage"].examine(
            target, catalogue()["kubernetes.usage"].parameters(node="node-1"), doors
        )

    refused = {name: why for name, why in (said | narrowed).items() if isinstance(why, CouldNotLook)}
    assert {name: type(why) for name, why in refused.items()} == {"kubernetes.usage": NotServed}
    seen = cluster.audited(WHO)[before:]
    asked = {(it["verb"], _resource(it)) for it in seen if it["objectRef"].get("apiGroup") != "metrics.k8s.io"}
    assert {("list", "pods"), ("list", "events"), ("list", "nodes"), ("get", "deployments")} <= asked <= ALLOWED
    assert {it["verb"] for it in seen} <= READ
    assert all("watch" not in it["requestURI"] for it in seen)
    assert "s3cret" not in repr(said) + repr(narrowed)


def _resource(event: dict[str, Any]) -> str:
    about = event["objectRef"]
    return about["resource"] + (f"/{about['subresource']}" if "subresource" in about else "")


@pytest.mark.parametrize("verb", VERBS)
def test_whatever_is_no_reading_of_what_is_listed_is_forbidden(cluster: Cluster, responder: Path, verb: str) -> None:
    """Every resource that the server has, by its own list, under every verb: asked of the server's own review."""
    granted = {
        (it["group"], it["name"])
        for it in _resources(cluster)
        if _may(cluster, verb=verb, group=it["group"], resource=it["name"])
    }

    if verb in READ:
        groups = {(group, name) for group, name in granted if group != "metrics.k8s.io"}
        assert groups == {
            ("", "namespaces"),
            ("", "nodes"),
            ("", "pods"),
            ("", "events"),
            ("apps", "deployments"),
            ("apps", "replicasets"),
            ("apps", "statefulsets"),
            ("apps", "controllerrevisions"),
            ("autoscaling", "horizontalpodautoscalers"),
        }
    else:
        # Whoever is somebody may ask what he may do; it changes nothing, and responder does not ask.
        assert granted <= {
            ("authorization.k8s.io", "selfsubjectaccessreviews"),
            ("authorization.k8s.io", "selfsubjectrulesreviews"),
        }


def test_secrets_and_logs_are_forbidden_until_a_namespace_is_opted_in(
    cluster: Cluster, responder: Path, namespace: str
) -> None:
    def may() -> list[bool]:
        return [
            _may(cluster, verb=verb, group="", resource=resource, namespace=namespace)
            for verb, resource in (
                ("list", "secrets"),
                ("get", "pods/log"),
                ("get", "secrets"),
                ("create", "pods/exec"),
            )
        ]

    by_default = may()
    for it in (*in_namespace("pod-logs", namespace), *in_namespace("helm-history", namespace)):
        cluster.add(it)

    assert by_default == [False, False, False, False]
    assert may() == [True, True, False, False]
    assert not _may(cluster, verb="list", group="", resource="secrets", namespace="default")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/namespaces/NAMESPACE/pods"),
        ("PUT", "/api/v1/namespaces/NAMESPACE/pods/api-1"),
        ("PATCH", "/apis/apps/v1/namespaces/NAMESPACE/deployments/api"),
        ("PATCH", "/apis/apps/v1/namespaces/NAMESPACE/deployments/api/scale"),
        ("DELETE", "/api/v1/namespaces/NAMESPACE/pods/api-1"),
        ("DELETE", "/api/v1/namespaces/NAMESPACE/pods"),
        ("POST", "/api/v1/namespaces/NAMESPACE/pods/api-1/eviction"),
        ("POST", "/api/v1/namespaces/NAMESPACE/pods/api-1/exec?command=id"),
        ("GET", "/api/v1/namespaces/NAMESPACE/pods/api-1/exec?command=id"),
        ("GET", "/api/v1/namespaces/NAMESPACE/pods/api-1/proxy/"),
        ("GET", "/api/v1/namespaces/NAMESPACE/pods/api-1/portforward"),
        ("GET", "/api/v1/nodes/node-1/proxy/pods"),
        ("GET", "/api/v1/namespaces/NAMESPACE/secrets"),
        ("GET", "/api/v1/secrets"),
        ("GET", "/api/v1/namespaces/NAMESPACE/secrets/a"),
        ("GET", "/api/v1/namespaces/NAMESPACE/configmaps"),
        ("PATCH", "/api/v1/nodes/node-1"),
        ("POST", "/api/v1/namespaces/responder/serviceaccounts/responder/token"),
        ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    ],
)
def test_its_token_is_answered_403(method: str, path: str, cluster: Cluster, responder: Path, namespace: str) -> None:
    token = cluster.token_of("responder", "responder")
    body = None if method == "GET" else {"metadata": {"name": "api-1"}}

    status, said = cluster.ask(method, path.replace("NAMESPACE", namespace), body, token=token)

    assert (status, said["reason"]) == (403, "Forbidden")


def _resources(cluster: Cluster) -> list[dict[str, str]]:
    """Every resource and subresource of every group, as the server lists them."""
    _, groups = cluster.ask("GET", "/apis")
    versions = ["v1", *(it["groupVersion"] for group in groups["groups"] for it in group["versions"])]
    found = {}
    for version in versions:
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        for it in cluster.ask("GET", path)[1]["resources"]:
            group = version.rpartition("/")[0]
            found[group, it["name"]] = {"group": group, "name": it["name"]}
    assert len(found) > 90
    return list(found.values())


def _may(cluster: Cluster, *, verb: str, group: str, resource: str, namespace: str = "") -> bool:
    """What the server's authorizer says of responder's account."""
    name, _, subresource = resource.partition("/")
    about = {"verb": verb, "group": group, "resource": name, "subresource": subresource, "namespace": namespace}
    groups = ["system:serviceaccounts", "system:serviceaccounts:responder", "system:authenticated"]
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": WHO, "groups": groups, "resourceAttributes": about},
    }
    given = cluster.made("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(given["status"].get("allowed"))
