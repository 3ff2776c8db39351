"""Durations and numbers with units, as people write them in rule files and read them in reports."""

from __future__ import annotations

import math
import re

from responder.model.sources import Unit

LONGEST_SECONDS = 100 * 365 * 86_400.0  # longer is a slip of the keyboard, and still fits a timedelta
UNITS: tuple[Unit, ...] = ("percent", "ratio", "seconds", "milliseconds", "bytes", "count", "per_second")

# In milliseconds, so that 700ms is exactly the 0.7 of a query.
_MILLISECONDS = {"w": 604_800_000.0, "d": 86_400_000.0, "h": 3_600_000.0, "m": 60_000.0, "s": 1_000.0, "ms": 1.0}
_LONG_NAMES = {
    **dict.fromkeys(("week", "weeks"), "w"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("hour", "hours", "hr"), "h"),
    **dict.fromkeys(("minute", "minutes", "min", "mins"), "m"),
    **dict.fromkeys(("second", "seconds", "sec", "secs"), "s"),
}
_DURATION_PART = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[a-z]+)\s*")
_NUMBER = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(?P<suffix>.*)", re.DOTALL
)

_THOUSANDS = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BYTES = {
    **_THOUSANDS,
    "B": 1.0,
    **{f"{prefix}B": factor for prefix, factor in _THOUSANDS.items() if prefix},
    **{
        f"{prefix}{end}": 1024.0**power for power, prefix in enumerate(("Ki", "Mi", "Gi", "Ti"), 1) for end in ("", "B")
    },
}
_PER_SECOND = {f"{prefix}{end}": factor for prefix, factor in _THOUSANDS.items() for end in ("", "/s", " per second")}
_SHARE = {"percent": 1.0, "ratio": 100.0}
_TIME = {"seconds": 1_000.0, "milliseconds": 1.0}
_EXAMPLES: dict[Unit, str] = {
    "percent": "percent such as 5%",
    "ratio": "a share such as 5% or 0.05",
    "seconds": "a time such as 2s or 500ms",
    "milliseconds": "a time such as 500ms or 2s",
    "bytes": "bytes such as 512MiB",
    "count": "a number such as 500 or 1k",
    "per_second": "a rate such as 100 or 1k/s",
}


def several(count: float, singular: str, plural: str = "") -> str:
    """
    >>> several(1, "pod"), several(3, "pod"), several(0, "query", "queries")
    ('1 pod', '3 pods', '0 queries')
    """
    return f"{count:.0f} {singular if count == 1 else plural or singular + 's'}"


def parse_duration(text: str) -> float:
    """Seconds in `30s`, `5m`, `2h`, `1h30m`, `3d`, `1w`, `5 min`; larger units first, each once.

    Raises ValueError with what was expected and what was found.
    """
    seconds = _duration_in(text.strip())
    if seconds is None:
        raise ValueError(f"expected a duration such as 30s, 5m or 1h30m, got {_quoted(text)}")
    if seconds > LONGEST_SECONDS:
        raise ValueError(f"expected a duration of at most 100 years, got {_quoted(text)}")
    return seconds


def parse_number(text: str, unit: Unit, noun: str = "") -> float:
    """The number in `1%`, `500ms`, `95 %`, `1k`, `512MiB`, `500 waiting`, as a value of `unit`; bare numbers are in it.

    Raises ValueError with what was expected and what was found, also when the unit written does not fit.
    """
    trimmed = text.strip()
    trimmed = trimmed.removesuffix(noun).rstrip() if noun else trimmed
    value = _value_in(trimmed, unit)
    if value is None or not math.isfinite(value):
        raise ValueError(f"expected {_EXAMPLES[unit]}{f' {noun}' if noun else ''}, got {_quoted(text)}")
    return value


def convert(value: float, unit: Unit, into: Unit) -> float:
    """The same quantity in another unit of its kind; raises ValueError when they measure different things."""
    if unit == into:
        return value
    for family in (_SHARE, _TIME):
        if unit in family and into in family:
            return value * family[unit] / family[into]
    raise ValueError(f"expected a value in {into}, got one in {unit}")


def show_duration(seconds: float) -> str:
    """`340ms`, `45s`, `4m10s`, `28m`, `1h30m`, `3d4h`: two units at most; seconds are dropped from ten minutes on."""
    if not math.isfinite(seconds):
        return "?"
    if seconds > LONGEST_SECONDS:
        return "over 100 years"
    if 0 < seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    whole = max(0, round(seconds))
    days, hours, minutes, rest = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60, whole % 60
    if days:
        return f"{days}d{hours}h" if hours else f"{days}d"
    if hours:
        return f"{hours}h{minutes}m" if minutes else f"{hours}h"
    if minutes:
        return f"{minutes}m{rest}s" if rest and minutes < 10 else f"{minutes}m"
    return f"{rest}s"


def show_value(value: float, unit: Unit, noun: str = "") -> str:
    """A value as people read it, rounded: `7.3 %`, `41 ms`, `2.4 s`, `512 MiB`, `500 waiting`, `12 /s`."""
    shown = _with_unit(value, unit)
    return f"{shown} {noun}" if noun else shown


def _with_unit(value: float, unit: Unit) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'+' if value > 0 else '-'}Inf"
    match unit:
        case "percent" | "ratio":
            return f"{_rounded(convert(value, unit, 'percent'))} %"
        case "seconds" | "milliseconds":
            return _show_seconds(convert(value, unit, "seconds"))
        case "bytes":
            return _show_bytes(value)
        case "per_second":
            return f"{_rounded(value)} /s"
        case "count":
            return _rounded(value)


def _show_seconds(seconds: float) -> str:
    if abs(seconds) < 1:
        return f"{_rounded(seconds * 1000, whole_from=10)} ms"
    sign = "-" if seconds < 0 else ""
    return f"{_rounded(seconds)} s" if abs(seconds) < 60 else f"{sign}{show_duration(abs(seconds))}"


def _show_bytes(value: float) -> str:
    for power, name in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if abs(value) >= 1024**power:
            return f"{_rounded(value / 1024**power)} {name}"
    return f"{_rounded(value)} B"


def _rounded(value: float, whole_from: float = 100) -> str:
    """One decimal, none from `whole_from` on, two significant digits below one."""
    if value == 0:
        return "0"
    if abs(value) >= 1e15:
        return f"{value:.3g}"
    decimals = 0 if abs(value) >= whole_from else 1 if abs(value) >= 1 else 1 - math.floor(math.log10(abs(value)))
    text = f"{value:.{min(decimals, 12)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def _duration_in(text: str) -> float | None:
    if text == "0":
        return 0.0
    if len(text) > 40 or not text:
        return None
    total, position, smallest = 0.0, 0, math.inf
    while position < len(text):
        part = _DURATION_PART.match(text, position)
        unit = _MILLISECONDS.get(_LONG_NAMES.get(part["unit"], part["unit"])) if part else None
        if part is None or unit is None or unit >= smallest:
            return None
        total, position, smallest = total + float(part["number"]) * unit, part.end(), unit
    return total / 1000


def _value_in(text: str, unit: Unit) -> float | None:
    parts = _NUMBER.fullmatch(text) if len(text) <= 60 else None
    if parts is None:
        return None
    number, suffix = float(parts["number"]), parts["suffix"].strip()
    match unit:
        case "percent" | "ratio":
            written: Unit | None = "percent" if suffix in {"%", "percent"} else unit if not suffix else None
            return convert(number, written, unit) if written else None
        case "seconds" | "milliseconds":
            seconds = _duration_in(text.lstrip("+")) if suffix else None
            return number if not suffix else None if seconds is None else convert(seconds, "seconds", unit)
        case "bytes" | "count" | "per_second":
            table = {"bytes": _BYTES, "count": _THOUSANDS, "per_second": _PER_SECOND}[unit]
            return number * table[suffix] if suffix in table else None


def _quoted(text: str) -> str:
    short = text if len(text) <= 60 else f"{text[:59]}…"
    return '"' + short.replace("\n", " ") + '"'
