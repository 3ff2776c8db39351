"""Label values in PromQL: escaped, and only inside quotes that the author wrote."""

from __future__ import annotations

from responder.model.template import PLACE

ESCAPED = {"\\": "\\x5c", '"': "\\x22", "'": "\\x27", "\n": "\\x0a", "\r": "\\x0d", "\x00": "\\x00"}


def escaped(value: str) -> str:
    """The value as content of a PromQL string in either kind of quotes; `\\'` is no escape within double ones.

    https://prometheus.io/docs/prometheus/latest/querying/basics/#string-literals
    """
    return "".join(ESCAPED.get(letter, letter) for letter in value)


def why_not_fillable(query: str) -> str | None:
    """Why templates in this query cannot be filled, or None: each must stand inside "…" or '…'."""
    quote = ""
    position = 0
    while position < len(query):
        place = PLACE.match(query, position)
        if place is not None:
            if quote not in ("'", '"') or not quote:
                return f"{place.group()} stands outside quotes"
            position = place.end()
            continue
        letter = query[position]
        if quote in ("'", '"') and letter == "\\" and quote:
            position += 2
            continue
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"`":
            quote = letter
        elif letter == "#":  # a comment runs to the end of its line
            end = query.find("\n", position)
            comment = query[position : end if end >= 0 else len(query)]
            if PLACE.search(comment):
                return "a template stands in a comment"
            position += len(comment)
            continue
        position += 1
    return None
