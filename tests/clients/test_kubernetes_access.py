"""Who we are at a cluster: a service account, or one context of a kubeconfig whose programs are not run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from responder.clients import kubernetes_access
from responder.clients.doors import Doors
from responder.clients.known_secrets import secrets_of
from responder.clients.kubernetes_access import access_of, cluster
from responder.errors import NotConfigured
from responder.model.pack import Target

IN_CLUSTER = Target(name="cluster", kind="kubernetes", address="in-cluster")
POD = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}


def written(folder: Path, user: dict[str, Any], place: dict[str, Any] | None = None, **more: Any) -> Path:
    """A kubeconfig of two clusters, whose current context is `one`."""
    path = folder / "kubeconfig"
    named = {"server": "https://one.example.com:6443/base/"} | (place or {})
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "first", "cluster": named},
            {"name": "second", "cluster": {"server": "https://two.example.com"}},
        ],
        "users": [{"name": "ann", "user": user}, {"name": "bob", "user": {"token": "bobs"}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "first", "user": "ann"}},
            {"name": "two", "context": {"cluster": "second", "user": "bob"}},
        ],
        "current-context": "one",
    }
    path.write_text(yaml.safe_dump(config | more))
    return path


def of(path: Path | str, context: str = "") -> Target:
    address = {"kubeconfig": str(path)} | ({"context": context} if context else {})
    return Target(name="cluster", kind="kubernetes", address=address)


def test_the_current_context_is_taken_unless_one_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, {"token": "anns"})

    current, named = access_of(of(path), {}), access_of(of(path, "two"), {})

    assert (current.server, current.secrets) == ("https://one.example.com:6443/base", ("anns",))
    assert (named.server, named.secrets) == ("https://two.example.com", ("bobs",))
    assert "anns" not in repr(current)


def test_variables_stand_for_path_and_context(tmp_path: Path) -> None:
    written(tmp_path, {"token": "anns"})
    target = of("${KUBE}/kubeconfig", "${CONTEXT}")

    assert Doors({"KUBE": str(tmp_path), "CONTEXT": "two"}).shown(target) == "https://two.example.com"
    with pytest.raises(NotConfigured, match="CONTEXT is not set"):
        Doors({"KUBE": str(tmp_path)}).shown(target)


def test_a_token_that_was_rotated_makes_another_target(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old\n")
    path = written(tmp_path, {"tokenFile": "token"})
    before = cluster(of(path), {})

    (tmp_path / "token").write_text("new\n")

    assert (before.secrets, cluster(of(path), {}).secrets) == (("old",), ("new",))
    assert before.clean("refused: old token") == "refused: *** token"
    assert cluster(of(path), {}) != before


def test_what_a_kubeconfig_and_a_pod_show_is_known_to_redaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_access, "SERVICE_ACCOUNT", tmp_path)
    (tmp_path / "token").write_text("of-the-pod\n")
    path = written(tmp_path, {"username": "ann", "password": "of-ann", "client-key-data": "a2V5"})
    targets = [IN_CLUSTER, of(path), of(path, "two"), of(tmp_path / "nowhere")]

    assert set(secrets_of(targets, POD)) == {"of-the-pod", "of-ann", "a2V5", "bobs"}


@pytest.mark.parametrize(
    ("user", "place", "more", "said"),
    [
        ({"exec": {"command": "s3cret"}}, {}, {}, r"a program gives its user's credentials \(exec\), which responder"),
        ({"auth-provider": {"name": "gcp"}}, {}, {}, "auth-provider gives its user's credentials"),
        ({"token": "t"}, {"insecure-skip-tls-verify": True}, {}, "certificate of the server would not be checked"),
        ({"token": "t"}, {"proxy-url": "http://s3cret@p"}, {}, "proxy-url: proxies are not used"),
        ({"token": "t"}, {"server": "http://s3cret"}, {}, "expected a server like https://host:port"),
        ({"token": "t"}, {}, {"current-context": "x"}, "expected one context named 'x', found one, two"),
        ({"token": "t"}, {}, {"current-context": ""}, "no current-context; say which with `context`"),
        ({"token": "t"}, {}, {"users": []}, "expected one user named 'ann', found none"),
        ({"token": "t"}, {}, {"clusters": "s3cret"}, "expected one cluster named 'first', found none"),
        ({"tokenFile": "nowhere"}, {}, {}, "nowhere cannot be read: No such file"),
    ],
)
def test_what_cannot_be_taken_says_why_and_what_to_do(
    user: dict[str, Any], place: dict[str, Any], more: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(NotConfigured, match=said) as raised:
        access_of(of(written(tmp_path, user, place, **more)), {})
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: [s3cret", "is no YAML"), ("[s3cret]", "is no kubeconfig"), (" " * 2**21, "is larger than 1 MiB")],
)
def test_a_file_that_is_no_kubeconfig_is_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(text)

    with pytest.raises(NotConfigured, match=said) as raised:
        access_of(of(tmp_path / "kubeconfig"), {})
    assert "s3cret" not in str(raised.value)


def test_a_pod_is_at_the_address_that_kubernetes_gives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_access, "SERVICE_ACCOUNT", tmp_path)
    (tmp_path / "token").write_text("of-the-pod\n")

    assert cluster(IN_CLUSTER, POD).shown == "https://[fd00::1]:443"
    with pytest.raises(NotConfigured, match=r"this is no pod of a cluster \(KUBERNETES_SERVICE_HOST is not set\)"):
        access_of(IN_CLUSTER, {})
    (tmp_path / "token").write_text("")
    with pytest.raises(NotConfigured, match="token is empty"):
        access_of(IN_CLUSTER, POD)


def test_without_a_path_the_file_is_taken_that_kubectl_would_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, {"token": "anns"})
    target = Target(name="cluster", kind="kubernetes", address={"context": "two"})
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / ".kube").mkdir(parents=True)
    (tmp_path / "home" / ".kube" / "config").write_bytes(path.read_bytes())

    assert access_of(target, {}).server == "https://two.example.com"
    assert access_of(target, {"KUBECONFIG": str(path)}).folder == str(tmp_path)
    with pytest.raises(NotConfigured, match="KUBECONFIG names several files; say which with `kubeconfig`"):
        access_of(target, {"KUBECONFIG": f"{path}:{path}"})


def test_whatever_else_is_no_target() -> None:
    target = Target(name="cluster", kind="kubernetes", address="https://example.com")

    with pytest.raises(NotConfigured, match=r"expected in-cluster or \{kubeconfig: path, context: name\}"):
        access_of(target, {})
