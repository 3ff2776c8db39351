"""What may be read of a cluster is a list; everything else is refused before it is sent."""

from __future__ import annotations

import time

import pytest

from responder.clients.kubernetes_paths import JSON, METADATA_ONLY, READABLE, SELECTOR, why_not

PODS = "/api/v1/namespaces/shop/pods"
SECRETS = "/api/v1/namespaces/shop/secrets"
HELM = {"labelSelector": "owner=helm,name=shop", "limit": "250"}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (PODS, {}),
        ("/api/v1/pods", {"limit": "250", "continue": "eyJ2IjoibWV0YS5rOHMu_-="}),
        (f"{PODS}/api-1", {}),
        (f"{PODS}/api-1/log", {"tailLines": "200", "sinceSeconds": "1800", "previous": "true", "container": "api"}),
        (PODS, {"labelSelector": "app in (api, web),tier!=cache,!canary,k8s.io/part-of=x"}),
        (PODS, {"fieldSelector": "metadata.name=api-1,spec.nodeName=n-1.example.com"}),
        ("/api/v1/nodes/n-1.example.com", {}),
        ("/apis/metrics.k8s.io/v1beta1/nodes", {}),
    ],
)
def test_what_is_listed_may_be_read(path: str, query: dict[str, str]) -> None:
    assert why_not("GET", path, query, JSON) == ""


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get", "CONNECT"])
@pytest.mark.parametrize("path", [it.path("shop" if it.namespaced else "", "a") for it in READABLE])
def test_nothing_but_get_is_sent(method: str, path: str) -> None:
    assert why_not(method, path, {}, JSON) == f"{method} is no reading"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/version",
        "/api/v1/secrets",
        f"{SECRETS}/a",
        "/api/v1/namespaces/shop/configmaps",
        "/api/v1/namespaces/shop/serviceaccounts/a/token",
        *(f"{PODS}/api-1/{it}" for it in ("exec", "attach", "portforward", "proxy", "proxy/metrics", "eviction")),
        "/api/v1/nodes/n-1/proxy/pods",
        "/api/v1/namespaces/shop/services/a/proxy/",
        "/api/v1/watch/pods",
        "/api/v1/namespaces/shop/pods/../secrets",
        "/api/v1/namespaces/../secrets/pods",
        "/api/v1/namespaces/shop%2f..%2fsecrets/pods",
        "/api/v1//pods",
        f"{PODS}/",
        f"{PODS}\n",
        "/api/v1/namespaces//pods",
        "/api/v1/namespaces/SHOP/pods",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "/apis/autoscaling/v2beta2/horizontalpodautoscalers",
        "/logs/kubelet.log",
    ],
)
def test_no_other_path_is_asked(path: str) -> None:
    assert why_not("GET", path, {}, JSON).endswith("is not among what is read")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (PODS, {"watch": "true"}),
        (PODS, {"watch": "1", "limit": "1"}),
        (PODS, {"resourceVersion": "0"}),
        (PODS, {"labelSelector": "app=a&watch=true"}),
        (PODS, {"labelSelector": "app='a'"}),
        (PODS, {"fieldSelector": "metadata.name=a/b"}),
        (PODS, {"limit": "-1"}),
        (PODS, {"limit": "1" * 20}),
        (f"{PODS}/a/log", {"follow": "true"}),
        (f"{PODS}/a/log", {"container": "a/../b"}),
        (f"{PODS}/a/log", {"insecureSkipTLSVerifyBackend": "true"}),
    ],
)
def test_no_other_parameter_is_asked(path: str, query: dict[str, str]) -> None:
    assert why_not("GET", path, query, JSON) != ""


@pytest.mark.parametrize(
    ("query", "accept"),
    [
        (HELM, JSON),
        (HELM, f"{METADATA_ONLY}, {JSON}"),
        (HELM, ""),
        ({}, METADATA_ONLY),
        ({"labelSelector": "owner=helmet"}, METADATA_ONLY),
        ({"labelSelector": "name=shop,owner=helm"}, METADATA_ONLY),
        ({"labelSelector": "owner!=helm"}, METADATA_ONLY),
    ],
)
def test_of_secrets_only_the_metadata_of_helms_is_asked(query: dict[str, str], accept: str) -> None:
    assert why_not("GET", SECRETS, HELM, METADATA_ONLY) == ""
    assert why_not("GET", SECRETS, query, accept) == "of Secrets only Helm's metadata is read"


@pytest.mark.parametrize(
    "text", ["a" * 8000, "a," * 4000, "a in (" + "b," * 3900, "!" * 8000, "a/" * 4000, "a=b,," * 1500]
)
def test_a_hostile_selector_is_read_at_once(text: str) -> None:
    started = time.perf_counter()
    SELECTOR.fullmatch(text)

    assert time.perf_counter() - started < 1
