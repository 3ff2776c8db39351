"""Where the number of a signal is read, one class a kind. `has_past`: the source keeps one; where it does not,
responder takes samples itself, `step_seconds` apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from responder.model.json_expression import Expression
from responder.model.reading import Measure

Unit = Literal["percent", "ratio", "seconds", "milliseconds", "bytes", "count", "per_second"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusSource:
    """One number by a query; `{{ labels.x }}` may stand in it. `empty`: the reading, in the signal's unit, when
    there are no samples although `present` has one."""

    has_past: ClassVar[bool] = True  # where there is none, we take samples ourselves

    target: str
    query: str
    step_seconds: float | None = None
    empty: float | None = None
    present: str | None = None

    @property
    def templates(self) -> tuple[str, ...]:
        """The texts in which `{{ labels.x }}` may stand."""
        return (self.query, self.present or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSource:
    """`up`: 100 when any path answers below 400, else 0. `time`: seconds of one GET. One of the two is given;
    `{{ labels.x }}` may stand in paths."""

    has_past: ClassVar[bool] = False

    target: str
    up: tuple[str, ...] = ()
    time: str | None = None
    step_seconds: float = 15.0

    @property
    def templates(self) -> tuple[str, ...]:
        """The texts in which `{{ labels.x }}` may stand."""
        return (*self.up, self.time or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonSource:
    """One number in the JSON at `path`, in which `{{ labels.x }}` may stand. `value` gives a number, `count` a list
    whose length is taken. One of the two is given."""

    has_past: ClassVar[bool] = False

    target: str
    path: str
    value: Expression | None = None
    count: Expression | None = None
    step_seconds: float = 15.0

    @property
    def templates(self) -> tuple[str, ...]:
        """The texts in which `{{ labels.x }}` may stand."""
        return (self.path,)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSource:
    """What the series of one selector on an exposition page at `path` sum up to: as they stand (`value`), or by how
    much they grew over a bound's window. `ratio`: growth of the first of two selectors by growth of the second.
    `{{ labels.x }}` may stand in the path and in matchers."""

    has_past: ClassVar[bool] = False

    target: str
    path: str
    how: Measure
    selectors: tuple[str, ...]
    step_seconds: float = 15.0

    @property
    def templates(self) -> tuple[str, ...]:
        """The texts in which `{{ labels.x }}` may stand."""
        return (self.path, *self.selectors)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSource:
    """How long the longest of these keys is, or all of them together (`of`); a pattern stands for every key that fits.
    Or one field of INFO. One of the two is given; `{{ labels.x }}` may stand in keys."""

    has_past: ClassVar[bool] = False

    target: str
    length: tuple[str, ...] = ()
    of: Literal["max", "sum"] = "max"
    info: str = ""
    step_seconds: float = 15.0

    @property
    def templates(self) -> tuple[str, ...]:
        """The texts in which `{{ labels.x }}` may stand."""
        return self.length


# Each named reading of PostgreSQL with the unit that it comes in.
POSTGRES_READINGS: Mapping[str, Unit] = {
    "connections_used": "percent",
    "oldest_transaction": "seconds",
    "replication_lag": "seconds",
    "blocked": "count",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSource:
    """One of the figures that a reviewed query gives, or the one value of a query of one's own, as it was written.
    One of the two is given; `{{ labels.x }}` may stand in the query."""

    has_past: ClassVar[bool] = False

    target: str
    reading: str = ""
    query: str = ""
    step_seconds: float = 15.0

    @property
    def templates(self) -> tuple[str, ...]:
        """The texts in which `{{ labels.x }}` may stand."""
        return (self.query,)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadSource:
    """What the alert itself says: a label, an annotation, or a value that its sender measured."""

    has_past: ClassVar[bool] = False
    templates: ClassVar[tuple[str, ...]] = ()
    target: ClassVar[str] = ""

    kind: Literal["labels", "annotations", "values"]
    name: str
    step_seconds: float = 15.0

    @property
    def text(self) -> str:
        """As written: `annotations.value`."""
        return f"{self.kind}.{self.name}"


Source = PrometheusSource | HttpSource | JsonSource | MetricsSource | RedisSource | PostgresSource | PayloadSource
