"""The matrix: impact by how much a signal says is affected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from responder.model.assessment import Assessment
from responder.model.pack import Bound, Conditions, Matrix, Question, SeverityScheme
from responder.model.reading import AnyReading, NoReading, Reading
from responder.model.verdict import Breach, Clear, Level, Pending, RuleVerdict, Unknown, Verdict
from responder.severity.decide import decide

NOW = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
CRITICAL, WARNING = Breach(level=Level.CRITICAL), Breach(level=Level.WARNING)
PENDING = Pending(level=Level.CRITICAL, since=NOW, needed_seconds=60, due=NOW)
UNKNOWN, CLEAR = Unknown(why="no answer"), Clear()
LEVELS = ("SEV1", "SEV2", "SEV3", "SEV4")


def cell(operator: str, number: float) -> Bound:
    return Bound(operator=operator, number=number, for_seconds=0, text=f"{operator} {number:g}", noun="users")


MATRIX = Matrix(
    signal="affected",
    cells=(cell("<", 100), cell("<=", 1000), cell(">", 1000)),
    rows={
        "outage": ("SEV2", "SEV1", "SEV1"),
        "feature": ("SEV3", "SEV2", "SEV1"),
        "degraded": ("SEV4", "SEV3", "SEV2"),
    },
    impacts={
        "search": {"critical": "feature", "warning": "degraded"},
        "login": {"critical": "outage", "warning": "outage"},
        "half": {"critical": "feature"},
    },
)


def users(number: float) -> Reading:
    return Reading(signal="affected", value=number, at=NOW)


def assess(
    *verdicts: tuple[str, Verdict],
    affected: Sequence[AnyReading] = (),
    questions: Sequence[Question] = (),
    otherwise: Mapping[str, str] | None = None,
) -> Assessment:
    by_verdict = otherwise or {"critical": "SEV2", "warning": "SEV3"}
    scheme = SeverityScheme(levels=LEVELS, decide=tuple(questions), matrix=MATRIX, otherwise=by_verdict)
    held = [RuleVerdict(rule=rule, verdict=verdict) for rule, verdict in verdicts]
    return decide(scheme, held, {"affected": affected}, [{"service": "search"}], frozenset(), (), NOW)


@pytest.mark.parametrize(
    ("verdict", "affected", "level"),
    [
        pytest.param(CRITICAL, 99, "SEV3", id="first column"),
        pytest.param(CRITICAL, 100, "SEV2", id="the first cell that holds"),
        pytest.param(CRITICAL, 5000, "SEV1", id="last column"),
        pytest.param(WARNING, 99, "SEV4", id="warning has a row of its own"),
        pytest.param(PENDING, 5000, "SEV2", id="pending counts as warning"),
    ],
)
def test_a_breach_takes_its_row_and_the_first_cell_that_holds(verdict: Verdict, affected: float, level: str) -> None:
    result = assess(("search", verdict), affected=[users(affected)])

    assert (result.level, result.decided_by) == (level, "matrix")


def test_what_decided_is_said() -> None:
    assert (
        assess(("search", CRITICAL), affected=[users(120)]).because == "search: feature, affected 120 users (<= 1000)"
    )


@pytest.mark.parametrize(
    "affected",
    [
        pytest.param([], id="not read"),
        pytest.param([NoReading(signal="affected", why="no answer", at=NOW)], id="no reading"),
        pytest.param([users(float("nan"))], id="not a number"),
        pytest.param([users(5), NoReading(signal="affected", why="no answer", at=NOW)], id="one of two"),
    ],
)
def test_an_unknown_column_is_the_last(affected: Sequence[AnyReading]) -> None:
    assert assess(("search", CRITICAL), affected=affected).level == "SEV1"


def test_the_gravest_cell_of_all_rules_in_breach_or_pending_counts() -> None:
    result = assess(("search", CRITICAL), ("login", WARNING), ("half", CLEAR), affected=[users(150)])

    assert (result.level, result.because) == ("SEV1", "login: outage, affected 150 users (<= 1000)")


@pytest.mark.parametrize("verdict", [UNKNOWN, CLEAR])
def test_without_a_rule_in_breach_or_pending_otherwise_decides(verdict: Verdict) -> None:
    result = assess(("search", verdict), affected=[users(5000)])

    assert (result.decided_by, result.because) == ("otherwise", "")


def test_a_breach_without_an_impact_counts_as_otherwise() -> None:
    graver = assess(("search", WARNING), ("unplaced", CRITICAL), affected=[users(5)])
    milder = assess(("search", CRITICAL), ("unplaced", WARNING), affected=[users(5000)])

    assert (graver.level, graver.decided_by) == ("SEV2", "otherwise")
    assert (milder.level, milder.decided_by) == ("SEV1", "matrix")


def test_a_verdict_without_a_row_takes_that_of_the_other() -> None:
    assert assess(("half", WARNING), affected=[users(5)]).level == "SEV3"


def test_a_question_with_a_level_goes_first_and_a_cap_bounds_the_matrix() -> None:
    always = (Conditions(rules=("search",)),)
    ended = assess(("search", CRITICAL), affected=[users(5)], questions=[Question(ask="q", when=always, level="SEV1")])
    capped = assess(
        ("search", CRITICAL), affected=[users(5000)], questions=[Question(ask="q", when=always, at_most="SEV4")]
    )

    assert (ended.level, ended.decided_by) == ("SEV1", "q")
    assert (capped.level, capped.decided_by, capped.because) == ("SEV4", "q", "")
