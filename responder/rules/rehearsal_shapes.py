"""The shapes of `*.test.yaml`; names in them are resolved in `rehearsals.py`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from responder.rules.shape import Seconds, Shape, Text, Texts, YesNo


def _is_mapping(value: Any) -> str:
    return "mapping" if isinstance(value, dict) else "text"


class FindingShape(Shape):
    """What one check answers. It is unhealthy where it gives marks, unless it says otherwise."""

    marks: Texts = Field(default_factory=list)
    found: dict[str, Text] = Field(default_factory=dict)
    outcome: Literal["healthy", "unhealthy", "inconclusive"] | None = None
    headline: Text | None = None
    details: Text | None = None


class SeriesShape(Shape):
    """Values at regular moments. `from`: when the first one is, since the first alert; a minus stands for before."""

    every: Seconds
    values: list[Any] = Field(min_length=1)
    unit: Text | None = None
    from_: Text | None = Field(default=None, alias="from")


class AlertShape(Shape):
    """An alert with more than labels."""

    labels: dict[str, str]
    annotations: dict[str, str] = Field(default_factory=dict)
    status: Literal["firing", "resolved"] = "firing"
    source: Text | None = None


Verdict: TypeAlias = Literal["critical", "warning", "breach", "pending", "unknown", "clear", "*"]
Verdicts: TypeAlias = Annotated[
    Annotated[dict[str, Verdict], Tag("mapping")] | Annotated[Verdict, Tag("text")], Discriminator(_is_mapping)
]

Due: TypeAlias = Annotated[
    Annotated[dict[str, Text], Tag("mapping")] | Annotated[Texts, Tag("text")], Discriminator(_is_mapping)
]


class ExpectedShape(Shape):
    """What must be so. Lists are complete, unless `...` is their last entry."""

    pack: Text | None = None
    ignored: YesNo | None = None
    rules: Texts | None = None
    verdict: Verdicts | None = None
    severity: Text | None = None
    decided_by: Text | None = None
    answers: dict[str, Literal["yes", "no", "unknown", "*"]] | None = None
    diagnostics: Texts | None = None
    could_not_look: Texts | None = None
    marks: Texts | None = None
    suggest: Texts | None = None
    title: Text | None = None
    summary: Text | None = None
    runbook: Text | None = None
    private: YesNo | None = None
    state: Literal["open", "acknowledged", "resolved", "none", "*"] | None = None
    acknowledged: YesNo | None = None
    falls_in: Text | None = None
    notified: Texts | None = None
    channel: YesNo | None = None
    due: dict[str, Text] | None = None
    overdue: Texts | None = None


class NoShape(ExpectedShape):
    """What must not be so: entries that no list holds, values that are others."""

    pack: Texts | None = None  # type: ignore[assignment]  # of several values, none may be so
    severity: Texts | None = None  # type: ignore[assignment]
    decided_by: Texts | None = None  # type: ignore[assignment]
    due: Due | None = None  # type: ignore[assignment]  # names alone, or what is not due then


class ExpectShape(ExpectedShape):
    """All of `expect`."""

    no: NoShape | None = None


class StepShape(Shape):
    """What happens later."""

    at: Seconds
    alerts: list[Any] = Field(default_factory=list)
    readings: dict[str, Any] = Field(default_factory=dict)
    findings: dict[str, FindingShape] = Field(default_factory=dict)
    acknowledged: YesNo = False
    resolved: YesNo = False
    expect: ExpectShape | None = None


class RehearsalShape(Shape):
    """One test."""

    name: Text
    alerts: list[Any] = Field(default_factory=list)
    watch: Text | None = None
    clock: Text | None = None
    readings: dict[str, Any] = Field(default_factory=dict)
    findings: dict[str, FindingShape] = Field(default_factory=dict)
    acknowledged: YesNo = False
    expect: ExpectShape | None = None
    then: list[StepShape] = Field(default_factory=list)


class GivenShape(Shape):
    """What holds for every test of a file that does not say otherwise."""

    alerts: list[Any] = Field(default_factory=list)
    readings: dict[str, Any] = Field(default_factory=dict)
    findings: dict[str, FindingShape] = Field(default_factory=dict)
    clock: Text | None = None


class RehearsalFileShape(Shape):
    """One file of tests."""

    given: GivenShape | None = None
    tests: list[RehearsalShape]
