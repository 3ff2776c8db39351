"""What the API answers, as JSON-like data; the commands' `--json` is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from responder.delivery.as_json import as_json, moment
from responder.model.incident import marker_of
from responder.store.look_up import One, PutAside, Row, Trace
from responder.web.looking import Looked

TOLD = ("accepted", "duplicates", "stale", "ignored")


def summary(row: Row) -> dict[str, Any]:
    """One incident in one line; with `deliveries` where the row has them."""
    shown = {
        "incident": row["slug"],
        "state": row["state"],
        "severity": row["severity"],
        "severity_rank": row["severity_rank"],
        "title": row["title"],
        "pack": row["pack"],
        "opened_at": moment(row["opened_at"]),
        "acknowledged_at": moment(row["acknowledged_at"]),
        "resolved_at": moment(row["resolved_at"]),
        "alerts": {"firing": row["alerts_firing"], "total": row["alerts_total"]},
        "has_report": row["has_report"],
        "continues": row["continues"],
        "continued_in": row["continued_in"],
    }
    return shown | ({"deliveries": [delivery(it) for it in row["deliveries"]]} if "deliveries" in row else {})


def listing(rows: Sequence[Row], *, more: bool) -> dict[str, Any]:
    """Newest first. `more`: whether older ones were left out; ask again with `before` the last of these."""
    return {"incidents": [summary(it) for it in rows], "more": more}


def one(it: One) -> dict[str, Any]:
    """One incident with its alerts, links and deliveries."""
    return summary(it.summary) | {
        "alerts": {
            "firing": it.summary["alerts_firing"],
            "total": it.summary["alerts_total"],
            "list": [_plain(row) for row in it.alerts],
        },
        "links": [_plain(row) for row in it.links],
        "deliveries": [delivery(row) for row in it.deliveries],
    }


def timeline(it: One) -> dict[str, Any]:
    """What happened when, oldest first, the last thousand lines."""
    return {"incident": it.summary["slug"], "timeline": [_plain(row) for row in it.timeline]}


def report(it: One, *, name: str) -> dict[str, Any] | None:
    """The newest report, None before the first. `name`: of this installation, for the marker."""
    if it.report is None:
        return None
    return as_json(
        it.report,
        marker=marker_of(name, it.summary["slug"]),
        continues=it.summary["continues"] or "",
        continued_in=it.summary["continued_in"] or "",
    )


def delivery(row: Row) -> dict[str, Any]:
    """Where a report goes or went. `id_there`: the sink's own; `why`: of a wait or a failure."""
    return {
        "sink": row["sink"],
        "object": row["object"],
        "state": row["state"],
        "why": row["why"],
        "tag": row["tag"],
        "id_there": row["foreign_id"],
        "known_at": moment(row["known_at"]),
        "first_at": moment(row["first_at"]),
        "last_at": moment(row["delivered_at"]),
        "refused_at": moment(row["refused_at"]),
    }


def put_aside(row: Row | PutAside) -> dict[str, Any]:
    """One entry of the quarantine; with its redacted `text` where that was read."""
    if isinstance(row, PutAside):
        names = ("id", "at", "kind", "source", "reason", "identities", "retried_at")
        return _plain({name: getattr(row, name) for name in names} | {"text": row.body})
    return _plain(row)


def quarantine(rows: Sequence[Row], *, more: bool) -> dict[str, Any]:
    """Newest first."""
    return {"quarantine": [put_aside(it) for it in rows], "more": more}


def targets(it: Looked) -> dict[str, Any]:
    """What is looked at, where reports go, who is asked for what webhooks did not bring."""
    return {
        "targets": [_plain(asdict(line)) for line in it.targets],
        "sinks": [_plain(asdict(line)) for line in it.sinks],
        "asked": [
            {"whom": one.whom, "at": moment(one.at), "answered_at": moment(one.answered_at), "why": one.why}
            for one in it.senders
        ],
        "subscriptions": [
            {"id": one.id, "active": one.active, "scope": one.scope.name, "tells_of_new": one.tells_of_new}
            for one in it.subscriptions
        ],
    }


def trace(it: Trace) -> dict[str, Any]:
    """Where a name went: accepted, deduplicated, matched, decided, delivered, and what is waited for."""
    return {
        "id": it.name,
        "key": hashlib.sha256(it.name.encode("utf-8", "surrogatepass")).hexdigest(),
        "read_as": list(it.read_as),
        "incidents": [_traced(one_of, it) for one_of in it.incidents],
        "webhooks_without_incident": [webhook(row) for row in it.webhooks.get(None, ())],
        "quarantine": [put_aside(row) for row in it.quarantine],
    }


def wait(row: Row) -> dict[str, Any]:
    """One piece of work that is left to do. `since`: when it was first asked for; `due_at`: when it is taken up next,
    of what is `held` when somebody else may take it over."""
    return {
        "work": row["kind"],
        "object": row["object"],
        "why": why_it_waits(row),
        "since": moment(row["since"]),
        "due_at": moment(row["due_at"]),
        "held": row["held"],
        "failures": row["failures"],
    }


def why_it_waits(row: Row) -> str:
    """In words; what is held goes on now, whatever it waited for before."""
    if row["held"]:
        after = f"; before that: {row['waits_for']}" if row["waits_for"] else ""
        return ("its worker has not been heard of, another takes it over" if row["is_due"] else "under way") + after
    if row["is_due"]:
        return "due, and not taken up yet" + (f" (it waited for: {row['waits_for']})" if row["waits_for"] else "")
    return row["waits_for"] or "its time"


def webhook(row: Row) -> dict[str, Any]:
    """One accepted webhook and what became of each alert in it."""
    outcome: Mapping[str, Any] = row["outcome"]
    alerts = [
        {"fingerprint": fingerprint, "status": status, "starts_at": starts_at, "told": told}
        for fingerprint, status, starts_at, told, *_ in outcome.get("alerts", [])
    ]
    event = outcome.get("event")
    counts = {word: sum(it["told"] == word for it in (*alerts, *([event] if event else []))) for word in TOLD}
    counts["ignored"] += _count(outcome.get("ignored"))
    return {
        "at": moment(row["at"]),
        "kind": row["kind"],
        "source": row["source"],
        **counts,
        "quarantined": _count(outcome.get("quarantined")),
        "alerts": alerts,
        "event": event["type"] if event else None,
    }


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _traced(it: One, of: Trace) -> dict[str, Any]:
    number = it.summary["number"]
    report = it.report
    return one(it) | {
        "webhooks": [webhook(row) for row in of.webhooks.get(number, ())],
        "matched": [verdict.rule for verdict in report.verdicts] if report else [],
        "decided_by": report.assessment.decided_by if report else None,
        "why": list(report.why) if report else [],
        "waits": [wait(row) for row in of.work if row["number"] == number],
        "timeline": timeline(it)["timeline"],
    }


def _plain(row: Row) -> dict[str, Any]:
    return {
        name: moment(value) if isinstance(value, datetime) else value for name, value in row.items() if name != "number"
    }
