"""One rule: what is looked for and what goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One kind. `holds`: a second look at the value, None when the pattern is enough; `alone`: the value must not be
    a part of a longer word, number or name; `keyed`: the value follows the match."""

    kind: str
    pattern: str
    holds: Callable[[bytes], bool] | None = None
    alone: bool = False
    keyed: bool = False
