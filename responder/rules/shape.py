"""What a mapping of the rule language is made of: kinds of values, and `Shape`, which knows its keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from responder.model.quantities import parse_duration

LATER = "later"


def _by_type(value: Any) -> str:
    return "list" if isinstance(value, list) else "mapping" if isinstance(value, dict) else "text"


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"expected a duration such as 30s, 5m or 1h30m, got {_shown(value)}")
    return parse_duration(value)


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _bool(value: Any) -> Any:
    words = {"yes": True, "true": True, "no": False, "false": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError(f"expected yes or no, got {_shown(value)}")


def _shown(value: Any) -> str:
    return (
        f'"{value[:60]}"'
        if isinstance(value, str)
        else {"list": "a list", "mapping": "a mapping"}.get(_by_type(value), "nothing")
    )


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("expected text, got nothing")
    return value


def _at_least(seconds: float) -> Callable[[float], float]:
    def check(value: float) -> float:
        if value < seconds:
            raise ValueError(f"expected at least {seconds:g}s, got {value:g}s")
        return value

    return check


Later: TypeAlias = Annotated[Any, LATER]
Text: TypeAlias = Annotated[str, AfterValidator(_not_blank)]
Seconds: TypeAlias = Annotated[float, BeforeValidator(_duration, json_schema_input_type=str)]
Step: TypeAlias = Annotated[Seconds, AfterValidator(_at_least(5))]
Watch: TypeAlias = Annotated[Seconds, AfterValidator(_at_least(5))]
Timeout: TypeAlias = Annotated[Seconds, AfterValidator(_at_least(0.1))]
YesNo: TypeAlias = Annotated[bool, BeforeValidator(_bool, json_schema_input_type=bool | Literal["yes", "no"])]
Texts: TypeAlias = Annotated[list[Text], BeforeValidator(_one_or_more, json_schema_input_type=Text | list[Text])]


class Shape(BaseModel):
    """A mapping of the language: unknown keys are refused, keys may have the name of a Python word by an alias."""

    model_config = ConfigDict(extra="forbid", frozen=True)
