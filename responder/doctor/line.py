"""One thing that was looked at, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """`wrong` is to be mended, `warning` may be meant; `unknown`: nobody can tell, so nobody says that it is well."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`about`: `settings`, `target shop/database`; `cure`: what to do; `facts`: the same for programs."""

    state: State
    about: str
    says: str
    cure: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def ok(about: str, says: str, **facts: Any) -> Line:
    """All is well with it."""
    return Line(state=State.OK, about=about, says=says, facts=facts)


def wrong(about: str, says: str, cure: str = "", **facts: Any) -> Line:
    """It is to be mended."""
    return Line(state=State.WRONG, about=about, says=says, cure=cure, facts=facts)


def warning(about: str, says: str, cure: str = "", **facts: Any) -> Line:
    """It may be meant."""
    return Line(state=State.WARNING, about=about, says=says, cure=cure, facts=facts)


def unknown(about: str, says: str, cure: str = "", **facts: Any) -> Line:
    """Nobody can tell."""
    return Line(state=State.UNKNOWN, about=about, says=says, cure=cure, facts=facts)
