"""Label values in queries that know strings in "…" as C does, LogQL and the Logging query language: escaped, and only
inside quotes that the author wrote.

https://grafana.com/docs/loki/latest/query/log_queries/ (in `…` nothing can be escaped; '…' is no string),
https://cloud.google.com/logging/docs/view/logging-query-language
"""

from __future__ import annotations

import re

from responder.model.template import PLACE

ESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
STRING = r'"(?:[^"\\]|\\[\s\S])*"'
TEMPLATE = "\0"  # stands for one while quotes are looked for
PAIRS = {")": "(", "]": "[", "}": "{"}
MAX_QUERY = 8_000  # characters; Google takes 20,000


def escaped(value: str) -> str:
    """The value as content of a string in double quotes."""
    return "".join(ESCAPED.get(it) or (f"\\u{ord(it):04x}" if ord(it) < 32 or ord(it) == 127 else it) for it in value)


def why_not_quoted(query: str, *, comment: str) -> str | None:
    """What is wrong with the quotes and brackets of a query, or None. A template must stand inside "…"; `comment`:
    what begins one that runs to the end of its line."""
    if len(query) > MAX_QUERY:
        return f"expected at most {MAX_QUERY} characters, got {len(query)}"
    closed = re.compile(rf"(?P<string>{STRING})|`[^`]*`|{re.escape(comment)}[^\n]*")
    bare = closed.sub(lambda it: "" if it["string"] else TEMPLATE * (TEMPLATE in it[0]), PLACE.sub(TEMPLATE, query))
    if TEMPLATE in bare:
        return 'a label\'s value may stand only inside double quotes: x="{{ labels.x }}"'
    if "'" in bare:
        return 'found a single quote; expected double quotes around text: "…"'
    if '"' in bare or "`" in bare:
        return "found a quote without its end"
    return _why_not_balanced(bare)


def _why_not_balanced(bare: str) -> str | None:
    """A bracket too many would end the one that stands around the query."""
    waiting: list[str] = []
    for letter in bare:
        if letter in PAIRS.values():
            waiting.append(letter)
        elif letter in PAIRS and (not waiting or waiting.pop() != PAIRS[letter]):
            return f"found `{letter}` without its beginning"
    return f"found `{waiting[-1]}` without its end" if waiting else None
