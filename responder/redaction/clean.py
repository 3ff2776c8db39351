"""Characters that lie to a terminal, a page or a database are taken out of texts.

Left: everything printable, tab and newline. PostgreSQL refuses NUL in text and jsonb
(https://www.postgresql.org/docs/current/datatype-json.html); terminals obey ANSI escapes; right-to-left and zero-width
characters let a text look like another one and hide a secret from its rule (`pass\\u200bword`).
"""

from __future__ import annotations

import re

# What is not a plain text; re2 syntax, for the prefilter. Lone surrogates show themselves when a text is encoded.
UNCLEAN = (
    r"[\x00-\x08\x0b-\x1f\x7f-\x{9f}\x{ad}\x{61c}\x{180e}\x{200b}-\x{200f}\x{2028}-\x{202e}\x{2060}-\x{206f}"
    r"\x{feff}\x{fff9}-\x{fffb}\x{e0000}-\x{e007f}]"
)

# The classes follow one another without overlap, so that the standard engine is linear here too.
_ANSI = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]")

_REMOVED = dict.fromkeys(
    code
    for first, last in (
        (0x00, 0x08),
        (0x0B, 0x0C),
        (0x0E, 0x1F),
        (0x7F, 0x84),
        (0x86, 0x9F),
        (0xAD, 0xAD),
        (0x61C, 0x61C),
        (0x180E, 0x180E),
        (0x200B, 0x200F),
        (0x202A, 0x202E),
        (0x2060, 0x206F),
        (0xFEFF, 0xFEFF),
        (0xFFF9, 0xFFFB),
        (0xE0000, 0xE007F),
    )
    for code in range(first, last + 1)
)
_NEWLINES = dict.fromkeys((0x0D, 0x85, 0x2028, 0x2029), "\n")
_TABLE = _REMOVED | _NEWLINES


def clean(text: str) -> str:
    """The text without control, invisible and direction characters; lone surrogates become U+FFFD."""
    paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _ANSI.sub("", paired).replace("\r\n", "\n").translate(_TABLE)
