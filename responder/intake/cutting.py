"""Bounds on what a stranger's body may fill; every cut shows itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized

CUT = "…[cut]"
CUT_NOTE = "responder_cut"
_KEPT_FIRST = ("alertname", "severity")


def cut_text(text: str, most_chars: int) -> str:
    """The text, or its beginning and a mark, together at most that long."""
    return text if len(text) <= most_chars else text[: max(most_chars - len(CUT), 0)] + CUT


def cut_bytes(text: str, most_bytes: int) -> str:
    """The same, counted in bytes of UTF-8."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= most_bytes:
        return text
    return encoded[: max(most_bytes - len(CUT.encode()), 0)].decode("utf-8", "ignore") + CUT


def all_fit(many: Sequence[dict[str, str]], most: int, most_chars: int) -> bool:
    """Whether none of these fields needs `cut_fields`; asked of a whole body, as nearly every body fits."""
    distinct: set[str] = set().union(*many, *(fields.values() for fields in many))  # alerts of one body are much alike
    return _longest(many) <= most and _longest(distinct) <= most_chars


def cut_fields(fields: dict[str, str], most: int, most_chars: int) -> tuple[dict[str, str], int]:
    """The fields with long names and values cut, and how many fields were left out; the same dict when all fits."""
    if all_fit((fields,), most, most_chars):
        return fields, 0
    names = [*(name for name in _KEPT_FIRST if name in fields), *(it for it in fields if it not in _KEPT_FIRST)]
    kept = {cut_text(name, most_chars): cut_text(fields[name], most_chars) for name in names[:most]}
    return kept, len(fields) - len(kept)


def _longest(many: Iterable[Sized]) -> int:
    return max(map(len, many), default=0)


def with_note(annotations: dict[str, str], labels_cut: int, annotations_cut: int) -> dict[str, str]:
    """The annotations, saying how many fields were left out where any were."""
    if not labels_cut and not annotations_cut:
        return annotations
    counts = ((labels_cut, "labels"), (annotations_cut, "annotations"))
    said = ", ".join(f"{count} {what} cut" for count, what in counts if count)
    return {**annotations, CUT_NOTE: said}
