import doctest

from responder.diagnostics import text
from responder.diagnostics.text import number, table


def test_the_examples_hold() -> None:
    assert doctest.testmod(text).failed == 0


def test_infinity_is_a_number_too() -> None:
    assert number(float("inf")) == "inf"


def test_a_long_table_is_cut_and_says_so() -> None:
    cut = table(("name",), [("x" * 100,)] * 30)

    assert (len(cut.rows), len(cut.rows[0][0]), cut.cut) == (20, 80, "cut at 20 rows")
