"""JSON of any shape from a stranger: read leniently, and put aside as redacted text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json, to_json

from responder.intake.cutting import cut_bytes, cut_text
from responder.intake.source import Limits, UnreadableBody
from responder.redaction.redact import Redactor

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# A pair of surrogates, a lone one, or any other escape (so that `\\ud800`, an escaped backslash, is left alone).
_ESCAPE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.")


def read_json(body: bytes, *, sender: str) -> Any:
    """Any JSON; raises UnreadableBody. A byte order mark and lone surrogates, which the grammar allows, are mended."""
    try:
        return from_json(body)
    except ValueError as first:
        mended = _ESCAPE.sub(_mended, body.removeprefix(_BYTE_ORDER_MARK))
        why = first
    try:
        return from_json(mended)
    except ValueError:
        raise UnreadableBody(f"{sender} payload: expected JSON, found: {why}") from None


def _mended(escape: re.Match[bytes]) -> bytes:
    lone = len(escape.group()) == len(rb"\ud800")
    return rb"\ufffd" if lone else escape.group()


def names_twice(body: bytes) -> bool:
    """Whether a name stands twice in one object of what `read_json` reads; that takes the last one."""
    try:
        json.loads(body.removeprefix(_BYTE_ORDER_MARK), object_pairs_hook=_once)
    except _Twice:
        return True
    except ValueError:  # it is read more leniently elsewhere
        return False
    return False


class _Twice(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise _Twice


def mapping_at(raw: Any, *path: str) -> Mapping[str, Any]:
    """The object under these names, one inside of the other; empty where something else stands or nothing."""
    for name in path:
        raw = raw.get(name) if isinstance(raw, Mapping) else None
    return raw if isinstance(raw, Mapping) else {}


def text_at(raw: Any, *path: str) -> str:
    """The text under these names; empty where something else stands or nothing."""
    value = mapping_at(raw, *path[:-1]).get(path[-1])
    return value if isinstance(value, str) else ""


def moment_of(text: str) -> datetime | None:
    """An ISO 8601 time with an offset, as UTC; None for every other text."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):  # OverflowError: year 1 or 9999 with an offset that leads out of it
        return None


def redacted_bytes(body: bytes, redactor: Redactor, limits: Limits) -> str:
    """What is no JSON, redacted and cut like it. Escaped letters are read: `p\\u0061ssword` names a secret too."""
    text = _ESCAPED_ASCII.sub(_unescaped, body.decode("utf-8", "replace"))
    return cut_bytes(redactor.text(text), limits.quarantine_bytes)


_ESCAPED_ASCII = re.compile(r"\\u00([2-7][0-9a-fA-F])")


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16))


def redacted_json(raw: Any, redactor: Redactor, limits: Limits) -> str:
    """What `read_json` gave, redacted value by value, as text cut to the bound of the quarantine."""
    text = to_json(_redacted(raw, redactor), inf_nan_mode="constants", fallback=str).decode()
    return cut_bytes(text, limits.quarantine_bytes)


def _redacted(raw: Any, redactor: Redactor) -> Any:
    """The parser holds nesting under 200, so this may call itself."""
    match raw:
        case str():
            return redactor.text(raw)
        case dict():
            return {redactor.text(name): _redacted_field(name, it, redactor) for name, it in raw.items()}
        case list():
            return [_redacted(it, redactor) for it in raw]
        case _:
            return raw


def _redacted_field(name: str, value: Any, redactor: Redactor) -> Any:
    if value and redactor.kind_of_name(name):
        return redactor.fields({name: "whole"})[redactor.text(name)]
    return _redacted(value, redactor)


def web_address(url: str, limits: Limits) -> str:
    """The address if a browser may follow it, else nothing: `javascript:` has no place in a report."""
    return cut_text(url, limits.url_chars) if url.lower().startswith(("http://", "https://")) else ""
