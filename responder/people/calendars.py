"""Office hours: when a span of time is over of which only a calendar's hours count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from responder.model.people import Calendar, Within

DAYS_MOST = 3660  # ten years on, a calendar that is still closed never opens
MINUTES_A_DAY = 1440


def over_at(within: Within, start: datetime, calendars: Mapping[str, Calendar]) -> datetime | None:
    """When the span that begins at `start` is over; None where its calendar never opens for long enough."""
    calendar = calendars.get(within.calendar) if within.calendar else None
    if calendar is None:
        return start + timedelta(seconds=within.seconds)
    left = timedelta(seconds=within.seconds)
    for opens, closes in _open(calendar, start):
        if opens + left <= closes:
            return opens + left
        left -= closes - opens
    return None


def _open(calendar: Calendar, start: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The open spans from `start` on, by UTC: where the clocks change, an office day has an hour more or less."""
    zone = ZoneInfo(calendar.zone)
    first = start.astimezone(zone).date()
    for number in range(DAYS_MOST):
        day = first + timedelta(days=number)
        if day.weekday() not in calendar.days or day in calendar.closed:
            continue
        for begin, end in calendar.hours:
            opens, closes = max(_moment(day, begin, zone), start), _moment(day, end, zone)
            if opens < closes:
                yield opens, closes


def _moment(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """So many minutes into the local day, by its clock on the wall."""
    days, minutes = divmod(minutes, MINUTES_A_DAY)
    local = datetime.combine(day + timedelta(days=days), time(minutes // 60, minutes % 60), zone)
    return local.astimezone(UTC)
