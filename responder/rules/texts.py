"""Texts that people get, as templates: whether they can be read, and speak only of what there is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from responder.model.people import FILTERS, VARIABLES
from responder.rules.complaints import suggestion

MAX_TEXT = 20_000  # characters
_TAGS = frozenset({"if", "elif", "else", "endif", "for", "endfor", "set"})

_BLOCK = re.compile(r"\{\{(.*?)\}\}|\{%(.*?)%\}", re.DOTALL)
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_FILTER = re.compile(r"\|\s*([A-Za-z_]\w*)?")


def wrong_in(text: str) -> Iterator[str]:
    """Everything that is wrong with a text."""
    if len(text) > MAX_TEXT:
        yield f"expected at most {MAX_TEXT} characters, got {len(text)}"
        return
    import minijinja  # in Rust: loaded only where there is a text

    try:
        named = minijinja.Environment(pycompat=False).undeclared_variables_in_str(text)
    except minijinja.TemplateError as wrong:
        where = f" at character {wrong.range[0] + 1}" if wrong.range else ""
        yield f"not a template: {wrong.detail or wrong.kind}{where}"
        return
    for name in sorted(named - set(VARIABLES)):
        yield f"unknown variable `{name}`{suggestion(name, VARIABLES)}"
    for block in _BLOCK.finditer(text):
        yield from _wrong_in_block(_STRING.sub("''", block[1] or block[2]), is_tag=block[2] is not None)


def _wrong_in_block(inside: str, *, is_tag: bool) -> Iterator[str]:
    words = inside.strip("-+ \n").split()
    if is_tag and words and words[0] not in _TAGS:
        yield f"found the tag `{words[0]}`; expected one of {', '.join(sorted(_TAGS))}"
    for found in _FILTER.finditer(inside):
        name = found[1] or ""
        if name not in FILTERS:
            yield f"unknown filter `{name}`{suggestion(name, FILTERS)}"
