"""Bounds: `> 5% for 2m`, and what no pair of them can mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from responder.model.pack import Bound, Thresholds
from responder.model.quantities import parse_duration, parse_number
from responder.model.sources import Unit

_BOUND = re.compile(r"\s*(?P<operator>>=|<=|==|!=|>|<)\s*(?P<number>.+?)(?:\s+for\s+(?P<duration>.+?))?\s*", re.DOTALL)
_DURATION = re.compile(r"(?:[0-9.]+[a-z]+)+")
_UPWARD, _DOWNWARD = {">", ">="}, {"<", "<="}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a bound needs to know of its signal. `highest`: the greatest value there can be, None without limit."""

    name: str
    unit: Unit
    noun: str = ""
    highest: float | None = None


@lru_cache(maxsize=4096)  # the same few bounds stand in many rules
def parse_bound(text: str, signal: Measured) -> Bound:
    """A bound in the signal's own unit; raises ValueError with what was expected and what was found."""
    parts = _BOUND.fullmatch(text)
    if parts is None:
        raise ValueError(f'expected a bound such as "> 5% for 2m", got "{text[:60]}"')
    seconds = parse_duration(parts["duration"]) if parts["duration"] else 0.0
    number = _number(parts["number"], signal)
    return Bound(
        operator=parts["operator"],
        number=number,
        for_seconds=seconds,
        text=" ".join(text.split()),
        unit=signal.unit,
        noun=signal.noun,
    )


def _number(text: str, signal: Measured) -> float:
    try:
        return parse_number(text, signal.unit, signal.noun)
    except ValueError as wrong:
        first, _, last = text.rpartition(" ")
        if first and _DURATION.fullmatch(last):
            raise ValueError(f"{wrong}; a duration stands after `for`: {first.strip()} for {last}") from None
        raise


def odd(thresholds: Thresholds, signal: Measured) -> Iterator[tuple[str, str]]:
    """(key, why) of every bound that can never hold, always holds, or never differs from another."""
    for key, bound in (
        ("warning", thresholds.warning),
        ("critical", thresholds.critical),
        ("resolve", thresholds.resolve),
    ):
        if bound is not None and (why := one_sided(bound, signal)):
            yield key, why
    warning, critical, resolve = thresholds.warning, thresholds.critical, thresholds.resolve
    if warning and critical and (why := _never_differ(warning, critical)):
        yield "warning", why
    for key, bound in (("warning", warning), ("critical", critical)):
        if bound and resolve and _overlap(bound, resolve):
            yield "resolve", f'"{resolve.text}" and {key} "{bound.text}" can hold at the same time'


def implies(one: Bound, other: Bound) -> bool:
    """Whether every value over `one` is over `other` (both of one direction, durations aside)."""
    if one.operator in _UPWARD and other.operator in _UPWARD:
        return one.number > other.number or (
            one.number == other.number and (other.operator, one.operator) != (">", ">=")
        )
    if one.operator in _DOWNWARD and other.operator in _DOWNWARD:
        return one.number < other.number or (
            one.number == other.number and (other.operator, one.operator) != ("<", "<=")
        )
    return one.operator == other.operator and one.number == other.number


def same_direction(one: Bound, other: Bound) -> bool:
    """Whether both are over upwards, or both downwards."""
    return any({one.operator, other.operator} <= direction for direction in (_UPWARD, _DOWNWARD))


def one_sided(bound: Bound, signal: Measured) -> str | None:
    """Why a bound holds for every value there can be, or for none; None for most bounds."""
    lowest, highest = 0.0, signal.highest
    below = bound.number < lowest or (bound.number == lowest and bound.operator in {"<", ">="})
    above = highest is not None and (
        bound.number > highest or (bound.number == highest and bound.operator in {">", "<="})
    )
    if (below and bound.operator in {*_DOWNWARD, "=="}) or (above and bound.operator in {*_UPWARD, "=="}):
        return f'"{bound.text}" can never hold: `{signal.name}` {_range(highest, signal)}'
    if (below and bound.operator in {*_UPWARD, "!="}) or (above and bound.operator in {*_DOWNWARD, "!="}):
        return f'"{bound.text}" always holds: `{signal.name}` {_range(highest, signal)}'
    return None


def _range(highest: float | None, signal: Measured) -> str:
    top = "100 %" if signal.unit == "percent" else "1"
    return "is never below 0" if highest is None else f"lies between 0 and {top}"


def _never_differ(warning: Bound, critical: Bound) -> str | None:
    if implies(warning, critical) and critical.for_seconds <= warning.for_seconds:
        return f'warning "{warning.text}" never shows: critical "{critical.text}" holds whenever it does'
    if not _overlap(warning, critical):
        return f'warning "{warning.text}" and critical "{critical.text}" can never both hold'
    return None


def _overlap(one: Bound, other: Bound) -> bool:
    """Whether some value is over both."""
    if one.operator in _DOWNWARD and other.operator in _UPWARD:
        one, other = other, one
    if one.operator in _UPWARD and other.operator in _DOWNWARD:
        touching = one.operator == ">=" and other.operator == "<="
        return one.number < other.number or (one.number == other.number and touching)
    if "==" in {one.operator, other.operator}:
        exact, rest = (one, other) if one.operator == "==" else (other, one)
        return rest.holds(exact.number)
    return True
