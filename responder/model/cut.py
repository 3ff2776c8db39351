"""Texts made shorter, before anything was taken out of them."""

from __future__ import annotations


def cut(text: str, most: int) -> str:
    """The text, or its beginning with `…`, at most so many characters; between words where it has some: half a secret
    may lack what redaction knows the whole one by (`postgresql://joe:half…` has no @)."""
    if len(text) <= most:
        return text
    kept = text[: most - 1]
    if not text[most - 1].isspace():
        kept = kept[: max(kept.rfind(" "), kept.rfind("\n")) + 1] or kept
    return kept.rstrip() + "…"
