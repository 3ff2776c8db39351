"""What checks there are, as far as rule files need to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class Parameters(BaseModel):
    """What a rule may say to a check; every check has its own subclass, unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """One check: `name` (`http.status`), the kind of target it looks at, its parameters and the marks it may give."""

    name: str
    target_kind: str
    parameters: type[Parameters]
    marks: frozenset[str]
    question: str


Catalogue = Mapping[str, CheckSpec]
