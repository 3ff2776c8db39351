"""What a bound says of a reading: breach, pending, clear or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from responder.model.reading import AnyReading


class Level(StrEnum):
    """How grave a breach is by its rule; the users' own scheme is `severity`."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """Over the bound, for long enough. `since` None when the alert itself is the evidence; `at_least` when the
    breach reaches back beyond what was read."""

    level: Level
    since: datetime | None = None
    at_least: bool = False
    word: Literal["breach"] = "breach"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Over the bound since `since`, not yet for `needed_seconds`; decided at `due`."""

    level: Level
    since: datetime
    needed_seconds: float
    due: datetime
    word: Literal["pending"] = "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear:
    """Within the bound."""

    word: Literal["clear"] = "clear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """It could not be known, and why."""

    why: str
    word: Literal["unknown"] = "unknown"


Verdict = Breach | Pending | Clear | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalVerdict:
    """The verdict of one signal of a rule, with the reading and the bound that decided (as written)."""

    signal: str
    verdict: Verdict
    reading: AnyReading
    bound: str = ""
    shown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVerdict:
    """The verdict of one rule; `signals` gravest first, empty when the alert is the evidence."""

    rule: str
    verdict: Verdict
    signals: tuple[SignalVerdict, ...] = ()


def rank(verdict: Verdict) -> int:
    """Order of gravity, gravest first: critical, warning, pending, unknown, clear."""
    match verdict:
        case Breach(level=Level.CRITICAL):
            return 0
        case Breach():
            return 1
        case Pending():
            return 2
        case Unknown():
            return 3
        case Clear():
            return 4


def key_of(verdict: Verdict) -> str:
    """The key of a mapping by verdict: critical, warning, pending, unknown or clear."""
    return str(verdict.level) if isinstance(verdict, Breach) else verdict.word
