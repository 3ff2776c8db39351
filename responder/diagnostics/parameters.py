"""What several checks take: durations, bounds, one or several names."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from responder.model.catalogue import Parameters
from responder.model.quantities import parse_duration, parse_number


class Nothing(Parameters):
    """There is nothing to say to it."""


def as_list(value: object) -> object:
    """One name may stand for a list of one."""
    return (value,) if isinstance(value, str) else value


def _seconds(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _count(value: object) -> object:
    return parse_number(value, "count") if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]
Count = Annotated[float, BeforeValidator(_count), Field(ge=0)]
Limit = Annotated[int, Field(ge=1, le=100)]
