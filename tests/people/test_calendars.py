"""Office hours of real zones: nights, weekends, holidays and the days on which the clocks change."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.model.people import Calendar, Within
from responder.people.calendars import over_at

OFFICE = Calendar(
    name="business",
    zone="Europe/Bucharest",
    days=frozenset(range(5)),
    hours=((9 * 60, 18 * 60),),
    closed=frozenset({date(2026, 12, 25)}),
)
NIGHTS = Calendar(name="nights", zone="America/New_York", hours=((0, 6 * 60), (22 * 60, 1440)))
NEVER = Calendar(name="never", zone="UTC", days=frozenset())
CALENDARS = {it.name: it for it in (OFFICE, NIGHTS, NEVER)}


def over(hours: float, start: str, calendar: str | None) -> str | None:
    at = over_at(Within(seconds=hours * 3600, calendar=calendar), datetime.fromisoformat(start), CALENDARS)
    return at.isoformat() if at else None


@pytest.mark.parametrize(
    ("hours", "start", "calendar", "end"),
    [
        pytest.param(
            4, "2026-03-03T12:00Z", None, "2026-03-03T16:00:00+00:00", id="without a calendar all hours count"
        ),
        pytest.param(4, "2026-03-03T12:00Z", "business", "2026-03-03T16:00:00+00:00", id="to the very end of the day"),
        pytest.param(4.5, "2026-03-03T12:00Z", "business", "2026-03-04T07:30:00+00:00", id="over the night"),
        pytest.param(1, "2026-03-06T20:00Z", "business", "2026-03-09T08:00:00+00:00", id="from Friday night to Monday"),
        pytest.param(10, "2026-12-24T15:00Z", "business", "2026-12-28T16:00:00+00:00", id="over a holiday"),
        pytest.param(
            9, "2026-03-27T10:00Z", "business", "2026-03-30T09:00:00+00:00", id="after the clocks went forward"
        ),
        pytest.param(5, "2026-11-01T03:00Z", "nights", "2026-11-01T08:00:00+00:00", id="a night with an hour twice"),
        pytest.param(8, "2026-03-08T03:00Z", "nights", "2026-03-09T03:00:00+00:00", id="a night with an hour missing"),
        pytest.param(1, "2026-03-03T12:00Z", "never", None, id="a calendar that never opens"),
    ],
)
def test_only_the_hours_of_the_calendar_count(hours: float, start: str, calendar: str | None, end: str | None) -> None:
    assert over(hours, start, calendar) == end


@given(st.floats(0.1, 200), st.floats(0.1, 200), st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))
def test_two_spans_one_after_the_other_are_as_long_as_both_together(one: float, two: float, start: datetime) -> None:
    begin = start.isoformat() + "+00:00"
    middle = over(one, begin, "business")

    assert middle is not None
    together, apart = over(one + two, begin, "business"), over(two, middle, "business")
    assert together is not None
    assert apart is not None
    gap = datetime.fromisoformat(together) - datetime.fromisoformat(apart)
    assert abs(gap.total_seconds()) < 0.001
