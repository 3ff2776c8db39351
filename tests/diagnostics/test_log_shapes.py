"""Lines are grouped by shape; what stands in one line only is shown nowhere."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.diagnostics.log_lines import LogLine
from responder.diagnostics.log_shapes import MOST_SHAPES, Shapes, shapes_of

START = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def lines(*texts: str, since: float = 0, every: float = 1) -> list[LogLine]:
    return [LogLine(at(since + number * every), text) for number, text in enumerate(texts)]


def seen(shapes: Shapes) -> list[tuple[str, int]]:
    return [(it.shown, it.count) for it in shapes.listed]


QUIET = lines(*(f"INFO served request {n} in {n % 7} ms" for n in range(100)), every=18)  # half an hour


def test_lines_of_one_shape_are_one_group_with_its_times() -> None:
    shapes = shapes_of(QUIET)

    (only,) = shapes.listed
    assert (only.shown, only.count, only.first, only.last) == ("served request … in … ms", 100, at(0), at(99 * 18))
    assert (shapes.lines, shapes.begins, shapes.ends, shapes.cut) == (100, at(0), at(99 * 18), "")


def test_a_log_may_be_known_to_hold_nothing_before_its_first_line() -> None:
    half_an_hour = (START, at(1800))
    errors = lines(*["KeyError: 'STRIPE_KEY'"] * 20, since=1_500)

    assert [it.count for it in shapes_of(errors, between=half_an_hour).new_errors] == [20]
    assert shapes_of(errors).new_errors == ()
    assert shapes_of(lines(*["KeyError: 'X'"] * 3, since=100), between=half_an_hour).new_errors == ()


def test_an_exception_leads_with_its_class_and_the_identifier_that_it_names() -> None:
    traceback = ["Traceback (most recent call last):", '  File "x.py", line 3', "KeyError: 'STRIPE_KEY'"]
    shapes = shapes_of([*QUIET, *lines(*traceback * 212, since=1_500, every=0.1)])

    first = shapes.listed[0]
    assert (first.shown, first.count, first.exception, first.is_error) == (
        "KeyError 'STRIPE_KEY'",
        212,
        "KeyError",
        True,
    )


def test_of_a_single_line_only_its_class_logger_and_level_are_shown() -> None:
    shapes = shapes_of(
        lines(
            "ERROR app.worker: could not save John Smith: ValueError: diabetes",
            "FATAL chart of maria popescu is gone",
            "INFO hello elena",
        )
    )

    assert seen(shapes) == [("ValueError in app.worker: …", 1), ("fatal: …", 1), ("info: …", 1)]
    assert "John" not in repr(shapes) + str(shapes)


def test_of_a_single_line_a_quoted_constant_is_shown_too() -> None:
    shapes = shapes_of(lines("ERROR app.worker: cannot bill Maria: KeyError: 'STRIPE_KEY'", "ERROR hello 'maria_pop'"))

    assert seen(shapes) == [("KeyError 'STRIPE_KEY' in app.worker", 1), ("error: …", 1)]


def test_single_lines_of_one_kind_are_one_shape() -> None:
    shapes = shapes_of(lines("ERROR alpha beta", "ERROR gamma delta"))

    assert seen(shapes) == [("error: …", 2)]


def test_a_single_line_is_not_shown_though_others_have_its_words() -> None:
    shapes = shapes_of(lines("ERROR alpha beta", "ERROR beta alpha"))

    assert seen(shapes) == [("error: …", 2)]


def test_names_that_differ_from_line_to_line_are_not_shown() -> None:
    people = ["Maria Popescu", "Ion Ionescu", "Ana Pop", "Elena Rus"]
    shapes = shapes_of(lines(*(f"ERROR no record for {who} today" for who in people)))

    assert seen(shapes) == [("no record for … today", 4)]


def test_a_name_that_is_retried_is_not_shown_either() -> None:
    shapes = shapes_of(lines(*["ERROR cannot admit Maria Popescu again"] * 9, *["ERROR Maria has called"] * 9))

    assert seen(shapes) == [("cannot admit … again", 9), ("… has called", 9)]


def test_a_name_in_lower_case_is_not_shown_however_often_one_line_is_said() -> None:
    said = ["ERROR maria gonzalez not found"] * 9 + ["ERROR patient has lupus, attempt 3 of 9"] * 9

    shapes = shapes_of(lines(*said))

    assert seen(shapes) == [("patient has … attempt … of …", 9), ("… not found", 9)]


def test_a_word_that_is_rare_among_many_lines_is_no_part_of_a_shape() -> None:
    shapes = shapes_of(lines(*(f"ERROR no seat {who}" for who in ["ann", "bob"] * 2 + ["left"] * 996)))

    assert seen(shapes) == [("no seat left", 996), ("no seat …", 4)]


@pytest.mark.parametrize(
    ("first", "onset", "new"),
    [
        pytest.param(1_200, 1_100, True, id="after the onset"),
        pytest.param(1_100, 1_100, True, id="at the onset"),
        pytest.param(900, 1_100, True, id="before the onset, and late in the log"),
        pytest.param(5, 1_100, False, id="there from the beginning"),
        pytest.param(400, None, False, id="in the first quarter"),
        pytest.param(900, None, True, id="late in the log, without an onset"),
        pytest.param(100, 30, False, id="the log does not reach back before the onset"),
    ],
)
def test_what_first_came_at_the_onset_or_late_in_the_log_is_new(first: float, onset: float | None, new: bool) -> None:
    errors = lines(*["ERROR no answer from the queue"] * 3, since=first)

    shapes = shapes_of([*QUIET, *errors], onset=None if onset is None else at(onset))

    assert [it.shown for it in shapes.new_errors] == ["no answer from the queue"] * new


def test_a_short_log_does_not_tell_what_is_new() -> None:
    shapes = shapes_of(lines(*["ERROR no answer"] * 200, every=0.2))

    assert (shapes.new_errors, shapes.reaches_back) == ((), False)


def test_lines_without_a_time_are_grouped_all_the_same() -> None:
    shapes = shapes_of([LogLine(None, "ERROR no answer")] * 3)

    assert seen(shapes) == [("no answer", 3)]
    assert (shapes.begins, shapes.listed[0].first, shapes.new_errors) == (None, None, ())


def test_the_example_is_the_newest_line_and_is_shown_to_nobody() -> None:
    shapes = shapes_of(lines("ERROR no answer 1", "ERROR no answer 2"))

    assert shapes.listed[0].example == "ERROR no answer 2"
    assert "answer 2" not in repr(shapes)


def test_there_are_no_more_shapes_than_a_page_can_hold() -> None:
    spelled = [f"{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopqrst"]
    shapes = shapes_of(lines(*(f"INFO app.{it}: done" for it in spelled)))

    assert len(shapes.listed) == MOST_SHAPES
    assert shapes.cut == "200 rarer shapes left out"


def test_what_is_too_much_is_cut_and_says_so() -> None:
    assert shapes_of([LogLine(None, "a")] * 20_000).cut == "cut at 10000 lines"
    assert shapes_of([LogLine(None, "a" * 5_000)] * 400).cut == "cut at 1 MiB"


R = random.Random(1)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(lambda: "".join(R.choice("abcdefghij ") for _ in range(100)), id="no word twice"),
        pytest.param(lambda: "".join(R.choice("ab '\"{}[]=:.") for _ in range(2_000)), id="signs"),
        pytest.param(lambda: '{"a":' * 400, id="deep"),
        pytest.param(lambda: "level=x " + 'a="' * 600, id="open quotes"),
        pytest.param(lambda: "a." * 1_000, id="dots"),
        pytest.param(lambda: "a::" * 600 + "Error", id="colons"),
        pytest.param(lambda: "A" * 1_990 + "Erro", id="nearly an exception"),
        pytest.param(lambda: "2026-01-01 " * 180, id="dates"),
        pytest.param(lambda: "aB" * 1_000, id="humps"),
        pytest.param(lambda: "'a " * 600, id="quotes"),
        pytest.param(lambda: "x", id="many lines"),
    ],
)
def test_a_megabyte_of_hostile_text_takes_no_longer_than_other_text(line: Callable[[], str]) -> None:
    """A second and less on a quiet machine; something that backtracks would take minutes."""
    text, left = [], 1024 * 1024
    while left > 0 and len(text) < 20_000:
        text.append(LogLine(START, line()))
        left -= len(text[-1].text) + 1

    began = time.process_time()
    shapes = shapes_of(text)

    assert time.process_time() - began < 10
    assert len(shapes.listed) <= MOST_SHAPES


@given(st.lists(st.text(max_size=80), max_size=20))
@settings(max_examples=60, deadline=None)
def test_no_word_of_a_single_line_is_shown(texts: list[str]) -> None:
    canary = "zebulonquackenbush"
    shapes = shapes_of([LogLine(None, text) for text in [*texts, f"ERROR who: {canary} {canary}"]])

    assert sum(it.count for it in shapes.listed) == shapes.lines
    assert not [it for it in shapes.listed if canary in it.shown]
