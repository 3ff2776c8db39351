"""Tables fit the screen, whatever stands in them."""

from __future__ import annotations

from datetime import timedelta

from responder import terminal
from tests.conftest import START

NOW = START + timedelta(hours=30)


def test_the_last_column_is_wrapped_under_itself() -> None:
    lines = list(terminal.table(("ID", "WHY"), [("7", "one two three four five six seven"), ("12", "x")], wide=24))

    assert lines == ["ID  WHY", "7   one two three four", "    five six seven", "12  x"]


def test_an_id_is_never_broken() -> None:
    digest = "a-" * 40

    assert list(terminal.table(("A", "B"), [("1", f"see {digest}")], wide=30))[1:] == ["1  see", f"   {digest}"]


def test_nothing_in_a_cell_moves_the_cursor_or_turns_the_text() -> None:
    assert list(terminal.table(("A", "B"), [("a\nb", "c\x1b[2J\u202ed\r")], wide=80))[1] == "a b  c[2Jd"


def test_a_paragraph_stands_beside_its_head() -> None:
    lines = list(terminal.paragraph("Why", "one two three four five six", wide=24, indent=4))

    assert lines == ["Why one two three four", "    five six"]


def test_times_have_a_date_on_another_day() -> None:
    assert [terminal.clock(it, NOW) for it in (NOW, START, None)] == ["09:12:00", "2026-11-21 03:12:00", "–"]


def test_ages_have_two_units_at_most() -> None:
    ages = [timedelta(seconds=50), timedelta(minutes=3, seconds=9), timedelta(hours=3, minutes=20, seconds=9)]

    assert [terminal.age(NOW - it, NOW) for it in ages] == ["50s", "3m9s", "3h20m"]
    assert terminal.age(NOW + timedelta(seconds=5), NOW) == "0s"
