"""What may be read of a cluster, and nothing else may leave: GET of the paths that are listed here.

A path that is not here is refused where it would be sent, whoever asks. `exec`, `attach`, `portforward` and `proxy` are
GETs that change things, Secrets and ConfigMaps hold what nobody may see: none of them is here, but for the metadata of
Secrets of Helm. `watch` is a parameter that is not here either.

One POST is listed, which asks and changes nothing: SelfSubjectRulesReview, with a body that holds a namespace and no
more. https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-rules-review-v1/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")  # RFC 1123 subdomain, at most 253 characters
_NAME = NAME.pattern
# Keys may have a prefix; values may be empty; https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
_KEY = r"([A-Za-z0-9][-A-Za-z0-9_.]*/)?[A-Za-z0-9][-A-Za-z0-9_.]*"
_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
LABEL_VALUE = re.compile(_VALUE)
_TERM = rf"(!?{_KEY}|{_KEY}\s*(=|==|!=)\s*{_VALUE}|{_KEY}\s+(in|notin)\s+\(\s*{_VALUE}(\s*,\s*{_VALUE})*\s*\))"
SELECTOR = re.compile(rf"\s*{_TERM}(\s*,\s*{_TERM})*\s*")
MAX_VALUE = 8000  # characters; servers refuse longer request lines
_FIELDS = re.compile(r"[A-Za-z.]+!?=[A-Za-z0-9.-]+(,[A-Za-z.]+!?=[A-Za-z0-9.-]+)*")
_NUMBER = re.compile(r"[0-9]{1,9}")

JSON = "application/json"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
HELM_SELECTOR = "owner=helm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind of thing. `api`: `api/v1`, `apis/apps/v1`; `namespaced`: whether it is in namespaces."""

    api: str
    plural: str
    namespaced: bool = True
    accept: str = JSON

    @property
    def group(self) -> str:
        """`apps`, or empty."""
        return self.api.split("/")[1] if self.api.startswith("apis/") else ""

    def path(self, namespace: str = "", name: str = "") -> str:
        """Of a list, or of one by its name."""
        inside = f"/namespaces/{namespace}" if namespace else ""
        return f"/{self.api}{inside}/{self.plural}" + (f"/{name}" if name else "")


PODS = Resource(api="api/v1", plural="pods")
EVENTS = Resource(api="api/v1", plural="events")
NODES = Resource(api="api/v1", plural="nodes", namespaced=False)
NAMESPACES = Resource(api="api/v1", plural="namespaces", namespaced=False)
DEPLOYMENTS = Resource(api="apis/apps/v1", plural="deployments")
REPLICA_SETS = Resource(api="apis/apps/v1", plural="replicasets")
STATEFUL_SETS = Resource(api="apis/apps/v1", plural="statefulsets")
REVISIONS = Resource(api="apis/apps/v1", plural="controllerrevisions")
SCALERS = Resource(api="apis/autoscaling/v2", plural="horizontalpodautoscalers")
SCALERS_V1 = Resource(api="apis/autoscaling/v1", plural="horizontalpodautoscalers")
POD_USAGE = Resource(api="apis/metrics.k8s.io/v1beta1", plural="pods")
NODE_USAGE = Resource(api="apis/metrics.k8s.io/v1beta1", plural="nodes", namespaced=False)
HELM_RELEASES = Resource(api="api/v1", plural="secrets", accept=METADATA_ONLY)
READABLE = (
    PODS, EVENTS, NODES, NAMESPACES, DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, REVISIONS, SCALERS, SCALERS_V1,
    POD_USAGE, NODE_USAGE,
)  # fmt: skip

_INSIDE = rf"(/namespaces/{_NAME})?"
_LISTED = "|".join(rf"{it.api}{_INSIDE if it.namespaced else ''}/{it.plural}(/{_NAME})?" for it in READABLE)
_PATHS = re.compile(rf"/({_LISTED})")
_LOG = re.compile(rf"/api/v1/namespaces/{_NAME}/pods/{_NAME}/log")
_SECRETS = re.compile(rf"/api/v1/namespaces/{_NAME}/secrets")
_LIST_KEYS = {
    "limit": _NUMBER,
    "continue": re.compile(r"[A-Za-z0-9_=-]{1,8000}"),
    "labelSelector": SELECTOR,
    "fieldSelector": _FIELDS,
}
_LOG_KEYS = {
    "container": NAME,
    "previous": re.compile("true"),
    "tailLines": _NUMBER,
    "sinceSeconds": _NUMBER,
    "limitBytes": _NUMBER,
    "timestamps": re.compile("true"),
}


REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"


def review_of(namespace: str) -> dict[str, Any]:
    """The one body that is ever posted: what may I do in this namespace?"""
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }


def is_review(method: str, path: str, body: object) -> bool:
    """Whether a request is that one, to the letter."""
    named = re.search(r'"namespace": "([^"]*)"', body) if isinstance(body, str) else None
    if method != "POST" or path != REVIEW or named is None or not NAME.fullmatch(named[1]):
        return False
    return body == json.dumps(review_of(named[1]))


def why_not(method: str, path: str, query: Mapping[str, str], accept: str) -> str:
    """Why this request may not be sent; empty when it may. `path` is the decoded one, below the server's address."""
    if method != "GET":
        return f"{method} is no reading"
    if _LOG.fullmatch(path):
        return _of_keys(query, _LOG_KEYS)
    if _SECRETS.fullmatch(path):
        metadata_alone = accept == METADATA_ONLY and query.get("labelSelector", "").split(",")[0] == HELM_SELECTOR
        return _of_keys(query, _LIST_KEYS) if metadata_alone else "of Secrets only Helm's metadata is read"
    return _of_keys(query, _LIST_KEYS) if _PATHS.fullmatch(path) else f"{path[:80]} is not among what is read"


def _of_keys(query: Mapping[str, str], allowed: Mapping[str, re.Pattern[str]]) -> str:
    for key, value in query.items():
        if key not in allowed:
            return f"the parameter {key[:40]} is not among what is asked"
        if len(value) > MAX_VALUE or not allowed[key].fullmatch(value):
            return f"{key} {value[:80]!r} is not one that Kubernetes knows"
    return ""
