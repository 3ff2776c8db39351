"""The manifests are valid, read only, closed, and name nothing that does not exist."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from responder import __version__
from responder.diagnostics.catalogue import specs
from responder.rules.packs import load_packs
from responder.settings import Settings, not_acted_on
from tests.deploy.conftest import REPOSITORY, UID

MANIFESTS = REPOSITORY / "deploy/kubernetes"
VARIANTS = ("replicated", "embedded")
COMPONENTS = ("pod-logs", "helm-history", "network-policy")
KUBERNETES = ("1.29", kubernetes_validate.latest_version())
SECRETS_AT = "/run/secrets/responder"
MAY = {"get", "list"}
NEVER = {"secrets", "configmaps", "*"}

Manifest = dict[str, Any]


def documents(file: Path) -> list[Manifest]:
    return [it for it in yaml.safe_load_all(file.read_text()) if it]


def rendered(folder: Path) -> Iterator[Manifest]:
    """What `kubectl kustomize` makes of the few of its words that we use; only the digest in names is left out."""
    (kustomization,) = documents(folder / "kustomization.yaml")
    assert set(kustomization) <= {"apiVersion", "kind", "resources", "configMapGenerator"}
    for name in kustomization.get("resources", []):
        path = folder / name
        yield from rendered(path) if path.is_dir() else documents(path)
    for made in kustomization.get("configMapGenerator", []):
        assert set(made) == {"name", "namespace", "files"}
        yield {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": made["name"], "namespace": made["namespace"]},
            "data": {Path(file).name: (folder / file).read_text() for file in made["files"]},
        }


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [it for it in manifests if it["kind"] in kinds]


def in_order(manifests: Iterable[Manifest]) -> list[str]:
    return sorted(json.dumps(it, sort_keys=True) for it in manifests)


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> list[Manifest]:
    return list(rendered(MANIFESTS / request.param))


@pytest.fixture
def workload(variant: list[Manifest]) -> Manifest:
    (only,) = of_kind(variant, "Deployment", "StatefulSet")
    return only


@pytest.fixture
def pod(workload: Manifest) -> Manifest:
    template: Manifest = workload["spec"]["template"]["spec"]
    return template


@pytest.fixture
def container(pod: Manifest) -> Manifest:
    (only,) = pod["containers"]
    assert isinstance(only, dict)
    return only


def everything() -> list[Manifest]:
    return [it for name in (*VARIANTS, *COMPONENTS) for it in rendered(MANIFESTS / name)]


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_manifest_is_valid(version: str) -> None:
    manifests = [*everything(), *documents(MANIFESTS / "secret.example.yaml")]

    assert len(manifests) > len(VARIANTS) * 6
    for it in manifests:
        kubernetes_validate.validate(it, version, strict=True)


def test_a_mistake_in_a_manifest_would_be_noticed(workload: Manifest) -> None:
    workload["spec"]["template"]["spec"]["containers"][0]["readyProbe"] = {}

    with pytest.raises(kubernetes_validate.ValidationError, match="readyProbe"):
        kubernetes_validate.validate(workload, KUBERNETES[-1], strict=True)


@pytest.mark.parametrize("name", VARIANTS)
def test_kubectl_makes_the_same_of_it(name: str) -> None:
    if shutil.which("kubectl") is None:  # in no package index that CI uses; the other tests read the files themselves
        pytest.skip("kubectl is not installed")
    asked = subprocess.run(["kubectl", "kustomize", str(MANIFESTS / name)], capture_output=True, text=True, check=True)
    theirs = list(yaml.safe_load_all(asked.stdout))
    (digested,) = (it["metadata"]["name"] for it in of_kind(theirs, "ConfigMap"))
    theirs = list(yaml.safe_load_all(asked.stdout.replace(digested, "responder-rules")))

    assert digested.startswith("responder-rules-")
    assert in_order(theirs) == in_order(rendered(MANIFESTS / name))


def test_every_file_belongs_to_a_kustomization() -> None:
    named = {"secret.example.yaml"}
    for kustomization in MANIFESTS.glob("*/kustomization.yaml"):
        (said,) = documents(kustomization)
        files = [
            *said.get("resources", []),
            *(it for made in said.get("configMapGenerator", []) for it in made["files"]),
        ]
        named |= {f"{kustomization.parent.name}/{it}" for it in ("kustomization.yaml", *files)}

    assert {it.relative_to(MANIFESTS).as_posix() for it in MANIFESTS.rglob("*.yaml")} <= named


def test_no_rule_grants_more_than_reading() -> None:
    others = [it for it in everything() if it["metadata"]["name"] != "responder-helm-history"]
    rules = [rule for it in of_kind(others, "Role", "ClusterRole") for rule in it["rules"]]

    assert len(rules) >= 5
    for rule in rules:
        assert set(rule) == {"apiGroups", "resources", "verbs"}
        assert set(rule["verbs"]) <= MAY
        assert not NEVER & {it.partition("/")[0] for it in rule["resources"]}
        # GET of exec, portforward or proxy is not reading: it runs or tunnels something.
        assert {it for it in rule["resources"] if "/" in it} <= {"pods/log"}
        assert "*" not in rule["apiGroups"]


def test_logs_of_pods_are_opt_in_and_of_one_namespace() -> None:
    by_default = [rule for name in VARIANTS for it in rendered(MANIFESTS / name) for rule in it.get("rules", [])]
    (opt_in,) = of_kind(list(rendered(MANIFESTS / "pod-logs")), "Role", "ClusterRole")

    assert not any("pods/log" in rule["resources"] for rule in by_default)
    assert opt_in["kind"] == "Role"


def test_the_history_of_helm_is_opt_in_and_lists_secrets_of_one_namespace() -> None:
    role, _ = rendered(MANIFESTS / "helm-history")

    assert (role["kind"], role["rules"]) == ("Role", [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}])


def test_rights_go_to_our_account_alone() -> None:
    for binding in of_kind(everything(), "RoleBinding", "ClusterRoleBinding"):
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "responder", "namespace": "responder"}]
        role = binding["roleRef"]["kind"], binding["roleRef"]["name"]
        assert role in {(it["kind"], it["metadata"]["name"]) for it in everything()}


def test_the_pod_is_closed(pod: Manifest, container: Manifest) -> None:
    own, shared = container["securityContext"], pod["securityContext"]

    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (shared["runAsNonRoot"], shared["runAsUser"], shared["fsGroup"]) == (True, UID, UID)
    assert shared["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["enableServiceLinks"] is False


def test_its_settings_are_accepted(
    pod: Manifest, container: Manifest, tmp_path: Path, settings_of: Callable[[Mapping[str, str]], Settings]
) -> None:
    """Every name is a setting that does something, every file a key of the example Secret."""
    (example,) = documents(MANIFESTS / "secret.example.yaml")
    for key, text in example["stringData"].items():
        (tmp_path / key).write_text(text)
    environment = {it["name"]: it["value"].replace(SECRETS_AT, str(tmp_path)) for it in container["env"]}

    settings = settings_of(environment)

    assert not_acted_on(settings) == []
    assert settings.name == "prod"
    assert settings.alertmanager_tokens
    assert settings.api_tokens
    (volume,) = (it for it in pod["volumes"] if "secret" in it)
    assert volume["secret"]["secretName"] == example["metadata"]["name"]
    assert {it["name"]: it["mountPath"] for it in container["volumeMounts"]}[volume["name"]] == SECRETS_AT


def test_its_rules_are_read_as_a_pod_sees_them(
    variant: list[Manifest], pod: Manifest, container: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubernetes mounts a ConfigMap as links into a hidden folder beside them."""
    (generated,) = of_kind(variant, "ConfigMap")
    environment = {it["name"]: it["value"] for it in container["env"]}
    (volume,) = (it for it in pod["volumes"] if "configMap" in it)
    monkeypatch.setenv("PROMETHEUS_URL", environment["PROMETHEUS_URL"])
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..data").symlink_to("..2026")
    for file, text in generated["data"].items():
        (tmp_path / "..2026" / file).write_text(text)
        (tmp_path / file).symlink_to(Path("..data") / file)

    loaded = load_packs(tmp_path, specs())

    assert (loaded.problems, loaded.warnings, [it.name for it in loaded.packs]) == ((), (), ["example"])
    assert volume["configMap"]["name"] == generated["metadata"]["name"]
    assert {it["name"]: it["mountPath"] for it in container["volumeMounts"]}[volume["name"]] == (
        environment["RESPONDER_RULES"]
    )


def test_names_agree(variant: list[Manifest], workload: Manifest, pod: Manifest, container: Manifest) -> None:
    (service,) = of_kind(variant, "Service")
    (account,) = of_kind(variant, "ServiceAccount")
    labels = workload["spec"]["template"]["metadata"]["labels"]
    ports = {it["name"]: it["containerPort"] for it in container["ports"]}

    assert container["image"] == f"responder:{__version__}"
    assert ports == {"http": 8080}  # where the image listens
    assert {it["targetPort"] for it in service["spec"]["ports"]} <= set(ports)
    assert {container[probe]["httpGet"]["port"] for probe in container if probe.endswith("Probe")} <= set(ports)
    assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert service["spec"]["selector"].items() <= labels.items()
    assert pod["serviceAccountName"] == account["metadata"]["name"]
    assert {it["metadata"].get("namespace", "responder") for it in variant} == {"responder"}


def test_several_replicas_share_a_database_and_the_embedded_store_has_one() -> None:
    (deployment,) = of_kind(list(rendered(MANIFESTS / "replicated")), "Deployment")
    (stateful_set,) = of_kind(list(rendered(MANIFESTS / "embedded")), "StatefulSet")

    def names(workload: Manifest) -> set[str]:
        return {it["name"] for it in workload["spec"]["template"]["spec"]["containers"][0]["env"]}

    assert deployment["spec"]["replicas"] >= 2
    assert "RESPONDER_DATABASE_URL_FILE" in names(deployment)
    assert stateful_set["spec"]["replicas"] == 1
    assert not {it for it in names(stateful_set) if it.startswith("RESPONDER_DATABASE_URL")}
    assert [it["metadata"]["name"] for it in stateful_set["spec"]["volumeClaimTemplates"]] == ["data"]
