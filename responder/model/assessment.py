"""How grave an incident is, in the users' own scheme, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

BY_A_PERSON = " at PagerDuty; rules say "  # stands in `decided_by` when a person's priority wins over the rules


class Said(StrEnum):
    """The three answers to a question."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question as it was asked. `because`: the reading or label that answered it; `result`: what it led to,
    empty when nothing (`P1`, `at most P4`); `counted_as`: how an unknown was taken."""

    ask: str
    said: Said
    because: str = ""
    counted_as: Said = Said.NO
    result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The severity now. `level`: one of the pack's names, gravest first in `levels`; `raw`: before `hold`;
    `decided_by`: the question whose level, floor or cap results, else `matrix` or `otherwise`, or a person;
    `because`: the cell of the matrix that decided. `falls_at`: until when a graver level of late is held, None when
    none is."""

    level: str
    raw: str
    rank: int
    decided_by: str
    answers: tuple[Answer, ...] = ()
    held: str = ""
    because: str = ""
    falls_at: datetime | None = None
