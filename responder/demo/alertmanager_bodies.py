"""What Alertmanager 0.25 writes about a group of one alert: its webhook and its PagerDuty event, byte for byte.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
https://github.com/prometheus/alertmanager/blob/v0.25.0/notify/pagerduty/pagerduty.go
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

USER_AGENT = "Alertmanager/0.25.0"
NOT_YET = "0001-01-01T00:00:00Z"
FNV_OFFSET, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedAlert:
    """One alert, alone in its group. `ends_at`: None while it fires."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    generator_url: str

    @property
    def status(self) -> str:
        """`firing` or `resolved`."""
        return "firing" if self.ends_at is None else "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """How the route groups, and what its Alertmanager is called."""

    receiver: str
    group_by: tuple[str, ...]
    external_url: str

    def labels_of(self, alert: GroupedAlert) -> dict[str, str]:
        """The labels the group has in common by definition; those an alert lacks are left out."""
        return {name: alert.labels[name] for name in sorted(self.group_by) if name in alert.labels}

    def key_of(self, alert: GroupedAlert) -> str:
        """`groupKey` at the root route: `{}:{name="value", …}`."""
        pairs = ", ".join(f"{name}={_quoted(value)}" for name, value in self.labels_of(alert).items())
        return f"{{}}:{{{pairs}}}"


def fingerprint(labels: Mapping[str, str]) -> str:
    """FNV-1a over the sorted labels, 64 bits as 16 hex digits.

    https://github.com/prometheus/common/blob/v0.37.0/model/signature.go
    """
    sum_ = FNV_OFFSET
    for name, value in sorted(labels.items()):
        for byte in name.encode() + b"\xff" + value.encode() + b"\xff":
            sum_ = ((sum_ ^ byte) * FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"{sum_:016x}"


def webhook_body(group: Group, alert: GroupedAlert) -> bytes:
    """The webhook, version "4"."""
    labels, annotations = dict(sorted(alert.labels.items())), dict(sorted(alert.annotations.items()))
    one = {
        "status": alert.status,
        "labels": labels,
        "annotations": annotations,
        "startsAt": go_time(alert.starts_at),
        "endsAt": NOT_YET if alert.ends_at is None else go_time(alert.ends_at),
        "generatorURL": alert.generator_url,
        "fingerprint": fingerprint(labels),
    }
    return go_json(
        {
            "receiver": group.receiver,
            "status": alert.status,
            "alerts": [one],
            "groupLabels": group.labels_of(alert),
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": group.external_url,
            "version": "4",
            "groupKey": group.key_of(alert),
            "truncatedAlerts": 0,
        }
    )


def event_body(group: Group, alert: GroupedAlert, routing_key: str) -> bytes:
    """The Events v2 event for the same group; its dedup key is the SHA-256 of the group key."""
    is_firing = alert.status == "firing"
    text = _as_text(alert)
    details = {
        "firing": text if is_firing else "",
        "num_firing": str(int(is_firing)),
        "num_resolved": str(int(not is_firing)),
        "resolved": "" if is_firing else text,
    }
    return go_json(
        {
            "routing_key": routing_key,
            "dedup_key": hashlib.sha256(group.key_of(alert).encode()).hexdigest(),
            "event_action": "trigger" if is_firing else "resolve",
            "payload": {
                "summary": _summary(group, alert),
                "source": "Alertmanager",
                "severity": "error",
                "custom_details": details,
            },
            "client": "Alertmanager",
            "client_url": f"{group.external_url}/#/alerts?receiver={quote(group.receiver, safe='')}",
        }
    )


def go_time(at: datetime) -> str:
    """UTC with milliseconds, zeros at the end left out, as `2026-11-21T02:51:18.06Z`."""
    at = at.astimezone(UTC)
    fraction = f".{at.microsecond // 1000:03d}".rstrip("0").rstrip(".")
    return at.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"


def go_json(said: Any) -> bytes:
    """As Go's encoder writes it: compact, `&<>` escaped, a line end."""
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    for character in "&<>":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f"{text}\n".encode()


def _summary(group: Group, alert: GroupedAlert) -> str:
    grouped = group.labels_of(alert)
    others = [value for name, value in sorted(alert.labels.items()) if name not in grouped]
    head = "[FIRING:1]" if alert.status == "firing" else "[RESOLVED]"
    return f"{head} {' '.join(grouped.values())} " + (f"({' '.join(others)})" if others else "")


def _as_text(alert: GroupedAlert) -> str:
    def lines(pairs: Mapping[str, str]) -> str:
        return "".join(f" - {name} = {value}\n" for name, value in sorted(pairs.items()))

    return f"Labels:\n{lines(alert.labels)}Annotations:\n{lines(alert.annotations)}Source: {alert.generator_url}\n"


def _quoted(value: str) -> str:
    """As Go's %q for what labels hold."""
    return json.dumps(value, ensure_ascii=False)
