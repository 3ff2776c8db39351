"""What counters grew by over a bound's window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.model.growth import growing, measured
from responder.model.pack import Bound
from responder.model.reading import Measure, Reading, Sample
from responder.model.verdict import Breach, Clear, Level, Pending, Unknown, Verdict
from responder.model.window import judge, run_over

START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
STEP = 15.0


def over(number: float, seconds: float = 60.0) -> Bound:
    return Bound(operator=">", number=number, for_seconds=seconds, text="")


def at(index: float) -> datetime:
    return START + timedelta(seconds=index * STEP)


def counted(*counters: Sequence[float | None], measure: Measure = "increase", scale: float = 1.0) -> Reading:
    """Counters of one series each, as they stood at each step; None where the page was not read."""
    samples = [
        Sample(at=at(index), value=values[0], counts=tuple({"one": it} for it in values if it is not None))
        for index, values in enumerate(zip(*counters, strict=True))
    ]
    past = tuple(growing(samples))
    return Reading(
        signal="it", value=math.nan, at=past[-1].at, past=past, step_seconds=STEP, measure=measure, scale=scale
    )


def value_in(bound: Bound, reading: Reading) -> float:
    return measured(bound, reading).value


def test_only_the_window_counts() -> None:
    reading = counted([0, 100, 101, 102, 103, 104])

    assert value_in(over(0, 60), reading) == 4
    assert value_in(over(0, 75), reading) == 104
    assert value_in(over(0, 0), reading) == 1  # without `for`: since the sample before


def test_a_rate_is_by_the_time_between_the_samples_that_were_taken() -> None:
    assert value_in(over(0), counted([0, 30, 60, 90, 120], measure="rate")) == 2.0


def test_a_ratio_is_of_what_both_grew_by_and_in_the_unit_of_its_signal() -> None:
    reading = counted([50, 53, 56, 59, 62], [1000, 1010, 1020, 1030, 1040], measure="ratio", scale=100.0)

    assert value_in(over(0), reading) == 30.0


def test_a_counter_that_began_anew_counts_from_nothing() -> None:
    assert value_in(over(0), counted([90, 100, 5, 7, 8])) == 10 + 5 + 2 + 1


def test_a_series_that_was_not_there_before_began_at_nothing() -> None:
    samples = [
        Sample(at=at(0), value=3, counts=({"a": 3.0},)),
        Sample(at=at(1), value=9, counts=({"a": 3.0, "b": 6.0},)),
        Sample(at=at(2), value=7, counts=({"b": 7.0},)),
    ]

    assert [it.grown for it in growing(samples)] == [(0.0,), (6.0,), (7.0,)]


@pytest.mark.parametrize(
    ("counter", "verdict"),
    [
        pytest.param(
            [5],
            Pending(level=Level.CRITICAL, since=at(0), needed_seconds=60, due=at(4)),
            id="one sample says nothing, and is not clear",
        ),
        pytest.param(
            [5, 5, 5],
            Pending(level=Level.CRITICAL, since=at(0), needed_seconds=60, due=at(4)),
            id="nothing yet is not nothing in the whole window",
        ),
        pytest.param(
            [5, 50, 50],
            Pending(level=Level.CRITICAL, since=at(0), needed_seconds=60, due=at(4)),
            id="over it already is pending too",
        ),
        pytest.param([5, 6, 7, 8, 16], Breach(level=Level.CRITICAL, since=at(0), at_least=True), id="covered and over"),
        pytest.param([5, 6, 7, 8, 15], Clear(), id="covered, exactly at the bound"),
        pytest.param([0, 50, 51, 52, 53, 54], Clear(), id="what grew before the window does not count"),
        pytest.param(
            [5, 50, None, 60, 99],
            Pending(level=Level.CRITICAL, since=at(3), needed_seconds=60, due=at(7)),
            id="a missing sample restarts the window",
        ),
    ],
)
def test_a_window_of_growth_is_pending_until_samples_cover_it(counter: list[float | None], verdict: Verdict) -> None:
    assert judge(over(10), Level.CRITICAL, counted(counter)) == verdict


def test_a_share_of_nothing_is_unknown_and_not_clear() -> None:
    verdict = judge(over(10), Level.CRITICAL, counted([1] * 5, [7] * 5, measure="ratio"))

    assert verdict == Unknown(why="nothing was counted within 1m: a share of nothing")


def test_a_gap_between_samples_restarts_the_window_though_both_were_read() -> None:
    samples = tuple(
        Sample(at=START + timedelta(seconds=it), value=it, grown=(float(it),)) for it in (0, 15, 45, 60, 75)
    )
    reading = Reading(signal="it", value=0, at=samples[-1].at, past=samples, step_seconds=STEP, measure="increase")

    assert judge(over(10), Level.CRITICAL, reading) == Pending(
        level=Level.CRITICAL, since=samples[2].at, needed_seconds=60, due=samples[2].at + timedelta(seconds=60)
    )
    assert run_over(over(10), reading) is None


def test_a_run_over_the_bound_is_the_window_itself() -> None:
    run = run_over(over(3), counted([0, 1, 2, 3, 4]))

    assert run is not None
    assert (run.since, run.until, run.whole) == (at(0), at(4), True)


counters = st.lists(st.one_of(st.none(), st.integers(0, 1000)), min_size=1, max_size=30)


@given(counters)
def test_a_window_that_is_not_covered_is_never_clear(counter: list[int | None]) -> None:
    if counter[-1] is None:
        counter[-1] = 5
    run = next((n for n, it in enumerate(reversed(counter)) if it is None), len(counter))

    verdict = judge(over(10), Level.CRITICAL, counted(counter))

    assert isinstance(verdict, Pending) == (run < 5)


@given(st.lists(st.integers(0, 50), min_size=5, max_size=30), st.data())
def test_restarts_lose_nothing_but_what_was_counted_before_the_next_sample(
    steps: list[int], data: st.DataObject
) -> None:
    resets = data.draw(st.lists(st.booleans(), min_size=len(steps), max_size=len(steps)))
    stood, counter = 0, [0]
    for step, reset in zip(steps, resets, strict=True):
        stood = step if reset else stood + step
        counter.append(stood)
    least = sum(step for step, reset in zip(steps[-4:], resets[-4:], strict=True) if not reset)

    grown = value_in(over(0), counted(counter))

    assert least <= grown <= sum(steps[-4:])
