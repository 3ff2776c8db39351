"""Signals that read JSON, and targets whose variables are not set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from responder.model.catalogue import Catalogue
from responder.model.json_expression import parse_expression
from responder.model.pack import JsonSource, Pack
from responder.rules.packs import load_packs

Complaints = Callable[[str], list[str]]


def test_a_json_signal_is_filled_with_what_was_written(pack: Callable[[str], Pack]) -> None:
    made = pack(
        """\
signals:
  open: {unit: count open, json: {target: api, path: /health/circuit-breakers, count: "values(@)[?state=='open']"}}
  depth: {unit: count, json: {path: "/queues/{{ labels.queue }}", value: depth, step: 30s}}
rules:
  - {name: one, match: ['a="b"'], thresholds: {open: {warning: "> 2 open for 1m"}}}
"""
    )

    assert made.signals["open"].source == JsonSource(
        target="api",
        path="/health/circuit-breakers",
        count=parse_expression("values(@)[?state=='open']"),
        step_seconds=15.0,
    )
    assert made.signals["depth"].source == JsonSource(
        target="api", path="/queues/{{ labels.queue }}", value=parse_expression("depth"), step_seconds=30.0
    )
    assert not made.signals["open"].source.has_past


@pytest.mark.parametrize(
    ("json", "said"),
    [
        ("{path: /h, value: 'a['}", "1:52: `value`: expected more after character 2, where it ends"),
        ("{path: /h, count: 'lenght(@)'}", "1:52: `count`: unknown function `lenght`; did you mean `length`?"),
        ("{path: /h, value: a, count: b}", "1:28: expected `value` or `count`, each an expression, got both"),
        ("{path: /h}", "1:28: expected `value` or `count`, each an expression, got none"),
        ("{path: h, value: a}", '1:41: expected a path that starts with /, got "h"'),
        ("{path: '/{{ alert.x }}', value: a}", '1:41: `path`: expected {{ labels.name }}, got "{{ alert.x }}"'),
        ("{path: /h, valeu: a}", "1:45: unknown key `valeu`; did you mean `value`?"),
        ("{value: a}", "1:28: missing required key `path`"),
        ("/h", '1:34: `json`: expected a mapping such as {path: /health, value: …}, got "/h"'),
        ("{path: /h, value: a, target: cache}", "1:63: target `cache` is of kind redis; expected one of kind http"),
        ("{path: /h, value: a, step: 1s}", "1:61: `step`: expected at least 5s, got 1s"),
    ],
)
def test_what_is_wrong_with_a_json_signal_is_said(json: str, said: str, complaints: Complaints) -> None:
    found = complaints(f"signals: {{x: {{unit: count, json: {json}}}}}\n")

    assert [it for it in found if it.startswith("1:")] == [said]


def test_a_count_in_percent_is_likely_not_meant(complaints: Complaints) -> None:
    text = "signals: {x: {unit: percent, json: {path: /h, count: a}}}\n"

    assert complaints(text) == ["1:47: warning: `count` counts, and the unit is percent"]


def test_labels_in_paths_are_checked(complaints: Complaints) -> None:
    text = "signals: {x: {unit: percent, http: {up: ['/{{ labels.a }}', '/{{ found.b }}']}}}\n"

    assert complaints(text) == ['1:61: `up`: expected {{ labels.name }}, got "{{ found.b }}"']


TARGETS = """\
targets:
  api: {http: "${API_URL}", headers: {Authorization: "Bearer ${TOKEN}"}, ca: "${CA}"}
  web: {http: "https://${HOST}/${file:/run/secrets/x}"}
rules: [{name: one, default: true}]
"""


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            {"API_URL": "", "HOST": "web"},
            [
                "p.yaml:2:15: warning: API_URL is not set: the target `api` is not configured",
                "p.yaml:2:54: warning: TOKEN is not set: the target `api` is not configured",
                "p.yaml:2:78: warning: CA is not set: the target `api` is not configured",
            ],
        ),
        ({"API_URL": "x", "TOKEN": "x", "CA": "x", "HOST": "x"}, []),
        (None, []),
    ],
)
def test_a_variable_that_is_not_set_is_warned_of_where_that_is_asked(
    environment: dict[str, str] | None, said: list[str], tmp_path: Path, catalogue: Catalogue
) -> None:
    (tmp_path / "p.yaml").write_text(TARGETS)

    loaded = load_packs(tmp_path / "p.yaml", catalogue, environment)

    assert [str(it).removeprefix(f"{tmp_path}/") for it in loaded.warnings] == said
    assert (len(loaded.packs), [it.line for it in loaded.warnings]) == (1, [""] * len(said))


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("{sentry: {project: api}}", "1:16: missing required key `organization`"),
        ("{sentry: {organization: shop, project: [api]}}", "1:54: expected text"),
        (
            "{sentry: {organization: shop, url: sentry.example.com}}",
            "1:50: expected an address that starts with http:// or https://, or ${NAME}",
        ),
        ("{github: shop}", "1:24: expected owner/repository"),
        ("{github: https://github.com/shop/api}", "1:24: expected owner/repository"),
        ("{http: api}", "1:22: expected an address that starts with http:// or https://, or ${NAME}"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(target: str, said: str, complaints: Complaints) -> None:
    found = complaints(f"targets: {{it: {target}}}\n")

    assert [it for it in found if it.startswith("1:")] == [said]


@pytest.mark.parametrize(
    "address",
    [
        "in-cluster",
        "{kubeconfig: /etc/kube/config, context: prod}",
        "{kubeconfig: '${KUBE}/config', context: '${CONTEXT}'}",
        "{context: prod}",
    ],
)
def test_a_cluster_is_named_by_where_we_are_or_by_a_kubeconfig(address: str, complaints: Complaints) -> None:
    assert complaints(f"targets: {{a: {{kubernetes: {address}}}}}\nrules: [{{name: one, default: true}}]\n") == []


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://kube", "1:33: expected in-cluster, or a mapping with context, kubeconfig"),
        ("{kubeconfg: a}", "1:34: unknown key `kubeconfg`; did you mean `kubeconfig`?"),
        ("{kubeconfig: '${}'}", "1:46: expected ${NAME} or ${file:/path}, found a `${` that is neither"),
    ],
)
def test_what_names_no_cluster_is_said(address: str, said: str, complaints: Complaints) -> None:
    found = complaints(f"targets: {{cluster: {{kubernetes: {address}}}}}\nrules: [{{name: one, default: true}}]\n")

    assert found == [said]
