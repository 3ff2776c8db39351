"""The pages that people open from a note: all incidents, and everything known about one. No script, no state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import jinja2
from markupsafe import Markup

from responder.delivery.plain_text import clock_there, inert
from responder.model.finding import Finding
from responder.model.incident import Incident
from responder.model.quantities import show_duration
from responder.model.report import Report
from responder.model.verdict import Pending, SignalVerdict, Verdict, key_of
from responder.rules.complaints import pointed
from responder.rules.in_force import RulesInForce
from responder.web.chart import drawn
from responder.web.looking import Looked
from responder.web.rules import bounds_of, checks_of

STATIC = Path(__file__).parent / "static"  # served at /static/ by the server
ALERTS_MOST = 200  # a page of a storm stays one that a phone can open; the API has them all
ROWS_MOST = 200
PHONE_COLUMNS = 32  # that fit beside one another on a narrow phone
RULES_MOST = 500  # of one pack
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One incident in the list. `report_state`: where its report is ("delivered", "waiting for …"), with the reason."""

    slug: str
    state: str
    severity: str | None
    severity_rank: int
    title: str
    opened_at: datetime
    resolved_at: datetime | None
    alerts_firing: int
    report_state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """What happened when."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLine:
    """Where a report goes or went. `why`: the reason of a wait or of a failure, empty when there is neither."""

    sink: str
    object: str
    state: str
    why: str
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitLine:
    """One piece of work that is left to do for an incident. `since`: when it was first asked for; `until`: when it is
    taken up next, of what is `held` when somebody else may take it over; `failures`: in a row."""

    work: str
    object: str
    why: str
    since: datetime
    until: datetime
    held: bool
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    """All that one incident's page shows. `report`: None before the first; `timeline`: oldest first."""

    incident: Incident
    report: Report | None
    pack: str
    timeline: tuple[TimelineEntry, ...] = ()
    deliveries: tuple[DeliveryLine, ...] = ()
    waits: tuple[WaitLine, ...] = ()


class Pages:
    """Renders pages. `name`: this installation; `public_url`: how people reach it, empty when not known."""

    def __init__(self, name: str, public_url: str = "") -> None:
        self._environment = _environment()
        self._environment.globals["installation"] = name
        self._environment.globals["public_url"] = public_url.rstrip("/")

    def listing(self, incidents: Sequence[Line], now: datetime, *, refused: int = 0) -> str:
        """All of them: open first, the gravest first, then the newest. `refused`: mistakes in rules not taken."""

        def order(line: Line) -> tuple[bool, int, float, str]:
            is_open = line.state == "open"
            return (not is_open, line.severity_rank if is_open else 0, -line.opened_at.timestamp(), line.slug)

        ordered = sorted(incidents, key=order)
        open_ones = [it for it in ordered if it.state == "open"]
        return self._render("incidents.html", now, open=open_ones, closed=ordered[len(open_ones) :], refused=refused)

    def incident(self, view: IncidentView, now: datetime) -> str:
        """One incident, whole."""
        findings = view.report.findings if view.report else ()
        return self._render(
            "incident.html",
            now,
            view=view,
            incident=view.incident,
            report=view.report,
            anchors={it.name: f"finding-{n}" for n, it in reversed(list(enumerate(findings, 1)))},
            alerts=view.incident.alerts[:ALERTS_MOST],
            alerts_cut=max(0, len(view.incident.alerts) - ALERTS_MOST) + view.incident.more_alerts,
            rows_most=ROWS_MOST,
        )

    def quarantine(self, entries: Sequence[Mapping[str, object]], now: datetime, *, more: bool = False) -> str:
        """What was accepted but not understood, newest first. `more`: older entries are left out."""
        return self._render("quarantine.html", now, entries=entries, more=more)

    def targets(self, looked: Looked, now: datetime) -> str:
        """What is looked at, where reports go, who is asked."""
        return self._render("targets.html", now, looked=looked)

    def rules(self, rules: RulesInForce, now: datetime) -> str:
        """The rules in force, and what the last load said."""
        return self._render("rules.html", now, rules=rules, most=RULES_MOST)

    def not_found(self, slug: str) -> str:
        """There is no such incident (here, or any more)."""
        return self._render("not_found.html", None, slug=slug)

    def _render(self, template: str, now: datetime | None, **values: object) -> str:
        return self._environment.get_template(template).render(now=now, **values)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_without_unseen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "iso": _iso,
        "clock": _clock,
        "age": _age,
        "there": clock_there,
        "duration": show_duration,
        "verdict": _verdict_word,
        "lasting": _lasting,
        "lines": _without_unseen_lines,
        "reading_labels": _reading_labels,
        "finding_word": _finding_word,
        "drawn": drawn,
        "severity_class": _severity_class,
        "bounds": bounds_of,
        "checks": checks_of,
        "pointed": partial(pointed, before=PHONE_COLUMNS),
    }
    environment.tests["web_address"] = _is_web_address
    return environment


def _without_unseen(value: object) -> object:
    """Every value that reaches a page: nothing in it hides or turns the reading direction of what follows."""
    return inert(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _without_unseen_lines(value: str) -> Markup:
    """The same for text whose lines are kept."""
    return Markup("\n").join(inert(line.expandtabs(4)) for line in value.splitlines())


def _iso(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _clock(at: datetime, now: datetime | None) -> str:
    """`03:12:09 UTC`, with the date when that is not the day of `now`."""
    at = at.astimezone(UTC)
    is_today = now is not None and at.date() == now.astimezone(UTC).date()
    return f"{at:%H:%M:%S} UTC" if is_today else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _age(at: datetime, now: datetime) -> str:
    seconds = (now - at).total_seconds()
    return f"{show_duration(seconds)} ago" if seconds >= 0 else f"in {show_duration(-seconds)}"


def _verdict_word(verdict: Verdict) -> str:
    """`critical`, `warning`, `pending`, `clear` or `unknown`."""
    return key_of(verdict)


def _lasting(verdict: Verdict, now: datetime) -> str:
    """How long it has been over the bound, and of how long it must be; empty where it is not."""
    since = getattr(verdict, "since", None)
    if since is None:
        return ""
    shown = show_duration(max(0.0, (now - since).total_seconds()))
    needed = f" of {show_duration(verdict.needed_seconds)}" if isinstance(verdict, Pending) else ""
    return f"{'at least ' if getattr(verdict, 'at_least', False) else ''}{shown}{needed}"


def _reading_labels(signal: SignalVerdict) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(signal.reading.labels))


def _finding_word(finding: Finding) -> str:
    """The outcome as people say it; inconclusive is never softened."""
    return {"inconclusive": "could not look"}.get(finding.outcome.value, finding.outcome.value)


def _severity_class(rank: int) -> str:
    """One of four looks; the name of the level always stands beside it."""
    return f"severity-{min(max(rank, 0), 3)}"


def _is_web_address(value: str) -> bool:
    """Whether it may become a link: `javascript:` and its kin stay text."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and value == inert(value)
