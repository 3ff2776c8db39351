"""A real kube-apiserver 1.20.2 with etcd, an audit log of every request, and a stand-in for the kubelet for logs.

There is no controller and no scheduler: nothing happens but what a test writes. Newer kinds come from `in_front`.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.systems import build_apiserver
from tests.systems.kubelet import Kubelet, kubelet
from tests.systems.kubernetes_front import Front, front
from tests.systems.plugin import LOOPBACK, System, folder_for, free_port, missing, program, start, stop

BUILT_WITHIN_SECONDS = 1500  # on two cores that also run tests
STARTS_WITHIN_SECONDS = 90.0  # 4 s of a core, on a machine where much else may run
NODE = "node-1"  # whose kubelet gives all logs
CORE_KINDS = {
    "Namespace": "namespaces",
    "Node": "nodes",
    "Pod": "pods",
    "Event": "events",
    "Secret": "secrets",
    "ConfigMap": "configmaps",
    "ServiceAccount": "serviceaccounts",
    "Service": "services",
}
OF_THE_CLUSTER = {"Namespace", "Node", "ClusterRole", "ClusterRoleBinding"}
CONFIGURATION = """\
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "{server}", certificate-authority: "{ca}"}}}}]
users: [{{name: u, user: {{{user}}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
current-context: x
"""
AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted, ResponseComplete]
rules: [{level: Metadata}]
"""  # what was received is written down before it is acted on, so that it is there when the answer is
_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Cluster(System):
    """`address`: where it answers by TLS; `pki`: the folder of ca.crt, admin.crt and admin.key."""

    pki: Path
    kubelet: Kubelet

    @property
    def kubeconfig(self) -> Path:
        """Of somebody who may do everything."""
        user = f'client-certificate: "{self.pki / "admin.crt"}", client-key: "{self.pki / "admin.key"}"'
        return self.configuration("admin", user)

    def account(self, namespace: str, name: str = "reader") -> str:
        """A new service account, which may do nothing; gives its name."""
        self.add({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
        return name

    def kubeconfig_of(self, account: str, namespace: str) -> Path:
        """Of a service account, by a token of its own."""
        return self.configuration(f"{namespace}-{account}", f'token: "{self.token_of(account, namespace)}"')

    def configuration(self, name: str, user: str, server: str = "") -> Path:
        """A kubeconfig whose user is given so."""
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(CONFIGURATION.format(server=server or self.address, ca=self.pki / "ca.crt", user=user))
        return path

    def token_of(self, account: str, namespace: str) -> str:
        """A token of a service account that is there."""
        wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        given = self.made("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", wanted)
        return str(given["status"]["token"])

    def ask(self, method: str, path: str, body: Any = None, *, token: str = "") -> tuple[int, Any]:
        """Status and JSON; by the administrator, or with a token."""
        context = ssl.create_default_context(cafile=self.pki / "ca.crt")
        if not token:
            context.load_cert_chain(self.pki / "admin.crt", self.pki / "admin.key")
        patch = "merge-patch+" if method == "PATCH" else ""
        headers = {"Content-Type": f"application/{patch}json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        connection = http.client.HTTPSConnection(LOOPBACK, self.port, context=context, timeout=20)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(text) if text.startswith(b"{") else text.decode()

    def made(self, method: str, path: str, body: Any) -> Any:
        """What the server made of it; fails when it refused."""
        status, given = self.ask(method, path, body)
        assert status < 300, given
        return given

    def add(self, thing: Mapping[str, Any]) -> Any:
        """Create an object as `kubectl apply` would, and give it the status that it has."""
        made = self.made("POST", self.path_of(thing), thing)
        if "status" not in thing:
            return made
        path = f"{self.path_of(thing)}/{made['metadata']['name']}/status"
        return self.made("PATCH", path, {"status": thing["status"]})

    def path_of(self, thing: Mapping[str, Any]) -> str:
        """Where objects of this kind and namespace are."""
        version, kind = thing["apiVersion"], thing["kind"]
        below = "" if kind in OF_THE_CLUSTER else f"/namespaces/{thing['metadata'].get('namespace', 'default')}"
        plural = CORE_KINDS.get(kind) or kind.lower() + "s"
        return f"/{'apis' if '/' in version else 'api'}/{version}{below}/{plural}"

    def audited(self, user: str = "") -> list[dict[str, Any]]:
        """Every request so far of users whose name holds this: `verb`, `objectRef`, `requestURI`."""
        lines = (self.folder / "audit").read_text().splitlines()
        events = [json.loads(line) for line in lines if line.endswith("}")]
        return [it for it in events if user in it["user"].get("username", "")]


def pytest_configure(config: pytest.Config) -> None:
    """Several processes would take the largest files first, whatever their order."""
    if not build_apiserver.BUILT.exists():
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """While the program is being built, what needs it comes last, and may wait for it."""
    if build_apiserver.BUILT.exists():
        return
    waiting = [it for it in items if "apiserver_program" in getattr(it, "fixturenames", ())]
    for it in waiting:
        it.add_marker(pytest.mark.timeout(BUILT_WITHIN_SECONDS))
    items.sort(key=waiting.__contains__)


@pytest.fixture(scope="session")
def apiserver_program() -> Path:
    """Waits for the build that `make test` started."""
    if not build_apiserver.BUILT.exists():
        why = build_apiserver.why_not()
        if why:
            missing("kube-apiserver", why)
        with contextlib.suppress(subprocess.TimeoutExpired):
            build_apiserver.start_build().wait(BUILT_WITHIN_SECONDS)
    if not build_apiserver.BUILT.exists():
        missing("kube-apiserver", build_apiserver.last_words())
    return build_apiserver.BUILT


@pytest.fixture(scope="session")
def cluster(apiserver_program: Path) -> Iterator[Cluster]:
    """One for the whole run: what a test makes is in a namespace of its own, or bears a label of its own."""
    etcd = program("etcd", "apt-get install etcd-server")
    openssl = program("openssl", "apt-get install openssl")
    with ExitStack() as stack:
        folder = stack.enter_context(folder_for("kubernetes"))
        pki = keys(openssl, folder / "pki")
        store = _started_etcd(stack, etcd, folder)
        node = stack.enter_context(kubelet(pki))
        port = free_port()
        command = _command(apiserver_program, folder, pki, store, port)
        process = start(
            "kube-apiserver", command, folder, lambda: _ready(pki, port), within_seconds=STARTS_WITHIN_SECONDS
        )
        stack.callback(stop, process)
        made = Cluster(
            name="kubernetes",
            address=f"https://{LOOPBACK}:{port}",
            port=port,
            folder=folder,
            process=process,
            pki=pki,
            kubelet=node,
        )
        made.add(_node(node.port))
        yield made


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    """An empty one."""
    name = f"test-{next(_numbers)}"
    cluster.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture
def in_front(cluster: Cluster) -> Iterator[Callable[[Mapping[str, Any]], Front]]:
    """`in_front({path: body or status})`: the same server, but for these paths; who asks must show a token."""
    with ExitStack() as stack:
        yield lambda answers: stack.enter_context(front(cluster.port, cluster.pki, answers))


@pytest.fixture
def fronted(cluster: Cluster, namespace: str, in_front: Callable[[Mapping[str, Any]], Front]) -> Callable[..., Path]:
    """`fronted({path: body or status})`: the kubeconfig of somebody who may do everything there."""
    who = {"kind": "ServiceAccount", "name": cluster.account(namespace, "admin"), "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    bound = {"kind": "ClusterRoleBinding", "metadata": {"name": namespace}, "roleRef": role, "subjects": [who]}
    cluster.add({"apiVersion": "rbac.authorization.k8s.io/v1", **bound})
    user = f'token: "{cluster.token_of("admin", namespace)}"'

    def made(answers: Mapping[str, Any]) -> Path:
        before = in_front(answers)
        return cluster.configuration(f"front-{before.port}", user, before.address)

    return made


def keys(openssl: str, folder: Path) -> Path:
    """An authority, and a certificate each for the server, the administrator and the server before the kubelet."""
    folder.mkdir()
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    def run(*words: str) -> None:
        subprocess.run([openssl, *words], cwd=folder, check=True, capture_output=True)

    run("req", "-x509", *curve, "-days", "2", "-subj", "/CN=test-ca", "-keyout", "ca.key", "-out", "ca.crt")
    extensions = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n"
    (folder / "extensions").write_text(extensions)
    for name, subject in (
        ("server", "/CN=localhost"),
        ("admin", "/O=system:masters/CN=admin"),
        ("kubelet", "/CN=to-the-kubelet"),
    ):
        run("req", *curve, "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "extensions"]
        run("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.crt")
    run("genrsa", "-out", "accounts.key", "2048")
    run("rsa", "-in", "accounts.key", "-pubout", "-out", "accounts.pub")
    return folder


def _started_etcd(stack: ExitStack, etcd: str, folder: Path) -> str:
    clients, peers = (f"http://{LOOPBACK}:{free_port()}" for _ in range(2))
    (folder / "etcd").mkdir()
    options = {
        "data-dir": str(folder / "etcd" / "data"),
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"default={peers}",
    }
    command = [etcd, "--unsafe-no-fsync", *(f"--{name}={value}" for name, value in options.items())]
    port = int(clients.rpartition(":")[2])
    process = start("etcd", command, folder / "etcd", lambda: _healthy(port))
    stack.callback(stop, process)
    return clients


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=1)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _command(apiserver: Path, folder: Path, pki: Path, store: str, port: int) -> list[str]:
    (folder / "policy.yaml").write_text(AUDIT_POLICY)
    options = {
        "etcd-servers": store,
        "bind-address": LOOPBACK,
        "advertise-address": LOOPBACK,
        "secure-port": port,
        "insecure-port": 0,
        "cert-dir": pki,
        "tls-cert-file": pki / "server.crt",
        "tls-private-key-file": pki / "server.key",
        "client-ca-file": pki / "ca.crt",
        "authorization-mode": "RBAC",
        "service-cluster-ip-range": "10.0.0.0/24",
        "disable-admission-plugins": "ServiceAccount",  # no controller gives each namespace its account
        "endpoint-reconciler-type": "none",
        "service-account-issuer": f"https://{LOOPBACK}:{port}",
        "service-account-key-file": pki / "accounts.pub",
        "service-account-signing-key-file": pki / "accounts.key",
        "kubelet-client-certificate": pki / "kubelet.crt",
        "kubelet-client-key": pki / "kubelet.key",
        "kubelet-certificate-authority": pki / "ca.crt",
        "kubelet-preferred-address-types": "InternalIP",
        "audit-policy-file": folder / "policy.yaml",
        "audit-log-path": folder / "audit",
    }
    return [str(apiserver), *(f"--{name}={value}" for name, value in options.items())]


def _ready(pki: Path, port: int) -> bool:
    context = ssl.create_default_context(cafile=pki / "ca.crt")
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    connection = http.client.HTTPSConnection(LOOPBACK, port, context=context, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _node(port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": {"group": "logs"}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": LOOPBACK}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
