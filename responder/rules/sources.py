"""Where a signal of the kinds `metrics`, `redis`, `postgres` and `payload` is read, compiled from what was written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

from responder.clients.sql_guard import NotASafeQuery, guarded
from responder.errors import NotConfigured
from responder.model.reading import Measure
from responder.model.redis_keys import is_pattern
from responder.model.selector import check_selector
from responder.model.sources import POSTGRES_READINGS, MetricsSource, PayloadSource, PostgresSource, RedisSource, Unit
from responder.rules.bounds import Measured
from responder.rules.complaints import At, Complaints, what_is
from responder.rules.entries import Targets, check_templates
from responder.rules.reading_shapes import read_shape
from responder.rules.sections import Sections, Written
from responder.rules.shapes import MetricsShape, PostgresShape, RedisShape, StepShape

STEP = 15.0  # seconds between two samples of our own
MEASURES: tuple[Measure, ...] = ("value", "rate", "increase", "ratio")
PAYLOAD = "values.A, annotations.value or labels.x"
_FAMILIES: Sequence[tuple[Unit, ...]] = (("percent", "ratio"), ("seconds", "milliseconds"))


class Place:
    """What all kinds need to know of where they stand: targets, defaults, and complaints about both."""

    def __init__(self, sections: Sections, targets: Targets, complaints: Complaints) -> None:
        self._sections, self._targets, self.complaints = sections, targets, complaints

    def check_path(self, path: str, at: At) -> None:
        """A path of an address."""
        check_templates(path, at, {"labels"}, self.complaints)
        if not path.startswith("/"):
            self.complaints.error(at, f"expected a path that starts with /, got {what_is(path)}")

    def target(self, name: str | None, kind: str, at: At, *kinds: str) -> str | None:
        """The target of a signal; `kinds`: whose defaults are asked before those of the target's own kind."""
        if name is not None:
            return self._targets.named(name, kind, at / "target")
        default = self._default("target", *kinds, kind)
        if default is not None and isinstance(default.shape["target"], str):
            return self._targets.named(default.shape["target"], kind, default.at / "target")
        return self._targets.only(kind, at)

    def step(self, *kinds: str) -> float | None:
        """The `step` among the defaults of these kinds."""
        default = self._default("step", *kinds)
        if default is None:
            return None
        read = read_shape(StepShape, {"step": default.shape["step"]}, default.at, self.complaints)
        return read.step if read is not None else None

    def allows(self, target: str, what: str) -> bool:
        """Whether a target opts into what may be costly or revealing."""
        written = self._sections.targets.get(target)
        return written is not None and what in written.shape.allow

    def _default(self, key: str, *kinds: str) -> Written[dict[str, Any]] | None:
        return next((it for it in self._sections.defaults_of(*kinds) if key in it.shape), None)


def metrics_source(shape: MetricsShape, at: At, measured: Measured, place: Place) -> MetricsSource | None:
    """Exactly one of the measures, each of series that are named."""
    given = [it for it in MEASURES if getattr(shape, it) is not None]
    place.check_path(shape.path, at / "path")
    if len(given) != 1:
        found = " and ".join(given) if given else "none"
        place.complaints.error(at, f"expected exactly one of {', '.join(MEASURES)}, got {found}", key=True)
        return None
    how = given[0]
    texts = shape.ratio or [getattr(shape, how)]
    for index, text in enumerate(texts):
        _check_series(text, at / how / index if how == "ratio" else at / how, place)
    _check_unit({"ratio": "ratio"}.get(how), measured, at / how, place)
    target = place.target(shape.target, "http", at, "metrics")
    if target is None:
        return None
    step = shape.step or place.step("metrics", "http") or STEP
    return MetricsSource(target=target, path=shape.path, how=how, selectors=tuple(texts), step_seconds=step)


def redis_source(shape: RedisShape, at: At, place: Place) -> RedisSource | None:
    """Keys, or a field; a pattern only where the target allows the search for it."""
    if (shape.length is None) == (shape.info is None):
        found = "both" if shape.length is not None else "none"
        place.complaints.error(at, f"expected `length: [keys]` or `info: field`, got {found}", key=True)
        return None
    for index, key in enumerate(shape.length or ()):
        check_templates(key, at / "length" / index, {"labels"}, place.complaints)
    target = place.target(shape.target, "redis", at)
    if target is None:
        return None
    patterns = [it for it in shape.length or () if is_pattern(it)]
    if patterns and not place.allows(target, "scan"):
        place.complaints.warn(
            at / "length", f"`{patterns[0]}` is a pattern, which is unknown without `allow: [scan]` on `{target}`"
        )
    step = shape.step or place.step("redis") or STEP
    return RedisSource(
        target=target, length=tuple(shape.length or ()), of=shape.of, info=shape.info or "", step_seconds=step
    )


def postgres_source(shape: PostgresShape, at: At, measured: Measured, place: Place) -> PostgresSource | None:
    """A named reading, or a query of one's own that only reads."""
    reading, query = shape.reading or "", shape.query or ""
    if bool(reading) == bool(query):
        place.complaints.error(at, f"expected `reading` or `query`, got {'both' if reading else 'none'}", key=True)
        return None
    target = place.target(shape.target, "postgres", at)
    if query:
        _check_sql(query, target, at / "query", place)
    elif reading not in POSTGRES_READINGS:
        place.complaints.unknown(at / "reading", "reading", reading, POSTGRES_READINGS)
        return None
    else:
        _check_unit(POSTGRES_READINGS[reading], measured, at / "reading", place)
    if target is None:
        return None
    step = shape.step or place.step("postgres") or STEP
    return PostgresSource(target=target, reading=reading, query=query, step_seconds=step)


def _check_sql(text: str, target: str | None, at: At, place: Place) -> None:
    """What cannot be judged here is judged again before it runs."""
    check_templates(text, at, {"labels"}, place.complaints)
    try:
        guarded(text)
    except NotASafeQuery as wrong:
        place.complaints.error(at, f"`query`: {wrong}")
    except NotConfigured as reason:
        place.complaints.warn(at, f"`query` was not looked at: {reason}")
    if target is not None and not place.allows(target, "custom_sql"):
        place.complaints.warn(at, f"a `query` is unknown without `allow: [custom_sql]` on `{target}`")


def payload_source(text: str, at: At, place: Place) -> PayloadSource | None:
    """A value, an annotation or a label of the alert."""
    kind, _, name = text.strip().partition(".")
    kinds = ("values", "annotations", "labels")
    if kind not in kinds or not name:
        place.complaints.error(at, f"expected {PAYLOAD}, got {what_is(text)}")
        return None
    return PayloadSource(kind=cast("Literal['labels', 'annotations', 'values']", kind), name=name)


def _check_series(text: str, at: At, place: Place) -> None:
    check_templates(text, at, {"labels"}, place.complaints)
    try:
        check_selector(text)
    except ValueError as wrong:
        place.complaints.error(at, f"`{at.name}`: {wrong}")


def _check_unit(native: str | None, measured: Measured, at: At, place: Place) -> None:
    """A figure that comes in one unit is converted to another of its kind, never to one of another kind."""
    if native is None:
        return
    fitting = next((it for it in _FAMILIES if native in it), (native,))
    if measured.unit not in fitting:
        place.complaints.error(at, f"it is read in {native}; expected unit {' or '.join(fitting)}")
