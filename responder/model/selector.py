"""Which series of an exposition page are meant: a name, and matchers of labels in braces.

`http_requests_total{status=~"5.."}`; a name that is no classic one stands quoted within the braces:
`{"http.requests", status="500"}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from responder.model.matchers import parse_line
from responder.model.pack import Matcher
from responder.model.template import PLACE

_CLASSIC = re.compile(r"\s*(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)\s*(?P<braces>\{.*\})?\s*", re.DOTALL)
_QUOTED = re.compile(r'\s*\{\s*"(?P<name>[^"\\{}]+)"\s*(?:,(?P<rest>.*))?\}\s*', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """All series of this name whose labels fit."""

    name: str
    matchers: tuple[Matcher, ...] = ()

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels is meant."""
        return all(it.holds(labels) for it in self.matchers)


def parse_selector(text: str) -> Selector:
    """Raises ValueError with what was expected and what was found."""
    found = _CLASSIC.fullmatch(text)
    inner = found["braces"][1:-1] if found and found["braces"] else ""
    if found is None:
        found = _QUOTED.fullmatch(text)
        inner = (found["rest"] or "") if found else ""
    if found is None:
        raise ValueError(f'expected a metric such as http_requests_total{{status="500"}}, got "{text[:60]}"')
    return Selector(name=found["name"], matchers=parse_line(inner).matchers if inner.strip() else ())


def check_selector(text: str) -> None:
    """The same of a text with `{{ labels.x }}` in it, which may stand only where it is compared as it is."""
    selector = parse_selector(text)
    for it in selector.matchers:
        if PLACE.search(it.label) or (it.operator in ("=~", "!~") and PLACE.search(it.value)):
            raise ValueError(f'a label\'s value may stand only after = or !=, got "{text[:60]}"')


def in_quotes(value: str) -> str:
    """A label's value as content of a matcher's quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"')
