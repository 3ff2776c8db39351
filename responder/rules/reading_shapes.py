"""From a located document to its shape: pydantic's complaints become places, words and "did you mean"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from responder.rules.complaints import At, Complaints, suggestion, what_is
from responder.rules.shape import LATER

Model = TypeVar("Model", bound=BaseModel)

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "yes or no",
    "bool_parsing": "yes or no",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_LISTS = {
    "rules": "[{name: …, match: …}]",
    "match": """['alertname="…"']""",
    "diagnose": "[http.status]",
    "suggest": "[{do: …}]",
    "decide": "[{ask: …, when: …, then: …}]",
    "alerts": "[{alertname: …}]",
}
# What the mapping of a shape, or of a key that has none of its own, looks like.
_LIKE = {
    "TargetShape": "{http: https://…}",
    "SignalShape": "{unit: percent, prometheus: {query: …}}",
    "PrometheusShape": "{query: …}",
    "HttpShape": "{up: [/health]}",
    "JsonShape": "{path: /health, value: …}",
    "MetricsShape": "{path: /metrics, rate: http_requests_total}",
    "RedisShape": "{length: [bull:mail:wait]}",
    "PostgresShape": "{reading: connections_used}",
    "ThresholdShape": '{critical: "> 5% for 2m"}',
    "RuleShape": "{name: …, match: [alertname=…]}",
    "SuggestShape": "{do: …}",
    "QuestionShape": "{ask: …, when: …, then: …}",
    "ByVerdictShape": "{critical: P2, warning: P3}",
    "MatrixShape": "{columns: {signal: …, cells: […]}, rows: {…: […]}}",
    "CalendarShape": "{zone: Europe/Bucharest, days: mon-fri}",
    "ContactShape": '{slack: "@name"}',
    "StepOfEscalationShape": "{after: 15m, to: …}",
    "SloShape": "{objective: 99.9%, window: 30d, signal: …}",
    "notify": "{now: [on-call]}",
    "roles": "{commander: on-call}",
    "deadlines": "{postmortem: 72h}",
    "contacts": '{on-call: {slack: "@on-call"}}',
    "levels": "{P1: , P2: }",
    "when": '{error_rate: "> 50%"}',
}


def read_shape(shape: type[Model], value: Any, at: At, complaints: Complaints) -> Model | None:
    """The value in its shape, or None with every mistake noted."""
    try:
        model = shape.model_validate(value)
    except ValidationError as wrong:
        for details in wrong.errors(include_url=False, include_context=True):
            complain(shape, details, at, complaints)
        return None
    return model


def warn_of_later(model: BaseModel, at: At, complaints: Complaints) -> None:
    """Note every key that this version reads without acting on it."""
    for loc, name in _later(model):
        complaints.warn(at.below((*loc, name)), f"`{name}` is read but not acted on by this version", key=True)


def complain(shape: type[BaseModel], details: ErrorDetails, at: At, complaints: Complaints) -> None:
    """Note one of pydantic's complaints at the place in the file that it is about."""
    if complaints.is_full:
        return
    loc = details["loc"]
    place, name = at.below(loc).written, str(loc[-1]) if loc else at.name
    named = f"`{place.name}`: " if place.name else ""
    quoted = "a value that is not shown" if place.loc[:1] == ("targets",) else what_is(details["input"])
    context = details.get("ctx", {})
    match details["type"]:
        case "missing":
            complaints.error(at.below(loc[:-1]), f"missing required key `{name}`", key=True)
        case "extra_forbidden":
            known = _keys(_at(shape, loc[:-1]))
            complaints.error(place, f"unknown key `{name}`{suggestion(name, known)}", key=True)
        case "value_error":
            complaints.error(place, f"{named}{context['error']}")
        case "literal_error":
            complaints.error(place, f"{named}expected {context['expected']}, got {quoted}".replace("'", ""))
        case "greater_than_equal" | "less_than_equal":
            limit = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
            complaints.error(place, f"{named}expected {limit}, got {quoted}")
        case kind if kind in _EXPECTED:
            like = _like(_EXPECTED[kind], place.name, context)
            such = f" such as {like}" if like else ""
            complaints.error(place, f"{named}expected {_EXPECTED[kind]}{such}, got {quoted}")
        case _:
            text = details["msg"][:1].lower() + details["msg"][1:]
            complaints.error(place, f"{named}{text}, got {quoted}")


def _like(expected: str, name: str, context: Mapping[str, Any]) -> str | None:
    match expected:
        case "a mapping":
            return _LIKE.get(context.get("class_name", name))
        case "a list":
            return _LISTS.get(name)
    return None


def _keys(shape: Any) -> list[str]:
    if not (isinstance(shape, type) and issubclass(shape, BaseModel)):
        return []
    return [field.alias or name for name, field in shape.model_fields.items()]


def _at(shape: Any, loc: Sequence[str | int]) -> Any:
    """The type that stands at a path of pydantic's: keys, indices, and tags of unions."""
    for part in loc:
        shape = _step(shape, part)
    return _bare(shape)


def _step(shape: Any, part: str | int) -> Any:
    if (arm := _tagged(shape, part)) is not None:
        return arm
    shape = _bare(shape)
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in shape.model_fields.items()}
        return fields.get(str(part))
    arguments = get_args(shape)
    return arguments[-1] if arguments else shape


def _bare(shape: Any) -> Any:
    """Without Annotated, and without None beside one other type."""
    while True:
        arms = _arms(shape)
        if get_origin(shape) is Annotated:
            shape = get_args(shape)[0]
        elif len(arms) == 1:
            shape = arms[0]
        else:
            return shape


def _tagged(shape: Any, tag: str | int) -> Any:
    """The arm of a tagged union that pydantic puts into its path by this tag."""
    arms = (arm for arm in _arms(shape) if any(isinstance(it, Tag) and it.tag == tag for it in get_args(arm)[1:]))
    return next(arms, None)


def _arms(shape: Any) -> list[Any]:
    is_union = get_origin(shape) in {Union, UnionType}
    return [arm for arm in get_args(shape) if arm is not type(None)] if is_union else []


def _later(model: Any, loc: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where keys were given that a later version acts on."""
    if isinstance(model, BaseModel):
        for name in model.model_fields_set:
            field = type(model).model_fields[name]
            key = field.alias or name
            if LATER in field.metadata:
                yield loc, key
            else:
                yield from _later(getattr(model, name), (*loc, key))
    elif isinstance(model, Mapping):
        for name, value in model.items():
            yield from _later(value, (*loc, name))
    elif isinstance(model, list):
        for index, value in enumerate(model):
            yield from _later(value, (*loc, index))
