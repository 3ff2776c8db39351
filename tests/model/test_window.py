"""`for`: how long a reading has been over its bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.model.pack import Bound
from responder.model.reading import NoReading, Reading, Sample
from responder.model.verdict import Breach, Clear, Level, Pending, Unknown, Verdict
from responder.model.window import judge

START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def above(number: float, *, seconds: float = 0.0, operator: str = ">") -> Bound:
    return Bound(operator=operator, number=number, for_seconds=seconds, text="")


def series(values: Sequence[float | None], step: float = 30.0) -> Reading:
    samples = tuple(Sample(at=at(index, step), value=value) for index, value in enumerate(values))
    newest = values[-1]
    assert newest is not None
    return Reading(signal="error_rate", value=newest, at=samples[-1].at, past=samples, step_seconds=step)


def at(index: int, step: float = 30.0) -> datetime:
    return START + timedelta(seconds=index * step)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        pytest.param([7, 7, 7, 7, 7], Breach(level=Level.CRITICAL, since=at(0), at_least=True), id="the whole window"),
        pytest.param([0, 7, 7, 7, 7, 7], Breach(level=Level.CRITICAL, since=at(1)), id="long enough after clear"),
        pytest.param(
            [0, 7, 7, 7, 7],
            Pending(level=Level.CRITICAL, since=at(1), needed_seconds=120, due=at(5)),
            id="one step short",
        ),
        pytest.param(
            [7, 7, None, 7, 7],
            Pending(level=Level.CRITICAL, since=at(3), needed_seconds=120, due=at(7)),
            id="a missing step restarts the window",
        ),
        pytest.param(
            [7, 7, math.nan, 7, 7],
            Pending(level=Level.CRITICAL, since=at(3), needed_seconds=120, due=at(7)),
            id="so does NaN",
        ),
        pytest.param(
            [7, 7, 5, 7, 7],
            Pending(level=Level.CRITICAL, since=at(3), needed_seconds=120, due=at(7)),
            id="exactly at the bound is not over it: `>` is strict",
        ),
        pytest.param([7, 7, 7, 7, 0], Clear(), id="the newest is clear"),
        pytest.param([7], Pending(level=Level.CRITICAL, since=at(0), needed_seconds=120, due=at(4)), id="one sample"),
        pytest.param([7, 7, 7, 7, math.inf], Breach(level=Level.CRITICAL, since=at(0), at_least=True), id="infinite"),
    ],
)
def test_a_window_is_judged_as_prometheus_does(values: list[float | None], verdict: Verdict) -> None:
    assert judge(above(5, seconds=120), Level.CRITICAL, series(values)) == verdict


def test_steps_that_are_not_in_the_list_at_all_are_missing_too() -> None:
    whole = series([7, 7, 7, 7, 7])
    holed = Reading(signal="error_rate", value=7, at=whole.at, past=(*whole.past[:2], *whole.past[3:]), step_seconds=30)

    assert judge(above(5, seconds=120), Level.CRITICAL, holed) == Pending(
        level=Level.CRITICAL, since=at(3), needed_seconds=120, due=at(7)
    )


def test_without_for_the_newest_value_decides() -> None:
    assert judge(above(5), Level.WARNING, series([0, 7])) == Breach(level=Level.WARNING, since=at(1))
    assert judge(above(7, operator=">="), Level.WARNING, series([0, 7])) == Breach(level=Level.WARNING, since=at(1))
    assert judge(above(7), Level.WARNING, series([0, 7])) == Clear()


def test_a_reading_without_a_past_is_pending_until_the_window_is_covered() -> None:
    alone = Reading(signal="serving", value=0.0, at=START)

    assert judge(above(1, seconds=60, operator="<"), Level.CRITICAL, alone) == Pending(
        level=Level.CRITICAL, since=START, needed_seconds=60, due=START + timedelta(minutes=1)
    )


def test_what_could_not_be_read_and_nan_are_unknown_whatever_the_past() -> None:
    past = series([7, 7, 7, 7, 7]).past

    missing = NoReading(signal="error_rate", why="no answer", at=at(5), past=past, step_seconds=30)
    nan = Reading(signal="error_rate", value=math.nan, at=at(5), past=past, step_seconds=30, origin="prometheus")

    assert judge(above(5), Level.CRITICAL, missing) == Unknown(why="no answer")
    assert judge(above(5), Level.CRITICAL, nan) == Unknown(why="prometheus gave NaN")


def prometheus_alerting_rule(values: Sequence[float | None], bound: float, hold: float, step: float) -> str:
    """What Prometheus' own rule `expr > bound for: hold` says after the last evaluation, one evaluation a step.

    https://github.com/prometheus/prometheus/blob/main/rules/alerting.go: an alert that has no sample is dropped,
    one that has keeps the time of its first, and fires when that is `hold` ago.
    """
    active_since: float | None = None
    state = "inactive"
    for index, value in enumerate(values):
        now = index * step
        if value is None or not value > bound:  # NaN > bound is false, as in PromQL
            active_since, state = None, "inactive"
            continue
        active_since = now if active_since is None else active_since
        state = "firing" if now - active_since >= hold else "pending"
    return state


RECORDED: list[list[float | None]] = [
    [0.1, 0.2, 0.1, 2.0, 7.3, 7.1, 7.4, 7.9, 8.1, 7.7],
    [7.3, 7.1, None, 7.9, 8.1, 7.7, 7.0, 6.9, 6.8, 6.7],
    [7.3, 4.9, 7.3, 4.9, 7.3, 4.9, 7.3, 4.9, 7.3, 7.3],
    [math.nan, 7.0, 7.0, 7.0, 7.0, 7.0],
    [9.0, 9.0, 9.0, 9.0, 5.0],
]


@pytest.mark.parametrize("values", RECORDED)
@pytest.mark.parametrize("hold", [0, 30, 60, 120, 240, 600])
def test_recorded_series_get_the_state_that_prometheus_gives_them(values: list[float | None], hold: float) -> None:
    words: dict[type[Verdict], str] = {Breach: "firing", Pending: "pending", Clear: "inactive"}

    for length in range(1, len(values) + 1):
        part = values[:length]
        if part[-1] is None or math.isnan(part[-1]):
            continue  # Prometheus says inactive; responder says unknown, on purpose
        verdict = judge(above(5, seconds=hold), Level.CRITICAL, series(part))
        assert words[type(verdict)] == prometheus_alerting_rule(part, 5, hold, 30), part


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(derandomize=True)
@given(finite, finite, st.sampled_from([">", ">=", "<", "<=", "==", "!="]))
def test_every_finite_reading_is_decided(value: float, number: float, operator: str) -> None:
    assert not isinstance(judge(above(number, operator=operator), Level.WARNING, series([value])), Unknown)


@settings(derandomize=True)
@given(
    st.lists(st.one_of(st.none(), st.floats(0, 10), st.just(math.nan)), max_size=12),
    st.floats(0, 10),
    st.sampled_from([0, 30, 60, 120]),
)
def test_any_series_gets_the_state_that_prometheus_gives_it(
    past: list[float | None], newest: float, hold: float
) -> None:
    values = [*past, newest]
    words: dict[type[Verdict], str] = {Breach: "firing", Pending: "pending", Clear: "inactive"}

    verdict = judge(above(5, seconds=hold), Level.CRITICAL, series(values))

    assert words[type(verdict)] == prometheus_alerting_rule(values, 5, hold, 30)


def test_nan_in_the_past_is_not_unequal_to_a_number() -> None:
    """NaN != 1 is true in every language; a step of NaN restarts the window all the same."""
    verdict = judge(above(1, seconds=60, operator="!="), Level.WARNING, series([7, math.nan, 7]))

    assert verdict == Pending(level=Level.WARNING, since=at(2), needed_seconds=60, due=at(4))
