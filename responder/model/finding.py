"""What one diagnostic learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """`inconclusive` is its own answer: it could not look, and is never taken for healthy."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A dated event that may be the cause: a rollout, a restart, a vendor's incident.

    `about`: the names of what was changed, by kind (`deployment`, `namespace`, `repository`, `environment`); held
    against what the alert names. `weight`: 0 to 1, how likely such a change is the cause, beside a rollout at the same
    moment.
    """

    at: datetime
    what: str
    by: str = ""
    about: Mapping[str, str] = field(default_factory=dict)
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under names; cut at the source, `cut` says so ("cut at 200 rows")."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    cut: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line of a chart. `points`: (seconds since 1970, value) in order of time; None where there was no sample."""

    name: str
    points: tuple[tuple[float, float | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A few curves over one stretch of time; `cut` says so when there were more."""

    curves: tuple[Curve, ...]
    cut: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The answer of one check on one target.

    `headline`: one line, the one that matters; of an inconclusive finding the reason why it could not look.
    `gravity`: 0 to 100 among unhealthy findings, higher goes first.
    `marks`: what suggestions and questions may ask for; `found`: names for suggestions (`deployment`).
    `equivalent`: the command a person would type to see the same.
    `lasted_seconds`: for how long what it tells of had been so when it was asked, None where that is not known.
    `subject`: what stands in brackets in its name instead of the target; `called`: the whole name, where the entry
    says `as`.
    """

    check: str
    target: str
    outcome: Outcome
    headline: str
    details: str = ""
    table: Table | None = None
    chart: Chart | None = None
    changes: tuple[Change, ...] = ()
    marks: tuple[str, ...] = ()
    found: Mapping[str, str] = field(default_factory=dict)
    gravity: int = 50
    lasted_seconds: float | None = None
    asked_at: datetime | None = None
    took_seconds: float = 0.0
    equivalent: str = ""
    subject: str = ""
    called: str = ""

    @property
    def name(self) -> str:
        """`check(target)`, as it stands in reports and tests."""
        if self.called:
            return self.called
        return f"{self.check}({self.subject or self.target})" if self.subject or self.target else self.check
