"""What checks there are, as far as rule files need to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Parameters(BaseModel):
    """What a rule may say to a check; every check has its own subclass, unknown keys are refused.

    `why_not`: of a parameter whose text is in a language of its own, what is wrong with a text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    why_not: ClassVar[Mapping[str, Callable[[str], str | None]]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a check is told of the incident it is asked for, where its parameters have a method `beside` that takes
    this and answers what to ask instead.

    `alerts`: labels of the incident's alerts; `ignored`: lines of matchers that the pack leaves out everywhere;
    `onset`: None where there is no incident; `pagerduty`: ids of the PagerDuty incidents it is linked to, open ones
    first; `excerpts`: the entry asks for raw lines."""

    alerts: Sequence[Mapping[str, str]] = ()
    ignored: Sequence[str] = ()
    onset: datetime | None = None
    pagerduty: Sequence[str] = ()
    excerpts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """One check: `name` (`http.status`), the kind of target it looks at, its parameters and the marks it may give."""

    name: str
    target_kind: str
    parameters: type[Parameters]
    marks: frozenset[str]
    question: str


Catalogue = Mapping[str, CheckSpec]
