"""Parameters of all checks of Kubernetes: names and selectors, into which labels are put as they are or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from responder.clients.kubernetes_objects import Metadata, Owner
from responder.diagnostics.kubernetes_asked import Where, deployment_of, helm, kubectl, options, reason
from responder.model.pack import Target
from tests.diagnostics.test_plan import entry, pack, planned, rule


@pytest.mark.parametrize(
    "given",
    [
        {"namespace": "shop", "deployment": "api"},
        {"namespace": "{{ labels.namespace }}", "pod": "{{ labels.pod }}"},
        {"selector": "app={{ labels.app }},tier in (a,b)"},
        {"node": "ip-10-0-0-1.ec2.internal"},
        {},
    ],
)
def test_names_and_selectors_are_taken(given: dict[str, Any]) -> None:
    assert Where(**given).model_dump(exclude_defaults=True) == given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"namespace": "Shop"}, "expected a name such as api-7c9d, got 'Shop'"),
        ({"pod": "../secrets"}, "expected a name such as api-7c9d, got '../secrets'"),
        ({"selector": "app=(a"}, r"expected a label selector such as app=api,tier!=cache, got 'app=\(a'"),
        ({"deployment": "api"}, "a deployment is looked for in its namespace; expected `namespace` too"),
    ],
)
def test_what_is_no_name_and_no_selector_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Where(**given)


@pytest.mark.parametrize(
    ("address", "command"),
    [
        ("in-cluster", "kubectl"),
        ({}, "kubectl"),
        ({"kubeconfig": "/etc/our cluster"}, "kubectl --kubeconfig '/etc/our cluster'"),
        ({"kubeconfig": "k.yaml", "context": "prod; id"}, "kubectl --kubeconfig k.yaml --context 'prod; id'"),
        ({"kubeconfig": "${KUBE}"}, "kubectl --kubeconfig '${KUBE}'"),
    ],
)
def test_a_command_names_the_cluster_that_was_looked_at(address: Any, command: str) -> None:
    target = Target(name="it", kind="kubernetes", address=address)

    assert kubectl(target) == command
    assert helm(target) == command.replace("kubectl", "helm").replace("--context", "--kube-context")


@pytest.mark.parametrize(
    ("labels", "asked"),
    [
        ({"namespace": "shop", "app": "api"}, {"namespace": "shop", "selector": "app=api"}),
        ({"namespace": "shop", "app": "Api_1.0"}, {"namespace": "shop", "selector": "app=Api_1.0"}),
    ],
)
def test_labels_of_alerts_are_put_in(labels: dict[str, str], asked: dict[str, str]) -> None:
    wanted = entry("kubernetes.pods", namespace="{{ labels.namespace }}", selector="app={{ labels.app }}")

    (ask,) = planned(pack(cluster="kubernetes"), rule(wanted), alerts=[labels]).asks

    assert ask.parameters.model_dump(exclude_defaults=True) == asked


@pytest.mark.parametrize("name", ["namespace", "pod", "node"])
@pytest.mark.parametrize(
    "value", ["../secrets", "a/b", "a b", "A", 'a"', "{{ labels.app }}", "a?watch=true", "a" * 300]
)
def test_a_label_that_is_no_name_leaves_the_question_out(name: str, value: str) -> None:
    made = planned(
        pack(cluster="kubernetes"), rule(entry("kubernetes.pods", **{name: "{{ labels.x }}"})), alerts=[{"x": value}]
    )

    assert made.asks == ()
    assert [why.split(", got")[0] for _, why in made.left_out] == [
        "with its labels: Value error, expected a name such as api-7c9d"
    ]


@pytest.mark.parametrize("value", ["a,tier=b", "a)", "!x", "a in (b)", "a&b=c", "a b", "{{ labels.app }}", "a" * 64])
def test_a_label_cannot_add_to_a_selector(value: str) -> None:
    made = planned(
        pack(cluster="kubernetes"), rule(entry("kubernetes.pods", selector="app={{ labels.x }}")), alerts=[{"x": value}]
    )

    assert made.asks == ()
    assert "expected a label selector" in made.left_out[0][1]


def test_the_command_is_quoted_for_a_shell() -> None:
    assert options("shop", labels="app in (a,b)") == " -n shop -l 'app in (a,b)'"
    assert options("", fields="spec.nodeName=n") == " -A --field-selector spec.nodeName=n"
    assert options(None) == ""


def test_a_deployment_is_known_by_the_names_that_kubernetes_gives() -> None:
    owner = Owner(kind="ReplicaSet", name="api-7c9d8f6b5c")
    hashed = {"pod-template-hash": "7c9d8f6b5c"}

    assert deployment_of(_pod(owner, hashed)) == "api"
    assert deployment_of(_pod(owner, {})) == ""
    assert deployment_of(_pod(Owner(kind="StatefulSet", name="api-7c9d8f6b5c"), hashed)) == ""
    assert deployment_of(_pod(Owner(kind="ReplicaSet", name="own"), hashed)) == ""


def _pod(owner: Owner, labels: dict[str, str]) -> Metadata:
    return Metadata(name="api-1", ownerReferences=(owner,), labels=labels)


def test_a_reason_is_one_word() -> None:
    assert reason("CrashLoopBackOff") == "CrashLoopBackOff"
    assert [reason(it, "other") for it in ("", "patient 4711", "a" * 99, "a\n")] == ["other"] * 4
