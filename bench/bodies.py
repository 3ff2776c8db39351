"""Requests to be sent, made before any clock starts: Alertmanager's webhook and, for Alertmanager itself, its API.

The texts are as long as those of captured bodies (1 alert: 1.2 kB, 50 alerts: 27 kB). Every number gives a group key,
a group and fingerprints of its own, so that each body opens an incident: the dearest thing that a webhook can do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, overload

NUMBER = "@@NUMBR@"  # eight characters, as the digits that replace it
NOT_YET = "0001-01-01T00:00:00Z"
PROMETHEUS = "http://prometheus.example.com:9090/graph?g0.expr=kube_pod_status_ready+%3D%3D+0&g0.tab=1"
RUNBOOK = "https://runbooks.example.com/KubePodCrashLooping"


class Requests(Sequence[bytes]):
    """Whole HTTP requests numbered from `first`, each made when it is asked for (some microseconds).

    `form` is `webhook` or `api`, `starts_at` an RFC 3339 time.
    """

    def __init__(
        self, *, address: str, path: str, token: str, form: str, alerts: int, first: int, count: int, starts_at: str
    ) -> None:
        template = {"webhook": _webhook, "api": _api}[form](alerts, starts_at)
        # As Go writes it: compact, and `&` escaped. The length does not depend on the number.
        body = json.dumps(template, ensure_ascii=False, separators=(",", ":")).replace("&", "\\u0026") + "\n"
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: Alertmanager/0.25.0\r\n"
            f"Content-Length: {len(body.encode())}\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\n\r\n"
        )
        self._whole = (head + body).encode()
        self._numbers = range(first, first + count)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        if isinstance(at, slice):
            return [self[it] for it in range(*at.indices(len(self)))]
        return self._whole.replace(NUMBER.encode(), f"{self._numbers[at]:08d}".encode())


def dedup_key(number: int) -> str:
    """The key under which Alertmanager opens the PagerDuty incident for the group with this number."""
    return hashlib.sha256(_group_key(f"{number:08d}").encode()).hexdigest()


def _group_key(number: str) -> str:
    return f'{{}}:{{alertname="KubePodCrashLooping", service="checkout-{number}"}}'


def _webhook(alerts: int, starts_at: str) -> dict[str, Any]:
    """https://prometheus.io/docs/alerting/latest/configuration/#webhook_config, in the order of Alertmanager 0.25."""
    group = {"alertname": "KubePodCrashLooping", "service": f"checkout-{NUMBER}"}
    several = [_alert(at, starts_at) for at in range(alerts)]
    return {
        "receiver": "both",
        "status": "firing",
        "alerts": [
            {
                "status": "firing",
                "labels": it["labels"],
                "annotations": it["annotations"],
                "startsAt": starts_at,
                "endsAt": NOT_YET,
                "generatorURL": PROMETHEUS,
                "fingerprint": f"{NUMBER}{at:08x}",
            }
            for at, it in enumerate(several)
        ],
        "groupLabels": group,
        "commonLabels": _common([it["labels"] for it in several]),
        "commonAnnotations": _common([it["annotations"] for it in several]),
        "externalURL": "http://alertmanager.example.com:9093",
        "version": "4",
        "groupKey": _group_key(NUMBER),
        "truncatedAlerts": 0,
    }


def _api(alerts: int, starts_at: str) -> list[dict[str, Any]]:
    """What Prometheus posts to `/api/v2/alerts`: the same alerts."""
    return [_alert(at, starts_at) for at in range(alerts)]


def _alert(at: int, starts_at: str) -> dict[str, Any]:
    pod = f"checkout-7c9f8d6b5-{at:05d}"
    return {
        "labels": {
            "alertname": "KubePodCrashLooping",
            "cluster": "prod-eu1",
            "namespace": "shop",
            "pod": pod,
            "service": f"checkout-{NUMBER}",
            "severity": "critical",
        },
        "annotations": {"runbook_url": RUNBOOK, "summary": f"Pod shop/{pod} is crash looping"},
        "startsAt": starts_at,
        "generatorURL": PROMETHEUS,
    }


def _common(several: list[dict[str, str]]) -> dict[str, str]:
    return {name: it for name, it in several[0].items() if all(other[name] == it for other in several)}
