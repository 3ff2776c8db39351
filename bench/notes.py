"""From the webhook's send to the note's arrival at the stand-in PagerDuty, where the incident is present already."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

from acceptance import Numbers, send
from bodies import dedup_key
from load import Plan
from processes import Server

POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteTimes:
    """`composed`: from the send to the report's being ready by our own log; `arrived`: to the note's POST.

    `requests_per_note`: what PagerDuty was asked in all; it allows 960 a minute a key.
    """

    rate: float
    incidents: int
    arrived: int
    arrived_p50_ms: float
    arrived_p99_ms: float
    composed_p50_ms: float
    composed_p99_ms: float
    requests_per_note: float


def note_times(
    responder: Server,
    pagerduty: Server,
    token: str,
    numbers: Numbers,
    *,
    rate: float,
    count: int,
    wait_seconds: float,
) -> NoteTimes:
    """Open `count` incidents at `rate` a second and wait for their notes, at most `wait_seconds`."""
    first = numbers.take(count)
    _open_incidents(pagerduty, range(first, first + count))
    asked_before = len(_records(pagerduty))
    log_from = responder.log.stat().st_size
    plan = Plan(
        port=responder.port,
        path="/webhooks/alertmanager",
        token=token,
        alerts=1,
        first=first,
        count=count,
        seconds=count / rate + 5,
        connections=4,
        rate=rate,
        keep=True,
    )
    kept = send(plan)["kept"]
    sent = {dedup_key(it["number"]): it["sent_at"] for it in kept}
    arrived = _wait_for_notes(pagerduty, set(sent), asked_before, wait_seconds)
    composed = _composed(responder.log, log_from)
    slugs = {json.loads(it["answer"])["incidents"][0]: it["sent_at"] for it in kept if it.get("answer")}
    to_arrival = [at - sent[key] for key, at in arrived.items()]
    to_composed = [composed[slug] - at for slug, at in slugs.items() if slug in composed]
    arrived_p50, arrived_p99 = _p50_and_p99(to_arrival)
    composed_p50, composed_p99 = _p50_and_p99(to_composed)
    return NoteTimes(
        rate=rate,
        incidents=len(sent),
        arrived=len(arrived),
        arrived_p50_ms=arrived_p50,
        arrived_p99_ms=arrived_p99,
        composed_p50_ms=composed_p50,
        composed_p99_ms=composed_p99,
        requests_per_note=(len(_records(pagerduty)) - asked_before) / max(len(arrived), 1),
    )


def as_json(times: Iterable[NoteTimes]) -> list[dict[str, Any]]:
    """For the file."""
    return [asdict(it) for it in times]


def _open_incidents(pagerduty: Server, numbers: Iterable[int]) -> None:
    """As the same Alertmanager would have, and long enough ago for PagerDuty to have worked them off."""
    for number in numbers:
        event = {
            "routing_key": "b" * 32,
            "dedup_key": dedup_key(number),
            "event_action": "trigger",
            "payload": {"summary": f"bench {number}", "source": "bench", "severity": "error"},
        }
        request = urllib.request.Request(
            f"http://127.0.0.1:{pagerduty.port}/v2/enqueue", json.dumps(event).encode(), method="POST"
        )
        urllib.request.urlopen(request, timeout=5).close()
    time.sleep(1.0)


def _wait_for_notes(pagerduty: Server, keys: set[str], skip: int, wait_seconds: float) -> dict[str, float]:
    """When the first note of each of these incidents arrived, by the stand-in's clock, which is this machine's."""
    until = time.monotonic() + wait_seconds
    while True:
        incidents = _told(pagerduty, "/_state")["incidents"]
        keys_of = {it["id"]: alert["alert_key"] for it in incidents for alert in it["alerts"]}
        arrived: dict[str, float] = {}
        for it in _records(pagerduty)[skip:]:
            parts = it["path"].split("/")
            if it["method"] == "POST" and parts[1:2] == ["incidents"] and parts[3:] == ["notes"]:
                arrived.setdefault(keys_of[parts[2]], datetime.fromisoformat(it["at"]).timestamp())
        arrived = {key: at for key, at in arrived.items() if key in keys}
        if len(arrived) == len(keys) or time.monotonic() > until:
            return arrived
        time.sleep(POLL_SECONDS)


def _composed(log: Path, log_from: int) -> dict[str, float]:
    """When the first report of each incident was ready, by the log."""
    found: dict[str, float] = {}
    with log.open("rb") as lines:
        lines.seek(log_from)
        for line in lines:
            if b'"report.composed"' in line:
                event = json.loads(line)
                found.setdefault(event["incident"], datetime.fromisoformat(event["timestamp"]).timestamp())
    return found


def _records(pagerduty: Server) -> list[Any]:
    records: list[Any] = _told(pagerduty, "/_requests")
    return records


def _told(server: Server, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
        return json.load(answer)


def _p50_and_p99(seconds: list[float]) -> tuple[float, float]:
    cuts = quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else [0.0] * 99
    return cuts[49] * 1000, cuts[98] * 1000
