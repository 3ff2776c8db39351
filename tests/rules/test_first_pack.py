"""What can be told from Prometheus' alerting rules, and that the pack that comes of it is one."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from responder.cli.init import command
from responder.diagnostics.catalogue import specs
from responder.errors import ResponderError, UsageError
from responder.model.alerting_rule import AlertingRule
from responder.model.pack import Pack, PrometheusSource, Rule
from responder.rules.comparison import Comparison, comparison_in
from responder.rules.first_pack import first_pack, unit_of
from responder.rules.packs import load_packs, pack_from_files
from tests.systems.plugin import System

ALERTS = Path(__file__).parent / "first_pack" / "alerts.yaml"
CONFIG = "rule_files: [alerts.yaml]\n"


@pytest.mark.parametrize(
    ("expression", "value", "operator", "number"),
    [
        pytest.param("shop_queue > 500", "shop_queue", ">", 500, id="plain"),
        pytest.param("(shop_queue > 500)", "shop_queue", ">", 500, id="brackets around it"),
        pytest.param("500 < shop_queue", "shop_queue", ">", 500, id="the number first"),
        pytest.param('a{x=">= 5"} / b > 5', 'a{x=">= 5"} / b', ">", 5, id="in quotes is nothing"),
        pytest.param("a # > 4\n > 3", "a", ">", 3, id="in a comment neither"),
        pytest.param("sum(a > 4) > 3", "sum(a > 4)", ">", 3, id="the last one at the top"),
        pytest.param("a > (14.4 * 2e-2)", "a", ">", 0.288, id="arithmetic"),
        pytest.param("a < -1", "a", "<", -1, id="negative"),
        pytest.param("a > 5 and on (x) b == 0", "(a) and on (x) b == 0", ">", 5, id="a guard stays"),
        pytest.param("(a > 5) unless b", "(a) unless b", ">", 5, id="a guard after brackets"),
    ],
)
def test_the_comparison_that_decides_is_found(expression: str, value: str, operator: str, number: float) -> None:
    found = comparison_in(expression)

    assert found is not None
    assert (found.value, found.operator, found.number) == (value, operator, pytest.approx(number))


@pytest.mark.parametrize(
    "expression",
    ["absent(up)", "vector(1)", "a > b", "a > 5 or b > 5", "a > bool 5", "(a > 5 and b) and c", "a > on (x) b", "",
     "(" * 5_000 + "a" + ")" * 5_000 + " > 5", "2 > 1", "a > 5 / 0", "a > 9 ** 9 ** 9"],
)  # fmt: skip
def test_what_is_not_certain_is_left_to_the_alert(expression: str) -> None:
    assert comparison_in(expression) is None


@pytest.mark.parametrize(
    ("value", "number", "unit"),
    [
        ("100 * a / b", 5, "percent"),
        ("a / b * 100", 5, "percent"),
        ("errors_total / requests_total", 0.05, "ratio"),
        ("histogram_quantile(0.99, x_seconds_bucket)", 0.5, "seconds"),
        ("process_resident_memory_bytes", 1e9, "bytes"),
        ("shop_queue", 500, "count"),
        ("a1100 * b", 5, "count"),
    ],
)
def test_the_unit_is_taken_from_the_expression(value: str, number: float, unit: str) -> None:
    assert unit_of(Comparison(value=value, operator=">", number=number)) == unit


def test_no_name_or_text_of_a_server_breaks_out_of_its_place() -> None:
    hostile = "\"'\n- x: {y: [ #{{ labels.a }} ${SECRET}"
    rules = [
        AlertingRule(group=hostile, alert=hostile, expression=f'a{{x="{n}"}} > {n}', annotations={"summary": hostile})
        for n in range(3)
    ]

    pack = pack_from_files("p", first_pack("p", "http://p:9090", rules), specs())

    assert [len(rule.thresholds) for rule in pack.rules] == [1, 1, 1]
    assert len({rule.name for rule in pack.rules}) == 3
    assert len(pack.files) == 2


Start = Callable[..., System]


@pytest.fixture(scope="module")
def server(prometheus_server: Start) -> System:
    return prometheus_server(CONFIG, files={"alerts.yaml": ALERTS.read_text()})


@pytest.fixture
def made(server: System, tmp_path: Path) -> Pack:
    done = init(tmp_path / "shop", server.address)
    assert done.exception is None, done.output
    assert "15 rules from 17 alerts, 11 with a bound" in done.output
    loaded = load_packs(tmp_path / "shop", specs())
    assert (loaded.problems, loaded.warnings) == ((), ())
    return loaded.packs[0]


def init(folder: Path, url: str) -> Result:
    return CliRunner().invoke(command, [str(folder), "--from", url], standalone_mode=False)


def rule_of(pack: Pack, name: str) -> Rule:
    return next(rule for rule in pack.rules if rule.name == name)


def bounds(pack: Pack, name: str) -> dict[str, str]:
    (it,) = rule_of(pack, name).thresholds
    return {str(level): bound.text for level, bound in it.over()}


@pytest.mark.system
def test_a_real_prometheus_gives_a_pack_without_a_mistake(made: Pack) -> None:
    assert made.name == "shop"
    assert bounds(made, "high-error-rate") == {"critical": "> 0.05 for 2m"}
    assert bounds(made, "slow-checkout") == {"warning": "> 0.5 for 1m30s"}
    assert bounds(made, "service-down") == {"critical": "> 0 for 1m"}
    assert bounds(made, "node-filesystem-almost-out-of-space") == {"critical": "< 3 for 30m", "warning": "< 5 for 30m"}
    burns = [f"kube-api-error-budget-burn{it}" for it in ("", "-2", "-3")]
    assert [bounds(made, it) for it in burns] == [
        {"critical": "> 0.144 for 2m"},
        {"critical": "> 0.06 for 15m"},
        {"warning": "> 0.03 for 1h"},
    ]
    assert (
        rule_of(made, burns[1])
        .match[0]
        .holds({"alertname": "KubeAPIErrorBudgetBurn", "severity": "critical", "long": "6h", "short": "30m"})
    )
    crashing = rule_of(made, "kube-pod-crash-looping")
    assert (crashing.summary, crashing.runbook) == (
        "Pod is crash looping.",
        "https://runbooks.example.com/kubepodcrashlooping",
    )
    for name in ("too-few-pods", "prometheus-down", "node-clock-skew-detected", "kube-deployment-replicas-mismatch"):
        assert rule_of(made, name).thresholds == ()
    assert rule_of(made, "prometheus-down").level == "critical"
    assert made.ignore[0].holds({"alertname": "Watchdog"})


@pytest.mark.system
def test_the_same_prometheus_takes_every_query(made: Pack, server: System) -> None:
    for signal in made.signals.values():
        assert isinstance(signal.source, PrometheusSource)
        for query in (signal.source.query, signal.source.present or "vector(1)"):
            with urllib.request.urlopen(
                f"{server.address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
            ) as it:
                assert json.load(it)["status"] == "success", query


@pytest.mark.system
def test_a_folder_with_something_in_it_is_left_as_it_is(server: System, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("mine")

    done = init(tmp_path, server.address)

    assert isinstance(done.exception, UsageError)
    assert "is not empty" in str(done.exception)
    assert [it.name for it in tmp_path.iterdir()] == ["mine.yaml"]


@pytest.mark.system
def test_a_credential_in_the_address_is_not_written(server: System, tmp_path: Path) -> None:
    done = init(tmp_path / "p", server.address.replace("http://", "http://reader:hunter2-secret@"))

    assert done.exception is None
    assert "set PROMETHEUS_URL to it" in done.output
    assert "prometheus: '${PROMETHEUS_URL}'" in (tmp_path / "p" / "pack.yaml").read_text()
    assert not any("hunter2" in it.read_text() for it in (tmp_path / "p").iterdir())


def test_where_nothing_listens_it_says_so(tmp_path: Path) -> None:
    done = init(tmp_path / "p", "http://127.0.0.1:9")

    assert isinstance(done.exception, ResponderError)
    assert "http://127.0.0.1:9" in str(done.exception)
    assert not (tmp_path / "p").exists()
