"""From any JSON to alerts by the paths of a mapping; what a path does not find as expected costs that alert only.

Reasons name our own fields and types, never what a stranger wrote: they become a metric's label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, TypeAdapter, ValidationError
from pydantic_core import to_json

from responder.intake.fingerprint import fingerprint_of
from responder.intake.raw_json import redacted_json
from responder.intake.source import Limits
from responder.model.alert import AlertStatus, Quarantined
from responder.model.intake import GenericSender
from responder.model.json_expression import CannotAnswer, Expression, in_words
from responder.redaction.redact import Redactor

NAME = "alertname"
_SOURCE = "source"  # part of the identity, so that equal labels of two senders are two alerts
_MOMENT = TypeAdapter(AwareDatetime)  # text with an offset, or unix seconds, or milliseconds where those are too many


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """One alert as its paths say, not yet redacted. `key`: 32 bytes, SHA-256 of the sender's name and its own key."""

    key: bytes
    fingerprint: str
    status: AlertStatus
    starts_at: datetime
    starts_assumed: bool
    ends_at: datetime | None
    labels: Mapping[str, str]
    annotations: Mapping[str, Any]
    raw: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """What is put aside, and why; `raw` may stand for several `alerts`."""

    reason: str
    raw: Any
    alerts: int = 1
    identities: Mapping[str, str] = field(default_factory=dict)

    def quarantined(self, redactor: Redactor, limits: Limits) -> Quarantined:
        """Its text redacted and cut."""
        text = redacted_json(self.raw, redactor, limits)
        return Quarantined(reason=self.reason, text=text, identities=self.identities, alerts=self.alerts)


def read(
    sender: GenericSender, name: str, body: Any, now: datetime, limits: Limits
) -> tuple[Sequence[Mapped], Sequence[Unread]]:
    """Every alert of a body, in order, and what is none."""
    try:
        found = _alerts(sender, body)
    except ValueError as wrong:
        return (), (Unread(reason=str(wrong), raw=body),)
    alerts: list[Mapped] = []
    unread: list[Unread] = []
    for it in found[: limits.alerts]:
        try:
            alerts.append(_mapped(sender, name, it, now))
        except ValueError as wrong:
            unread.append(Unread(reason=f"alert: {wrong}", raw=it))
    if over := found[limits.alerts :]:
        unread.append(Unread(reason=f"more than {limits.alerts} alerts in one body", raw=over, alerts=len(over)))
    return alerts, unread


def _alerts(sender: GenericSender, body: Any) -> list[Any]:
    if sender.alerts is None:
        return [body]
    found = _found("alerts", sender.alerts, body)
    if not isinstance(found, list):
        raise ValueError(f"`alerts`: expected a list, found {in_words(found)}")
    return found


def _mapped(sender: GenericSender, name: str, raw: Any, now: datetime) -> Mapped:
    key = _text("key", sender.key, raw)
    if not key:
        raise ValueError("`key`: expected text or a number, found nothing")
    labels = {label: text for label, path in sender.labels.items() if (text := _text(f"labels.{label}", path, raw))}
    if NAME not in labels:
        raise ValueError(f"`labels.{NAME}`: expected text, found nothing")
    firing = _firing(sender, raw)
    started = _started(sender, raw)
    starts_at = started or now
    return Mapped(
        key=hashlib.sha256(f"{name}/{key}".encode("utf-8", "surrogatepass")).digest(),
        fingerprint=fingerprint_of({**labels, _SOURCE: name}),
        status=AlertStatus.FIRING if firing else AlertStatus.RESOLVED,
        starts_at=starts_at,
        starts_assumed=started is None,
        ends_at=None if firing else max(starts_at, now),
        labels=labels,
        annotations={it: found for it, path in sender.annotations.items() if (found := _said(it, path, raw)) != ""},
        raw=raw,
    )


def _firing(sender: GenericSender, raw: Any) -> bool:
    if sender.firing is None:
        return True
    found = _found("firing", sender.firing, raw)
    if not isinstance(found, bool):
        raise ValueError(f"`firing`: expected true or false, found {in_words(found)}")
    return found


def _started(sender: GenericSender, raw: Any) -> datetime | None:
    found = _found("started", sender.started, raw) if sender.started is not None else None
    if found is None:
        return None
    try:
        return _MOMENT.validate_python(found).astimezone(UTC)
    except (ValidationError, OverflowError):
        raise ValueError(
            f"`started`: expected RFC 3339 with an offset, or unix seconds or milliseconds, found {in_words(found)}"
        ) from None


def _text(field: str, path: Expression, raw: Any) -> str:
    """Text, a number, true or false as text; empty for nothing."""
    found = _found(field, path, raw)
    if found is None or isinstance(found, str):
        return found or ""
    if isinstance(found, list | dict):
        raise ValueError(f"`{field}`: expected text, a number, true or false, found {in_words(found)}")
    return to_json(found, inf_nan_mode="constants").decode()


def _said(field: str, path: Expression, raw: Any) -> Any:
    """An annotation is not worth an alert: a list or a mapping stays what it is, what cannot be had is empty."""
    try:
        found = _found(field, path, raw)
    except ValueError:
        return ""
    return found if isinstance(found, list | dict) else _text(field, path, raw)


def _found(field: str, path: Expression, value: Any) -> Any:
    try:
        return path.of(value)
    except CannotAnswer as wrong:
        raise ValueError(f"`{field}`: {wrong}") from None
