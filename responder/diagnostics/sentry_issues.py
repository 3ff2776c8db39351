"""Which errors does Sentry count, and which of them are new?"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field

from responder.clients.doors import Doors
from responder.clients.sentry import Issue, Issues
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Seconds
from responder.diagnostics.text import moment, table
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import show_duration

GRAVITY = 60
SHOWN_IN_HEADLINE = 3


class Asked(Parameters):
    """`since`: how far back events are counted; an error that was never seen before that is new."""

    since: Annotated[Seconds, Field(ge=60, le=14 * 86_400)] = 3600.0


class SentryIssues:
    """Classes of exceptions and how often they came. Titles, messages, places in the code and tags stay at Sentry:
    they may be about anybody. Errors that are always there are no news, however many."""

    name = "sentry.issues"
    target_kind = "sentry"
    question = "Which errors does Sentry count, and which of them are new?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"new_errors"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when Sentry does not list them."""
        door = doors.sentry(target)
        issues = await door.issues(parameters.since)
        new = [it for it in issues.listed if (issues.now - it.began).total_seconds() <= parameters.since]
        within = show_duration(parameters.since)
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if new else Outcome.HEALTHY,
            headline=_headline(new, issues, within),
            details=f"only the {len(issues.listed)} most frequent were looked at" if issues.cut else "",
            table=table(
                ("error", "issue", "events", "users", "first seen"),
                [_row(it, issues.now) for it in [*new, *(it for it in issues.listed if it not in new)]],
            )
            if len(issues.listed) > 1
            else None,
            marks=("new_errors",) if new else (),
            found=_found(new[0]) if new else {},
            gravity=GRAVITY if new else 0,
            equivalent=f"curl -sS -H 'Authorization: Bearer …' {shlex.quote(door.shown + door.path)}",
        )


def _headline(new: Sequence[Issue], issues: Issues, within: str) -> str:
    """`2 new errors in the last 1h: KeyError ×212 since 03:04 UTC (API-1F), ValueError ×3 since 03:06 UTC (API-1G)`."""
    if not issues.listed:
        return f"no error in the last {within}"
    if not new:
        first, many = issues.listed[0], len(issues.listed)
        known = f"{many} known errors" if many > 1 else "1 known error"
        return f"no new error in the last {within}; {known}, {'first ' if many > 1 else ''}{_counted(first)}"
    shown = [f"{_counted(it)} since {moment(it.began, issues.now)}{_at(it)}" for it in new[:SHOWN_IN_HEADLINE]]
    more = f", and {len(new) - SHOWN_IN_HEADLINE} more" if len(new) > SHOWN_IN_HEADLINE else ""
    kinds = f"{len(new)} new errors" if len(new) > 1 else "1 new error"
    return f"{kinds} in the last {within}: {', '.join(shown)}{more}"


def _counted(it: Issue) -> str:
    return f"{it.kind or 'without a class'} ×{it.events}"


def _at(it: Issue) -> str:
    return f" ({it.short})" if it.short else ""


def _row(it: Issue, now: datetime) -> tuple[str, ...]:
    return (it.kind or "without a class", it.short, str(it.events), str(it.users), moment(it.began, now))


def _found(it: Issue) -> dict[str, str]:
    named = {"error": it.kind, "issue": it.short}
    return {name: value for name, value in named.items() if value}


DIAGNOSTIC: Diagnostic = SentryIssues()
