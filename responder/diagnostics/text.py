"""Numbers as people read them in one line of a report."""

from __future__ import annotations

from datetime import UTC, datetime

from responder.model.cut import cut
from responder.model.finding import Table

UNITS = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))
MAX_ROWS = 20
MAX_CELL = 80  # characters


def age(seconds: float) -> str:
    """
    >>> age(4.2), age(861), age(7500), age(200000)
    ('4s', '14m', '2h5m', '2d7h')
    """
    whole = max(int(seconds), 0)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m"
    if whole < 86400:
        return f"{whole // 3600}h" + (f"{whole % 3600 // 60}m" if whole % 3600 >= 60 else "")
    return f"{whole // 86400}d" + (f"{whole % 86400 // 3600}h" if whole % 86400 >= 3600 else "")


def moment(moment: datetime, at: datetime | None) -> str:
    """`02:51 UTC`, with the date when that is not the day of `at`."""
    moment = moment.astimezone(UTC)
    today = at is not None and at.date() == moment.date()
    return f"{moment:%H:%M} UTC" if today else f"{moment:%Y-%m-%d %H:%M} UTC"


def size(count: float) -> str:
    """
    >>> size(512), size(1536), size(64 * 1024 * 1024)
    ('512 B', '1.5 KiB', '64 MiB')
    """
    for unit, factor in UNITS:
        if count >= factor:
            return f"{count / factor:.1f}".removesuffix(".0") + f" {unit}"
    return f"{count:.0f} B"


def number(value: float) -> str:
    """
    >>> number(3.0), number(0.0730001), number(12345678.0), number(float('nan'))
    ('3', '0.073', '12345678', 'NaN')
    """
    if value != value:
        return "NaN"
    return f"{value:.0f}" if value == int_or_none(value) and abs(value) < 1e15 else f"{value:.4g}"


def int_or_none(value: float) -> int | None:
    """The whole number that a value is, None when it is none."""
    return int(value) if value.is_integer() else None


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]], *, cut: bool = False, most: int = MAX_ROWS) -> Table:
    """At most 20 rows, or `most`, cells of at most 80 characters; says so when there were more."""
    short = tuple(tuple(shortened(it) for it in row) for row in rows[:most])
    more = cut or len(rows) > most
    return Table(columns=columns, rows=short, cut=f"cut at {most} rows" if more else "")


def shortened(text: str, most: int = MAX_CELL) -> str:
    """At most so many characters; the cut is visible."""
    return cut(text, most)
