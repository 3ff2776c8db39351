"""Report → JSON for programs: what `/api/v1/incidents/{id}/report` answers and what the report webhook is sent.

Names stay as they are; new ones may come. Times are RFC 3339 in UTC. What is not there is null or empty, not left out.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from responder.model.assessment import Assessment
from responder.model.finding import Finding
from responder.model.reading import NoReading, Reading
from responder.model.report import Pointed, Report
from responder.model.verdict import RuleVerdict, SignalVerdict, Unknown, Verdict, key_of

FOLDED = "folded"
LONGEST_LINK = 2000


def as_json(
    report: Report, *, marker: str, continues: str = "", continued_in: str = "", edition: str = ""
) -> dict[str, Any]:
    """The report as JSON-like data; `digest` changes with what a reader must know, not with every number.

    `continues`, `continued_in`: slugs of the incidents before and after; the latter makes the state `folded`.
    `edition`: what tells two deliveries of one content apart, when something else was shown between them.
    """
    body = {
        "incident": report.slug,
        "marker": marker,
        "digest": "",
        "state": FOLDED if continued_in else report.state,
        "complete": report.complete,
        "title": report.title,
        "summary": report.summary,
        "severity": report.severity,
        "severity_rank": report.severity_rank,
        "why": list(report.why),
        "assessment": _assessment(report.assessment),
        "verdicts": [_rule_verdict(it) for it in report.verdicts],
        "look_first": _pointed(report.look_first),
        "also": _pointed(report.also),
        "healthy": _pointed(report.healthy),
        "could_not_look": _pointed(report.could_not_look),
        "still_looking": list(report.still_looking),
        "findings": [finding_as_json(it) for it in report.findings],
        "changes": _changes(report.findings),
        "suggestions": [
            {"phase": it.phase, "do": it.do, "run": it.run, "caution": it.caution, "see": it.see}
            for it in report.suggestions
        ],
        "events": list(report.events),
        "notices": list(report.notices),
        "alerts": {
            "firing": report.alerts_firing,
            "total": report.alerts_total,
            "names": list(report.alert_names),
        },
        "checks": {
            "asked": report.asked,
            "answered": report.answered,
            "took_seconds": round(report.took_seconds, 3),
        },
        "at": moment(report.at),
        "opened_at": moment(report.opened_at),
        "onset": moment(report.onset),
        "resolved_at": moment(report.resolved_at),
        "time_zone": report.time_zone,
        "links": {"page": report.page_url, "runbook": report.runbook},
        "continues": continues or None,
        "continued_in": continued_in or None,
        "private": report.private,
        "cut": [],
    }
    return body | {"digest": _digest(body, edition)}


def encoded(body: dict[str, Any], most_bytes: int) -> bytes:
    """The same as UTF-8 of at most so many bytes; `cut` then names what is shorter than it was.

    Raises ValueError when there is no room even for the shortest form (a few kB).
    """
    for shorter in _ever_shorter(body):
        text = json.dumps(shorter, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        raw = text.encode("utf-8", "replace")
        if len(raw) <= most_bytes:
            return raw
    raise ValueError(f"a report needs more room than {most_bytes} bytes")


def moment(at: datetime | None) -> str | None:
    """`2026-11-21T03:12:09.120Z`; without a fraction where there is none."""
    if at is None:
        return None
    exact = "milliseconds" if at.microsecond else "seconds"
    return at.astimezone(UTC).isoformat(timespec=exact).removesuffix("+00:00") + "Z"


def _assessment(it: Assessment) -> dict[str, Any]:
    answers = [
        {
            "ask": answer.ask,
            "said": str(answer.said),
            "because": answer.because,
            "counted_as": str(answer.counted_as),
            "result": answer.result,
        }
        for answer in it.answers
    ]
    return {"level": it.level, "raw": it.raw, "decided_by": it.decided_by, "held": it.held, "answers": answers}


def _rule_verdict(it: RuleVerdict) -> dict[str, Any]:
    return {"rule": it.rule, **_verdict(it.verdict), "signals": [_signal(signal) for signal in it.signals]}


def _signal(it: SignalVerdict) -> dict[str, Any]:
    reading = it.reading
    value = reading.value if isinstance(reading, Reading) and math.isfinite(reading.value) else None
    return {
        "signal": it.signal,
        **_verdict(it.verdict),
        "bound": it.bound,
        "shown": it.shown,
        "value": value,
        "labels": dict(reading.labels),
        "read_at": moment(reading.at),
        "origin": reading.origin,
        "could_not_read": reading.why if isinstance(reading, NoReading) else "",
    }


def _verdict(it: Verdict) -> dict[str, Any]:
    """`verdict` is critical, warning, pending, clear or unknown; `why` only of the last."""
    return {
        "verdict": key_of(it),
        "since": moment(getattr(it, "since", None)),
        "at_least": bool(getattr(it, "at_least", False)),
        "due": moment(getattr(it, "due", None)),
        "why": it.why if isinstance(it, Unknown) else "",
    }


def finding_as_json(it: Finding) -> dict[str, Any]:
    """One finding, as it stands in a report."""
    table = it.table
    return {
        "name": it.name,
        "check": it.check,
        "target": it.target,
        "outcome": it.outcome.value,
        "headline": it.headline,
        "details": it.details,
        "table": table
        and {"columns": list(table.columns), "rows": [list(row) for row in table.rows], "cut": table.cut},
        "chart": it.chart
        and {
            "curves": [{"name": one.name, "points": [list(at) for at in one.points]} for one in it.chart.curves],
            "cut": it.chart.cut,
        },
        "changes": [{"at": moment(change.at), "what": change.what, "by": change.by} for change in it.changes],
        "marks": list(it.marks),
        "found": dict(it.found),
        "asked_at": moment(it.asked_at),
        "took_seconds": round(it.took_seconds, 3),
        "equivalent": it.equivalent,
    }


def _changes(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Every dated change that the findings name, oldest first."""
    dated = sorted(((change, it.name) for it in findings for change in it.changes), key=lambda pair: pair[0].at)
    return [{"at": moment(it.at), "what": it.what, "by": it.by, "check": check} for it, check in dated]


def _pointed(lines: Sequence[Pointed]) -> list[dict[str, str]]:
    return [{"text": it.text, "check": it.check} for it in lines]


def _digest(body: dict[str, Any], edition: str) -> str:
    facts = [
        edition,
        *(body[name] for name in ("severity", "state", "complete", "events", "suggestions", "continued_in")),
        sorted([it["rule"], it["verdict"]] for it in body["verdicts"]),
        sorted([it["name"], it["outcome"], sorted(set(it["marks"]))] for it in body["findings"]),
        sorted({it["check"] for it in body["could_not_look"]}),
    ]
    return hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()


def _ever_shorter(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Whole; without what the page shows better; without findings; then every list and text shorter and shorter."""
    light = [{**it, "details": "", "table": None, "chart": None} for it in body["findings"]]
    bare = {**body, "findings": [], "changes": []}
    links = {name: it if len(it) <= LONGEST_LINK else "" for name, it in body["links"].items()}  # half a link is none
    whole = {"links": links, "cut": ["findings", "changes", "lists", "texts"]}
    return [
        body,
        {**body, "findings": light, "cut": ["findings.details", "findings.table", "findings.chart"]},
        {**bare, "cut": ["findings", "changes"]},
        *({**_shortened(bare, entries), **whole} for entries in (50, 10, 2)),
    ]


def _shortened(value: Any, entries: int) -> Any:
    match value:
        case str():
            return value if len(value) <= 10 * entries + 100 else f"{value[: 10 * entries + 99]}…"
        case dict():
            kept = list(value.items()) if len(value) <= 50 else list(value.items())[:entries]
            return {name: _shortened(it, entries) for name, it in kept}
        case list():
            return [_shortened(it, entries) for it in value[:entries]]
        case _:
            return value
