"""Keys of Redis as they are written in rule files."""

from __future__ import annotations

import re

from responder.model.template import PLACE

_SPECIAL = re.compile(r"[*?\[]")


def is_pattern(text: str) -> bool:
    """Whether it stands for any key that fits, as in KEYS and SCAN, rather than for one; templates aside."""
    return _SPECIAL.search(PLACE.sub("", text)) is not None
