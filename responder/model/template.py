"""`{{ labels.x }}` in rule files: which names stand there, and putting values in their place.

There is no expression language: a name, a dot, a name. Every place that takes templates hands in its own escaping.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

PLACE = re.compile(r"\{\{\s*(?P<kind>labels|found)\.(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


class Missing(KeyError):
    """A template names what is not there; its argument is the name (`labels.pod`)."""

    @property
    def name(self) -> str:
        """`labels.pod`."""
        return str(self.args[0])


def names_in(text: str) -> tuple[tuple[str, str], ...]:
    """The (kind, name) pairs that stand in a text, each once, in order of appearance."""
    return tuple(dict.fromkeys((it["kind"], it["name"]) for it in PLACE.finditer(text)))


def fill(text: str, values: Mapping[str, Mapping[str, str]], escape: Callable[[str], str]) -> str:
    """Put escaped values in; raises Missing for a name that has none (an empty value counts as none)."""

    def value_of(place: re.Match[str]) -> str:
        value = values.get(place["kind"], {}).get(place["name"], "")
        if not value:
            raise Missing(f"{place['kind']}.{place['name']}")
        return escape(value)

    return PLACE.sub(value_of, text)
