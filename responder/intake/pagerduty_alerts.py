"""What the alerts of a PagerDuty incident say, entry by entry of `GET /incidents/{id}/alerts`.

https://developer.pagerduty.com/api-reference/4bc42e7ac0c59-list-alerts-for-an-incident; of one entry:

    {"id": "PT4KHLK", "status": "triggered", "created_at": "2026-11-21T02:57:42Z", "severity": "error",
     "summary": "[FIRING:2] TargetDown prod-eu1", "alert_key": "2c214e69…", "html_url": "https://…",
     "body": {"details": {"firing": […], "resolved": [], "num_firing": 2, "num_resolved": 0}}}

Alertmanager lists its own alerts in `details`: as JSON from 0.30 on, before as text
(https://github.com/prometheus/alertmanager/blob/v0.25.0/template/default.tmpl, `__text_alert_list`); so does Grafana.
Of every other sender the texts in `details` become labels: `{"host.name": "a", "disk": {"mount": "/var"}}` gives
`host_name="a", disk_mount="/var"`. Names on the way are joined by `_`, entries of a list count from 0, what no label
may be called becomes `_`, and of two that come to one name the first stays.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from responder.intake.arrange import BROUGHT_ALONG, SOURCE_LABEL
from responder.intake.cutting import cut_fields, with_note
from responder.intake.fingerprint import fingerprint_of
from responder.intake.raw_json import mapping_at, moment_of, text_at, web_address
from responder.intake.source import Limits
from responder.model.alert import Alert, AlertStatus
from responder.redaction.redact import Redactor

_LISTS = ("firing", "resolved")
_COUNTS = ("num_firing", "num_resolved")
_GROUP_KEY = re.compile(r"[0-9a-f]{64}")
_NO_LABEL_CHARACTER = re.compile(r"[^a-zA-Z0-9_]")
_DEEPEST = 8
_MOST_LEAVES = 1000
_NAMED_BY_SENDER = ("alertname", "severity")


def alerts_of(
    raw_alert: Mapping[str, Any], incident_labels: Mapping[str, str], redactor: Redactor, limits: Limits
) -> tuple[Alert, ...]:
    """One alert for each condition that the entry names, else one for the entry itself; none where it is malformed.

    `incident_labels`: what the incident gives every alert of it. Alertmanager's own labels go before them; what other
    senders tell only fills up, except for `alertname` and `severity`. `source` stays: what came as that is kept as
    `exported_source`.
    """
    entry = _entry(raw_alert)
    if entry is None:
        return ()
    found = _listed(entry.details) or [_as_a_whole(entry, redactor)]
    built = [_alert(it, entry, incident_labels, redactor, limits) for it in found[: limits.alerts]]
    return tuple({it.fingerprint: it for it in built}.values())


def alert_keys(raw_alerts: Iterable[Any]) -> tuple[str, ...]:
    """The keys by which senders know these alerts, each once; Alertmanager's is the SHA-256 of the groupKey."""
    return tuple(dict.fromkeys(key for it in raw_alerts if (key := text_at(it, "alert_key"))))


def is_from_alertmanager(raw_alert: Mapping[str, Any]) -> bool:
    """Whether Alertmanager made it, or Grafana's, which names groups the same way: its key is a group's hash."""
    if not _GROUP_KEY.fullmatch(text_at(raw_alert, "alert_key")):
        return False
    client = text_at(raw_alert, "body", "cef_details", "client")
    return client == "Alertmanager" or any(it in _details(raw_alert) for it in (*_LISTS, *_COUNTS))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Condition:
    """One alert before redaction. `fills`: its labels only fill up those of the incident."""

    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str] = field(default_factory=dict)
    url: str = ""
    fills: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """What every entry must say, checked; `raw` is the rest."""

    id: str
    starts_at: datetime
    status: AlertStatus
    raw: Mapping[str, Any]

    @property
    def details(self) -> Mapping[str, Any]:
        return _details(self.raw)

    @property
    def ends_at(self) -> datetime | None:
        """None while firing; its start where PagerDuty does not say."""
        if self.status is AlertStatus.FIRING:
            return None
        return max(moment_of(text_at(self.raw, "resolved_at")) or self.starts_at, self.starts_at)


def _entry(raw: Any) -> _Entry | None:
    starts_at = moment_of(text_at(raw, "created_at"))
    if not text_at(raw, "id") or starts_at is None or not text_at(raw, "status"):
        return None
    status = AlertStatus.RESOLVED if text_at(raw, "status") == "resolved" else AlertStatus.FIRING
    return _Entry(id=text_at(raw, "id"), starts_at=starts_at, status=status, raw=raw)


def _as_a_whole(entry: _Entry, redactor: Redactor) -> _Condition:
    """The entry as one alert: its sender lists none."""
    severity, summary = text_at(entry.raw, "severity"), text_at(entry.raw, "summary")
    named = {"severity": severity} if severity else {}
    return _Condition(
        fingerprint=hashlib.sha256(f"pagerduty/alert/{entry.id}".encode("utf-8", "replace")).hexdigest()[:16],
        labels=_leaves(entry.details, redactor) | named,
        annotations={"summary": summary} if summary else {},
        fills=True,
    )


def _details(raw: Any) -> Mapping[str, Any]:
    """`details` can be a text of its own: then it is a label of this name."""
    text = text_at(raw, "body", "details")
    return {"details": text} if text else mapping_at(raw, "body", "details")


def _listed(details: Mapping[str, Any]) -> list[_Condition]:
    """The alerts listed as firing; those listed as resolved where none is firing any more."""
    for name in _LISTS:
        value = details.get(name)
        found = _from_text(value) if isinstance(value, str) else _from_json(value)
        if found:
            return found[: _count(details.get(f"num_{name}"), of=len(found))]
    return []


def _count(said: Any, *, of: int) -> int:
    """A text in an annotation can look like one more alert: no more are taken than the sender counted."""
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) <= 6:
        said = int(said)
    return said if isinstance(said, int) and 0 < said <= of else of


def _from_json(value: Any) -> list[_Condition]:
    return [
        _condition(labels, _texts(mapping_at(it, "annotations")), text_at(it, "generatorURL"))
        for it in (value if isinstance(value, list) else ())
        if (labels := _texts(mapping_at(it, "labels")))
    ]


def _texts(fields: Mapping[str, Any]) -> dict[str, str]:
    """These fields; nothing when one of them is no text, as it is nobody's labels then."""
    return dict(fields) if all(isinstance(it, str) for it in fields.values()) else {}


def _condition(labels: dict[str, str], annotations: dict[str, str], url: str) -> _Condition:
    return _Condition(fingerprint=fingerprint_of(labels), labels=labels, annotations=annotations, url=url)


def _from_text(text: str) -> list[_Condition]:
    """Blocks of `Labels:`, ` - name = value` …, `Annotations:`, …, `Source: url`; a value may have several lines."""
    return [_condition(_joined(it.labels), _joined(it.annotations), it.url) for it in _blocks(text) if it.labels]


_Lines = dict[str, list[str]]


@dataclass(slots=True)
class _Block:
    """One alert of the text while it is read. `value`: lines of the field that may go on in the next line."""

    labels: _Lines = field(default_factory=dict)
    annotations: _Lines = field(default_factory=dict)
    url: str = ""
    in_annotations: bool = False
    value: list[str] | None = None

    def take(self, line: str) -> bool:
        """Read one line; False when it was the last of this alert."""
        if line == "Annotations:" and not self.in_annotations:
            self.in_annotations, self.value = True, None
        elif line.startswith("Source: "):
            self.url = line.removeprefix("Source: ").strip()
            return False
        elif line.startswith(" - ") and " = " in line:
            name, _, first = line[3:].partition(" = ")
            fields = self.annotations if self.in_annotations else self.labels
            self.value = fields[name] = [first]
        elif self.value is not None:
            self.value.append(line)
        return True


def _blocks(text: str) -> Iterator[_Block]:
    block: _Block | None = None
    for line in text.removesuffix("\n").split("\n"):
        if block is None:
            block = _Block() if line == "Labels:" else None
        elif not block.take(line):
            yield block
            block = None
    if block is not None and block.in_annotations:  # cut off by a bound of PagerDuty's, but its labels are all there
        yield block


def _joined(fields: _Lines) -> dict[str, str]:
    return {name: "\n".join(lines) for name, lines in fields.items()}


def _leaves(details: Mapping[str, Any], redactor: Redactor) -> dict[str, str]:
    labels: dict[str, str] = {}
    for name, text in _texts_in(details, (), redactor):
        if len(labels) == _MOST_LEAVES:
            break
        labels.setdefault(name, text)
    return labels


def _texts_in(value: Any, path: tuple[str, ...], redactor: Redactor) -> Iterator[tuple[str, str]]:
    """Every text and the name of its label, in order; what is nested deeper than eight levels is left out."""
    match value:
        case str() if value and path:
            yield _label_name("_".join(path)), value
        case Mapping() if len(path) < _DEEPEST:
            for name, it in value.items():
                below = (*path, redactor.text(str(name)))  # now: as a label `password=x` would be `password_x`
                yield from _texts_in(_hidden(str(name), it, redactor), below, redactor)
        case list() if len(path) < _DEEPEST:
            for place, it in enumerate(value):
                yield from _texts_in(it, (*path, str(place)), redactor)


def _hidden(name: str, value: Any, redactor: Redactor) -> Any:
    """What stands under the name of a secret goes whole: the names below it would not tell any more."""
    if not isinstance(value, Mapping | list) or not redactor.kind_of_name(name):
        return value
    return next(iter(redactor.fields({name: "whole"}).values()))


def _label_name(text: str) -> str:
    name = _NO_LABEL_CHARACTER.sub("_", text)
    return f"_{name}" if name[:1].isdigit() or not name else name


def _alert(
    it: _Condition, entry: _Entry, incident_labels: Mapping[str, str], redactor: Redactor, limits: Limits
) -> Alert:
    (own, annotations), _ = redactor.mappings([it.labels, it.annotations], [])
    labels = _filled_up(incident_labels, own, annotations) if it.fills else {**incident_labels, **own}
    labels, labels_cut = cut_fields(_with_source(labels, incident_labels, own), limits.labels, limits.label_chars)
    annotations, annotations_cut = cut_fields(annotations, limits.annotations, limits.annotation_chars)
    return Alert(
        fingerprint=it.fingerprint,
        status=entry.status,
        starts_at=entry.starts_at,
        ends_at=entry.ends_at,
        labels=labels,
        annotations=with_note(annotations, labels_cut, annotations_cut),
        generator_url=web_address(redactor.text(it.url or text_at(entry.raw, "html_url")), limits),
    )


def _filled_up(
    incident_labels: Mapping[str, str], own: Mapping[str, str], annotations: Mapping[str, str]
) -> dict[str, str]:
    """A stranger's text cannot pass for what PagerDuty says of the incident."""
    unnamed = {"alertname": annotations["summary"]} if "summary" in annotations else {}
    named = {name: own[name] for name in _NAMED_BY_SENDER if name in own}
    return {**unnamed, **own, **incident_labels, **named}


def _with_source(
    labels: Mapping[str, str], incident_labels: Mapping[str, str], own: Mapping[str, str]
) -> dict[str, str]:
    source, brought = incident_labels.get(SOURCE_LABEL, ""), own.get(SOURCE_LABEL, "")
    if not source or not brought or source == brought:
        return dict(labels)
    return {**labels, BROUGHT_ALONG: brought, SOURCE_LABEL: source}
