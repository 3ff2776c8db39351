"""Laws of the language, whatever a pack says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from responder.model.alert import Alert, AlertStatus
from responder.model.pack import Pack
from responder.model.reading import AnyReading, NoReading, Reading
from responder.model.verdict import Clear, Unknown
from responder.rules.evaluate import evaluate
from responder.rules.match import matching
from responder.rules.packs import load_packs
from responder.severity.decide import decide

NOW = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
SIGNALS = """\
targets: {p: {prometheus: "http://p"}}
signals:
  errors: {unit: count, prometheus: {query: errors}}
  users: {unit: count, prometheus: {query: users}}
"""
LEVELS = ("P1", "P2", "P3", "P4")
GRID = [0.0, 1.0, 4.5, 5.0, 9.0, 10.5, 19.0, 21.0, 49.0, 51.0, 500.0]

numbers = st.sampled_from([1, 5, 10, 20, 50])
levels = st.sampled_from(LEVELS)
bounds = st.builds(lambda operator, number: f'"{operator} {number}"', st.sampled_from([">", ">="]), numbers)
by_verdict = st.tuples(levels, levels).map(lambda it: f"{{critical: {min(it)}, warning: {max(it)}}}")
whens = st.one_of(
    bounds.map(lambda bound: f"{{errors: {bound}}}"),
    st.just("{rule: one}"),
    st.just("{labels: 'team=\"data\"'}"),
    bounds.map(lambda bound: f"{{errors: {bound}, labels: 'team=\"data\"'}}"),
    bounds.map(lambda bound: f"[{{errors: {bound}}}, {{rule: one}}]"),
)
thens = st.one_of(levels, by_verdict, levels.map("{{at_least: {}}}".format), levels.map("{{at_most: {}}}".format))
questions = st.builds(
    lambda when, then, unknown: f"{{when: {when}, then: {then}{unknown}",
    whens,
    thens,
    st.sampled_from(["}", ", unknown: yes}"]),
)
matrices = st.one_of(
    st.just(""),
    st.lists(levels, min_size=3, max_size=3).map(
        lambda row: (
            f"  matrix: {{columns: {{signal: errors, cells: ['< 10', '< 20', '>= 20']}}, rows: "
            f"{{outage: [{', '.join(sorted(row, reverse=True))}]}}}}\n"
        )
    ),
)


@st.composite
def packs(draw: st.DrawFn) -> str:
    low, high = sorted(draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    asked = [
        f"    - {it.replace('{', f'{{ask: q{n}, ', 1)}" for n, it in enumerate(draw(st.lists(questions, max_size=4)))
    ]
    matrix = draw(matrices)
    impact = ", impact: outage" if matrix else ""
    return (
        f"{SIGNALS}severity:\n  decide:\n"
        + "\n".join(asked or ["    []"])
        + f"\n{matrix}  otherwise: {draw(by_verdict)}\n"
        f"rules: [{{name: one, match: ['a=\"b\"'], thresholds: "
        f"{{errors: {{warning: '> {low}', critical: '> {high}'}}}}{impact}}}]\n"
    )


def loaded(text: str, folder: Path) -> tuple[Pack, list[str]]:
    """The pack and its warnings."""
    (folder / "pack.yaml").write_text(text)
    found = load_packs(folder, {})
    assert [str(it) for it in found.problems] == []
    return found.packs[0], [it.text for it in found.warnings]


def severity(pack: Pack, readings: Sequence[AnyReading], labels: dict[str, str]) -> int:
    """Its rank, 0 the gravest."""
    held = {it.signal: [it] for it in readings}
    alert = Alert(
        fingerprint="a", labels=labels, annotations={}, status=AlertStatus.FIRING, starts_at=NOW, ends_at=None
    )
    verdicts = [evaluate(rule, held, [alert], None, NOW) for rule in matching(pack.rules, [labels])]
    return decide(pack.severity, verdicts, held, [labels], frozenset(), (), NOW).rank


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(text=packs(), team=st.sampled_from(["data", "web"]))
def test_a_graver_reading_never_lowers_the_severity_unless_check_says_so(
    tmp_path_factory: object, text: str, team: str
) -> None:
    pack, warnings = loaded(text, tmp_path_factory.mktemp("p"))  # type: ignore[attr-defined]
    assume(not any("lowers the severity" in it for it in warnings))

    labels = {"a": "b", "team": team}
    ranks = [severity(pack, [Reading(signal="errors", value=it, at=NOW)], labels) for it in GRID]
    assert ranks == sorted(ranks, reverse=True), text


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(text=packs())
def test_unknown_never_counts_as_clear(tmp_path_factory: object, text: str) -> None:
    pack, warnings = loaded(text, tmp_path_factory.mktemp("p"))  # type: ignore[attr-defined]
    assume(not any("lowers the severity" in it for it in warnings))
    rule, labels = pack.rules[0], {"a": "b"}
    missing = NoReading(signal="errors", why="no answer", at=NOW)

    assert isinstance(evaluate(rule, {"errors": [missing]}, [], None, NOW).verdict, Unknown)
    assert isinstance(evaluate(rule, {}, [], None, NOW).verdict, Unknown)
    clear = Reading(signal="errors", value=0.0, at=NOW)
    assert isinstance(evaluate(rule, {"errors": [clear]}, [], None, NOW).verdict, Clear)
    assert not isinstance(evaluate(rule, {"errors": [clear, missing]}, [], None, NOW).verdict, Clear)
    assert severity(pack, [missing], labels) <= severity(pack, [clear], labels)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(text=packs(), order=st.permutations(["a", "team", "x"]), value=st.sampled_from(GRID))
def test_the_order_of_labels_never_matters(tmp_path_factory: object, text: str, order: list[str], value: float) -> None:
    pack, _ = loaded(text, tmp_path_factory.mktemp("p"))  # type: ignore[attr-defined]
    labels = {"a": "b", "team": "data", "x": "y"}
    readings = [Reading(signal="errors", value=value, at=NOW)]

    assert severity(pack, readings, {name: labels[name] for name in order}) == severity(pack, readings, labels)
