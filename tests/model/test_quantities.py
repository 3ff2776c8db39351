"""Durations and numbers as people write them, and as they read them."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.model.pack import Unit
from responder.model.quantities import UNITS, convert, parse_duration, parse_number, show_duration, show_value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30), ("5m", 300), ("2h", 7200), ("1h30m", 5400), ("3d", 259200), ("1w", 604800), ("5 min", 300),
        ("500ms", 0.5), ("1.5h", 5400), ("0", 0), ("90 seconds", 90), ("2m 30s", 150),
    ],
)  # fmt: skip
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5 mins ago", "m", "30m1h", "1h1h", "-5m", "5x", "٣m", "1e3s", "5m;", "inf"])
def test_what_is_no_duration_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError) as wrong:  # noqa: PT011 - the text is compared below
        parse_duration(text)

    assert str(wrong.value) == f'expected a duration such as 30s, 5m or 1h30m, got "{text}"'


def test_a_duration_that_no_calendar_holds_is_refused() -> None:
    with pytest.raises(ValueError, match=r'^expected a duration of at most 100 years, got "99999999w"$'):
        parse_duration("99999999w")


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("1%", "percent", 1), ("95 %", "percent", 95), ("95 %", "ratio", 0.95), ("0.05", "ratio", 0.05),
        ("500ms", "seconds", 0.5), ("700ms", "seconds", 0.7), ("2s", "milliseconds", 2000), ("9", "milliseconds", 9),
        ("1h30m", "seconds", 5400), ("1k", "count", 1000), ("-3", "count", -3), ("512MiB", "bytes", 2**29),
        ("1 GB", "bytes", 1e9), ("100/s", "per_second", 100), ("1k per second", "per_second", 1000),
    ],
)  # fmt: skip
def test_a_number_is_read_in_the_unit_of_its_signal(text: str, unit: Unit, value: float) -> None:
    assert parse_number(text, unit) == value


def test_a_noun_may_follow_the_number() -> None:
    assert parse_number("500 waiting", "count", "waiting") == 500
    assert parse_number("500", "count", "waiting") == 500


@pytest.mark.parametrize(
    ("text", "unit", "complaint"),
    [
        ("2s", "percent", 'expected percent such as 5%, got "2s"'),
        ("5%", "seconds", 'expected a time such as 2s or 500ms, got "5%"'),
        ("5%", "count", 'expected a number such as 500 or 1k, got "5%"'),
        ("many", "bytes", 'expected bytes such as 512MiB, got "many"'),
        ("nan", "ratio", 'expected a share such as 5% or 0.05, got "nan"'),
        ("1e400", "count", 'expected a number such as 500 or 1k, got "1e400"'),
        ("1m", "count", 'expected a number such as 500 or 1k, got "1m"'),
    ],
)
def test_a_unit_that_does_not_fit_is_refused(text: str, unit: Unit, complaint: str) -> None:
    with pytest.raises(ValueError) as wrong:  # noqa: PT011 - the text is compared below
        parse_number(text, unit)

    assert str(wrong.value) == complaint


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (0.34, "340ms"), (45, "45s"), (250, "4m10s"), (230, "3m50s"), (840, "14m"), (28 * 60 + 12, "28m"),
     (59.7, "1m"), (5400, "1h30m"), (7200, "2h"), (273600, "3d4h"), (-5, "0s"), (float("nan"), "?")],
)  # fmt: skip
def test_a_duration_is_shown_with_two_units_at_most(seconds: float, shown: str) -> None:
    assert show_duration(seconds) == shown


@pytest.mark.parametrize(
    ("value", "unit", "noun", "shown"),
    [
        (7.31, "percent", "", "7.3 %"), (0.073, "ratio", "", "7.3 %"), (100, "percent", "", "100 %"),
        (0.0123, "percent", "", "0.012 %"), (0.0413, "seconds", "", "41 ms"), (41, "milliseconds", "", "41 ms"),
        (2.44, "seconds", "", "2.4 s"), (250, "seconds", "", "4m10s"),
        (-250, "seconds", "", "-4m10s"), (2**29, "bytes", "", "512 MiB"),
        (500, "count", "waiting", "500 waiting"), (12.5, "per_second", "", "12.5 /s"), (0, "count", "", "0"),
        (float("nan"), "count", "", "NaN"), (float("inf"), "percent", "", "+Inf"), (1e300, "count", "", "1e+300"),
    ],
)  # fmt: skip
def test_a_value_is_shown_as_people_say_it(value: float, unit: Unit, noun: str, shown: str) -> None:
    assert show_value(value, unit, noun) == shown


def test_only_what_measures_the_same_is_converted() -> None:
    assert convert(0.5, "ratio", "percent") == 50
    assert convert(700, "milliseconds", "seconds") == 0.7
    with pytest.raises(ValueError, match=r"^expected a value in seconds, got one in percent$"):
        convert(1, "percent", "seconds")


@settings(derandomize=True)
@given(st.text(max_size=60), st.sampled_from(UNITS))
def test_any_text_is_refused_or_read_as_a_finite_number(text: str, unit: Unit) -> None:
    for read in (lambda: parse_duration(text), lambda: parse_number(text, unit)):
        with contextlib.suppress(ValueError):
            assert math.isfinite(read())


@settings(derandomize=True)
@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(UNITS))
def test_every_value_can_be_shown(value: float, unit: Unit) -> None:
    assert len(show_value(value, unit)) < 30
