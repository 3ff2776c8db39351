"""Log entries as Cloud Logging lists them, https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter

ENTRY_FIELDS = "nextPageToken,entries(timestamp,severity,textPayload,jsonPayload,httpRequest(requestMethod,status))"
UNSAID = "DEFAULT"
# Of a payload what says which message it is; all else stays where it is.
TOLD = (
    "message", "msg", "event", "level", "logger", "component", "error", "err", "exception", "stack_trace",
    "exc_type", "error_type", "type", "name", "class", "kind", "code",
)  # fmt: skip
MEMBER_CHARS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """`text`: one line of JSON or plain text with what was logged, which may be about anybody."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """The newest first; `now` by Google's clock; `cut` when there are more."""

    listed: tuple[LogEntry, ...]
    now: datetime
    cut: bool


class _Wire(BaseModel):
    """Names are those on the wire; what is empty there is left out."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _Request(_Wire):
    requestMethod: str = ""  # noqa: N815
    status: int = 0


class _Entry(_Wire):
    timestamp: AwareDatetime
    severity: str = UNSAID
    textPayload: str | None = None  # noqa: N815
    jsonPayload: dict[str, Any] | None = None  # noqa: N815
    httpRequest: _Request | None = None  # noqa: N815

    def read(self) -> LogEntry:
        return LogEntry(at=self.timestamp, text=self._text())

    def _text(self) -> str:
        """A plain line speaks for itself unless Google knows how grave it is. Cloud Run's own entry of a request has
        no payload: where it went stays at Google."""
        if self.jsonPayload is None and self.severity == UNSAID:
            return _first_line(self.textPayload or "")
        told = _told(self.jsonPayload or {})
        if self.textPayload is not None:
            told["message"] = _first_line(self.textPayload)
        elif self.httpRequest is not None and self.jsonPayload is None:
            told["message"] = f"HTTP {self.httpRequest.status} to {self.httpRequest.requestMethod}"
        severity = {} if self.severity == UNSAID else {"severity": self.severity}
        return json.dumps(severity | told, ensure_ascii=False)


def _told(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The members that are known, short."""
    found: dict[str, Any] = {}
    for name in (it for it in TOLD if it in payload):
        value = payload[name]
        if isinstance(value, str):
            found[name] = _first_line(value)
        elif isinstance(value, Mapping):
            found[name] = {key: _first_line(it) for key, it in value.items() if key in TOLD and isinstance(it, str)}
        elif isinstance(value, int):
            found[name] = value
    return found


def _first_line(text: str) -> str:
    """Of a traceback of Python the last one, which says what it was."""
    lines = text.strip().splitlines() or [""]
    return lines[-1 if lines[0].startswith("Traceback (") else 0][:MEMBER_CHARS]


class _EntryPage(_Wire):
    entries: list[_Entry] = []
    nextPageToken: str = ""  # noqa: N815


ENTRIES = TypeAdapter(_EntryPage)
