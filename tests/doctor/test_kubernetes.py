"""What accounts of a real kube-apiserver may do, as it tells itself: nothing of it is tried."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from responder.clients.doors import Doors
from responder.clients.kubernetes_paths import REVIEW, is_review, review_of
from responder.doctor.access import Access, Power
from responder.doctor.kubernetes import ask
from responder.model.pack import Target
from tests.systems.kubernetes import Cluster

pytestmark = pytest.mark.system
READ_ONLY = Path(__file__).parents[2] / "deploy" / "roles" / "kubernetes" / "read-only.yaml"
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture
async def may(cluster: Cluster, namespace: str) -> AsyncIterator[Callable[..., Any]]:
    """`await may({"verbs": …})`: what an account with the shipped role and these rules may do."""
    doors = Doors({})
    account = cluster.account(namespace)

    async def asked(*rules: dict[str, Any], shipped: bool = True, allow: frozenset[str] = frozenset()) -> Access:
        role = next(it for it in yaml.safe_load_all(READ_ONLY.read_text()) if it["kind"] == "ClusterRole")
        several = [*(role["rules"] if shipped else ()), *rules]
        named = {"metadata": {"name": f"doctor-{namespace}"}}
        cluster.add({"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", **named, "rules": several})
        subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
        reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": f"doctor-{namespace}"}
        bound = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRoleBinding", **named}
        cluster.add({**bound, "roleRef": reference, "subjects": [subject]})
        address = {"kubeconfig": str(cluster.kubeconfig_of(account, namespace))}
        return await ask(Target(name="it", kind="kubernetes", address=address, allow=allow), doors)

    yield asked
    await doors.close()


def rule(verbs: list[str], *resources: str, group: str = "") -> dict[str, Any]:
    return {"apiGroups": [group], "resources": list(resources), "verbs": verbs}


async def test_the_shipped_role_may_look_and_nothing_else(may: Callable[..., Any]) -> None:
    access = await may()

    assert (access.grants, access.lacks, access.not_known) == ((), (), "")


async def test_who_may_do_everything_may_write_and_read(cluster: Cluster) -> None:
    doors = Doors({})
    target = Target(name="it", kind="kubernetes", address={"kubeconfig": str(cluster.kubeconfig)})

    access = await ask(target, doors)

    await doors.close()
    assert any("do everything to everything" in it for it in access.writes)
    assert [it.what for it in access.grants if it.power is Power.READS] == ["may read configmaps, read secrets"]


@pytest.mark.parametrize(
    ("given", "what", "power"),
    [
        (rule(["delete"], "pods"), "may delete pods", Power.WRITES),
        (rule(["patch"], "deployments/scale", group="apps"), "may patch deployments/scale", Power.WRITES),
        (rule(["get"], "pods/exec"), "may get pods/exec", Power.WRITES),
        (rule(["impersonate"], "users"), "may impersonate users", Power.WRITES),
        (rule(["list"], "secrets"), "may read secrets", Power.READS),
        (rule(["get"], "configmaps"), "may read configmaps", Power.READS),
    ],
)
async def test_each_rule_that_is_too_much_is_named(
    given: dict[str, Any], what: str, power: Power, may: Callable[..., Any]
) -> None:
    access = await may(given)

    assert [(it.what, it.power) for it in access.grants] == [(what, power)]


@pytest.mark.parametrize("group", ["", "*"])
async def test_who_may_get_everything_may_run_programs_in_pods(group: str, may: Callable[..., Any]) -> None:
    access = await may(rule(["get", "list", "watch"], "*", group=group))

    assert access.writes == ("may get everything, pods/exec among it",)


async def test_what_a_target_opts_into_is_meant_and_what_it_lacks_is_told(may: Callable[..., Any]) -> None:
    allow = frozenset({"logs", "helm"})

    access = await may(rule(["list"], "secrets"), shipped=False, allow=allow)

    assert access.grants == ()
    assert access.lacks[:2] == ("reading pods", "reading events")
    assert access.lacks[-1] == "reading pods/log"


async def test_nothing_but_reviews_is_sent(cluster: Cluster, namespace: str, may: Callable[..., Any]) -> None:
    await may()

    asked = {(it["verb"], it["objectRef"]["resource"]) for it in cluster.audited(f"{namespace}:")}
    assert asked == {("create", "selfsubjectrulesreviews")}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", REVIEW, json.dumps(review_of("default"))),
        ("POST", "/api/v1/namespaces/default/pods", json.dumps(review_of("default"))),
        ("POST", REVIEW.replace("rules", "access"), json.dumps(review_of("default"))),
        ("POST", REVIEW, json.dumps({**review_of("default"), "kind": "Pod"})),
        ("POST", REVIEW, json.dumps(review_of("Default/..")).encode()),
        ("POST", REVIEW, json.dumps(review_of("no name"))),
        ("POST", REVIEW, json.dumps({**review_of("default"), "more": 1})),
        ("POST", REVIEW, None),
    ],
)
def test_no_other_post_is_one(method: str, path: str, body: object) -> None:
    assert is_review("POST", REVIEW, json.dumps(review_of("default")))
    assert not is_review(method, path, body)
