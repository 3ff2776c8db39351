"""Where a cluster is and who we are there: a pod's service account, or one context of a kubeconfig.

Only a token, a token's file, a certificate or a password is taken. A kubeconfig may also name a program that makes
credentials (`exec`, `auth-provider`): that program would run with all that responder knows, so it is refused.
https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from responder.clients.resolve import Resolved, replaced, resolve
from responder.errors import NotConfigured
from responder.model.pack import Target

IN_CLUSTER = "in-cluster"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")  # where the kubelet mounts it
HOST, PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
HTTPS = frozenset({"https"})
MAX_FILE_BYTES = 1024 * 1024
SECRET_KEYS = ("token", "password", "client-key-data")
REFUSED_OF_USER = {
    "exec": "a program gives its user's credentials",
    "auth-provider": "an auth-provider gives its user's credentials",
}
REFUSED_OF_CLUSTER = {
    "insecure-skip-tls-verify": "the certificate of the server would not be checked; expected certificate-authority",
    "proxy-url": "proxies are not used",
}
CURE = "expected a token or a certificate, such as `kubectl create token responder` makes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """`kubeconfig`: its one context as a file would say it, None in a pod; `folder`: what paths in it start from."""

    server: str
    secrets: tuple[str, ...] = field(repr=False)
    kubeconfig: Mapping[str, Any] | None = field(default=None, repr=False)
    folder: str = ""


def cluster(target: Target, environment: Mapping[str, str]) -> Resolved:
    """The target as other doors take theirs. A token that was rotated makes another one; raises NotConfigured."""
    access = access_of(target, environment)
    resolved = resolve(replace(target, address=access.server), environment, HTTPS)
    return replace(resolved, secrets=(*access.secrets, *resolved.secrets))


def access_of(target: Target, environment: Mapping[str, str]) -> Access:
    """Read afresh each time; raises NotConfigured, whose text holds nothing of the file but names."""
    where = f"target {target.name}"
    if isinstance(target.address, Mapping):
        path = replaced(str(target.address.get("kubeconfig", "")), environment) or _as_kubectl(where, environment)
        return _of_kubeconfig(
            where, Path(path).expanduser(), replaced(str(target.address.get("context", "")), environment)
        )
    if replaced(str(target.address), environment) != IN_CLUSTER:
        raise NotConfigured(f"{where}: expected in-cluster or {{kubeconfig: path, context: name}}")
    return _in_cluster(where, environment)


def _in_cluster(where: str, environment: Mapping[str, str]) -> Access:
    host, port = environment.get(HOST, ""), environment.get(PORT, "")
    if not host or not port:
        raise NotConfigured(f"{where}: in-cluster, but this is no pod of a cluster ({HOST} is not set)")
    token = _text_of(where, SERVICE_ACCOUNT / "token").strip()
    if not token:
        raise NotConfigured(f"{where}: {SERVICE_ACCOUNT / 'token'} is empty")
    shown = f"[{host}]" if ":" in host else host
    return Access(server=f"https://{shown}:{port}", secrets=(token,))


def _as_kubectl(where: str, environment: Mapping[str, str]) -> str:
    """The file that kubectl takes when it is told none; it would merge several."""
    path = environment.get("KUBECONFIG", "") or "~/.kube/config"
    if os.pathsep in path:
        raise NotConfigured(f"{where}: KUBECONFIG names several files; say which with `kubeconfig`")
    return path


def _of_kubeconfig(where: str, path: Path, context: str) -> Access:
    where = f"{where}: {path}"
    try:
        whole = yaml.safe_load(_text_of(where, path))
    except (yaml.YAMLError, RecursionError):
        raise NotConfigured(f"{where} is no YAML") from None
    if not isinstance(whole, Mapping):
        raise NotConfigured(f"{where} is no kubeconfig")
    chosen = context or str(whole.get("current-context") or "")
    if not chosen:
        raise NotConfigured(f"{where} has no current-context; say which with `context`")
    named = _named(where, whole, "contexts", "context", chosen)
    cluster_name, user_name = str(named.get("cluster")), str(named.get("user"))
    place = _named(where, whole, "clusters", "cluster", cluster_name)
    user = _named(where, whole, "users", "user", user_name)
    _check(where, place, user)
    folder = str(path.resolve().parent)
    return Access(
        server=str(place["server"]).rstrip("/"),
        secrets=tuple(_secrets(where, user, Path(folder))),
        kubeconfig={
            "current-context": chosen,
            "contexts": [{"name": chosen, "context": {"cluster": cluster_name, "user": user_name}}],
            "clusters": [{"name": cluster_name, "cluster": place}],
            "users": [{"name": user_name, "user": user}],
        },
        folder=folder,
    )


def _named(where: str, whole: Mapping[str, Any], section: str, key: str, name: str) -> Mapping[str, Any]:
    """The one entry of that name."""
    listed = whole.get(section)
    entries = [it for it in listed if isinstance(it, Mapping)] if isinstance(listed, list) else []
    found = [it.get(key) for it in entries if it.get("name") == name]
    if len(found) != 1 or not isinstance(found[0], Mapping):
        known = ", ".join(str(it.get("name")) for it in entries[:10]) or "none"
        raise NotConfigured(f"{where}: expected one {key} named {name!r}, found {known}")
    return found[0]


def _check(where: str, place: Mapping[str, Any], user: Mapping[str, Any]) -> None:
    for key, why in REFUSED_OF_USER.items():
        if user.get(key):
            raise NotConfigured(f"{where}: {why} ({key}), which responder does not run; {CURE}")
    for key, why in REFUSED_OF_CLUSTER.items():
        if place.get(key):
            raise NotConfigured(f"{where}: {key}: {why}")
    if not str(place.get("server", "")).startswith("https://"):
        raise NotConfigured(f"{where}: expected a server like https://host:port")


def _secrets(where: str, user: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Whatever of it must not be seen; a token's file is read for it, so that its rotation is seen."""
    yield from (str(user[key]) for key in SECRET_KEYS if user.get(key))
    if user.get("tokenFile"):
        yield _text_of(where, folder / str(user["tokenFile"])).strip()


def _text_of(where: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as reason:
        raise NotConfigured(f"{where}: {path} cannot be read: {reason.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise NotConfigured(f"{where}: {path} is larger than {MAX_FILE_BYTES >> 20} MiB")
    return content.decode("utf-8", "replace")
