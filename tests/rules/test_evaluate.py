"""Verdicts of rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.model.alert import Alert, AlertStatus
from responder.model.growth import growing
from responder.model.matchers import parse_line
from responder.model.pack import Bound, Pack, Position, Rule, Thresholds
from responder.model.reading import AnyReading, NoReading, Reading, Sample
from responder.model.verdict import Breach, Clear, Level, Pending, RuleVerdict, Unknown, Verdict, key_of, rank
from responder.rules.evaluate import evaluate

NOW = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
HERE = Position(file="rules.yaml", line=1, column=1)
STEP = 30.0


def over(number: float, seconds: float = 0.0, operator: str = ">") -> Bound:
    return Bound(operator=operator, number=number, for_seconds=seconds, text=f"{operator} {number:g}%", unit="percent")


def rule(*thresholds: Thresholds, combine: str = "any", **more: object) -> Rule:
    return Rule(name="one", written_at=HERE, thresholds=thresholds, combine=combine, **more)  # type: ignore[arg-type]


def bounds(signal: str = "error_rate", **named: Bound) -> Thresholds:
    return Thresholds(signal=signal, **named)


ERRORS = bounds(warning=over(1, 300), critical=over(5, 120), resolve=over(0.5, 0, "<"))


def reading(*values: float | None, labels: tuple[tuple[str, str], ...] = (), late: float = 0) -> Reading:
    end = NOW + timedelta(seconds=late)
    count = len(values)
    past = tuple(
        Sample(at=end - timedelta(seconds=STEP * (count - 1 - index)), value=value)
        for index, value in enumerate(values)
    )
    newest = values[-1]
    assert newest is not None
    return Reading(signal="error_rate", value=newest, at=end, past=past, step_seconds=STEP, labels=labels)


def verdict_of(thresholds: Thresholds, one: AnyReading, former: RuleVerdict | None = None) -> Verdict:
    return evaluate(rule(thresholds), {thresholds.signal: [one]}, [], former, NOW).verdict


def ago(steps: float) -> datetime:
    return NOW - timedelta(seconds=STEP * steps)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        pytest.param([0.2] * 11, Clear(), id="clear"),
        pytest.param([0] + [7] * 5, Breach(level=Level.CRITICAL, since=ago(4)), id="critical"),
        pytest.param([0] + [2] * 11, Breach(level=Level.WARNING, since=ago(10)), id="warning"),
        pytest.param(
            [0] + [7] * 4,
            Pending(level=Level.CRITICAL, since=ago(3), needed_seconds=120, due=ago(-1)),
            id="pending: the graver bound speaks",
        ),
        pytest.param([0] + [2] * 8 + [7] * 3, Breach(level=Level.WARNING, since=ago(10)), id="warning, critical soon"),
    ],
)
def test_the_gravest_bound_is_the_verdict(values: list[float], verdict: Verdict) -> None:
    assert verdict_of(ERRORS, reading(*values)) == verdict


def test_the_reading_stands_beside_the_bound_that_decided() -> None:
    result = evaluate(rule(ERRORS), {"error_rate": [reading(0, *[7.31] * 5)]}, [], None, NOW)

    signal = result.signals[0]
    assert (result.rule, signal.signal, signal.shown, signal.bound) == ("one", "error_rate", "7.3 %", "> 5%")


@pytest.mark.parametrize(
    ("one", "why"),
    [
        pytest.param(
            NoReading(signal="error_rate", why="no answer in 5 s", at=NOW), "no answer in 5 s", id="no reading"
        ),
        pytest.param(reading(7, 7, 7, 7, 7, math.nan), "error_rate gave NaN", id="NaN"),
        pytest.param(None, "error_rate was not read", id="not read at all"),
    ],
)
def test_what_cannot_be_known_is_unknown_and_says_why(one: AnyReading | None, why: str) -> None:
    result = evaluate(rule(ERRORS), {"error_rate": [one]} if one else {}, [], None, NOW)

    assert result.verdict == Unknown(why=why)


BREACH, PENDING, UNKNOWN, CLEAR = [7.0] * 5, [0, 7.0], None, [0.0]


@pytest.mark.parametrize(
    ("first", "second", "any_of", "all_of"),
    [
        (BREACH, CLEAR, "critical", "clear"),
        (BREACH, BREACH, "critical", "critical"),
        (BREACH, PENDING, "critical", "pending"),
        (BREACH, UNKNOWN, "critical", "unknown"),
        (PENDING, UNKNOWN, "pending", "unknown"),
        (UNKNOWN, CLEAR, "unknown", "unknown"),
        (CLEAR, CLEAR, "clear", "clear"),
    ],
)
def test_signals_are_combined(
    first: Sequence[float] | None, second: Sequence[float] | None, any_of: str, all_of: str
) -> None:
    both = (bounds("a", critical=over(5, 120)), bounds("b", critical=over(5, 120)))
    readings: dict[str, list[AnyReading]] = {
        name: [reading(*values) if values else NoReading(signal=name, why="?", at=NOW)]
        for name, values in (("a", first), ("b", second))
    }

    verdicts = [evaluate(rule(*both, combine=how), readings, [], None, NOW).verdict for how in ("any", "all")]

    assert [key_of(it) for it in verdicts] == [any_of, all_of]


def test_of_several_readings_of_one_signal_the_gravest_counts() -> None:
    api, web = (("service", "api"),), (("service", "web"),)

    result = evaluate(
        rule(ERRORS), {"error_rate": [reading(0, labels=api), reading(*[7] * 5, labels=web)]}, [], None, NOW
    )

    assert [(it.reading.labels, key_of(it.verdict)) for it in result.signals] == [(web, "critical")]


@pytest.mark.parametrize(
    ("former", "values", "key"),
    [
        pytest.param(Level.CRITICAL, [0.7], "critical", id="between: the former level stays"),
        pytest.param(Level.WARNING, [0.7], "warning", id="between: a warning stays too"),
        pytest.param(Level.CRITICAL, [0.2], "clear", id="resolved"),
        pytest.param(Level.CRITICAL, [0.7, 2], "warning", id="over warning again is warning at once"),
        pytest.param(None, [0.7], "clear", id="between without a breach is clear"),
        pytest.param(None, [0.7, 2], "pending", id="over warning for the first time has to wait"),
    ],
)
def test_a_breach_lasts_until_it_is_resolved(former: Level | None, values: list[float], key: str) -> None:
    was = None
    if former is not None:
        long_ago = reading(*([7 if former is Level.CRITICAL else 2] * 11), late=-600)
        was = evaluate(rule(ERRORS), {"error_rate": [long_ago]}, [], None, NOW)
        assert key_of(was.verdict) == former

    assert key_of(verdict_of(ERRORS, reading(*values), was)) == key


def test_resolve_may_have_to_last() -> None:
    slow = bounds(critical=over(5), resolve=over(1, 60, "<"))
    was = evaluate(rule(slow), {"error_rate": [reading(7, late=-120)]}, [], None, NOW)

    assert key_of(verdict_of(slow, reading(7, 0, 0), was)) == "critical"
    assert key_of(verdict_of(slow, reading(7, 0, 0, 0), was)) == "clear"


def test_an_unknown_newest_step_is_unknown_even_after_a_breach() -> None:
    was = evaluate(rule(ERRORS), {"error_rate": [reading(*[7] * 5, late=-60)]}, [], None, NOW)

    assert verdict_of(ERRORS, NoReading(signal="error_rate", why="gone", at=NOW), was) == Unknown(why="gone")


def test_a_breach_that_began_before_the_window_keeps_its_beginning() -> None:
    first = evaluate(rule(ERRORS), {"error_rate": [reading(0, *[7] * 5, late=-60)]}, [], None, NOW)

    later = verdict_of(ERRORS, reading(*[7] * 5), first)

    assert later == Breach(level=Level.CRITICAL, since=ago(6))


def test_a_breach_of_another_time_is_not_taken_for_its_beginning() -> None:
    first = evaluate(rule(ERRORS), {"error_rate": [reading(0, *[7] * 5, late=-6000)]}, [], None, NOW)

    assert verdict_of(ERRORS, reading(*[7] * 5), first) == Breach(level=Level.CRITICAL, since=ago(4), at_least=True)


@pytest.mark.parametrize(
    ("labels", "level", "verdict"),
    [
        ([{"severity": "critical"}], None, Breach(level=Level.CRITICAL)),
        ([{"severity": "page"}], None, Breach(level=Level.CRITICAL)),
        ([{"severity": "info"}, {}], None, Breach(level=Level.WARNING)),
        ([{"severity": "critical"}], Level.WARNING, Breach(level=Level.WARNING)),
        ([{"severity": "critical", "other": "x"}], None, Clear()),
    ],
)
def test_without_thresholds_the_firing_alert_is_the_evidence(
    alert: Callable[..., Alert], labels: list[dict[str, str]], level: Level | None, verdict: Verdict
) -> None:
    made = rule(level=level, match=(parse_line('other=""'),))

    assert evaluate(made, {}, [alert(**it) for it in labels], None, NOW).verdict == verdict


def test_a_resolved_alert_is_no_evidence(alert: Callable[..., Alert]) -> None:
    resolved = alert(resolved=5)

    assert resolved.status is AlertStatus.RESOLVED
    assert evaluate(rule(default=True), {}, [resolved], None, NOW).verdict == Clear()


def test_the_rule_of_a_pack_is_evaluated_as_written(pack: Callable[[str], Pack]) -> None:
    made = pack(
        "rules: [{name: one, match: ['a=\"b\"'], thresholds: {error_rate: {critical: '> 5% for 2m'}}}]\n"
    ).rules[0]

    assert key_of(evaluate(made, {"error_rate": [reading(*[7.3] * 5)]}, [], None, NOW).verdict) == "critical"


finite = st.floats(0, 100)
anything = st.one_of(st.none(), finite, st.just(math.nan))


@settings(derandomize=True)
@given(st.lists(finite, min_size=1, max_size=12))
def test_every_finite_series_is_decided(values: list[float]) -> None:
    assert not isinstance(verdict_of(ERRORS, reading(*values)), Unknown)


@settings(derandomize=True)
@given(st.lists(st.tuples(finite, st.floats(0, 100)), min_size=1, max_size=12))
def test_a_graver_reading_never_lowers_a_verdict(pairs: list[tuple[float, float]]) -> None:
    mild = reading(*(value for value, _ in pairs))
    grave = reading(*(value + more for value, more in pairs))

    assert rank(verdict_of(ERRORS, grave)) <= rank(verdict_of(ERRORS, mild))


@settings(derandomize=True)
@given(st.lists(anything, max_size=8), st.sampled_from(["any", "all"]), st.booleans())
def test_what_is_unknown_never_counts_as_clear(past: list[float | None], combine: str, swapped: bool) -> None:
    known = reading(*past, 0.0)
    unknown = NoReading(signal="b", why="?", at=NOW, past=known.past)
    both = [bounds("a", critical=over(5)), bounds("b", critical=over(5))]

    made = rule(*(reversed(both) if swapped else both), combine=combine)

    assert isinstance(evaluate(made, {"a": [known], "b": [unknown]}, [], None, NOW).verdict, Unknown)


def test_what_one_label_value_breached_does_not_hold_for_another() -> None:
    api, web = (("service", "api"),), (("service", "web"),)
    was = evaluate(rule(ERRORS), {"error_rate": [reading(*[7] * 5, labels=api, late=-60)]}, [], None, NOW)

    assert key_of(verdict_of(ERRORS, reading(0.7, labels=api), was)) == "critical"
    assert key_of(verdict_of(ERRORS, reading(0.7, labels=web), was)) == "clear"


def counted(*counter: float) -> Reading:
    """A counter as it stood at each step, of which increases are taken."""
    end = NOW - timedelta(seconds=STEP * (len(counter) - 1))
    samples = [
        Sample(at=end + timedelta(seconds=STEP * index), value=it, counts=({"one": float(it)},))
        for index, it in enumerate(counter)
    ]
    past = tuple(growing(samples))
    return Reading(
        signal="error_rate", value=math.nan, at=NOW, past=past, step_seconds=STEP, measure="increase", origin="x"
    )


GROWTH = bounds(warning=over(10, 120), critical=over(50, 60), resolve=over(2, 0, "<"))


def test_growth_is_shown_and_kept_as_the_window_of_its_bound_has_it() -> None:
    (signal,) = evaluate(rule(GROWTH), {"error_rate": [counted(0, 5, 10, 15, 20)]}, [], None, NOW).signals

    assert isinstance(signal.verdict, Breach)
    assert isinstance(signal.reading, Reading)
    assert (signal.bound, signal.shown, signal.reading.value) == ("> 10%", "20 %", 20.0)


def test_growth_that_is_not_known_yet_is_said_so() -> None:
    (signal,) = evaluate(rule(GROWTH), {"error_rate": [counted(7)]}, [], None, NOW).signals

    assert isinstance(signal.verdict, Pending)
    assert signal.shown == "not known yet"


@pytest.mark.parametrize(
    ("counter", "key"),
    [
        pytest.param([0, 5, 10, 15, 20], "warning", id="over the bound"),
        pytest.param([0, 1, 2, 3, 8], "warning", id="under it, and not resolved"),
        pytest.param([0, 1, 2, 3, 4], "clear", id="what grew since the sample before is under `resolve`"),
        pytest.param([0, 1], "warning", id="after a gap the window is not covered"),
    ],
)
def test_a_breach_by_growth_lasts_until_it_is_resolved(counter: list[float], key: str) -> None:
    former = evaluate(rule(GROWTH), {"error_rate": [counted(0, 5, 10, 15, 20)]}, [], None, NOW)

    assert key_of(verdict_of(GROWTH, counted(*counter), former)) == key
