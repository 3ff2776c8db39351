"""Alertmanager's webhook, version "4".

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config; one body:

    {"version": "4", "groupKey": "{}:{alertname=\\"TargetDown\\"}", "truncatedAlerts": 0, "status": "firing",
     "receiver": "both", "groupLabels": {"alertname": "TargetDown"}, "commonLabels": {…}, "commonAnnotations": {…},
     "externalURL": "http://alertmanager:9093", "alerts": [
       {"status": "firing", "labels": {"alertname": "TargetDown", …}, "annotations": {"summary": "…"},
        "startsAt": "2026-11-21T02:51:38.862Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://…",
        "fingerprint": "77adc8a4a964099b"}]}

A body in order is read in one go; one with a mistake is read again, alert by alert, so that a bad one costs no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired, cast

from pydantic import AwareDatetime, FailFast, Field, TypeAdapter, ValidationError
from pydantic_core import to_json
from typing_extensions import TypedDict  # pydantic takes its own dependency here until Python 3.12

from responder.intake.cutting import all_fit, cut_fields, cut_text, with_note
from responder.intake.fingerprint import fingerprint_of, is_fingerprint
from responder.intake.raw_json import read_json, redacted_json, web_address
from responder.intake.source import Credentials, Limits, Post, Refusal, Source, refusal_by_header
from responder.model.alert import Alert, AlertStatus, Quarantined, Webhook
from responder.redaction.redact import Redactor

NO_GROUP_KEY = "no groupKey: post custom payloads to /webhooks/generic/{name}"
_NEVER = 1  # the year of Go's zero time, `0001-01-01T00:00:00Z`: a firing alert has no end

_Moment = Annotated[AwareDatetime, Field(strict=True)]  # strict: text with an offset, no bare numbers


class _WireAlert(TypedDict):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    startsAt: _Moment
    endsAt: NotRequired[_Moment | None]
    annotations: NotRequired[dict[str, str] | None]
    generatorURL: NotRequired[str | None]
    fingerprint: NotRequired[str | None]


class _WireBody(TypedDict):
    groupKey: Annotated[str, Field(min_length=1)]
    alerts: Annotated[list[_WireAlert], FailFast()]  # complaints about 100,000 bad ones would fill the memory
    status: NotRequired[str]
    truncatedAlerts: NotRequired[int]
    groupLabels: NotRequired[dict[str, str] | None]
    commonLabels: NotRequired[dict[str, str] | None]
    commonAnnotations: NotRequired[dict[str, str] | None]
    externalURL: NotRequired[str | None]


_BODY = TypeAdapter(_WireBody)
_ALERT = TypeAdapter(_WireAlert)


@dataclass(frozen=True, slots=True)
class _Bad:
    """One alert that was not understood."""

    reason: str
    raw: Any


class Alertmanager:
    """Reads what Alertmanager posts; its credential is a bearer token or a user and password, never a signature."""

    kind = "alertmanager"

    def refusal_before_body(self, headers: Mapping[str, str], credentials: Credentials) -> Refusal | None:
        """The whole answer: Alertmanager signs nothing."""
        setting = "RESPONDER_ALERTMANAGER_TOKENS, or RESPONDER_ALERTMANAGER_USERNAME and _PASSWORD"
        return refusal_by_header(headers, credentials, setting=setting)

    def refusal(self, headers: Mapping[str, str], body: bytes, credentials: Credentials) -> Refusal | None:
        """The same as before the body."""
        return self.refusal_before_body(headers, credentials)

    def parse(self, post: Post, redactor: Redactor, limits: Limits) -> Webhook:
        """Every alert of the body, understood or quarantined; raises UnreadableBody for what is not JSON."""
        wire, bad, raw, over = _read(post.body, limits.alerts)
        if wire is None:
            return self._put_aside(post.source, raw, redactor, limits)
        key = hashlib.sha256(wire["groupKey"].encode("utf-8", "surrogatepass")).digest()
        clean = _redact(wire, redactor, limits)
        alerts, late = _alerts(wire, clean, limits)
        quarantined = [_quarantined(it, key, redactor, limits) for it in (*bad, *late)]
        if over > 0:
            quarantined.append(_over_the_bound(over, key, limits))
        return Webhook(
            kind=self.kind,
            source=post.source,
            key=key,
            title=cut_text(redactor.text(_title(*clean.envelope)), limits.title_chars),
            url=web_address(clean.url, limits),
            alerts=alerts,
            quarantined=tuple(quarantined),
            ends_others_until=_ends_others_until(wire, alerts),
        )

    def _put_aside(self, source: str, raw: Any, redactor: Redactor, limits: Limits) -> Webhook:
        """A body that names no group, whole; it counts for every alert in it."""
        alerts = raw.get("alerts") if isinstance(raw, dict) else None
        whole = Quarantined(
            reason=_reason_of_body(raw),
            text=redacted_json(raw, redactor, limits),
            alerts=max(1, len(alerts)) if isinstance(alerts, list) else 1,
        )
        return Webhook(kind=self.kind, source=source, key=b"", quarantined=(whole,))


def _read(body: bytes, most: int) -> tuple[_WireBody | None, list[_Bad], Any, int]:
    """The body with its first alerts, at most that many, the bad ones among them, and by how many more there are; None
    and the raw JSON when it has no group or no list of alerts."""
    try:
        wire = _BODY.validate_json(body)
    except ValidationError:
        raw = read_json(body, sender="alertmanager")
    else:
        over = len(wire["alerts"]) - most
        wire["alerts"] = wire["alerts"][:most]
        return wire, [], None, over
    if _reason_of_body(raw):
        return None, [], raw, 0
    alerts = raw["alerts"] or ()
    good, bad = _one_by_one(alerts[:most])
    wire = cast(_WireBody, {"groupKey": raw["groupKey"], "alerts": good, **_lenient(raw)})
    return wire, bad, raw, len(alerts) - most


def _reason_of_body(raw: Any) -> str:
    """Why a body cannot be read even in part; empty when it can."""
    if not isinstance(raw, dict) or not isinstance(raw.get("groupKey"), str) or not raw["groupKey"]:
        return NO_GROUP_KEY
    if "alerts" not in raw or not isinstance(raw["alerts"], list | None):
        return "`alerts`: expected a list"
    return ""


def _one_by_one(raw_alerts: Sequence[Any]) -> tuple[list[_WireAlert], list[_Bad]]:
    good: list[_WireAlert] = []
    bad: list[_Bad] = []
    for raw in raw_alerts:
        try:
            good.append(_ALERT.validate_json(to_json(raw, inf_nan_mode="constants")))
        except ValidationError as wrong:
            bad.append(_Bad(_reason(wrong), raw))
    return good, bad


def _reason(wrong: ValidationError) -> str:
    """The first mistake: our field's name and the expectation, nothing that a sender chose (it becomes a metric)."""
    first = wrong.errors(include_url=False, include_input=False, include_context=False)[0]
    place = f"`{first['loc'][0]}`: " if first["loc"] else ""
    return f"alert: {place}{first['msg']}"


def _lenient(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The body's own fields as far as they have the right type: none of them is worth an alert."""
    fields = {it: raw[it] for it in ("groupLabels", "commonLabels", "commonAnnotations") if _are_fields(raw.get(it))}
    texts = {it: raw[it] for it in ("status", "externalURL") if isinstance(raw.get(it), str)}
    truncated = raw.get("truncatedAlerts")
    return {**fields, **texts, "truncatedAlerts": truncated if isinstance(truncated, int) else 0}


def _are_fields(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(it, str) for it in value.values())


@dataclass(frozen=True, slots=True)
class _Redacted:
    """The texts of a body: labels and annotations by turns, generators' addresses, the group's three mappings.

    `fits`: nothing is over a bound, which is asked once for all.
    """

    fields: list[dict[str, str]]
    generators: list[str]
    envelope: list[dict[str, str]]
    url: str
    fits: bool


def _redact(wire: _WireBody, redactor: Redactor, limits: Limits) -> _Redacted:
    """One look at all of a body's texts together."""
    fields = [it for alert in wire["alerts"] for it in (alert["labels"], alert.get("annotations") or {})]
    group = [wire.get("groupLabels") or {}, wire.get("commonLabels") or {}, wire.get("commonAnnotations") or {}]
    urls = [alert.get("generatorURL") or "" for alert in wire["alerts"]]
    all_fields, all_urls = redactor.mappings(fields + group, [*urls, wire.get("externalURL") or ""])
    alert_fields = all_fields[: len(fields)]
    fits = all_fit(
        alert_fields, min(limits.labels, limits.annotations), min(limits.label_chars, limits.annotation_chars)
    )
    return _Redacted(alert_fields, all_urls[:-1], all_fields[len(fields) :], all_urls[-1], fits)


def _alerts(wire: _WireBody, clean: _Redacted, limits: Limits) -> tuple[tuple[Alert, ...], list[_Bad]]:
    """The alerts in order, and those whose time no calendar holds."""
    alerts: list[Alert] = []
    bad: list[_Bad] = []
    for at, alert in enumerate(wire["alerts"]):
        try:
            alerts.append(_alert(alert, clean, at, limits))
        except OverflowError:  # year 1 or 9999 with an offset that leads out of it
            bad.append(_Bad("alert: `startsAt` or `endsAt`: expected a time that UTC can hold", alert))
    return tuple(alerts), bad


def _alert(wire: _WireAlert, clean: _Redacted, at: int, limits: Limits) -> Alert:
    status = AlertStatus.FIRING if wire["status"] == "firing" else AlertStatus.RESOLVED
    starts_at = wire["startsAt"].astimezone(UTC)
    labels, annotations = clean.fields[2 * at], clean.fields[2 * at + 1]
    if not clean.fits:
        labels, annotations = _cut(labels, annotations, limits)
    given = wire.get("fingerprint") or ""
    return Alert(
        fingerprint=given if is_fingerprint(given) else fingerprint_of(wire["labels"]),
        status=status,
        starts_at=starts_at,
        ends_at=_ends_at(wire, starts_at) if status is AlertStatus.RESOLVED else None,
        labels=labels,
        annotations=annotations,
        generator_url=web_address(clean.generators[at], limits),
    )


def _cut(labels: dict[str, str], annotations: dict[str, str], limits: Limits) -> tuple[dict[str, str], dict[str, str]]:
    labels, labels_cut = cut_fields(labels, limits.labels, limits.label_chars)
    annotations, annotations_cut = cut_fields(annotations, limits.annotations, limits.annotation_chars)
    return labels, with_note(annotations, labels_cut, annotations_cut)


def _ends_at(wire: _WireAlert, starts_at: datetime) -> datetime:
    """When it ended; its start where a sender does not say."""
    ends_at = wire.get("endsAt")
    return starts_at if ends_at is None or ends_at.year == _NEVER else ends_at.astimezone(UTC)


def _title(group: Mapping[str, str], common: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    """`TargetDown: <common summary>`, else `TargetDown (cluster=prod-eu1)`, on one line."""
    name = group.get("alertname") or common.get("alertname") or ""
    summary = annotations.get("summary") or annotations.get("title") or ""
    rest = ", ".join(f"{label}={value}" for label, value in group.items() if label != "alertname")
    title = ": ".join(it for it in (name, summary) if it) if summary else f"{name} ({rest})" if rest else name
    return " ".join(title.split()) or "alerts without a common name"


def _ends_others_until(wire: _WireBody, alerts: Sequence[Alert]) -> datetime | None:
    if wire.get("status") != "resolved" or wire.get("truncatedAlerts", 0) <= 0:
        return None
    return max((alert.ends_at for alert in alerts if alert.ends_at is not None), default=None)


def _quarantined(bad: _Bad, key: bytes, redactor: Redactor, limits: Limits) -> Quarantined:
    return Quarantined(
        reason=bad.reason,
        text=redacted_json(bad.raw, redactor, limits),
        identities={"key": key.hex(), **_identity(bad.raw)},
    )


def _identity(raw: Any) -> dict[str, str]:
    given = raw.get("fingerprint") if isinstance(raw, dict) else None
    if isinstance(given, str) and is_fingerprint(given):
        return {"fingerprint": given}
    labels = raw.get("labels") if isinstance(raw, dict) else None
    return {"fingerprint": fingerprint_of(labels)} if isinstance(labels, dict) and _are_fields(labels) else {}


def _over_the_bound(count: int, key: bytes, limits: Limits) -> Quarantined:
    reason = f"more than {limits.alerts} alerts in one body"
    return Quarantined(reason=reason, text="", identities={"key": key.hex()}, alerts=count)


SOURCE: Source = Alertmanager()
