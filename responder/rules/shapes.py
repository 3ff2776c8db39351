"""The shapes of the rule language, one class a mapping: which keys there are and what kind of value each takes.

Names (targets, signals, rules, levels) are resolved in `parse.py`, which also knows units. A key marked `Later` belongs
to the language and is read, but this version does not act on it; taking such a key up means giving it a type here and
a line in the file that compiles its section.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag

from responder.rules.people_shapes import (
    CalendarShape,
    ChannelsShape,
    ContactShape,
    LevelShape,
    SloShape,
    StepOfEscalationShape,
)
from responder.rules.shape import Seconds, Shape, Step, Text, Texts, Timeout, Watch, YesNo


def _reading(value: Any) -> Any:
    return {"reading": value} if isinstance(value, str) else value


class TargetShape(Shape):
    """What may be looked at: exactly one kind with its address, and how gently."""

    http: Text | None = None
    prometheus: Text | None = None
    postgres: Text | None = None
    redis: Text | None = None
    kubernetes: Any = None
    statuspage: Text | None = None
    github: Text | None = None
    google: Any = None
    kafka: Text | None = None
    clickhouse: Text | None = None
    sentry: Any = None
    loki: Text | None = None
    tempo: Text | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    ca: Text | None = None
    certificate: Text | None = None
    key: Text | None = None
    concurrency: Annotated[int, Field(ge=1, le=100)] = 2
    per_minute: Annotated[int, Field(ge=1, le=6000)] = 60
    flavour: Literal["atlassian", "google", "aws", "slack"] | None = None
    allow: list[Literal["scan", "slowlog", "helm", "logs", "custom_sql"]] = Field(default_factory=list)


TARGET_KINDS = (
    "http", "prometheus", "postgres", "redis", "kubernetes", "statuspage", "github", "google", "kafka", "clickhouse",
    "sentry", "loki", "tempo",
)  # fmt: skip
SERVED_BY = {"json": "http", "metrics": "http"}  # kinds of signals that have no targets of their own kind
WITH_DEFAULTS = (*TARGET_KINDS, "pagerduty", *SERVED_BY)  # what a key of `defaults` may name beside a check


class PrometheusShape(Shape):
    """One number by a query."""

    target: Text | None = None
    query: Text
    step: Step | None = None
    empty: str | None = None
    present: Text | None = None


class HttpShape(Shape):
    """One number by GET: `up` or `time`."""

    target: Text | None = None
    up: Texts | None = None
    time: Text | None = None
    step: Step | None = None


class JsonShape(Shape):
    """One number in a JSON body: `value` or `count`."""

    target: Text | None = None
    path: Text
    value: Text | None = None
    count: Text | None = None
    step: Step | None = None


class MetricsShape(Shape):
    """One number on an exposition page: `value`, `rate`, `increase` or `ratio`, each of selected series."""

    target: Text | None = None
    path: Text = "/metrics"
    value: Text | None = None
    rate: Text | None = None
    increase: Text | None = None
    ratio: Annotated[list[Text], Field(min_length=2, max_length=2)] | None = None
    step: Step | None = None


class RedisShape(Shape):
    """One number of a Redis: the `length` of keys, or a field of INFO."""

    target: Text | None = None
    length: Texts | None = None
    of: Literal["max", "sum"] = "max"
    info: Text | None = None
    step: Step | None = None


class PostgresShape(Shape):
    """One number of a PostgreSQL: a named `reading`, or a `query` of one's own."""

    target: Text | None = None
    reading: Text | None = None
    query: Text | None = None
    step: Step | None = None


class StepShape(Shape):
    """The `step` among the defaults of a kind."""

    step: Step | None = None


class SignalShape(Shape):
    """The name of one number: its unit and where it is read."""

    unit: Text
    prometheus: PrometheusShape | None = None
    http: HttpShape | None = None
    json_: JsonShape | None = Field(default=None, alias="json")
    metrics: MetricsShape | None = None
    redis: RedisShape | None = None
    postgres: Annotated[PostgresShape, BeforeValidator(_reading)] | None = None
    payload: Text | None = None


SIGNAL_KINDS = ("prometheus", "http", "json", "metrics", "redis", "postgres", "payload")


class ThresholdShape(Shape):
    """The bounds of one signal."""

    warning: Text | None = None
    critical: Text | None = None
    resolve: Text | None = None


class SuggestShape(Shape):
    """What a person may do next."""

    do: Text
    run: Text | None = None
    when: Texts = Field(default_factory=list)
    caution: Text | None = None
    see: Text | None = None
    phase: Literal["now", "verify", "after"] = "now"


class ImpactShape(Shape):
    """A row of the severity matrix for each verdict."""

    critical: Text | None = None
    warning: Text | None = None


Impact: TypeAlias = Annotated[
    Annotated[ImpactShape, Tag("mapping")] | Annotated[Text, Tag("text")],
    Discriminator(lambda value: "mapping" if isinstance(value, dict) else "text"),
]


class RuleShape(Shape):
    """One rule. Entries of `diagnose` are a name, or a mapping from one check to its parameters."""

    name: Text
    summary: Text | None = None
    match: Texts | None = None
    thresholds: dict[str, ThresholdShape] | None = None
    level: Literal["warning", "critical"] | None = None
    combine: Literal["any", "all"] = "any"
    default: YesNo = False
    runbook: Text | None = None
    diagnose: list[Any] = Field(default_factory=list)
    suggest: list[SuggestShape] = Field(default_factory=list)
    impact: Impact | None = None
    notify: dict[str, Texts] = Field(default_factory=dict)
    watch: Watch | None = None
    labels: dict[str, Text] = Field(default_factory=dict)
    private: YesNo = False
    page: YesNo = False


class LabelShape(Shape):
    """A target chosen by the value of a label."""

    label: Text


TargetChoice: TypeAlias = Annotated[
    Annotated[LabelShape, Tag("mapping")] | Annotated[Text, Tag("text")],
    Discriminator(lambda value: "mapping" if isinstance(value, dict) else "text"),
]


class EntryShape(Shape):
    """What any entry of `diagnose` may say beside its check's own parameters."""

    target: TargetChoice | None = None
    targets: Texts | None = None
    when: Literal["warning", "critical"] | None = None
    timeout: Timeout | None = None
    excerpts: YesNo = False
    as_: Text | None = Field(default=None, alias="as")


ENTRY_KEYS = frozenset(field.alias or name for name, field in EntryShape.model_fields.items())


class ByVerdictShape(Shape):
    """A level for each verdict; a missing key falls back."""

    critical: Text | None = None
    warning: Text | None = None
    pending: Text | None = None
    unknown: Text | None = None
    clear: Text | None = None


class ThenShape(ByVerdictShape):
    """By verdict, or a floor or cap that does not end the questions."""

    at_least: Text | None = None
    at_most: Text | None = None


When: TypeAlias = Annotated[
    Annotated[dict[str, Any], Tag("mapping")] | Annotated[list[dict[str, Any]], Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, list) else "mapping"),
]
Then: TypeAlias = Annotated[
    Annotated[ThenShape, Tag("mapping")] | Annotated[Text, Tag("text")],
    Discriminator(lambda value: "mapping" if isinstance(value, dict) else "text"),
]


class QuestionShape(Shape):
    """One question: a mapping of conditions that must all hold, or a list of those, any of which."""

    ask: Text
    when: When
    then: Then
    unknown: YesNo = False


class ColumnsShape(Shape):
    """The columns of a matrix: the first bound that holds."""

    signal: Text
    cells: Texts


class MatrixShape(Shape):
    """Levels by impact and by a signal; a row has one level for each cell of the columns."""

    columns: ColumnsShape
    rows: dict[str, Texts]


class SeverityShape(Shape):
    """The users' own scheme."""

    hold: Seconds = 600.0
    levels: dict[str, LevelShape | None] | None = None
    decide: list[QuestionShape] = Field(default_factory=list)
    otherwise: ByVerdictShape | None = None
    matrix: MatrixShape | None = None


class GenericShape(Shape):
    """The JSON of one sender: JMESPath expressions, `alerts` asked of the body, the others of each alert."""

    alerts: Text | None = None
    key: Text
    firing: Text | None = None
    started: Text | None = None
    labels: dict[str, Text]
    annotations: dict[str, Text] = Field(default_factory=dict)


class ServicesShape(Shape):
    """PagerDuty services by their ids: what is known of them, as labels."""

    services: dict[str, dict[str, Text]]


class IntakeShape(Shape):
    """From any sender to labels."""

    ignore: Texts = Field(default_factory=list)
    labels: dict[str, Texts] = Field(default_factory=dict)
    pagerduty: ServicesShape | None = None
    generic: dict[str, GenericShape] = Field(default_factory=dict)


class FileShape(Shape):
    """One file of a pack: any of the sections."""

    pack: Text | None = None
    for_: Texts | None = Field(default=None, alias="for")
    time_zone: Text | None = None
    defaults: dict[str, dict[str, Any]] | None = None
    targets: dict[str, TargetShape] | None = None
    signals: dict[str, SignalShape] | None = None
    rules: list[RuleShape] | None = None
    bundles: dict[str, list[Any]] | None = None
    severity: SeverityShape | None = None
    intake: IntakeShape | None = None
    include: Texts | None = None
    override: dict[str, Any] | None = None
    calendars: dict[str, CalendarShape] | None = None
    contacts: dict[str, ContactShape] | None = None
    escalation: dict[str, list[StepOfEscalationShape]] | None = None
    channels: ChannelsShape | None = None
    slos: dict[str, SloShape] | None = None
    templates: dict[str, Text] | None = None
