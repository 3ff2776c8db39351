"""`match` of the checks that look at a Prometheus: lines of matchers, any of which, as in a rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from responder.clients.promql import escaped
from responder.diagnostics.parameters import as_list
from responder.model.matchers import parse_line
from responder.model.pack import MatcherLine
from responder.model.template import PLACE


def _line(text: str) -> str:
    """Matchers as in a rule's `match`; a label's value may stand only where it is compared as it is."""
    for it in parse_line(text).matchers:
        if PLACE.search(it.label) or (it.operator in ("=~", "!~") and PLACE.search(it.value)):
            raise ValueError(f"a label's value may stand only after = or !=, got `{text[:60]}`")
    return text


Lines = Annotated[tuple[Annotated[str, AfterValidator(_line)], ...], BeforeValidator(as_list), Field(max_length=20)]


def in_quotes(value: str) -> str:
    """A label's value as content of a matcher's quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"')


def selectors(name: str, lines: Sequence[MatcherLine], *also: str) -> list[str]:
    """`name{also, …}` of each line in PromQL; without lines, one of all."""
    written = [[f'{it.label}{it.operator}"{escaped(it.value)}"' for it in line.matchers] for line in lines]
    inner = [", ".join([*also, *line]) for line in written or [[]]]
    return [f"{name}{{{it}}}" if it else name for it in inner]
