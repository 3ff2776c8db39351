import re
from xml.etree import ElementTree

from responder.model.finding import Chart, Curve
from responder.web.chart import drawn
from tests.web.sample_pages import HOSTILE

START = 1_795_230_000.0  # 2026-11-21 03:00 UTC


def curve(*values: float | None, name: str = "") -> Curve:
    """A value a minute from 03:00 on."""
    return Curve(name=name, points=tuple((START + 60 * minute, value) for minute, value in enumerate(values)))


def paths(chart: Chart) -> list[str]:
    return [it.attrib["d"] for it in ElementTree.fromstring(drawn(chart)).iter("path")]


def test_a_curve_goes_from_the_lowest_to_the_highest() -> None:
    assert paths(Chart(curves=(curve(1, 3, 2),))) == ["M0.0 120.0h.1L300.0 0.0L600.0 60.0"]


def test_the_pen_is_lifted_over_a_gap() -> None:
    assert paths(Chart(curves=(curve(1, None, 2),))) == ["M0.0 120.0h.1M600.0 0.0h.1"]


def test_equal_values_stand_in_the_middle() -> None:
    assert paths(Chart(curves=(curve(5, 5),))) == ["M0.0 60.0h.1L600.0 60.0"]


def test_it_says_in_words_what_it_shows_and_names_several() -> None:
    text = str(drawn(Chart(curves=(curve(1, name="one"), curve(9, 4, name="two")), cut="cut at 2 of 3 curves")))

    assert 'aria-label="1 to 9, 03:00 UTC to 03:01 UTC"' in text
    assert '<li class="curve-1">one</li><li class="curve-2">two</li>' in text
    assert "cut at 2 of 3 curves" in text


def test_without_a_number_there_is_no_chart() -> None:
    assert drawn(Chart(curves=(curve(None), curve()))) == ""


def test_a_name_that_means_harm_stays_text() -> None:
    text = str(drawn(Chart(curves=(curve(1, name=HOSTILE), curve(2, name="other")))))

    assert "<script" not in text
    assert not re.search("[\u202e\u200b\x1b]", text)
    ElementTree.fromstring(text)
