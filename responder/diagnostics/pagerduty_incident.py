"""Which PagerDuty incident a check looks around, for every check of responder's own account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import BeforeValidator, Field

from responder.clients.pagerduty_around import Paged
from responder.diagnostics.parameters import as_list
from responder.diagnostics.text import moment, shortened
from responder.errors import CouldNotLook, Refused
from responder.model.catalogue import Beside, Parameters

MOST_TITLE = 60  # characters
AN_ID = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class OfIncident(Parameters):
    """`incident`: ids of PagerDuty; without one, those of the incident at hand."""

    incident: Annotated[tuple[AN_ID, ...], BeforeValidator(as_list)] = ()

    def beside(self, it: Beside) -> Self:
        """The same, told which PagerDuty incidents the one at hand is linked to."""
        return self if self.incident else self.model_copy(update={"incident": tuple(it.pagerduty)})

    @property
    def looked_around(self) -> str:
        """The first of them; raises CouldNotLook where there is none yet."""
        if not self.incident:
            raise CouldNotLook("no PagerDuty incident is linked yet")
        return self.incident[0]


def at_service(it: Paged) -> str:
    """` of payments`, as far as its service has a name."""
    return f" of {shortened(it.service_name, MOST_TITLE)}" if it.service_name else ""


def named(it: Paged, now: datetime) -> str:
    """`#4712 Latency is high (acknowledged, since 03:01 UTC)`."""
    number = f"#{it.number} " if it.number else ""
    status = f"{it.status}, " if it.status else ""
    return f"{number}{shortened(it.title or it.id, MOST_TITLE)} ({status}since {moment(it.at, now)})"


def not_in_plan(refused: Refused, what: str) -> Refused:
    """PagerDuty says no to what an account has not paid for as it does to a key that lacks a right."""
    return Refused(f"{refused}; {what} are part of PagerDuty's AIOps plans")


def cut_of(shown: Sequence[object], *, more: bool) -> str:
    """What a list that goes on says of that."""
    return f"only the newest {len(shown)} were looked at" if more else ""
