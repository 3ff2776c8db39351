"""A storm at a fixed rate: is everything answered, how soon, and how much memory does it take?"""

from __future__ import annotations

from dataclasses import dataclass

from acceptance import Numbers, send
from load import Plan
from processes import Server, peak_resident_bytes

ALERTS = 50
CONNECTIONS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """Bodies of 50 alerts, `rate` bodies a second for `seconds`. `refused`: told 503, to come again."""

    rate: float
    seconds: float
    sent: int
    accepted: int
    refused: int
    dropped: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    peak_bytes: int


def storm(responder: Server, token: str, numbers: Numbers, *, rate: float, seconds: float) -> Storm:
    """Send them whatever becomes of them; times count from when a request was due."""
    count = int(rate * seconds)
    plan = Plan(
        port=responder.port,
        path="/webhooks/alertmanager",
        token=token,
        alerts=ALERTS,
        first=numbers.take(count),
        count=count,
        seconds=seconds,
        connections=CONNECTIONS,
        rate=rate,
        late=True,
    )
    result = send(plan)
    return Storm(
        rate=rate,
        seconds=seconds,
        sent=result["sent"],
        accepted=result["statuses"].get("202", 0),
        refused=result["statuses"].get("503", 0),
        dropped=result["dropped"],
        p50_ms=result["p50_ms"],
        p99_ms=result["p99_ms"],
        max_ms=result["max_ms"],
        peak_bytes=peak_resident_bytes(responder.pid),
    )
