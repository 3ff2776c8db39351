"""What the shapes of a log tell, in the words of every check that reads logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from responder.diagnostics.log_shapes import Shape, Shapes
from responder.diagnostics.text import age, moment, shortened, table
from responder.model.finding import Outcome, Table
from responder.redaction.redact import Redactor

NEW_GRAVITY, UNSURE_GRAVITY = 60, 45
SHOWN_IN_HEADLINE = 2
MOST_EXCERPTS, EXCERPT_CHARS = 10, 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The parts of a finding; `marks`: `new_errors` or none."""

    outcome: Outcome
    headline: str
    details: str
    table: Table | None
    marks: tuple[str, ...]
    gravity: int
    found: dict[str, str]


def told(
    shapes: Shapes, *, within: str, now: datetime, onset: datetime | None, crashed: bool = False, excerpts: bool = False
) -> Told:
    """`within`: `30m`, the time that was asked for. `crashed`: these are the last words of what has ended, so that any
    error among them is news. Errors that were always there are none. `excerpts`: also one line of each error, as far
    as redaction lets it through."""
    new = shapes.errors if crashed else shapes.new_errors
    unsure = bool(shapes.errors) and not new and not shapes.reaches_back
    return Told(
        outcome=Outcome.UNHEALTHY if new or unsure else Outcome.HEALTHY,
        headline=_headline(shapes, new, within, now, onset, unsure=unsure),
        details="\n".join([shapes.cut] * bool(shapes.cut) + (_excerpts(shapes.errors) if excerpts else [])),
        table=table(("shape", "level", "times", "first", "last"), [_row(it, now) for it in shapes.listed])
        if shapes.listed
        else None,
        marks=("new_errors",) if new else (),
        gravity=NEW_GRAVITY if new else UNSURE_GRAVITY if unsure else 0,
        found={"error": new[0].exception} if new and new[0].exception else {},
    )


def _headline(
    shapes: Shapes, new: Sequence[Shape], within: str, now: datetime, onset: datetime | None, *, unsure: bool
) -> str:
    """`KeyError 'STRIPE_KEY' in worker ×212, new since onset`."""
    if not shapes.lines:
        return f"nothing was logged in the last {within}"
    lines = f"{shapes.lines} line{'s' if shapes.lines > 1 else ''}"
    if not shapes.errors:
        return f"no error among {lines} of the last {within}"
    if unsure:
        reach = f"reach back only {_reach(shapes)}" if shapes.begins else "are not dated"
        return f"{_several(shapes.errors)}, among {lines} that {reach}: whether that is new is not known"
    if not new:
        return f"no new error in the last {within}; known: {_several(shapes.errors)}"
    shown = [f"{_counted(it)}{_since(it, now, onset)}" for it in new[:SHOWN_IN_HEADLINE]]
    more = f" and {len(new) - SHOWN_IN_HEADLINE} more" if len(new) > SHOWN_IN_HEADLINE else ""
    return "; ".join(shown) + more


def _several(shapes: Sequence[Shape]) -> str:
    more = f" and {len(shapes) - SHOWN_IN_HEADLINE} more" if len(shapes) > SHOWN_IN_HEADLINE else ""
    return ", ".join(_counted(it) for it in shapes[:SHOWN_IN_HEADLINE]) + more


def _counted(it: Shape) -> str:
    return f"{it.shown} ×{it.count}"


def _since(it: Shape, now: datetime, onset: datetime | None) -> str:
    if it.first is None:
        return ""
    if not it.is_new:
        return f", last {moment(it.last or it.first, now)}"
    return ", new since onset" if onset is not None and it.first >= onset else f", new since {moment(it.first, now)}"


def _reach(shapes: Shapes) -> str:
    return age((shapes.ends - shapes.begins).total_seconds()) if shapes.begins and shapes.ends else ""


def _row(it: Shape, now: datetime) -> tuple[str, ...]:
    first = moment(it.first, now) + (", new" if it.is_new else "") if it.first else ""
    return (it.shown, it.level, str(it.count), first, moment(it.last, now) if it.last else "")


def _excerpts(shapes: Sequence[Shape]) -> list[str]:
    """The newest line of each, without what redaction knows; names in prose it does not know."""
    return [shortened(_redactor().text(it.example), EXCERPT_CHARS) for it in shapes[:MOST_EXCERPTS]]


@cache
def _redactor() -> Redactor:
    return Redactor(())
