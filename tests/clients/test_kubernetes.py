"""The door to a cluster against a real kube-apiserver: it reads what is listed, says what it may not, cannot write."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from responder.clients import kubernetes_access
from responder.clients.doors import Doors
from responder.clients.kubernetes import Changed, KubernetesDoor, NotServed, NotThere
from responder.clients.kubernetes_objects import Deployment, Node, Pod, PodUsage, Scaler, Thing
from responder.clients.kubernetes_paths import DEPLOYMENTS, NODES, POD_USAGE, PODS, SCALERS, Resource
from responder.clients.kubernetes_session import Reads
from responder.clients.resolve import resolve
from responder.errors import CouldNotLook, NotConfigured, Refused, Unreachable
from responder.model.pack import Target
from tests.systems.kubernetes import NODE, Cluster, keys
from tests.systems.kubernetes_front import Front
from tests.systems.plugin import free_port, program

pytestmark = pytest.mark.system

InFront = Callable[[Mapping[str, Any]], Front]


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    made = Doors({})
    yield made
    await made.close()


def target(kubeconfig: Path, **more: Any) -> Target:
    return Target(name="cluster", kind="kubernetes", address={"kubeconfig": str(kubeconfig)}, per_minute=1000, **more)


def a_pod(namespace: str, name: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {
            "nodeName": NODE,
            "containers": [{"name": "api", "image": "api:1", "env": [{"name": "TOKEN", "value": "s3cret"}]}],
        },
        "status": {"phase": "Running"},
    }


@pytest.fixture
def nobody(cluster: Cluster, namespace: str) -> Path:
    """A kubeconfig of an account that may do nothing."""
    return cluster.kubeconfig_of(cluster.account(namespace), namespace)


@pytest.fixture
def through(cluster: Cluster, namespace: str, in_front: InFront) -> Callable[..., tuple[KubernetesDoor, Front]]:
    """`through(doors, {path: answer})`: a door to a server that answers so."""

    user = f'token: "{cluster.token_of(cluster.account(namespace), namespace)}"'

    def made(doors: Doors, answers: Mapping[str, Any], **more: Any) -> tuple[KubernetesDoor, Front]:
        before = in_front(answers)
        path = cluster.configuration(f"front-{before.port}", user, before.address)
        return doors.kubernetes(target(path, **more)), before

    return made


async def test_what_is_in_a_namespace_is_listed_by_label_and_by_field(
    cluster: Cluster, namespace: str, doors: Doors
) -> None:
    for name in ("api-1", "api-2"):
        cluster.add(a_pod(namespace, name, app="api"))
    cluster.add(a_pod(namespace, "worker-1", app="worker"))
    door = doors.kubernetes(target(cluster.kubeconfig))

    listed = await door.list(PODS, Pod, namespace, labels="app in (api, web),tier!=x")
    one = await door.list(PODS, Pod, namespace, fields="metadata.name=worker-1")

    assert [it.metadata.name for it in listed.items] == ["api-1", "api-2"]
    assert not listed.cut
    assert [it.metadata.labels for it in one.items] == [{"app": "worker"}]
    assert "s3cret" not in repr(listed)


async def test_a_long_list_comes_in_pages_and_says_where_it_is_cut(
    cluster: Cluster, namespace: str, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.clients.kubernetes.PAGE", 2)
    for number in range(5):
        cluster.add(a_pod(namespace, f"api-{number}"))
    door = doors.kubernetes(target(cluster.kubeconfig))

    whole = await door.list(PODS, Pod, namespace)
    before = len(cluster.audited())
    cut = await door.list(PODS, Pod, namespace, most=3)
    asked = [it["requestURI"].partition("limit=")[2][0] for it in cluster.audited()[before:]]

    assert [it.metadata.name for it in whole.items] == [f"api-{number}" for number in range(5)]
    assert not whole.cut
    assert [it.metadata.name for it in cut.items] == ["api-0", "api-1", "api-2"]
    assert cut.cut
    assert asked == ["2", "1"]


async def test_a_list_that_changes_while_it_is_read_is_cut_there(
    cluster: Cluster,
    namespace: str,
    doors: Doors,
    through: Callable[..., tuple[KubernetesDoor, Front]],
) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    first = {
        "apiVersion": "v1",
        "kind": "PodList",
        "metadata": {"continue": "abc"},
        "items": [{"metadata": {"name": "api-1"}, "spec": {"containers": [{"name": "api", "image": "api:1"}]}}],
    }
    door, _ = through(doors, {path: lambda asked: 410 if "continue" in asked else first})
    gone, _ = through(Doors({}), {path: 410})

    listed = await door.list(PODS, Pod, namespace)

    assert [it.metadata.name for it in listed.items] == ["api-1"]
    assert listed.cut
    with pytest.raises(Changed, match=r"list pods in namespace \S+: the list changed while it was read"):
        await gone.list(PODS, Pod, namespace)
    await gone.close()


async def test_one_is_had_by_its_name_or_said_not_to_be_there(cluster: Cluster, namespace: str, doors: Doors) -> None:
    template = {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [{"name": "api", "image": "api:1"}]}}
    expression = {"key": "tier", "operator": "NotIn", "values": ["x", "y"]}
    selector = {"matchLabels": {"app": "api"}, "matchExpressions": [expression]}
    cluster.add(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"namespace": namespace, "name": "api"},
            "spec": {"selector": selector, "template": template},
        }
    )
    cluster.add(a_pod(namespace, "api-1", app="api"))
    door = doors.kubernetes(target(cluster.kubeconfig))

    made = await door.get(DEPLOYMENTS, Deployment, namespace, "api")
    meant = await door.list(PODS, Pod, namespace, labels=made.spec.selector.text)

    assert made.spec.selector.text == "app=api,tier notin (x,y)"
    assert [it.metadata.name for it in meant.items] == ["api-1"]
    with pytest.raises(NotThere, match="there is no web"):
        await door.get(DEPLOYMENTS, Deployment, namespace, "web")


async def test_logs_are_read_where_the_target_allows_it(cluster: Cluster, namespace: str, doors: Doors) -> None:
    cluster.add(a_pod(namespace, "api-1"))
    cluster.kubelet.logs[namespace, "api-1", "api"] = b"one\ntwo\nthree\n"
    cluster.kubelet.logs[namespace, "api-1", "api (previous)"] = b"before\n"
    door = doors.kubernetes(target(cluster.kubeconfig, allow=frozenset({"logs"})))

    now = await door.log(namespace, "api-1", tail=2, since_seconds=1800)
    before = await door.log(namespace, "api-1", "api", tail=5, previous=True)
    cut = await door.log(namespace, "api-1", tail=5, most_bytes=4)

    assert (now.body, now.cut) == (b"two\nthree\n", False)
    assert before.body == b"before\n"
    assert (cut.body, cut.cut) == (b"one\n", True)
    with pytest.raises(Refused, match=r"only where the target says `allow: \[logs\]`"):
        await Doors({}).kubernetes(target(cluster.kubeconfig)).log(namespace, "api-1", tail=2)


async def test_of_secrets_only_helms_names_labels_and_dates_are_read(
    cluster: Cluster, namespace: str, doors: Doors
) -> None:
    for name, labels in {
        "sh.helm.release.v1.shop.v1": {"owner": "helm", "name": "shop", "version": "1", "status": "superseded"},
        "sh.helm.release.v1.shop.v2": {"owner": "helm", "name": "shop", "version": "2", "status": "deployed"},
        "password": {},
    }.items():
        metadata = {"namespace": namespace, "name": name, "labels": labels, "annotations": {"applied": "s3cret"}}
        cluster.add({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"release": "s3cret"}})
    door = doors.kubernetes(target(cluster.kubeconfig, allow=frozenset({"helm"})))

    listed = await door.helm_releases(namespace, "shop")

    assert [it.metadata.labels["version"] for it in listed.items] == ["1", "2"]
    assert all(it.metadata.creation_timestamp for it in listed.items)
    assert "s3cret" not in repr(listed)
    with pytest.raises(Refused, match=r"only where the target says `allow: \[helm\]`"):
        await Doors({}).kubernetes(target(cluster.kubeconfig)).helm_releases(namespace)


async def test_a_server_that_gives_whole_secrets_is_not_listened_to(
    namespace: str, doors: Doors, through: Callable[..., tuple[KubernetesDoor, Front]]
) -> None:
    secret = {"metadata": {"name": "a"}, "data": {"release": "czNjcmV0"}}
    whole = {"apiVersion": "v1", "kind": "SecretList", "metadata": {}, "items": [secret]}
    door, before = through(doors, {f"/api/v1/namespaces/{namespace}/secrets": whole}, allow=frozenset({"helm"}))

    with pytest.raises(Refused, match="asked for the metadata of Secrets, got SecretList; none of it was kept"):
        await door.helm_releases(namespace)
    assert before.accepted == ["application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"]


async def test_what_is_forbidden_says_which_role_is_missing(nobody: Path, namespace: str, doors: Doors) -> None:
    door = doors.kubernetes(target(nobody, allow=frozenset({"logs", "helm"})))

    said = [
        await refusal(it)
        for it in (
            door.list(PODS, Pod, namespace),
            door.list(NODES, Node),
            door.get(DEPLOYMENTS, Deployment, namespace, "api"),
            door.log(namespace, "api-1", tail=1),
            door.helm_releases(namespace),
        )
    ]

    where = "as in deploy/roles/kubernetes"
    assert [it.partition(": ")[2] for it in said] == [
        f"forbidden: list pods in namespace {namespace}; it needs a role with list on pods, {where}",
        f"forbidden: list nodes; it needs a role with list on nodes, {where}",
        f"forbidden: get deployments in namespace {namespace}; it needs a role with get on deployments.apps, {where}",
        f"forbidden: get pods/log in namespace {namespace}; it needs a role with get on pods/log, "
        "as in deploy/kubernetes/pod-logs",
        f"forbidden: list secrets in namespace {namespace}; it needs a role with list on secrets, "
        "as in deploy/kubernetes/helm-history",
    ]


async def refusal(asking: Any) -> str:
    with pytest.raises(Refused) as said:
        await asking
    return str(said.value)


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (429, Unreachable, r"busy \(HTTP 429, come again after 1 s\): list pods in namespace \S+$"),
        (500, Unreachable, r"list pods in namespace \S+: HTTP 500, expected 200$"),
        (302, Unreachable, r"HTTP 302, expected 200$"),
        (b"<html>s3cret</html>", Unreachable, "HTTP 200, but not an answer of Kubernetes$"),
        (b'{"kind": "PodList", "items": [{"metadata": 1}]}', Unreachable, "not an answer of Kubernetes$"),
    ],
)
async def test_what_is_no_answer_is_told_apart(
    answer: Any,
    error: type[CouldNotLook],
    said: str,
    namespace: str,
    doors: Doors,
    through: Callable[..., tuple[KubernetesDoor, Front]],
) -> None:
    door, _ = through(doors, {f"/api/v1/namespaces/{namespace}/pods": answer})

    with pytest.raises(error, match=said) as raised:
        await door.list(PODS, Pod, namespace)
    assert "s3cret" not in str(raised.value)


async def test_an_api_that_is_not_served_is_named(cluster: Cluster, namespace: str, doors: Doors, through: Any) -> None:
    door = doors.kubernetes(target(cluster.kubeconfig))
    tired, _ = through(Doors({}), {f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods": 503})

    with pytest.raises(
        NotServed,
        match=r"metrics.k8s.io is not served \(list pods in namespace \S+: HTTP 404\): is metrics-server installed\?",
    ):
        await door.list(POD_USAGE, PodUsage, namespace)
    with pytest.raises(NotServed, match="autoscaling is not served"):
        await door.list(SCALERS, Scaler, namespace)
    with pytest.raises(NotServed, match=r"metrics.k8s.io is not served now \(HTTP 503\): is metrics-server running?"):
        await tired.list(POD_USAGE, PodUsage, namespace)
    await tired.close()


async def test_a_redirect_is_not_followed(
    cluster: Cluster, namespace: str, doors: Doors, through: Any, in_front: InFront
) -> None:
    elsewhere = in_front({})
    path = f"/api/v1/namespaces/{namespace}/pods"
    door, _ = through(doors, {path: f"{elsewhere.address}{path}"})

    with pytest.raises(Unreachable, match="HTTP 307, expected 200"):
        await door.list(PODS, Pod, namespace)
    assert elsewhere.asked == []


async def test_a_certificate_that_was_renewed_is_taken_up_by_the_next_look(
    cluster: Cluster, doors: Doors, tmp_path: Path
) -> None:
    old = keys(program("openssl", "apt-get install openssl"), tmp_path / "old")
    user = f'client-certificate: "{old}/admin.crt", client-key: "{old}/admin.key"'
    it = target(cluster.configuration("renewed", user))

    assert "not accepted" in await refusal(doors.kubernetes(it).list(NODES, Node))
    for name in ("admin.crt", "admin.key"):
        (old / name).write_bytes((cluster.pki / name).read_bytes())

    assert (await doors.kubernetes(it).list(NODES, Node)).items


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://one.example.com/base/api/v1/pods?limit=1&limit=2", "the request can be read in two ways"),
        ("https://one.example.com/base/api/v1/pods#fragment", "the request can be read in two ways"),
        ("https://one.example.com/base//evil.example.com/api/v1/pods", "the request can be read in two ways"),
        ("https://one.example.com/api/v1/pods", "another server would be asked"),
        ("https://one.example.com.evil.example.com/base/api/v1/pods", "another server would be asked"),
        ("https://one.example.com/base/api/v1/pods?watch=true", "watch is not among what is asked"),
    ],
)
async def test_what_the_library_asks_is_looked_at_before_it_is_sent(url: str, said: str) -> None:
    at = Target(name="cluster", kind="kubernetes", address="https://one.example.com/base")
    reads = Reads(resolve(at, {}, frozenset({"https"})), ssl.create_default_context(), None)

    with pytest.raises(Refused, match=said):
        await reads.request(method="GET", url=url, headers={"Accept": "application/json"})
    await reads.close()


async def test_what_is_slow_to_load_is_loaded_before_anybody_asks(cluster: Cluster, doors: Doors) -> None:
    it = target(cluster.kubeconfig)
    nowhere = Target(name="other", kind="kubernetes", address="in-cluster")
    before = len(cluster.audited())

    await doors.prepare([nowhere, it])

    assert doors.kubernetes(it)._client is not None
    assert len(cluster.audited()) == before  # nothing was asked


def test_a_plain_start_does_not_load_the_library() -> None:
    script = "import sys, responder.app, responder.clients.kubernetes; print('kubernetes_asyncio' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "False\n"


async def test_an_answer_without_end_is_cut_off(
    namespace: str, doors: Doors, through: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.clients.kubernetes.MAX_BODY_BYTES", 1024 * 1024)
    door, _ = through(doors, {f"/api/v1/namespaces/{namespace}/pods": b" " * (2 * 1024 * 1024)})

    with pytest.raises(Unreachable, match="the answer is larger than 1 MiB"):
        await door.list(PODS, Pod, namespace)


async def test_a_token_that_is_not_accepted_is_not_shown(cluster: Cluster, doors: Doors) -> None:
    door = doors.kubernetes(target(cluster.configuration("stranger", "token: s3crettoken")))

    with pytest.raises(Refused, match=r"the token or certificate is not accepted \(HTTP 401\)") as said:
        await door.list(NODES, Node)
    assert "s3crettoken" not in str(said.value) + repr(door) + repr(vars(door))


async def test_a_certificate_of_another_authority_is_not_believed(
    cluster: Cluster, doors: Doors, tmp_path: Path
) -> None:
    text = cluster.configuration("other", "token: a").read_text()
    path = tmp_path / "kubeconfig"
    path.write_text("\n".join(text.replace(f', certificate-authority: "{cluster.pki}/ca.crt"', "").splitlines()))

    with pytest.raises(Unreachable, match="its certificate is not valid: unable to get local issuer certificate"):
        await doors.kubernetes(target(path)).list(NODES, Node)


async def test_a_server_that_is_not_there_is_unreachable(cluster: Cluster, doors: Doors) -> None:
    path = cluster.configuration("nowhere", "token: a", f"https://127.0.0.1:{free_port()}")

    with pytest.raises(Unreachable, match="connection refused"):
        await doors.kubernetes(target(path)).list(NODES, Node)


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "100.100.100.200", "[fe80::1]"])
async def test_metadata_and_link_local_addresses_are_never_asked(host: str, cluster: Cluster, doors: Doors) -> None:
    path = cluster.configuration("metadata", "token: a", f"https://{host}")

    with pytest.raises(Refused, match="may not be looked at"):
        await doors.kubernetes(target(path)).list(NODES, Node)


async def test_a_proxy_of_the_environment_is_not_taken(
    cluster: Cluster, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)

    listed = await doors.kubernetes(target(cluster.kubeconfig)).list(NODES, Node)

    assert NODE in {it.metadata.name for it in listed.items}


async def test_inside_a_pod_the_service_account_is_taken_and_its_rotation_is_seen(
    cluster: Cluster, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_access, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setattr("responder.clients.kubernetes_session.SERVICE_ACCOUNT", tmp_path)
    reader = cluster.account(namespace)
    (tmp_path / "token").write_text("old\n")
    (tmp_path / "ca.crt").write_bytes((cluster.pki / "ca.crt").read_bytes())
    doors = Doors({"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(cluster.port)})
    it = Target(name="cluster", kind="kubernetes", address="in-cluster")

    assert "not accepted" in await refusal(doors.kubernetes(it).list(PODS, Pod, namespace))
    (tmp_path / "token").write_text(cluster.token_of(reader, namespace) + "\n")
    assert "forbidden: list pods" in await refusal(doors.kubernetes(it).list(PODS, Pod, namespace))

    assert doors.shown(it) == cluster.address
    await doors.close()


async def test_without_the_extra_it_says_what_to_install(
    cluster: Cluster, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes_asyncio", None)

    with pytest.raises(NotConfigured, match=r"pip install 'responder\[k8s\]'"):
        await doors.kubernetes(target(cluster.kubeconfig)).list(NODES, Node)


async def test_a_look_that_is_given_up_leaves_the_door_usable(cluster: Cluster, doors: Doors) -> None:
    door = doors.kubernetes(target(cluster.kubeconfig))
    for wait in (0.0, 0.001, 0.01):
        looking = asyncio.get_running_loop().create_task(door.list(NODES, Node))
        await asyncio.sleep(wait)
        looking.cancel()
        await asyncio.wait({looking})

    assert (await door.list(NODES, Node)).items


@pytest.mark.parametrize("name", ["../secrets", "a/b", "A", "a?b", "a%2fb", "", "a" * 254, "a\n"])
async def test_a_name_leads_nowhere_else(name: str, cluster: Cluster, doors: Doors) -> None:
    door = doors.kubernetes(target(cluster.kubeconfig, allow=frozenset({"logs"})))

    assert "no name that Kubernetes knows" in await refusal(door.get(PODS, Pod, "default", name))
    assert "no name that Kubernetes knows" in await refusal(door.log(name, "a", tail=1))


@pytest.mark.parametrize(
    "what", [Resource(api="api/v1", plural=it) for it in ("secrets", "configmaps", "pods/a/exec", "services/a/proxy")]
)
async def test_what_is_not_in_the_list_is_not_asked(what: Resource, cluster: Cluster, doors: Doors) -> None:
    door = doors.kubernetes(target(cluster.kubeconfig))
    before = len(cluster.audited())

    assert await refusal(door.list(what, Thing, "default"))
    assert await refusal(door.list(PODS, Pod, "default", labels="a=b&watch=true"))
    assert len(cluster.audited()) == before


async def test_the_library_itself_cannot_write_through_it(cluster: Cluster, namespace: str, doors: Doors) -> None:
    """Every method of its API classes that changes something, and those whose GET does."""
    import kubernetes_asyncio.client as library

    cluster.add(a_pod(namespace, "api-1"))
    door = doors.kubernetes(target(cluster.kubeconfig))
    await door.list(PODS, Pod, namespace)
    client = door._client
    before = len(cluster.audited("admin"))
    tried = 0

    for api in (library.CoreV1Api(client), library.AppsV1Api(client), library.BatchV1Api(client)):
        for name in dir(api):
            if name.endswith("_with_http_info") or not name.startswith(
                (
                    "create_",
                    "replace_",
                    "patch_",
                    "delete_",
                    "connect_",
                    "read_namespaced_secret",
                    "list_namespaced_secret",
                )
            ):
                continue
            words = {"name": "api-1", "namespace": namespace, "path": "x", "body": {"metadata": {"name": "api-1"}}}
            needed = getattr(api, name).__code__.co_varnames[1 : getattr(api, name).__code__.co_argcount]
            with pytest.raises(Refused):
                await getattr(api, name)(**{key: words[key] for key in needed}, _preload_content=False)
            tried += 1

    assert tried > 200
    assert len(cluster.audited("admin")) == before


async def test_an_answer_that_is_no_list_is_not_an_empty_one(
    namespace: str, doors: Doors, through: Callable[..., tuple[KubernetesDoor, Front]]
) -> None:
    status = json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}).encode()
    door, _ = through(doors, {f"/api/v1/namespaces/{namespace}/pods": status})

    with pytest.raises(Unreachable, match=r"list pods: a list was expected, got 'Status'"):
        await door.list(PODS, Pod, namespace)
